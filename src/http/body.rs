//! Reading what was sent: every field known, and a word about the one at fault.

pub(crate) use super::intake::read;
use super::problem::Problem;
use crate::clock::Time;
use crate::exact::{self, Exact};
use crate::misfit;
use crate::quantity;
use crate::schedule::{self, POLICIES};
use crate::script::{BadName, Name, SETTINGS, Settings};
use crate::service::{self, quoted};
use crate::suggest::{field_of, nearest};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How deep lists and objects of a body lie in one another at most.
const DEEPEST: usize = 127;

/// The fields of a JSON object, each as it was written, taken one by one.
#[derive(Debug)]
pub(crate) struct Fields {
    entries: Vec<(String, Exact)>,
}

impl Fields {
    /// Reads an object whose fields are all among `known`; nothing at all is an empty one.
    pub(crate) fn read(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Fields { entries: Vec::new() });
        }
        let broken = |error| Problem::bad("bad_json", format!("the body is not JSON: {}", misfit::not_json(&error)));
        let value = Exact::from_slice(body).map_err(broken)?;
        if exact::depth(body) > DEEPEST {
            let detail = format!("the body is not JSON that can be read: it is nested deeper than {DEEPEST}");
            return Err(Problem::bad("bad_json", detail));
        }
        if !value.is_object() {
            return Err(Problem::bad("bad_json", format!("the body is {}, and not an object", value.kind())));
        }
        let fields = Fields { entries: exact::entries(value.get()).map_err(broken)? };
        fields.checked(known)
    }

    /// The fields of a map.
    pub(crate) fn of(map: Map<String, Value>, known: &[&str]) -> Result<Self, Problem> {
        let entries = map.into_iter().map(|(name, value)| (name, Exact::from(value))).collect();
        Fields { entries }.checked(known)
    }

    /// The same, when each field is known and there once.
    fn checked(self, known: &[&str]) -> Result<Self, Problem> {
        if let Some((name, _)) = self.entries.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            let shown: String = name.chars().take(60).collect();
            let near = || nearest(name, known.iter().copied());
            let meant = if let Some(place) = goes_under(name, known).or_else(|| goes_elsewhere(name, known)) {
                place
            } else if let Some(near) = near() {
                format!("did you mean {near:?}?")
            } else if known.contains(&"args") {
                "arguments go under args".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            return Err(Problem::invalid(&shown, format!("there is no field {shown:?}: {meant}")).code("unknown_field"));
        }
        let mut seen = BTreeSet::new();
        match self.entries.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            Some((name, _)) => Err(Problem::bad("bad_json", format!("the field {name:?} is there twice")).field(name)),
            None => Ok(self),
        }
    }

    /// A field of any type; none when it is not there or null.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(value) = self.raw(name)?.filter(|value| !value.is_null()) else { return Ok(None) };
        let whole = misfit::shown(&value);
        let refused =
            |error: serde_json::Error| Problem::invalid(name, misfit::sentence(name, &whole, &error.to_string()));
        serde_json::from_value(value).map(Some).map_err(refused)
    }

    /// Whether a field is there, null or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(field, _)| field == name)
    }

    /// A field as it was written; none when it is not there or null.
    pub(crate) fn exact(&mut self, name: &str) -> Option<Exact> {
        let at = self.entries.iter().position(|(field, _)| field == name)?;
        Some(self.entries.swap_remove(at).1).filter(|value| !value.is_null())
    }

    /// A field as it is; none when it is not there. Null is there.
    pub(crate) fn raw(&mut self, name: &str) -> Result<Option<Value>, Problem> {
        let Some(at) = self.entries.iter().position(|(field, _)| field == name) else { return Ok(None) };
        let (name, value) = self.entries.swap_remove(at);
        read_value(&name, &value).map(Some)
    }

    /// Takes those of these names.
    pub(super) fn part(&mut self, names: &[&str]) -> Fields {
        let is_part = |entry: &mut (String, Exact)| names.contains(&entry.0.as_str());
        Fields { entries: self.entries.extract_if(.., is_part).collect() }
    }

    /// All of them, as they were written.
    pub(super) fn into_entries(self) -> Vec<(String, Exact)> {
        self.entries
    }

    /// What was not taken.
    pub(crate) fn rest(self) -> Result<Map<String, Value>, Problem> {
        let read = |(name, value): (String, Exact)| {
            let value = read_value(&name, &value)?;
            Ok((name, value))
        };
        self.entries.into_iter().map(read).collect()
    }
}

