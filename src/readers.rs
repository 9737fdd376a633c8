//! The list of everything in this crate that reads text from outside.
//!
//! Each reader has a name, a function that gives it bytes, and inputs to start from. The function panics when the
//! reader is wrong, for example when a value that was read does not read back from the text that it is shown as.
//!
//! The tests give random changes of these inputs to every reader (`tests/support/try_readers.rs`). This module exists
//! only in tests.

use crate::access::script_pattern;
use crate::alert::Condition;
use crate::clock::{Time, from_micros};
use crate::event::EventPosition;
use crate::exact::{self, Exact};
use crate::limits;
use crate::metadata;
use crate::quantity::{self, Quantity};
use crate::requirement::{Request, Requirement, runs_here};
use crate::script::{Name, Settings};
use crate::secret::{self, SecretTerms};
use crate::source_files::{self, Sources};
use crate::stdin::{self, Stdin};
use crate::trace::TraceContext;
use crate::trigger::{Defaults, Trigger};
use crate::zone::{self, Zone};
use crate::{
    backup, blobs, channel, cli, config, crontab, http, keyring, links, packages, peer_signals, schedule,
    source_encoding, store,
};
use bytes::Bytes;
use cronbox_runtime::network::{Ceiling, Networks};
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;

/// The name of a reader, the function that gives it bytes, and inputs to start from.
pub type Reader = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// Returns all readers.
pub fn readers() -> Vec<Reader> {
    [
        READERS,
        backup::readers::READERS,
        channel::readers::READERS,
        cli::readers::READERS,
        http::readers::READERS,
        links::readers::READERS,
        packages::readers::READERS,
        peer_signals::readers::READERS,
    ]
    .concat()
}

const READERS: &[Reader] = &[
    ("metadata", read_metadata, seeds_of_metadata),
    ("encoding", read_encoding, seeds_of_metadata),
    ("requirement", read_requirement, seeds_of_requirements),
    ("requirements", read_requirements, seeds_of_requirements),
    ("trigger", read_trigger, seeds_of_triggers),
    ("trigger in JSON", read_trigger_json, seeds_of_json_triggers),
    ("cron", read_cron, seeds_of_crontabs),
    ("crontab", read_crontab, seeds_of_crontabs),
    ("traceparent", read_traceparent, seeds_of_traceparents),
    ("JSON", read_json, seeds_of_json),
    ("numbers", read_numbers, seeds_of_numbers),
    ("pointer", read_pointer, seeds_of_pointers),
    ("archive", read_archive, seeds_of_archives),
    ("compiled source", read_compiled, seeds_of_compiled),
    ("settings", read_settings, seeds_of_settings),
    ("conditions", read_condition, seeds_of_conditions),
    ("names", read_names, seeds_of_names),
    ("secrets", read_secrets, seeds_of_secrets),
    ("keys", read_keys, seeds_of_keys),
    ("stdin", read_stdin, seeds_of_stdin),
    ("event id", read_event_id, seeds_of_cursors),
    ("cursor", read_cursor, seeds_of_cursors),
    ("configuration", read_configuration, seeds_of_configurations),
    ("environment", read_environment, seeds_of_environments),
];

/// Returns texts as inputs to start from.
pub(crate) fn seeds(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

/// Waits for what a reader does without a connection.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => panic!("no runtime: {error}"),
    }
}

/// Returns bytes as text.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn now() -> Time {
    from_micros(1_795_000_000_000_000)
}

fn read_metadata(bytes: &[u8]) {
    let _ = metadata::read(bytes);
    let block = text(bytes).replace('\n', "\n# ");
    let _ = metadata::read(format!("# /// script\n# {block}\n# ///\n").as_bytes());
}

fn seeds_of_metadata() -> Vec<Vec<u8>> {
    seeds(&[
        "#!/usr/bin/env python3\n# -*- coding: gbk -*-\n# /// script\n# dependencies = [\"requests\"]\n# ///\nprint()\n",
        "dependencies = [\"a>=1\"]\nrequires-python = \">=3.11\"\n[tool.cronbox]\nentry = \"main\"\nlimits = { memory = \"64MiB\", fuel = 2e9 }",
        "[tool.cronbox]\nschedule = \"0 9 * * *\"\nenv = { A = \"1\" }\nretries = 3\n[[tool.cronbox.schedules]]\ntrigger = \"every 5m\"\n",
        "# /// script\n# x = 1979-05-27T07:32:00Z\n# y = 0x_1\n# z.a.b = '''\n# '''\n# ///\n",
        "\u{feff}# vim: set fileencoding=latin-1 :\nx = 'é'\n",
        "# coding: utf-7\n+AAA-",
    ])
}

