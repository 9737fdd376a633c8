#![doc = include_str!("../README.md")]

mod budget;
mod bundle;
mod channels;
mod children;
mod clock;
mod crypto;
mod egress;
mod engine;
mod fair_share;
mod files;
mod frame;
mod guard;
mod guest;
mod guest_component;
mod harden;
mod heap;
mod holder;
mod interpreter;
mod limits;
pub mod machine;
mod meter;
mod outcome;
mod output;
mod policy;
mod pool;
mod prefault;
mod process;
mod sandbox;
mod sealed;
mod stop_location;

pub use bundle::{Bundle, BundleError, BundleHash};
pub use children::{EGRESS_PROCESS, SANDBOX_PROBE, SANDBOX_PROCESS, dispatch_child};
pub use egress::{
    Caps, MAX_SECRET, Network, NetworkError, NetworkGrant, Networks, RedactingStream, Redactor, RequestParts, Secret,
    SecretError, Secrets,
};
pub use frame::Stream;
pub use guest_component::{GUEST_FACTS, GuestComponent};
pub use harden::{Hardening, Measure, Probe, ProbeResult, confine_files, probes};
pub use interpreter::{CompiledInterpreter, InterpreterError};
pub use limits::{
    CEILING, LimitError, LimitName, Limits, MAX_ARGS, MAX_JSON_DEPTH, MAX_OUTPUT_FILES, MAX_OUTPUT_FILES_BYTES,
    MAX_SOURCE,
};
pub use meter::FUEL_PER_SECOND;
pub use outcome::{HostUsage, Mode, Outcome, Report, ResultKind, ScriptError, SourceLocation, StreamUsage, Usage};
pub use policy::{Ceiling, Destination, HostError, HostPattern, Policy};
pub use pool::{
    EgressConfig, Event, Health, HostCall, Job, JobError, Load, OnLost, Pool, PoolConfig, PoolError, Run, RunOutput,
};

/// Names this build: both ends of a link must be the same, and so must the compiled interpreter.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("CRONBOX_BUILD_INPUTS"));

/// For this program's own tests.
#[doc(hidden)]
pub mod testing {
    pub use crate::pool::testing::Inspect;
}
