//! What is said of a value that does not fit: the sentences of `serde` and `serde_json` in plain words.

use crate::suggest::nearest;
use serde_json::Value;
use serde_json::error::Category;

/// Most characters that are shown of a text.
const MOST_SHOWN: usize = 60;

/// A value as `serde` names it in its sentences, so that a value is told from one inside it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => format!("boolean `{flag}`"),
        Value::Number(number) if number.is_f64() => format!("floating point `{number}`"),
        Value::Number(number) => format!("integer `{number}`"),
        Value::String(text) => format!("string {text:?}"),
        Value::Array(_) => "sequence".into(),
        Value::Object(_) => "map".into(),
    }
}

/// A sentence about the field `name`, whose value is `whole` ([`shown`]) and was refused with `error`.
pub fn sentence(name: &str, whole: &str, error: &str) -> String {
    let error = error.rsplit_once(" at line ").map_or(error, |(error, _)| error);
    if let Some(field) = error.strip_prefix("missing field `") {
        return format!("{name}: the field {:?} is missing", field.trim_end_matches('`'));
    }
    if let Some((field, known)) = between(error, "unknown field `", "`, ") {
        let known = listed(known);
        let meant = match nearest(field, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None if known.is_empty() => "there are none".to_owned(),
            None => format!("there are {}", known.join(", ")),
        };
        return format!("{name}: there is no field {:?}: {meant}", cut(field));
    }
    let (given, wanted) = if let Some((given, wanted)) = between(error, "invalid type: ", ", expected ") {
        (given.to_owned(), kind(wanted))
    } else if let Some((given, wanted)) = between(error, "invalid value: ", ", expected ") {
        (given.to_owned(), range(wanted))
    } else if let Some((word, known)) = between(error, "unknown variant `", "`, ") {
        (format!("string {word:?}"), format!("one of {}", listed(known).join(", ")))
    } else if error.starts_with(name) {
        return error.to_owned();
    } else {
        return format!("{name}: {error}");
    };
    if given == whole {
        format!("{name} is {wanted}, and not {}", plain(&given))
    } else {
        format!("{name}: {} is not {wanted}", plain(&given))
    }
}

/// What is wrong with a text that is not JSON, with its place.
pub fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(&*text, |(message, _)| message);
    let words = match message {
        _ if error.classify() == Category::Eof => "it ends too early",
        "expected value" => "a value is expected here",
        "expected ident" => "a word that is not true, false or null: a text is written in double quotes",
        "key must be a string" => "a key is written in double quotes",
        "trailing comma" => "there is a comma too many",
        "trailing characters" => "there is more after the end of the value",
        "recursion limit exceeded" => "it is nested too deep",
        other => &other.replace('`', "\""),
    };
    if error.line() == 0 {
        return words.to_owned();
    }
    format!("line {}, column {}: {words}", error.line(), error.column())
}

/// What is between a beginning and the last separator, and what is after it.
fn between<'a>(text: &'a str, beginning: &str, separator: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(beginning)?.rsplit_once(separator)
}

/// The names of a list: "expected one of `a`, `b`".
fn listed(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// A given value in plain words.
fn plain(given: &str) -> String {
    match given {
        "sequence" => "a list".into(),
        "map" => "an object".into(),
        "unit value" | "null" => "null".into(),
        _ => match (given.strip_prefix("string "), given.split('`').nth(1)) {
            (Some(text), _) => cut(text),
            (None, Some(value)) => cut(value),
            (None, None) => cut(given),
        },
    }
}

/// The beginning of a text; its last sign when that closes it.
fn cut(text: &str) -> String {
    if text.chars().count() <= MOST_SHOWN {
        return text.to_owned();
    }
    let end = if text.ends_with('"') { "\"" } else { "" };
    text.chars().take(MOST_SHOWN).chain("…".chars()).chain(end.chars()).collect()
}

/// What is wanted, by its type.
fn kind(wanted: &str) -> String {
    match wanted {
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
            "a whole number"
        }
        "f32" | "f64" => "a number",
        "a string" | "string" | "str" | "a borrowed string" | "string or map" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        _ if wanted.starts_with("struct ") => "an object",
        _ if wanted.starts_with("a tuple") => "a list",
        _ => return wanted.replace('`', "\""),
    }
    .into()
}

/// What is wanted where the type fits and the value does not.
fn range(wanted: &str) -> String {
    let (least, most) = match wanted {
        "u8" => (0, u64::from(u8::MAX)),
        "u16" => (0, u64::from(u16::MAX)),
        "u32" => (0, u64::from(u32::MAX)),
        "u64" | "usize" => (0, u64::MAX),
        "i32" => (i64::from(i32::MIN), i32::MAX as u64),
        "i64" => (i64::MIN, i64::MAX as u64),
        _ => return kind(wanted),
    };
    format!("a whole number from {least} to {most}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    fn told<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
        let whole = shown(&value);
        sentence("it", &whole, &serde_json::from_value::<T>(value).expect_err("refuses").to_string())
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Skip,
        QueueOne,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[serde(rename = "count")]
        _count: u32,
    }

    #[test]
    fn values_that_do_not_fit_are_told_in_plain_words() {
        assert_eq!(told::<i64>(json!("x")), "it is a whole number, and not \"x\"");
        assert_eq!(told::<f64>(json!([1])), "it is a number, and not a list");
        assert_eq!(told::<u32>(json!(-1)), "it is a whole number from 0 to 4294967295, and not -1");
        assert_eq!(told::<u32>(json!(1.5)), "it is a whole number, and not 1.5");
        assert_eq!(told::<bool>(json!("yes")), "it is true or false, and not \"yes\"");
        assert_eq!(told::<String>(json!({})), "it is a text, and not an object");
        assert_eq!(told::<Vec<String>>(json!("a")), "it is a list, and not \"a\"");
        assert_eq!(told::<Vec<String>>(json!(["a", 1])), "it: 1 is not a text");
        assert_eq!(told::<Word>(json!("queue")), "it is one of skip, queue_one, and not \"queue\"");
        assert_eq!(told::<Vec<Word>>(json!(["queue"])), "it: \"queue\" is not one of skip, queue_one");
        assert_eq!(told::<Part>(json!({})), "it: the field \"count\" is missing");
        assert_eq!(told::<Part>(json!({"cuont": 1})), "it: there is no field \"cuont\": did you mean \"count\"?");
        assert_eq!(told::<Part>(json!(true)), "it is an object, and not true");
        let long = told::<u8>(json!("é".repeat(500)));
        assert!(long.chars().count() < 120 && long.ends_with("…\""), "{long}");
        assert_eq!(sentence("it", "null", "it is a time"), "it is a time");
        assert_eq!(sentence("keep", "null", "5x is not a time"), "keep: 5x is not a time");
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        let told = |text: &str| not_json(&serde_json::from_str::<Value>(text).expect_err("refuses"));
        assert_eq!(told("{"), "line 1, column 1: it ends too early");
        assert_eq!(
            told("nope"),
            "line 1, column 2: a word that is not true, false or null: a text is written in double quotes"
        );
        assert_eq!(told("{a: 1}"), "line 1, column 2: a key is written in double quotes");
        assert_eq!(told("[1,\n]"), "line 2, column 1: there is a comma too many");
        assert_eq!(told("1 2"), "line 1, column 3: there is more after the end of the value");
        assert!(!told("{\"a\" 1}").contains('`'));
    }
}