fn read_encoding(bytes: &[u8]) {
    let _ = source_encoding::text_of(bytes);
}

fn read_requirement(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(read) = Requirement::parse(&text) {
        assert!(!read.name.is_empty());
    }
    let _ = runs_here(&text);
}

fn read_requirements(bytes: &[u8]) {
    let text = text(bytes).into_owned();
    let _ = Request::of(std::slice::from_ref(&text), Some(&text), None);
    if let Ok(Some(request)) = Request::of(&[], None, Some(bytes)) {
        let _ = request.names();
    }
}

fn seeds_of_requirements() -> Vec<Vec<u8>> {
    seeds(&[
        "requests[socks]>=2.8,<3 ; python_version < '3.11' and os_name == \"posix\"",
        "a~=1.0; extra == 'x' or '1.0' in platform.version",
        "# what we need\nidna==3.10 \\\n    --hash=sha256:aaaa \\\n    --hash=sha256:bbbb\nx @ https://a/b.whl\n-e .\n",
        "ruamel.yaml==0.18.*,!=0.18.1+local.2\n",
        ">=3.11,<4",
    ])
}

fn with_zone<T>(work: impl FnOnce(Defaults) -> T) -> Option<T> {
    let zones = zone::installed().clone();
    let timezone = zones.get("Europe/Berlin").ok()?;
    Some(work(Defaults { zones, timezone, now: now() }))
}

/// Checks that a trigger reads back from its JSON and its text, and that its fire times ascend.
fn check_trigger(trigger: &Trigger, defaults: &Defaults) {
    let json = trigger.to_json();
    let again = Trigger::from_json(&json, defaults);
    assert!(again.as_ref().is_ok_and(|again| again == trigger), "{json} became {again:?}");
    let shown = trigger.to_string();
    let again = Trigger::from_text(&shown, defaults);
    assert!(again.as_ref().is_ok_and(|again| again == trigger), "{shown} became {again:?}");
    if trigger.validate(now()).is_ok()
        && let Ok(fires) = trigger.preview(now(), 3)
    {
        assert!(fires.windows(2).all(|two| two[0].at < two[1].at), "{shown}");
    }
}

fn read_trigger(bytes: &[u8]) {
    with_zone(|defaults| {
        if let Ok(trigger) = Trigger::from_text(&text(bytes), &defaults) {
            check_trigger(&trigger, &defaults);
        }
    });
}

fn read_trigger_json(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    with_zone(|defaults| {
        let _ = Trigger::from_stored(&value, &defaults);
        if let Ok(trigger) = Trigger::from_json(&value, &defaults) {
            check_trigger(&trigger, &defaults);
        }
    });
}

fn read_cron(bytes: &[u8]) {
    let value = serde_json::json!({"type": "cron", "crontab": text(bytes)});
    with_zone(|defaults| {
        if let Ok(trigger) = Trigger::from_json(&value, &defaults) {
            check_trigger(&trigger, &defaults);
        }
    });
}

fn read_traceparent(bytes: &[u8]) {
    if let Some(context) = TraceContext::parse(&text(bytes)) {
        assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
    }
}

