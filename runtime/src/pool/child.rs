//! Child processes: starting them, and handling their frames until they end.

use crate::frame::{self, FrameKind, GuestSetup, Incoming};
use crate::interpreter::CompiledInterpreter;
use crate::process::ProcessArgs;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child as TokioChild, ChildStderr, Command};
use tokio::sync::Notify;

/// Private memory of a process beyond the memory of its runs: the program, its tables, sandboxes. The kernel counts mapped
/// memory, not used memory: each sandbox counts with the image and its stack, some 46 MiB. Runs whose memory is away count
/// with what they take in the heap.
const DATA_BESIDE_RUNS: u64 = 8 << 30;
/// Most bytes of a process's standard error that are logged.
const MAX_LOG: u64 = 64 << 10;

/// Starts processes from one thread that lives as long as the pool. The kernel ends a child when the *thread* that
/// started it ends (`PR_SET_PDEATHSIG`), and the threads of an async runtime start and end at any time.
pub(super) struct Children {
    requests: Mutex<std_mpsc::Sender<Request>>,
    guests: Vec<Arc<CompiledInterpreter>>,
}

struct Request {
    command: Command,
    answer: std_mpsc::SyncSender<io::Result<TokioChild>>,
}

/// A process that was started.
pub(super) struct Child {
    pub(super) link: frame::Sender,
    pub(super) pid: u32,
    receiver: frame::Receiver,
    process: TokioChild,
}

/// The end of a process.
#[derive(Debug)]
pub(super) struct Death {
    /// True after SIGKILL, but not for a violation of the protocol.
    pub(super) killed: bool,
    why: String,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Children {
    pub(super) fn new(guests: Vec<Arc<CompiledInterpreter>>) -> io::Result<Self> {
        Ok(Children { requests: Mutex::new(parent()?), guests })
    }

    /// Returns the guests.
    pub(super) fn guests(&self) -> &[Arc<CompiledInterpreter>] {
        &self.guests
    }

    /// Has the thread start a process. One that is gone is replaced, and its processes with it.
    fn request(&self, command: Command) -> io::Result<TokioChild> {
        let (answer, answered) = std_mpsc::sync_channel(1);
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(std_mpsc::SendError(request)) = requests.send(Request { command, answer }) {
            *requests = parent()?;
            requests.send(request).map_err(|_| io::Error::other("the thread that starts processes is gone"))?;
        }
        drop(requests);
        answered.recv().map_err(|_| io::Error::other("the thread that starts processes has ended"))?
    }

    /// Starts `command` as a sandbox process with these guests, and with its link as standard input.
    pub(super) fn spawn(
        &self,
        command: &[OsString],
        memory_budget: u64,
        ready: usize,
        guests: &[Arc<CompiledInterpreter>],
    ) -> io::Result<Child> {
        let args = ProcessArgs {
            parent: std::process::id(),
            data: memory_budget.saturating_add(DATA_BESIDE_RUNS),
            ready,
            faults: Vec::new(),
        };
        let files = guests.iter().map(|guest| Ok((guest.image()?, guest.file().try_clone()?)));
        let files = files.collect::<io::Result<Vec<_>>>()?;
        let child = self.spawn_with(command, &args.to_words())?;
        for (at, (guest, (image, code))) in guests.iter().zip(files).enumerate() {
            let (description, hot) = (guest.description().clone(), guest.hot());
            let setup = GuestSetup { description, hot, is_last: at + 1 == guests.len() };
            child.link.send_with(FrameKind::Image, 0, &frame::to_json(&setup), Some(image));
            child.link.send_with(FrameKind::Code, 0, b"", Some(code.into()));
        }
        Ok(child)
    }

    /// Notes the pages of a guest's image that most runs write, for the next processes.
    pub(super) fn note_hot(&self, guest: usize, pages: Vec<u32>) {
        if let Some(guest) = self.guests.get(guest) {
            guest.note_hot(pages);
        }
    }

    /// Starts `command` as an egress process, with its link as standard input.
    pub(super) fn spawn_egress(&self, command: &[OsString]) -> io::Result<Child> {
        self.spawn_with(command, &[std::process::id().to_string()])
    }

    fn spawn_with(&self, command: &[OsString], args: &[String]) -> io::Result<Child> {
        let [program, words @ ..] = command else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no command"));
        };
        let (ours, theirs) = frame::pair()?;
        let mut command = Command::new(program);
        command
            .args(words)
            .args(args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A terminal sends Ctrl-C to all processes of its group; only the node is to handle it.
            .process_group(0)
            .kill_on_drop(true);
        let process = self.request(command)?;
        let pid = process.id().unwrap_or_default();
        let (link, receiver) = frame::connect(ours, false)?;
        Ok(Child { link, pid, receiver, process })
    }
}

/// Starts the thread that starts processes and is their parent.
fn parent() -> io::Result<std_mpsc::Sender<Request>> {
    let (requests, queue) = std_mpsc::channel::<Request>();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name("sandbox-parent".into()).spawn(move || {
        let _runtime = runtime.enter();
        for mut request in queue {
            // The end of this thread would end every process that it has started.
            let started = catch_unwind(AssertUnwindSafe(|| request.command.spawn()));
            // The receiver is gone only after a panic.
            let _ = request.answer.send(started.unwrap_or_else(|_| Err(io::Error::other("starting it panicked"))));
        }
    })?;
    Ok(requests)
}

impl Child {
    /// Gives every frame to `take`, until the process ends, `take` refuses a frame, or `kill` is notified. Then ends
    /// the process.
    pub(super) async fn live(mut self, kill: Arc<Notify>, take: impl Fn(Incoming) -> Result<(), String>) -> Death {
        let log = self.process.stderr.take().map(|stderr| tokio::spawn(log(stderr, self.pid)));
        let link = self.link.clone();
        let flushing = tokio::spawn(async move { link.flush().await });
        let mut orderly = false;
        let violation = loop {
            tokio::select! {
                incoming = self.receiver.next() => match incoming {
                    Ok(Some(incoming)) => {
                        if let Err(why) = take(incoming) {
                            break Some(why);
                        }
                    }
                    Ok(None) => {
                        orderly = true;
                        break None;
                    }
                    // A killed process can leave half a frame; its exit status says more.
                    Err(frame::LinkError::Socket(_) | frame::LinkError::Cut) => break None,
                    Err(error) => break Some(error.to_string()),
                },
                () = kill.notified() => break None,
            }
        };
        flushing.abort();
        let status = self.end(orderly).await;
        let said = match log {
            Some(log) => log.await.unwrap_or_default(),
            None => String::new(),
        };
        Death::new(violation, status, &said)
    }

