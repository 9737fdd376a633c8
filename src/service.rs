//! What the program does for a caller, without HTTP. The edge reads what is asked for, checks the scope that it needs
//! (`http` has the list), and says in its protocol what came of it.
//!
//! A caller is a parameter of what they ask for. So what they can see and change, and what they can grant, is decided here,
//! beside what it protects. What takes no caller is for those who can do it for the whole server. Errors have a code, the
//! field at fault and a sentence; sentences name addresses of the API and flags, which are the words that users have for
//! these things.

mod alerts;
mod audit;
mod channels;
mod charts;
mod check_args;
mod deliveries;
mod error;
mod grants;
mod queries;
mod reach;
mod runs;
mod schedule_changes;
mod schedules;
mod scripts;
mod secrets;
mod sessions;
mod state;
mod submit;
mod text;
mod tokens;
mod values;

pub use alerts::{AlertRequest, AlertView};
pub use audit::AuditRequest;
pub use channels::{SetChannel, TestedChannel};
pub use charts::ChartRequest;
pub use deliveries::DeliveryRequest;
pub use error::{ErrorKind, ServiceError};
pub use grants::GrantRequest;
pub use reach::Reached;
pub(crate) use reach::check_priority;
pub(crate) use runs::check_priority_range;
pub use runs::{PlannedRun, RunOptions};
pub use schedule_changes::ScheduleChange;
pub use schedules::{
    AskedArgs, Backfill, BackfillRequest, Preview, PreviewRequest, ScheduleKept, ScheduleRequest, SchedulerView, Target,
};
pub use scripts::{PublishRequest, ScriptChange, ScriptContent, read_settings};
pub use secrets::{Resealed, SecretView, SetSecret, request_parts};
pub use sessions::LoggedIn;
pub use submit::Submitted;
pub use text::{aggregate, arguments, quoted, script_keys};
pub use tokens::TokenRequest;
pub use values::stored_json;

use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::deliverer::Deliverer;
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
    /// Sends messages to channels.
    pub deliverer: Arc<Deliverer>,
}
