//! Keeps a script's new content, wherever it came from: checked in a sandbox, its content and code object in the blob
//! store, its version in the database.

use crate::blobs::{BlobError, Blobs, Kind};
use crate::checker::{Checked, Checker, Refused};
use crate::clock::Time;
use crate::metadata;
use crate::script::{Name, Settings};
use crate::sources::{SourceError, Sources};
use crate::store::scripts::{Kept, NewVersion};
use crate::store::{Store, StoreError};
use bytes::Bytes;

/// Why content was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It cannot be a script's content.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The check says that it is no Python.
    #[error("{}", .0.message)]
    Refused(Refused),
    /// What it says about itself cannot be read.
    #[error("{0}")]
    Metadata(String),
    /// What it, or the request, sets cannot be: the setting, and why.
    #[error("{0}: {1}")]
    Setting(&'static str, String),
    /// The blob store did not take it.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps content.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// The database.
    pub store: Store,
    /// Where content goes.
    pub blobs: Blobs,
    /// Looks at it first.
    pub checker: Checker,
}

/// How content is to be kept.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What the request sets, if it sets anything.
    pub settings: Option<Settings>,
    /// Where it is read from from now on.
    pub link: Option<String>,
    /// Whether to keep it though the check may refuse it.
    pub unchecked: bool,
}

impl Keeper {
    /// Keeps content as the version in force of a script.
    pub async fn keep(&self, name: &Name, sources: &Sources, wanted: Wanted, now: Time) -> Result<Kept, KeepError> {
        let table = metadata::read(sources.source()).map_err(KeepError::Metadata)?.cronbox;
        table.check().map_err(|(setting, why)| KeepError::Setting(setting, why))?;
        let entry = wanted.settings.as_ref().and_then(|set| set.entry.as_deref()).or(table.entry.as_deref());
        let checked = if wanted.unchecked {
            Checked::default()
        } else {
            self.checker.check(name.as_str(), sources, entry).await.map_err(KeepError::Refused)?
        };
        let (blob, sha256, content) = sources.blob()?;
        keep_blob(&self.store, &self.blobs, &blob, content, now).await?;
        let code = match checked.code {
            Some(code) => {
                let (key, _) = Blobs::name(Kind::Code, &code);
                keep_blob(&self.store, &self.blobs, &key, Bytes::from(code), now).await?;
                Some((key, cronbox_runtime::GUEST_FACTS.to_owned()))
            }
            None => None,
        };
        let new = NewVersion {
            name: name.as_str().into(),
            key: name.key().into(),
            sha256,
            blob,
            main: sources.main.clone(),
            size: sources.size(),
            table,
            facts: checked.facts,
            code,
            settings: wanted.settings,
            link: wanted.link,
        };
        Ok(self.store.keep_version(new, now).await?)
    }
}

/// Keeps content as a blob that the database knows of before it is there, so that one which nobody comes to refer to is
/// found and deleted.
pub async fn keep_blob(store: &Store, blobs: &Blobs, key: &str, content: Bytes, now: Time) -> Result<(), KeepError> {
    store.announce_blob(key, content.len() as u64, now).await?;
    Ok(blobs.put(key, content).await?)
}
