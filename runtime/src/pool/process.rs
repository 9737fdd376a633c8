//! The pool's side of a sandbox process, and its active runs.

use super::event::{Event, HostCall};
use super::job::{Job, check_result};
use super::parked::{Parked, ParkedRuns};
use super::silence::Silence;
use crate::bundle::{Bundle, BundleHash};
use crate::egress::messages::Token;
use crate::frame::{
    self, Call, Credit, Done, FilePart, FrameKind, GuestNumber, LoadImage, NetworkPass, Out, RunNumber, Start, Stream,
};
use crate::images::{PackageImage, ScriptKey};
use crate::limits::{IMPORT_FUEL, MAX_NAME, MAX_OUTPUT_FILES, MAX_OUTPUT_FILES_BYTES, MAX_WHOLE_PATH};
use crate::outcome::{Outcome, Report, ScriptError, SourceLocation, StreamUsage, Usage, bounded_notes};
use crate::prepared::ImageKey;
use crate::{harden, output};
use bytes::Bytes;
use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// Most bytes of bundles that a process keeps mapped.
const BUNDLE_BYTES: usize = 256 << 20;
/// Most bundles that a process keeps mapped.
const BUNDLES: usize = 512;
/// Most images of packages that a process keeps mapped.
const IMAGES: usize = 16;
/// Most bytes of output that wait for a run's reader. Then the script waits.
const UNREAD: u64 = 1 << 20;
/// Most calls of a run without an answer, and the sizes that a sandbox allows.
const MAX_CALLS: u32 = 4;
const MAX_VERB: usize = 64;
const MAX_REQUEST: usize = 256 << 10;
/// Most bytes of a stream beyond its credit, at the end of its run.
const LAST_BYTES: u64 = (output::BUFFER + output::PERMIT) as u64;

pub(super) struct Process {
    pub(super) link: frame::Sender,
    pub(super) kill: Arc<Notify>,
    pub(super) pid: u32,
    pub(super) up: bool,
    pub(super) draining: bool,
    /// True when the process is reserved for one run.
    pub(super) reserved: bool,
    /// True when its CPU priority can be changed; true when it is lowered.
    pub(super) may_favour: bool,
    pub(super) lowered: bool,
    pub(super) active: HashMap<RunNumber, ActiveRun>,
    pub(super) parked: ParkedRuns,
    pub(super) started: u64,
    pub(super) bundles: VecDeque<(BundleHash, usize)>,
    /// The images of packages that it has, the last used one last.
    pub(super) images: VecDeque<ImageKey>,
    pub(super) since: Instant,
    pub(super) heard: Instant,
    pub(super) pinged: Instant,
    pub(super) idle_since: Instant,
    /// The run because of which the process is ended, and the outcome of that run.
    pub(super) culprit: Option<(RunNumber, Outcome)>,
    pub(super) silence: Silence,
}

pub(super) struct ActiveRun {
    pub(super) entry: RunEntry,
    pub(super) busy: bool,
    pub(super) began: Instant,
    pub(super) cancelled: Option<Instant>,
    /// For how long it has waited for its memory, which others had, until it went on last.
    pub(super) held_up: Duration,
    pub(super) streams: [StreamCount; 2],
    pub(super) files: FilesReceived,
    /// The secret with which it asks for connections, when it can.
    pub(super) token: Option<Token>,
    /// Calls without an answer.
    pub(super) calls: u32,
    /// What is known of it while its memory is away.
    pub(super) parked: Option<Parked>,
}

/// The files that a run has left so far.
#[derive(Default)]
pub(super) struct FilesReceived {
    /// The path of the last whole file: files come in order, so none comes twice.
    last: Option<String>,
    count: u64,
    bytes: u64,
    /// The file that is not complete yet.
    open: Option<(String, u64, Vec<u8>)>,
}

#[derive(Default)]
pub(super) struct StreamCount {
    pub(super) received: u64,
    /// Bytes that the reader has not taken yet.
    pub(super) unread: u64,
    pub(super) credit: u64,
}

pub(super) struct RunEntry {
    pub(super) number: RunNumber,
    pub(super) job: Arc<Job>,
    pub(super) guest: GuestNumber,
    /// Names its script with its packages; none when there can be no image.
    pub(super) script: Option<ScriptKey>,
    /// The image that it begins as; none: the guest's own.
    pub(super) image: Option<Arc<PackageImage>>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) lost: u32,
    /// The time since which it is queued.
    pub(super) since: Instant,
    /// The number of times that it started again because of another run.
    pub(super) moved: u32,
}

