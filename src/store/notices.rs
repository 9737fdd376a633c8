//! Notices between nodes on one PostgreSQL: that something happened, so that nobody waits for the next look. A notice that
//! is lost costs time, nothing else.

use super::tx::args;
use super::{Store, StoreError};
use sqlx::postgres::PgListener;

/// The channel.
const CHANNEL: &str = "cronbox";

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Runs may start.
    Queued,
    /// Somebody wants a run cancelled.
    Cancel(String),
    /// A run is final.
    Ended(String),
    /// A node has begun to listen.
    Listens,
}

impl Notice {
    /// As it is sent.
    pub fn text(&self) -> String {
        match self {
            Notice::Queued => "q".into(),
            Notice::Cancel(id) => format!("c{id}"),
            Notice::Ended(id) => format!("e{id}"),
            Notice::Listens => "l".into(),
        }
    }

    /// Reads what was sent. Nothing when it is no notice.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_at_checked(1)? {
            ("q", _) => Some(Notice::Queued),
            ("l", _) => Some(Notice::Listens),
            ("c", id) => Some(Notice::Cancel(id.into())),
            ("e", id) => Some(Notice::Ended(id.into())),
            _ => None,
        }
    }
}

/// Hears what other nodes say.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// The next notice. It reconnects by itself.
    pub async fn next(&mut self) -> Result<Notice, StoreError> {
        loop {
            let heard = self.0.recv().await?;
            if let Some(notice) = Notice::parse(heard.payload()) {
                return Ok(notice);
            }
        }
    }
}

impl Store {
    /// Tells the other nodes, when there can be any.
    pub async fn notify(&self, notices: Vec<Notice>) -> Result<(), StoreError> {
        if !self.is_shared() || notices.is_empty() {
            return Ok(());
        }
        self.read(move |tx| {
            let notices = notices.clone();
            Box::pin(async move {
                for notice in notices {
                    let sql = "SELECT pg_notify($1, $2)::text AS told";
                    tx.first(sql, args![CHANNEL, notice.text()]).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Begins to hear other nodes; none when there can be none.
    pub async fn listen(&self) -> Result<Option<Listener>, StoreError> {
        let Some(url) = &self.inner.url else { return Ok(None) };
        let mut listener = PgListener::connect(url).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(Listener(listener)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_read_back() {
        for notice in [Notice::Queued, Notice::Cancel("x".into()), Notice::Ended("y".into()), Notice::Listens] {
            assert_eq!(Notice::parse(&notice.text()), Some(notice));
        }
        assert_eq!(Notice::parse(""), None);
        assert_eq!(Notice::parse("?"), None);
    }
}
