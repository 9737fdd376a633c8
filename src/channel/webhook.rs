//! A webhook by the Standard Webhooks specification: an id, a time, and a signature over both and the body, one for each secret.

use super::message::request;
use super::sign::hmac_sha256;
use super::words::Words;
use super::{BadChannel, Letter, Message, bad};
use crate::address::Address;
use crate::clock::{from_micros, rfc3339};
use crate::notice::NoticeKind;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;

/// A key for signatures. The specification asks for 24 to 64 random bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads `whsec_` and base64.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self, BadChannel> {
        let bytes = text.strip_prefix("whsec_").and_then(|text| BASE64_STANDARD.decode(text).ok());
        match bytes {
            Some(bytes) if (24..=64).contains(&bytes.len()) => Ok(SigningKey(bytes)),
            _ => bad(
                field,
                "a secret is whsec_ and 24 to 64 random bytes in base64: echo \"whsec_$(openssl rand -base64 32)\"",
            ),
        }
    }
}

/// The word for a kind of notice.
pub(super) fn type_of(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Firing => "alert.firing",
        NoticeKind::Repeated => "alert.repeated",
        NoticeKind::Ok => "alert.ok",
        NoticeKind::Summary => "alert.summary",
        NoticeKind::Test => "channel.test",
    }
}

/// The message.
pub(super) fn message(address: &Address, keys: &[SigningKey], letter: &Letter<'_>, words: &Words) -> Message {
    let notice = letter.notice;
    let url = |link: &Option<(&'static str, String)>| link.as_ref().map(|(_, url)| url.clone());
    // Times as the API writes them.
    let time = |millis: i64| rfc3339(from_micros(millis.saturating_mul(1_000)));
    let mut alert = json!(notice.alert);
    if let Some(of) = &notice.alert {
        alert["since"] = time(of.since).into();
    }
    let mut run = json!(notice.run);
    if let Some(at) = notice.run.as_ref().and_then(|run| run.fire_time) {
        run["fire_time"] = time(at).into();
    }
    let body = json!({
        "type": type_of(notice.kind),
        "timestamp": time(notice.at),
        "data": {
            "text": words.sentence,
            "alert": alert,
            "script": notice.script,
            "schedule": notice.schedule,
            "run": run,
            "value": notice.value,
            "held_back": notice.held_back,
            "cause": notice.cause,
            "run_url": url(&words.run_link),
            "mute_url": url(&words.mute_link),
        },
    })
    .to_string();
    let timestamp = letter.now.timestamp();
    let signed = format!("{}.{timestamp}.{body}", letter.id);
    let sign = |key: &SigningKey| format!("v1,{}", hmac_sha256(&key.0, signed.as_bytes()));
    let headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("webhook-id".to_owned(), letter.id.to_owned()),
        ("webhook-timestamp".to_owned(), timestamp.to_string()),
        ("webhook-signature".to_owned(), keys.iter().map(sign).collect::<Vec<_>>().join(" ")),
    ];
    request(address, "POST", headers, body)
}
