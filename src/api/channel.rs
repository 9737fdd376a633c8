//! Channels and deliveries, as answers tell them.

use super::values::time;
use crate::channel::{Channel, Delivery, Language};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A channel, without its secrets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelBody {
    /// Its name.
    pub name: String,
    /// `webhook`, `email`, `slack`, `discord`, `teams`, `telegram`, `ntfy`, `feishu`, `dingtalk`, `wecom`, `template`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The language of its messages: `en`, `zh`.
    pub language: String,
    /// Where it is sent: scheme, host and port of the URL; the rest of it is a secret.
    pub origin: Option<String>,
    /// How many secrets it signs with.
    pub secrets: usize,
    /// The recipients of mails.
    pub to: Vec<String>,
    /// The sender of mails.
    pub from: Option<String>,
    /// The mail server: host and port.
    pub smtp: Option<String>,
    /// The chat that a bot writes to.
    pub chat: Option<String>,
    /// The topic that is published to.
    pub topic: Option<String>,
    /// The method of a template's request.
    pub method: Option<String>,
    /// The names of its headers.
    pub headers: Vec<String>,
    /// Its body, as it was set.
    #[schema(value_type = Option<Value>)]
    pub body: Option<Value>,
    /// Why nothing is sent: the channel is off; null: it is on. Setting it again switches it on.
    pub off: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// The id of the token that set it last; null: no token did.
    pub created_by: Option<String>,
    /// What whoever runs the server has to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warning: Option<String>,
}

impl From<&Channel> for ChannelBody {
    fn from(channel: &Channel) -> Self {
        let view = channel.view.clone();
        let language = match view.language {
            Language::English => "en",
            Language::Chinese => "zh",
        };
        ChannelBody {
            name: channel.name.clone(),
            kind: view.kind,
            language: language.to_owned(),
            origin: view.origin,
            secrets: view.secrets,
            to: view.to,
            from: view.from,
            smtp: view.smtp,
            chat: view.chat,
            topic: view.topic,
            method: view.method,
            headers: view.headers,
            body: view.body,
            off: channel.off_reason.clone(),
            created_at: time(channel.created_at),
            updated_at: time(channel.updated_at),
            created_by: channel.created_by.clone(),
            warning: None,
        }
    }
}

/// What came of a test.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelTestBody {
    /// Whether the message has arrived.
    pub arrived: bool,
    /// The status of the answer, over HTTP or SMTP; null: there was none.
    pub status: Option<u16>,
    /// The answer in words, or why there is none.
    pub answer: String,
}

/// A message to a channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveryBody {
    /// Its id, the same at every attempt.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// `firing`, `repeated`, `ok`, `summary`.
    pub kind: String,
    /// The alert.
    pub alert: Option<String>,
    /// The condition of the alert.
    pub text: Option<String>,
    /// The script that it is about.
    pub script: Option<String>,
    /// The run that it is about.
    pub run: Option<String>,
    /// `waiting`, `sent`, `dead`.
    pub state: String,
    /// How many attempts have begun.
    pub attempts: u32,
    /// When it is tried, at the earliest; null: not by itself.
    pub next_at: Option<String>,
    /// When the rate of its channel held it back; null: it did not.
    pub held_at: Option<String>,
    /// The delivery that tells of it instead, with others that were held back.
    pub summary: Option<String>,
    /// The status of the last answer; null: there was none.
    pub status: Option<u16>,
    /// The last answer in words, or why there was none.
    pub answer: Option<String>,
    /// When it was recorded.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

impl From<&Delivery> for DeliveryBody {
    fn from(delivery: &Delivery) -> Self {
        DeliveryBody {
            id: delivery.id.clone(),
            channel: delivery.channel.clone(),
            kind: delivery.kind.clone(),
            alert: delivery.alert.clone(),
            text: delivery.notice.alert.as_ref().map(|alert| alert.text.clone()),
            script: delivery.script.clone(),
            run: delivery.run.clone(),
            state: delivery.state.as_str().to_owned(),
            attempts: delivery.attempts,
            next_at: delivery.next_at.map(time),
            held_at: delivery.held_at.map(time),
            summary: delivery.summary.clone(),
            status: delivery.status,
            answer: delivery.answer.clone(),
            created_at: time(delivery.created_at),
            updated_at: time(delivery.updated_at),
        }
    }
}
