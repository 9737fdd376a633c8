//! Feishu and Lark: a custom bot, with rich text, whose text is shown as it is. Its limit: 20 KB of a message. Its signature is
//! an HMAC-SHA256 of nothing, with the time in seconds and the secret as its key.

use super::message::{Hook, post};
use super::sign::hmac_sha256;
use super::words::Words;
use super::{Letter, Message, fit};
use serde_json::{Value, json};

/// Most bytes of all lines together, far below the limit with what is around them.
const MAX_TEXT: usize = 12 << 10;

/// The message.
pub(super) fn message(hook: &Hook, letter: &Letter<'_>, words: &Words) -> Message {
    let mut left = MAX_TEXT;
    let mut line = |text: &str| {
        let text = fit::bytes(text, left);
        left = left.saturating_sub(text.len());
        json!([{"tag": "text", "text": text}])
    };
    let mut content: Vec<Value> = vec![line(&words.sentence)];
    content.extend(words.facts.iter().map(|fact| line(&format!("{}: {}", fact.label, fact.value))));
    content.extend(words.quiet.as_deref().map(line));
    let links = [&words.run_link, &words.mute_link];
    content.extend(links.into_iter().flatten().map(|(word, url)| json!([{"tag": "a", "text": word, "href": url}])));
    // One set of words, for whatever language the reader's client has.
    let post_of = json!({"title": fit::bytes(&words.title, 500), "content": content});
    let mut body = json!({"msg_type": "post", "content": {"post": {"zh_cn": post_of}}});
    if let (Some(secret), Some(body)) = (&hook.secret, body.as_object_mut()) {
        let timestamp = letter.now.timestamp().to_string();
        let sign = hmac_sha256(format!("{timestamp}\n{secret}").as_bytes(), b"");
        body.insert("timestamp".into(), timestamp.into());
        body.insert("sign".into(), sign.into());
    }
    post(&hook.address, &body)
}
