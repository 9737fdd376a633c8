//! `cronbox restore`: puts a backup into an empty place.

use super::backup::{contents, tell_keys, told, warn_of_missing};
use super::client::{Refusal, say, talk};
use super::data::{DataArgs, access};
use super::{Exit, complain};
use crate::backup::{self, Backup, BackupError, BackupPlace, Manifest, Place};
use crate::config;
use crate::keyring::{KeySource, Keyring, OWN_FILE};
use crate::serve::DataDir;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// How a backup is restored, for people.
const EXAMPLES: &str = "Examples:
  cronbox restore /srv/backups --data-dir new-data
  cronbox restore before-upgrade.tar --data-dir new-data
  cronbox restore s3://backups/cronbox --database postgres://cronbox@db/new --blobs s3://jobs/new
Nothing is overwritten: the data directory, the database and the place of the blobs must be empty.";

/// What `cronbox restore` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RestoreArgs {
    /// A directory or s3://BUCKET/PREFIX with backups, or a file FILE.tar
    #[arg(value_name = "PLACE", value_parser = BackupPlace::parse)]
    place: BackupPlace,
    /// The backup [default: the newest]
    #[arg(long, value_name = "ID")]
    backup: Option<String>,
    /// The keys of secrets that the server will have; refused when they do not open the secrets of the backup
    #[arg(long, value_name = "FILE", env = "CRONBOX_SECRET_KEY_FILE")]
    secret_key_file: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Why a backup was not restored, and what to do about it.
fn refused(error: BackupError) -> Refusal {
    let is_damaged = matches!(error, BackupError::Damaged(_));
    let Refusal(exit, why) = told(error);
    match is_damaged {
        true => Refusal(
            exit,
            format!("{why}. Nothing was restored: take another backup (cronbox backup --list shows them)"),
        ),
        false => Refusal(exit, why),
    }
}

impl RestoreArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || self.restore().await)
    }

    async fn restore(&self) -> Result<Exit, Refusal> {
        let place = Place::from(&self.place, &access()).map_err(told)?;
        let backup = Backup::open(&place, self.backup.as_deref()).await.map_err(refused)?;
        let manifest = &backup.manifest;
        let lacking = self.lacking_keys(manifest)?;
        // Nobody starts a server there meanwhile.
        let _directory = if self.data.needs_directory() {
            Some(DataDir::open(&self.data.data_dir).map_err(|error| Refusal::usage(error.to_string()))?)
        } else {
            None
        };
        let restored = backup::restore(&backup, &self.data.database(), &self.data.blobs()?).await.map_err(refused)?;
        if self.json {
            say(&json!({"backup": manifest, "blobs": restored.blobs, "blob_bytes": restored.bytes}).to_string())?;
        } else {
            say(&format!("backup {} of {} was restored: {}", manifest.id, manifest.started_at, contents(manifest)))?;
        }
        if lacking {
            tell_keys(&manifest.keys);
            complain(
                "give the server this key before runs need secrets: --secret-key-file FILE, CRONBOX_SECRET_KEY, or secret.key in the data directory",
            );
        }
        Ok(warn_of_missing(&manifest.missing))
    }

    /// Whether no keys are there yet that open the secrets of the backup. Keys that are there and do not are refused.
    fn lacking_keys(&self, manifest: &Manifest) -> Result<bool, Refusal> {
        let own = self.data.data_dir.join(OWN_FILE);
        let (source, from) = match (&self.secret_key_file, config::secret_key().map_err(Refusal::usage)?) {
            (Some(file), _) => (KeySource::File(file.clone()), file.display().to_string()),
            (None, Some(text)) => (KeySource::Variable(text), "CRONBOX_SECRET_KEY".to_owned()),
            (None, None) if own.exists() => (KeySource::Own(own.clone()), own.display().to_string()),
            (None, None) => return Ok(!manifest.keys.is_empty()),
        };
        let keys = Keyring::new(source).keys().map_err(|error| Refusal::usage(format!("{from}: {error}")))?;
        match manifest.keys.iter().find(|key| !keys.has(key)) {
            None => Ok(false),
            Some(key) => Err(Refusal::usage(format!(
                "the secrets of the backup are sealed with the key {key}, which is not in {from}: give the right keys, or \
                 restore without any and give them to the server later. Nothing was restored"
            ))),
        }
    }
}
