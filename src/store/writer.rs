//! The one writer of SQLite: whoever has a change queues it, and all that wait are committed together.
//!
//! A commit waits for the disk, much longer than any statement; so a commit for one change costs as much as one for a
//! hundred. A change that fails takes no other with it: all are taken back, and the others made again. That is rare, and
//! cheaper than a savepoint around each.
//!
//! The kernel starts the writer as soon as one change is there, before those who would queue the next ones have had a turn: with
//! sixteen callers on two cores there were fewer than two changes in a commit. So where several callers are at work the writer
//! gives its turn on the processor to whoever waits for it, until that brings no more changes. Where nothing else can run that
//! takes no time, and a caller who is alone never waits for it.

use super::StoreError;
use super::known_scripts::KnownScripts;
use super::sqlite;
use super::tx::Tx;
use crate::panics;
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};

/// Most changes in one commit.
const TOGETHER: usize = 256;
/// How long a commit waits at most for those who can run, where these go on bringing changes.
const LONGEST_GATHERING: Duration = Duration::from_millis(2);
/// Most changes that wait; further callers wait for room.
const WAITING: usize = 4_096;

type Change = Box<dyn for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<(), StoreError>> + Send + Sync>;

struct Entry {
    change: Change,
    done: oneshot::Sender<Result<(), StoreError>>,
}

enum Message {
    Change(Entry),
    Close(oneshot::Sender<()>),
}

/// Queues changes for the one connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

impl Writer {
    /// Starts the writer's thread, which ends when nobody can ask it any more. `told` is woken by what is to be told.
    pub(super) fn start(
        connection: Connection,
        scripts: Arc<KnownScripts>,
        told: Arc<Notify>,
    ) -> Result<Self, StoreError> {
        scripts.watch(&connection)?;
        let (queue, waiting) = mpsc::channel(WAITING);
        let writing = move || write_all(Seat { connection, scripts, told }, waiting);
        let started = std::thread::Builder::new().name("sqlite-writer".into()).spawn(writing);
        started.map_err(|error| StoreError::Unavailable(format!("no thread can be started: {error}")))?;
        Ok(Writer { queue })
    }

    /// Carries out a change; it is on disk when this returns. The change is made even when the caller goes away.
    pub(super) async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let value = Arc::new(Mutex::new(None));
        let slot = value.clone();
        let change = Arc::new(change);
        let change: Change = Box::new(move |tx| {
            let (change, slot) = (change.clone(), slot.clone());
            Box::pin(async move {
                let value = change(tx).await?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(())
            })
        });
        let closed = || StoreError::Unavailable("it was closed".into());
        let (done, outcome) = oneshot::channel();
        self.queue.send(Message::Change(Entry { change, done })).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())??;
        value.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(closed)
    }

    /// Waits until everything queued so far is on disk, and closes the file.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// What the writer's thread has.
struct Seat {
    connection: Connection,
    /// Is told when a transaction has ended.
    scripts: Arc<KnownScripts>,
    /// Is woken by a commit with something to be told.
    told: Arc<Notify>,
}

fn write_all(mut seat: Seat, mut waiting: mpsc::Receiver<Message>) {
    loop {
        let writing = panics::caught_in("writer", async { write_on(&mut seat, &mut waiting) });
        match sqlite::at_once(writing) {
            Ok(Ok(Some(closed))) => return close(seat.connection, closed),
            Ok(Ok(None)) => return,
            // Whoever waited for what was not committed is told that it failed.
            _ => roll_back(&seat.connection),
        }
        seat.scripts.ended();
    }
}

/// Writes until somebody wishes to close, or until nothing can come any more.
fn write_on(seat: &mut Seat, waiting: &mut mpsc::Receiver<Message>) -> Option<oneshot::Sender<()>> {
    // How many changes were in the commit before.
    let mut before = 0;
    loop {
        match waiting.blocking_recv()? {
            Message::Close(closed) => return Some(closed),
            Message::Change(entry) => {
                let written = write_together(seat, entry, waiting, before);
                if let Some(closed) = written.closing {
                    return Some(closed);
                }
                before = written.together;
            }
        }
    }
}

/// What came of a commit.
struct Written {
    /// How many changes were in it.
    together: usize,
    /// A wish to close that came among them.
    closing: Option<oneshot::Sender<()>>,
}

/// What comes next: at once, or when those who can run have had a turn. Nothing where a caller is alone.
fn another(waiting: &mut mpsc::Receiver<Message>, others: bool, until: &mut Option<Instant>) -> Option<Message> {
    if let Ok(message) = waiting.try_recv() {
        return Some(message);
    }
    if !others || Instant::now() >= *until.get_or_insert_with(|| Instant::now() + LONGEST_GATHERING) {
        return None;
    }
    std::thread::yield_now();
    waiting.try_recv().ok()
}

fn close(connection: Connection, closed: oneshot::Sender<()>) {
    // A file that cannot be closed properly is as safe as after a crash.
    let _ = connection.close();
    let _ = closed.send(());
}

fn roll_back(connection: &Connection) {
    // Where nothing is open there is nothing to take back.
    let _ = sqlite::batch(connection, "ROLLBACK");
}

/// Commits a change and all that queue behind it; there were so many in the commit `before`.
fn write_together(seat: &mut Seat, first: Entry, waiting: &mut mpsc::Receiver<Message>, before: usize) -> Written {
    let Seat { connection, scripts, told } = seat;
    let mut is_told = false;
    let mut made: Vec<Entry> = Vec::new();
    let mut again: VecDeque<Entry> = VecDeque::new();
    let mut closing = None;
    let mut next = Some(first);
    let mut open = false;
    let mut until = None;
    while let Some(entry) = next.take().or_else(|| again.pop_front()) {
        if !open {
            if let Err(error) = sqlite::batch(connection, "BEGIN IMMEDIATE") {
                let _ = entry.done.send(Err(error));
                continue;
            }
            open = true;
        }
        match carry_out(connection, &entry.change) {
            Ok(tells) => {
                is_told |= tells;
                made.push(entry);
            }
            Err(error) => {
                roll_back(connection);
                (open, is_told) = (false, false);
                let _ = entry.done.send(Err(error));
                again.extend(made.drain(..));
            }
        }
        if closing.is_none() && again.is_empty() && made.len() < TOGETHER {
            match another(waiting, made.len().max(before) > 1, &mut until) {
                Some(Message::Change(entry)) => next = Some(entry),
                Some(Message::Close(closed)) => closing = Some(closed),
                None => {}
            }
        }
    }
    let together = made.len();
    if !open {
        return Written { together, closing };
    }
    let committed = sqlite::batch(connection, "COMMIT");
    if committed.is_err() {
        roll_back(connection);
    } else if is_told {
        told.notify_one();
    }
    scripts.ended();
    for entry in made {
        let outcome = match &committed {
            Ok(()) => Ok(()),
            Err(StoreError::Full) => Err(StoreError::Full),
            Err(other) => Err(StoreError::Unavailable(other.to_string())),
        };
        let _ = entry.done.send(outcome);
    }
    Written { together, closing }
}

/// Makes one change; whether it is to be told. One that panics is one that failed: the connection, which is everybody's, goes on.
fn carry_out(connection: &mut Connection, change: &Change) -> Result<bool, StoreError> {
    let mut tx = Tx::on_sqlite(connection);
    let made = sqlite::at_once(panics::caught_in("change", async { change(&mut tx).await }))?;
    let made =
        made.unwrap_or_else(|_| Err(StoreError::Corrupt("a mistake in this program: the change panicked".into())));
    made.map(|()| tx.is_told)
}
