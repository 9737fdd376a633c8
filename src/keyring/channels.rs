//! What channels are set to, sealed like the values of secrets.

use super::{KeyError, Keyring, Keys};
use crate::channel::{BadChannel, Channel, ChannelSpec, Target};
use crate::secret::{Secret, SecretTerms};
use zeroize::Zeroizing;

/// Why a channel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealedChannelError {
    /// What it is set to cannot be opened.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What it is set to is not accepted any more.
    #[error("the channel is not as it was set: {0}; set it again")]
    Bad(#[from] BadChannel),
    /// What was sealed is not what a channel is set to.
    #[error("the channel {0} holds something that cannot be read; set it again")]
    Malformed(String),
}

/// A channel as a secret: its name is none that a secret can have, so neither is taken for the other.
fn as_secret(channel: &Channel) -> Secret {
    Secret {
        name: format!("channel {}", channel.name),
        terms: SecretTerms::default(),
        sealed_terms: channel.sealed_view.clone(),
        key: channel.key.clone(),
        sealed: channel.sealed.clone(),
        created_at: channel.created_at,
        updated_at: channel.updated_at,
        created_by: None,
    }
}

impl Keyring {
    /// Seals what a channel is set to, into it. `others` and the warning are those of [`Keyring::seal`].
    ///
    /// # Errors
    /// There is no key, or it cannot be used.
    pub fn seal_channel(
        &self,
        channel: &mut Channel,
        spec: &ChannelSpec,
        others: &[String],
    ) -> Result<Option<String>, KeyError> {
        let text = serde_json::to_vec(spec).map(Zeroizing::new);
        let text = text.map_err(|_| KeyError::Tampered(channel.name.clone()))?;
        self.seal_channel_text(channel, &text, others)
    }

    /// The same of what was opened.
    ///
    /// # Errors
    /// Those of [`Keyring::seal_channel`].
    pub fn seal_channel_text(
        &self,
        channel: &mut Channel,
        text: &[u8],
        others: &[String],
    ) -> Result<Option<String>, KeyError> {
        let mut secret = as_secret(channel);
        let warning = self.seal(&mut secret, text, others)?;
        (channel.key, channel.sealed) = (secret.key, secret.sealed);
        Ok(warning)
    }
}

impl Keys {
    /// Whether the key that a channel is sealed with is here.
    pub fn has_key_of_channel(&self, channel: &Channel) -> bool {
        self.has_key_of(&as_secret(channel))
    }

    /// Opens what a channel is set to, as it was sealed.
    ///
    /// # Errors
    /// The key is not here, or it is not what was sealed.
    pub fn open_channel_text(&self, channel: &Channel) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.open(&as_secret(channel))
    }

    /// Opens what a channel is set to.
    ///
    /// # Errors
    /// Those of [`Keys::open_channel_text`]; or it is not accepted any more.
    pub fn open_channel(&self, channel: &Channel) -> Result<Target, SealedChannelError> {
        let text = self.open_channel_text(channel)?;
        let spec: ChannelSpec =
            serde_json::from_slice(&text).map_err(|_| SealedChannelError::Malformed(channel.name.clone()))?;
        Ok(Target::parse(&spec)?)
    }
}
