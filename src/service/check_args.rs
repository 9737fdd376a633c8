//! Whether arguments fit the parameters of what a run calls, for scripts that ask for that (`validate_args`).
//!
//! The check of an upload makes the schemas (`checker/parameters.py`): they have eight keywords and refer to nothing. These are
//! read here, word by word with the sentences that a caller gets. A library for all of JSON Schema would bring dozens of crates
//! for a language that no schema here is written in, and the sentences would be ours all the same.

use super::{ErrorKind, ServiceError, text::quoted};
use crate::exact::{self, Exact};
use crate::script::{Function, Settings, Version};
use crate::suggest::nearest;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use serde_json::{Map, Value};

/// The function that a run calls.
#[derive(Clone, Copy, Debug)]
struct Callee<'a> {
    name: &'a str,
    signature: &'a str,
    /// Of its parameters.
    schema: &'a Exact,
}

/// What does not fit: where, and a sentence.
type Misfit = (Vec<String>, String);

/// Checks arguments, a JSON object or array, against what a version takes with these settings in force, where these ask for
/// that and where it is known. `entry` is what is called instead of what the settings say.
///
/// # Errors
/// They do not fit; the first one that does not is the field.
pub(crate) fn check_args(
    (script, version): (&str, &Version),
    settings: &Settings,
    entry: Option<&str>,
    args: &str,
) -> Result<(), ServiceError> {
    if settings.validate_args != Some(true) {
        return Ok(());
    }
    let entry = entry.or(settings.entry.as_deref());
    let found = version.functions.as_ref().and_then(|functions| functions.named(entry, script));
    match found {
        Some((name, Function { signature, parameters: Some(schema) })) => {
            check(Callee { name, signature, schema }, args)
        }
        _ => Ok(()),
    }
}

fn check(callee: Callee<'_>, args: &str) -> Result<(), ServiceError> {
    let Ok(schema) = serde_json::from_str::<Map<String, Value>>(callee.schema.get()) else { return Ok(()) };
    // Numbers beyond those of a float, and values that are nested too deep to be read here, are not looked at.
    let Ok(args) = serde_json::from_str::<Value>(args) else { return Ok(()) };
    let Some(args) = by_name(args, &callee) else { return Ok(()) };
    match misfit_of_args(&callee, &schema, &args) {
        None => Ok(()),
        Some((place, detail)) => {
            let field = format!("args.{}", place.join("."));
            Err(ServiceError::new(ErrorKind::Invalid, "invalid_args", detail).field(field))
        }
    }
}

/// Positional arguments by the names of the parameters that they are for. None: which those are is not known.
fn by_name(args: Value, callee: &Callee<'_>) -> Option<Map<String, Value>> {
    let values = match args {
        Value::Object(args) => return Some(args),
        Value::Array(values) => values,
        _ => return None,
    };
    // The context is a parameter that the schema leaves out; other values may follow the last parameter.
    if ["context", "*"].iter().any(|word| callee.signature.contains(word)) {
        return None;
    }
    let names = names(callee.schema);
    (values.len() <= names.len()).then(|| names.into_iter().zip(values).collect())
}

/// The names of the parameters, in their order.
fn names(schema: &Exact) -> Vec<String> {
    let properties = exact::pointer(schema.get(), "/properties").unwrap_or("{}");
    exact::entries(properties).unwrap_or_default().into_iter().map(|(name, _)| name).collect()
}

