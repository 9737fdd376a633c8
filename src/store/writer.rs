//! The one writer of SQLite: whoever has a change queues it, and all that wait are committed together.
//!
//! A commit waits for the disk, much longer than any statement; so a commit for one change costs as much as one for a
//! hundred. Each change stands in a savepoint of its own: one that fails takes no other with it.

use super::StoreError;
use super::tx::{Dialect, Tx};
use futures_util::future::BoxFuture;
use sqlx::{AnyConnection, Connection};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Most changes in one commit.
const TOGETHER: usize = 256;
/// Most changes that wait; further callers wait for room.
const WAITING: usize = 4_096;

type Change = Box<dyn for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<(), StoreError>> + Send>;

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
    pub(super) fn start(connection: AnyConnection) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write_all(connection, waiting));
        Writer { queue }
    }

    /// Carries out a change; it is on disk when this returns. The change is made even when the caller goes away.
    pub(super) async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let value = Arc::new(Mutex::new(None));
        let slot = value.clone();
        let change: Change = Box::new(move |tx| {
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

async fn write_all(mut connection: AnyConnection, mut waiting: mpsc::Receiver<Message>) {
    while let Some(message) = waiting.recv().await {
        match message {
            Message::Change(entry) => {
                if let Some(closed) = write_together(&mut connection, entry, &mut waiting).await {
                    return close(connection, closed).await;
                }
            }
            Message::Close(closed) => return close(connection, closed).await,
        }
    }
}

async fn close(connection: AnyConnection, closed: oneshot::Sender<()>) {
    // A file that cannot be closed properly is as safe as after a crash.
    let _ = connection.close().await;
    let _ = closed.send(());
}

/// Commits a change and all that queue behind it. Brings a wish to close that came among them.
async fn write_together(
    connection: &mut AnyConnection,
    first: Entry,
    waiting: &mut mpsc::Receiver<Message>,
) -> Option<oneshot::Sender<()>> {
    let mut made: Vec<oneshot::Sender<Result<(), StoreError>>> = Vec::new();
    let mut closing = None;
    let mut next = Some(first);
    let mut open = false;
    while let Some(Entry { change, done }) = next.take() {
        let changed = async {
            if !open {
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
                open = true;
            }
            // The first change needs no savepoint: when it fails there is nothing else to keep.
            let alone = made.is_empty();
            if !alone {
                sqlx::raw_sql("SAVEPOINT change").execute(&mut *connection).await?;
            }
            let changed = change(&mut Tx::new(connection, Dialect::Sqlite)).await;
            let end = match (&changed, alone) {
                (Ok(()), true) => return changed,
                (Ok(()), false) => "RELEASE change",
                (Err(_), true) => {
                    open = false;
                    "ROLLBACK"
                }
                (Err(_), false) => "ROLLBACK TO change; RELEASE change",
            };
            let ended = sqlx::raw_sql(end).execute(&mut *connection).await;
            changed.and(ended.map(|_| ()).map_err(StoreError::from))
        }
        .await;
        match changed {
            Ok(()) => made.push(done),
            Err(error) => {
                let _ = done.send(Err(error));
            }
        }
        if made.len() < TOGETHER {
            match waiting.try_recv() {
                Ok(Message::Change(entry)) => next = Some(entry),
                Ok(Message::Close(closed)) => closing = Some(closed),
                Err(_) => {}
            }
        }
    }
    if open {
        let committed = sqlx::raw_sql("COMMIT").execute(&mut *connection).await;
        if let Err(error) = committed {
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
            let error = StoreError::from(error);
            for done in made {
                let again = match &error {
                    StoreError::Full => StoreError::Full,
                    other => StoreError::Unavailable(other.to_string()),
                };
                let _ = done.send(Err(again));
            }
            return closing;
        }
    }
    for done in made {
        let _ = done.send(Ok(()));
    }
    closing
}
