//! What an attacker tried, each with the end that it has to have: one module for each theme.

mod lifecycle;
mod reach;
mod processes;
mod secrets;
mod links;
mod triggers;
mod queue;
mod accounting;
mod load;
mod numbers;
