//! Runs Python scripts, each in a sandbox of its own: CPython on WebAssembly, in a locked process, with limits.
//!
//! A [`Pool`] keeps sandbox processes ready. A [`Job`] is one run to be made; [`Pool::run`] takes it and returns a
//! [`Run`], which tells what happens. The processes are this program again, so [`dispatch_child`] comes first in
//! `main`.
//!
//! ```no_run
//! use cronbox_runtime::{Bundle, CompiledInterpreter, Job, Pool, PoolConfig, dispatch_child};
//! use std::error::Error;
//! use std::path::Path;
//! use std::process::ExitCode;
//! use std::sync::Arc;
//!
//! fn main() -> ExitCode {
//!     if let Some(status) = dispatch_child() {
//!         return status;
//!     }
//!     run().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
//! }
//!
//! #[tokio::main]
//! async fn run() -> Result<(), Box<dyn Error>> {
//!     // Compiles the interpreter at the first start, which takes some ten seconds.
//!     let interpreter = CompiledInterpreter::open(Path::new("/var/cache/example"), || ())?;
//!     let pool = Pool::start(PoolConfig::for_this_program(), Arc::new(interpreter)).await?;
//!     let script = b"def run(name):\n    print('running')\n    return {'greeting': f'Hello {name}'}\n";
//!     let bundle = Bundle::of_files(&[("hello.py", script)])?;
//!     let output = pool.run(Job::new(bundle, "hello.py").with_args(r#"{"name": "Ada"}"#))?.finish().await;
//!     // {"greeting": "Hello Ada"}
//!     println!("{:?}", output.report.result);
//!     Ok(())
//! }
//! ```
//!
//! `examples/embed.rs` is a whole program. The crate runs on Linux, on x86_64 above all.
//!
//! # The guest
//!
//! What runs in a sandbox is one WebAssembly component, CPython with a harness. When `CRONBOX_GUEST` names it while the
//! crate is built, it is built in. Otherwise a program gives a [`GuestComponent`] to
//! [`CompiledInterpreter::open_guest`].
//!
//! A pool can have several guests ([`Pool::start_with`]), and a job names one ([`Job::with_guest`]). What the pool and its
//! processes know of a guest is its [`GuestDescription`].
//!
//! # Limits
//!
//! Each run has [`Limits`]: fuel, memory, time, output, the size of its result and of its files. The defaults allow
//! about half a minute of CPU, 256 MiB and a minute. A run that reaches a limit ends, and its [`Outcome`] says which:
//!
//! ```
//! use cronbox_runtime::{Bundle, Job, Limits};
//! use std::time::Duration;
//!
//! let limits = Limits { wall: Duration::from_secs(10), memory: 64 << 20, ..Limits::default() };
//! let bundle = Bundle::of_files(&[("job.py", b"print('hello')")])?;
//! let job = Job::new(bundle, "job.py").with_limits(limits);
//! # Ok::<(), cronbox_runtime::BundleError>(())
//! ```
//!
//! [`PoolConfig::memory_budget`] limits all runs together: a run waits until its memory limit fits. A run that sleeps gives its
//! memory to others meanwhile.
//!
//! # Network
//!
//! A run has no access to the network until its job has a [`network::NetworkGrant`]. Connections are made by another
//! process, by name, and only to hosts of the grant; TLS and secrets stay outside of the sandbox.
//!
//! ```
//! use cronbox_runtime::network::{NetworkGrant, Policy};
//!
//! let allow = vec!["api.example.com".parse()?];
//! let grant = NetworkGrant { policy: Policy { allow, ..Policy::default() }, ..NetworkGrant::default() };
//! assert!(grant.secrets.is_empty());
//! # Ok::<(), cronbox_runtime::network::HostError>(())
//! ```
//!
//! # Failure
//!
//! [`Pool::run`] refuses a job that cannot run at all ([`JobError`]). Everything after that is in the [`Report`]: a
//! Python exception is [`Outcome::Failed`] with the exception in [`Report::error`]; a limit, a crash of the interpreter
//! and a cancellation are outcomes of their own. A sandbox process that dies takes no other run with it: its other runs
//! start again ([`Event::Restarted`]) as their job's [`OnLost`] says.
//!
//! # How it works
//!
//! See [`design`].

mod budget;
mod bundle;
mod channels;
mod children;
mod clock;
mod crypto;
mod egress;
mod engine;
mod fair_share;
pub mod faults;
mod files;
mod frame;
mod guest;
mod guest_component;
mod guest_description;
mod harden;
mod heap;
mod holder;
mod images;
mod interpreter;
pub mod limits;
pub mod machine;
mod memory;
mod meter;
mod outcome;
mod output;
mod panics;
mod policy;
mod pool;
mod prepared;
mod process;
mod processor;
mod python;
#[cfg(test)]
pub mod readers;
mod sandbox;
mod sealed;
mod stop_location;
mod trusted_file;

pub use bundle::{Bundle, BundleError, BundleHash};
pub use children::{EGRESS_PROCESS, SANDBOX_PROCESS, dispatch_child};
pub use frame::Stream;
pub use guest_component::{GUEST_FACTS, GuestComponent};
pub use guest_description::GuestDescription;
pub use interpreter::{CompiledInterpreter, InterpreterError};
pub use limits::Limits;
pub use outcome::{Outcome, Report};
pub use pool::{
    Event, Health, HostCall, ImageStatus, Job, JobError, Load, OnLost, Pool, PoolConfig, PoolError, Run, RunOutput,
};
pub use prepared::{ENVIRONMENT, environment};
pub use trusted_file::TrustError;

/// The parts of a [`GuestDescription`].
pub mod guests {
    pub use crate::guest_description::{Entry, ImageEntry, Rehearsal, StopLines, Words};
}

/// What a run can reach on the network, and how connections are made for it.
pub mod network {
    pub use crate::egress::{Caps, Network, NetworkError, NetworkGrant, Networks};
    pub use crate::policy::{Ceiling, Denied, Destination, Host, HostError, HostPattern, Policy};
    pub use crate::pool::EgressConfig;
}

/// Messages of the program itself to the outside, sent by the egress process.
pub mod outbound {
    pub use crate::egress::{
        HttpMessage, MailMessage, MailTls, Outbound, OutboundAnswer, OutboundFailure, OutboundMessage,
    };
}

/// Secrets: their values are put into requests outside of the sandbox, and taken out of what a run leaves.
pub mod secrets {
    pub use crate::egress::{MAX_SECRET, RedactingStream, Redactor, RequestParts, Secret, SecretError};
}

/// How a run ended and what it used.
pub mod report {
    pub use crate::outcome::{
        Connection, HostUsage, Mode, Outcome, Report, ResultKind, ScriptError, SourceLocation, StreamUsage, Usage,
    };
}

/// What a sandbox process gives up before it runs a script, and the proof that it has.
pub mod hardening {
    pub use crate::children::SANDBOX_PROBE;
    pub use crate::harden::{Hardening, Measure, Probe, ProbeResult, confine_files, probes};
}

#[doc = include_str!("../README.md")]
pub mod design {}

/// For this program's own tests.
#[doc(hidden)]
pub mod testing {
    pub use crate::pool::testing::Inspect;
}

#[cfg(test)]
#[path = "../../tests/support/dice.rs"]
mod dice;
#[cfg(test)]
#[path = "../../tests/support/try_readers.rs"]
mod try_readers;

/// Names this build. Both ends of a link must be of the same build, and so must the compiled interpreter.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("CRONBOX_BUILD_INPUTS"));
