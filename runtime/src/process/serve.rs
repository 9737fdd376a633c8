//! The state of a sandbox process, and the frames from its node.

use super::ProcessError;
use super::ready::Ready;
use crate::bundle::{Bundle, BundleHash};
use crate::channels::EgressLink;
use crate::fair_share::FairShare;
use crate::files::Packages;
use crate::frame::{
    self, Credit, FrameKind, GuestNumber, Incoming, Load, LoadImage, Prepare, Reply, RunNumber, Start, Stream,
};
use crate::guest::{Admission, NodeCalls};
use crate::holder::Page;
use crate::memory::{Image, ImageNumber, Slots};
use crate::output::Output;
use crate::prepared::ImageKey;
use crate::sandbox::{Interpreter, ReadySandbox};
use crate::stop_location::StopLocator;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

pub(super) struct SandboxProcess {
    /// The guests. There is at least one.
    pub(super) interpreters: Vec<Interpreter>,
    pub(super) slots: Arc<Slots>,
    /// The images of packages that the node has sent.
    pub(super) images: RefCell<Images>,
    pub(super) node: frame::Sender,
    pub(super) ready: RefCell<Ready<ReadySandbox>>,
    pub(super) stop_locator: Option<StopLocator>,
    pub(super) refill: Notify,
    pub(super) bundles: RefCell<HashMap<[u8; 32], Loaded>>,
    pub(super) runs: RefCell<HashMap<RunNumber, Rc<RunHandles>>>,
    pub(super) fair_share: Arc<FairShare>,
    pub(super) egress: EgressLink,
    /// The page for the number of the run that has the thread.
    pub(super) page: RefCell<Option<Page>>,
    pub(super) draining: Cell<bool>,
    /// When free pages of the heap were given back last.
    pub(super) trimmed: Cell<Option<Instant>>,
    pub(super) empty: Notify,
}

/// Images of packages, with their guests and the numbers by which the slots know them.
pub(super) struct Images {
    numbers: HashMap<ImageKey, (GuestNumber, ImageNumber)>,
    last: ImageNumber,
}

impl Images {
    /// Returns the images beside these guests: none yet.
    pub(super) fn beside(interpreters: &[Interpreter]) -> Self {
        let last = interpreters.iter().map(Interpreter::base).max().unwrap_or_default();
        Images { numbers: HashMap::new(), last }
    }

    /// Returns the guest of an image.
    fn guest_of(&self, number: ImageNumber) -> Option<GuestNumber> {
        self.numbers.values().find(|(_, known)| *known == number).map(|(guest, _)| *guest)
    }
}

/// Files that the node has sent: a script's, or packages.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) bundle: Arc<Bundle>,
    /// Made for the first run that uses them as packages.
    pub(super) packages: Rc<OnceCell<Packages>>,
}

impl Loaded {
    pub(super) fn packages(&self) -> &Packages {
        self.packages.get_or_init(|| Packages::new(&self.bundle))
    }
}

/// The handles of a run for frames about it.
pub(super) struct RunHandles {
    pub(super) cancel: Notify,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    pub(super) bytes: Arc<Notify>,
    pub(super) node_calls: NodeCalls,
    pub(super) admission: Arc<Admission>,
}

impl SandboxProcess {
    /// Returns a guest. The number was checked when the run came.
    pub(super) fn interpreter(&self, guest: GuestNumber) -> &Interpreter {
        &self.interpreters[guest as usize]
    }

    /// Returns the number of an image of this guest that the node has sent.
    pub(super) fn image(&self, key: ImageKey, guest: GuestNumber) -> Option<ImageNumber> {
        self.images.borrow().numbers.get(&key).filter(|(known, _)| *known == guest).map(|(_, number)| *number)
    }

    /// Handles frames until the node closes the link, or until the process is drained.
    pub(super) async fn serve(self: &Rc<Self>, receiver: &mut frame::Receiver) -> Result<(), ProcessError> {
        loop {
            if self.draining.get() && self.runs.borrow().is_empty() {
                return Ok(());
            }
            let incoming = tokio::select! {
                incoming = receiver.next() => incoming,
                () = self.empty.notified() => continue,
            };
            match incoming {
                Ok(Some(incoming)) => self.take(incoming)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(ProcessError::Protocol(error.to_string())),
            }
        }
    }

