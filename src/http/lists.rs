//! Runs by the page, counted, and a value of their results over time; as JSON or CSV.

use super::body::{self, Query};
use super::launch::parsed;
use super::problem::Problem;
use super::scripts::bad_cursor;
use super::{App, Part};
use crate::access::Caller;
use crate::api::{CountBody, Page, PointBody, ProblemBody, RunBody};
use crate::clock::{Time, from_micros, micros, rfc3339};
use crate::nearest::nearest;
use crate::quantity;
use crate::run::{CAUSES, Cause, Run, STATUSES, Status, Value};
use crate::script::{BadName, Name};
use crate::store::lists::{ResultTest, RunFilter, check_pointer};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value as Any;
use std::time::Duration;

/// Most slots in one answer.
const MOST_SLOTS: u128 = 10_000;
/// Most values looked at for one answer.
const MOST_POINTS: usize = 50_000;
/// Values fetched at once.
const STRIDE: usize = 5_000;
/// Most large results read for one part of an answer, and how many of them at once.
const MOST_READ: usize = 1_000;
const READ_TOGETHER: usize = 16;

const FILTERS: &[&str] = &[
    "id",
    "script",
    "schedule",
    "status",
    "cause",
    "label",
    "since",
    "until",
    "min_duration",
    "error_contains",
    "result",
    "limit",
    "cursor",
    "format",
];

impl App {
    async fn filter(&self, caller: &Caller, query: &Query) -> Result<RunFilter, Problem> {
        let now = self.clock.now();
        let bad = |field: &str, why: String| Problem::bad("bad_parameter", format!("{field}: {why}")).field(field);
        let scripts = scripts_of(query)?;
        let scripts = match (scripts.is_empty(), self.reach_of(caller).await?) {
            (true, reach) => reach,
            (false, None) => Some(scripts),
            (false, Some(reach)) => Some(scripts.into_iter().filter(|script| reach.contains(script)).collect()),
        };
        let mut statuses = Vec::new();
        for word in query.many("status") {
            let unknown = || {
                let words = STATUSES.iter().map(|status| status.as_str());
                let near =
                    nearest(word, words.clone()).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
                bad(
                    "status",
                    format!(
                        "{:?} is no status; {near}there are {}",
                        body::short(word),
                        words.collect::<Vec<_>>().join(", ")
                    ),
                )
            };
            statuses.push(Status::parse(word).ok_or_else(unknown)?);
        }
        let cause = query.parse("cause", |word| {
            let words: Vec<&str> = CAUSES.iter().map(|cause| cause.as_str()).collect();
            Cause::parse(word)
                .ok_or_else(|| format!("{:?} is no cause; there are {}", body::short(word), words.join(", ")))
        })?;
        let label = query.parse("label", |text| match text.contains('=') {
            true => Ok(text.to_owned()),
            false => Err("write key=value".to_owned()),
        })?;
        let prefix = query.parse("id", |text| match text.len() {
            1..=36 if text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') => {
                Ok(text.to_ascii_lowercase())
            }
            _ => Err("the beginning of a run's id".to_owned()),
        })?;
        Ok(RunFilter {
            prefix,
            scripts,
            schedule: query.one("schedule")?.map(str::to_owned),
            statuses,
            cause,
            label,
            since: query.time("since", now)?,
            until: query.time("until", now)?,
            min_duration: query.parse("min_duration", quantity::parse_duration)?,
            error_contains: query.one("error_contains")?.filter(|text| !text.is_empty()).map(str::to_owned),
            result: query.parse("result", ResultTest::parse)?,
            before: query.parse("cursor", |text| {
                uuid::Uuid::parse_str(text).map(|id| id.to_string()).map_err(|_| bad_cursor())
            })?,
        })
    }
}