fn seeds_of_traceparents() -> Vec<Vec<u8>> {
    seeds(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
}

fn read_crontab(bytes: &[u8]) {
    let _ = crontab::read(&text(bytes), Path::new("/home/a"));
}

fn seeds_of_triggers() -> Vec<Vec<u8>> {
    seeds(&[
        "0 9 * * mon-fri @ Europe/Berlin jitter 30s",
        "every 1 month 2 days from 2024-01-31 until 2030-01-01 at 09:00",
        "every 2h5m max 10 runs",
        "fields: month=2 day=29 day_of_week=mon hour=0 @ UTC dst both",
        "0 0 29 2 * and 0 0 * * 1 or at 2026-12-31T23:59:59Z",
        "after price on any and (every 5m or 0 9 L * *)",
        "0 0 * * 1 except 2026-12-25,2027-01-01",
        "@daily",
    ])
}

fn seeds_of_json_triggers() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"type": "cron", "crontab": "0 9 * * 1-5", "timezone": "Europe/Berlin", "exclude": ["2026-12-25"]}"#,
        r#"{"type": "cron", "month": 2, "day": "last", "day_of_week": "mon", "hour": "*/3", "dst": "both", "jitter": 5}"#,
        r#"{"type": "interval", "hours": 2, "minutes": 5, "start_date": "2026-01-01T00:00:00"}"#,
        r#"{"type": "calendar_interval", "months": 1, "days": 2, "start_date": "1970-01-31", "time": "09:00"}"#,
        r#"{"type": "or", "triggers": [{"type": "date", "run_date": "2026-12-31T00:00"}, {"type": "cron", "second": "*/2"}]}"#,
        r#"{"type": "and", "threshold": "100ms", "triggers": [{"type": "cron", "hour": 9}, {"type": "cron", "day": "1-7"}]}"#,
        r#"{"type": "after", "script": "price", "on": "any"}"#,
    ])
}

fn seeds_of_crontabs() -> Vec<Vec<u8>> {
    seeds(&[
        "*/5 0-23/2 1,15,L jan-dec mon-fri",
        "0 9 13W * 5#3",
        "MAILTO=\"a@b\"\nTZ = Europe/Berlin\n# comment\n0 9 * * 1-5 cd /srv && python3 price.py --x 'a b' >> log 2>&1\n@reboot x\n",
        "30 2 * * 0 /usr/bin/env A=1 python -m jobs.price % input\n",
    ])
}

fn read_json(bytes: &[u8]) {
    let deep = exact::depth(bytes);
    let Ok(whole) = Exact::from_slice(bytes) else { return };
    let _ = exact::entries(whole.get());
    if let Ok(compact) = whole.compact(100) {
        assert!(deep <= 101, "{deep}");
        let again = Exact::parse(compact.get());
        assert!(again.as_ref().is_ok_and(|again| *again == compact), "{compact}");
        assert!(compact.compact(100).is_ok_and(|again| again.get() == compact.get()), "{compact}");
    }
    let _ = (whole.kind(), whole.as_text());
}

fn seeds_of_json() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"a": [1, 2.50, -0, 1e400, 12345678901234567890123], "b": {"c": null, "d": "\u00e9\ud83d\ude00"}, "": true}"#,
        r#"[[[[]]], {"a": {"a": {"a": ""}}}]"#,
        r#" "\\\"\/\b\f\n\r\t" "#,
        "{\"a\": 1, \"a\": 2}",
    ])
}

/// Input: two numbers, one on each line.
fn read_numbers(bytes: &[u8]) {
    let text = text(bytes);
    let (one, other) = text.split_once('\n').unwrap_or((&text, "1"));
    let is_number = |text| Exact::parse(text).is_ok_and(|value| value.is_number());
    if !is_number(one) || !is_number(other) {
        return;
    }
    let order = exact::order(one, other);
    assert_eq!(order, exact::order(other, one).map(std::cmp::Ordering::reverse), "{one} {other}");
    assert_eq!(exact::same(one, other), exact::same(other, one), "{one} {other}");
}

fn seeds_of_numbers() -> Vec<Vec<u8>> {
    seeds(&["1\n2", "-0\n0.00", "1e400\n10E399", "0.1\n100e-3", "12345678901234567890123\n1e999999999999"])
}

