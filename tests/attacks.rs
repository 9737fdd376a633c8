//! What an attacker tried, each with the end that it has to have: one module for each theme.

mod accounting;
mod handshakes;
mod held;
mod lifecycle;
mod links;
mod load;
mod numbers;
mod processes;
mod queue;
mod reach;
mod reach_alerts;
mod secrets;
mod sessions;
mod triggers;
