#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! In the order in which they may use one another, the last ones first:
//!
//! - [`clock`]: what time it is
//! - [`exact`]: JSON as it was written, numbers of any size
//! - [`suggest`]: the word that was meant
//! - [`misfit`]: what is said of a value that does not fit
//! - [`fullness`]: whether there is room to write
//! - [`durable`]: names of files that are on disk
//! - [`panics`]: readers of foreign text whose panic is a refusal
//! - [`quantity`]: sizes, times and fuel as people write and read them
//! - [`requirement`]: packages that a script asks for, and those that it got
//! - [`hosts`]: hosts as they were written, and their patterns
//! - [`limits`]: limits as they are asked for and granted
//! - [`address`]: the address of a service, taken apart once
//! - [`precondition`]: what something must still be for a change of it
//! - [`chart`]: charts that are kept
//! - [`script`]: scripts, their names, settings and versions
//! - [`zone`]: time zones, of one release
//! - [`trigger`]: when a schedule fires
//! - [`schedule`]: schedules, and what is decided about their fire times
//! - [`stdin`]: what a run finds on its standard input
//! - [`run`]: runs, their statuses, and what is fixed about them
//! - [`publication`]: a version to be published, and the schedules that it brings
//! - [`event`]: what happened, in an order that readers may rely on
//! - [`notice`]: what a channel is told about an alert
//! - [`channel`]: channels, and the requests that notices become on them
//! - [`alert`]: conditions that are watched, their states, and what is said when these change
//! - [`access`]: scopes, tokens, and who may do what
//! - [`audit`]: who changed what
//! - [`secret`]: secrets, what they may be used for, and by which scripts
//! - [`keyring`]: the keys that seal the values of secrets
//! - [`source_encoding`]: the text of a Python source, whatever its encoding
//! - [`metadata`]: what a script says about itself (PEP 723)
//! - [`store`]: every question that is asked of the database
//! - [`blobs`]: sources and large values, on disk or in a bucket
//! - [`source_files`]: what was uploaded, read
//! - [`packages`]: gets packages from their index, in a process of its own
//! - [`checker`]: looks at scripts in a sandbox before they are kept
//! - [`computations`]: what is computed for requests, beside the threads that answer them
//! - [`publish`]: keeps a script's new content, wherever it came from
//! - [`links`]: reads scripts from files and objects that lie elsewhere
//! - [`ping`]: what the monitor of a script is to be told about its runs
//! - [`signals`]: signals between the parts of a node
//! - [`plan`]: from a script and what is asked of it to a run that can be made
//! - [`live_output`]: what runs of this node have written so far
//! - [`metrics`]: what is counted
//! - [`trace`]: which request and run work belongs to, and spans on their way to a collector
//! - [`supervise`]: keeps the node's tasks going after a panic
//! - [`deliverer`]: sends what is told to channels
//! - [`service`]: what the program does for a caller, without HTTP
//! - [`worker`]: takes runs, runs them, records how they ended
//! - [`scheduler`]: looks at schedules when their time has come
//! - [`heartbeat`]: says that this node lives, takes over what dead ones held
//! - [`monitor`]: calls monitors outside: about runs, and while this node is well
//! - [`watcher`]: looks at alerts when time can have made them true
//! - [`peer_signals`]: carries signals to other nodes
//! - [`backup`]: saves rows and blobs at another place, and restores them
//! - [`cleaner`]: lets go of what is old
//! - [`disk_usage`]: how much room the data takes
//! - [`api`]: the bodies of the API's answers
//! - [`http`]: the API over HTTP
//! - [`config`]: the only reader of environment variables
//! - [`log`]: how the log is written
//! - [`serve`]: the node, all rooms put together
//! - [`crontab`]: a crontab, read as it was meant
//! - [`cli`]: the command line, one file a command
//! - [`readers`]: the list of all readers of foreign text, only in tests
//!
//! Running Python is the crate `cronbox-runtime`'s.

pub mod clock;
pub mod durable;
pub mod exact;
pub mod fullness;
pub mod hosts;
pub mod misfit;
pub mod panics;
pub mod quantity;
pub mod source_encoding;
pub mod suggest;

pub mod address;
pub mod chart;
pub mod precondition;
pub mod requirement;

pub mod script;

pub mod trace;
pub mod trigger;
pub mod zone;

pub mod limits;

pub mod publication;

pub mod access;
pub mod audit;
pub mod channel;
pub mod event;
pub mod keyring;
pub mod run;
pub mod secret;
pub mod stdin;

pub mod alert;
pub mod notice;
pub mod ping;
pub mod schedule;

pub mod metadata;

pub mod blobs;
pub mod store;

pub mod source_files;

pub mod checker;
pub mod packages;

pub mod computations;
pub mod publish;

pub mod links;

pub mod plan;

pub mod live_output;
pub mod metrics;
pub mod signals;
pub mod supervise;

pub mod deliverer;

pub mod service;

pub mod worker;

pub mod backup;
pub mod cleaner;
pub mod disk_usage;
pub mod heartbeat;
pub mod monitor;
pub mod peer_signals;
pub mod scheduler;
pub mod watcher;

pub mod api;

pub mod http;

pub mod config;

pub mod log;

pub mod serve;

pub mod crontab;

pub mod cli;

#[cfg(test)]
pub mod readers;

#[cfg(test)]
#[path = "../tests/support/dice.rs"]
mod dice;
#[cfg(test)]
#[path = "../tests/support/try_readers.rs"]
mod try_readers;
