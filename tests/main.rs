//! Black-box tests of the whole: the real program, its real sandbox processes, real scripts.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod api;
mod attacks;
mod channels;
mod cli;
mod clients;
mod clocks;
mod cpython;
mod crowds;
mod deaths;
mod doctor;
mod documents;
mod embed;
mod events;
mod guest;
mod guests;
mod hostile;
mod images;
mod kept;
mod locks;
mod misery;
mod network;
mod nodes;
mod packages;
mod page;
mod panics;
mod parameters;
mod peers;
mod proxies;
mod real;
mod resets;
mod rooms;
mod runs;
mod scheduler;
mod schedules;
mod scripts;
mod secrets;
mod server;
mod service;
mod services;
mod simulation;
mod store;
mod support;
mod tls;
mod triggers;
