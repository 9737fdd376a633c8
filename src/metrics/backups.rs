//! What is counted of backups.

use super::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// What is counted of backups.
#[derive(Debug, Default)]
pub(super) struct BackupMetrics {
    last: Gauge<f64, AtomicU64>,
    bytes: Gauge,
    failures: Counter,
}

impl BackupMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "backup_last_success_timestamp_seconds",
            "When the last backup that succeeded was begun, by any node or by hand, since 1970; 0: there is none",
            self.last.clone(),
        );
        registry.register("backup_bytes", "Bytes of all that the last backup consists of", self.bytes.clone());
        registry.register("backup_failures", "Backups of this node that failed", self.failures.clone());
    }
}

impl Metrics {
    /// A backup of this node failed.
    pub fn backup_failed(&self) {
        self.backups.failures.inc();
    }

    /// When the last backup that succeeded was begun, in seconds since 1970, and its bytes.
    pub fn last_backup(&self, at: f64, bytes: u64) {
        self.backups.last.set(at);
        self.backups.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
