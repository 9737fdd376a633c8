//! Backups that the server makes itself.

use super::BadSetting;
use super::values::{count, period};
use crate::backup::BackupPlace;
use crate::blobs::BlobLocation;
use clap::Args;
use std::time::Duration;

/// Backups that the server makes itself.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Backup")]
pub struct BackupConfig {
    /// How often a backup is made, by one node of all, such as 24h [default: never]
    #[arg(long, value_name = "TIME", env = "CRONBOX_BACKUP_EVERY", value_parser = period)]
    pub backup_every: Option<Duration>,
    /// Where to: a directory, or s3://BUCKET/PREFIX; for this server alone
    #[arg(long, value_name = "PLACE", env = "CRONBOX_BACKUP_TO", value_parser = BackupPlace::parse_for_many)]
    pub backup_to: Option<BackupPlace>,
    /// How many of the newest backups are kept there
    #[arg(long, value_name = "N", env = "CRONBOX_BACKUP_KEEP", default_value = "14", value_parser = count::<u32>)]
    pub backup_keep: u32,
}

impl BackupConfig {
    /// How often, and where to; none: never.
    pub(in crate::serve) fn turns(
        &self,
        is_ephemeral: bool,
        blobs: &BlobLocation,
    ) -> Result<Option<(Duration, BackupPlace)>, BadSetting> {
        match (self.backup_every, &self.backup_to) {
            (None, None) => Ok(None),
            (Some(_), _) if is_ephemeral => {
                Err(BadSetting::new("backup-every", "this and --ephemeral exclude one another: remove one of them"))
            }
            (Some(_), Some(to)) if to.overlaps(blobs) => {
                Err(BadSetting::new("backup-to", "the server keeps its own blobs there: name another place"))
            }
            (Some(every), Some(to)) => Ok(Some((every, to.clone()))),
            (Some(_), None) => Err(BadSetting::new("backup-every", "it needs --backup-to PLACE as well")),
            (None, Some(_)) => Err(BadSetting::new("backup-to", "it needs --backup-every TIME as well, such as 24h")),
        }
    }
}