/// The keys of the scripts that are asked for.
pub(super) fn scripts_of(query: &Query) -> Result<Vec<String>, Problem> {
    let bad = |error: BadName| Problem::bad("bad_parameter", format!("script: {error}")).field("script");
    query.many("script").into_iter().map(|name| Ok(Name::parse(name).map_err(bad)?.key().to_owned())).collect()
}

/// What stands at a pointer in a result.
struct Point {
    at: Time,
    run: String,
    value: Any,
}

impl App {
    /// Reads large results, a few at once, and takes from each what is wanted; none where there is no key.
    async fn read_all<T: Send>(
        &self,
        keys: Vec<Option<String>>,
        take: impl Fn(&Any) -> T + Send + Sync,
    ) -> Result<Vec<Option<T>>, Problem> {
        let take = &take;
        let reads = keys.into_iter().map(|key| async move {
            match key {
                Some(key) => Ok::<_, Problem>(Some(take(&parsed(&self.blobs.get(&key).await?)))),
                None => Ok(None),
            }
        });
        stream::iter(reads).buffered(READ_TOGETHER).try_collect().await
    }

    /// What stands at a pointer in the results of a script, of at most `limit` runs; and where the next part begins, which
    /// is earlier when there are many large results.
    async fn points(
        &self,
        script: &str,
        pointer: &str,
        times: (Option<Time>, Option<Time>),
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Point>, Option<String>), Problem> {
        let (mut entries, mut next) = self.store.series(script, times, after, limit).await?;
        let mut large = entries.iter().enumerate().filter(|(_, entry)| matches!(entry.result, Value::Blob(_)));
        if let Some((beyond, _)) = large.nth(MOST_READ)
            && let Some(last) = beyond.checked_sub(1)
        {
            entries.truncate(beyond);
            next = Some(entries[last].run.clone());
        }
        let keys = entries.iter().map(|entry| match &entry.result {
            Value::Blob(key) => Some(key.clone()),
            Value::Inline(_) => None,
        });
        let mut read = self.read_all(keys.collect(), |result| result.pointer(pointer).cloned()).await?.into_iter();
        let points = entries.into_iter().filter_map(|entry| {
            let from_blob = read.next().flatten();
            let value = match &entry.result {
                Value::Inline(text) => parsed(text.as_bytes()).pointer(pointer).cloned(),
                Value::Blob(_) => from_blob.flatten(),
            };
            Some(Point { at: entry.at, run: entry.run, value: value? })
        });
        Ok((points.collect(), next))
    }
}

/// Whether the answer is to be CSV.
fn wants_csv(query: &Query) -> Result<bool, Problem> {
    let format = query.parse("format", |text| match text {
        "json" => Ok(false),
        "csv" => Ok(true),
        other => Err(format!("{:?} is neither json nor csv", body::short(other))),
    })?;
    Ok(format.unwrap_or(false))
}

/// Rows as CSV (RFC 4180). A cell that a spreadsheet would take for a formula gets an apostrophe before it.
fn csv(head: &[&str], rows: Vec<Vec<String>>, next: Option<&str>) -> Result<Response, Problem> {
    let broken = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "CSV cannot be written");
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer cannot be written as CSV")
    };
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(head).map_err(|error| broken(&error))?;
    for row in rows {
        let safe = row.into_iter().map(|cell| match cell.chars().next() {
            Some('=' | '+' | '@' | '\t' | '\r') => format!("'{cell}"),
            Some('-') if cell.parse::<f64>().is_err() => format!("'{cell}"),
            _ => cell,
        });
        writer.write_record(safe).map_err(|error| broken(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| broken(&error))?;
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], bytes).into_response();
    if let Some(value) = next.and_then(|next| HeaderValue::from_str(next).ok()) {
        response.headers_mut().insert("x-next-cursor", value);
    }
    Ok(response)
}

/// A run as a list shows it: large values are left out.
fn listed(run: &Run) -> RunBody {
    let small = |value: Option<&Value>| match value {
        Some(Value::Inline(text)) => parsed(text.as_bytes()),
        _ => Any::Null,
    };
    RunBody::new(run, small(Some(&run.args)), small(run.result.as_ref()))
}

