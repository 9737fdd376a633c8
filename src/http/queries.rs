//! Runs by the page, counted, and a value of their results over time; as JSON or CSV.

pub(super) mod counts;
pub(super) mod filter;
pub(super) mod list;
pub(super) mod numbers;
pub(super) mod values;

use super::endpoints::Endpoints;

/// The endpoints of this folder.
pub(super) fn endpoints() -> Endpoints {
    list::endpoints().merge(counts::endpoints()).merge(values::endpoints()).merge(numbers::endpoints())
}
