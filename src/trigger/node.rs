//! A trigger as it was written, before anything in it is understood: the common ground of the two forms.

use super::error::{Piece, TriggerError, short, unknown};
use serde_json::{Map, Value};

/// How deep what is read may go before anything is understood: parentheses, or objects in objects.
pub(super) const MAX_NESTED: usize = 64;
/// Most excluded ranges of dates, of all triggers in one together.
pub(super) const MAX_EXCLUDE: usize = 1_000;
/// Longest text form, in bytes.
pub(super) const MAX_TEXT: usize = 256 << 10;
/// Largest JSON form, in bytes.
const MAX_JSON: usize = MAX_TEXT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cron,
    Interval,
    Calendar,
    Date,
    And,
    Or,
    After,
}

const KINDS: [Kind; 7] = [Kind::Cron, Kind::Interval, Kind::Calendar, Kind::Date, Kind::And, Kind::Or, Kind::After];

/// What stands on any trigger.
const OPTIONS: &[&str] = &["timezone", "start_date", "end_date", "jitter", "max_runs", "exclude", "dst"];

impl Kind {
    /// As the JSON form names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cron => "cron",
            Kind::Interval => "interval",
            Kind::Calendar => "calendar_interval",
            Kind::Date => "date",
            Kind::And => "and",
            Kind::Or => "or",
            Kind::After => "after",
        }
    }

    /// The fields of its own.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Kind::Cron => &["crontab", "year", "month", "day", "week", "day_of_week", "hour", "minute", "second"],
            Kind::Interval => &["weeks", "days", "hours", "minutes", "seconds"],
            Kind::Calendar => &["years", "months", "weeks", "days", "time"],
            Kind::Date => &["run_date", "fold"],
            Kind::And => &["triggers", "threshold"],
            Kind::Or => &["triggers"],
            Kind::After => &["script", "label", "on"],
        }
    }
}

/// A trigger as it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub kind: Kind,
    /// The path into the JSON form; empty for the outermost.
    pub path: String,
    /// Its first word in the text form.
    pub word: Option<Piece>,
    /// What was given, by its name in the JSON form.
    pub values: Vec<(&'static str, Piece)>,
    pub exclude: Vec<Piece>,
    pub triggers: Vec<Node>,
}

impl Node {
    pub fn new(kind: Kind, word: Option<Piece>) -> Self {
        Node { kind, path: String::new(), word, values: Vec::new(), exclude: Vec::new(), triggers: Vec::new() }
    }

    pub fn get(&self, name: &str) -> Option<&Piece> {
        self.values.iter().find(|(given, _)| *given == name).map(|(_, piece)| piece)
    }

    /// An error about the whole of it, or about a field that it lacks.
    pub fn error(&self, field: &str, message: impl Into<String>) -> TriggerError {
        let error = TriggerError::field(&join(&self.path, field), message);
        match &self.word {
            Some(word) => TriggerError { field: error.field, ..word.error(error.message) },
            None => error,
        }
    }

    /// How many triggers it is, and how deep they stand in one another.
    pub fn size(&self) -> (usize, usize) {
        self.triggers
            .iter()
            .map(Node::size)
            .fold((1, 0), |(count, depth), (more, deeper)| (count + more, depth.max(deeper + 1)))
    }

    /// The exclusion that is one too many.
    pub fn excess(&self) -> Option<&Piece> {
        fn walk<'a>(node: &'a Node, left: &mut usize) -> Option<&'a Piece> {
            match node.exclude.get(*left) {
                Some(piece) => Some(piece),
                None => {
                    *left -= node.exclude.len();
                    node.triggers.iter().find_map(|inner| walk(inner, left))
                }
            }
        }
        walk(self, &mut MAX_EXCLUDE.clone())
    }

    /// Tells it and everything in it where it stands.
    pub fn place(&mut self, path: &str) {
        self.path = path.to_owned();
        for (name, piece) in &mut self.values {
            piece.field = join(path, name);
        }
        for (index, piece) in self.exclude.iter_mut().enumerate() {
            piece.field = join(path, &format!("exclude[{index}]"));
        }
        for (index, node) in self.triggers.iter_mut().enumerate() {
            node.place(&join(path, &format!("triggers[{index}]")));
        }
    }
}

/// Refuses a JSON form that is too large to be read.
pub(super) fn check_size(value: &Value) -> Result<(), TriggerError> {
    let mut size = Size(0);
    // Counting cannot fail, but for what is too large.
    match serde_json::to_writer(&mut size, value) {
        Ok(()) => Ok(()),
        Err(_) => Err(TriggerError::new(format!("a trigger has at most {MAX_JSON} bytes"))),
    }
}

/// Counts what is written, and refuses more than there may be.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        if self.0 > MAX_JSON { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn join(path: &str, field: &str) -> String {
    let dot = if path.is_empty() || field.is_empty() { "" } else { "." };
    format!("{path}{dot}{field}")
}

/// Reads the JSON form. Every field has to be known.
pub(super) fn from_json(value: &Value) -> Result<Node, TriggerError> {
    let mut node = read(value, "", 0)?;
    node.place("");
    Ok(node)
}

fn read(value: &Value, path: &str, depth: usize) -> Result<Node, TriggerError> {
    let Value::Object(map) = value else {
        return Err(TriggerError::field(
            path,
            "a trigger is an object such as {\"type\": \"interval\", \"minutes\": 2}",
        ));
    };
    if depth > MAX_NESTED {
        return Err(TriggerError::field(path, "too many triggers in one another"));
    }
    let kind = kind(map, path)?;
    let mut node = Node::new(kind, None);
    for (name, value) in map.iter().filter(|(name, value)| *name != "type" && !value.is_null()) {
        let known = kind.fields().iter().chain(OPTIONS).copied();
        let Some(name) = known.clone().find(|known| *known == name) else {
            let what = format!("field in a trigger of type {}:", kind.name());
            return Err(TriggerError::field(&join(path, &short(name)), unknown(&what, name, known)));
        };
        let field = join(path, name);
        match name {
            "triggers" => {
                let Value::Array(all) = value else {
                    return Err(TriggerError::field(&field, "this is a list of triggers"));
                };
                for (index, value) in all.iter().enumerate() {
                    node.triggers.push(read(value, &format!("{field}[{index}]"), depth + 1)?);
                }
            }
            "exclude" => {
                let all = match value {
                    Value::Array(all) => &all[..],
                    one => std::slice::from_ref(one),
                };
                for (index, value) in all.iter().enumerate() {
                    node.exclude.push(scalar(value, format!("{field}[{index}]"))?);
                }
            }
            _ => node.values.push((name, scalar(value, field)?)),
        }
    }
    Ok(node)
}

fn kind(map: &Map<String, Value>, path: &str) -> Result<Kind, TriggerError> {
    let names = KINDS.into_iter().map(Kind::name);
    let bad = |why: String| TriggerError::field(&join(path, "type"), why);
    let Some(value) = map.get("type") else {
        return Err(bad(format!("a trigger says what it is: one of {}", names.collect::<Vec<_>>().join(", "))));
    };
    let name = value.as_str().unwrap_or_default();
    KINDS.into_iter().find(|kind| kind.name() == name).ok_or_else(|| bad(unknown("trigger", name, names)))
}

fn scalar(value: &Value, field: String) -> Result<Piece, TriggerError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(TriggerError::field(&field, "this is text or a number")),
    };
    Ok(Piece::new(&text, field))
}
