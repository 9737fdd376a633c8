//! A request's body as the type that describes it: the description and what is read cannot differ.

use super::body::{Fields, read_value};
use super::described_fields::fields;
use super::problem::Problem;
use crate::exact::Exact;
use crate::misfit;
use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde_json::Value;
use std::fmt;
use utoipa::ToSchema;

/// The name by which `serde_json` asks for a value as it was written.
const AS_WRITTEN: &str = "$serde_json::private::RawValue";

/// Reads a body of JSON. A field that is null is the same as one that is not there; a stranger is refused with the nearest
/// name.
pub(super) fn read<T: DeserializeOwned + ToSchema + 'static>(content: &[u8]) -> Result<T, Problem> {
    from_fields(Fields::read(content, fields::<T>())?)
}

/// The same of fields that were read.
pub(super) fn from_fields<T: DeserializeOwned>(fields: Fields) -> Result<T, Problem> {
    let there = fields.into_entries().into_iter().filter(|(_, value)| !value.is_null());
    let entries = there.map(|(name, value)| (name.clone(), Field { name, value }));
    T::deserialize(MapDeserializer::new(entries)).map_err(|Refused(problem)| *problem)
}

/// A field that cannot be.
#[derive(Debug)]
struct Refused(Box<Problem>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.error.detail)
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Refused(Box::new(Problem::bad("bad_json", message.to_string())))
    }
}

/// A field, with its name for the sentence about it.
struct Field {
    name: String,
    value: Exact,
}

impl Field {
    /// Reads the value, which is then `read` as what the type asks for.
    fn of<T>(self, read: impl FnOnce(Value) -> Result<T, serde_json::Error>) -> Result<T, Refused> {
        let name = self.name;
        let value = read_value(&name, &self.value).map_err(|problem| Refused(Box::new(problem)))?;
        let whole = misfit::shown(&value);
        let refused = |error: serde_json::Error| {
            Refused(Box::new(Problem::invalid(&name, misfit::sentence(&name, &whole, &error.to_string()))))
        };
        read(value).map_err(refused)
    }
}

impl IntoDeserializer<'_, Refused> for Field {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Field {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.of(|value| value.deserialize_any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refused> {
        if name != AS_WRITTEN {
            return self.of(|value| value.deserialize_newtype_struct(name, visitor));
        }
        let refused = |error: serde_json::Error| {
            let detail = format!("{}: {}", self.name, misfit::not_json(&error));
            Refused(Box::new(Problem::invalid(&self.name, detail)))
        };
        // Read, and not borrowed: the value lives in this field.
        let mut written = serde_json::Deserializer::from_reader(self.value.get().as_bytes());
        written.deserialize_newtype_struct(name, visitor).map_err(refused)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.of(|value| value.deserialize_enum(name, variants, visitor))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::requests::{BackfillRequest, RunRequest, TokenRequest};

    #[test]
    fn fields_are_read_as_they_were_written() {
        let body =
            r#"{"args": {"n": 12345678901234567890123, "n": 1.0}, "argv": ["a"], "limits": null, "priority": 3}"#;
        let RunRequest { args, argv, limits, priority, .. } = read(body.as_bytes()).expect("reads");
        assert_eq!(args.expect("is there").get(), r#"{"n": 12345678901234567890123, "n": 1.0}"#);
        assert_eq!((argv, limits.is_none(), priority), (vec!["a".to_owned()], true, Some(3)));
        let RunRequest { args, .. } = read(b" ").expect("nothing is an empty request");
        assert!(args.is_none());
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let refused = |body: &str| {
            let problem = read::<RunRequest>(body.as_bytes()).expect_err("refuses");
            let error = *problem.error;
            (error.code.into_owned(), error.field.map(Into::into), error.detail)
        };
        let of = |code: &str, field: &str, detail: &str| (code.to_owned(), Some(field.to_owned()), detail.to_owned());
        let expected = "priority is a whole number, and not \"x\"";
        assert_eq!(refused(r#"{"priority": "x"}"#), of("invalid_value", "priority", expected));
        let expected = "argv: 1 is not a text";
        assert_eq!(refused(r#"{"argv": [1]}"#), of("invalid_value", "argv", expected));
        let (code, field, _) = refused(r#"{"priority": 1e999}"#);
        assert_eq!((&*code, field.as_deref()), ("bad_json", Some("priority")));
        let (code, _, detail) = refused(r#"{"prioriti": 1}"#);
        assert!(code == "unknown_field" && detail.contains("did you mean \"priority\"?"), "{detail}");
    }

    #[test]
    fn what_is_required_has_a_sentence_of_its_own() {
        let asked: TokenRequest = read(b"{\"name\": null}").expect("reads");
        assert!(asked.name.is_empty() && asked.scopes.is_empty());
        assert!(read::<BackfillRequest>(b"{}").expect("reads").from.is_none());
    }
}
