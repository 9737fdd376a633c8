//! What statements are given and columns hold, whatever the engine.

/// What stands for `$1`, `$2`, …, and what a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, instead of a value of this kind.
    Null(Kind),
    /// A number, a time or yes and no.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What a null is instead of: PostgreSQL wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number, a time or yes and no.
    Int,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Int => "int",
            Kind::Text => "text",
            Kind::Bytes => "bytes",
        }
    }

    /// The kind that a word means.
    pub fn parse(word: &str) -> Option<Self> {
        [Kind::Int, Kind::Text, Kind::Bytes].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Value {
    /// The type of the column that it is for, as PostgreSQL calls it.
    pub(super) fn column_type(&self) -> &'static str {
        match self {
            Value::Int(_) | Value::Null(Kind::Int) => "bigint",
            Value::Text(_) | Value::Null(Kind::Text) => "text",
            Value::Bytes(_) | Value::Null(Kind::Bytes) => "bytea",
        }
    }
}

/// What can stand for `$1`, `$2`, …
pub(super) trait Bind {
    /// What it is when it is not null.
    const KIND: Kind;

    fn into_value(self) -> Value;
}

impl Bind for i64 {
    const KIND: Kind = Kind::Int;

    fn into_value(self) -> Value {
        Value::Int(self)
    }
}

impl Bind for Vec<u8> {
    const KIND: Kind = Kind::Bytes;

    fn into_value(self) -> Value {
        Value::Bytes(self)
    }
}

impl Bind for String {
    const KIND: Kind = Kind::Text;

    fn into_value(self) -> Value {
        Value::Text(self)
    }
}

impl Bind for &str {
    const KIND: Kind = Kind::Text;

    fn into_value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl<T: Bind + Clone> Bind for &T {
    const KIND: Kind = T::KIND;

    fn into_value(self) -> Value {
        self.clone().into_value()
    }
}

impl<T: Bind> Bind for Option<T> {
    const KIND: Kind = T::KIND;

    fn into_value(self) -> Value {
        self.map_or(Value::Null(T::KIND), Bind::into_value)
    }
}
