//! Runs counted over time, as JSON or CSV.

use super::filter::wants_csv;
use crate::access::{Caller, Scope};
use crate::api::{CountBody, Page};
use crate::clock::{Time, rfc3339};
use crate::http::App;
use crate::http::body::Query;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::quantity;
use crate::run::{STATUSES, Status};
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use std::time::Duration;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default().add(Need::Scope(Scope::Read), routes!(count_runs))
}

/// Most slots in one answer.
const MOST_SLOTS: u128 = 10_000;

/// A slot of time: a time that a day has whole, or whole days.
pub(super) fn bucket_of(query: &Query, default: Duration) -> Result<Duration, Problem> {
    let bucket = query.parse("bucket", |text| {
        let bucket = quantity::parse_duration(text)?;
        if bucket < Duration::from_secs(1) { Err("a slot has at least 1s".to_owned()) } else { Ok(bucket) }
    })?;
    Ok(bucket.unwrap_or(default))
}

fn check_slots(filter_since: Option<Time>, until: Option<Time>, bucket: Duration, now: Time) -> Result<(), Problem> {
    let from = filter_since.unwrap_or(now);
    let span = (until.unwrap_or(now) - from).to_std().unwrap_or_default();
    if span.as_micros() / bucket.as_micros().max(1) > MOST_SLOTS {
        let detail = format!("that is more than {MOST_SLOTS} slots: take a wider bucket or a shorter time");
        return Err(Problem::bad("too_many_slots", detail).field("bucket"));
    }
    Ok(())
}

/// Count runs over time
///
/// By the time they were made, in slots of `bucket` counted from 1970 in UTC; by status.
#[utoipa::path(
    get, path = "/v1/runs/counts", tag = "runs", operation_id = "count_runs",
    params(
        ("bucket" = Option<String>, Query, description = "The width of a slot: 1h by default"),
        ("since" = Option<String>, Query, description = "Made then or later; 7d ago by default"),
        ("until" = Option<String>, Query, description = "Made before"),
        ("script" = Option<String>, Query, description = "Of these scripts"),
        ("schedule" = Option<String>, Query, description = "Made by this schedule"),
        ("status" = Option<String>, Query, description = "In one of these statuses"),
        ("cause" = Option<String>, Query, description = "Made for this cause"),
        ("label" = Option<String>, Query, description = "With this label: key=value"),
        ("format" = Option<String>, Query, description = "json or csv"),
    ),
    responses(
        (status = 200, description = "Slots that have runs", content((Page<CountBody> = "application/json"), (String = "text/csv"))),
    )
)]
pub(crate) async fn count_runs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let as_csv = wants_csv(&query, request.headers())?;
    let bucket = bucket_of(&query, Duration::from_secs(3600))?;
    let mut filter = app.filter(&caller, &query).await?;
    let now = app.clock.now();
    filter.since = filter.since.or_else(|| now.checked_sub_signed(chrono::TimeDelta::days(7)));
    check_slots(filter.since, filter.until, bucket, now)?;
    let counts = app.store.counts(filter, bucket).await?;
    let items = counts.into_iter().map(|count| CountBody {
        at: rfc3339(count.at),
        total: count.by_status.values().sum(),
        by_status: count.by_status,
    });
    let mut head = vec!["at", "total"];
    head.extend(STATUSES.iter().map(|status| status.as_str()));
    let mut rows = if as_csv { app.answers.table(&head)? } else { app.answers.page() }.whole();
    for count in items {
        if as_csv {
            let of = |status: &Status| count.by_status.get(status.as_str()).copied().unwrap_or(0).to_string();
            let row = [count.at.clone(), count.total.to_string()].into_iter().chain(STATUSES.iter().map(of));
            rows.push_line(row.collect()).await?;
        } else {
            rows.push(&count).await?;
        }
    }
    Ok(rows.answer(None))
}
