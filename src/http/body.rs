//! Reading what was sent: bounded in size and time, every field known, and a word about the one at fault.

use super::problem::Problem;
use crate::clock::Time;
use crate::nearest::nearest;
use crate::quantity;
use crate::script::{Labels, Name};
use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::StatusCode;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a body that is too large is read all the same, and how long.
const DISCARDED: usize = 64 << 20;
const DISCARDING: Duration = Duration::from_secs(5);

/// A whole body of at most `limit` bytes.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let reading = async {
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|_| Problem::bad("body_broken", "the body ended before its end"))?;
            if bytes.len() + piece.len() > limit {
                discard(stream).await;
                return Err(Problem::too_large(format!("the body is larger than {}", quantity::bytes(limit as u64))));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Bytes::from(bytes))
    };
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body took longer than 30 s to come")),
    }
}

/// Reads on for a while: a client that is still sending when the connection is closed never sees the answer.
async fn discard(mut stream: BodyDataStream) {
    let reading = async {
        let mut left = DISCARDED;
        while let Some(Ok(piece)) = stream.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARDING, reading).await;
}

/// The fields of a JSON object, taken one by one.
#[derive(Debug)]
pub(crate) struct Fields {
    map: Map<String, Value>,
}

impl Fields {
    /// Reads an object whose fields are all among `known`; nothing at all is an empty one.
    pub(crate) fn read(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Fields { map: Map::new() });
        }
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Problem::bad("bad_json", format!("the body is not JSON: {error}")))?;
        Self::of(value, known)
    }

    /// The fields of a value that is an object.
    pub(crate) fn of(value: Value, known: &[&str]) -> Result<Self, Problem> {
        let Value::Object(map) = value else {
            return Err(Problem::bad("bad_json", format!("the body is {}, and not an object", kind(&value))));
        };
        if let Some(name) = map.keys().find(|name| !known.contains(&name.as_str())) {
            let shown: String = name.chars().take(60).collect();
            let meant = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None if known.contains(&"args") => "arguments go under args".to_owned(),
                None => format!("there are {}", known.join(", ")),
            };
            return Err(Problem::invalid(&shown, format!("there is no field {shown:?}: {meant}")).code("unknown_field"));
        }
        Ok(Fields { map })
    }

    /// A field of any type; none when it is not there or null.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        match self.map.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match serde_json::from_value(value) {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(Problem::invalid(name, format!("{name}: {error}"))),
            },
        }
    }

    /// The keys of the scripts that are named under `scripts`.
    pub(crate) fn scripts(&mut self) -> Result<Option<Vec<String>>, Problem> {
        let names: Option<Vec<String>> = self.take("scripts")?;
        let keys = |names: Vec<String>| {
            names.iter().map(|name| Name::parse(name).map(|name| name.key().to_owned())).collect::<Result<_, _>>()
        };
        names.map(keys).transpose().map_err(|error| Problem::invalid("scripts", error.to_string()))
    }

    /// A field as it is; none when it is not there. Null is there.
    pub(crate) fn raw(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name)
    }

    /// What was not taken.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.map
    }
}

/// What a value is, with its article.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Whether a value is nested deeper than `left`.
pub(crate) fn too_deep(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left == 0 || items.iter().any(|item| too_deep(item, left - 1)),
        Value::Object(map) => left == 0 || map.values().any(|item| too_deep(item, left - 1)),
        _ => false,
    }
}

/// Arguments: an object or an array, bounded in size and depth.
pub(crate) fn arguments(args: Option<Value>) -> Result<String, Problem> {
    let Some(args) = args else { return Ok("{}".into()) };
    if !matches!(args, Value::Object(_) | Value::Array(_)) {
        let what = kind(&args);
        return Err(Problem::invalid(
            "args",
            format!("args is {what}; it is an object (by name) or an array (by position)"),
        ));
    }
    if too_deep(&args, cronbox_runtime::MAX_JSON_DEPTH) {
        let most = cronbox_runtime::MAX_JSON_DEPTH;
        return Err(Problem::invalid("args", format!("args is nested deeper than {most}")));
    }
    let text = args.to_string();
    if text.len() > cronbox_runtime::MAX_ARGS {
        let most = quantity::bytes(cronbox_runtime::MAX_ARGS as u64);
        return Err(
            Problem::too_large(format!("args has {} bytes; at most {most} are taken", text.len())).field("args")
        );
    }
    Ok(text)
}

/// Labels, checked.
pub(crate) fn labels(labels: Option<Labels>) -> Result<Labels, Problem> {
    let labels = labels.unwrap_or_default();
    match crate::script::bad_labels(&labels) {
        Some(why) => Err(Problem::invalid("labels", why)),
        None => Ok(labels),
    }
}

/// The parameters after the question mark, each known, each there once.
#[derive(Debug)]
pub(crate) struct Query {
    map: BTreeMap<String, Vec<String>>,
}

