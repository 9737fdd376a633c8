//! Scripts that are read from somewhere else: a file or an object that somebody named, or whatever lies in a script source.

use crate::blobs::{BlobError, Place, S3Access, blob_error, open_place};
use crate::clock::Time;
use crate::keeper::{KeepError, Keeper, Wanted};
use crate::script::{LinkState, Name, Script};
use crate::sources::{MAX_BUNDLE, Sources};
use crate::store::StoreError;
use bytes::Bytes;
use chrono::TimeDelta;
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// A link is looked at again after so long.
pub const REFRESH: TimeDelta = TimeDelta::seconds(60);
/// A script source is looked through so often.
const SCAN: Duration = Duration::from_secs(5);
/// Most scripts taken from one script source.
const MOST: usize = 10_000;

/// Why a link cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It names no place under a script source.
    #[error("{0}")]
    NotAllowed(String),
    /// The place does not answer, or has no such thing.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Its content is no script's.
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// A place that scripts may be read from.
#[derive(Clone, Debug)]
pub struct Root {
    /// As the operator wrote it, without a slash at its end.
    url: String,
    store: Arc<dyn ObjectStore>,
    /// What the keys of its objects begin with.
    prefix: String,
}

impl Root {
    /// Opens `s3://bucket/prefix`, `file:///directory` or a directory.
    pub fn open(text: &str, access: &S3Access) -> Result<Self, BlobError> {
        let place = Place::parse(text).map_err(BlobError::BadPlace)?;
        let (place, url) = match place {
            Place::Disk(path) => {
                let path = std::path::absolute(&path).map_err(|error| BlobError::BadPlace(error.to_string()))?;
                if !path.is_dir() {
                    return Err(BlobError::BadPlace(format!("the script source {} is no directory", path.display())));
                }
                let url = format!("file://{}", path.display());
                (Place::Disk(path), url)
            }
            place => (place, text.to_owned()),
        };
        let (store, prefix) = open_place(&place, access)?;
        Ok(Root { url: url.trim_end_matches('/').to_owned(), store, prefix })
    }

    /// The key of an address under this root.
    fn key(&self, from: &str) -> Option<Key> {
        let rest = from.strip_prefix(&self.url)?.strip_prefix('/')?;
        let plain = !rest.is_empty() && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        let key = if self.prefix.is_empty() { rest.to_owned() } else { format!("{}/{rest}", self.prefix) };
        plain.then(|| Key::parse(key).ok()).flatten()
    }
}

/// Reads linked scripts.
#[derive(Clone, Debug)]
pub struct Linker {
    keeper: Keeper,
    roots: Arc<Vec<Root>>,
    /// One look at a link at a time.
    looking: Arc<Mutex<()>>,
}

impl Linker {
    /// What keeps the content that it reads, and everybody else's.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// A linker for these places.
    pub fn new(keeper: Keeper, roots: Vec<Root>) -> Self {
        Linker { keeper, roots: Arc::new(roots), looking: Arc::default() }
    }

    /// A link as it is kept: `file:///…` of an absolute path, or `s3://…`. An error when it is not under a script source.
    pub fn normal(&self, from: &str) -> Result<String, LinkError> {
        let url = match from.strip_prefix("file://") {
            None if from.starts_with("s3://") => from.to_owned(),
            other => {
                let path = PathBuf::from(other.unwrap_or(from));
                let plain = path.is_absolute()
                    && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
                if !plain {
                    return Err(LinkError::NotAllowed("a link is s3://bucket/key or file:///absolute/path".into()));
                }
                format!("file://{}", path.display())
            }
        };
        self.root_of(&url).map(|_| url.clone())
    }

    fn root_of(&self, url: &str) -> Result<(&Root, Key), LinkError> {
        let found = self.roots.iter().find_map(|root| Some((root, root.key(url)?)));
        found.ok_or_else(|| {
            let roots: Vec<&str> = self.roots.iter().map(|root| root.url.as_str()).collect();
            LinkError::NotAllowed(if roots.is_empty() {
                "this server has no --script-source, so nothing can be linked".into()
            } else {
                format!("links may only name places under {}", roots.join(", "))
            })
        })
    }

