//! What the program does for a caller, without HTTP: every edge (the API, the command line, links, the scheduler) gets the
//! same rules from here.
//!
//! A caller is a parameter of what they ask for: who they are, with which scopes on which scripts. So a rule about rights
//! is written once, beside what it protects. Errors have a code, the field at fault and a sentence; the edge says what they
//! are in its protocol.

mod error;
mod grants;
mod queries;
mod reach;
mod runs;
mod schedule_changes;
mod schedules;
mod scripts;
mod secrets;
mod state;
mod submit;
mod text;
mod tokens;
mod values;

pub use error::{ErrorKind, ServiceError};
pub use grants::GrantRequest;
pub use reach::Reached;
pub(crate) use reach::check_priority;
pub(crate) use runs::check_priority_range;
pub use runs::{PlannedRun, RunOptions};
pub use schedule_changes::ScheduleChange;
pub use schedules::{
    AskedArgs, Backfill, BackfillRequest, Preview, PreviewRequest, ScheduleKept, ScheduleRequest, SchedulerView,
    Target, parsed,
};
pub use scripts::{PublishRequest, ScriptChange, ScriptContent, read_settings};
pub use secrets::{Resealed, SecretView, SetSecret, request_parts};
pub use submit::Submitted;
pub use text::{arguments, labels, script_keys, short};
pub use tokens::TokenRequest;
pub use values::stored;

use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::keyring::Keyring;
use crate::links::Linker;
use crate::live_output::Live;
use crate::plan::RunPolicy;
use crate::signals::Signals;
use crate::store::Store;
use std::sync::Arc;

/// What requests are carried out with.
#[derive(Debug)]
pub struct Service {
    /// The database.
    pub store: Store,
    /// Sources and large values.
    pub blobs: Blobs,
    /// Keeps scripts, and reads linked ones.
    pub linker: Linker,
    /// The keys of secrets.
    pub keyring: Arc<Keyring>,
    /// What time it is.
    pub clock: Clock,
    /// The signals of this node.
    pub signals: Arc<Signals>,
    /// What runs of this node write.
    pub live: Arc<Live>,
    /// What the operator decides about runs.
    pub policy: Arc<RunPolicy>,
    /// How many runs can wait that were asked for by request.
    pub queue_bound: u64,
    /// The node that takes runs while they are made; none when this one has no worker.
    pub node: Option<String>,
    /// Held while secrets are sealed.
    pub sealing: tokio::sync::Mutex<()>,
}
