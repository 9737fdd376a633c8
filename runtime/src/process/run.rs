//! One run in a sandbox process, from its start to its end.

use super::serve::{Loaded, RunHandles, SandboxProcess};
use crate::bundle::Bundle;
use crate::channels::RunNetwork;
use crate::fair_share::run_fairly;
use crate::frame::{self, FilePart, FrameKind, Out, RunNumber, RunUsage, Start};
use crate::guest::RunInput;
use crate::heap;
use crate::outcome::{Outcome, ResultKind, ScriptError, bounded_notes};
use crate::panics::{Panicked, catching};
use crate::sandbox::FinishedSandbox;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After a longer run the heap can have holes worth giving back.
const SMALL_RUN: Duration = Duration::from_millis(100);
/// The time between two looks for such holes: they take longer the more is in the heap, and runs that are parked are.
const TRIM_EVERY: Duration = Duration::from_millis(100);

impl SandboxProcess {
    /// Runs a job. A panic ends only this run.
    pub(super) async fn run(
        self: Rc<Self>,
        run: RunNumber,
        start: Start,
        files: (Arc<Bundle>, Option<Loaded>),
        handles: Rc<RunHandles>,
    ) {
        let mut lived = catching(self.clone().live(run, start, files, handles.clone()));
        let lived = std::future::poll_fn(|context| {
            self.has_thread(run);
            let polled = Pin::new(&mut lived).poll(context);
            self.has_thread(0);
            polled
        });
        if let Err(Panicked(words)) = lived.await
            && self.runs.borrow_mut().remove(&run).is_some()
        {
            self.send_rest(run, &handles);
            let message = format!("a fault of Cronbox's sandbox process ended the run: {words}");
            let mut done = crashed(message);
            (done.stdout, done.stderr) = (handles.stdout.totals(), handles.stderr.totals());
            self.send_end(run, &done, "");
        }
        self.refill.notify_one();
    }

    fn has_thread(&self, run: RunNumber) {
        if let Some(page) = &*self.page.borrow() {
            page.note(run);
        }
    }

    /// Runs a job. Its memory is given back after its end was sent.
    async fn live(
        self: Rc<Self>,
        run: RunNumber,
        start: Start,
        (bundle, packages): (Arc<Bundle>, Option<Loaded>),
        handles: Rc<RunHandles>,
    ) {
        let interpreter = self.interpreter(start.guest);
        // An image that was dropped meanwhile is not needed: the run imports for itself.
        let image = start.image.and_then(|key| self.image(key, start.guest)).unwrap_or(interpreter.base());
        let prepared = self.ready.borrow_mut().take(image);
        let sandbox = match prepared {
            Some(sandbox) => Ok(sandbox),
            None => interpreter.prepare(image).await,
        };
        let (mut done, result, finished) = match sandbox {
            Ok(sandbox) => {
                let input = RunInput {
                    bundle: &bundle,
                    packages: packages.as_ref().map(Loaded::packages),
                    start: &start,
                    stdout: handles.stdout.clone(),
                    stderr: handles.stderr.clone(),
                    node_calls: handles.node_calls.clone(),
                    network: RunNetwork::new(self.egress.clone(), run, start.network.clone()),
                    admission: Some(handles.admission.clone()),
                };
                let running = std::pin::pin!(sandbox.run(input, &handles.cancel));
                let mut running = run_fairly(&self.fair_share, running, |busy| {
                    self.node.send(FrameKind::Usage, run, &frame::to_json(&RunUsage { busy }));
                });
                loop {
                    tokio::select! {
                        biased;
                        ended = &mut running => break (ended.0, ended.1, Some(ended.2)),
                        () = handles.bytes.notified() => self.send_output(run, &handles),
                    }
                }
            }
            Err(error) => (crashed(format!("no sandbox could be made: {error}")), String::new(), None),
        };
        if matches!(done.outcome, Outcome::TimedOut | Outcome::OutOfFuel | Outcome::OutOfMemory | Outcome::Crashed) {
            let memory = finished.as_ref().and_then(FinishedSandbox::memory_of_script);
            let lines = interpreter.description().stop_lines;
            done.stopped_at = match (memory, lines, &self.stop_locator) {
                (Some(memory), Some(lines), Some(locator)) => locator.locate(memory, lines),
                _ => None,
            };
        }
        self.send_rest(run, &handles);
        if let Some(finished) = &finished {
            finished.leave_network();
            if let Some(note) = self.send_files(run, finished).await {
                done.notes = bounded_notes(done.notes.into_iter().chain([note]).collect());
            }
        }
        self.runs.borrow_mut().remove(&run);
        self.send_end(run, &done, &result);
        // The end has just woken the node's thread. The kernel can have put it on this core, expecting this process to
        // sleep; without a yield it would wait while the sandbox is taken down.
        std::thread::yield_now();
        self.empty.notify_one();
        // A run that came meanwhile starts before the memory of this one is given back.
        tokio::task::yield_now().await;
        drop(finished);
        if done.usage.wall > SMALL_RUN {
            self.trim();
        }
    }

