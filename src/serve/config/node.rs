//! What the node does, and for how long it is waited for.

use super::values::{lease, rates, switch};
use crate::config;
use crate::quantity::parse_duration;
use clap::Args;
use std::str::FromStr;
use std::time::Duration;

/// What the node does, and for how long it is waited for.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Node")]
pub struct NodeConfig {
    /// What this node does
    #[arg(
        long,
        value_name = "ROLES",
        env = "CRONBOX_ROLES",
        default_value = "api,scheduler,worker",
        value_delimiter = ','
    )]
    pub roles: Vec<Role>,
    /// How long runs can go on when the server stops; 0s: not at all
    #[arg(long, value_name = "TIME", env = "CRONBOX_DRAIN", default_value = "30s", value_parser = parse_duration)]
    pub drain: Duration,
    /// How long a node may be silent before others take its runs
    #[arg(long, value_name = "TIME", env = "CRONBOX_LEASE", default_value = "15s", value_parser = lease)]
    pub lease: Duration,
    /// Requests a second of all callers, and of each token: N or N,N
    #[arg(long, value_name = "N,N", env = "CRONBOX_RATE_LIMIT", default_value = "20000,5000", value_parser = rates)]
    pub rate_limit: (u32, u32),
    /// The node's name, for people [default: the machine's]
    #[arg(long, value_name = "NAME", env = "CRONBOX_NODE_NAME")]
    pub node_name: Option<String>,
    /// Refuse to start when the kernel lacks a measure of hardening
    #[arg(long, env = "CRONBOX_REQUIRE_HARDENING", value_parser = switch)]
    pub require_hardening: bool,
}

impl NodeConfig {
    /// Whether the node does this.
    pub fn does(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// What the node does, with commas between.
    pub(in crate::serve) fn roles_text(&self) -> String {
        let names = NAMES.iter().filter(|(role, _)| self.does(*role)).map(|(_, name)| *name);
        names.collect::<Vec<_>>().join(",")
    }

    pub(in crate::serve) fn name(&self) -> String {
        self.node_name.clone().unwrap_or_else(config::host_name)
    }
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It answers requests.
    Api,
    /// It fires schedules.
    Scheduler,
    /// It runs scripts.
    Worker,
}

const NAMES: [(Role, &str); 3] = [(Role::Api, "api"), (Role::Scheduler, "scheduler"), (Role::Worker, "worker")];

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = NAMES.iter().find(|(_, name)| *name == text.trim());
        known.map(|(role, _)| *role).ok_or_else(|| format!("{text:?} is not one of api, scheduler, worker"))
    }
}
