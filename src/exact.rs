//! JSON as it was written: numbers digit by digit, keys in their order.
//!
//! What callers send and scripts return goes through as text. Reading it into numbers of 64 bits would change integers that
//! are larger, and Python has integers of any size. A value is looked into only where something is asked about it, and
//! numbers are compared by their decimal digits.

mod numbers;
mod order;
mod pointer;

pub use numbers::numbers;
pub use order::{order, same};
pub use pointer::{check_pointer, pointer};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// Most digits of an integer that CPython reads (`sys.int_info.default_max_str_digits`).
const MOST_DIGITS: usize = 4300;

/// A JSON value as it was written.
#[derive(Clone, Debug)]
pub struct Exact(Box<RawValue>);

/// Why a value cannot be passed on, though it is JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Lists and objects in one another.
    #[error("it is nested deeper than {0}")]
    TooDeep(usize),
    /// A number that Python would read as infinity.
    #[error("the number {0} is larger than a float can be; write it as an integer, or as a text")]
    TooLarge(String),
    /// An integer that Python does not read.
    #[error("an integer has {0} digits, and Python reads at most {MOST_DIGITS}; write it as a text")]
    TooLong(usize),
    /// Half of a surrogate pair.
    #[error("a text has an escape that stands for no character (half of a surrogate pair)")]
    BadText,
}

impl Exact {
    /// Reads a value; white space around it goes.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Reads a value from bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The same value without white space between its parts, when it can be passed on to a script.
    pub fn compact(&self, deepest: usize) -> Result<Self, Flaw> {
        let text = compact(self.get(), deepest)?;
        // White space between parts says nothing, so what is left is JSON as before.
        Ok(RawValue::from_string(text).map_or_else(|_| self.clone(), Exact))
    }

    /// Its text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.get().starts_with('{')
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        self.get().starts_with('[')
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        is_number(self.get())
    }

    /// What it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self.get().as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a text",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    /// The text that it is, when it is one.
    pub fn as_text(&self) -> Option<String> {
        if self.get().starts_with('"') { serde_json::from_str(self.get()).ok() } else { None }
    }
}

impl Default for Exact {
    fn default() -> Self {
        Exact(RawValue::NULL.to_owned())
    }
}

impl From<&Value> for Exact {
    fn from(value: &Value) -> Self {
        // A value that is there can always be written.
        RawValue::from_string(value.to_string()).map_or_else(|_| Exact::default(), Exact)
    }
}

impl From<Value> for Exact {
    fn from(value: Value) -> Self {
        Exact::from(&value)
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Exact {}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Exact)
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// How deep lists and objects lie in one another.
pub fn depth(json: &[u8]) -> usize {
    let (mut depth, mut most, mut at) = (0_usize, 0, 0);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at = end_of_text(json, at).saturating_sub(1),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
        at += 1;
    }
    most
}

/// JSON without white space between its parts.
fn compact(text: &str, deepest: usize) -> Result<String, Flaw> {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'"' => end_of_text(bytes, at),
            b'-' | b'0'..=b'9' => {
                let of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                at + bytes.iter().skip(at).take_while(|byte| of_number(byte)).count()
            }
            b'[' | b'{' => {
                depth += 1;
                at + 1
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at + 1
            }
            _ => at + 1,
        };
        if depth > deepest {
            return Err(Flaw::TooDeep(deepest));
        }
        let part = text.get(at..end).unwrap_or_default();
        check_part(part)?;
        out.push_str(part);
        at = end.max(at + 1);
    }
    Ok(out)
}

/// Where a text ends that begins at `at`.
fn end_of_text(bytes: &[u8], at: usize) -> usize {
    let mut escaped = false;
    for (place, byte) in bytes.iter().enumerate().skip(at + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    bytes.len()
}

fn check_part(part: &str) -> Result<(), Flaw> {
    if part.starts_with('"') {
        let broken = part.contains("\\u") && serde_json::from_str::<String>(part).is_err();
        return if broken { Err(Flaw::BadText) } else { Ok(()) };
    }
    if !is_number(part) {
        return Ok(());
    }
    if part.contains(['.', 'e', 'E']) {
        let finite = part.parse::<f64>().is_ok_and(f64::is_finite);
        return if finite { Ok(()) } else { Err(Flaw::TooLarge(part.chars().take(40).collect())) };
    }
    let digits = part.trim_start_matches('-').len();
    if digits > MOST_DIGITS { Err(Flaw::TooLong(digits)) } else { Ok(()) }
}

/// The names and values of an object, in their order. An error where the text is no object.
pub fn entries(text: &str) -> Result<Vec<(String, Exact)>, serde_json::Error> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, Exact)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let entries = reader.deserialize_map(Entries)?;
    reader.end()?;
    Ok(entries)
}

