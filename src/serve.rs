//! The node: all rooms put together, started in order and ended in order.

use crate::http::Listener;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

mod announce;
mod audit_file;
mod bound;
pub mod config;
mod delivering;
pub mod examine;
mod node;
mod places;
mod secrets;
mod setup;
pub mod upgrade;

use bound::listen;
pub use config::{BadSetting, Config};
use node::{Front, Node};
pub use places::DataDir;
use places::Places;
use setup::Setup;

/// Why a node did not start, or ended: a sentence.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A setting has a value that cannot be used.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// Something that the node needs is missing or failed.
    #[error("{0}")]
    Failed(String),
}

fn failed(what: impl std::fmt::Display) -> ServeError {
    ServeError::Failed(what.to_string())
}

/// What is told when the node is up, line by line.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// Ends a node.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Nothing new begins; what runs may go on for as long as the configuration says.
    pub stop: CancellationToken,
    /// Nothing is waited for any more.
    pub at_once: CancellationToken,
}

/// Runs a node until `shutdown` says that it ends, and everything has ended in order. It answers at `listener`; without
/// one, it listens where the configuration says.
pub async fn run(config: Config, listener: Option<Listener>, say: Say, shutdown: Shutdown) -> Result<(), ServeError> {
    let setup = Setup::of(&config)?;
    let places = Places::open(&config, &setup)?;
    let listeners = match listener {
        Some(listener) => vec![listener],
        None => listen(&config, &setup).await?,
    };
    let front = Front::open(listeners, &config.listening);
    let Some(node) = Node::open(config, setup, places, front, &say, shutdown).await? else { return Ok(()) };
    node.start(&say).await?;
    node.work().await;
    node.end().await;
    Ok(())
}
