//! What followers of the feed share: one look for all of them.
//!
//! A follower that waits looks at nothing by itself. While there are any, one task asks the database what is new, when
//! something happened here and from time to time, and tells all of them at once. A follower that is where the others are
//! takes what was found; one that is further back reads for itself.

use super::App;
use crate::event::{Event, EventPosition};
use crate::panics;
use crate::store::events::STRIDE;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked when nothing happened here: other nodes tell only of the ends of runs.
const LOOK: Duration = Duration::from_millis(300);
/// What is told together after something happened.
const TOGETHER: Duration = Duration::from_millis(5);
/// The time before another look when the database is away.
const AGAIN: Duration = Duration::from_secs(1);

/// What was found in one look.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    /// From where on; none when followers have to read for themselves up to there.
    from: Option<EventPosition>,
    /// What happened since.
    events: Arc<Vec<Event>>,
    /// Up to where.
    pub(super) to: EventPosition,
}

impl News {
    /// What happened after a place, for a follower that is exactly where the look began.
    pub(super) fn after(&self, place: EventPosition) -> Option<Arc<Vec<Event>>> {
        (self.from == Some(place) && self.to != place).then(|| self.events.clone())
    }
}

/// The look that followers share.
#[derive(Debug)]
pub(super) struct Feed {
    news: watch::Sender<News>,
    looking: AtomicBool,
}

impl Default for Feed {
    fn default() -> Self {
        Feed { news: watch::Sender::new(News::default()), looking: AtomicBool::new(false) }
    }
}

impl App {
    /// Hears of what is new from now on.
    pub(super) fn hear(&self) -> watch::Receiver<News> {
        let heard = self.feed.news.subscribe();
        self.look_on();
        heard
    }

    /// Sees to it that somebody looks. A follower does so from time to time: a look may have ended as it came.
    pub(super) fn look_on(&self) {
        if !self.feed.looking.swap(true, Ordering::SeqCst) {
            // A look that panics gives the right back: the next follower looks again.
            tokio::spawn(panics::caught_in("feed", look(Looking(self.clone()))));
        }
    }
}

/// The right to look, given back when a look ends for whatever reason.
struct Looking(App);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.feed.looking.store(false, Ordering::SeqCst);
    }
}

/// Looks while there are followers.
async fn look(looking: Looking) {
    let app = &looking.0;
    let mut at: Option<EventPosition> = None;
    loop {
        // What to wait for, before looking.
        let mut notified = std::pin::pin!(app.signals.happened.notified());
        notified.as_mut().enable();
        let found = once(app, at).await;
        let wait = if found.is_some() { LOOK } else { AGAIN };
        if let Some(news) = found {
            at = Some(news.to);
            let more = news.events.len() >= STRIDE;
            if news.from != Some(news.to) {
                app.feed.news.send_replace(news);
            }
            if more {
                continue;
            }
        }
        if app.feed.news.receiver_count() == 0 {
            return;
        }
        tokio::select! {
            () = app.tools.down.cancelled() => return,
            () = notified => tokio::time::sleep(TOGETHER).await,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One look; none when the database is away.
async fn once(app: &App, at: Option<EventPosition>) -> Option<News> {
    let Some(from) = at else {
        // At the beginning everybody reads for themselves up to here.
        let newest = app.store.newest_event(None).await.ok()?;
        return Some(News { from: None, events: Arc::default(), to: newest });
    };
    match app.store.events(from).await.ok()? {
        Some(events) => {
            let to = events.last().map_or(from, |event| event.place);
            Some(News { from: Some(from), events: Arc::new(events), to })
        }
        // Shortened up to beyond this place: whoever is further back is told so when it reads for itself.
        None => Some(News { from: None, events: Arc::default(), to: app.store.newest_event(None).await.ok()? }),
    }
}
