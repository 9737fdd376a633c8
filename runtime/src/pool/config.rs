//! How a pool is set up, and why there is none.

use super::egress::EgressConfig;
use crate::children::{EGRESS_PROCESS, SANDBOX_PROCESS};
use crate::machine;
use std::ffi::OsString;
use std::io;

/// How the pool is set up.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The command that becomes a sandbox process: a program and its first words.
    pub command: Vec<OsString>,
    /// Processes that stand ready; usually one a core.
    pub processes: usize,
    /// Processes at most, while busy runs occupy the others.
    pub max_processes: usize,
    /// Sandboxes that stand ready in each process.
    pub ready: usize,
    /// Bytes that the memory limits of all running runs may add up to.
    pub memory_budget: u64,
    /// A process that has started this many runs is replaced by a new one.
    pub recycle_after: u64,
    /// Refuse to start when a measure of hardening is not in force.
    pub require_hardening: bool,
    /// How connections are made for scripts.
    pub egress: EgressConfig,
}

impl PoolConfig {
    /// The same with this program for every process: its `main` calls [`crate::dispatch_child`].
    pub fn for_this_program() -> Self {
        // The file that is running now, even when another was installed in its place meanwhile.
        let this = || OsString::from("/proc/self/exe");
        let mut config = Self::for_machine(vec![this(), SANDBOX_PROCESS.into()]);
        config.egress.command = vec![this(), EGRESS_PROCESS.into()];
        config
    }

    /// One process a core, four at most while runs are busy, and half of the memory for runs. `command` becomes a
    /// sandbox process.
    pub fn for_machine(command: Vec<OsString>) -> Self {
        let cores = machine::cores();
        PoolConfig {
            command,
            processes: cores,
            max_processes: cores * 4,
            ready: 8,
            memory_budget: machine::memory() / 2,
            recycle_after: 10_000,
            require_hardening: false,
            egress: EgressConfig::default(),
        }
    }
}

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// No process could be started at all.
    #[error("no sandbox process can be started: {0}")]
    Start(String),
    /// The kernel lacks measures that were required.
    #[error("this machine lacks hardening that was required: {0}")]
    Hardening(String),
    /// Threads or sockets were refused.
    #[error("the pool cannot be set up")]
    Io(#[from] io::Error),
}
