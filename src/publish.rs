//! Keeps a script's new content, wherever it came from: checked in a sandbox, its content and code object in the blob
//! store, its version in the database.

use crate::access::Reach;
use crate::blobs::{BlobError, Blobs, Kind};
use crate::checker::{Checked, Checker, Refused};
use crate::clock::Time;
use crate::computations::ComputeError;
use crate::metadata::{self, BadBlock, Metadata};
use crate::packages::{self, PackageError, Resolver, Step};
use crate::precondition::Precondition;
use crate::publication::{Kept, NewVersion};
use crate::requirement::{BadRequirement, Packages, REQUIREMENTS, Request};
use crate::schedule::request::BadSchedule;
use crate::script::{Name, Script, Settings, Version, Warning};
use crate::source_files::{SourceError, Sources};
use crate::store::{Store, StoreError};
use bytes::Bytes;
use cronbox_runtime::ImageStatus;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;

mod alerts;
mod blob;
mod schedules;

pub use blob::{keep_blob, keep_value};
pub use schedules::{OUT_OF_REACH, UpstreamError, check_upstreams};

/// Why content was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It cannot be a script's content.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The check says that it is no Python.
    #[error("{0}")]
    Refused(Refused),
    /// What it says about itself cannot be read.
    #[error("{0}")]
    Metadata(BadBlock),
    /// What it, or the request, sets cannot be: the setting, and why.
    #[error("{0}: {1}")]
    Setting(String, String),
    /// A schedule that it brings along cannot be.
    #[error("{0}")]
    Schedule(BadSchedule),
    /// Its schedules were not read.
    #[error("its schedules cannot be read now: {0}")]
    Computing(#[from] ComputeError),
    /// A schedule that it brings along asks for what whoever keeps it may not give.
    #[error("{0}")]
    NotAllowed(String),
    /// A package that it asks for cannot be asked for.
    #[error(transparent)]
    Requirement(#[from] BadRequirement),
    /// Whoever keeps it may not touch the script, as it would be then.
    #[error("this token is limited to other scripts")]
    OutOfReach,
    /// Its packages cannot be had.
    #[error(transparent)]
    Packages(#[from] PackageError),
    /// The blob store did not take it.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The name by which a sandbox pool knows the files of a version.
pub fn image_subject(script: &str, version: i64) -> String {
    format!("{script}@{version}")
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
    /// Gets its packages.
    pub resolver: Resolver,
    /// The zone of schedules and scripts that name none.
    pub timezone: String,
    /// What was resolved lately for source that was sent along.
    pub recent: Recent,
}

/// How content is to be kept.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// What the request sets, if it sets anything.
    pub settings: Option<Settings>,
    /// Where it is read from from now on.
    pub link: Option<String>,
    /// Whether to keep it though the check may refuse it.
    pub unchecked: bool,
    /// Whether to resolve its packages anew, though it asks for the same as before.
    pub upgrade: bool,
    /// The scripts that whoever keeps it may touch.
    pub reach: Reach,
    /// Whether there must be no script of this name yet.
    pub only_new: bool,
    /// What the script must still be.
    pub precondition: Precondition,
    /// Whether whoever keeps it may not let its schedules' runs go before those of others.
    pub without_priority: bool,
    /// Who hears how far its packages are.
    pub progress: Progress,
}

/// Who hears how far packages are; by default nobody.
#[derive(Clone, Debug, Default)]
pub struct Progress(Option<UnboundedSender<Step>>);

impl Progress {
    /// Each step goes to this channel.
    pub fn to(sender: UnboundedSender<Step>) -> Self {
        Progress(Some(sender))
    }

    fn tell(&self, step: Step) {
        if let Some(sender) = &self.0 {
            // Whoever listened may have gone.
            let _ = sender.send(step);
        }
    }
}

impl Keeper {
    /// What runs of a version begin as on this node; none when it has no packages, or none of its runs was here.
    pub fn image_of(&self, script: &str, version: i64) -> Option<ImageStatus> {
        self.checker.pool().image_of(&image_subject(script, version))
    }

    /// Keeps content as the version in force of a script.
    pub async fn keep(
        &self,
        name: &Name,
        sources: &Sources,
        wanted: PublishOptions,
        now: Time,
    ) -> Result<Kept, KeepError> {
        let new = self.prepared(name, sources, wanted, now).await?;
        Ok(self.store.keep_version(new, now).await?)
    }

    /// The version that would be kept of content, of which none is kept. What its packages and files came to is let go of
    /// as everything is that nothing refers to.
    pub async fn try_out(
        &self,
        name: &Name,
        sources: &Sources,
        wanted: PublishOptions,
        now: Time,
    ) -> Result<NewVersion, KeepError> {
        self.prepared(name, sources, wanted, now).await
    }

    /// Checks content, and makes ready what is kept of it.
    async fn prepared(
        &self,
        name: &Name,
        sources: &Sources,
        wanted: PublishOptions,
        now: Time,
    ) -> Result<NewVersion, KeepError> {
        let metadata = metadata::read(sources.source()).map_err(KeepError::Metadata)?;
        let set = wanted.settings.as_ref();
        let schedules = self.schedules(name, &metadata, set, (&wanted.reach, !wanted.without_priority), now).await?;
        let alerts = alerts::alerts_of(name, &metadata)?;
        let bad = |(setting, why): (&str, String)| KeepError::Setting(setting.to_owned(), why);
        metadata.cronbox.check_but_limits().map_err(bad)?;
        // Those that the request overrides are not asked for.
        let limits = set.cloned().unwrap_or_default().or(&metadata.cronbox).limits;
        limits.asked().map_err(|bad| KeepError::Setting(format!("limits.{}", bad.name), bad.why))?;
        self.check_labels(name, &metadata.cronbox, &wanted).await?;
        let (packages, package_warnings) = self.packages_of(name, sources, &metadata, &wanted, now).await?;
        let mut table = metadata.cronbox;
        let modules = packages.as_ref().map(|packages| packages.modules.as_slice()).unwrap_or_default();
        let entry = wanted.settings.as_ref().and_then(|set| set.entry.as_deref()).or(table.entry.as_deref());
        let checked = if wanted.unchecked {
            Checked::default()
        } else {
            self.checker.check(name.as_str(), sources, entry, modules).await.map_err(KeepError::Refused)?
        };
        let mut facts = checked.facts;
        if facts.uses_state && table.concurrency.is_none() {
            // Two runs at once would each write what the other did not read.
            table.concurrency = Some(1);
        }
        facts.warnings.splice(0..0, metadata.warnings.into_iter().chain(package_warnings));
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
        Ok(NewVersion {
            name: name.as_str().into(),
            key: name.key().into(),
            sha256,
            blob,
            main: sources.main.clone(),
            size: sources.size(),
            table,
            facts,
            functions: checked.functions,
            code,
            packages,
            settings: wanted.settings,
            link: wanted.link,
            only_new: wanted.only_new,
            precondition: wanted.precondition,
            schedules,
            alerts,
        })
    }

    /// Checks that the labels which content would have are within the reach of whoever keeps it: who is limited to labels
    /// could otherwise take a script out of their own bounds, or into others'.
    async fn check_labels(&self, name: &Name, table: &Settings, wanted: &PublishOptions) -> Result<(), KeepError> {
        if wanted.reach.is_all() {
            return Ok(());
        }
        let known = self.store.script(name.key()).await?.map(|script| script.settings).unwrap_or_default();
        let set = wanted.settings.as_ref().map_or_else(|| known.clone(), |set| set.or(&known));
        if wanted.reach.covers(name.key(), &set.or(table).labels) { Ok(()) } else { Err(KeepError::OutOfReach) }
    }

    /// The packages that a script asks for: those that its version in force has, when that one asks for the same, so that a
    /// change of the code alone changes nothing else.
    async fn packages_of(
        &self,
        name: &Name,
        sources: &Sources,
        metadata: &Metadata,
        wanted: &PublishOptions,
        now: Time,
    ) -> Result<(Option<Packages>, Vec<Warning>), KeepError> {
        let Some(request) = request_of(sources, metadata)? else { return Ok((None, Vec::new())) };
        if !wanted.upgrade
            && let Some(script) = self.store.script(name.key()).await?
            && let Some(packages) = script.version.packages.filter(|packages| packages.request == request)
        {
            return Ok((Some(packages), Vec::new()));
        }
        let (packages, warnings) = self.resolve(request, &wanted.progress, now).await?;
        Ok((Some(packages), warnings))
    }

    /// Resolves a request, and keeps the files.
    async fn resolve(
        &self,
        request: Request,
        progress: &Progress,
        now: Time,
    ) -> Result<(Packages, Vec<Warning>), KeepError> {
        let resolved = self.resolver.resolve(&request, &|step| progress.tell(step)).await?;
        progress.tell(Step::Compiling);
        let files = Arc::new(packages::compiled(self.checker.pool(), &resolved.files).await?);
        packages::tried(self.checker.pool(), &files, &resolved.trials).await?;
        let (blob, _) = Blobs::name(Kind::Packages, files.bytes());
        keep_blob(&self.store, &self.blobs, &blob, Bytes::copy_from_slice(files.bytes()), now).await?;
        let warning = |message: String| Warning { code: "packages".into(), line: 1, message };
        let warnings = resolved.warnings.into_iter().map(warning).collect();
        let modules = packages::modules(&resolved.files);
        Ok((Packages { request, blob, locked: resolved.locked, modules }, warnings))
    }

    /// The packages of source that is sent along with a run: of a request that was resolved a short time ago, the same.
    pub async fn packages_sent(&self, sources: &Sources, now: Time) -> Result<Option<Packages>, KeepError> {
        let metadata = metadata::read(sources.source()).map_err(KeepError::Metadata)?;
        let Some(request) = request_of(sources, &metadata)? else { return Ok(None) };
        if let Some(packages) = self.recent.find(&request, now) {
            return Ok(Some(packages));
        }
        let (packages, _) = self.resolve(request, &Progress::default(), now).await?;
        self.recent.keep(&packages, now);
        Ok(Some(packages))
    }

    /// Puts an earlier version of a script in force again, with the schedules and alerts of its block unless they are to stay
    /// as they are. None when the script is gone.
    pub async fn roll_back(
        &self,
        script: &Script,
        version: &Version,
        keep_schedules: bool,
        reach: &Reach,
        now: Time,
    ) -> Result<Option<Script>, KeepError> {
        if !reach.covers(&script.key, &script.settings.or(&version.table).labels) {
            return Err(KeepError::OutOfReach);
        }
        let own = if keep_schedules {
            None
        } else {
            let sources = Sources::of_blob(&version.blob, &version.main, self.blobs.get(&version.blob).await?)?;
            let metadata = metadata::read(sources.source()).map_err(KeepError::Metadata)?;
            let name = Name::parse(&script.name).map_err(|error| KeepError::Metadata(error.to_string().into()))?;
            // What it asks for was allowed when it was uploaded.
            let schedules = self.schedules(&name, &metadata, Some(&script.settings), (reach, true), now).await?;
            Some((schedules, alerts::alerts_of(&name, &metadata)?))
        };
        Ok(self.store.set_version(&script.key, version.number, own, now).await?)
    }
}

/// What a script asks for, in its metadata and its bundle.
fn request_of(sources: &Sources, metadata: &Metadata) -> Result<Option<Request>, BadRequirement> {
    let file = sources.files.iter().find(|(path, _)| path == REQUIREMENTS).map(|(_, content)| &content[..]);
    Request::of(&metadata.dependencies, metadata.requires_python.as_deref(), file)
}

/// Packages that were resolved lately, so that a program that sends the same source again and again waits for the index
/// once. Their blobs stay for longer than they are remembered: an unreferred blob is deleted after an hour at the
/// earliest.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    resolved: Arc<Mutex<VecDeque<(Time, Packages)>>>,
}

impl Recent {
    /// How long they are taken for new.
    const FOR: chrono::TimeDelta = chrono::TimeDelta::minutes(10);
    /// How many are remembered.
    const MOST: usize = 256;

    fn find(&self, request: &Request, now: Time) -> Option<Packages> {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.retain(|(at, _)| *at <= now && now - *at < Self::FOR);
        resolved.iter().find(|(_, packages)| packages.request == *request).map(|(_, packages)| packages.clone())
    }

    fn keep(&self, packages: &Packages, now: Time) {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.push_back((now, packages.clone()));
        if resolved.len() > Self::MOST {
            resolved.pop_front();
        }
    }
}