    /// What is at an address, with a mark that changes when the content does.
    pub async fn read(&self, url: &str) -> Result<(Bytes, String), LinkError> {
        let (root, key) = self.root_of(url)?;
        let found = root.store.get(&key).await.map_err(|error| blob_error(url, error))?;
        let tag = tag_of(&found.meta);
        if found.meta.size > MAX_BUNDLE as u64 {
            return Err(KeepError::from(crate::sources::SourceError::BundleTooLarge).into());
        }
        Ok((found.bytes().await.map_err(|error| blob_error(url, error))?, tag))
    }

    /// The script, read anew when its link has not been looked at for a minute and its content has changed. An unreadable
    /// link leaves the last good version in force.
    pub async fn fresh(&self, script: Script, now: Time) -> Result<Script, StoreError> {
        let Some(from) = script.link.clone() else { return Ok(script) };
        if script.link_state.checked_at.is_some_and(|checked| now - checked < REFRESH && now >= checked) {
            return Ok(script);
        }
        let _alone = self.looking.lock().await;
        match self.keeper.store.script(&script.key).await? {
            Some(now_is) if now_is.link_state.checked_at != script.link_state.checked_at => Ok(now_is),
            Some(now_is) => self.look(&now_is, &from, None, now).await,
            None => Ok(script),
        }
    }

    /// Looks at a link; `tag` is what a list has said about it just now.
    async fn look(&self, script: &Script, from: &str, tag: Option<String>, now: Time) -> Result<Script, StoreError> {
        let mut state = LinkState { checked_at: Some(now), error: None, ..script.link_state.clone() };
        let name = Name::of_file(&script.name);
        let looked = async {
            let seen = match tag {
                Some(tag) => tag,
                None => {
                    let (root, key) = self.root_of(from)?;
                    tag_of(&root.store.head(&key).await.map_err(|error| blob_error(from, error))?)
                }
            };
            if state.tag.as_ref() == Some(&seen) && script.link_state.error.is_none() {
                return Ok(None);
            }
            let (content, tag) = self.read(from).await?;
            let sources = Sources::of_bytes(name.as_str(), content).map_err(KeepError::from)?;
            let wanted = Wanted { link: Some(from.to_owned()), ..Wanted::default() };
            let kept = self.keeper.keep(&name, &sources, wanted, now).await?;
            Ok::<_, LinkError>(Some((kept, tag)))
        }
        .await;
        match looked {
            Ok(None) => {}
            Ok(Some((kept, tag))) => {
                if kept.is_new {
                    tracing::info!(script = %kept.script.name, version = kept.script.version.number, from, "linked script read");
                }
                state.tag = Some(tag);
            }
            Err(LinkError::Keep(KeepError::Store(error))) => return Err(error),
            Err(error) => {
                tracing::warn!(script = %script.name, from, %error, "a linked script cannot be read");
                state.error = Some(error.to_string());
            }
        }
        self.keeper.store.set_link_state(&script.key, &state).await?;
        Ok(self.keeper.store.script(&script.key).await?.unwrap_or_else(|| script.clone()))
    }

