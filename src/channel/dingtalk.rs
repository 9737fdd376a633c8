//! DingTalk: a custom robot, with Markdown. Its limit: 20,000 bytes of a message. Its signature is an HMAC-SHA256 of the time in
//! milliseconds and the secret, in the query.

use super::markdown::markdown;
use super::message::{Hook, post};
use super::sign::hmac_sha256;
use super::words::Words;
use super::{Letter, Message, fit};
use serde_json::json;

/// Most bytes of the text, far below the limit with what is around it.
const MAX_TEXT: usize = 12 << 10;

/// The message.
pub(super) fn message(hook: &Hook, letter: &Letter<'_>, words: &Words) -> Message {
    let mut lines = vec![format!("### {}", markdown(&words.title)), markdown(&words.sentence)];
    lines.extend(words.facts.iter().map(|fact| format!("{}: {}", fact.label, markdown(&fact.value))));
    lines.extend(words.quiet.as_deref().map(markdown));
    let links = [&words.run_link, &words.mute_link];
    let links: Vec<String> = links.into_iter().flatten().map(|(word, url)| format!("[{word}]({url})")).collect();
    // Lines are paragraphs: one line break alone is none.
    let text = format!("{}\n\n{}", fit::bytes(&lines.join("\n\n"), MAX_TEXT), links.join(" "));
    let body = json!({
        "msgtype": "markdown",
        "markdown": {"title": fit::bytes(&words.title, 200), "text": text.trim_end()},
    });
    let address = match &hook.secret {
        None => hook.address.clone(),
        Some(secret) => {
            let timestamp = letter.now.timestamp_millis().to_string();
            let sign = hmac_sha256(secret.as_bytes(), format!("{timestamp}\n{secret}").as_bytes());
            hook.address.with_query(&[("timestamp", &timestamp), ("sign", &sign)])
        }
    };
    post(&address, &body)
}
