//! Entries of the queue as rows: the lane of a run, and what is known of an entry that is held.

use crate::store::StoreError;
use crate::store::tx::Row;

/// Runs that take turns with other lanes: those of one script, or what one token sends along.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Lane(String);

impl Lane {
    pub(in crate::store) fn of(script: Option<&str>, token: Option<&str>) -> Self {
        match script {
            Some(key) => Lane(key.to_owned()),
            // No name of a script holds a colon.
            None => Lane(format!("sent:{}", token.unwrap_or_default())),
        }
    }

    /// As it is kept.
    pub(in crate::store) fn of_key(key: String) -> Self {
        Lane(key)
    }

    /// The same as it is kept.
    pub(in crate::store) fn key(&self) -> &str {
        &self.0
    }

    /// The script whose row is locked for it.
    pub(in crate::store) fn script(&self) -> Option<&str> {
        (!self.0.contains(':')).then_some(&*self.0)
    }
}

/// An entry that a node holds.
pub(in crate::store) struct HeldEntry {
    pub(in crate::store) node: String,
    pub(in crate::store) lane: Lane,
    pub(in crate::store) concurrency: Option<i64>,
    /// The gate, when others may wait before it.
    pub(in crate::store) gate: Option<String>,
}

impl HeldEntry {
    /// Reads `lane`, `concurrency`, `gate` and `gate_most`.
    pub(in crate::store) fn of(row: &Row, node: String) -> Result<Self, StoreError> {
        Ok(HeldEntry {
            node,
            lane: Lane(row.text("lane")?),
            concurrency: row.int_or_none("concurrency")?,
            gate: if row.int_or_none("gate_most")?.is_some() { row.text_or_none("gate")? } else { None },
        })
    }

    /// Whether others may wait for its end: the row of its script is locked then.
    pub(in crate::store) fn is_limited(&self) -> bool {
        self.concurrency.is_some() || self.gate.is_some()
    }
}
