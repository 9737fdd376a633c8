//! Whether there is room to write: what the database or the blobs found the last time that something was to be kept.

use tokio::sync::watch;

/// What the last write found.
#[derive(Debug)]
pub struct Fullness(watch::Sender<bool>);

impl Default for Fullness {
    fn default() -> Self {
        Fullness(watch::Sender::new(false))
    }
}

impl Fullness {
    /// Says what a write found: whether the disk was full.
    pub fn note(&self, is_full: bool) {
        self.0.send_if_modified(|known| std::mem::replace(known, is_full) != is_full);
    }

    /// Whether the last write found no room.
    pub fn is_full(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends as soon as a write finds no room; at once when the last one did.
    pub async fn full(&self) {
        // The sender is this: it does not go away meanwhile.
        let _ = self.0.subscribe().wait_for(|is_full| *is_full).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_when_there_is_no_room() {
        let fullness = Fullness::default();
        assert!(!fullness.is_full());
        tokio::join!(fullness.full(), async { fullness.note(true) });
        fullness.full().await;
        fullness.note(false);
        assert!(!fullness.is_full());
    }
}