    /// Looks through the script sources until `stop`.
    pub async fn run(&self, stop: CancellationToken, now: impl Fn() -> Time) {
        if self.roots.is_empty() {
            return;
        }
        let mut refused = HashMap::new();
        loop {
            self.scan(now(), &mut refused).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SCAN) => {}
            }
        }
    }

    /// Takes every `NAME.py` of every script source. What was refused is tried again when it has changed.
    pub async fn scan(&self, now: Time, refused: &mut HashMap<String, String>) {
        for root in self.roots.iter() {
            if let Err(error) = self.scan_root(root, now, refused).await {
                tracing::warn!(source = root.url, %error, "a script source cannot be looked through");
            }
        }
    }

    async fn scan_root(&self, root: &Root, now: Time, refused: &mut HashMap<String, String>) -> Result<(), LinkError> {
        let prefix = (!root.prefix.is_empty()).then(|| Key::from(root.prefix.as_str()));
        let listed =
            root.store.list_with_delimiter(prefix.as_ref()).await.map_err(|error| blob_error(&root.url, error))?;
        let there: HashSet<&str> = listed.objects.iter().filter_map(|object| object.location.filename()).collect();
        let beginning = format!("{}/", root.url);
        for (key, link) in self.keeper.store.scheduled_links(&beginning).await.map_err(KeepError::from)? {
            let file = link.strip_prefix(&beginning).unwrap_or_default();
            // What lies deeper is not listed here.
            if !file.contains('/') && !there.contains(file) {
                let reason = format!("{link} is gone");
                let paused = self.keeper.store.pause_schedules_of(&key, &reason, now).await.map_err(KeepError::from)?;
                tracing::warn!(script = key, from = link, paused, "a script's file is gone: its schedules are paused");
            }
        }
        for object in listed.objects.into_iter().take(MOST) {
            let Some(file) =
                object.location.filename().filter(|file| Path::new(file).extension().is_some_and(|e| e == "py"))
            else {
                continue;
            };
            let Ok(name) = Name::parse(file) else { continue };
            let (url, tag) = (format!("{}/{file}", root.url), tag_of(&object));
            if refused.get(&url) == Some(&tag) {
                continue;
            }
            let _alone = self.looking.lock().await;
            match self.keeper.store.script(name.key()).await.map_err(KeepError::from)? {
                Some(script) if script.link.as_deref() == Some(&url) => {
                    if script.link_state.tag.as_ref() != Some(&tag) || script.link_state.error.is_some() {
                        let script = self.look(&script, &url, Some(tag.clone()), now).await.map_err(KeepError::from)?;
                        if script.link_state.error.is_some() {
                            refused.insert(url, tag);
                        }
                    }
                }
                // Uploaded under the same name, or read from elsewhere: that stays.
                Some(_) => {}
                None => {
                    if let Err(error) = self.take(&name, &url, now).await {
                        tracing::warn!(script = %name, from = url, %error, "a script in a script source is not taken");
                        refused.insert(url, tag);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a script from an address for the first time.
    pub async fn take(&self, name: &Name, url: &str, now: Time) -> Result<(), LinkError> {
        let (content, tag) = self.read(url).await?;
        let sources = Sources::of_bytes(name.as_str(), content).map_err(KeepError::from)?;
        let wanted = Wanted { link: Some(url.to_owned()), ..Wanted::default() };
        let kept = self.keeper.keep(name, &sources, wanted, now).await?;
        tracing::info!(script = %name, version = kept.script.version.number, from = url, "linked script read");
        let state = LinkState { tag: Some(tag), checked_at: Some(now), error: None };
        self.keeper.store.set_link_state(name.key(), &state).await.map_err(KeepError::from)?;
        Ok(())
    }
}

/// What changes when the content does: an ETag, or time and size.
fn tag_of(meta: &ObjectMeta) -> String {
    match &meta.e_tag {
        Some(tag) => tag.clone(),
        None => format!("{}-{}", meta.last_modified.timestamp_micros(), meta.size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_under_its_root_or_not() {
        let root = Root {
            url: "file:///srv/jobs".into(),
            store: Arc::new(object_store::memory::InMemory::new()),
            prefix: String::new(),
        };
        assert_eq!(root.key("file:///srv/jobs/a/price.py"), Key::parse("a/price.py").ok());
        for outside in [
            "file:///srv/jobs",
            "file:///srv/jobs/",
            "file:///srv/jobsX/a.py",
            "file:///srv/jobs/../x.py",
            "s3://srv/jobs/a.py",
            "file:///srv/jobs//a.py",
        ] {
            assert_eq!(root.key(outside), None, "{outside}");
        }
        let bucket =
            Root { url: "s3://b/p".into(), store: Arc::new(object_store::memory::InMemory::new()), prefix: "p".into() };
        assert_eq!(bucket.key("s3://b/p/x.py"), Key::parse("p/x.py").ok());
    }
}