/// The first argument that does not fit.
fn misfit_of_args(callee: &Callee<'_>, schema: &Map<String, Value>, args: &Map<String, Value>) -> Option<Misfit> {
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    for (name, value) in args {
        let Some(property) = properties.get(name) else {
            if schema.get("additionalProperties") == Some(&Value::Bool(true)) {
                continue;
            }
            let shown = quoted(name);
            let names = names(callee.schema);
            let meant = match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None if names.is_empty() => "it takes none".to_owned(),
                None => format!("there are {}", names.join(", ")),
            };
            return Some((vec![shown.clone()], format!("{} has no parameter {shown:?}: {meant}", callee.name)));
        };
        let mut place = vec![name.clone()];
        if let Some(detail) = misfit(property, value, &mut place) {
            return Some((place, detail));
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let missing = required.into_iter().find(|name| !args.contains_key(*name))?;
    let takes = format!("{}{}", callee.name, callee.signature);
    Some((vec![missing.to_owned()], format!("the argument {missing} is missing: the script takes {takes}")))
}

/// What of a value does not fit a schema, as a sentence; `place` is then where it is.
fn misfit(schema: &Value, value: &Value, place: &mut Vec<String>) -> Option<String> {
    let schema = schema.as_object()?;
    let here = |place: &[String]| {
        let place = place.join(".");
        format!("args.{place} is {}, and not {}", wanted(schema), shown(value))
    };
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return (!values.iter().any(|known| is_same(known, value))).then(|| here(place));
    }
    if let Some(parts) = schema.get("anyOf").and_then(Value::as_array) {
        if parts.iter().any(|part| misfit(part, value, &mut place.clone()).is_none()) {
            return None;
        }
        // The one that the value is of by its kind says best what is wrong with it.
        let is_near =
            |part: &&Value| part.as_object().is_some_and(|part| kinds(part).iter().any(|kind| is_of(kind, value)));
        let mut near = parts.iter().filter(is_near);
        return match (near.next(), near.next()) {
            (Some(part), None) => misfit(part, value, place),
            _ => Some(here(place)),
        };
    }
    let kinds = kinds(schema);
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(kind, value)) {
        return Some(here(place));
    }
    match value {
        Value::String(text) if !has_format(schema, text) => Some(here(place)),
        Value::Array(items) => misfit_of_items(schema, items, place),
        Value::Object(fields) => {
            let values = schema.get("additionalProperties")?;
            inside(fields.iter().map(|(name, field)| (name.clone(), values, field)), place)
        }
        _ => None,
    }
}

fn misfit_of_items(schema: &Map<String, Value>, items: &[Value], place: &mut Vec<String>) -> Option<String> {
    // Only tuples have these, and the same number as both.
    if let Some(length) = schema.get("minItems").and_then(Value::as_u64)
        && items.len() as u64 != length
    {
        return Some(format!("args.{} has {length} items, and not {}", place.join("."), items.len()));
    }
    let first = schema.get("prefixItems").and_then(Value::as_array).into_iter().flatten();
    let all = schema.get("items").into_iter().flat_map(std::iter::repeat);
    let parts = first.chain(all).zip(items).enumerate();
    inside(parts.map(|(number, (schema, item))| (number.to_string(), schema, item)), place)
}

/// The first misfit of values within a value.
fn inside<'a>(
    mut parts: impl Iterator<Item = (String, &'a Value, &'a Value)>,
    place: &mut Vec<String>,
) -> Option<String> {
    parts.find_map(|(name, schema, value)| {
        place.push(name);
        let found = misfit(schema, value, place);
        if found.is_none() {
            place.pop();
        }
        found
    })
}

fn kinds(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kind)) => vec![kind],
        _ => Vec::new(),
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match (kind, value) {
        ("integer", Value::Number(number)) => {
            !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
        }
        ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("boolean", Value::Bool(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_))
        | ("null", Value::Null) => true,
        _ => false,
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.is_number() && one.as_f64() == other.as_f64()
}

/// Whether a text is what a format asks for. Dates and times are as Python's `fromisoformat` reads them: a zone is optional.
fn has_format(schema: &Map<String, Value>, text: &str) -> bool {
    let is_date = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok();
    match schema.get("format").and_then(Value::as_str) {
        Some("date") => is_date(text),
        Some("date-time") => {
            let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
            is_date(text)
                || DateTime::parse_from_rfc3339(text).is_ok()
                || forms.iter().any(|form| NaiveDateTime::parse_from_str(text, form).is_ok())
        }
        Some("time") => {
            let forms = ["%H:%M:%S%.f", "%H:%M"];
            DateTime::parse_from_rfc3339(&format!("2000-01-01T{text}")).is_ok()
                || forms.iter().any(|form| NaiveTime::parse_from_str(text, form).is_ok())
        }
        _ => true,
    }
}

/// A value in a sentence.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        value => quoted(&value.to_string()),
    }
}