/// An object of these names and values.
pub fn object<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::from("{");
    for (name, value) in entries {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&Value::from(name).to_string());
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::cmp::Ordering;

    fn exact(text: &str) -> Exact {
        Exact::parse(text).expect(text)
    }

    #[test]
    fn what_is_written_stays() {
        let text = r#"{"z":123456789012345678901234567890,"a":[1.50,-0.0,1E5,1e-7],"z":"é\u00e9"}"#;
        assert_eq!(serde_json::to_string(&exact(text)).expect("writes"), text);
        let spaced = " { \"z\" : 123456789012345678901234567890 ,\n\"a\":[1.50, -0.0,1E5,\t1e-7],\"z\":\"é\\u00e9\" } ";
        assert_eq!(exact(spaced).compact(2).expect("takes").get(), text);
        assert_eq!(exact(r#"" a \" b ""#).compact(0).expect("takes").get(), r#"" a \" b ""#);
        assert_eq!(entries(text).expect("an object").len(), 3);
        let again = object(entries(text).expect("an object").iter().map(|(name, value)| (&**name, value.get())));
        assert_eq!(again, text);
    }

    #[test]
    fn what_python_would_read_otherwise_is_refused() {
        assert_eq!(exact("[[1]]").compact(1), Err(Flaw::TooDeep(1)));
        assert_eq!((depth(b"1"), depth(br#"[{"a[[\"[":[]},[]]"#)), (0, 3));
        assert_eq!(exact("[1e999]").compact(1), Err(Flaw::TooLarge("1e999".into())));
        assert_eq!(exact(&"9".repeat(4301)).compact(1), Err(Flaw::TooLong(4301)));
        assert!(exact(&format!("-{}", "9".repeat(4300))).compact(1).is_ok());
        assert_eq!(exact(r#"["\ud800"]"#).compact(1), Err(Flaw::BadText));
        assert!(exact(r#"["\ud83d\ude00","\\ud800"]"#).compact(1).is_ok());
    }

    #[test]
    fn pointers_find_what_they_name() {
        let huge = format!("1{}", "0".repeat(400));
        let text = format!(r#"{{"a":{huge},"b":[{huge},{{"c/d":1e9}}],"":2,"a~":3}}"#);
        for (path, found) in [
            ("/a", Some(&*huge)),
            ("/b/0", Some(&*huge)),
            ("/b/1/c~1d", Some("1e9")),
            ("/", Some("2")),
            ("/a~0", Some("3")),
            ("/b/2", None),
            ("/b/01", None),
            ("/b/x", None),
            ("/a/b", None),
            ("/none", None),
        ] {
            assert_eq!(pointer(&text, path), found, "{path}");
        }
        assert_eq!(pointer(&text, ""), Some(&*text));
        assert_eq!(pointer(r#"{"a":1,"a":2}"#, "/a"), Some("2"));
        assert_eq!(pointer("[1,2", "/0"), None);
    }

    #[test]
    fn numbers_are_compared_by_their_digits() {
        let ascending = [
            "-1e400",
            "-10000000000000000000000001",
            "-10000000000000000000000000",
            "-1.5",
            "-1e-400",
            "0",
            "1e-99999999999999999999999999999999999999999999",
            "0.1",
            "0.10000000000000000000000000001",
            "1",
            "9007199254740992",
            "9007199254740993",
            "1e25",
            "10000000000000000000000001",
            "1e400",
            "1e99999999999999999999999999999999999999999999",
        ];
        for (at, one) in ascending.iter().enumerate() {
            for (beside, other) in ascending.iter().enumerate() {
                assert_eq!(order(one, other), Some(at.cmp(&beside)), "{one} {other}");
            }
        }
        for (one, other) in [("1", "1.0"), ("100", "1e2"), ("-0", "0.0"), ("0.00120", "12E-4"), ("1e2", "1E+02")] {
            assert!(same(one, other), "{one} {other}");
        }
        assert_eq!(order("1", "\"1\""), None);
        assert_eq!(order("\"a\"", "\"b\""), Some(Ordering::Less));
        assert!(same(r#"{"a":[1,2.0],"b":null}"#, r#"{"b":null,"a":[1.0,2]}"#));
        assert!(!same(r#"{"a":[1]}"#, r#"{"a":[1,2]}"#) && !same("true", "1"));
    }

    #[test]
    fn a_value_becomes_what_it_says() {
        assert_eq!(Exact::from(json!({"a": 1})).get(), r#"{"a":1}"#);
        assert_eq!(exact("\"x\\n\"").as_text().as_deref(), Some("x\n"));
        assert_eq!(serde_json::from_value::<Exact>(json!([1.5])).expect("reads").get(), "[1.5]");
        assert!(Exact::default().is_null());
    }
}
