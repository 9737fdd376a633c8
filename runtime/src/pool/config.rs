//! The configuration of a pool.

use super::egress::EgressConfig;
use crate::children::{EGRESS_PROCESS, SANDBOX_PROCESS};
use crate::machine;
use std::ffi::OsString;
use std::io;

/// The configuration of a pool.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The command of a sandbox process: a program and its first arguments.
    pub command: Vec<OsString>,
    /// Processes that are kept up; usually one per core.
    pub processes: usize,
    /// Most processes, while busy runs occupy the others.
    pub max_processes: usize,
    /// Sandboxes that are kept ready in each process.
    pub ready: usize,
    /// The sum of the memory limits of all active runs, in bytes. A run whose memory is away counts with what it still takes.
    pub memory_budget: u64,
    /// Most bytes on disk of images of packages, beside the compiled interpreter. 0: none are made or used.
    pub images: u64,
    /// The number of runs after which a process is replaced.
    pub recycle_after: u64,
    /// Whether the start fails when a measure of hardening is not in force.
    pub require_hardening: bool,
    /// The configuration of connections for scripts.
    pub egress: EgressConfig,
}

impl PoolConfig {
    /// Returns the default configuration of this machine, with this program for all processes: its `main` must call
    /// [`crate::dispatch_child`].
    pub fn for_this_program() -> Self {
        // The running program, even when another one was installed at its path.
        let this = || OsString::from("/proc/self/exe");
        let mut config = Self::for_machine(vec![this(), SANDBOX_PROCESS.into()]);
        config.egress.command = vec![this(), EGRESS_PROCESS.into()];
        config
    }

    /// Returns the default configuration of this machine: one process per core, at most four while runs are busy, and
    /// half of the memory for runs. `command` is the command of a sandbox process. There is no egress process.
    pub fn for_machine(command: Vec<OsString>) -> Self {
        let cores = machine::cores();
        PoolConfig {
            command,
            processes: cores,
            max_processes: cores * 4,
            ready: 8,
            memory_budget: machine::memory() / 2,
            images: 1 << 30,
            recycle_after: 10_000,
            require_hardening: false,
            egress: EgressConfig::default(),
        }
    }
}

/// The error when a pool cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// No process could be started.
    #[error("no sandbox process can be started: {0}")]
    Start(String),
    /// There is no guest, or two have the same name.
    #[error("a pool needs at least one guest, and each with its own name: {0}")]
    Guests(String),
    /// The kernel lacks measures that are required.
    #[error("this machine lacks hardening that was required: {0}")]
    Hardening(String),
    /// A thread or a socket could not be made.
    #[error("the pool cannot be set up")]
    Io(#[from] io::Error),
}
