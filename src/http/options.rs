//! What a request for a run says: its fields, how long it waits, and its name for itself.

use super::body;
use super::problem::Problem;
use super::requests::RunRequest;
use crate::access::Caller;
use crate::clock::Time;
use crate::run::Idempotency;
use crate::service::{self, RunOptions};
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

/// What a request for a run asks of it.
pub(super) fn options_of(request: RunRequest) -> Result<RunOptions, Problem> {
    let RunRequest { args, argv, version, entry, limits, priority, run_at, labels, text_args, stdin } = request;
    let run_at = run_at.map(|text| {
        let detail = || format!("{:?} is not a time: write 2026-01-31T09:00:00Z", service::quoted(&text));
        let time = chrono::DateTime::parse_from_rfc3339(&text).map_err(|_| Problem::invalid("run_at", detail()))?;
        Ok::<_, Problem>(time.to_utc())
    });
    Ok(RunOptions {
        args: service::arguments(args)?,
        argv,
        text_args,
        version,
        limits: limits.unwrap_or_default().asked()?,
        priority: priority.unwrap_or_default(),
        run_at: run_at.transpose()?,
        labels,
        entry,
        stdin,
    })
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
