//! Making schedules and changing parts of them.

use super::common::{MOST, TRIES, changed, computed};
use crate::access::{Caller, Scope};
use crate::api::{self, ScheduleBody};
use crate::exact::Exact;
use crate::http::access::warn;
use crate::http::body::{self, Fields, Query};
use crate::http::described_fields::fields;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::requests::ScheduleRequest;
use crate::http::{App, Part};
use crate::limits::{NotGranted, RequestedLimits};
use crate::publish;
use crate::run::new_id;
use crate::schedule::request::{self, ReadContext, jitter};
use crate::schedule::{KeptSchedule, NewSchedule, Origin, Schedule};
use crate::script::{Name, Script};
use crate::service::{self, ServiceError};
use crate::store::StoreError;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Map, Value as Any};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Write), routes!(create_schedule))
        .add(Need::Scope(Scope::Write), routes!(put_schedule))
        .add(Need::Scope(Scope::Write), routes!(patch_schedule))
}

impl App {
    fn zone_of<'a>(&'a self, script: &'a Script) -> &'a str {
        let settings = &script.settings;
        let own = settings.timezone.as_deref().or(script.version.table.timezone.as_deref());
        own.unwrap_or(&self.policy.timezone)
    }

    /// The script that a request names.
    async fn script_named(&self, caller: &Caller, asked: &Map<String, Any>) -> Result<Option<Script>, Problem> {
        match asked.get("script") {
            None | Some(Any::Null) => Ok(None),
            Some(Any::String(name)) => match self.script_for(caller, name).await {
                Err(error) if error.code == "no_such_script" => {
                    Err(Problem::invalid("script", error.detail).code("no_such_script"))
                }
                found => Ok(Some(found?)),
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
        service::check_priority(caller, new.settings.priority, had.and_then(|existing| existing.settings.priority))?;
        new.settings.args = args;
        if new.settings.version.is_some_and(|version| version < 1 || version > script.latest) {
            return Err(ServiceError::no_such_version(script, new.settings.version.unwrap_or_default()).into());
        }
        let limits = new.settings.limits.asked()?;
        let defaults = self.policy.scheduled_defaults();
        // What a schedule asks for beyond that is granted to its script, or not: here only what can never be is refused.
        let (limits, _) = limits.in_force(&limits.above(&defaults), &defaults, &self.policy.ceiling);
        self.check_limits(&limits)?;
        Ok(new)
    }

    /// Grants a schedule's script what the schedule asks for, when the caller may; what is not granted.
    async fn grant_limits(&self, caller: &Caller, new: &NewSchedule) -> Result<Vec<NotGranted>, Problem> {
        let (asked, defaults) = (new.settings.limits.asked()?, self.policy.scheduled_defaults());
        let above = asked.above(&defaults);
        if above == RequestedLimits::default() {
            return Ok(Vec::new());
        }
        if caller.grants_itself() {
            let by = caller.id().map(str::to_owned);
            self.store.grant_limits(&new.script, above, by, self.clock.now()).await?;
        }
        let granted = self.store.granted_limits(&new.script).await?;
        Ok(asked.in_force(&granted, &defaults, &self.policy.ceiling).1)
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
                return Err(ServiceError::chain_circle(&error, caller).field("trigger").into());
            }
            KeptSchedule::NoScript => {
                return Err(ServiceError::script_gone().into());
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
            created_by: new.created_by.clone(),
        };
        self.show(&schedule).map(Json)
    }
}

/// The fields of a request that is an object; the arguments apart from the others, as they were written.
async fn object(request: Request) -> Result<(Map<String, Any>, Said), Problem> {
    let content = body::read(request.into_body(), MOST).await?;
    let mut fields = Fields::read(&content, fields::<ScheduleRequest>())?;
    let said = match fields.has("args").then(|| fields.exact("args")) {
        None => Said::Nothing,
        Some(None) => Said::Null,
        Some(Some(args)) => Said::Args(Exact::parse(&service::arguments(Some(args))?).unwrap_or_default()),
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

/// Make a schedule
///
/// Without a trigger it runs once, now. An id that is taken is a conflict, unless `replace_existing`.
#[utoipa::path(
    post, path = "/v1/schedules", tag = "schedules", operation_id = "create_schedule",
    params(
        ("replace_existing" = Option<bool>, Query, description = "Whether a schedule of that id is changed"),
        ("dry_run" = Option<bool>, Query, description = "Whether nothing is kept: the answer shows what would be"),
    ),
    request_body(content = ScheduleRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It was there, and is so now; or what would be kept", body = ScheduleBody),
        (status = 201, description = "It was made", body = ScheduleBody),
    )
)]
pub(crate) async fn create_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
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

/// Make a schedule, or make it so
///
/// What is not said is as it is by default. A trigger that stays the same keeps its phase and fires nothing.
#[utoipa::path(
    put, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "put_schedule",
    params(
        ("id" = String, Path, description = "The schedule"),
        ("dry_run" = Option<bool>, Query, description = "Whether nothing is kept: the answer shows what would be"),
    ),
    request_body(content = ScheduleRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It was there, and is so now; or what would be kept", body = ScheduleBody),
        (status = 201, description = "It was made", body = ScheduleBody),
    )
)]
pub(crate) async fn put_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
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
            asked.insert("trigger".into(), existing.trigger.json().clone());
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
    request_body(content = ScheduleRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The schedule as it is now; or what would be kept", body = ScheduleBody),
    )
)]
pub(crate) async fn patch_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
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
        let mut whole = request::as_asked(&existing.settings, existing.trigger.json());
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
            false => existing.trigger.parsed().ok().map(|trigger| trigger.zone().name().to_owned()),
        };
        let new = app.plan((&whole, args), &name, &script, (Some(&existing), zone), &caller).await?;
        if let Some(response) = app.keep(&caller, new, Some(existing.revision), &query).await? {
            return Ok(response);
        }
    }
    Err(changed())
}
