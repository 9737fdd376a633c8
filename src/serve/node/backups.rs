//! The backups that a node makes itself.

use super::{Node, again};
use crate::backup::{Source, Turns};

impl Node {
    /// Starts the backups that the server makes itself.
    pub(super) fn start_backups(&self) {
        let Some((every, place)) = self.setup.backup.clone() else { return };
        let turns = Turns {
            source: Source { store: self.store.clone(), blobs: self.blobs.clone(), clock: self.clock.clone() },
            place,
            access: self.config.s3.clone(),
            every,
            keep: self.config.backup.backup_keep as usize,
            node: self.id.clone(),
            metrics: self.front.metrics.clone(),
        };
        let room = (turns, self.shutdown.stop.clone());
        self.keep_going("backup", again(room, |room| async move { room.0.run(room.1.clone()).await }));
    }
}
