//! Channels: set, shown without their secrets, tried, removed.

use super::text::quoted;
use super::{Service, ServiceError};
use crate::access::Caller;
use crate::channel::answer::{Meaning, Verdict};
use crate::channel::{Channel, ChannelSpec, Target, check_channel_name};
use crate::keyring::{KeyError, Keys};
use crate::precondition::Precondition;
use crate::store::StoreError;
use crate::store::channels::KeptChannel;

/// What came of setting a channel.
#[derive(Clone, Debug)]
pub struct SetChannel {
    /// The channel as it is now.
    pub channel: Channel,
    /// Whether there was none of that name.
    pub is_new: bool,
    /// What whoever runs the server has to know, in a sentence.
    pub warning: Option<String>,
}

/// What came of a test of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestedChannel {
    /// Whether the message has arrived.
    pub has_arrived: bool,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The answer in words, or why there is none.
    pub answer: String,
}

fn no_such_channel(name: &str) -> ServiceError {
    ServiceError::not_found("no_such_channel", format!("there is no channel {:?}", quoted(name)))
}

fn other(name: &str, asked: &Precondition, tag: Option<&str>) -> ServiceError {
    ServiceError::changed(&format!("the channel {name}"), "revision", asked, tag)
}

impl Service {
    /// Sets a channel, in place of one of that name. It is on from then on.
    ///
    /// # Errors
    /// The name or a field cannot be; there is no key; the channel is not what was asked for.
    pub async fn set_channel(
        &self,
        caller: &Caller,
        name: &str,
        spec: &ChannelSpec,
        asked: &Precondition,
    ) -> Result<SetChannel, ServiceError> {
        check_channel_name(name)?;
        let view = Target::parse(spec)?.view();
        let sealed_view =
            serde_json::to_string(&view).map_err(|error| ServiceError::malformed("bad_json", error.to_string()))?;
        let now = self.clock.now();
        let mut channel = Channel {
            name: name.to_owned(),
            view,
            sealed_view,
            key: String::new(),
            sealed: String::new(),
            off_reason: None,
            revision: 0,
            created_at: now,
            updated_at: now,
            created_by: caller.id().map(str::to_owned),
        };
        // One after the other: a key must not be forgotten while something is being sealed with it.
        let _turn = self.sealing.lock().await;
        let mut keys: Vec<String> = self.store.secrets().await?.into_iter().map(|secret| secret.key).collect();
        let channels = self.store.channels().await?;
        keys.extend(channels.into_iter().filter(|other| other.name != name).map(|other| other.key));
        let warning = self.keyring.seal_channel(&mut channel, spec, &keys)?;
        if let Some(warning) = &warning {
            tracing::warn!("{warning}");
        }
        match self.store.keep_channel(channel, asked, now).await {
            Ok(KeptChannel::Kept(channel, is_new)) => {
                tracing::info!(channel = name, "a channel was set");
                Ok(SetChannel { channel: *channel, is_new, warning })
            }
            Ok(KeptChannel::Other(tag)) => Err(other(name, asked, tag.as_deref())),
            Err(StoreError::Conflict) => {
                let detail = format!("a channel {name} was made by another request in this moment; try again");
                Err(ServiceError::conflict("changed_meanwhile", detail).retry_after(1))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// All channels, by name.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn channels(&self) -> Result<Vec<Channel>, ServiceError> {
        Ok(self.store.channels().await?)
    }

    /// The channel of a name.
    ///
    /// # Errors
    /// It is not there.
    pub async fn channel(&self, name: &str) -> Result<Channel, ServiceError> {
        self.store.channel(name).await?.ok_or_else(|| no_such_channel(name))
    }

    /// Removes a channel. What is to be sent to it is given up.
    ///
    /// # Errors
    /// It is not there, or not what was asked for.
    pub async fn remove_channel(&self, name: &str, asked: &Precondition) -> Result<(), ServiceError> {
        self.channel(name).await?;
        let deleted = self.store.delete_channel(name, asked).await?;
        deleted.map_err(|tag| other(name, asked, tag.as_deref()))
    }

    /// Sends a test to a channel, and waits for the answer.
    ///
    /// # Errors
    /// It is not there.
    pub async fn test_channel(&self, name: &str) -> Result<TestedChannel, ServiceError> {
        let channel = self.channel(name).await?;
        let Verdict { meaning, status, text } = self.deliverer.test(&channel).await;
        self.store.note_done(&format!("channels/{name}"), Some(text.clone())).await?;
        Ok(TestedChannel { has_arrived: meaning == Meaning::Arrived, status, answer: text })
    }

    /// Seals channels with the first key; how many. Those that cannot be read are added to `unreadable`.
    pub(super) async fn reseal_channels(
        &self,
        channels: Vec<Channel>,
        keys: &Keys,
        first: &str,
        unreadable: &mut Vec<String>,
    ) -> Result<u64, ServiceError> {
        let mut resealed = Vec::new();
        for before in channels.into_iter().filter(|channel| channel.key != first) {
            match keys.open_channel_text(&before) {
                Ok(text) => {
                    let mut after = before.clone();
                    self.keyring.seal_channel_text(&mut after, &text, &[])?;
                    resealed.push((before, after));
                }
                Err(error @ (KeyError::Lost { .. } | KeyError::Tampered(_))) => {
                    tracing::warn!("{error}");
                    unreadable.push(format!("channel {}", before.name));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.store.reseal_channels(resealed).await?)
    }
}