impl Process {
    pub(super) fn busy(&self) -> usize {
        self.active.values().filter(|active| active.busy).count()
    }

    pub(super) fn has_busy(&self) -> bool {
        self.active.values().any(|active| active.busy)
    }

    /// Lowers the priority of a process while it has only busy runs. Only a node that can raise a priority again
    /// (usually root) does so; otherwise the kernel shares the CPU evenly.
    pub(super) fn favour(&mut self) {
        let lower = self.has_busy() && self.active.values().all(|active| active.busy);
        if self.may_favour && lower != self.lowered {
            self.lowered = lower;
            harden::set_priority(self.pid, lower);
        }
    }

    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.link.send(FrameKind::Drain, 0, b"");
    }

    pub(super) fn start(&mut self, entry: RunEntry, network: Option<NetworkPass>) {
        let token = network.as_ref().and_then(|pass| pass.token);
        if let Some(packages) = &entry.job.packages {
            self.load(packages, None);
        }
        self.load(&entry.job.bundle, entry.job.packages.as_ref().map(|packages| packages.hash()));
        if let Some(image) = &entry.image {
            self.load_image(image, entry.guest);
        }
        let job = &entry.job;
        let start = Start {
            guest: entry.guest,
            bundle: *job.bundle.hash().as_bytes(),
            packages: job.packages.as_ref().map(|packages| *packages.hash().as_bytes()),
            image: entry.image.as_ref().map(|image| image.key),
            path: job.path.clone(),
            code: job.code.clone(),
            name: job.name.clone(),
            entry: job.entry.clone(),
            args: job.args.clone(),
            text_args: job.text_args.clone(),
            argv: job.argv.clone(),
            env: job.env.clone(),
            context: job.context.clone(),
            result_kind: job.result_kind,
            limits: job.limits,
            network,
        };
        self.link.send(FrameKind::Start, entry.number, &frame::to_json(&start));
        self.started += 1;
        let streams = std::array::from_fn(|_| StreamCount { credit: frame::OUT_CREDIT, ..Default::default() });
        let files = FilesReceived::default();
        let active = ActiveRun {
            entry,
            busy: false,
            began: Instant::now(),
            cancelled: None,
            held_up: Duration::ZERO,
            streams,
            files,
            token,
            calls: 0,
            parked: None,
        };
        self.active.insert(active.entry.number, active);
    }

    /// Sends a bundle to the process when it does not have it. The least recently used bundles are dropped, except
    /// `beside`, which was loaded for the same run.
    pub(super) fn load(&mut self, bundle: &Bundle, beside: Option<BundleHash>) {
        let hash = bundle.hash();
        if let Some(at) = self.bundles.iter().position(|(known, _)| *known == hash) {
            if let Some(known) = self.bundles.remove(at) {
                self.bundles.push_back(known);
            }
            return;
        }
        self.bundles.push_back((hash, bundle.bytes().len()));
        let mut forget = Vec::new();
        while self.bundles.len() > 1
            && (self.bundles.len() > BUNDLES || self.bundles.iter().map(|(_, size)| size).sum::<usize>() > BUNDLE_BYTES)
        {
            // Dropping a bundle that a run uses is safe: the run holds it.
            let Some(at) = self.bundles.iter().take(self.bundles.len() - 1).position(|(hash, _)| Some(*hash) != beside)
            else {
                break;
            };
            forget.extend(self.bundles.remove(at).map(|(hash, _)| *hash.as_bytes()));
        }
        let load = frame::to_json(&frame::Load { hash: *hash.as_bytes(), forget });
        self.link.send_shared(FrameKind::Load, 0, &load, bundle.descriptor().cloned());
    }
}

impl Process {
    /// Sends an image to the process when it does not have it. The least recently used one is dropped.
    fn load_image(&mut self, image: &PackageImage, guest: GuestNumber) {
        if let Some(at) = self.images.iter().position(|key| *key == image.key) {
            self.images.remove(at);
            self.images.push_back(image.key);
            return;
        }
        self.images.push_back(image.key);
        let forget = self.images.len().checked_sub(IMAGES).map(|more| self.images.drain(..more).collect());
        let load = LoadImage { guest, key: image.key, forget: forget.unwrap_or_default() };
        self.link.send_shared(FrameKind::LoadImage, 0, &frame::to_json(&load), Some(image.file.clone()));
    }
}