/// Where what is sent under another service's word belongs, as a sentence.
fn goes_under(name: &str, known: &[&str]) -> Option<String> {
    let word = name.to_ascii_lowercase();
    let field = field_of(&word, |field| known.contains(&field))?;
    Some(match field {
        "source" => "the source goes under source".to_owned(),
        "args" => "arguments go under args".to_owned(),
        "limits" => format!("limits go under limits: {{\"limits\": {{\"{word}\": …}}}}"),
        field => format!("did you mean {field:?}?"),
    })
}

/// Where the setting of a script or a schedule is set, as a sentence.
fn goes_elsewhere(name: &str, known: &[&str]) -> Option<String> {
    let place = if SETTINGS.contains(&name) {
        format!("{name} is a setting of the script: PATCH /v1/scripts/{{name}}, or its metadata block")
    } else if POLICIES.contains(&name) || schedule::SETTINGS.contains(&name) {
        format!("{name} is a setting of a schedule: PATCH /v1/schedules/{{id}}")
    } else {
        return None;
    };
    let argument = if known.contains(&"args") { "; an argument of this name goes under args" } else { "" };
    Some(format!("{place}{argument}"))
}

/// A field that this program reads itself: its numbers are those of a setting.
pub(super) fn read_value(name: &str, value: &Exact) -> Result<Value, Problem> {
    serde_json::from_str(value.get()).map_err(|error| {
        let detail = format!("{name} cannot be read: {}", misfit::not_json(&error));
        Problem::bad("bad_json", detail).field(name)
    })
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

/// The parameters after the question mark, each known, each there once.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    map: BTreeMap<String, Vec<String>>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    /// What the guard has read: the parameters that the operation's description tells.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.remove().ok_or_else(Problem::mistake)
    }
}

