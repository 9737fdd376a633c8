//! Images of packages in a pool: which image a run begins as, and making those that are missing.
//!
//! The first run of a script imports its packages itself. When it has ended, a process of its own finds out what the script
//! imports first, and prepares the image. Later runs begin as the image.

use super::child::Child;
use super::lock;
use super::patience::out_of_patience;
use super::{Job, Pool};
use crate::frame::{self, FrameKind, Hello, Incoming, PageBytes, Prepare, PrepareEnd};
use crate::images::{Found, ImageStore, PackageImage, ScriptKey};
use crate::interpreter::CompiledInterpreter;
use crate::prepared::{ImageKey, MOST_CHANGED, Refusal};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Most scripts that are known at once; then all are looked up in the directory again.
const MOST_KNOWN: usize = 4_096;
/// Most images that are open at once.
const MOST_OPEN: usize = 64;
/// Most jobs whose image is waited for. Those beyond wait for a later run of their script.
const MOST_WANTED: usize = 256;

/// The images of a pool.
pub(super) struct Images {
    /// Those of each guest, by its name. None: no images are used.
    stores: Vec<(String, Option<Arc<ImageStore>>)>,
    state: Mutex<State>,
    /// Notified when nothing is left to make.
    idle: Notify,
    /// Notified when the pool closes.
    closed: Notify,
}

#[derive(Default)]
struct State {
    scripts: HashMap<ScriptKey, Known>,
    /// The scripts by the names that callers have for them.
    subjects: HashMap<String, ScriptKey>,
    open: HashMap<ImageKey, Found>,
    wanted: VecDeque<(ScriptKey, Arc<Job>)>,
    is_making: bool,
}

/// What is known of a script.
#[derive(Clone)]
enum Known {
    Image {
        key: ImageKey,
        import_fuel: u64,
    },
    /// It uses none, and why.
    Without(String),
    /// Nothing yet: its image is being made, or will be.
    Pending,
}

/// What a script's runs begin as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageStatus {
    /// An image that has the packages imported.
    Ready {
        /// Units of fuel that the imports take without it.
        import_fuel: u64,
    },
    /// An image will be made after the next run.
    Pending,
    /// There is no image.
    None {
        /// Why.
        reason: String,
    },
}

impl From<Known> for ImageStatus {
    fn from(known: Known) -> Self {
        match known {
            Known::Image { import_fuel, .. } => ImageStatus::Ready { import_fuel },
            Known::Pending => ImageStatus::Pending,
            Known::Without(reason) => ImageStatus::None { reason },
        }
    }
}

/// What came of the preparation in a process.
struct Made {
    end: PrepareEnd,
    pages: Vec<(u64, Bytes)>,
}

impl Images {
    pub(super) fn new(guests: &[Arc<CompiledInterpreter>], most: u64) -> Self {
        let store = |guest: &Arc<CompiledInterpreter>| ImageStore::open(guest, most).map(Arc::new);
        let stores = guests.iter().map(|guest| (guest.description().name.clone(), store(guest))).collect();
        Images { stores, state: Mutex::default(), idle: Notify::new(), closed: Notify::new() }
    }

    /// Returns the images of the guest that a job names.
    fn store(&self, job: &Job) -> Option<&Arc<ImageStore>> {
        let is_named = |(name, _): &&(String, _)| job.guest.as_ref().is_none_or(|guest| guest == name);
        self.stores.iter().find(is_named)?.1.as_ref()
    }

    /// Returns the name of a run's script with its packages, and the image that the run begins as. The first is none when
    /// there can be no image, the second when the run imports for itself.
    pub(super) fn find(&self, job: &Job) -> (Option<ScriptKey>, Option<Arc<PackageImage>>) {
        let Some(store) = self.store(job) else { return (None, None) };
        let Some(script) = key_of(store, job) else { return (None, None) };
        if let Some(subject) = &job.subject {
            lock(&self.state).name(subject, script);
        }
        let (_, image) = self.known(store, script, job);
        (Some(script), image.filter(|image| image.fits(&job.env, job.limits.memory)))
    }