impl ActiveRun {
    /// Handles a call. A script waits for each answer: a process that sends more calls, or larger ones, is compromised.
    pub(super) fn call(&mut self, call: Call) -> Result<(), String> {
        let Call { number, verb, request } = call;
        self.calls += 1;
        if self.calls > MAX_CALLS || verb.len() > MAX_VERB || request.len() > MAX_REQUEST {
            return Err("too many calls, or a call that is too large".into());
        }
        self.entry.tell(Event::Call { number, call: HostCall::from_word(verb), request });
        Ok(())
    }

    pub(super) fn output(&mut self, link: &frame::Sender, out: Out<'_>, bytes: Bytes) -> Result<(), String> {
        let limits = &self.entry.job.limits;
        let limit = match out.stream {
            Stream::Stdout => limits.stdout,
            Stream::Stderr => limits.stderr,
        };
        let count = &mut self.streams[out.stream as usize - 1];
        let size = bytes.len() as u64;
        if out.offset != count.received || count.received + size > limit || size > count.credit + LAST_BYTES {
            return Err("output out of order, over its limit or over its credit".into());
        }
        count.received += size;
        count.unread += size;
        count.credit = count.credit.saturating_sub(size);
        count.give_credit(link, self.entry.number, out.stream);
        self.entry.tell(Event::Output { stream: out.stream, bytes });
        Ok(())
    }

    /// Handles a part of a file that the run leaves.
    pub(super) fn file(&mut self, part: &FilePart<'_>) -> Result<(), String> {
        let files = &mut self.files;
        let (path, size, mut content) = match files.open.take() {
            Some(open) if open.0 == part.path && open.1 == part.size => open,
            Some(_) => return Err("a file that was not finished".into()),
            None => {
                let is_next = files.last.as_deref().is_none_or(|last| last < part.path);
                files.count += 1;
                files.bytes = files.bytes.saturating_add(part.size);
                if !is_plain(part.path)
                    || !is_next
                    || files.count > MAX_OUTPUT_FILES
                    || files.bytes > MAX_OUTPUT_FILES_BYTES
                {
                    return Err("too many files, or a file that a run cannot leave".into());
                }
                (part.path.to_owned(), part.size, Vec::new())
            }
        };
        content.extend_from_slice(part.bytes);
        match (content.len() as u64).cmp(&size) {
            Ordering::Greater => return Err("a file that is larger than its size".into()),
            Ordering::Less if part.bytes.is_empty() => return Err("an empty part of a file".into()),
            Ordering::Less => files.open = Some((path, size, content)),
            Ordering::Equal => {
                files.last = Some(path.clone());
                self.entry.tell(Event::File { path, content: content.into() });
            }
        }
        Ok(())
    }

    /// Checks what the process says about the end of a run, and makes the report.
    pub(super) fn report(&self, done: Done, result: &[u8]) -> Result<Report, String> {
        let job = &self.entry.job;
        // A run can crash within a file.
        if self.files.open.is_some() && done.outcome != Outcome::Crashed {
            return Err("a file that was not finished".into());
        }
        for (count, said) in self.streams.iter().zip([done.stdout, done.stderr]) {
            if said.bytes.checked_sub(said.dropped) != Some(count.received) {
                return Err("output is missing at the end of a run".into());
            }
        }
        let usage = Usage {
            fuel: done.usage.fuel.min(job.limits.fuel),
            import_fuel: match &self.entry.image {
                Some(image) if done.usage.import_fuel == 0 => image.prepared.import_fuel,
                _ => done.usage.import_fuel.min(job.limits.fuel.max(IMPORT_FUEL)),
            },
            peak_memory_bytes: done.usage.peak_memory_bytes.min(job.limits.memory),
            refused_memory_bytes: done.usage.refused_memory_bytes,
            wall: done.usage.wall.min(self.began.elapsed()),
        };
        let mut report = Report {
            outcome: done.outcome,
            mode: done.mode,
            result: None,
            result_kind: done.result_kind,
            error: done.error.map(ScriptError::bounded),
            stopped_at: done.stopped_at.filter(SourceLocation::is_plausible),
            notes: bounded_notes(done.notes),
            usage,
            stdout: plausible(done.stdout),
            stderr: plausible(done.stderr),
            network: Vec::new(),
            connections: Vec::new(),
            lost_attempts: self.entry.lost,
        };
        let can_have_one = report.outcome == Outcome::Failed && !result.is_empty();
        if report.outcome == Outcome::Succeeded || can_have_one {
            match check_result(result, job.limits.result) {
                Ok(result) => report.result = Some(result),
                // A failed run says why it failed.
                Err(_) if report.outcome == Outcome::Failed => {}
                Err(message) => {
                    report.outcome = Outcome::Failed;
                    report.error = Some(ScriptError::new("ResultError", message));
                }
            }
        }
        Ok(report)
    }
}

