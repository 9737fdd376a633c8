//! The numbers in a value, and where they are.

use super::Exact;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// Lists with more items are series of their own, and no places of numbers.
const LONGEST: usize = 3;
/// What is nested deeper is not looked at.
const DEEPEST: usize = 32;

/// The numbers of a JSON text, each with its JSON Pointer (RFC 6901), in their order: those of objects, and of lists of at most
/// three items, in one another. At most `most`; none where the text is no JSON.
pub fn numbers(text: &str, most: usize) -> Vec<(String, Exact)> {
    let mut found = Found { numbers: Vec::new(), most };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Look { found: &mut found, place: String::new(), depth: 0 }.deserialize(&mut reader);
    if read.is_err() {
        return Vec::new();
    }
    found.numbers
}

struct Found {
    numbers: Vec<(String, Exact)>,
    most: usize,
}

/// Looks at what is at a place.
struct Look<'f> {
    found: &'f mut Found,
    place: String,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        match text.bytes().next() {
            Some(b'{' | b'[') if self.found.numbers.len() < self.found.most && self.depth < DEEPEST => {
                let mut reader = serde_json::Deserializer::from_str(text);
                reader.deserialize_any(Look { depth: self.depth + 1, ..self }).map_err(D::Error::custom)
            }
            Some(b'-' | b'0'..=b'9') if self.found.numbers.len() < self.found.most => {
                self.found.numbers.push((self.place, Exact(raw.to_owned())));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Look { found, place, depth } = self;
        while let Some(key) = map.next_key::<String>()? {
            let place = format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
            map.next_value_seed(Look { found, place, depth })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Look { found, place, depth } = self;
        let before = found.numbers.len();
        let mut length = 0;
        while length < LONGEST {
            let place = format!("{place}/{length}");
            if items.next_element_seed(Look { found, place, depth })?.is_none() {
                return Ok(());
            }
            length += 1;
        }
        if items.next_element::<IgnoredAny>()?.is_some() {
            found.numbers.truncate(before);
            while items.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, most: usize) -> Vec<(String, String)> {
        numbers(text, most).into_iter().map(|(place, number)| (place, number.get().to_owned())).collect()
    }

    fn pairs(right: &[(&str, &str)]) -> Vec<(String, String)> {
        right.iter().map(|(place, number)| ((*place).to_owned(), (*number).to_owned())).collect()
    }

    #[test]
    fn numbers_are_found_where_they_are() {
        for (text, right) in [
            ("5", &[("", "5")][..]),
            (r#"{"price": 104.50, "name": "x", "n": -1}"#, &[("/price", "104.50"), ("/n", "-1")]),
            (r#"{"a": {"b": {"c": 1e3}}, "t": true, "z": null}"#, &[("/a/b/c", "1e3")]),
            (r#"{"a/b~c": 1, "": 2}"#, &[("/a~1b~0c", "1"), ("/", "2")]),
            (r#"[1, {"x": 2}, 3]"#, &[("/0", "1"), ("/1/x", "2"), ("/2", "3")]),
            (r#"{"list": [1, 2, 3, 4], "n": 12345678901234567890123}"#, &[("/n", "12345678901234567890123")]),
            (
                r#"{"rows": [[1, 2], [3, 4]]}"#,
                &[("/rows/0/0", "1"), ("/rows/0/1", "2"), ("/rows/1/0", "3"), ("/rows/1/1", "4")],
            ),
            (&format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)), &[]),
            ("[]", &[]),
            ("\"text\"", &[]),
            ("null", &[]),
            ("{\"a\": 1", &[]),
        ] {
            assert_eq!(found(text, 100), pairs(right), "{text}");
        }
        assert_eq!(found(r#"{"a": 1, "b": 2, "c": 3}"#, 2), pairs(&[("/a", "1"), ("/b", "2")]));
    }
}
