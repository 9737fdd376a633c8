//! The connections that read from a file of SQLite's.

use super::connections::seat;
use super::tx::Tx;
use super::{PATIENCE, READ_ONLY, StoreError, sqlite};
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Connections that only read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    seats: Arc<Semaphore>,
    most: u32,
}

impl Readers {
    pub(super) fn new(path: PathBuf, most: u32) -> Self {
        Readers { path, idle: Arc::default(), seats: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks something, on a thread that may wait for the disk. The others wait while all connections are busy.
    pub(super) async fn read<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        let seat = seat(&self.seats).await?;
        let idle = lock(&self.idle).pop();
        let (path, all) = (self.path.clone(), self.idle.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let mut connection = match idle {
                Some(connection) => connection,
                None => {
                    let connection = sqlite::open(&path)?;
                    sqlite::batch(&connection, READ_ONLY)?;
                    connection
                }
            };
            let answer = sqlite::at_once(question(&mut Tx::on_sqlite(&mut connection))).flatten();
            // After an error that is not about what was asked, a new connection is the better one.
            if matches!(answer, Ok(_) | Err(StoreError::Conflict | StoreError::BadText)) {
                lock(&all).push(connection);
            }
            drop(seat);
            answer
        });
        match asked.await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                // It is the caller's, as it would be on its own thread.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(StoreError::Unavailable(format!("the question was not asked: {error}"))),
            },
        }
    }

    /// Waits until what was asked is answered, for a while, and closes all.
    pub(super) async fn close(&self) {
        // Whoever asks has a seat.
        let _ = timeout(PATIENCE, self.seats.acquire_many(self.most)).await;
        self.seats.close();
        for connection in std::mem::take(&mut *lock(&self.idle)) {
            // One that will not close has nothing left to say.
            let _ = connection.close();
        }
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
