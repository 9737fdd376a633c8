//! Schedules: making, changing, pausing, triggering and deleting them, and what they will do.

use super::access::{Reached, warn};
use super::before::Before;
use super::body::{self, Fields, Query, bad_cursor};
use super::problem::Problem;
use super::submit::{Shown, output_of, wait_of};
use super::{App, Part};
use crate::access::Caller;
use crate::api::{self, BackfillBody, FireBody, Page, PreviewBody, ProblemBody, RunBody, ScheduleBody, SchedulerBody};
use crate::clock::{Time, from_micros, micros, rfc3339};
use crate::computations::{ComputeError, compute};
use crate::exact::Exact;
use crate::guard;
use crate::limits::{NotGranted, RequestedLimits};
use crate::publish::{self, keep_value};
use crate::run::{Cause, Gate, NewRun, PRIORITIES, new_id};
use crate::schedule::request::{self, ReadContext, jitter, trigger_of};
use crate::schedule::{KeptSchedule, NewSchedule, Origin, STATES, Schedule, ScheduleFilter, State as Standing};
use crate::script::{Name, Script, key_of};
use crate::store::StoreError;
use crate::store::backfill::Backfilled;
use crate::trigger::{Budget, MAX_PREVIEW, Trigger, TriggerError};
use crate::zone;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::TimeDelta;
use serde_json::{Map, Value as Any};

/// The largest request: a trigger, and arguments.
const MOST: usize = 1 << 20;
/// Schedules of a list that are fetched at once.
const TOGETHER: usize = 50;
/// Most fire times of one backfill.
const MOST_BACKFILLED: usize = 1_000;
/// What a backfill's runs stand behind everything else by, unless told otherwise.
const BACKFILL_PRIORITY: i64 = -10;
/// How often a change that met another one is tried again.
const TRIES: usize = 3;

impl App {
    /// The schedule of that id, if the caller may touch its script.
    async fn schedule_for(&self, caller: &Caller, id: &str) -> Result<Schedule, Problem> {
        let name = Name::parse(id).map_err(|error| Problem::bad("bad_name", error.to_string()).field("id"))?;
        let found = self.store.schedule(name.key()).await?;
        let schedule =
            found.ok_or_else(|| Problem::not_found("no_such_schedule", format!("there is no schedule {name}")))?;
        let script = self.store.script(&schedule.script).await?;
        self.check_reach(caller, &schedule.script, script.as_ref())?;
        Ok(schedule)
    }