    /// Gives free pages of the heap back to the kernel, unless that was done just now and other runs follow.
    fn trim(&self) {
        let is_recent = self.trimmed.get().is_some_and(|last| last.elapsed() < TRIM_EVERY);
        if !is_recent || self.runs.borrow().is_empty() {
            heap::trim();
            self.trimmed.set(Some(Instant::now()));
        }
    }

    /// Sends all remaining output. At most the two buffers are beyond the credit, which the node accepts at the end.
    fn send_rest(&self, run: RunNumber, handles: &RunHandles) {
        handles.stdout.add_credit(u64::MAX);
        handles.stderr.add_credit(u64::MAX);
        self.send_output(run, handles);
    }

    fn send_end(&self, run: RunNumber, done: &frame::Done, result: &str) {
        // It has only string keys and finite numbers, so this never fails; otherwise the frame would be malformed.
        self.node.send(FrameKind::Done, run, &done.encode(result).unwrap_or_default());
    }

    fn send_output(&self, run: RunNumber, handles: &RunHandles) {
        for output in [&handles.stdout, &handles.stderr] {
            loop {
                let bytes = output.take(frame::MAX_PAYLOAD - Out::HEAD);
                if bytes.is_empty() {
                    break;
                }
                let offset = output.sent() - bytes.len() as u64;
                let out = Out { stream: output.which(), offset, bytes: &bytes };
                self.node.send(FrameKind::Out, run, &out.encode());
            }
        }
    }

    /// Sends the files under `/output` in parts: at most one part waits in this process. Returns a note about the links
    /// that were not kept.
    async fn send_files(&self, run: RunNumber, finished: &FinishedSandbox) -> Option<String> {
        let kept = finished.kept();
        for (path, file) in kept.files {
            let size = file.size();
            let mut sent = 0;
            loop {
                let bytes = file.read(sent, FilePart::MAX_BYTES);
                sent += bytes.len() as u64;
                self.node.send(FrameKind::File, run, &FilePart { path: &path, size, bytes: &bytes }.encode());
                self.node.drained().await;
                if sent >= size {
                    break;
                }
            }
        }
        let first = kept.links_left_out.first()?;
        let count = kept.links_left_out.len();
        let (links, were) = if count == 1 { ("link", "was") } else { ("links", "were") };
        Some(format!(
            "{count} symbolic {links} under /output {were} not kept, the first is {first:?}: a link to a file is kept as \
             a copy of the file, while all files together are at most 16 MiB; a link to a directory, or to nothing, or \
             through very long paths, is not kept"
        ))
    }
}

/// Returns the end of a run about which nothing else is known.
pub(crate) fn crashed(message: String) -> frame::Done {
    frame::Done {
        outcome: Outcome::Crashed,
        mode: None,
        result_kind: ResultKind::None,
        error: Some(ScriptError::new("Crashed", message)),
        stopped_at: None,
        notes: Vec::new(),
        usage: Default::default(),
        stdout: Default::default(),
        stderr: Default::default(),
    }
}
