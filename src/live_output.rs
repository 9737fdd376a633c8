//! What the runs of this node have written so far, for those who follow them; the worker writes, anybody reads.

use cronbox_runtime::Stream;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The runs of this node that are under way.
#[derive(Debug, Default)]
pub struct Live {
    runs: Mutex<HashMap<String, Arc<LiveRun>>>,
    /// Changes with every run that begins.
    begun: watch::Sender<u64>,
}

/// One of them.
#[derive(Debug)]
pub struct LiveRun {
    /// The number of the attempt, from 1 on.
    attempt: u32,
    written: Mutex<Streams>,
    /// Changes with everything that is written; closed when the run has been recorded.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Streams {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Streams {
    fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

impl Live {
    /// A run begins. Whoever holds what this returns writes; when it is dropped the run is over for readers.
    pub fn begin(self: &Arc<Self>, id: &str, attempt: u32) -> Writing {
        let run = Arc::new(LiveRun { attempt, written: Mutex::default(), changed: watch::channel(0).0 });
        self.lock().insert(id.to_owned(), run.clone());
        self.begun.send_modify(|count| *count += 1);
        Writing { live: self.clone(), id: id.to_owned(), run }
    }

    /// A run that is under way here.
    pub fn find(&self, id: &str) -> Option<Arc<LiveRun>> {
        self.lock().get(id).cloned()
    }

    /// Tells of runs that begin.
    pub fn begun(&self) -> watch::Receiver<u64> {
        self.begun.subscribe()
    }

    /// How many are under way.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<LiveRun>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveRun {
    /// The number of the attempt, from 1 on.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What was written to a stream from an offset on.
    pub fn from(&self, stream: Stream, offset: u64) -> Vec<u8> {
        let mut written = self.lock();
        let bytes = written.of(stream);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        bytes[from..].to_vec()
    }

    /// At most so many bytes of what was written to a stream from an offset on.
    pub fn piece(&self, stream: Stream, offset: u64, most: usize) -> Vec<u8> {
        let mut written = self.lock();
        let bytes = written.of(stream);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        bytes[from..bytes.len().min(from.saturating_add(most))].to_vec()
    }

    /// How much was written to a stream.
    pub fn length(&self, stream: Stream) -> u64 {
        self.lock().of(stream).len() as u64
    }

    /// How much was written to both streams.
    pub fn lengths(&self) -> (u64, u64) {
        let written = self.lock();
        (written.stdout.len() as u64, written.stderr.len() as u64)
    }

    /// Tells of changes; an error says that the run is over.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to write for a run.
#[derive(Debug)]
pub struct Writing {
    live: Arc<Live>,
    id: String,
    run: Arc<LiveRun>,
}

impl Writing {
    /// The script wrote.
    pub fn write(&self, stream: Stream, bytes: &[u8]) {
        self.run.lock().of(stream).extend_from_slice(bytes);
        self.run.changed.send_modify(|changes| *changes += 1);
    }

    /// The run starts again: what it wrote is void.
    pub fn restart(&self) {
        *self.run.lock() = Streams::default();
        self.run.changed.send_modify(|changes| *changes += 1);
    }

    /// What was written from an offset on.
    pub fn from(&self, stream: Stream, offset: u64) -> Vec<u8> {
        self.run.from(stream, offset)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut runs = self.live.lock();
        // Another attempt may have begun meanwhile.
        if runs.get(&self.id).is_some_and(|run| Arc::ptr_eq(run, &self.run)) {
            runs.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readers_see_what_is_written_and_the_end() {
        let live = Arc::new(Live::default());
        let writing = live.begin("r", 1);
        let run = live.find("r").expect("under way");
        let mut changes = run.changes();
        writing.write(Stream::Stdout, b"one");
        changes.changed().await.expect("a change");
        assert_eq!(run.from(Stream::Stdout, 1), b"ne");
        assert_eq!(run.from(Stream::Stdout, 99), b"");
        assert_eq!((run.piece(Stream::Stdout, 1, 1), run.piece(Stream::Stdout, 9, 1)), (b"n".to_vec(), Vec::new()));
        assert_eq!((run.length(Stream::Stdout), run.length(Stream::Stderr)), (3, 0));
        writing.restart();
        assert_eq!(run.lengths(), (0, 0));
        drop(run);
        drop(writing);
        changes.borrow_and_update();
        assert!(changes.changed().await.is_err(), "the end");
        assert_eq!(live.count(), 0);
    }
}