impl Query {
    /// Reads what stands after the question mark.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let shown: String = name.chars().take(60).collect();
                let meant = match nearest(&name, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None if known.is_empty() => "there are none here".to_owned(),
                    None => format!("there are {}", known.join(", ")),
                };
                let detail = format!("there is no parameter {shown:?}: {meant}");
                return Err(Problem::bad("unknown_parameter", detail).field(&shown));
            }
            map.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Ok(Query { map })
    }

    /// A parameter that stands there at most once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.map.get(name).map(Vec::as_slice) {
            None => Ok(None),
            Some([value]) => Ok(Some(value)),
            Some(_) => Err(Problem::bad("bad_parameter", format!("{name} is there more than once")).field(name)),
        }
    }

    /// A parameter that may stand there several times, or once with commas.
    pub(crate) fn many(&self, name: &str) -> Vec<&str> {
        self.map
            .get(name)
            .into_iter()
            .flatten()
            .flat_map(|value| value.split(','))
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// A parameter read in a certain way.
    pub(crate) fn parse<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let bad = |why: String| Problem::bad("bad_parameter", format!("{name}: {why}")).field(name);
        self.one(name)?.map(parse).transpose().map_err(bad)
    }

    /// How many things a page has.
    pub(crate) fn limit(&self, default: usize, most: usize) -> Result<usize, Problem> {
        self.limit_named("limit", default, most)
    }

    /// How many things are wanted, by another name.
    pub(crate) fn limit_named(&self, name: &str, default: usize, most: usize) -> Result<usize, Problem> {
        let read = |text: &str| match text.parse::<usize>() {
            Ok(0) => Err("a page has at least 1".to_owned()),
            Ok(limit) => Ok(limit.min(most)),
            Err(_) => Err(format!("{:?} is no number of things", short(text))),
        };
        Ok(self.parse(name, read)?.unwrap_or(default))
    }

    /// A time: RFC 3339, or so long before now (`24h`, `7d`).
    pub(crate) fn time(&self, name: &str, now: Time) -> Result<Option<Time>, Problem> {
        self.parse(name, |text| parse_time(text, now))
    }

    /// Whether a parameter that knows one word is there.
    pub(crate) fn word(&self, name: &str, known: &str) -> Result<bool, Problem> {
        let read = |text: &str| if text == known { Ok(true) } else { Err(format!("{:?} is not {known}", short(text))) };
        Ok(self.parse(name, read)?.unwrap_or(false))
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, Problem> {
        let read = |text: &str| match text {
            "" | "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            _ => Err(format!("{:?} is neither true nor false", short(text))),
        };
        Ok(self.parse(name, read)?.unwrap_or(default))
    }
}

/// RFC 3339, or so long before now.
pub(crate) fn parse_time(text: &str, now: Time) -> Result<Time, String> {
    let why = || format!("{:?} is no time: write 2026-01-31T09:00:00Z, or 24h or 7d for so long ago", short(text));
    // A plus sign in a query is a space.
    let unspaced = text.trim().replacen(' ', "+", usize::from(text.contains('T')));
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(&unspaced) {
        return Ok(time.to_utc());
    }
    if text.chars().all(|c| c.is_ascii_digit()) {
        return Err(why());
    }
    let ago = quantity::parse_duration(text).map_err(|_| why())?;
    chrono::TimeDelta::from_std(ago).ok().and_then(|ago| now.checked_sub_signed(ago)).ok_or_else(why)
}

/// The beginning of a text that somebody sent.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    #[test]
    fn unknown_fields_name_the_nearest_right_thing() {
        let known = ["args", "argv", "version", "limits"];
        let detail = |body: &str| Fields::read(body.as_bytes(), &known).expect_err("refuses").detail;
        assert!(detail(r#"{"n": 4}"#).contains("arguments go under args"));
        assert!(detail(r#"{"verison": 4}"#).contains("did you mean \"version\"?"));
        assert!(detail("[1]").contains("an array"));
        assert!(detail("{").contains("not JSON"));
        assert!(Fields::read(b" \n", &known).expect("nothing").rest().is_empty());
    }

    #[test]
    fn times_are_absolute_or_ago() {
        let now = from_micros(1_800_000_000_000_000);
        let parsed = |text: &str| parse_time(text, now);
        assert_eq!(parsed("24h"), Ok(now - chrono::TimeDelta::hours(24)));
        assert_eq!(parsed("7d"), Ok(now - chrono::TimeDelta::days(7)));
        assert_eq!(parsed("1970-01-01T01:00:00+01:00"), Ok(from_micros(0)));
        assert_eq!(parsed("1970-01-01T01:00:00 01:00"), Ok(from_micros(0)));
        for bad in ["", "yesterday", "2026-13-01T00:00:00Z", "1700000000", "99999999999999d"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_known_and_there_once() {
        let query = |text: &str| Query::read(Some(text), &["limit", "wait", "status"]);
        assert!(query("limt=3").expect_err("refuses").detail.contains("did you mean limit?"));
        assert!(query("limit=1&limit=2").expect("reads").one("limit").is_err());
        assert_eq!(query("status=a,b&status=c").expect("reads").many("status"), ["a", "b", "c"]);
        assert_eq!(query("limit=5000").expect("reads").limit(10, 100).expect("reads"), 100);
        for bad in ["limit=0", "limit=-1", "limit=x", "limit="] {
            assert!(query(bad).expect("reads").limit(10, 100).is_err(), "{bad}");
        }
        assert!(query("wait").expect("reads").flag("wait", false).expect("reads"));
    }

    #[test]
    fn arguments_are_objects_or_arrays() {
        assert_eq!(arguments(None).expect("takes"), "{}");
        assert_eq!(arguments(Some(serde_json::json!([1]))).expect("takes"), "[1]");
        assert!(arguments(Some(serde_json::json!(4))).is_err());
        let deep = (0..105).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(arguments(Some(deep)).is_err());
    }
}
