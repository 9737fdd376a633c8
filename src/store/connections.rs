//! Connections to PostgreSQL that many use in turn.
//!
//! sqlx has a pool of its own; it pings every connection when it comes back, in a task of its own, which cost as much as
//! the question that was asked (measured: a fifth of the node's time for a run). This one gives a connection that worked
//! to the next who asks, and throws away one that did not, or whose user went away in the middle of a transaction.

use super::{PATIENCE, StoreError};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Connections to one database.
#[derive(Debug)]
pub(super) struct Connections {
    options: AnyConnectOptions,
    idle: Mutex<Vec<AnyConnection>>,
    seats: Arc<Semaphore>,
}

/// A connection while somebody has it.
pub(super) struct Borrowed<'c> {
    from: &'c Connections,
    connection: Option<AnyConnection>,
    _seat: OwnedSemaphorePermit,
}

/// One of a bounded number of connections; waits while all are busy, for a while.
pub(super) async fn seat(seats: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
    let away = |why: &str| StoreError::Unavailable(why.to_owned());
    match timeout(PATIENCE, seats.clone().acquire_owned()).await {
        Ok(Ok(seat)) => Ok(seat),
        Ok(Err(_)) => Err(away("it was closed")),
        Err(_) => Err(away("all connections are busy")),
    }
}

/// A new connection, or the word that the database does not answer.
pub(super) async fn connect(options: &AnyConnectOptions) -> Result<AnyConnection, StoreError> {
    match timeout(PATIENCE, AnyConnection::connect_with(options)).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(StoreError::Unavailable("it does not answer".into())),
    }
}

impl Connections {
    pub(super) fn new(options: AnyConnectOptions, most: usize) -> Self {
        Connections { options, idle: Mutex::default(), seats: Arc::new(Semaphore::new(most)) }
    }

    /// A connection; the others wait while all are out.
    pub(super) async fn take(&self) -> Result<Borrowed<'_>, StoreError> {
        let seat = seat(&self.seats).await?;
        let idle = self.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.options).await?,
        };
        Ok(Borrowed { from: self, connection: Some(connection), _seat: seat })
    }

    /// Throws away those that nobody has: they were to a server that is gone.
    pub(super) fn forget_idle(&self) {
        self.lock().clear();
    }

    /// No more are given out.
    pub(super) async fn close(&self) {
        self.seats.close();
        let idle = std::mem::take(&mut *self.lock());
        for connection in idle {
            // One that will not close has nothing left to say.
            let _ = connection.close().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<AnyConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Borrowed<'_> {
    /// It worked, and nothing is left open on it: the next may have it. Not called, it is thrown away.
    pub(super) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.from.lock().push(connection);
        }
    }
}

impl Deref for Borrowed<'_> {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        // Taken only by what consumes this.
        self.connection.as_ref().unwrap_or_else(|| unreachable!("a connection that was given back"))
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        self.connection.as_mut().unwrap_or_else(|| unreachable!("a connection that was given back"))
    }
}

/// A transaction on a connection that is alive: those that died with the server are thrown away.
pub(super) async fn begin(connections: &Connections) -> Result<Borrowed<'_>, StoreError> {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let mut connection = connections.take().await?;
        match sqlx::raw_sql("BEGIN").execute(&mut *connection).await.map_err(StoreError::from) {
            Ok(_) => return Ok(connection),
            Err(StoreError::Unavailable(_)) if std::time::Instant::now() < until => {
                drop(connection);
                connections.forget_idle();
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
    }
}