/// A value as one cell: text as it is, anything else as JSON.
fn cell(value: &Any) -> String {
    match value {
        Any::Null => String::new(),
        Any::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// List runs
///
/// Newest first. With min_duration, error_contains or result a page may hold fewer than asked for and still not be the last:
/// go on while next_cursor is there.
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs", operation_id = "list_runs",
    params(
        ("id" = Option<String>, Query, description = "Whose id begins so"),
        ("script" = Option<String>, Query, description = "Of these scripts"),
        ("schedule" = Option<String>, Query, description = "Made by this schedule"),
        ("status" = Option<String>, Query, description = "In one of these statuses, with commas between"),
        ("cause" = Option<String>, Query, description = "Made for this cause"),
        ("label" = Option<String>, Query, description = "With this label: key=value"),
        ("since" = Option<String>, Query, description = "Made then or later: RFC 3339, or 24h, 7d ago"),
        ("until" = Option<String>, Query, description = "Made before: RFC 3339, or 24h, 7d ago"),
        ("min_duration" = Option<String>, Query, description = "That took so long at least: 10s"),
        ("error_contains" = Option<String>, Query, description = "Whose error holds this text, whatever its case"),
        ("result" = Option<String>, Query, description = "Whose result passes: a JSON Pointer, a comparison, a value: /price>100"),
        ("limit" = Option<usize>, Query, description = "How many; 50 unless told, at most 500"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
        ("format" = Option<String>, Query, description = "json or csv; with csv, the header X-Next-Cursor goes on"),
    ),
    responses(
        (status = 200, description = "Runs", content((Page<RunBody> = "application/json"), (String = "text/csv"))),
        (status = "4XX", description = "The list cannot be had so", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_runs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), FILTERS)?;
    let limit = query.limit(50, 500)?;
    let as_csv = wants_csv(&query)?;
    let filter = app.filter(&caller, &query).await?;
    let test = filter.result.clone();
    let mut page = app.store.runs(filter, limit).await?;
    if let Some(test) = test {
        let large = page.runs.iter().map(|run| match &run.result {
            Some(Value::Blob(key)) => Some(key.clone()),
            _ => None,
        });
        let passes = app.read_all(large.collect(), |result| test.passes(result)).await?;
        let mut passes = passes.into_iter();
        page.runs.retain(|_| passes.next().flatten().unwrap_or(true));
    }
    let items: Vec<RunBody> = page.runs.iter().map(listed).collect();
    if !as_csv {
        return Ok(Json(Page { items, next_cursor: page.next }).into_response());
    }
    let head = [
        "id",
        "script",
        "version",
        "cause",
        "status",
        "created_at",
        "started_at",
        "finished_at",
        "wall_ms",
        "fuel",
        "attempt",
        "result",
        "error",
    ];
    let rows = items
        .into_iter()
        .map(|run| {
            let usage = run.usage.as_ref();
            vec![
                run.id.clone(),
                run.script.clone(),
                run.version.map(|version| version.to_string()).unwrap_or_default(),
                run.cause.clone(),
                run.status.clone(),
                run.created_at.clone(),
                run.started_at.clone().unwrap_or_default(),
                run.finished_at.clone().unwrap_or_default(),
                usage.map(|usage| usage.wall_ms.to_string()).unwrap_or_default(),
                usage.map(|usage| usage.fuel.to_string()).unwrap_or_default(),
                run.attempt.to_string(),
                cell(&run.result),
                run.error.as_ref().map(|error| format!("{}: {}", error.kind, error.message)).unwrap_or_default(),
            ]
        })
        .collect();
    csv(&head, rows, page.next.as_deref())
}

/// A slot of time: a time that a day has whole, or whole days.
fn bucket_of(query: &Query, default: Duration) -> Result<Duration, Problem> {
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
        ("bucket" = Option<String>, Query, description = "The width of a slot: 1h unless told"),
        ("since" = Option<String>, Query, description = "Made then or later; 7d ago unless told"),
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
        (status = "4XX", description = "They cannot be counted so", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn count_runs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let known = ["bucket", "since", "until", "script", "schedule", "status", "cause", "label", "format"];
    let query = Query::read(request.uri().query(), &known)?;
    let as_csv = wants_csv(&query)?;
    let bucket = bucket_of(&query, Duration::from_secs(3600))?;
    let mut filter = app.filter(&caller, &query).await?;
    let now = app.clock.now();
    filter.since = filter.since.or_else(|| now.checked_sub_signed(chrono::TimeDelta::days(7)));
    check_slots(filter.since, filter.until, bucket, now)?;
    let counts = app.store.counts(filter, bucket).await?;
    let items: Vec<CountBody> = counts
        .into_iter()
        .map(|count| CountBody {
            at: rfc3339(count.at),
            total: count.by_status.values().sum(),
            by_status: count.by_status,
        })
        .collect();
    if !as_csv {
        return Ok(Json(Page { items, next_cursor: None }).into_response());
    }
    let mut head = vec!["at", "total"];
    head.extend(STATUSES.iter().map(|status| status.as_str()));
    let rows = items.iter().map(|count| {
        let mut row = vec![count.at.clone(), count.total.to_string()];
        row.extend(
            STATUSES.iter().map(|status| count.by_status.get(status.as_str()).copied().unwrap_or(0).to_string()),
        );
        row
    });
    csv(&head, rows.collect(), None)
}

/// How the values of a slot become one.
#[derive(Clone, Copy, PartialEq)]
enum Aggregate {
    Average,
    Sum,
    Least,
    Most,
    Count,
    First,
    Last,
}

impl Aggregate {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "avg" => Aggregate::Average,
            "sum" => Aggregate::Sum,
            "min" => Aggregate::Least,
            "max" => Aggregate::Most,
            "count" => Aggregate::Count,
            "first" => Aggregate::First,
            "last" => Aggregate::Last,
            other => return Err(format!("{:?} is none of avg, sum, min, max, count, first, last", body::short(other))),
        })
    }

    fn of(self, values: &[Any]) -> Any {
        let numbers: Vec<f64> = values.iter().filter_map(Any::as_f64).collect();
        let number = |number: Option<f64>| number.and_then(serde_json::Number::from_f64).map_or(Any::Null, Any::Number);
        match self {
            Aggregate::Count => Any::from(values.len()),
            Aggregate::First => values.first().cloned().unwrap_or(Any::Null),
            Aggregate::Last => values.last().cloned().unwrap_or(Any::Null),
            _ if numbers.is_empty() => Any::Null,
            Aggregate::Average => number(Some(numbers.iter().sum::<f64>() / numbers.len() as f64)),
            Aggregate::Sum => number(Some(numbers.iter().sum())),
            Aggregate::Least => number(numbers.iter().copied().reduce(f64::min)),
            Aggregate::Most => number(numbers.iter().copied().reduce(f64::max)),
        }
    }
}

