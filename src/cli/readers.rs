//! The reader of what a server answers to the command line, for [`crate::readers`].

use super::client::{Refusal, Told, harmless, told};
use super::show_run::{self, show_attempt};
use super::table::{Cell, Column, Table, column};
use super::times::Times;
use super::view::View;
use super::{events, grants, push, runs, schedules, scripts, secrets, series, show_schedule};
use crate::api::{
    AttemptBody, EventBody, GrantBody, Page, PreviewBody, ProblemBody, RunBody, ScheduleBody, ScriptBody, SecretBody,
    UploadedBody,
};
use crate::readers::{Reader, block_on, seeds};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::de::DeserializeOwned;
use sse_stream::SseByteStream;
use std::cell::RefCell;
use std::convert::Infallible;

pub(crate) const READERS: &[Reader] = &[
    ("answers of a server", read_answer, seeds_of_answers),
    ("lists of a server", read_list, seeds_of_lists),
    ("events of a server", read_events, seeds_of_events),
];

/// Most columns of a table on a terminal of 80 columns, when everything is cut as far as it can be.
const WIDE: usize = 200;

thread_local! {
    /// What is said while a reader runs.
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Takes what would be said, when a reader runs on this thread.
pub(super) fn hears(line: &str) -> bool {
    HEARD.with_borrow_mut(|heard| heard.as_mut().map(|heard| heard.push_str(line)).is_some())
}

/// Shows something, and checks that it does nothing to a terminal.
fn show(how: impl FnOnce() -> Result<(), Refusal>) {
    HEARD.set(Some(String::new()));
    let shown = how();
    let heard = HEARD.take().unwrap_or_default();
    assert!(shown.is_ok(), "{shown:?}");
    check(&heard);
}

fn check(text: &str) {
    assert_eq!(harmless(text), text, "{text:?}");
}

fn of<T: DeserializeOwned>(bytes: &[u8], how: impl FnOnce(T) -> Result<(), Refusal>) {
    if let Ok(body) = serde_json::from_slice::<T>(bytes) {
        show(|| how(body));
    }
}

fn read_answer(bytes: &[u8]) {
    if let Ok(problem) = serde_json::from_slice::<ProblemBody>(bytes) {
        let Refusal(_, why) = Refusal::of(&problem);
        check(&harmless(&why));
        assert!(told(&problem).ends_with(&format!("({})", problem.code)));
    }
    let text = String::from_utf8_lossy(bytes).into_owned();
    of(bytes, |run: RunBody| show_run::show(&run, &text));
    of(bytes, |attempt: AttemptBody| show_attempt(&attempt));
    of(bytes, |script: ScriptBody| scripts::print_head(&script));
    of(bytes, |kept: UploadedBody| push::tell(&kept, None).map(|_| ()));
    of(bytes, |schedule: ScheduleBody| show_schedule::show(&schedule));
    of(bytes, |preview: PreviewBody| show_schedule::fires(&preview.fires, &preview.timezone));
}

fn seeds_of_answers() -> Vec<Vec<u8>> {
    let run = RUN.replace("RESULT", "{\"price\": 1.5}");
    let failed = RUN.replace("RESULT", "null").replace("succeeded", "failed");
    seeds(&[PROBLEM, &run, &failed, ATTEMPT, UPLOADED, SCHEDULE])
}

/// A table on terminals of two widths, and where there is none.
fn table<T: DeserializeOwned>(bytes: &[u8], columns: &[Column], row: impl Fn(&T) -> Vec<Cell>) {
    let Ok(page) = serde_json::from_slice::<Page<T>>(bytes) else { return };
    let table = Table::of(columns, &page.items, row);
    for width in [None, Some(20), Some(80)] {
        for line in table.lines(View { width, ..View::default() }, Times::at("2026-11-26T09:00:00Z", 3_600)) {
            check(&line);
            assert!(width.is_none() || unicode_width::UnicodeWidthStr::width(&*line) <= WIDE, "{line:?}");
        }
    }
}

fn read_list(bytes: &[u8]) {
    table(bytes, &runs::COLUMNS, runs::row);
    table(bytes, &schedules::COLUMNS, schedules::row);
    table(bytes, &events::COLUMNS, events::row);
    table(bytes, &series::COLUMNS, series::row);
    let cells = |texts: [String; 2]| texts.map(Cell::from).to_vec();
    let columns = [column("NAME").shrinks_to(4), column("VALUE")];
    table(bytes, &columns, |secret: &SecretBody| cells([secret.name.clone(), secrets::how(secret)]));
    table(bytes, &columns, |grant: &GrantBody| cells([grant.name.clone(), grants::value_of(grant)]));
}

fn seeds_of_lists() -> Vec<Vec<u8>> {
    let run = RUN.replace("RESULT", "[1, \"\\u001b[2J\"]");
    let list = |item: &str| format!("{{\"items\": [{item}, {item}], \"next_cursor\": null}}");
    seeds(&[&list(&run), &list(SCHEDULE), &list(EVENT), &list(SECRET), &list(GRANT), &list(POINT)])
}

fn read_events(bytes: &[u8]) {
    // As a connection brings them: in pieces.
    let pieces = bytes.chunks(7).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)));
    let told: Vec<Told> = block_on(
        SseByteStream::new(stream::iter(pieces)).filter_map(async |event| event.ok()).map(Told::from).collect(),
    );
    for event in told {
        if let Ok(event) = serde_json::from_value::<EventBody>(event.data) {
            check(&events::line(&event));
        }
    }
}

