//! What a request for a run says: its fields, how long it waits, and its name for itself.

use super::body;
use super::body::Fields;
use super::problem::Problem;
use crate::access::Caller;
use crate::clock::Time;
use crate::limits::{RequestedLimits, WrittenLimits};
use crate::run::{Idempotency, PRIORITIES};
use crate::script::Labels;
use crate::stdin::Stdin;
use axum::http::HeaderMap;
use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The longest wait for a run's end.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How long `?wait` waits.
const WAIT: Duration = Duration::from_secs(30);

/// How much an answer shows of what a run wrote to each stream, and how much at most, in bytes.
const OUTPUT: u64 = 8 << 10;
const MOST_OUTPUT: u64 = 1 << 20;

/// How long a client's name for a request counts.
const REQUESTS_COUNT: TimeDelta = TimeDelta::hours(24);

/// The furthest time a run can be put off to.
const FURTHEST: TimeDelta = TimeDelta::days(3660);

/// What a request for a run says, read.
#[derive(Debug, Default)]
pub(super) struct RunOptions {
    pub(super) args: String,
    pub(super) argv: Vec<String>,
    pub(super) text_args: Vec<String>,
    pub(super) version: Option<i64>,
    pub(super) limits: RequestedLimits,
    pub(super) priority: i64,
    pub(super) run_at: Option<Time>,
    pub(super) labels: Labels,
    pub(super) entry: Option<String>,
    pub(super) stdin: Option<Stdin>,
}

impl RunOptions {
    pub(super) fn read(fields: &mut Fields, now: Time) -> Result<Self, Problem> {
        let args = body::arguments(fields.exact("args"))?;
        let argv: Vec<String> = fields.take("argv")?.unwrap_or_default();
        if argv.len() > 1000 || argv.iter().map(String::len).sum::<usize>() > 64 << 10 {
            return Err(Problem::too_large("argv has at most 1000 words and 64 KiB").field("argv"));
        }
        let priority: i64 = fields.take("priority")?.unwrap_or_default();
        if !PRIORITIES.contains(&priority) {
            let detail = format!("priority is between {} and {}", PRIORITIES.start(), PRIORITIES.end());
            return Err(Problem::invalid("priority", detail));
        }
        let run_at = match fields.take::<String>("run_at")? {
            None => None,
            Some(text) => {
                let time = chrono::DateTime::parse_from_rfc3339(&text).map_err(|_| {
                    let detail = format!("{:?} is no time: write 2026-01-31T09:00:00Z", body::short(&text));
                    Problem::invalid("run_at", detail)
                })?;
                if time.to_utc() > now + FURTHEST {
                    return Err(Problem::invalid("run_at", "run_at is at most ten years ahead"));
                }
                Some(time.to_utc())
            }
        };
        let entry: Option<String> = fields.take("entry")?;
        if let Some(entry) = &entry {
            crate::script::check_entry(entry).map_err(|why| Problem::invalid("entry", why))?;
        }
        let stdin: Option<Stdin> = fields.take("stdin")?;
        if let Some(stdin) = &stdin {
            stdin.check().map_err(|why| Problem::invalid("stdin", why.to_string()))?;
        }
        Ok(RunOptions {
            stdin,
            args,
            argv,
            text_args: fields.take("text_args")?.unwrap_or_default(),
            version: fields.take("version")?,
            limits: fields.take::<WrittenLimits>("limits")?.unwrap_or_default().asked()?,
            priority,
            run_at,
            labels: body::labels(fields.take("labels")?)?,
            entry,
        })
    }
}

/// `?wait=30s`, `?wait`.
pub(super) fn wait_of(query: &body::Query) -> Result<Option<Duration>, Problem> {
    query.parse("wait", |text| match text {
        "" | "true" => Ok(WAIT),
        text => {
            let wait = crate::quantity::parse_duration(text)?;
            if wait > LONGEST_WAIT { Err("at most 300 s".to_owned()) } else { Ok(wait) }
        }
    })
}

/// `?output=8KiB`, `?output`: whoever waits for a run sees the beginning of what it wrote, unless they do not want it.
pub(super) fn output_of(query: &body::Query, wait: Option<Duration>) -> Result<u64, Problem> {
    let asked = query.parse("output", |text| match text {
        "" | "true" => Ok(OUTPUT),
        "false" => Ok(0),
        text => match crate::quantity::parse_bytes(text)? {
            bytes if bytes > MOST_OUTPUT => Err(format!("at most {}", crate::quantity::bytes(MOST_OUTPUT))),
            bytes => Ok(bytes),
        },
    })?;
    Ok(asked.unwrap_or(if wait.is_some() { OUTPUT } else { 0 }))
}

/// The client's name for a request, with what it names.
pub(super) fn idempotency(
    headers: &HeaderMap,
    caller: &Caller,
    endpoint: &str,
    body: &[u8],
    now: Time,
) -> Result<Option<Idempotency>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= 255).ok_or_else(|| {
        Problem::bad("bad_idempotency_key", "an Idempotency-Key has 1 to 255 characters of ASCII")
            .field("Idempotency-Key")
    })?;
    Ok(Some(Idempotency {
        key: format!("{}:{endpoint}:{key}", caller.id().unwrap_or_default()),
        body: hex::encode(Sha256::digest(body)),
        since: now - REQUESTS_COUNT,
    }))
}
