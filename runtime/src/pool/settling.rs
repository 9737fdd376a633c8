//! Runs that have ended, until the egress process reports their use of the network.

use super::process::RunEntry;
use crate::egress::messages::NetworkUsage;
use crate::outcome::Report;
use std::time::Instant;

/// A run that has ended and whose use of the network is not known yet.
pub(super) struct Settling {
    pub(super) process: u64,
    pub(super) entry: RunEntry,
    pub(super) report: Report,
    pub(super) since: Instant,
}

impl Settling {
    pub(super) fn end(self, usage: Option<NetworkUsage>) {
        let mut report = self.report;
        match usage {
            Some(usage) => {
                report.network = usage.hosts;
                report.connections = usage.connections;
                report.notes.extend(usage.notes);
            }
            None => report.notes.push("its use of the network is not known".into()),
        }
        self.entry.end(report);
    }
}
