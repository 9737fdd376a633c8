//! Which runs are asked for, and how.

use crate::access::Caller;
use crate::exact::Exact;
use crate::http::body::{Query, bad_cursor, scripts_of};
use crate::http::problem::Problem;
use crate::http::{App, accept};
use crate::quantity;
use crate::run::{CAUSES, Cause, STATUSES, Status, Value};
use crate::service;
use crate::store::queries::{ResultTest, RunFilter};
use crate::store::series::Entry;
use crate::suggest::nearest;
use axum::http::HeaderMap;

/// Most bytes of large results that are looked into for one answer.
pub(super) const MOST_READ: u64 = 256 << 20;

impl App {
    pub(super) async fn filter(&self, caller: &Caller, query: &Query) -> Result<RunFilter, Problem> {
        let now = self.clock.now();
        let bad = |field: &str, why: String| Problem::bad("bad_parameter", format!("{field}: {why}")).field(field);
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
                        service::quoted(word),
                        words.collect::<Vec<_>>().join(", ")
                    ),
                )
            };
            statuses.push(Status::parse(word).ok_or_else(unknown)?);
        }
        let cause = query.parse("cause", |word| {
            let words: Vec<&str> = CAUSES.iter().map(|cause| cause.as_str()).collect();
            Cause::parse(word)
                .ok_or_else(|| format!("{:?} is no cause; there are {}", service::quoted(word), words.join(", ")))
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
        let filter = RunFilter {
            prefix,
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
            ..RunFilter::default()
        };
        Ok(self.runs_within_reach(caller, scripts_of(query)?, filter).await?)
    }
}

/// The text of a small result; of a large one none.
pub(super) fn inline(entry: &Entry) -> String {
    match &entry.result {
        Value::Inline(text) => text.clone(),
        Value::Blob(_) => String::new(),
    }
}

/// Whether the answer is to be CSV: `format` says so, or else what the client accepts.
pub(super) fn wants_csv(query: &Query, headers: &HeaderMap) -> Result<bool, Problem> {
    let format = query.parse("format", |text| match text {
        "json" => Ok(false),
        "csv" => Ok(true),
        other => Err(format!("{:?} is neither json nor csv", service::quoted(other))),
    })?;
    Ok(format.unwrap_or_else(|| accept::prefers(headers, "text/csv", "application/json")))
}

/// A value as one cell: text as it is, anything else as JSON.
pub(super) fn cell(value: &Exact) -> String {
    if value.is_null() { String::new() } else { value.as_text().unwrap_or_else(|| value.get().to_owned()) }
}