    /// Waits for the status of a process that has closed its link, or kills it first.
    async fn end(&mut self, orderly: bool) -> io::Result<ExitStatus> {
        if orderly {
            let patience = std::time::Duration::from_millis(500);
            if let Ok(status) = tokio::time::timeout(patience, self.process.wait()).await {
                return status;
            }
        }
        self.process.start_kill()?;
        self.process.wait().await
    }
}

impl Death {
    /// Returns the end of a process whose frame made the pool panic.
    pub(super) fn of_panic() -> Self {
        Death { killed: false, why: "what it sent made the node panic".into() }
    }

    fn new(violation: Option<String>, status: io::Result<ExitStatus>, said: &str) -> Self {
        if let Some(violation) = violation {
            return Death { killed: false, why: format!("it broke the protocol ({violation})") };
        }
        let (killed, mut why) = match status {
            Err(error) => (false, error.to_string()),
            Ok(status) => match status.signal() {
                Some(libc::SIGKILL) => (true, "killed".into()),
                Some(libc::SIGSYS) => (false, "it made a forbidden system call".into()),
                Some(signal) => (false, format!("signal {signal}")),
                None => (false, status.to_string()),
            },
        };
        if !said.is_empty() {
            why = format!("{why}: {said}");
        }
        Death { killed, why }
    }
}

/// Logs a process's standard error, which has only the reason why it ends. Returns the last line.
async fn log(stderr: ChildStderr, pid: u32) -> String {
    let mut lines = BufReader::new(stderr.take(MAX_LOG)).split(b'\n');
    let mut last = String::new();
    while let Ok(Some(line)) = lines.next_segment().await {
        last = String::from_utf8_lossy(&line).trim().chars().filter(|c| !c.is_control()).take(500).collect();
        tracing::warn!(process.pid = pid, "{last}");
    }
    last
}