    /// Returns what is known of a script, and its image when there is one.
    fn known(&self, store: &ImageStore, script: ScriptKey, job: &Job) -> (Known, Option<Arc<PackageImage>>) {
        let mut state = lock(&self.state);
        match state.scripts.get(&script).cloned() {
            Some(Known::Image { key, import_fuel }) => match state.image(store, key) {
                Some(Found::Image(image)) => (Known::Image { key, import_fuel }, Some(image)),
                // It was removed for others.
                _ => {
                    state.note(script, Known::Pending);
                    (Known::Pending, None)
                }
            },
            Some(known) => (known, None),
            None => {
                let (known, image) = match (store.modules(script), &job.packages) {
                    (Some(modules), Some(packages)) if !modules.is_empty() => {
                        match state.image(store, store.image_key(packages.hash(), &modules)) {
                            None => (Known::Pending, None),
                            Some(found) => known_of(found, job),
                        }
                    }
                    (Some(_), _) => (Known::Without(NO_IMPORTS.into()), None),
                    (None, _) => (Known::Pending, None),
                };
                state.note(script, known.clone());
                (known, image)
            }
        }
    }

    /// Notes that a run of this script has ended. Returns true when there is an image to make and nothing makes one now.
    fn want(&self, script: ScriptKey, job: &Arc<Job>) -> bool {
        let mut state = lock(&self.state);
        let is_pending = matches!(state.scripts.get(&script), Some(Known::Pending));
        let is_there = state.wanted.iter().any(|(known, _)| *known == script);
        if !is_pending || is_there || state.wanted.len() >= MOST_WANTED {
            return false;
        }
        state.wanted.push_back((script, job.clone()));
        !std::mem::replace(&mut state.is_making, true)
    }

    /// Notes that the image of a script could not be made. It is not tried again as long as the script is known.
    fn give_up(&self, script: ScriptKey, why: &str) {
        tracing::warn!("no image of packages could be prepared: {why}");
        lock(&self.state).note(script, Known::Without(format!("it could not be prepared: {why}")));
    }

    /// Ends the making of images.
    pub(super) fn close(&self) {
        lock(&self.state).wanted.clear();
        self.closed.notify_waiters();
    }

    /// Takes the next script whose image is to be made; none ends the making.
    fn next(&self) -> Option<(ScriptKey, Arc<Job>)> {
        let mut state = lock(&self.state);
        let next = state.wanted.pop_front();
        if next.is_none() {
            state.is_making = false;
            self.idle.notify_waiters();
        }
        next
    }
}

const NO_IMPORTS: &str = "the script imports none of its packages before its first other statement";

impl State {
    fn name(&mut self, subject: &str, script: ScriptKey) {
        if self.subjects.get(subject) != Some(&script) {
            if self.subjects.len() >= MOST_KNOWN {
                self.subjects.clear();
            }
            self.subjects.insert(subject.to_owned(), script);
        }
    }

    fn note(&mut self, script: ScriptKey, known: Known) {
        if self.scripts.len() >= MOST_KNOWN {
            self.scripts.clear();
        }
        self.scripts.insert(script, known);
    }

    /// Returns an image, which is kept open for a while.
    fn image(&mut self, store: &ImageStore, key: ImageKey) -> Option<Found> {
        if let Some(found) = self.open.get(&key) {
            return Some(found.clone());
        }
        let found = store.find(key)?;
        self.keep(key, found.clone());
        Some(found)
    }

    fn keep(&mut self, key: ImageKey, found: Found) {
        if self.open.len() >= MOST_OPEN {
            self.open.clear();
        }
        self.open.insert(key, found);
        // Files of images that were removed are let go of.
        self.open.retain(|_, found| match found {
            Found::Image(image) => image.is_there(),
            Found::Refused(_) => true,
        });
    }
}

/// What an image is for a script.
fn known_of(found: Found, job: &Job) -> (Known, Option<Arc<PackageImage>>) {
    let image = match found {
        Found::Refused(reason) => return (Known::Without(reason), None),
        Found::Image(image) => image,
    };
    match image.conflict(&job.bundle) {
        Some(file) => {
            (Known::Without(format!("the script's own file {file} has the name of a module that is imported")), None)
        }
        None => (Known::Image { key: image.key, import_fuel: image.prepared.import_fuel }, Some(image)),
    }
}

