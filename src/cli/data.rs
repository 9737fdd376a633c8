//! Where a server's data are, for commands that work on them themselves.

use super::client::Refusal;
use crate::blobs::{BlobLocation, Blobs, S3Access};
use crate::config;
use crate::store::DatabaseUrl;
use clap::Args;
use std::path::PathBuf;

/// Where a server's data are: the same flags, variables and settings as those of `cronbox serve`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Storage")]
pub(super) struct DataArgs {
    /// The configuration file of the server [default: cronbox.toml, when it is there]
    #[arg(long, value_name = "FILE", env = config::CONFIG)]
    config: Option<PathBuf>,
    /// Where the server keeps everything
    #[arg(long, value_name = "DIR", env = "CRONBOX_DATA_DIR", default_value = "cronbox-data")]
    pub(super) data_dir: PathBuf,
    /// sqlite:PATH or postgres://… [default: SQLite in the data directory]
    #[arg(long, value_name = "URL", env = "CRONBOX_DATABASE", value_parser = DatabaseUrl::parse)]
    database: Option<DatabaseUrl>,
    /// s3://BUCKET/PREFIX or a directory [default: blobs in the data directory]
    #[arg(long, value_name = "PLACE", env = "CRONBOX_BLOBS", value_parser = BlobLocation::parse)]
    blobs: Option<BlobLocation>,
}

impl DataArgs {
    pub(super) fn database(&self) -> DatabaseUrl {
        self.database.clone().unwrap_or_else(|| DatabaseUrl::Sqlite(self.data_dir.join("cronbox.db")))
    }

    /// Opens the place of the blobs. One on disk is made when it is not there.
    pub(super) fn blobs(&self) -> Result<Blobs, Refusal> {
        Blobs::open(&self.blob_location(), &access()).map_err(Refusal::unavailable)
    }

    pub(super) fn blob_location(&self) -> BlobLocation {
        self.blobs.clone().unwrap_or_else(|| BlobLocation::Disk(self.data_dir.join("blobs")))
    }

    /// Whether anything of it is in the data directory.
    pub(super) fn needs_directory(&self) -> bool {
        matches!(self.database(), DatabaseUrl::Sqlite(_)) || matches!(self.blob_location(), BlobLocation::Disk(_))
    }
}

/// How buckets are reached.
pub(super) fn access() -> S3Access {
    S3Access { options: config::aws() }
}
