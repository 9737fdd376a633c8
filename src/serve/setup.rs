//! What a node is set up with: what its configuration comes to on this machine.

use super::{BadSetting, Config};
use crate::backup::BackupPlace;
use crate::blobs::BlobLocation;
use crate::http::Tls;
use crate::keyring::KeySource;
use crate::packages::ResolverConfig;
use crate::store::DatabaseUrl;
use cronbox_runtime::PoolConfig;
use std::path::PathBuf;
use std::time::Duration;

/// What a node is set up with.
pub(super) struct Setup {
    pub(super) database: DatabaseUrl,
    pub(super) blobs: BlobLocation,
    /// Where the keys of secrets are, if the node has a directory where they need one.
    pub(super) keys: KeySource,
    pub(super) pool: PoolConfig,
    pub(super) packages: ResolverConfig,
    pub(super) interpreter_cache: PathBuf,
    /// TLS of the listeners, if they have it.
    pub(super) tls: Option<Tls>,
    /// How often a backup is made, and where; none: never.
    pub(super) backup: Option<(Duration, BackupPlace)>,
}

impl Setup {
    /// Time zones are those of the configuration from now on.
    pub(super) fn of(config: &Config) -> Result<Self, BadSetting> {
        let packages = config.storage.data_dir.join("packages");
        let setup = Setup {
            database: config.storage.database()?,
            blobs: config.storage.blobs(),
            keys: config.keys()?,
            pool: config.pool()?,
            packages: config.packages.resolver(&config.program, Some(packages))?,
            interpreter_cache: config.interpreter.cache()?,
            tls: config.listening.tls()?,
            backup: config.backup.turns(config.storage.ephemeral, &config.storage.blobs())?,
        };
        config.runs.install_zones()?;
        Ok(setup)
    }
}