/// A value of the results over time
///
/// What stands at `path` in the results of the script's succeeded runs, oldest first; with `bucket`, one value a slot.
#[utoipa::path(
    get, path = "/v1/scripts/{name}/series", tag = "scripts", operation_id = "get_series",
    params(
        ("name" = String, Path, description = "The script"),
        ("path" = Option<String>, Query, description = "A JSON Pointer into the result: /price; nothing for the whole"),
        ("since" = Option<String>, Query, description = "Of runs made then or later"),
        ("until" = Option<String>, Query, description = "Of runs made before"),
        ("bucket" = Option<String>, Query, description = "The width of a slot: 1d"),
        ("agg" = Option<String>, Query, description = "avg (unless told), sum, min, max, count, first, last"),
        ("limit" = Option<usize>, Query, description = "How many values; 1000 unless told, at most 10000"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
        ("format" = Option<String>, Query, description = "json or csv"),
    ),
    responses(
        (status = 200, description = "Values", content((Page<PointBody> = "application/json"), (String = "text/csv"))),
        (status = "4XX", description = "They cannot be had so", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_series(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Response, Problem> {
    let known = ["path", "since", "until", "bucket", "agg", "limit", "cursor", "format"];
    let query = Query::read(request.uri().query(), &known)?;
    let as_csv = wants_csv(&query)?;
    let pointer = query.parse("path", |text| check_pointer(text).map(|()| text.to_owned()))?.unwrap_or_default();
    let limit = query.limit(1000, 10_000)?;
    let now = app.clock.now();
    let times = (query.time("since", now)?, query.time("until", now)?);
    let mut after =
        query.parse("cursor", |text| uuid::Uuid::parse_str(text).map(|id| id.to_string()).map_err(|_| bad_cursor()))?;
    let aggregate = query.parse("agg", Aggregate::parse)?;
    let bucket = match query.one("bucket")? {
        None if aggregate.is_some() => return Err(Problem::bad("bad_parameter", "agg goes with bucket").field("agg")),
        None => None,
        Some(_) => Some(bucket_of(&query, Duration::ZERO)?),
    };
    let script = app.script_for(&caller, &name).await?;
    let Some(bucket) = bucket else {
        let (points, next) = app.points(&script.key, &pointer, times, after, limit).await?;
        let items = points.into_iter().map(|point| PointBody {
            at: rfc3339(point.at),
            value: point.value,
            run: Some(point.run),
            count: None,
        });
        return series_answer(items.collect(), next, as_csv);
    };
    let mut looked_at = 0;
    let mut points: Vec<Point> = Vec::new();
    let next = loop {
        let (more, next) = app.points(&script.key, &pointer, times, after, STRIDE).await?;
        looked_at += STRIDE;
        points.extend(more);
        match next {
            None => break None,
            Some(next) if looked_at >= MOST_POINTS => break Some(next),
            next => after = next,
        }
    };
    let width = i64::try_from(bucket.as_micros()).unwrap_or(i64::MAX);
    let mut slots: std::collections::BTreeMap<i64, Vec<Any>> = std::collections::BTreeMap::new();
    for point in points {
        slots.entry(micros(point.at).div_euclid(width)).or_default().push(point.value);
    }
    let aggregate = aggregate.unwrap_or(Aggregate::Average);
    let items = slots.into_iter().map(|(slot, values)| PointBody {
        at: rfc3339(from_micros(slot.saturating_mul(width))),
        value: aggregate.of(&values),
        run: None,
        count: Some(values.len() as u64),
    });
    series_answer(items.collect(), next, as_csv)
}

fn series_answer(items: Vec<PointBody>, next: Option<String>, as_csv: bool) -> Result<Response, Problem> {
    if !as_csv {
        return Ok(Json(Page { items, next_cursor: next }).into_response());
    }
    let rows = items.iter().map(|point| vec![point.at.clone(), cell(&point.value)]).collect();
    csv(&["at", "value"], rows, next.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_values_of_a_slot_become_one() {
        let values = [json!(1), json!(4), json!("x"), json!(2.5)];
        let of = |word: &str| Aggregate::parse(word).expect(word).of(&values);
        assert_eq!(of("avg"), json!(2.5));
        assert_eq!(of("sum"), json!(7.5));
        assert_eq!(of("min"), json!(1.0));
        assert_eq!(of("max"), json!(4.0));
        assert_eq!(of("count"), json!(4));
        assert_eq!(of("first"), json!(1));
        assert_eq!(of("last"), json!(2.5));
        assert_eq!(Aggregate::Average.of(&[json!("x")]), Any::Null);
        assert!(Aggregate::parse("median").is_err());
    }
}