    fn show(&self, schedule: &Schedule) -> Result<ScheduleBody, Problem> {
        let trigger = trigger_of(schedule).map_err(|why| {
            tracing::error!(schedule = %schedule.id, why, "a stored trigger cannot be read");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the schedule's trigger cannot be read any more",
            )
        })?;
        Ok(ScheduleBody::new(schedule, &trigger, &self.rules.runs.job_defaults))
    }

    /// The schedules that start a script.
    pub(super) async fn schedules_of(&self, script: &Script) -> Result<Vec<ScheduleBody>, Problem> {
        self.show_all(&self.stored_schedules_of(&script.key).await?).await
    }

    async fn stored_schedules_of(&self, key: &str) -> Result<Vec<Schedule>, Problem> {
        let filter = ScheduleFilter { scripts: Some(vec![key.to_owned()]), limit: 1000, ..ScheduleFilter::default() };
        Ok(self.store.schedules(filter).await?)
    }

    /// The schedules that start a script, as they are before an upload.
    pub(super) async fn before_upload(&self, key: &str) -> Result<Before, Problem> {
        let schedules = self.stored_schedules_of(key).await?;
        let edited = schedules.iter().filter(|schedule| schedule.edited).map(|schedule| schedule.id.clone()).collect();
        Ok(Before { schedules: self.show_all(&schedules).await?, edited })
    }

    /// Shows schedules. Reading a trigger takes up to some milliseconds: others get their turn after each.
    async fn show_all(&self, schedules: &[Schedule]) -> Result<Vec<ScheduleBody>, Problem> {
        let mut shown = Vec::with_capacity(schedules.len());
        for schedule in schedules {
            shown.push(self.show(schedule)?);
            tokio::task::yield_now().await;
        }
        Ok(shown)
    }

    async fn shown(&self, key: &str) -> Result<ScheduleBody, Problem> {
        match self.store.schedule(key).await? {
            Some(schedule) => self.show(&schedule),
            None => Err(Problem::not_found("no_such_schedule", "the schedule was deleted meanwhile")),
        }
    }

    async fn show_scheduler(&self, caller: &Caller) -> Result<SchedulerBody, Problem> {
        let whole = self.store.scheduler().await?;
        // The next fire time is some script's: one that a limited caller may not know of.
        let next = if caller.is_limited() { None } else { self.store.next_schedule().await? };
        Ok(SchedulerBody {
            paused: whole.paused,
            timezone: self.rules.runs.timezone.clone(),
            tzdata: zone::installed().release().to_owned(),
            next_fire_at: next.map(rfc3339),
        })
    }

    fn zone_of<'a>(&'a self, script: &'a Script) -> &'a str {
        let settings = &script.settings;
        let own = settings.timezone.as_deref().or(script.version.table.timezone.as_deref());
        own.unwrap_or(&self.rules.runs.timezone)
    }

    /// The script that a request names.
    async fn script_named(&self, caller: &Caller, asked: &Map<String, Any>) -> Result<Option<Script>, Problem> {
        match asked.get("script") {
            None | Some(Any::Null) => Ok(None),
            Some(Any::String(name)) => match self.script_for(caller, name).await {
                Err(problem) if problem.code == "no_such_script" => {
                    Err(Problem::invalid("script", problem.detail).code("no_such_script"))
                }
                found => found.map(Some),
            },
            Some(_) => Err(Problem::invalid("script", "script is the name of a script")),
        }
    }

    /// Reads what is asked for, and checks it against the script.
    async fn plan(
        &self,
        (asked, args): (&Map<String, Any>, Option<Exact>),
        id: &Name,
        script: &Script,
        (existing, zone): (Option<&Schedule>, Option<String>),
        caller: &Caller,
    ) -> Result<NewSchedule, Problem> {
        // A schedule of the script's own stays that when somebody changes it: the next upload makes it equal to the block.
        let origin = match existing {
            Some(existing) if existing.script == script.key => existing.origin,
            _ => Origin::Request,
        };
        let read = {
            let (timezone, now) = (zone.unwrap_or_else(|| self.zone_of(script).to_owned()), self.clock.now());
            let (asked, id, key) = (asked.clone(), id.clone(), script.key.clone());
            let existing = existing.cloned();
            move || {
                let existing = existing.as_ref();
                let context = ReadContext { timezone: &timezone, now, origin, existing, jitter: jitter() };
                request::read(&asked, &id, &key, &context)
            }
        };
        let mut new = computed(caller, read).await??;
        new.created_by = caller.id().map(str::to_owned);
        publish::check_upstreams(&self.store, &caller.reach(), &mut new, existing).await?;
        let had = existing.filter(|existing| existing.script == script.key);
        Self::check_priority(caller, new.settings.priority, had.and_then(|existing| existing.settings.priority))?;
        new.settings.args = args;
        if new.settings.version.is_some_and(|version| version < 1 || version > script.latest) {
            return Err(Problem::no_such_version(script, new.settings.version.unwrap_or_default()));
        }
        let limits = RequestedLimits::read(&new.settings.limits)?;
        let defaults = self.rules.runs.scheduled_defaults();
        // What a schedule asks for beyond that is granted to its script, or not: here only what can never be is refused.
        let (limits, _) = limits.in_force(&limits.above(&defaults), &defaults, &self.rules.runs.ceiling);
        self.check_limits(&limits)?;
        Ok(new)
    }

    /// Grants a schedule's script what the schedule asks for, when the caller may; what is not granted.
    async fn grant_limits(&self, caller: &Caller, new: &NewSchedule) -> Result<Vec<NotGranted>, Problem> {
        let (asked, defaults) = (RequestedLimits::read(&new.settings.limits)?, self.rules.runs.scheduled_defaults());
        let above = asked.above(&defaults);
        if above == RequestedLimits::default() {
            return Ok(Vec::new());
        }
        if Self::grants_itself(caller) {
            let by = caller.id().map(str::to_owned);
            self.store.grant_limits(&new.script, above, by, self.clock.now()).await?;
        }
        let granted = self.store.granted_limits(&new.script).await?;
        Ok(asked.in_force(&granted, &defaults, &self.rules.runs.ceiling).1)
    }

    /// Keeps a schedule, and tells of it.
    async fn keep(
        &self,
        caller: &Caller,
        new: NewSchedule,
        expected: Option<i64>,
        query: &Query,
    ) -> Result<Option<Response>, Problem> {
        if query.flag("dry_run", false)? {
            return Ok(Some(self.dry(&new)?.into_response()));
        }
        let key = new.key.clone();
        let not_granted = self.grant_limits(caller, &new).await?;
        let status = match self.store.keep_schedule(new, expected, self.clock.now()).await? {
            KeptSchedule::Created => StatusCode::CREATED,
            KeptSchedule::Changed => StatusCode::OK,
            KeptSchedule::Taken => return Ok(None),
            KeptSchedule::Circle(circle) => {
                let error = StoreError::Circle(circle);
                return Err(Problem::chain_circle(&error, caller).field("trigger"));
            }
            KeptSchedule::NoScript => {
                return Err(Problem::script_gone());
            }
        };
        // Shown as it was kept: a schedule that is due now may have fired a moment later.
        let shown = self.shown(&key).await;
        self.signals.schedules.notify_one();
        let body = ScheduleBody { not_granted, ..shown? };
        let place = HeaderValue::from_str(&format!("/v1/schedules/{}", api::part(&body.id)));
        let own = (body.origin == Origin::Metadata.as_str()).then(|| {
            format!(
                "the block of {} names the schedule {}: the next push of a source that names it makes it so again; change the \
                 block too",
                body.script, body.id
            )
        });
        let mut response = (status, Json(body)).into_response();
        if let Ok(place) = place {
            response.headers_mut().insert(header::LOCATION, place);
        }
        warn(&mut response, own.as_deref());
        Ok(Some(response))
    }

    /// What would be kept.
    fn dry(&self, new: &NewSchedule) -> Result<Json<ScheduleBody>, Problem> {
        let now = self.clock.now();
        let schedule = Schedule {
            id: new.id.clone(),
            key: new.key.clone(),
            script: new.script.clone(),
            script_name: new.script.clone(),
            origin: new.origin,
            edited: false,
            reach: new.reach.clone(),
            settings: new.settings.clone(),
            trigger: new.trigger.clone(),
            state: new.state,
            reason: None,
            revision: 0,
            cursor: new.cursor,
            next_fire_at: new.next.map(|next| next.0),
            next_due_at: new.next.map(|next| next.1),
            fired: 0,
            last_run: None,
            read_at: new.read_at,
            created_at: now,
            updated_at: now,
        };
        self.show(&schedule).map(Json)
    }

    /// The run that a schedule starts now, or for a fire time.
    async fn run_of(
        &self,
        schedule: &Schedule,
        trigger: &Trigger,
        args: Option<Exact>,
        cause: Cause,
        now: Time,
    ) -> Result<NewRun, Problem> {
        let script = self.store.script(&schedule.script).await?.ok_or_else(Problem::script_gone)?;
        let version = self.version_of(&script, schedule.settings.version).await?;
        let text = body::arguments(args.or_else(|| schedule.settings.args.clone()))?;
        let args = keep_value(&self.store, &self.blobs, text, now).await?;
        let granted = self.store.granted_limits(&script.key).await?;
        let zone = trigger.zone().name();
        let made = self.rules.runs.run_of_schedule(schedule, &script, &version, &granted, zone, args, cause, now);
        made.map_err(|why| Problem::invalid("limits", why))
    }
}

