//! Charts: numbers of scripts' results over time, kept to be looked at again.

use crate::clock::Time;
use crate::precondition;
use serde::{Deserialize, Serialize};

/// Most lines of a chart.
pub const MAX_LINES: usize = 20;
/// Most labels of a chart.
pub const MAX_CHART_LABELS: usize = 32;
/// From when on a chart that says nothing shows values.
pub const SINCE: &str = "30d";
/// The word for slots whose width depends on how much there is to show.
pub const AUTO: &str = "auto";

/// How the values of a slot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// `avg`
    Average,
    /// `sum`
    Sum,
    /// `min`
    Least,
    /// `max`
    Most,
    /// `count`
    Count,
    /// `first`
    First,
    /// `last`
    Last,
}

impl Aggregate {
    /// Their words, in the order in which they are told.
    pub const WORDS: [&str; 7] = ["avg", "sum", "min", "max", "count", "first", "last"];

    /// The one of a word.
    pub fn named(word: &str) -> Option<Self> {
        use Aggregate::{Average, Count, First, Last, Least, Most, Sum};
        let mut all = Self::WORDS.into_iter().zip([Average, Sum, Least, Most, Count, First, Last]);
        all.find_map(|(known, aggregate)| (known == word).then_some(aggregate))
    }
}

/// A number of a script's results over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartLine {
    /// The script's name.
    pub script: String,
    /// Where the number is in the results: a JSON Pointer.
    pub path: String,
    /// How the values of a slot become one; none: their average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agg: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A chart as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// Its name.
    pub id: String,
    /// By which it is found.
    pub key: String,
    /// For people.
    pub title: String,
    /// Words to find it by; a dashboard is the charts of one label.
    pub labels: Vec<String>,
    /// What it shows.
    pub lines: Vec<ChartLine>,
    /// From when on: `30d`, or an instant.
    pub since: String,
    /// The width of a slot: a time, or [`AUTO`]; none: every value.
    pub bucket: Option<String>,
    /// Counted up with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// The id of the token that made it; none: no token did.
    pub created_by: Option<String>,
}

impl Chart {
    /// What changes with every change.
    pub fn tag(&self) -> String {
        precondition::tag(self.revision, self.created_at)
    }
}
