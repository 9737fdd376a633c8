//! Runs by the page, counted, and a value of their results over time; as JSON or CSV.

use super::accept;
use super::access::Reached;
use super::answers::Rows;
use super::body::{self, Query, bad_cursor, scripts_of};
use super::problem::Problem;
use super::series::{Aggregate, Slots};
use super::submit::stored;
use super::{App, Part};
use crate::access::Caller;
use crate::api::{CountBody, Page, PointBody, ProblemBody, RunBody};
use crate::clock::{Time, rfc3339};
use crate::exact::{self, Exact};
use crate::quantity;
use crate::run::{CAUSES, Cause, Run, STATUSES, Status, Value};
use crate::script::Name;
use crate::store::queries::{ResultTest, RunFilter, Sent, check_pointer};
use crate::store::series::{Entry, read_place};
use crate::suggest::nearest;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use std::time::Duration;

/// Most slots in one answer.
const MOST_SLOTS: u128 = 10_000;
/// Most values looked at for one answer.
const MOST_POINTS: usize = 50_000;
/// Values fetched at once: each has up to 16 KiB, or is a blob that is read by itself.
const STRIDE: usize = 256;
/// Runs of a list fetched at first at once, and at most; and how many bytes they should come to.
const RUNS_AT_FIRST: usize = 50;
const MOST_RUNS: usize = 200;
const RUNS_BYTES: usize = 1 << 20;
/// Most bytes of large results that are looked into for one answer.
const MOST_READ: u64 = 256 << 20;

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
        let sent = Sent { names: scripts.clone(), by: caller.id().filter(|_| caller.is_limited()).map(str::to_owned) };
        let reach = self.reach_of(caller).await?;
        let current_but = reach.as_ref().map(Reached::whole);
        let scripts = match (scripts.is_empty(), reach) {
            (true, reach) => reach.map(Reached::into_keys),
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
            sent: Some(sent),
            current_but,
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

/// What stands at a pointer in a result.
struct Point {
    at: Time,
    run: String,
    value: Exact,
}

/// What is found at a pointer; nothing where the result has nothing there.
fn found_at(result: &str, pointer: &str) -> Result<Option<Exact>, Problem> {
    match exact::pointer(result, pointer) {
        Some(value) => stored(value.as_bytes()).map(Some),
        // Nothing there, or no JSON at all.
        None => stored(result.as_bytes()).map(|_| None),
    }
}

/// What stands at a pointer in results, one after the other. Small results are looked into together; of large ones one is
/// in memory at a time.
struct Points<'a> {
    app: &'a App,
    pointer: &'a str,
    entries: std::vec::IntoIter<Entry>,
    looked: std::vec::IntoIter<Option<Result<Option<Exact>, Problem>>>,
    /// Bytes of large results that were looked into.
    read: u64,
}

impl<'a> Points<'a> {
    async fn of(app: &'a App, pointer: &'a str, entries: Vec<Entry>) -> Result<Self, Problem> {
        let (small, of): (Vec<String>, String) = (entries.iter().map(inline).collect(), pointer.to_owned());
        let look = move || small.iter().map(|text| (!text.is_empty()).then(|| found_at(text, &of))).collect::<Vec<_>>();
        let looked = app.answers.think(look).await?.into_iter();
        Ok(Points { app, pointer, entries: entries.into_iter(), looked, read: 0 })
    }

    /// The next run's place in the series, and what stands there in its result, if anything does.
    async fn next(&mut self) -> Result<Option<(String, Option<Point>)>, Problem> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        let value = match (&entry.result, self.looked.next().flatten()) {
            (Value::Blob(key), _) => {
                self.read += entry.bytes;
                let of = self.pointer.to_owned();
                let look = move |text: &str| found_at(text, &of);
                self.app.answers.look_into(&self.app.blobs, key, entry.bytes, look).await??
            }
            (Value::Inline(_), value) => value.transpose()?.flatten(),
        };
        let point = value.map(|value| Point { at: entry.at, run: entry.run.clone(), value });
        Ok(Some((entry.place, point)))
    }
}

/// The text of a small result; of a large one none.
fn inline(entry: &Entry) -> String {
    match &entry.result {
        Value::Inline(text) => text.clone(),
        Value::Blob(_) => String::new(),
    }
}

/// Whether the answer is to be CSV: `format` says so, or else what the client accepts.
fn wants_csv(query: &Query, headers: &HeaderMap) -> Result<bool, Problem> {
    let format = query.parse("format", |text| match text {
        "json" => Ok(false),
        "csv" => Ok(true),
        other => Err(format!("{:?} is neither json nor csv", body::short(other))),
    })?;
    Ok(format.unwrap_or_else(|| accept::prefers(headers, "text/csv", "application/json")))
}

