//! Schedules as they are told: one, a page of them, and the whole scheduler.

use crate::access::{Caller, Scope};
use crate::api::{Page, ScheduleBody};
use crate::clock::{from_micros, micros};
use crate::http::body::{self, Query, bad_cursor};
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::{App, Part, precondition};
use crate::schedule::{STATES, Schedule, ScheduleFilter, State as Standing};
use crate::script::{Name, key_of};
use crate::service;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(list_schedules))
        .add(Need::Scope(Scope::Read), routes!(get_schedule))
}

/// Schedules of a list that are fetched at once.
const TOGETHER: usize = 50;

impl App {
    pub(crate) fn show(&self, schedule: &Schedule) -> ScheduleBody {
        ScheduleBody::new(schedule, &self.policy.job_defaults)
    }

    /// Shows schedules. Reading a trigger takes up to some milliseconds: others get their turn after each.
    pub(in crate::http) async fn show_all(&self, schedules: &[Schedule]) -> Vec<ScheduleBody> {
        let mut shown = Vec::with_capacity(schedules.len());
        for schedule in schedules {
            shown.push(self.show(schedule));
            tokio::task::yield_now().await;
        }
        shown
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
    )
)]
pub(crate) async fn list_schedules(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Response, Problem> {
    let limit = query.limit(100, 1000)?;
    let mut scripts = Vec::new();
    for name in query.many("script") {
        scripts.push(Name::parse(name)?.key().to_owned());
    }
    let scripts = app.scripts_within_reach(&caller, scripts).await?;
    let state = query.parse("state", |word| {
        let words: Vec<&str> = STATES.iter().map(|state| state.as_str()).collect();
        Standing::parse(word)
            .ok_or_else(|| format!("{:?} is no state; there are {}", service::quoted(word), words.join(", ")))
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
            if !rows.push(&app.show(schedule)).await? {
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

/// Look at a schedule
#[utoipa::path(
    get, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "get_schedule",
    params(("id" = String, Path, description = "The schedule")),
    responses(
        (status = 200, description = "The schedule", body = ScheduleBody),
    )
)]
pub(crate) async fn get_schedule(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Response, Problem> {
    let schedule = app.schedule_for(&caller, &id).await?;
    Ok(precondition::tagged(Json(app.show(&schedule)).into_response(), &schedule.tag()))
}
