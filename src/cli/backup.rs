//! `cronbox backup`: saves the data of a server that may be running, and looks at what was saved.

use super::client::{Refusal, say, talk};
use super::data::{DataArgs, access};
use super::table::{Cell, Table, column};
use super::{Exit, complain, fail};
use crate::backup::{self, Backup, BackupError, BackupPlace, Listed, Made, Place, Pruned, Source};
use crate::blobs::BlobError;
use crate::clock::Clock;
use crate::quantity;
use crate::store::{Store, StoreError};
use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// How backups are made, for people.
const EXAMPLES: &str = "Examples:
  cronbox backup /srv/backups
  cronbox backup --keep 14 s3://backups/cronbox
  cronbox backup before-upgrade.tar
  cronbox backup --verify /srv/backups
The server can run meanwhile. The keys of secrets are not in a backup.";

/// What `cronbox backup` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackupArgs {
    /// A directory or s3://BUCKET/PREFIX for many backups of one server, or a new file FILE.tar for this one
    #[arg(value_name = "PLACE", value_parser = BackupPlace::parse)]
    place: BackupPlace,
    /// Keep so many of the newest backups there and delete the others
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Make none; list those that are there
    #[arg(long, conflicts_with_all = ["keep", "verify"])]
    list: bool,
    /// Make none; read one that is there, each part and each blob, and check it
    #[arg(long, conflicts_with = "keep")]
    verify: bool,
    /// The backup to check [default: the newest]
    #[arg(long, value_name = "ID", requires = "verify")]
    backup: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

impl BackupArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || match (self.list, self.verify) {
            (true, _) => self.list().await,
            (_, true) => self.verify().await,
            _ => self.make().await,
        })
    }

    async fn make(&self) -> Result<Exit, Refusal> {
        if self.place.overlaps(&self.data.blob_location()) {
            return Err(Refusal::usage(format!(
                "{}: the server keeps its own blobs there: name another place",
                self.place
            )));
        }
        let store = Store::open_in_use(&self.data.database()).await.map_err(|error| told(error.into()))?;
        let clock = match store.time().await.map_err(|error| told(error.into()))? {
            Some(now) => Clock::database(now),
            None => Clock::system(),
        };
        let source = Source { store, blobs: self.data.blobs()?, clock };
        let place = Place::to(&self.place, &access()).map_err(told)?;
        let new = source.announce(&self.place, None);
        source.store.begin_backup(&new).await.map_err(|error| told(error.into()))?;
        let made = backup::make(&source, &place, &new).await;
        source.store.close().await;
        let made = made.map_err(told)?;
        let (pruned, left) = match self.keep {
            Some(keep) => {
                match backup::prune(&place, keep as usize, &made.manifest.id, &CancellationToken::new()).await {
                    Ok(pruned) => (pruned, None),
                    Err(error) => (Pruned::default(), Some(error)),
                }
            }
            None => (Pruned::default(), None),
        };
        if self.json {
            let document = json!({
                "backup": made.manifest, "bytes": made.manifest.bytes(), "copied_blobs": made.copied,
                "copied_bytes": made.copied_bytes, "deleted_backups": pruned.backups, "deleted_blobs": pruned.blobs,
            });
            say(&document.to_string())?;
        } else {
            say(&sentence(&made, &self.place))?;
            if pruned.backups > 0 {
                let size = quantity::bytes(pruned.bytes);
                say(&format!(
                    "deleted: {}, {} ({size})",
                    count(pruned.backups, "backup"),
                    count(pruned.blobs, "blob")
                ))?;
            }
        }
        tell_keys(&made.manifest.keys);
        warn_of_lost(&made.lost);
        let missing = warn_of_missing(&made.manifest.missing);
        match left.map(told) {
            None => Ok(missing),
            Some(Refusal(exit, why)) => {
                Err(Refusal(exit, format!("the backup was made, but old ones were not deleted: {why}")))
            }
        }
    }

    async fn list(&self) -> Result<Exit, Refusal> {
        let place = Place::from(&self.place, &access()).map_err(told)?;
        let listed = backup::list(&place).await.map_err(told)?;
        if self.json {
            let entry = |listed: &Listed| match &listed.manifest {
                Ok(manifest) => json!({"id": listed.id, "backup": manifest, "bytes": manifest.bytes()}),
                Err(error) => json!({"id": listed.id, "error": error.to_string()}),
            };
            say(&json!({"backups": listed.iter().map(entry).collect::<Vec<_>>()}).to_string())?;
            return Ok(Exit::Succeeded);
        }
        let columns =
            [column("ID"), column("BEGUN"), column("PROGRAM"), column("RUNS"), column("BLOBS"), column("SIZE")];
        let row = |listed: &Listed| match &listed.manifest {
            Ok(manifest) => vec![
                listed.id.as_str().into(),
                Cell::time(&manifest.started_at),
                manifest.program.as_str().into(),
                manifest.tables.get("runs").copied().unwrap_or_default().to_string().as_str().into(),
                manifest.blobs.to_string().as_str().into(),
                quantity::bytes(manifest.bytes()).as_str().into(),
            ],
            Err(error) => {
                let word = if matches!(error, BackupError::Damaged(_)) { "damaged" } else { "not read" };
                vec![listed.id.as_str().into(), word.into(), "-".into(), "-".into(), "-".into(), "-".into()]
            }
        };
        Table::of(&columns, &listed, row).print()?;
        let mut exit = Exit::Succeeded;
        for listed in &listed {
            if let Err(error) = &listed.manifest {
                fail(&format!("backup {}: {error}", listed.id));
                exit = Exit::Failed;
            }
        }
        Ok(exit)
    }

    async fn verify(&self) -> Result<Exit, Refusal> {
        let place = Place::from(&self.place, &access()).map_err(told)?;
        let backup = Backup::open(&place, self.backup.as_deref()).await.map_err(told)?;
        let checked = backup::check(&backup).await.map_err(told)?;
        let manifest = &backup.manifest;
        if self.json {
            let document = json!({
                "backup": manifest, "bytes": manifest.bytes(), "checked_blobs": checked.blobs, "faults": checked.faults,
            });
            say(&document.to_string())?;
        } else if checked.faults.is_empty() {
            say(&format!("backup {} is whole: {}", manifest.id, contents(manifest)))?;
        }
        for fault in &checked.faults {
            fail(&format!("backup {}: {fault}", manifest.id));
        }
        if checked.faults.iter().any(|fault| fault.starts_with("blobs/")) {
            complain(
                "delete a damaged object blobs/… from the place and make a backup: while the server has the blob, it is copied again",
            );
        }
        tell_keys(&manifest.keys);
        let missing = warn_of_missing(&manifest.missing);
        Ok(if checked.faults.is_empty() { missing } else { Exit::Failed })
    }
}