fn key_of(store: &ImageStore, job: &Job) -> Option<ScriptKey> {
    let packages = job.packages.as_ref()?;
    // A module that is named is imported as a whole; what it imports first is not looked at.
    let names_module = job.entry.as_deref().is_some_and(|entry| entry.contains(':'));
    (!names_module).then(|| store.script_key(job.bundle.hash(), &job.path, packages.hash()))
}

impl Pool {
    /// Returns what runs of a job begin as.
    pub fn image_status(&self, job: &Job) -> ImageStatus {
        let none = |reason: &str| ImageStatus::None { reason: reason.into() };
        let images = &self.inner.images;
        let Some(store) = images.store(job) else { return none("images are switched off, or cannot be kept") };
        if job.packages.is_none() {
            return none("the script has no packages");
        }
        let Some(script) = key_of(store, job) else { return none("its entry names a module") };
        images.known(store, script, job).0.into()
    }

    /// Returns what runs of the script with this name ([`Job::subject`]) begin as; none when this pool has not run it with
    /// packages.
    pub fn image_of(&self, subject: &str) -> Option<ImageStatus> {
        let state = lock(&self.inner.images.state);
        let script = state.subjects.get(subject)?;
        state.scripts.get(script).cloned().map(ImageStatus::from)
    }

    /// Waits until the images of all runs that have ended are made.
    pub async fn images_made(&self) {
        loop {
            let idle = self.inner.images.idle.notified();
            if !lock(&self.inner.images.state).is_making {
                return;
            }
            idle.await;
        }
    }

    /// Makes the image of a script whose run has ended, when it has none yet.
    pub(super) fn want_image(&self, script: ScriptKey, job: &Arc<Job>) {
        if !self.inner.images.want(script, job) {
            return;
        }
        let weak = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            while let Some(inner) = weak.upgrade() {
                let Some((script, job)) = inner.images.next() else { return };
                let pool = Pool { inner };
                tokio::select! {
                    () = pool.inner.images.closed.notified() => {}
                    () = pool.make_image(script, &job) => {}
                }
            }
        });
    }

    async fn make_image(&self, script: ScriptKey, job: &Arc<Job>) {
        let Some(store) = self.inner.images.store(job).cloned() else { return };
        let Some(packages) = job.packages.clone() else { return };
        let modules = match store.modules(script) {
            Some(modules) => modules,
            None => match self.prepare_in_process(job, None).await {
                Ok(made) => made.end.modules,
                Err(why) => return self.inner.images.give_up(script, &why),
            },
        };
        store.note_modules(script, &modules);
        let known = if modules.is_empty() {
            Known::Without(NO_IMPORTS.into())
        } else {
            let key = store.image_key(packages.hash(), &modules);
            let found = match store.find(key) {
                Some(found) => found,
                None => match self.make_new(&store, key, job, modules).await {
                    Ok(found) => found,
                    Err(why) => return self.inner.images.give_up(script, &why),
                },
            };
            lock(&self.inner.images.state).keep(key, found.clone());
            known_of(found, job).0
        };
        lock(&self.inner.images.state).note(script, known);
    }

    /// Makes an image that is not there yet.
    async fn make_new(
        &self,
        store: &Arc<ImageStore>,
        key: ImageKey,
        job: &Arc<Job>,
        modules: Vec<String>,
    ) -> Result<Found, String> {
        let Made { end, pages } = self.prepare_in_process(job, Some(modules)).await?;
        let store = store.clone();
        let write = move || match end.made {
            None => Err("the process prepared nothing".to_owned()),
            Some(Err(Refusal { reason, lasts: true })) => {
                store.refuse(key, &reason);
                Ok(Found::Refused(reason))
            }
            Some(Err(Refusal { reason, .. })) => Err(reason),
            Some(Ok(prepared)) => {
                store.make(key, &pages, prepared).map_err(|error| error.to_string())?;
                store.find(key).ok_or_else(|| "what was written cannot be read".to_owned())
            }
        };
        tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?
    }

    /// Has a process of its own prepare an image, or find out what a script imports first.
    async fn prepare_in_process(&self, job: &Arc<Job>, modules: Option<Vec<String>>) -> Result<Made, String> {
        let Some(packages) = job.packages.clone() else { return Err("there are no packages".into()) };
        let (config, children) = (&self.inner.config, &self.inner.children);
        let guest = self.guest_of(job).map_err(|error| error.to_string())? as usize;
        let guests = children.guests().get(guest..=guest).unwrap_or_default();
        let child =
            children.spawn(&config.command, config.memory_budget, 0, guests).map_err(|error| error.to_string())?;
        let prepare = Prepare {
            bundle: *job.bundle.hash().as_bytes(),
            packages: *packages.hash().as_bytes(),
            path: job.path.clone(),
            code: job.code.clone(),
            modules,
        };
        for bundle in [&job.bundle, &packages] {
            let load = frame::Load { hash: *bundle.hash().as_bytes(), forget: Vec::new() };
            child.link.send_shared(FrameKind::Load, 0, &frame::to_json(&load), bundle.descriptor().cloned());
        }
        child.link.send(FrameKind::Prepare, 0, &frame::to_json(&prepare));
        let base = self.inner.images.store(job).map_or(0, |store| store.base_length());
        let process = child.pid;
        // The process ends with what is dropped here.
        tokio::select! {
            made = prepared_by(child, base) => made,
            why = out_of_patience(process) => Err(why),
        }
    }
}