/// A run as a list shows it: large values are left out.
fn listed(run: &Run) -> Result<RunBody, Problem> {
    let small = |value: Option<&Value>| match value {
        Some(Value::Inline(text)) => stored(text.as_bytes()),
        _ => Ok(Exact::default()),
    };
    Ok(RunBody::new(run, small(Some(&run.args))?, small(run.result.as_ref())?))
}

/// A value as one cell: text as it is, anything else as JSON.
fn cell(value: &Exact) -> String {
    if value.is_null() { String::new() } else { value.as_text().unwrap_or_else(|| value.get().to_owned()) }
}

const RUN_COLUMNS: [&str; 13] = [
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

/// A run as a line of CSV.
fn run_line(run: RunBody) -> Vec<String> {
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
}

impl App {
    /// Whether a run passes a test of its result, which the store has not made where the result is large.
    async fn passes(&self, run: &Run, test: Option<&ResultTest>, read: &mut u64) -> Result<bool, Problem> {
        let (Some(test), Some(Value::Blob(key))) = (test, &run.result) else { return Ok(true) };
        let (bytes, test) = (run.result_bytes.unwrap_or_default(), test.clone());
        *read += bytes;
        self.answers.look_into(&self.blobs, key, bytes, move |text| test.passes(text)).await
    }

    /// Fills an answer with at most `limit` runs, a few at a time; and where the next part begins.
    async fn list(
        &self,
        mut filter: RunFilter,
        limit: usize,
        as_csv: bool,
        rows: &mut Rows,
    ) -> Result<Option<String>, Problem> {
        let (test, mut read, mut stride, mut last) = (filter.result.clone(), 0, RUNS_AT_FIRST, None);
        loop {
            let wanted = stride.min(limit - rows.count());
            let page = self.store.runs(filter.clone(), wanted).await?;
            let found = page.runs.len();
            for run in page.runs {
                if read >= MOST_READ && last.is_some() {
                    return Ok(last);
                }
                if self.passes(&run, test.as_ref(), &mut read).await? {
                    let body = listed(&run)?;
                    let has_room =
                        if as_csv { rows.push_line(run_line(body)).await? } else { rows.push(&body).await? };
                    if !has_room {
                        return Ok(last);
                    }
                }
                last = Some(run.id);
            }
            match page.next {
                None => return Ok(None),
                // A filter that no index helps with gave up for now, or the page is full.
                Some(next) if found < wanted || rows.count() >= limit => return Ok(Some(next)),
                next => filter.before = next,
            }
            stride = (RUNS_BYTES / (rows.bytes() / rows.count().max(1)).max(1)).clamp(1, MOST_RUNS);
        }
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
        ("script" = Option<String>, Query, description = "Of these scripts, or of source in requests under these names"),
        ("schedule" = Option<String>, Query, description = "Made by this schedule"),
        ("status" = Option<String>, Query, description = "In one of these statuses, with commas between"),
        ("cause" = Option<String>, Query, description = "Made for this cause"),
        ("label" = Option<String>, Query, description = "With this label: key=value"),
        ("since" = Option<String>, Query, description = "Made then or later: RFC 3339, or 24h, 7d ago"),
        ("until" = Option<String>, Query, description = "Made before: RFC 3339, or 24h, 7d ago"),
        ("min_duration" = Option<String>, Query, description = "That took so long at least: 10s"),
        ("error_contains" = Option<String>, Query, description = "Whose error holds this text, whatever its case"),
        ("result" = Option<String>, Query, description = "Whose result passes: a JSON Pointer, a comparison, a value: /price>100"),
        ("limit" = Option<usize>, Query, description = "How many; 50 by default, at most 500"),
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
    let as_csv = wants_csv(&query, request.headers())?;
    let filter = app.filter(&caller, &query).await?;
    let mut rows = if as_csv { app.answers.table(&RUN_COLUMNS)? } else { app.answers.page() };
    let next = app.list(filter, limit, as_csv, &mut rows).await?;
    Ok(rows.answer(next.as_deref()))
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

/// A value of the results over time
///
/// What is at `path` in the results of the script's succeeded runs, in the order of their fire times (of when they were
/// due, for runs of no schedule); with `bucket`, one value a slot.
#[utoipa::path(
    get, path = "/v1/scripts/{name}/series", tag = "scripts", operation_id = "get_series",
    params(
        ("name" = String, Path, description = "The script"),
        ("path" = Option<String>, Query, description = "A JSON Pointer into the result: /price; nothing for the whole"),
        ("since" = Option<String>, Query, description = "Of fire times then or later: RFC 3339, or 24h, 7d ago"),
        ("until" = Option<String>, Query, description = "Of fire times before"),
        ("bucket" = Option<String>, Query, description = "The width of a slot: 1d"),
        ("agg" = Option<String>, Query, description = "avg (default), sum, min, max, count, first, last"),
        ("limit" = Option<usize>, Query, description = "How many values; 1000 by default, at most 10000"),
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
    let as_csv = wants_csv(&query, request.headers())?;
    let pointer = query.parse("path", |text| check_pointer(text).map(|()| text.to_owned()))?.unwrap_or_default();
    let limit = query.limit(1000, 10_000)?;
    let now = app.clock.now();
    let (since, until) = (query.time("since", now)?, query.time("until", now)?);
    let mut after = query.parse("cursor", |text| read_place(text).map(|_| text.to_owned()).ok_or_else(bad_cursor))?;
    let aggregate = query.parse("agg", Aggregate::parse)?;
    let bucket = match query.one("bucket")? {
        None if aggregate.is_some() => return Err(Problem::bad("bad_parameter", "agg goes with bucket").field("agg")),
        None => None,
        Some(_) => Some(bucket_of(&query, Duration::ZERO)?),
    };
    let script = app.script_for(&caller, &name).await?;
    let mut rows = if as_csv { app.answers.table(&["at", "value"])? } else { app.answers.page() };
    // A label reaches this script, and not a deleted one of its name.
    let by_label = caller.is_limited() && !caller.reach().names(&script.key);
    let made_since = by_label.then_some(script.created_at);
    let asked = Asked { script: script.key, pointer, times: (since, until), made_since };
    let next = match bucket {
        None => app.values(&asked, &mut after, limit, as_csv, &mut rows).await?,
        Some(bucket) => {
            rows = rows.whole();
            let mut slots = Slots::new(bucket, aggregate.unwrap_or(Aggregate::Average));
            let next = app.slots(&asked, &mut after, &mut slots).await?;
            for slot in slots.values() {
                let (at, value, count) = slot?;
                let point = PointBody { at: rfc3339(at), value, run: None, count: Some(count) };
                add(&mut rows, point, as_csv).await?;
            }
            next
        }
    };
    Ok(rows.answer(next.as_deref()))
}

/// Whose values are asked for.
struct Asked {
    script: String,
    pointer: String,
    times: (Option<Time>, Option<Time>),
    /// Only of runs that were made then or later.
    made_since: Option<Time>,
}

impl Asked {
    /// Whether a run's result is shown.
    fn shows(&self, entry: &Entry) -> bool {
        self.made_since.is_none_or(|since| entry.made_at >= since)
    }
}

async fn add(rows: &mut Rows, point: PointBody, as_csv: bool) -> Result<bool, Problem> {
    if as_csv { rows.push_line(vec![point.at, cell(&point.value)]).await } else { rows.push(&point).await }
}

impl App {
    /// Fills an answer with the values of at most `limit` runs after `after`; and where the next part begins.
    async fn values(
        &self,
        asked: &Asked,
        after: &mut Option<String>,
        limit: usize,
        as_csv: bool,
        rows: &mut Rows,
    ) -> Result<Option<String>, Problem> {
        let (mut left, mut read) = (limit, 0);
        loop {
            let (entries, next) =
                self.store.series(&asked.script, asked.times, after.clone(), left.min(STRIDE)).await?;
            left -= left.min(STRIDE);
            let entries = entries.into_iter().filter(|entry| asked.shows(entry)).collect();
            let mut points = Points::of(self, &asked.pointer, entries).await?;
            while let Some((place, point)) = points.next().await? {
                if let Some(Point { at, run, value }) = point {
                    let point = PointBody { at: rfc3339(at), value, run: Some(run), count: None };
                    if !add(rows, point, as_csv).await? {
                        return Ok(after.take());
                    }
                }
                *after = Some(place);
                if read + points.read >= MOST_READ {
                    return Ok(after.take());
                }
            }
            read += points.read;
            match next {
                None => return Ok(None),
                Some(next) if left == 0 => return Ok(Some(next)),
                next => *after = next,
            }
        }
    }

    /// Fills slots with values; and where the next part begins, when there are more than one answer looks at.
    async fn slots(
        &self,
        asked: &Asked,
        after: &mut Option<String>,
        slots: &mut Slots,
    ) -> Result<Option<String>, Problem> {
        let (mut looked_at, mut read) = (0, 0);
        loop {
            let (entries, next) = self.store.series(&asked.script, asked.times, after.clone(), STRIDE).await?;
            looked_at += STRIDE;
            let entries = entries.into_iter().filter(|entry| asked.shows(entry)).collect();
            let mut points = Points::of(self, &asked.pointer, entries).await?;
            while let Some((place, point)) = points.next().await? {
                if let Some(point) = point {
                    slots.add(point.at, point.value);
                }
                *after = Some(place);
                if !slots.has_room() || read + points.read >= MOST_READ {
                    return Ok(after.take());
                }
            }
            read += points.read;
            match next {
                None => return Ok(None),
                Some(next) if looked_at >= MOST_POINTS => return Ok(Some(next)),
                next => *after = next,
            }
        }
    }
}