/// `1 blob`, `2 blobs`.
fn count(number: u64, thing: &str) -> String {
    quantity::count(usize::try_from(number).unwrap_or(usize::MAX), thing)
}

/// What a backup holds.
pub(super) fn contents(manifest: &backup::Manifest) -> String {
    let rows = |table: &str| manifest.tables.get(table).copied().unwrap_or_default();
    format!(
        "{}, {}, {}, {}",
        count(rows("scripts"), "script"),
        count(rows("runs"), "run"),
        count(manifest.blobs, "blob"),
        quantity::bytes(manifest.bytes())
    )
}

fn sentence(made: &Made, place: &BackupPlace) -> String {
    let copied = format!("{} copied", count(made.copied, "new blob"));
    let took = quantity::duration(made.took);
    format!("backup {} is in {place}: {} ({copied}), in {took}", made.manifest.id, contents(&made.manifest))
}

/// Says which keys belong to a backup and are not in it.
pub(super) fn tell_keys(keys: &[String]) {
    if !keys.is_empty() {
        let keys = match keys {
            [key] => format!("the key that opens them ({key}) is"),
            keys => format!("the keys that open them ({}) are", keys.join(", ")),
        };
        complain(&format!("the secrets stay sealed, and {keys} not in the backup: keep a copy elsewhere"));
    }
}

/// Says which blobs a backup lacks because the server did not have them.
pub(super) fn warn_of_missing(missing: &[String]) -> Exit {
    let Some(first) = missing.first() else { return Exit::Succeeded };
    let number = count(missing.len() as u64, "blob");
    fail(&format!(
        "the server itself did not have {number} that it refers to, so the backup has not either: {first} …"
    ));
    Exit::Failed
}

/// Says which blobs the server has lost and the backup has all the same.
fn warn_of_lost(lost: &[String]) {
    let Some(first) = lost.first() else { return };
    let number = count(lost.len() as u64, "blob");
    complain(&format!(
        "the server itself does not have {number} that it refers to any more: {first} …; an earlier backup has them, so this one \
         has them too: cronbox restore brings them back"
    ));
}

/// An error with its exit code: what was asked for cannot be, or a part of it is away.
pub(super) fn told(error: BackupError) -> Refusal {
    let exit = match &error {
        BackupError::Damaged(_) => Exit::Failed,
        BackupError::NotFound(_)
        | BackupError::NewerFormat(_)
        | BackupError::NotEmpty(_)
        | BackupError::Place(BlobError::BadPlace(_))
        | BackupError::Database(StoreError::Newer(_) | StoreError::Older { .. } | StoreError::NotEmpty(_)) => {
            Exit::Usage
        }
        _ => Exit::Unavailable,
    };
    Refusal(exit, error.to_string())
}
