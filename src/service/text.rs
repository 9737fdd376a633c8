//! What callers write: how it is quoted in a sentence, and bounds that hold at every edge.

use super::ServiceError;
use crate::chart::Aggregate;
use crate::exact::{Exact, Flaw};
use crate::quantity;
use crate::script::{Labels, Name, bad_labels};
use cronbox_runtime::limits::{MAX_ARGS, MAX_JSON_DEPTH};

/// The beginning of a text that a caller sent, to quote it: at most 60 characters.
pub fn quoted(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Arguments as they were written: an object or an array, bounded in size and depth. None are an empty object.
///
/// # Errors
/// What is at fault, of the field `args`.
pub fn arguments(args: Option<Exact>) -> Result<String, ServiceError> {
    let Some(args) = args else { return Ok("{}".into()) };
    if !args.is_object() && !args.is_array() {
        let what = args.kind();
        let detail = format!("args is {what}; it is an object (by name) or an array (by position)");
        return Err(ServiceError::invalid("args", detail));
    }
    let args = args.compact(MAX_JSON_DEPTH).map_err(|flaw| {
        let why = match flaw {
            Flaw::TooDeep(most) => format!("args is nested deeper than {most}"),
            flaw => format!("args: {flaw}"),
        };
        ServiceError::invalid("args", why)
    })?;
    let text = args.get().to_owned();
    if text.len() > MAX_ARGS {
        let most = quantity::bytes(MAX_ARGS as u64);
        let detail = format!("args has {} bytes; at most {most} are taken", text.len());
        return Err(ServiceError::too_large(detail).field("args"));
    }
    Ok(text)
}

/// How the values of a slot become one. The error is a sentence.
pub fn aggregate(text: &str) -> Result<Aggregate, String> {
    Aggregate::named(text).ok_or_else(|| format!("{:?} is none of {}", quoted(text), Aggregate::WORDS.join(", ")))
}

/// Refuses labels that cannot be.
///
/// # Errors
/// What is at fault, of the field `labels`.
pub fn check_labels(labels: &Labels) -> Result<(), ServiceError> {
    match bad_labels(labels) {
        Some(why) => Err(ServiceError::invalid("labels", why)),
        None => Ok(()),
    }
}

/// The keys of scripts that are named.
///
/// # Errors
/// One is no name, of the field `scripts`.
pub fn script_keys(names: &[String]) -> Result<Vec<String>, ServiceError> {
    let key = |name: &String| Name::parse(name).map(|name| name.key().to_owned());
    let keys: Result<_, _> = names.iter().map(key).collect();
    keys.map_err(|error| ServiceError::invalid("scripts", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_objects_or_arrays() {
        assert_eq!(arguments(None).expect("takes"), "{}");
        let of = |text: &str| arguments(Some(Exact::parse(text).expect("JSON")));
        assert_eq!(of("[1, 12345678901234567890123]").expect("takes"), "[1,12345678901234567890123]");
        assert_eq!(of(r#"{"b": 1.0, "a": 1e2, "b": 2}"#).expect("takes"), r#"{"b":1.0,"a":1e2,"b":2}"#);
        assert!(of("4").is_err());
        assert!(of(&("[".repeat(105) + &"]".repeat(105))).expect_err("refuses").detail.contains("deeper"));
        assert!(of("[1e999]").expect_err("refuses").detail.contains("1e999"));
    }
}
