//! Charts that are kept, as answers tell them.

use super::values::time;
use crate::chart::{Chart, ChartLine};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A number of a script's results over time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChartLineBody {
    /// The script.
    pub script: String,
    /// Where the number is in the results: a JSON Pointer.
    pub path: String,
    /// How the values of a slot become one; null: their average.
    pub agg: Option<String>,
    /// For people.
    pub label: Option<String>,
}

impl From<&ChartLine> for ChartLineBody {
    fn from(line: &ChartLine) -> Self {
        ChartLineBody {
            script: line.script.clone(),
            path: line.path.clone(),
            agg: line.agg.clone(),
            label: line.label.clone(),
        }
    }
}

/// A chart that is kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChartBody {
    /// Its name.
    pub id: String,
    /// For people.
    pub title: String,
    /// Words to find it by; a dashboard is the charts of one label.
    pub labels: Vec<String>,
    /// What it shows.
    pub lines: Vec<ChartLineBody>,
    /// From when on: so long ago (`30d`), or an instant.
    pub since: String,
    /// The width of a slot: a time, or `auto`; null: every value.
    pub bucket: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// The id of the token that made it; null: no token did.
    pub created_by: Option<String>,
}

impl From<&Chart> for ChartBody {
    fn from(chart: &Chart) -> Self {
        ChartBody {
            id: chart.id.clone(),
            title: chart.title.clone(),
            labels: chart.labels.clone(),
            lines: chart.lines.iter().map(ChartLineBody::from).collect(),
            since: chart.since.clone(),
            bucket: chart.bucket.clone(),
            created_at: time(chart.created_at),
            updated_at: time(chart.updated_at),
            created_by: chart.created_by.clone(),
        }
    }
}