/// The fields of a request that is an object; the arguments apart from the others, as they were written.
async fn object(request: Request) -> Result<(Map<String, Any>, Said), Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let names: Vec<&str> = request::names().collect();
    let mut fields = Fields::read(&content, &names)?;
    let said = match fields.has("args").then(|| fields.exact("args")) {
        None => Said::Nothing,
        Some(None) => Said::Null,
        Some(Some(args)) => Said::Args(Exact::parse(&body::arguments(Some(args))?).unwrap_or_default()),
    };
    Ok((fields.rest()?, said))
}

/// What a request says about a schedule's arguments.
#[derive(Clone, Debug)]
enum Said {
    /// Nothing: they stay as they are where there are some.
    Nothing,
    /// That there are none.
    Null,
    /// What they are.
    Args(Exact),
}

impl Said {
    /// The arguments that are in force then, where `before` were.
    fn over(&self, before: Option<&Exact>) -> Option<Exact> {
        match self {
            Said::Nothing => before.cloned(),
            Said::Null => None,
            Said::Args(args) => Some(args.clone()),
        }
    }
}

/// List schedules
///
/// By id; with `until`, those that fire until then, in the order in which they do.
#[utoipa::path(
    get, path = "/v1/schedules", tag = "schedules", operation_id = "list_schedules",
    params(
        ("script" = Option<String>, Query, description = "Of these scripts"),
        ("state" = Option<String>, Query, description = "active, paused or finished"),
        ("until" = Option<String>, Query, description = "Those that fire before then, sorted by time: RFC 3339, or 24h, 7d from now"),
        ("limit" = Option<usize>, Query, description = "How many; 100 by default, at most 1000"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
    ),
    responses(
        (status = 200, description = "Schedules by id", body = Page<ScheduleBody>),
        (status = "4XX", description = "The list cannot be had so", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_schedules(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["script", "state", "until", "limit", "cursor"])?;
    let limit = query.limit(100, 1000)?;
    let mut scripts = Vec::new();
    for name in query.many("script") {
        scripts.push(Name::parse(name)?.key().to_owned());
    }
    let scripts = match (scripts.is_empty(), app.reach_of(&caller).await?) {
        (true, reach) => reach.map(Reached::into_keys),
        (false, None) => Some(scripts),
        (false, Some(reach)) => Some(scripts.into_iter().filter(|script| reach.contains(script)).collect()),
    };
    let state = query.parse("state", |word| {
        let words: Vec<&str> = STATES.iter().map(|state| state.as_str()).collect();
        Standing::parse(word)
            .ok_or_else(|| format!("{:?} is no state; there are {}", body::short(word), words.join(", ")))
    })?;
    let now = app.clock.now();
    let fires_before = query.parse("until", |text| body::parse_time_ahead(text, now))?;
    let cursor = query.one("cursor")?.map(key_of);
    let (after, after_fire) = match (cursor, fires_before) {
        (Some(cursor), Some(_)) => {
            let place =
                cursor.split_once('.').and_then(|(time, key)| Some((from_micros(time.parse().ok()?), key.to_owned())));
            (None, Some(place.ok_or_else(|| Problem::bad("bad_parameter", bad_cursor()).field("cursor"))?))
        }
        (cursor, _) => (cursor, None),
    };
    // A few at a time: each may have large arguments.
    let mut rows = app.answers.page();
    let mut filter = ScheduleFilter { scripts, state, after, fires_before, after_fire, limit: 0 };
    let place_in = |filter: &ScheduleFilter| match &filter.after_fire {
        Some((time, key)) => Some(format!("{}.{key}", micros(*time))),
        None => filter.after.clone(),
    };
    loop {
        let wanted = TOGETHER.min(limit - rows.count());
        filter.limit = wanted + 1;
        let found = app.store.schedules(filter.clone()).await?;
        let more = found.len() > wanted;
        for schedule in found.iter().take(wanted) {
            if !rows.push(&app.show(schedule)?).await? {
                return Ok(rows.answer(place_in(&filter).as_deref()));
            }
            match (fires_before, schedule.next_fire_at) {
                (Some(_), Some(next)) => filter.after_fire = Some((next, schedule.key.clone())),
                _ => filter.after = Some(schedule.key.clone()),
            }
        }
        if !more || rows.count() >= limit {
            return Ok(rows.answer(place_in(&filter).as_deref().filter(|_| more)));
        }
    }
}

/// Make a schedule
///
/// Without a trigger it runs once, now. An id that is taken is a conflict, unless `replace_existing`.
#[utoipa::path(
    post, path = "/v1/schedules", tag = "schedules", operation_id = "create_schedule",
    params(
        ("replace_existing" = Option<bool>, Query, description = "Whether a schedule of that id is changed"),
        ("dry_run" = Option<bool>, Query, description = "Whether nothing is kept: the answer shows what would be"),
    ),
    request_body(content = super::requests::ScheduleRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It was there, and is so now; or what would be kept", body = ScheduleBody),
        (status = 201, description = "It was made", body = ScheduleBody),
        (status = "4XX", description = "Nothing was kept", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["replace_existing", "dry_run"])?;
    let replace = query.flag("replace_existing", false)?;
    let (asked, said) = object(request).await?;
    let script = app.script_named(&caller, &asked).await?;
    let script = script.ok_or_else(|| Problem::invalid("script", "a schedule starts a script: name it"))?;
    let id = match asked.get("id") {
        None | Some(Any::Null) => {
            let random = new_id(app.clock.now());
            Name::parse(&Name::with_ending(&script.name, &random[random.len() - 8..]))
        }
        Some(Any::String(id)) => Name::parse(id),
        Some(_) => return Err(Problem::invalid("id", "id is a text")),
    };
    let id = id.map_err(|error| Problem::invalid("id", error.to_string()).code("bad_name"))?;
    for _ in 0..TRIES {
        let existing = app.store.schedule(id.key()).await?;
        if let Some(existing) = &existing {
            let other = app.store.script(&existing.script).await?;
            app.check_reach(&caller, &existing.script, other.as_ref())?;
            if !replace {
                let detail = format!(
                    "there is a schedule {id} already; PUT /v1/schedules/{id}, or ?replace_existing=true, changes it"
                );
                return Err(Problem::conflict("schedule_exists", detail).field("id"));
            }
        }
        let new = app.plan((&asked, said.over(None)), &id, &script, (existing.as_ref(), None), &caller).await?;
        if let Some(response) = app.keep(&caller, new, existing.map(|existing| existing.revision), &query).await? {
            return Ok(response);
        }
    }
    Err(changed())
}

fn changed() -> Problem {
    Problem::conflict("changed_meanwhile", "another request is changing this schedule; try again").retry_after(1)
}

/// Look at a schedule
#[utoipa::path(
    get, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "get_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses(
        (status = 200, description = "The schedule", body = ScheduleBody),
        (status = "4XX", description = "There is none", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Json<ScheduleBody>, Problem> {
    let schedule = app.schedule_for(&caller, &id).await?;
    app.show(&schedule).map(Json)
}

/// Make a schedule, or make it so
///
/// What is not said is as it is by default. A trigger that stays the same keeps its phase and fires nothing.
#[utoipa::path(
    put, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "put_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("dry_run" = Option<bool>, Query, description = "Whether nothing is kept: the answer shows what would be"),
    ),
    request_body(content = super::requests::ScheduleRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It was there, and is so now; or what would be kept", body = ScheduleBody),
        (status = 201, description = "It was made", body = ScheduleBody),
        (status = "4XX", description = "Nothing was changed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["dry_run"])?;
    let (mut asked, said) = object(request).await?;
    let name = Name::parse(&id).map_err(|error| Problem::bad("bad_name", error.to_string()).field("id"))?;
    if let Some(other) = asked.remove("id")
        && other.as_str().and_then(|other| Name::parse(other).ok()).is_none_or(|other| other != name)
    {
        return Err(Problem::invalid("id", "the id in the body is not the one in the address"));
    }
    for _ in 0..TRIES {
        let existing = match app.store.schedule(name.key()).await? {
            Some(_) => Some(app.schedule_for(&caller, &id).await?),
            None => None,
        };
        let script = match (app.script_named(&caller, &asked).await?, &existing) {
            (Some(script), _) => script,
            (None, Some(existing)) => app.script_for(&caller, &existing.script_name).await?,
            (None, None) => return Err(Problem::invalid("script", "a schedule starts a script: name it")),
        };
        let mut asked = asked.clone();
        if let (None, Some(existing)) = (asked.get("trigger"), &existing) {
            asked.insert("trigger".into(), existing.trigger.clone());
        }
        let new = app.plan((&asked, said.over(None)), &name, &script, (existing.as_ref(), None), &caller).await?;
        if let Some(response) = app.keep(&caller, new, existing.map(|existing| existing.revision), &query).await? {
            return Ok(response);
        }
    }
    Err(changed())
}

/// Change parts of a schedule
///
/// What is null is as it is by default again.
#[utoipa::path(
    patch, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "patch_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("dry_run" = Option<bool>, Query, description = "Whether nothing is kept: the answer shows what would be"),
    ),
    request_body(content = super::requests::ScheduleRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The schedule as it is now; or what would be kept", body = ScheduleBody),
        (status = "4XX", description = "Nothing was changed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn patch_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["dry_run"])?;
    let (asked, said) = object(request).await?;
    if asked.contains_key("id") {
        return Err(Problem::invalid("id", "an id does not change: make another schedule and delete this one"));
    }
    if asked.get("trigger").is_some_and(Any::is_null) {
        return Err(Problem::invalid("trigger", "a schedule has a trigger; to stop it, pause or delete it"));
    }
    for _ in 0..TRIES {
        let existing = app.schedule_for(&caller, &id).await?;
        let name = Name::parse(&existing.id)?;
        let script = match app.script_named(&caller, &asked).await? {
            Some(script) => script,
            None => app.script_for(&caller, &existing.script_name).await?,
        };
        let mut whole = request::as_asked(&existing.settings, &existing.trigger);
        whole.extend(asked.clone());
        // Another zone alone means the same trigger there.
        if let (Some(zone), None) = (asked.get("timezone").filter(|zone| !zone.is_null()), asked.get("trigger"))
            && let Some(Any::Object(trigger)) = whole.get_mut("trigger")
        {
            trigger.insert("timezone".into(), zone.clone());
        }
        let args = said.over(existing.settings.args.as_ref());
        // A trigger that names no zone is meant in the one that the schedule has.
        let zone = match asked.contains_key("timezone") {
            true => None,
            false => trigger_of(&existing).ok().map(|trigger| trigger.zone().name().to_owned()),
        };
        let new = app.plan((&whole, args), &name, &script, (Some(&existing), zone), &caller).await?;
        if let Some(response) = app.keep(&caller, new, Some(existing.revision), &query).await? {
            return Ok(response);
        }
    }
    Err(changed())
}

/// Delete a schedule
///
/// Its runs stay; those that wait for their start are skipped.
#[utoipa::path(
    delete, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "delete_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses(
        (status = 204, description = "It is gone; the header x-cronbox-warning says when it will come back"),
        (status = "4XX", description = "There is none", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Response, Problem> {
    let schedule = app.schedule_for(&caller, &id).await?;
    let gone = app.store.delete_schedule(&schedule.key, app.clock.now()).await?;
    let gone = gone.ok_or_else(|| Problem::not_found("no_such_schedule", "the schedule was deleted meanwhile"))?;
    gone.skipped.iter().for_each(|id| app.signals.notify_ended(id));
    app.signals.notify_queued();
    let mut response = StatusCode::NO_CONTENT.into_response();
    let own = (schedule.origin == Origin::Metadata).then(|| {
        format!(
            "the block of {} names the schedule {}: it comes back with the next push of a source that names it; take it out of \
             the block too",
            schedule.script_name, schedule.id
        )
    });
    warn(&mut response, own.as_deref());
    Ok(response)
}

/// Pause a schedule
///
/// While it is paused its fire times leave no rows; runs that wait for their start are skipped.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/pause", tag = "schedules", operation_id = "pause_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses(
        (status = 200, description = "It is paused", body = ScheduleBody),
        (status = "4XX", description = "It is not", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn pause_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Json<ScheduleBody>, Problem> {
    let schedule = app.schedule_for(&caller, &id).await?;
    let paused = app.store.pause_schedule(&schedule.key, None, app.clock.now()).await?;
    let finished = || Problem::conflict("schedule_finished", "the schedule can fire no more");
    let paused = paused.ok_or_else(finished)?;
    paused.skipped.iter().for_each(|id| app.signals.notify_ended(id));
    app.signals.notify_queued();
    app.shown(&schedule.key).await.map(Json)
}

/// Let a schedule fire again
///
/// From now on; or from a time in the past, under its misfire policy.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/resume", tag = "schedules", operation_id = "resume_schedule",
    params(("id" = String, Path, description = "The schedule")),
    request_body(content = super::requests::ResumeRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It fires, or has nothing left to fire", body = ScheduleBody),
        (status = "4XX", description = "It does not", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resume_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Json<ScheduleBody>, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let from = resume_from(&content, app.clock.now())?;
    for _ in 0..TRIES {
        let schedule = app.schedule_for(&caller, &id).await?;
        let now = app.clock.now();
        if schedule.state == Standing::Active && from.is_none() {
            return app.show(&schedule).map(Json);
        }
        let trigger = trigger_of(&schedule).map_err(|why| Problem::invalid("trigger", why))?;
        let cursor = from.map_or(now, just_before);
        let next = computed(&caller, move || request::first(&trigger, cursor, jitter())).await??;
        if app.store.resume_schedule(&schedule.key, schedule.revision, cursor, next, now).await? {
            app.signals.schedules.notify_one();
            return app.shown(&schedule.key).await.map(Json);
        }
    }
    Err(changed())
}

/// `{"from": "2026-01-01T00:00:00Z"}`, or nothing.
fn resume_from(content: &[u8], now: Time) -> Result<Option<Time>, Problem> {
    let from: Option<String> = Fields::read(content, &["from"])?.take("from")?;
    let Some(text) = from else { return Ok(None) };
    let from = body::parse_time(&text, now).map_err(|why| Problem::invalid("from", why))?;
    if from > now {
        return Err(Problem::invalid("from", "from lies in the past; to fire from a later time on, set start_date"));
    }
    Ok(Some(from))
}

/// Start a schedule's script now
///
/// Whatever its state; its fire times stay as they are.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/trigger", tag = "schedules", operation_id = "trigger_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("wait" = Option<String>, Query, description = "Wait so long for the end: 30s; at most 300s"),
        ("output" = Option<String>, Query, description = "How much of what it wrote is shown: 8KiB, which it is by itself with wait; false for nothing"),
    ),
    request_body(content = super::requests::TriggerNowRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The run has ended", body = RunBody),
        (status = 201, description = "The run", body = RunBody),
        (status = 202, description = "The run has not ended yet", body = RunBody),
        (status = "4XX", description = "None was made", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The database or the blob store is away", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn trigger_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["wait", "output"])?;
    let wait = wait_of(&query)?;
    let output = output_of(&query, wait)?;
    let content = body::read(request.into_body(), MOST).await?;
    let args = Fields::read(&content, &["args"])?.exact("args");
    let schedule = app.schedule_for(&caller, &id).await?;
    let trigger = trigger_of(&schedule).map_err(|why| Problem::invalid("trigger", why))?;
    let now = app.clock.now();
    let mut new = app.run_of(&schedule, &trigger, args, Cause::Manual, now).await?;
    (new.created_by, new.bounded) = (caller.id().map(str::to_owned), true);
    app.launch(new, Shown::output(output), None, wait, now).await
}

/// What a backfill is for.
struct Range {
    from: Time,
    until: Time,
    only_missing: bool,
    concurrency: u32,
    priority: i64,
}

impl Range {
    fn read(fields: &mut Fields, now: Time) -> Result<Self, Problem> {
        let mut time = |field: &str| -> Result<Option<Time>, Problem> {
            let text: Option<String> = fields.take(field)?;
            text.map(|text| body::parse_time(&text, now)).transpose().map_err(|why| Problem::invalid(field, why))
        };
        let from =
            time("from")?.ok_or_else(|| Problem::invalid("from", "from is needed: a time, or 7d for so long ago"))?;
        let until = time("until")?.unwrap_or(now);
        if until > now || from > until {
            return Err(Problem::invalid("until", "a backfill is for the past: from, then until, then now"));
        }
        let only_missing = match fields.take::<String>("which")?.as_deref() {
            None | Some("missing") => true,
            Some("all") => false,
            Some(other) => {
                return Err(Problem::invalid("which", format!("{:?} is neither missing nor all", body::short(other))));
            }
        };
        let concurrency: u32 = fields.take("concurrency")?.unwrap_or(1);
        if !(1..=1000).contains(&concurrency) {
            return Err(Problem::invalid("concurrency", "concurrency is between 1 and 1000"));
        }
        let priority: i64 = fields.take("priority")?.unwrap_or(BACKFILL_PRIORITY);
        if !PRIORITIES.contains(&priority) {
            let detail = format!("priority is between {} and {}", PRIORITIES.start(), PRIORITIES.end());
            return Err(Problem::invalid("priority", detail));
        }
        Ok(Range { from, until, only_missing, concurrency, priority })
    }
}

/// Run for fire times in the past
///
/// `missing` (the default): those without a run that succeeded or still may; `all`: every one. The runs come
/// after others, and `concurrency` of them run at once. They count towards the bound of the queue (`--max-queued`): when it
/// has no room for all of them, none is made. What a crash cuts short is completed by the same request for what is `missing`.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/backfill", tag = "schedules", operation_id = "backfill_schedule",
    params(("id" = String, Path, description = "The schedule")),
    request_body(content = super::requests::BackfillRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "There was nothing to run for, or what would be run", body = BackfillBody),
        (status = 201, description = "The runs are there", body = BackfillBody),
        (status = "4XX", description = "None was made", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The database or the blob store is away", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn backfill_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["dry_run"])?;
    let content = body::read(request.into_body(), MOST).await?;
    let mut fields = Fields::read(&content, &["from", "until", "which", "concurrency", "priority"])?;
    let now = app.clock.now();
    let Range { from, until, only_missing, concurrency, priority } = Range::read(&mut fields, now)?;
    App::check_priority(&caller, Some(priority), None)?;
    let schedule = app.schedule_for(&caller, &id).await?;
    let trigger = trigger_of(&schedule).map_err(|why| Problem::invalid("trigger", why))?;
    // Its start is no bound here: somebody asks for what was before it was made.
    let bounded = |error| Problem::from(request::BadSchedule::trigger(&error));
    let (trigger, found) = computed(&caller, move || {
        let found = trigger.fires_between(just_before(from), until, MOST_BACKFILLED);
        (trigger, found)
    })
    .await?;
    let found = found.map_err(bounded)?;
    if found.more {
        let last = found.fires.last().map(|fire| rfc3339(fire.at)).unwrap_or_default();
        let detail = format!(
            "that is more than {MOST_BACKFILLED} fire times, which one request may ask for; the first {MOST_BACKFILLED} end at {last}"
        );
        return Err(Problem::invalid("until", detail).code("too_many_fire_times"));
    }
    let done = if only_missing { app.store.fire_times_done(&schedule.key, from, until).await? } else { Vec::new() };
    let wanted: Vec<_> = found.fires.iter().filter(|fire| !done.contains(&fire.at)).collect();
    let backfill = new_id(now);
    let mut body = BackfillBody {
        id: backfill.clone(),
        schedule: schedule.id.clone(),
        fire_times: wanted.iter().map(|fire| rfc3339(fire.at)).collect(),
        left_out: (found.fires.len() - wanted.len()) as u64,
        runs: Vec::new(),
    };
    if wanted.is_empty() || query.flag("dry_run", false)? {
        return Ok((StatusCode::OK, Json(body)).into_response());
    }
    let like = app.run_of(&schedule, &trigger, None, Cause::Backfill, now).await?;
    let runs: Vec<NewRun> = wanted
        .iter()
        .zip(1..)
        .map(|(fire, tick)| {
            let mut new = like.clone();
            new.id = new_id(now + TimeDelta::microseconds(tick));
            (new.priority, new.created_by) = (priority, caller.id().map(str::to_owned));
            new.bounded = true;
            (new.fire_time, new.fire_local) = (Some(fire.at), Some(fire.rfc3339()));
            new.backfill = Some(backfill.clone());
            new.gate = Some(Gate { name: backfill.clone(), most: Some(concurrency) });
            new.spec.gated = true;
            new
        })
        .collect();
    body.runs = runs.iter().map(|run| run.id.clone()).collect();
    let last_that_fits = |fits: u64| {
        let last = usize::try_from(fits).ok().and_then(|fits| fits.checked_sub(1)).and_then(|last| wanted.get(last));
        last.map(|fire| rfc3339(fire.at))
    };
    // It is made whole whether the client waits for it or not. One that a crash cuts short is made whole by asking for what
    // is missing again.
    let (store, signals, bound) = (app.store.clone(), app.signals.clone(), app.rules.queue_bound);
    let making = tokio::spawn(guard::caught_in("backfill", async move {
        let made = store.backfill(runs, bound, now).await;
        signals.notify_queued();
        made
    }));
    match making.await.ok().and_then(Result::ok).ok_or_else(Problem::mistake)?? {
        Backfilled::Made(0) => Err(Problem::script_gone()),
        Backfilled::Made(_) => Ok((StatusCode::CREATED, Json(body)).into_response()),
        Backfilled::QueueFull { waiting, fits } => {
            Err(backfill_too_large(wanted.len(), waiting, bound, last_that_fits(fits)))
        }
    }
}

/// A backfill that the queue has no room for: how much fits, and how to ask for so much.
fn backfill_too_large(wanted: usize, waiting: u64, bound: u64, last: Option<String>) -> Problem {
    let fits = bound.saturating_sub(waiting);
    let how = match last {
        Some(last) => format!("{fits} more fit: to ask for these, set until to {last}"),
        None => "try again when some have ended".to_owned(),
    };
    let detail = format!(
        "{waiting} runs are waiting, of at most {bound} (--max-queued), and this is for {wanted} fire times; none was made; {how}"
    );
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", detail).retry_after(5)
}

/// A schedule's next fire times
#[utoipa::path(
    get, path = "/v1/schedules/{id}/preview", tag = "schedules", operation_id = "preview_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("from" = Option<String>, Query, description = "Strictly after this time; now by default"),
        ("count" = Option<usize>, Query, description = "How many; 10 by default, at most 1000"),
    ),
    responses(
        (status = 200, description = "Fire times", body = PreviewBody),
        (status = "4XX", description = "There is none", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn preview_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    request: Request,
) -> Result<Json<PreviewBody>, Problem> {
    let query = Query::read(request.uri().query(), &["from", "count"])?;
    let now = app.clock.now();
    let schedule = app.schedule_for(&caller, &id).await?;
    let trigger = trigger_of(&schedule).map_err(|why| Problem::invalid("trigger", why))?;
    let from = query.time("from", now)?.unwrap_or(now);
    let count = query.limit_named("count", 10, MAX_PREVIEW)?;
    let shown = computed(&caller, move || preview(&trigger, from, count, &Budget::whole())).await?;
    shown.map_err(|error| request::BadSchedule::trigger(&error).into())
}

/// The next fire times of a trigger in the request
///
/// Nothing is kept: this is how to find out whether a trigger is understood, and how.
#[utoipa::path(
    post, path = "/v1/triggers/preview", tag = "schedules", operation_id = "preview_trigger",
    request_body(content = super::requests::PreviewRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "Fire times", body = PreviewBody),
        (status = "4XX", description = "The trigger is not understood", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn preview_trigger(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<PreviewBody>, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let mut fields = Fields::read(&content, &["trigger", "timezone", "from", "count"])?;
    let now = app.clock.now();
    let asked = fields.raw("trigger")?.filter(|trigger| !trigger.is_null());
    let asked = asked.ok_or_else(|| Problem::invalid("trigger", "there is no trigger to look at"))?;
    let timezone: Option<String> = fields.take("timezone")?;
    let from = fields.take::<String>("from")?.map(|text| body::parse_time(&text, now)).transpose();
    let from = from.map_err(|why| Problem::invalid("from", why))?.unwrap_or(now);
    let count: usize = fields.take("count")?.unwrap_or(10);
    if !(1..=MAX_PREVIEW).contains(&count) {
        return Err(Problem::invalid("count", format!("count is between 1 and {MAX_PREVIEW}")));
    }
    let timezone = timezone.unwrap_or_else(|| app.rules.runs.timezone.clone());
    let look = move || {
        let (trigger, budget) = (request::read_trigger(&asked, &timezone, now)?, Budget::whole());
        let shown =
            trigger.within(&budget).validate(from.min(now)).and_then(|()| preview(&trigger, from, count, &budget));
        shown.map_err(|error| request::BadSchedule::trigger(&error))
    };
    Ok(computed(&caller, look).await??)
}

/// The next fire times of a trigger, all of them within one budget.
fn preview(trigger: &Trigger, from: Time, count: usize, budget: &Budget) -> Result<Json<PreviewBody>, TriggerError> {
    let fires = trigger.within(budget).preview(from, count)?;
    Ok(Json(PreviewBody {
        trigger: trigger.to_json(),
        text: trigger.to_string(),
        timezone: trigger.zone().name().to_owned(),
        notes: trigger.notes().to_vec(),
        fires: fires.iter().map(FireBody::from).collect(),
    }))
}

/// Computes something over a trigger, beside the threads that answer requests.
async fn computed<T: Send + 'static>(
    caller: &Caller,
    computation: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let who = caller.id().unwrap_or("local");
    compute(who, "the trigger", computation).await.map_err(|error| {
        let (status, code) = match &error {
            ComputeError::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too_many_computations"),
            ComputeError::Busy | ComputeError::Down => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            ComputeError::Panicked(_) => return Problem::invalid("trigger", error.to_string()).code("bad_trigger"),
        };
        Problem::new(status, code, error.to_string()).retry_after(1)
    })
}

/// The instant before another: "strictly after" it includes that other.
fn just_before(time: Time) -> Time {
    time.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(time)
}

/// The state of the whole scheduler
#[utoipa::path(
    get, path = "/v1/scheduler", tag = "schedules", operation_id = "get_scheduler",
    responses(
        (status = 200, description = "Whether anything fires, by which zones", body = SchedulerBody),
        (status = "4XX", description = "Not authorised, or invalid request", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_scheduler(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<SchedulerBody>, Problem> {
    app.show_scheduler(&caller).await.map(Json)
}

/// Pause all schedules
#[utoipa::path(
    post, path = "/v1/scheduler/pause", tag = "schedules", operation_id = "pause_scheduler",
    responses(
        (status = 200, description = "Nothing fires", body = SchedulerBody),
        (status = "4XX", description = "It is not paused", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn pause_scheduler(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<SchedulerBody>, Problem> {
    app.store.pause_scheduler(app.clock.now()).await?;
    app.show_scheduler(&caller).await.map(Json)
}

/// Let all schedules fire again
///
/// From now on; or from a time in the past, each under its misfire policy.
#[utoipa::path(
    post, path = "/v1/scheduler/resume", tag = "schedules", operation_id = "resume_scheduler",
    request_body(content = super::requests::ResumeRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "They fire", body = SchedulerBody),
        (status = "4XX", description = "They do not", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resume_scheduler(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<SchedulerBody>, Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let now = app.clock.now();
    let from = resume_from(&content, now)?;
    app.store.resume_scheduler(from.unwrap_or(now), now).await?;
    app.signals.schedules.notify_one();
    app.show_scheduler(&caller).await.map(Json)
}