/// Input: a pointer, and from the second line on the JSON that it points into.
fn read_pointer(bytes: &[u8]) {
    let text = text(bytes);
    let (pointer, json) = text.split_once('\n').unwrap_or((&text, r#"{"a": [1, {"b/~": 2}]}"#));
    if let Some(found) = exact::pointer(json, pointer) {
        assert!(json.contains(found), "{found}");
    }
    let _ = store::queries::check_pointer(pointer);
}

fn seeds_of_pointers() -> Vec<Vec<u8>> {
    seeds(&["/a/1/b~1~0", "/\n{\"\": 3}", "/a/0\n[{\"a\": [1]}]", "/1/a\n[0, {\"a\": {\"b\": [[]]}}]"])
}

fn read_archive(bytes: &[u8]) {
    let Ok(read) = Sources::of_archive(bytes) else { return };
    if let Ok((key, _, content)) = read.blob() {
        assert_eq!(Sources::of_blob(&key, &read.main, content).as_ref(), Ok(&read));
    }
}

fn seeds_of_archives() -> Vec<Vec<u8>> {
    let files = |all: &[(&str, &str)]| {
        let all: Vec<_> =
            all.iter().map(|(path, text)| ((*path).to_owned(), Bytes::from((*text).to_owned()))).collect();
        source_files::pack(&all).unwrap_or_default()
    };
    vec![files(&[("main.py", "x = 1\n"), ("a/b.txt", "y")]), files(&[("main.py", &"y = 2\n".repeat(300))])]
}

fn read_compiled(bytes: &[u8]) {
    let _ = source_files::is_compiled(bytes);
    let _ = source_files::is_archive(bytes);
    if let Ok(read) = Sources::of_bytes("x", Bytes::copy_from_slice(bytes)) {
        assert!(read.size() > 0);
    }
}

fn seeds_of_compiled() -> Vec<Vec<u8>> {
    vec![b"\x2b\x0e\x0d\x0a\0\0\0\0\0\0\0\0\0\0\0\0\xe3\0\0\0".to_vec(), b"def run(): return 1\n".to_vec()]
}

fn read_settings(bytes: &[u8]) {
    if let Ok(settings) = serde_json::from_slice::<Settings>(bytes)
        && settings.check().is_ok()
    {
        let again = serde_json::to_vec(&settings).map(|json| serde_json::from_slice::<Settings>(&json).ok());
        assert!(again.is_ok_and(|again| again.as_ref() == Some(&settings)), "{settings:?}");
    }
    if let Ok(policies) = serde_json::from_slice::<schedule::Policies>(bytes) {
        let _ = policies.check();
    }
}

fn seeds_of_settings() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"title": "T", "entry": "main", "timezone": "UTC", "env": {"A": "1"}, "labels": {"team": "x"}, "hosts": ["a.example"]}"#,
        r#"{"limits": {"memory": "64MiB", "timeout": 5, "fuel": 2e9}, "retries": {"count": 3, "delay": "1m", "max_delay": "1h"}}"#,
        r#"{"coalesce": "all", "overlap": "queue", "grace": "5m", "max_instances": 3, "keep": {"runs": 10}}"#,
    ])
}

fn read_condition(bytes: &[u8]) {
    if let Ok(condition) = text(bytes).parse::<Condition>() {
        let shown = condition.to_string();
        assert_eq!(shown.parse().as_ref(), Ok(&condition), "{shown}");
        assert!(!condition.words().is_empty());
    }
}

fn seeds_of_conditions() -> Vec<Vec<u8>> {
    seeds(&[
        "failed out_of_memory",
        "failed 3",
        "late 1d2h3m4s",
        "fuel 2.5x",
        "/a/0/b~1 outside -1e3..2.5",
        "\"/a b\" != {\"x\": [1, \"y\"]}",
        "result changed 5%",
    ])
}

fn read_names(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(name) = Name::parse(&text) {
        assert_eq!(Name::parse(name.as_str()).map(|again| again.key().to_owned()), Ok(name.key().to_owned()), "{name}");
    }
    let _ = Name::of_file(&text);
    let near = Name::near_file(&text);
    assert_eq!(Name::parse(near.as_str()).as_ref().map(Name::as_str), Ok(near.as_str()), "{text:?}");
    let _ = script_pattern(&text);
    if let Ok(zone) = zone::installed().get(&text) {
        assert!(zone::installed().get(Zone::name(&zone)).is_ok());
    }
}

fn seeds_of_names() -> Vec<Vec<u8>> {
    seeds(&[
        "price",
        "签到_1",
        "Ünïcode.job-2",
        "a*",
        "jobs/price.py",
        "Europe/Berlin",
        "ａｂｃ",
        "e\u{301}",
        "\u{1f600}",
    ])
}

fn read_secrets(bytes: &[u8]) {
    let text = text(bytes);
    let _ = (secret::check_name(&text), secret::check_value(&text));
    if let Ok(terms) = serde_json::from_slice::<SecretTerms>(bytes)
        && terms.check().is_ok()
    {
        assert!(terms.patterns().is_ok(), "{terms:?}");
    }
}