impl Query {
    /// Reads what stands after the question mark.
    pub(crate) fn read(query: Option<&str>, known: &[impl AsRef<str>]) -> Result<Self, Problem> {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let names = known.iter().map(AsRef::as_ref);
            if !names.clone().any(|known| known == name) {
                let shown: String = name.chars().take(60).collect();
                let meant = match nearest(&name, names.clone()) {
                    Some(near) => format!("did you mean {near}?"),
                    None if known.is_empty() => "there are none here".to_owned(),
                    None => format!("there are {}", names.collect::<Vec<&str>>().join(", ")),
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
            Err(_) => Err(format!("{:?} is no number of things", quoted(text))),
        };
        Ok(self.parse(name, read)?.unwrap_or(default))
    }

    /// A time: RFC 3339, or so long before now (`24h`, `7d`).
    pub(crate) fn time(&self, name: &str, now: Time) -> Result<Option<Time>, Problem> {
        self.parse(name, |text| parse_time(text, now))
    }

    /// Whether a parameter that knows one word is there.
    pub(crate) fn word(&self, name: &str, known: &str) -> Result<bool, Problem> {
        let read =
            |text: &str| if text == known { Ok(true) } else { Err(format!("{:?} is not {known}", quoted(text))) };
        Ok(self.parse(name, read)?.unwrap_or(false))
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, Problem> {
        let read = |text: &str| match text {
            "" | "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            _ => Err(format!("{:?} is neither true nor false", quoted(text))),
        };
        Ok(self.parse(name, read)?.unwrap_or(default))
    }
}

/// RFC 3339, or so long before now.
pub(crate) fn parse_time(text: &str, now: Time) -> Result<Time, String> {
    let why = || format!("{:?} is not a time: write 2026-01-31T09:00:00Z, or 24h or 7d for so long ago", quoted(text));
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

/// RFC 3339, or so long after now.
pub(crate) fn parse_time_ahead(text: &str, now: Time) -> Result<Time, String> {
    let ahead = |ago: Time| now.checked_add_signed(now - ago);
    match parse_time(text, now) {
        // What is no instant is a duration, which was taken off.
        Ok(time) if !text.contains(['T', 't', ':']) => ahead(time).ok_or_else(|| "that is too far ahead".into()),
        Ok(time) => Ok(time),
        Err(_) => Err(format!("{:?} is not a time: write 2026-01-31T09:00:00Z, or 24h or 7d from now", quoted(text))),
    }
}

/// What of a request is settings.
pub(crate) fn settings_of(fields: Fields) -> Result<Settings, Problem> {
    Ok(service::read_settings(fields.rest()?)?)
}

/// What is said about a cursor that is none.
pub(crate) fn bad_cursor() -> String {
    "this is no cursor: take next_cursor of the page before".into()
}

/// The keys of the scripts that are asked for.
pub(crate) fn scripts_of(query: &Query) -> Result<Vec<String>, Problem> {
    let bad = |error: BadName| Problem::bad("bad_parameter", format!("script: {error}")).field("script");
    query.many("script").into_iter().map(|name| Ok(Name::parse(name).map_err(bad)?.key().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    #[test]
    fn unknown_fields_name_the_nearest_right_thing() {
        let known = ["args", "argv", "version", "limits"];
        let detail = |body: &str| Fields::read(body.as_bytes(), &known).expect_err("refuses").error.detail;
        assert!(detail(r#"{"n": 4}"#).contains("arguments go under args"));
        assert!(detail(r#"{"verison": 4}"#).contains("did you mean \"version\"?"));
        let sent = |body: &str| {
            Fields::read(body.as_bytes(), &["source", "args", "limits"]).expect_err("refuses").error.detail
        };
        assert!(sent(r#"{"code": "print(1)"}"#).contains("the source goes under source"));
        assert!(sent(r#"{"params": {}}"#).contains("arguments go under args"));
        assert!(sent(r#"{"timeout": 3}"#).contains("limits go under limits"));
        assert!(detail(r#"{"code": 4}"#).contains("arguments go under args"));
        let script = "retries is a setting of the script: PATCH /v1/scripts/{name}, or its metadata block; \
                      an argument of this name goes under args";
        assert!(detail(r#"{"retries": 3}"#).ends_with(script));
        let schedule =
            "coalesce is a setting of a schedule: PATCH /v1/schedules/{id}; an argument of this name goes under args";
        assert!(detail(r#"{"coalesce": true}"#).ends_with(schedule));
        let fields = Fields::read(br#"{"misfire": 5}"#, &["id", "misfire_grace_time", "args"]);
        assert!(fields.expect_err("refuses").error.detail.contains("did you mean \"misfire_grace_time\"?"));
        assert!(detail("[1]").contains("an array"));
        assert!(detail("{").contains("not JSON"));
        assert!(Fields::read(b" \n", &known).expect("nothing").rest().expect("reads").is_empty());
        assert!(detail(r#"{"args": [1], "argv": [], "args": [2]}"#).contains("\"args\" is there twice"));
    }

    #[test]
    fn times_are_absolute_or_ago() {
        let now = from_micros(1_800_000_000_000_000);
        let parsed = |text: &str| parse_time(text, now);
        assert_eq!(parsed("24h"), Ok(now - chrono::TimeDelta::hours(24)));
        assert_eq!(parsed("7d"), Ok(now - chrono::TimeDelta::days(7)));
        assert_eq!(parsed("1970-01-01T01:00:00+01:00"), Ok(from_micros(0)));
        assert_eq!(parsed("1970-01-01T01:00:00 01:00"), Ok(from_micros(0)));
        assert_eq!(parse_time_ahead("24h", now), Ok(now + chrono::TimeDelta::hours(24)));
        assert_eq!(parse_time_ahead("1970-01-01T00:00:00Z", now), Ok(from_micros(0)));
        assert!(parse_time_ahead("tomorrow", now).is_err());
        for bad in ["", "yesterday", "2026-13-01T00:00:00Z", "1700000000", "99999999999999d"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_known_and_there_once() {
        let query = |text: &str| Query::read(Some(text), &["limit", "wait", "status"]);
        assert!(query("limt=3").expect_err("refuses").error.detail.contains("did you mean limit?"));
        assert!(query("limit=1&limit=2").expect("reads").one("limit").is_err());
        assert_eq!(query("status=a,b&status=c").expect("reads").many("status"), ["a", "b", "c"]);
        assert_eq!(query("limit=5000").expect("reads").limit(10, 100).expect("reads"), 100);
        for bad in ["limit=0", "limit=-1", "limit=x", "limit="] {
            assert!(query(bad).expect("reads").limit(10, 100).is_err(), "{bad}");
        }
        assert!(query("wait").expect("reads").flag("wait", false).expect("reads"));
    }
}
