#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! In the order in which they may use one another, the last ones first:
//!
//! - [`quantity`]: sizes, times and fuel as people write and read them
//! - [`metadata`]: what a script says about itself (PEP 723)
//! - [`config`]: the only reader of environment variables
//! - [`cli`]: the command line, one file a command
//!
//! Running Python is the crate `cronbox-runtime`'s.

pub mod quantity;

pub mod metadata;

pub mod config;

pub mod cli;
