//! A value of the results over time, as JSON or CSV.

use super::counts::bucket_of;
use super::filter::{MOST_READ, cell, inline, wants_csv};
use crate::access::{Caller, Scope};
use crate::api::{Page, PointBody};
use crate::chart::Aggregate;
use crate::clock::{Time, rfc3339};
use crate::exact::{self, Exact};
use crate::http::answers::Rows;
use crate::http::body::{Query, bad_cursor};
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::series::Slots;
use crate::http::{App, Part};
use crate::run::Value;
use crate::script::Script;
use crate::service::{self, ServiceError, stored_json};
use crate::store::queries::check_pointer;
use crate::store::series::{Entry, read_place};
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use std::time::Duration;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default().add(Need::Scope(Scope::Read), routes!(get_series))
}

/// Most values looked at for one answer.
const MOST_POINTS: usize = 200_000;

/// Values fetched at once: each has up to 16 KiB, or is a blob that is read by itself.
const STRIDE: usize = 256;

/// What stands at a pointer in a result.
struct Point {
    at: Time,
    run: String,
    value: Exact,
}

/// What is found at a pointer; nothing where the result has nothing there.
fn found_at(result: &str, pointer: &str) -> Result<Option<Exact>, ServiceError> {
    match exact::pointer(result, pointer) {
        Some(value) => stored_json(value.as_bytes()).map(Some),
        // Nothing there, or no JSON at all.
        None => stored_json(result.as_bytes()).map(|_| None),
    }
}

/// What stands at a pointer in results, one after the other. Small results are looked into together; of large ones one is
/// in memory at a time.
struct Points<'a> {
    app: &'a App,
    pointer: &'a str,
    entries: std::vec::IntoIter<Entry>,
    looked: std::vec::IntoIter<Option<Result<Option<Exact>, ServiceError>>>,
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
    )
)]
pub(crate) async fn get_series(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let as_csv = wants_csv(&query, request.headers())?;
    let pointer = query.parse("path", |text| check_pointer(text).map(|()| text.to_owned()))?.unwrap_or_default();
    let limit = query.limit(1000, 10_000)?;
    let now = app.clock.now();
    let (since, until) = (query.time("since", now)?, query.time("until", now)?);
    let mut after = query.parse("cursor", |text| read_place(text).map(|_| text.to_owned()).ok_or_else(bad_cursor))?;
    let aggregate = query.parse("agg", service::aggregate)?;
    let bucket = match query.one("bucket")? {
        None if aggregate.is_some() => return Err(Problem::bad("bad_parameter", "agg goes with bucket").field("agg")),
        None => None,
        Some(_) => Some(bucket_of(&query, Duration::ZERO)?),
    };
    let script = app.script_for(&caller, &name).await?;
    let mut rows = if as_csv { app.answers.table(&["at", "value"])? } else { app.answers.page() };
    let made_since = made_since(&caller, &script);
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

/// From when on the runs of a script's name are shown to a caller: a label reaches this script, and not a deleted one of its
/// name. None: all of them.
pub(super) fn made_since(caller: &Caller, script: &Script) -> Option<Time> {
    let by_label = caller.is_limited() && !caller.reach().names(&script.key);
    by_label.then_some(script.created_at)
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

    /// Fills slots with values; and where the next part begins, when there are more than one answer looks at. It begins with a
    /// slot: the values of one slot are never told in two parts, unless one slot has more of them than an answer looks at.
    async fn slots(
        &self,
        asked: &Asked,
        after: &mut Option<String>,
        slots: &mut Slots,
    ) -> Result<Option<String>, Problem> {
        let (mut looked_at, mut read) = (0, 0);
        // The last slot, and the place before its first value.
        let (mut last, mut begin) = (None, None);
        loop {
            let (entries, next) = self.store.series(&asked.script, asked.times, after.clone(), STRIDE).await?;
            looked_at += STRIDE;
            let entries = entries.into_iter().filter(|entry| asked.shows(entry)).collect();
            let mut points = Points::of(self, &asked.pointer, entries).await?;
            while let Some((place, point)) = points.next().await? {
                if let Some(point) = point {
                    let slot = Some(slots.number(point.at));
                    if slot != last {
                        (last, begin) = (slot, after.clone());
                    }
                    slots.add(point.at, point.value);
                }
                *after = Some(place);
                if !slots.has_room() || read + points.read >= MOST_READ {
                    return Ok(if slots.drop_last() { begin } else { after.take() });
                }
            }
            read += points.read;
            match next {
                None => return Ok(None),
                Some(next) if looked_at >= MOST_POINTS => {
                    return Ok(if slots.drop_last() { begin } else { Some(next) });
                }
                next => *after = next,
            }
        }
    }
}