fn seeds_of_events() -> Vec<Vec<u8>> {
    seeds(&[
        &format!(": hello\n\nid: 0-1\nevent: run_failed\ndata: {}\n\nretry: 500\n\n", EVENT.replace('\n', "")),
        "event: output\r\ndata: {\"stream\": \"stdout\",\r\ndata: \"text\": \"a\"}\r\n\r\nevent: end\ndata: {\"status\": \"succeeded\"}\n\n",
    ])
}

const PROBLEM: &str = r#"{"type": "about:blank", "title": "Conflict", "status": 409, "code": "schedule_exists",
"detail": "there is a schedule a; ?since= or ?schedules=delete", "field": "id", "line": 1, "column": 2, "request_id": "x"}"#;

const RUN: &str = r#"{"id": "01a21b3e-6cbc-7a33-be28-0c65a77a88a9", "script": "tea", "version": 1, "entry": null,
"mode": "function", "schedule": null, "cause": "api", "fire_time": "2026-11-27T04:23:25Z",
"fire_local": "2026-11-27T05:23:25+01:00", "created_at": "2026-11-27T04:23:25.628652Z",
"run_at": "2026-11-27T04:23:25.628652Z", "started_at": "2026-11-27T04:23:25.628652Z",
"finished_at": "2026-11-27T04:23:25.878504Z", "lateness_ms": 0.5, "status": "succeeded", "reason": null, "attempt": 1,
"lost_attempts": 0, "priority": 0, "args": {"n": 2}, "argv": ["a"], "result": RESULT, "result_bytes": null,
"result_kind": "json", "error": {"type": "ValueError", "message": "too much", "traceback": "Traceback\n  x\n"},
"exit_code": null, "notes": ["a note"], "usage": {"fuel": 1255355, "peak_memory_bytes": 37423616, "wall_ms": 2.604,
"network": []}, "limits": {"fuel": 200000000000, "memory": 1073741824, "timeout": 60.0, "output": 1048576,
"result": 1048576}, "not_granted": [{"what": "limits.memory", "asked": "900 GiB", "in_force": "1 GiB",
"grantable": false}], "labels": {"a": "b"}, "stdout": {"bytes": 6, "truncated": false, "text": "hello\n"},
"stderr": {"bytes": 0, "truncated": false, "text": ""}, "files": {"count": 1, "bytes": 3}, "retry_of": null}"#;

const ATTEMPT: &str = r#"{"number": 1, "node": "n", "started_at": "2026-11-27T04:23:25.628652Z",
"finished_at": "2026-11-27T04:23:25.878504Z", "outcome": "failed", "error": "ValueError: too much",
"usage": {"fuel": 1255355, "peak_memory_bytes": 37423616, "wall_ms": 2.604}}"#;

