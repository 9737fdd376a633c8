//! The schema of a database, before a server is started on it.

use super::config::StorageConfig;
use super::places::DataDir;
use super::{ServeError, failed};
use crate::store::{DatabaseUrl, PendingStep, Store};

/// The steps that the database of this configuration does not have yet. Changes nothing.
///
/// # Errors
/// There is no database, it does not answer, or a newer version of this program has used it.
pub async fn pending(config: &StorageConfig) -> Result<Vec<PendingStep>, ServeError> {
    let place = existing(config)?;
    Store::pending(&place).await.map_err(failed)
}

/// Applies the steps that are missing; which these were.
///
/// # Errors
/// Those of [`pending`], or a server uses the database of this data directory.
pub async fn apply(config: &StorageConfig) -> Result<Vec<PendingStep>, ServeError> {
    let place = existing(config)?;
    // A database in a file has one user: a server would go on with what it knows.
    let _directory = match &place {
        DatabaseUrl::Sqlite(_) => Some(DataDir::open(&config.data_dir)?),
        _ => None,
    };
    let steps = Store::pending(&place).await.map_err(failed)?;
    Store::open(&place).await.map_err(failed)?.close().await;
    Ok(steps)
}

/// The database of this configuration, if it is there.
fn existing(config: &StorageConfig) -> Result<DatabaseUrl, ServeError> {
    let place = config.database()?;
    if let DatabaseUrl::Sqlite(path) = &place
        && !path.exists()
    {
        let path = path.display();
        return Err(failed(format_args!(
            "there is no database {path}: a server makes it when it starts for the first time"
        )));
    }
    Ok(place)
}
