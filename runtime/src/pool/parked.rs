//! Parked runs: they wait, and their memory is away.

use crate::frame::RunNumber;
use std::collections::BTreeSet;
use std::time::Instant;

/// The parked runs of a process.
#[derive(Default)]
pub(super) struct ParkedRuns {
    pub(super) count: usize,
    /// When one ended last without going on before.
    pub(super) last_end: Option<Instant>,
    /// Those that want to go on, in order: first those that need no memory for it.
    pub(super) waking: BTreeSet<(bool, Instant, RunNumber)>,
}

/// A run whose memory is away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parked {
    /// The bytes that it counts with: those that it still takes, or its limit.
    pub(super) takes: u64,
    /// The time since which it wants its memory again.
    pub(super) waking: Option<Instant>,
}
