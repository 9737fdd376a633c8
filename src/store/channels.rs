//! Channels.

use super::columns::Columns;
use super::tx::{Row, Tx, args, stamp};
use super::{Store, StoreError, audit};
use crate::channel::Channel;
use crate::clock::Time;
use crate::precondition::Precondition;
use std::sync::Arc;

const CHANNEL: &str =
    "SELECT name, terms, key, sealed, off_reason, revision, created_at, updated_at, created_by FROM channels";

fn channel_of(row: &Row) -> Result<Channel, StoreError> {
    Ok(Channel {
        name: row.text("name")?,
        view: row.json("terms")?,
        sealed_view: row.text("terms")?,
        key: row.text("key")?,
        sealed: row.text("sealed")?,
        off_reason: row.text_or_none("off_reason")?,
        revision: row.int("revision")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        created_by: row.text_or_none("created_by")?,
    })
}

/// A channel that nobody else changes meanwhile.
pub(super) async fn locked_channel(tx: &mut Tx<'_>, name: &str) -> Result<Option<Channel>, StoreError> {
    let row = tx.first(format!("{CHANNEL} WHERE name = $1{}", tx.dialect.for_update()), args![name]).await?;
    row.as_ref().map(channel_of).transpose()
}

/// What became of a channel that was to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptChannel {
    /// It is kept; whether there was none.
    Kept(Box<Channel>, bool),
    /// What is there is not what was asked for: its tag.
    Other(Option<String>),
}

impl Store {
    /// Keeps a channel, in place of one of that name, if what is there is `asked` for. It is on from then on.
    pub async fn keep_channel(&self, new: Channel, asked: &Precondition, now: Time) -> Result<KeptChannel, StoreError> {
        let all = Arc::new((new, asked.clone()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (new, asked) = &*all;
                let old = locked_channel(tx, &new.name).await?;
                let tag = old.as_ref().map(Channel::tag);
                if !asked.holds(tag.as_deref()) {
                    return Ok(KeptChannel::Other(tag));
                }
                let columns = Columns::default()
                    .set("kind", &*new.view.kind)
                    .set("terms", &*new.sealed_view)
                    .set("key", &*new.key)
                    .set("sealed", &*new.sealed)
                    .set("off_reason", None::<String>)
                    .set("updated_at", stamp(now))
                    .set("created_by", new.created_by.clone());
                let (sql, values) = match &old {
                    Some(_) => columns.set_sql("revision", "revision + 1").update("channels", "name", &*new.name),
                    None => columns
                        .set("name", &*new.name)
                        .set_sql("revision", "1")
                        .set("created_at", stamp(now))
                        .insert_into("channels"),
                };
                tx.run(sql, values).await?;
                audit::note(tx, format!("channels/{}", new.name), new.view.kind.clone()).await?;
                let kept = locked_channel(tx, &new.name).await?;
                let kept = kept.ok_or_else(|| StoreError::Corrupt("a channel that was kept is not there".into()))?;
                Ok(KeptChannel::Kept(Box::new(kept), old.is_none()))
            })
        })
        .await
    }

    /// The channel of a name.
    pub async fn channel(&self, name: &str) -> Result<Option<Channel>, StoreError> {
        let name = name.to_owned();
        self.read(move |tx| {
            let name = name.clone();
            Box::pin(async move {
                let row = tx.first(format!("{CHANNEL} WHERE name = $1"), args![name]).await?;
                row.as_ref().map(channel_of).transpose()
            })
        })
        .await
    }

    /// All channels, by name.
    pub async fn channels(&self) -> Result<Vec<Channel>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                tx.all(format!("{CHANNEL} ORDER BY name"), args![]).await?.iter().map(channel_of).collect()
            })
        })
        .await
    }

    /// Deletes a channel, if what is there is `asked` for; else its tag.
    pub async fn delete_channel(
        &self,
        name: &str,
        asked: &Precondition,
    ) -> Result<Result<(), Option<String>>, StoreError> {
        let all = Arc::new((name.to_owned(), asked.clone()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (name, asked) = &*all;
                let tag = locked_channel(tx, name).await?.as_ref().map(Channel::tag);
                if tag.is_none() || !asked.holds(tag.as_deref()) {
                    return Ok(Err(tag));
                }
                tx.run("DELETE FROM channels WHERE name = $1", args![&**name]).await?;
                audit::note(tx, format!("channels/{name}"), None).await?;
                Ok(Ok(()))
            })
        })
        .await
    }

    /// Keeps channels that were sealed with another key, each with what it was before; what was set meanwhile stays as it was
    /// set. How many there were.
    pub async fn reseal_channels(&self, resealed: Vec<(Channel, Channel)>) -> Result<u64, StoreError> {
        let rows = resealed.into_iter().map(|(before, after)| [after.name, after.key, after.sealed, before.sealed]);
        self.reseal("channels", rows.collect()).await
    }
}