/// Limits numbers that no script can reach, so that they fit where numbers are stored.
fn plausible(said: StreamUsage) -> StreamUsage {
    const MOST: u64 = 1 << 53;
    StreamUsage { bytes: said.bytes.min(MOST), dropped: said.dropped.min(MOST) }
}

/// Returns true for a path that names something below its base directory.
fn is_plain(path: &str) -> bool {
    path.len() <= MAX_WHOLE_PATH
        && !path.contains('\0')
        && path.split('/').all(|name| !name.is_empty() && name.len() <= MAX_NAME && name != "." && name != "..")
}

impl StreamCount {
    /// Gives more credit, as long as the reader keeps up.
    pub(super) fn give_credit(&mut self, link: &frame::Sender, run: RunNumber, stream: Stream) {
        let more = frame::OUT_CREDIT.saturating_sub(self.credit);
        if self.unread < UNREAD && more >= frame::OUT_CREDIT / 2 {
            self.credit += more;
            link.send(FrameKind::Credit, run, &Credit { stream, bytes: more }.encode());
        }
    }
}

impl RunEntry {
    /// Returns true when it can use the network.
    pub(super) fn may_connect(&self) -> bool {
        self.job.network.as_ref().is_some_and(|grant| !grant.policy.allow.is_empty())
    }

    pub(super) fn tell(&self, event: Event) {
        // The receiver of a run that was dropped is gone; the run is being cancelled.
        let _ = self.events.send(event);
    }

    pub(super) fn end(&self, report: Report) {
        self.tell(Event::Done(Box::new(report)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Process {
        /// A process without runs, whose number is the test's own.
        pub(in crate::pool) fn of_test(link: frame::Sender, now: Instant) -> Self {
            Process {
                silence: Silence::watch(&link),
                link,
                kill: Arc::default(),
                pid: std::process::id(),
                up: true,
                draining: false,
                reserved: false,
                may_favour: false,
                lowered: false,
                active: HashMap::new(),
                parked: Default::default(),
                started: 1,
                bundles: VecDeque::new(),
                images: VecDeque::new(),
                since: now,
                heard: now,
                pinged: now,
                idle_since: now,
                culprit: None,
            }
        }
    }

    impl ActiveRun {
        /// A run with this limit of memory: for tests.
        pub(in crate::pool) fn of_test(number: RunNumber, memory: u64, now: Instant) -> Self {
            let bundle = Bundle::of_files(&[("a.py", b"")]).expect("a bundle");
            let mut job = Job::new(bundle, "a.py");
            job.limits.memory = memory;
            let entry = RunEntry {
                number,
                job: Arc::new(job),
                guest: 0,
                script: None,
                image: None,
                events: mpsc::unbounded_channel().0,
                lost: 0,
                moved: 0,
                since: now,
            };
            ActiveRun {
                entry,
                busy: false,
                began: now,
                cancelled: None,
                held_up: Duration::ZERO,
                streams: Default::default(),
                files: FilesReceived::default(),
                token: None,
                calls: 0,
                parked: None,
            }
        }
    }

    #[test]
    fn a_run_has_few_calls_under_way() {
        let (events, mut heard) = mpsc::unbounded_channel();
        let mut active = ActiveRun::of_test(1, 1 << 20, Instant::now());
        active.entry.events = events;
        let call = |size: usize| Call { number: 1, verb: "state".into(), request: "x".repeat(size) };
        for _ in 0..MAX_CALLS {
            assert_eq!(active.call(call(2)), Ok(()));
        }
        assert!(active.call(call(2)).is_err());
        active.calls = 0;
        assert!(active.call(call(MAX_REQUEST + 1)).is_err());
        let told = std::iter::from_fn(|| heard.try_recv().ok()).count();
        assert_eq!(told, MAX_CALLS as usize);
    }
}
