//! Where everything is kept.

use super::BadSetting;
use super::values::switch;
use crate::blobs::BlobLocation;
use crate::keyring::{self, KeySource};
use crate::quantity::parse_bytes;
use crate::store::DatabaseUrl;
use clap::Args;
use std::path::PathBuf;

/// Where everything is kept.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Storage")]
pub struct StorageConfig {
    /// Where everything is kept
    #[arg(long, value_name = "DIR", env = "CRONBOX_DATA_DIR", default_value = "cronbox-data")]
    pub data_dir: PathBuf,
    /// sqlite:PATH or postgres://… [default: SQLite in the data directory]
    #[arg(long, value_name = "URL", env = "CRONBOX_DATABASE", value_parser = DatabaseUrl::parse)]
    pub database: Option<DatabaseUrl>,
    /// s3://BUCKET/PREFIX or a directory [default: blobs in the data directory]
    #[arg(long, value_name = "PLACE", env = "CRONBOX_BLOBS", value_parser = BlobLocation::parse)]
    pub blobs: Option<BlobLocation>,
    /// A directory or s3://BUCKET/PREFIX whose scripts are taken, and where links may point; repeatable
    #[arg(long, value_name = "PLACE", env = "CRONBOX_SCRIPT_SOURCE", value_delimiter = ',')]
    pub script_source: Vec<String>,
    /// The size of the data directory from which on there are warnings; nothing is deleted
    #[arg(long, value_name = "SIZE", env = "CRONBOX_MAX_DATA", default_value = "10GiB", value_parser = parse_bytes)]
    pub max_data: u64,
    /// Keep everything in memory; it is gone when the server ends
    #[arg(long, env = "CRONBOX_EPHEMERAL", value_parser = switch)]
    pub ephemeral: bool,
    /// The keys that seal secrets, 32 random bytes in base64, one a line: the first seals, all open; or in the variable
    /// CRONBOX_SECRET_KEY [default: made in the data directory]
    #[arg(long, value_name = "FILE", env = "CRONBOX_SECRET_KEY_FILE")]
    pub secret_key_file: Option<PathBuf>,
}

impl StorageConfig {
    pub(in crate::serve) fn database(&self) -> Result<DatabaseUrl, BadSetting> {
        match &self.database {
            Some(_) if self.ephemeral => {
                Err(BadSetting::new("database", "this and --ephemeral exclude one another: remove one of them"))
            }
            Some(database) => Ok(database.clone()),
            None if self.ephemeral => Ok(DatabaseUrl::Memory),
            None => Ok(DatabaseUrl::Sqlite(self.data_dir.join("cronbox.db"))),
        }
    }

    pub(in crate::serve) fn blobs(&self) -> BlobLocation {
        match &self.blobs {
            Some(blobs) => blobs.clone(),
            None if self.ephemeral => BlobLocation::Memory,
            None => BlobLocation::Disk(self.data_dir.join("blobs")),
        }
    }

    pub(super) fn keys(&self) -> KeySource {
        match &self.secret_key_file {
            Some(file) => KeySource::File(file.clone()),
            None if self.ephemeral => KeySource::Memory,
            None => KeySource::Own(self.data_dir.join(keyring::OWN_FILE)),
        }
    }
}