/// Receives what a process prepares, and ends it. `base` is the length of the interpreter's image in bytes.
async fn prepared_by(child: Child, base: u64) -> Result<Made, String> {
    let kill = Arc::new(Notify::new());
    let received = Arc::new(Mutex::new((Vec::new(), 0usize, 0u64, None)));
    let (ended, filled) = (kill.clone(), received.clone());
    let death = child
        .live(kill, move |incoming| {
            let Incoming { kind, payload, .. } = incoming;
            let mut filled = lock(&filled);
            let (pages, size, end_of_last, end) = &mut *filled;
            match kind {
                FrameKind::Hello => {
                    let hello: Hello = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                    if hello.protocol != frame::PROTOCOL || hello.build != crate::BUILD {
                        return Err("it is not of this build".into());
                    }
                }
                FrameKind::Page => {
                    let page = PageBytes::decode(&payload).map_err(|error| error.to_string())?;
                    let length = page.bytes.len() as u64;
                    // Whole pages in order: what a process that lies can send is as bounded as an image.
                    let is_whole = page.start.is_multiple_of(PAGE) && length > 0 && length.is_multiple_of(PAGE);
                    if !is_whole || page.start < *end_of_last || page.start > MOST_MEMORY {
                        return Err("pages that are not whole or not in order".into());
                    }
                    *end_of_last = page.start + length;
                    *size += page.bytes.len();
                    if *size > MOST_CHANGED {
                        return Err("an image that is too large".into());
                    }
                    pages.push((page.start, payload.slice(PageBytes::HEAD..)));
                }
                FrameKind::PrepareEnd => {
                    let told: PrepareEnd = frame::from_json(kind, &payload).map_err(|error| error.to_string())?;
                    if let Some(Ok(prepared)) = &told.made {
                        let can_be = (base.max(*end_of_last)..=MOST_MEMORY).contains(&prepared.length);
                        if !can_be || !prepared.length.is_multiple_of(WASM_PAGE) {
                            return Err("an image of a length that cannot be".into());
                        }
                    }
                    *end = Some(told);
                    ended.notify_one();
                }
                _ => return Err("a frame that was not asked for".into()),
            }
            Ok(())
        })
        .await;
    let (pages, _, _, end) = std::mem::take(&mut *lock(&received));
    end.map(|end| Made { end, pages }).ok_or_else(|| format!("the process ended: {death}"))
}

/// Most bytes of an image: far below what 32-bit addresses reach, and above what [`MOST_CHANGED`] can need.
const MOST_MEMORY: u64 = 512 << 20;
/// Bytes of a page of the kernel.
const PAGE: u64 = 4096;
/// Bytes of a page of linear memory: its size is always whole pages.
const WASM_PAGE: u64 = 64 << 10;
