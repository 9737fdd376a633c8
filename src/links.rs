//! Scripts that are read from somewhere else: a file or an object that somebody named, or whatever lies in a script source.
//!
//! Each script is looked at on its own: a file that hangs, a slow bucket, or packages that take long, delay that script
//! alone, and its runs go on with the last good version meanwhile.

use crate::audit::{Actor, acting_as};
use crate::blobs::BlobError;
use crate::clock::Time;
use crate::panics;
use crate::publish::{KeepError, Keeper, PublishOptions};
use crate::script::{LinkState, Name, Script};
use crate::source_files::Sources;
use crate::store::StoreError;
use crate::store::scripts::LinkedScript;
use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::future::join_all;
use looks::{Look, Looks};
use std::collections::{BTreeMap, HashSet};
use std::path::{Component, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

mod folder;
mod looks;
#[cfg(test)]
pub(crate) mod readers;
mod root;

pub use folder::LeftOut;
pub use root::Root;

/// A link is looked at again after so long.
pub const REFRESH: TimeDelta = TimeDelta::seconds(60);
/// A script source is looked through so often.
const SCAN: Duration = Duration::from_secs(5);
/// How long a run waits for a look at its script.
const RUN_WAITS: Duration = Duration::from_secs(3);
/// Most scripts taken from one script source.
const MOST: usize = 10_000;
/// What it is called in the audit log that the server takes a script from elsewhere.
const TAKEN: &str = "take_script";

/// Why a link cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It names no place under a script source.
    #[error("{0}")]
    NotAllowed(String),
    /// What is there is not read.
    #[error("{0} is left out: it is {1}; a script source gives regular files alone")]
    LeftOut(String, LeftOut),
    /// The place does not answer in time.
    #[error("{0}")]
    Slow(String),
    /// The place does not answer, or has no such thing.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Its content is no script's.
    #[error(transparent)]
    Keep(#[from] KeepError),
}

impl LinkError {
    /// Whether it is about what was read, so that reading the same again comes to the same; what is slow or away may be
    /// there the next time.
    fn is_of_content(&self) -> bool {
        use KeepError::{Blob, Computing, Store};
        !matches!(self, LinkError::Slow(_) | LinkError::Blob(_))
            && !matches!(self, LinkError::Keep(Blob(_) | Computing(_) | Store(_)))
    }
}

/// Reads linked scripts.
#[derive(Clone, Debug)]
pub struct Linker {
    keeper: Keeper,
    roots: Arc<Vec<Root>>,
    looks: Arc<Looks>,
}

impl Linker {
    /// What keeps the content that it reads, and everybody else's.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// A linker for these places.
    pub fn new(keeper: Keeper, roots: Vec<Root>) -> Self {
        Linker { keeper, roots: Arc::new(roots), looks: Arc::default() }
    }

    /// What the operator should see to about script sources: sentences, with the names of sources for those who may know them.
    pub fn warnings(&self, with_names: bool) -> Vec<String> {
        self.looks.warnings(with_names)
    }

    /// What of the script sources is not taken, and why: the source, the file, a few words.
    pub fn left_out(&self) -> Vec<(String, String, String)> {
        self.looks.left_out()
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

    fn root_of<'a>(&self, url: &'a str) -> Result<(&Root, &'a str), LinkError> {
        let found = self.roots.iter().find_map(|root| Some((root, root.below(url)?)));
        found.ok_or_else(|| {
            let roots: Vec<&str> = self.roots.iter().map(|root| root.url.as_str()).collect();
            LinkError::NotAllowed(if roots.is_empty() {
                "this server has no --script-source, so nothing can be linked".into()
            } else {
                format!("links may only name places under {}", roots.join(", "))
            })
        })
    }

    /// Whether a script at this address is taken by itself: it lies directly in a script source.
    pub fn takes_in(&self, url: &str) -> bool {
        self.root_of(url).is_ok_and(|(_, below)| !below.contains('/'))
    }

    /// What is at an address, with a mark that changes when the content does.
    pub async fn read(&self, url: &str) -> Result<(Bytes, String), LinkError> {
        let (root, below) = self.root_of(url)?;
        let read = root.read(below, None).await?;
        read.ok_or_else(|| BlobError::Missing(url.to_owned()).into())
    }

    /// The script, read again when its link has not been looked at for a minute and its content has changed. A link that is
    /// unreadable, or slow, leaves the last good version in force.
    pub async fn fresh(&self, script: Script, now: Time) -> Result<Script, StoreError> {
        let Some(from) = script.link.clone() else { return Ok(script) };
        if script.link_state.checked_at.is_some_and(|checked| now - checked < REFRESH && now >= checked) {
            return Ok(script);
        }
        let done = match self.looks.begin(&script.key) {
            Ok(look) => {
                let (done, linker, known) = (look.done(), self.clone(), script.clone());
                // The caller may go away; the look goes on.
                tokio::spawn(async move { linker.look_alone(look, known, from, now).await });
                done
            }
            // It is slow: those before have waited for it.
            Err(other) if other.began.elapsed() >= RUN_WAITS => return Ok(script),
            Err(other) => other.done,
        };
        if tokio::time::timeout(RUN_WAITS, done.cancelled()).await.is_err() {
            let version = script.version.number;
            tracing::warn!(script = %script.name, version, "a look at a linked script is slow; its runs go on meanwhile");
            return Ok(script);
        }
        Ok(self.keeper.store.script(&script.key).await?.unwrap_or(script))
    }

    /// Looks at a link, unless another node or request did so meanwhile.
    async fn look_alone(&self, look: Look, known: Script, from: String, now: Time) {
        let looking = async {
            match self.keeper.store.script(&known.key).await? {
                Some(now_is) if now_is.link_state.checked_at == known.link_state.checked_at => {
                    self.look(&now_is, &from, now).await.map(|_| ())
                }
                _ => Ok(()),
            }
        };
        let looked = panics::caught_in("linker", looking).await;
        match looked {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(script = %known.name, %error, "a linked script cannot be looked at"),
            Err(caught) => {
                tracing::error!(script = %known.name, from, %caught, "looking at a linked script panicked");
                // As any other link that cannot be read: not again at once.
                let error = Some("reading it failed, which is a mistake of this program".to_owned());
                let state = LinkState { checked_at: Some(now), error, ..known.link_state };
                if let Err(error) = self.keeper.store.set_link_state(&known.key, &state).await {
                    tracing::warn!(script = %known.name, %error, "the state of a link cannot be kept");
                }
            }
        }
        drop(look);
    }

    /// Looks at a link. Why its content is refused, when it is.
    async fn look(&self, script: &Script, from: &str, now: Time) -> Result<Option<String>, StoreError> {
        let mut state = LinkState { checked_at: Some(now), error: None, ..script.link_state.clone() };
        let name = Name::kept(&script.name, &script.key);
        // What was refused is read again: it may be taken now.
        let known = state.tag.clone().filter(|_| script.link_state.error.is_none());
        let looked = async {
            let (root, below) = self.root_of(from)?;
            let Some((content, tag)) = root.read(below, known).await? else { return Ok(None) };
            let sources = Sources::of_bytes(name.as_str(), content).map_err(KeepError::from)?;
            let wanted = PublishOptions { link: Some(from.to_owned()), ..PublishOptions::default() };
            let kept = acting_as(Actor::server(TAKEN, now), self.keeper.keep(&name, &sources, wanted, now)).await?;
            Ok::<_, LinkError>(Some((kept, tag)))
        }
        .await;
        let mut refused = None;
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
                refused = error.is_of_content().then(|| error.to_string());
            }
        }
        self.keeper.store.set_link_state(&script.key, &state).await?;
        Ok(refused)
    }

    /// Looks through the script sources until `stop`. What hangs meanwhile is left behind.
    pub async fn run(&self, stop: CancellationToken, now: impl Fn() -> Time) {
        if self.roots.is_empty() {
            return;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.scan(now()) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SCAN) => {}
            }
        }
    }

    /// Takes every `NAME.py` of every script source. What was refused is tried again when it has changed.
    pub async fn scan(&self, now: Time) {
        join_all(self.roots.iter().map(|root| async move {
            if let Err(error) = self.scan_root(root, now).await
                && self.looks.trouble(&root.url, &error.to_string())
            {
                tracing::warn!(source = root.url, %error, "a script source cannot be looked through");
            }
        }))
        .await;
    }

    async fn scan_root(&self, root: &Root, now: Time) -> Result<(), LinkError> {
        let listed = root.list().await?;
        let mut begun = Vec::new();
        let gone = self.note_gone(root, &listed.names, now).await?;
        let mut left_out: BTreeMap<String, LeftOut> = gone.into_iter().map(|file| (file, LeftOut::Gone)).collect();
        let mut seen = HashSet::new();
        for (file, tag) in listed.scripts.iter().take(MOST) {
            let (tag, name) = match (tag, Name::of_file(file)) {
                (Ok(tag), Ok(name)) => (tag, name),
                (Ok(_), Err(_)) => {
                    left_out.insert(file.clone(), LeftOut::Name);
                    continue;
                }
                (Err(why), _) => {
                    left_out.insert(file.clone(), *why);
                    continue;
                }
            };
            // One name is one script's: the first file in order has it.
            if !seen.insert(name.key().to_owned()) {
                left_out.insert(file.clone(), LeftOut::Twice);
                continue;
            }
            let url = format!("{}/{file}", root.url);
            if self.looks.is_refused(&root.url, &url, tag) {
                left_out.insert(file.clone(), LeftOut::Refused);
                continue;
            }
            let known = match self.keeper.store.script(name.key()).await.map_err(KeepError::from)? {
                Some(script) if script.link.as_deref() != Some(&url) => {
                    // Uploaded under the same name, or read from elsewhere: that stays.
                    left_out.insert(file.clone(), LeftOut::Taken);
                    continue;
                }
                Some(script) if script.link_state.tag.as_ref() == Some(tag) && script.link_state.error.is_none() => {
                    continue;
                }
                known => known,
            };
            // One that is being looked at has its turn again with the next look.
            let Ok(look) = self.looks.begin(name.key()) else { continue };
            let Ok(Ok(slot)) = tokio::time::timeout(SCAN, root.slots.clone().acquire_owned()).await else { break };
            begun.push(look.done());
            let (linker, root, tag) = (self.clone(), root.url.clone(), tag.clone());
            tokio::spawn(async move {
                let taking = panics::caught_in("linker", linker.take_in(&name, &url, known, now)).await;
                let refused = taking.unwrap_or_else(|caught| {
                    tracing::error!(script = %name, from = url, %caught, "taking a script from its source panicked");
                    Some("reading it failed, which is a mistake of this program; the log says more".to_owned())
                });
                if let Some(why) = refused {
                    linker.looks.refuse(&root, &url, &tag, &why);
                }
                drop((look, slot));
            });
        }
        self.note_left_out(root, &listed.scripts, left_out);
        // What takes longer goes on by itself.
        let _ = tokio::time::timeout(SCAN, join_all(begun.iter().map(CancellationToken::cancelled))).await;
        Ok(())
    }

    /// Tells of files that are not taken, each once.
    fn note_left_out(&self, root: &Root, listed: &[folder::Entry], left_out: BTreeMap<String, LeftOut>) {
        for (file, why) in self.looks.leave_out(&root.url, left_out) {
            tracing::warn!(source = root.url, file, %why, "a file of a script source is left out");
        }
        let there: HashSet<String> = listed.iter().map(|(file, _)| format!("{}/{file}", root.url)).collect();
        self.looks.forget(&root.url, |url| there.contains(url));
    }

    /// Says of scripts whose files are gone that they are, and pauses their schedules. The files.
    async fn note_gone(&self, root: &Root, there: &HashSet<String>, now: Time) -> Result<Vec<String>, LinkError> {
        let beginning = format!("{}/", root.url);
        let store = &self.keeper.store;
        let mut gone = Vec::new();
        for LinkedScript { key, link, state, is_scheduled } in
            store.links_below(&beginning).await.map_err(KeepError::from)?
        {
            let file = link.strip_prefix(&beginning).unwrap_or_default();
            // What lies deeper is not listed here.
            if file.contains('/') || there.contains(file) {
                continue;
            }
            let reason = format!("{link} is gone");
            if is_scheduled {
                let paused = store.pause_schedules_of(&key, &reason, now).await.map_err(KeepError::from)?;
                tracing::warn!(script = key, from = link, paused, "a script's file is gone: its schedules are paused");
            }
            if state.error.is_none() {
                let state = LinkState { checked_at: Some(now), error: Some(reason), ..state };
                store.set_link_state(&key, &state).await.map_err(KeepError::from)?;
            }
            gone.push(file.to_owned());
        }
        Ok(gone)
    }

    /// Takes a script from an address, for the first time or because it has changed. Why it is refused, when it is.
    async fn take_in(&self, name: &Name, url: &str, known: Option<Script>, now: Time) -> Option<String> {
        let taken = match &known {
            Some(script) => self.look(script, url, now).await.map_err(|error| KeepError::from(error).into()),
            None => self.take(name, url, now).await.map(|()| None),
        };
        taken.unwrap_or_else(|error: LinkError| {
            tracing::warn!(script = %name, from = url, %error, "a script in a script source is not taken");
            error.is_of_content().then(|| error.to_string())
        })
    }

    /// Takes a script from an address for the first time.
    async fn take(&self, name: &Name, url: &str, now: Time) -> Result<(), LinkError> {
        let (content, tag) = self.read(url).await?;
        let sources = Sources::of_bytes(name.as_str(), content).map_err(KeepError::from)?;
        let wanted = PublishOptions { link: Some(url.to_owned()), ..PublishOptions::default() };
        let kept = acting_as(Actor::server(TAKEN, now), self.keeper.keep(name, &sources, wanted, now)).await?;
        tracing::info!(script = %name, version = kept.script.version.number, from = url, "linked script read");
        let state = LinkState { tag: Some(tag), checked_at: Some(now), error: None };
        self.keeper.store.set_link_state(name.key(), &state).await.map_err(KeepError::from)?;
        Ok(())
    }
}