const SCHEDULE: &str = r#"{"id": "tea", "title": null, "script": "tea", "version": null, "entry": null, "args": {},
"argv": [], "trigger": {"crontab": "0 9 * * mon-fri", "timezone": "Europe/Berlin", "type": "cron"},
"text": "cron: 0 9 * * mon-fri @ Europe/Berlin", "notes": [], "timezone": "Europe/Berlin", "state": "active",
"reason": null, "next_fire_at": "2026-11-27T08:00:00.000000Z", "next_fire_local": "2026-11-27T09:00:00+01:00",
"last_run": null, "fired": 0, "misfire_grace_time": null, "coalesce": "latest", "max_instances": 1, "overlap": "skip",
"pause_on_failure": 0, "catchup_limit": 1000, "labels": {}, "settings": {}, "origin": "metadata",
"created_at": "2026-11-27T04:23:25.550150Z", "updated_at": "2026-11-27T04:23:25.550150Z"}"#;

const UPLOADED: &str = r#"{"script": "tea", "name": "tea", "title": "Tea", "version": 1,
"sha256": "6b35aa6bb0cea08c7be2b45e9414a15efb641d7ce1f4a65f7be6393326ccee7f", "entry": null, "mode": "function",
"signature": "(n=1)", "settings": {"title": "Tea", "limits": {"memory": "900GiB"}, "allow": ["api.example.com"]},
"link": {"from": "s3://jobs/tea.py", "checked_at": "2026-11-27T04:23:25.550150Z", "error": "it is gone"},
"warnings": [{"line": 3, "code": "x", "message": "a warning"}], "packages": [{"name": "six", "version": "1.0"}],
"size": 282, "created_at": "2026-11-27T04:23:25.550150Z", "updated_at": "2026-11-27T04:23:25.550150Z",
"schedules": [], "schedule_changes": [{"id": "tea", "change": "created", "before": null, "after": "every 5m"}],
"not_granted": [{"what": "limits.memory", "asked": "900 GiB", "in_force": "1 GiB", "grantable": true}]}"#;

const EVENT: &str = r#"{"id": "0-2", "at": "2026-11-27T04:23:25.878504Z", "type": "run_failed", "script": "tea",
"schedule": null, "run": "01a21b3e-6cbc-7a33-be28-0c65a77a88a9", "cause": "api", "fire_time": null, "reason": null,
"error": {"type": "ValueError", "message": "too much"}}"#;

const SECRET: &str = r#"{"name": "KEY", "hosts": ["api.example.com"], "scripts": ["tea"], "labels": [],
"granted": ["tea"], "in": ["headers"], "methods": ["GET"], "path_prefix": "/v1", "in_clear": false, "key": "3e56f2e9",
"readable": true, "created_at": "2026-11-27T04:23:25.968067Z", "updated_at": "2026-11-27T04:23:25.968067Z"}"#;

const GRANT: &str = r#"{"script": "tea", "kind": "limit", "name": "timeout", "value": "18446744073709551615",
"created_at": "2026-11-27T04:23:25.550150Z"}"#;

const POINT: &str = r#"{"at": "2026-11-27T04:23:25.898974Z", "value": 1.5, "count": 3,
"run": "01a21b3e-6dca-7f39-8899-55c29f668145"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed that is not read would try nothing.
    #[test]
    fn the_inputs_to_start_from_are_read() {
        fn reads<T: DeserializeOwned>(text: &str) {
            let read = serde_json::from_str::<T>(text);
            assert!(read.is_ok(), "{}: {text}", read.err().map(|error| error.to_string()).unwrap_or_default());
        }
        reads::<ProblemBody>(PROBLEM);
        reads::<RunBody>(&RUN.replace("RESULT", "null"));
        reads::<AttemptBody>(ATTEMPT);
        reads::<ScriptBody>(UPLOADED);
        reads::<UploadedBody>(UPLOADED);
        reads::<ScheduleBody>(SCHEDULE);
        reads::<EventBody>(EVENT);
        reads::<SecretBody>(SECRET);
        reads::<GrantBody>(GRANT);
        reads::<crate::api::PointBody>(POINT);
    }
}