fn seeds_of_secrets() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"hosts": ["*.example.com", "[::1]:443"], "scripts": ["a", "b*"], "places": ["headers", "query"], "methods": ["GET"], "path_prefix": "/v1"}"#,
        "API_KEY",
        "0123456789abcdef",
    ])
}

fn read_keys(bytes: &[u8]) {
    let _ = keyring::parse(&text(bytes), "a file");
}

fn seeds_of_keys() -> Vec<Vec<u8>> {
    seeds(&[
        "# a comment\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=, x",
    ])
}

fn read_stdin(bytes: &[u8]) {
    let text = text(bytes);
    let _ = stdin::offset_in(&text);
    if let Ok(given) = serde_json::from_slice::<Stdin>(bytes)
        && given.check().is_ok()
    {
        assert!(given.part(r#"{"offset": 0}"#).is_ok(), "{given:?}");
        assert!(given.part(r#"{"offset": 18446744073709551615}"#).is_ok(), "{given:?}");
    }
}

fn seeds_of_stdin() -> Vec<Vec<u8>> {
    seeds(&[r#""text""#, r#"{"base64": "AAECAw=="}"#, r#"{"file": "data/prices.csv"}"#, r#"{"offset": 12}"#])
}

fn read_event_id(bytes: &[u8]) {
    if let Ok(position) = EventPosition::from_str(&text(bytes)) {
        assert_eq!(EventPosition::from_str(&position.to_string()), Ok(position));
    }
}

fn read_cursor(bytes: &[u8]) {
    let _ = store::series::read_place(&text(bytes));
}

fn seeds_of_cursors() -> Vec<Vec<u8>> {
    seeds(&["0-17", "9223372036854775807-1", "1795000000000000.0190a5d0-ac96-774b-bcce-b302099a8057", "12,abc"])
}

fn read_configuration(bytes: &[u8]) {
    let _ = config::read(&text(bytes));
}

fn seeds_of_configurations() -> Vec<Vec<u8>> {
    seeds(&[
        "listen = \"127.0.0.1:1\"\nmax_running = 8\nscript-source = [\"s3://jobs/\", \"/srv\"]\npaused = true\n",
        "a.b = 1",
    ])
}

/// Input: the value of a flag or a variable.
fn read_environment(bytes: &[u8]) {
    let text = text(bytes);
    let _ = (quantity::parse_bytes(&text), quantity::parse_fuel(&text), quantity::parse_duration(&text));
    let _ = (blobs::BlobLocation::parse(&text), store::DatabaseUrl::parse(&text));
    let _ = (Networks::parse(text.split(',')), Ceiling::parse(text.split(',')));
    let pairs = text.split(',').filter_map(|part| part.split_once('='));
    let table = pairs.map(|(name, value)| (name.to_owned(), Quantity::Text(value.to_owned())));
    let _ = limits::WrittenLimits::from_iter(table).asked();
}

fn seeds_of_environments() -> Vec<Vec<u8>> {
    seeds(&[
        "1.5 GiB",
        "1h30m",
        "200G",
        "s3://bucket/prefix",
        "postgres://a:b@[::1]:5432/x?sslmode=require",
        "sqlite:data/x.db",
        "10.0.0.0/8=*.internal,fd00::/8",
        "*.example.com:443,[::1]",
        "memory=512MiB,timeout=10m,fuel=2e9",
    ])
}

#[cfg(test)]
mod tests {
    /// Inputs for which a reader was once wrong.
    const FOUND: &[(&str, &[u8])] = &[
        ("names", "o\u{527}Xw".as_bytes()),
        ("names", "+-\u{fffd}".as_bytes()),
        ("names", "UTC+a\u{e9}b".as_bytes()),
        (
            "lock",
            b"lock-version = \"1.0\"\n[[packages]]\nname = \"demo\"\nversion = \"1.0\"\n\
              wheels = [{ url = \"https://a/demo-1.0-py3-none-any.whl\", hashes = { sha256 = \"\" } }]\n",
        ),
    ];

    #[test]
    fn no_reader_is_wrong_about_random_input() {
        crate::try_readers::try_all(&super::readers(), FOUND, 1);
    }
}
