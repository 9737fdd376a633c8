#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! In the order in which they may use one another, the last ones first:
//!
//! - [`clock`]: what time it is
//! - [`quantity`]: sizes, times and fuel as people write and read them
//! - [`script`]: scripts, their names, settings and versions
//! - [`limits`]: limits as they are asked for and granted
//! - [`run`]: runs, their statuses, and what is fixed about them
//! - [`access`]: scopes, tokens, and who may do what
//! - [`ending`]: how a run that ended is told
//! - [`metadata`]: what a script says about itself (PEP 723)
//! - [`store`]: every question that is asked of the database
//! - [`config`]: the only reader of environment variables
//! - [`cli`]: the command line, one file a command
//!
//! Running Python is the crate `cronbox-runtime`'s.

pub mod clock;
pub mod quantity;

pub mod script;

pub mod limits;

pub mod access;
pub mod run;

pub mod ending;
pub mod metadata;

pub mod store;

pub mod config;

pub mod cli;
