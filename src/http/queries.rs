//! Runs by the page, counted, and a value of their results over time; as JSON or CSV.

pub(super) mod counts;
pub(super) mod filter;
pub(super) mod list;
pub(super) mod values;