/// What a schema wants, with its article.
fn wanted(schema: &Map<String, Value>) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(shown).collect();
        return format!("one of {}", values.join(", "));
    }
    if let Some(parts) = schema.get("anyOf").and_then(Value::as_array) {
        return parts.iter().filter_map(Value::as_object).map(wanted).collect::<Vec<_>>().join(", or ");
    }
    let format = schema.get("format").and_then(Value::as_str);
    let words = kinds(schema).into_iter().map(|kind| match (kind, format) {
        ("string", Some("date")) => "a date (2026-01-31)",
        ("string", Some("date-time")) => "a date with a time (2026-01-31T09:00:00Z)",
        ("string", Some("time")) => "a time (09:00:00)",
        ("string", _) => "a text",
        ("integer", _) => "a whole number",
        ("number", _) => "a number",
        ("boolean", _) => "true or false",
        ("array", _) => "a list",
        ("object", _) => "an object",
        _ => "null",
    });
    words.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","properties":{"symbol":{"type":"string"},"n":{"type":["integer","null"],"default":1},
        "mode":{"enum":["fast","slow",2]},"day":{"type":"string","format":"date"},"at":{"type":"string","format":"time"},
        "when":{"type":["string","null"],"format":"date-time"},"list":{"type":"array","items":{"type":"number"}},
        "pair":{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"minItems":2,"maxItems":2},
        "map":{"type":"object","additionalProperties":{"type":"array","items":{"type":"boolean"}}},"any":{},
        "either":{"anyOf":[{"type":"array","items":{"type":"string"}},{"type":"null"}]}},
        "required":["symbol"],"additionalProperties":false}"#;

    fn check(args: &str) -> Result<(), (String, String)> {
        let schema = Exact::parse(SCHEMA).expect("JSON");
        let callee = Callee { name: "run", signature: "(symbol, n=1)", schema: &schema };
        super::check(callee, args).map_err(|error| {
            assert_eq!((error.kind, &*error.code), (ErrorKind::Invalid, "invalid_args"));
            (error.field.unwrap_or_default().into_owned(), error.detail)
        })
    }

    #[test]
    fn what_fits_is_taken() {
        for args in [
            r#"{"symbol": "A"}"#,
            r#"{"symbol": "A", "n": null, "mode": "slow", "list": [1, 2.5], "pair": [1, "x"], "either": null}"#,
            r#"{"symbol": "A", "mode": 2.0, "map": {"a": [true], "b": []}, "any": {"x": [1]}, "either": ["a"], "list": []}"#,
            r#"{"symbol": "A", "n": 3.0, "day": "2026-01-31", "at": "09:30", "when": "2026-01-31T09:30:00"}"#,
            r#"{"symbol": "A", "at": "09:30:00+02:00", "when": "2026-01-31T09:30:00.5+02:00"}"#,
            r#"["A", 5]"#,
            r#"{"symbol": "A", "n": 123456789012345678901234567890}"#,
            r#"{"symbol": "A", "list": [1e999]}"#,
        ] {
            assert_eq!(check(args), Ok(()), "{args}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (args, field, detail) in [
            ("{}", "args.symbol", "the argument symbol is missing: the script takes run(symbol, n=1)"),
            (r#"{"symbol": 1}"#, "args.symbol", "args.symbol is a text, and not 1"),
            (r#"{"symbol": "A", "n": "3"}"#, "args.n", "args.n is a whole number or null, and not \"3\""),
            (r#"{"symbol": "A", "n": 1.5}"#, "args.n", "args.n is a whole number or null, and not 1.5"),
            (r#"{"symbol": "A", "n": true}"#, "args.n", "args.n is a whole number or null, and not true"),
            (
                r#"{"symbol": "A", "mode": "x"}"#,
                "args.mode",
                "args.mode is one of \"fast\", \"slow\", 2, and not \"x\"",
            ),
            (r#"{"symbol": "A", "day": "31.1."}"#, "args.day", "args.day is a date (2026-01-31), and not \"31.1.\""),
            (r#"{"symbol": "A", "at": "9 o'clock"}"#, "args.at", "args.at is a time (09:00:00), and not \"9 o'clock\""),
            (r#"{"symbol": "A", "list": [1, "x"]}"#, "args.list.1", "args.list.1 is a number, and not \"x\""),
            (r#"{"symbol": "A", "pair": [1]}"#, "args.pair", "args.pair has 2 items, and not 1"),
            (r#"{"symbol": "A", "pair": ["x", "x"]}"#, "args.pair.0", "args.pair.0 is a whole number, and not \"x\""),
            (r#"{"symbol": "A", "map": {"a": [1]}}"#, "args.map.a.0", "args.map.a.0 is true or false, and not 1"),
            (r#"{"symbol": "A", "map": []}"#, "args.map", "args.map is an object, and not a list"),
            (r#"{"symbol": "A", "either": 1}"#, "args.either", "args.either is a list, or null, and not 1"),
            (r#"{"symbol": "A", "either": [1]}"#, "args.either.0", "args.either.0 is a text, and not 1"),
            (r#"{"symbol": "A", "simbol": 1}"#, "args.simbol", "run has no parameter \"simbol\": did you mean symbol?"),
            (r#"[1]"#, "args.symbol", "args.symbol is a text, and not 1"),
        ] {
            assert_eq!(check(args), Err((field.to_owned(), detail.to_owned())), "{args}");
        }
    }
}