    fn take(self: &Rc<Self>, incoming: Incoming) -> Result<(), ProcessError> {
        let Incoming { kind, run, payload, descriptor } = incoming;
        // The node can still send frames about a run that has just ended.
        let handles = self.runs.borrow().get(&run).cloned();
        match kind {
            FrameKind::Load => {
                let load: Load = frame::from_json(kind, &payload).map_err(malformed)?;
                let descriptor = descriptor.ok_or_else(|| wrong("a bundle without its descriptor"))?;
                let bundle = Bundle::from_descriptor(descriptor, BundleHash::from_bytes(load.hash))
                    .map_err(|error| ProcessError::Protocol(error.to_string()))?;
                let mut bundles = self.bundles.borrow_mut();
                for hash in load.forget {
                    bundles.remove(&hash);
                }
                bundles.insert(load.hash, Loaded { bundle: Arc::new(bundle), packages: Rc::default() });
            }
            FrameKind::Start => {
                let start: Start = frame::from_json(kind, &payload).map_err(malformed)?;
                self.check_guest(start.guest)?;
                let loaded =
                    |hash| self.bundles.borrow().get(hash).cloned().ok_or_else(|| wrong("a run without its files"));
                let bundle = loaded(&start.bundle)?.bundle;
                let packages = start.packages.as_ref().map(loaded).transpose()?;
                let bytes = Arc::new(Notify::new());
                let handles = Rc::new(RunHandles {
                    cancel: Notify::new(),
                    stdout: Output::new(Stream::Stdout, start.limits.stdout, bytes.clone()),
                    stderr: Output::new(Stream::Stderr, start.limits.stderr, bytes.clone()),
                    bytes,
                    node_calls: NodeCalls::new(run, self.node.clone()),
                    admission: Admission::new(run, self.node.clone()),
                });
                if self.runs.borrow_mut().insert(run, handles.clone()).is_some() {
                    return Err(wrong("a run that is active already"));
                }
                tokio::task::spawn_local(self.clone().run(run, start, (bundle, packages), handles));
            }
            FrameKind::LoadImage => self.load_image(&payload, descriptor)?,
            FrameKind::Prepare => self.begin_preparation(&payload)?,
            FrameKind::Cancel => {
                if let Some(handles) = handles {
                    handles.cancel.notify_one();
                }
            }
            FrameKind::Credit => {
                let credit = Credit::decode(&payload).map_err(malformed)?;
                if let Some(handles) = handles {
                    handles.stream(credit.stream).add_credit(credit.bytes);
                }
            }
            FrameKind::Reply => {
                let reply: Reply = frame::from_json(kind, &payload).map_err(malformed)?;
                if let Some(handles) = handles {
                    handles.node_calls.answer(reply);
                }
            }
            FrameKind::Resume => {
                if let Some(handles) = handles {
                    handles.admission.give();
                }
            }
            FrameKind::Network => {
                let socket = descriptor.ok_or_else(|| wrong("a link without its socket"))?;
                self.egress.attach(socket)?;
            }
            FrameKind::Holder => {
                let memory = descriptor.ok_or_else(|| wrong("a page without its memory"))?;
                self.page.replace(Some(Page::from_descriptor(&memory)?));
            }
            FrameKind::Ping => self.node.send(FrameKind::Pong, 0, &payload),
            FrameKind::Drain => self.draining.set(true),
            _ => return Err(wrong("a frame for the other direction")),
        }
        Ok(())
    }

    fn load_image(&self, payload: &[u8], descriptor: Option<OwnedFd>) -> Result<(), ProcessError> {
        let load: LoadImage = frame::from_json(FrameKind::LoadImage, payload).map_err(malformed)?;
        self.check_guest(load.guest)?;
        let file = descriptor.ok_or_else(|| wrong("an image without its descriptor"))?;
        let mut images = self.images.borrow_mut();
        for (_, number) in load.forget.iter().filter_map(|key| images.numbers.remove(key)).collect::<Vec<_>>() {
            self.slots.forget(number);
            drop(self.ready.borrow_mut().forget(number));
        }
        images.last += 1;
        let number = images.last;
        self.slots.add(number, Image::new(file.into())?, self.interpreter(load.guest).base());
        images.numbers.insert(load.key, (load.guest, number));
        Ok(())
    }

    fn check_guest(&self, guest: GuestNumber) -> Result<(), ProcessError> {
        match self.interpreters.get(guest as usize) {
            Some(_) => Ok(()),
            None => Err(wrong("a guest that this process does not have")),
        }
    }

    fn begin_preparation(self: &Rc<Self>, payload: &[u8]) -> Result<(), ProcessError> {
        let asked: Prepare = frame::from_json(FrameKind::Prepare, payload).map_err(malformed)?;
        let loaded =
            |hash| self.bundles.borrow().get(hash).cloned().ok_or_else(|| wrong("a preparation without files"));
        let (bundle, packages) = (loaded(&asked.bundle)?.bundle, loaded(&asked.packages)?);
        let packages = packages.packages().clone();
        tokio::task::spawn_local(self.clone().prepare(asked, bundle, packages));
        Ok(())
    }

    /// Makes a sandbox that begins as this image, which is a guest's own or one that the node has sent.
    async fn make_ready(&self, image: ImageNumber) -> Option<ReadySandbox> {
        let own = self.interpreters.iter().find(|interpreter| interpreter.base() == image);
        let guest = || self.images.borrow().guest_of(image).map(|guest| self.interpreter(guest));
        own.or_else(guest)?.prepare(image).await.ok()
    }

    /// Makes sandboxes while the process is idle, so that there is a ready one for a run.
    pub(super) async fn keep_ready(self: Rc<Self>) {
        loop {
            loop {
                let surplus = self.ready.borrow_mut().surplus();
                drop(surplus);
                let Some(image) = self.ready.borrow().missing() else { break };
                match self.make_ready(image).await {
                    Some(sandbox) => self.ready.borrow_mut().put(image, sandbox),
                    // All slots are in use: the end of the next run frees one and wakes this task.
                    None => break,
                }
                tokio::task::yield_now().await;
            }
            self.refill.notified().await;
        }
    }
}

fn wrong(what: &str) -> ProcessError {
    ProcessError::Protocol(what.to_owned())
}

fn malformed(error: frame::MalformedFrame) -> ProcessError {
    ProcessError::Protocol(error.to_string())
}

impl RunHandles {
    fn stream(&self, stream: Stream) -> &Output {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }
}
