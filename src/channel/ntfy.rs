//! ntfy: a message published as JSON. Its limit: 4,096 bytes of a message; a longer one would become a file.

use super::message::{Bot, request};
use super::words::{Tone, Words};
use super::{Message, fit};
use serde_json::{Value, json};

const MAX_MESSAGE: usize = 4_096;
const MAX_TITLE: usize = 200;

/// The message.
pub(super) fn message(bot: &Bot, words: &Words) -> Message {
    let (priority, tags) = match words.tone {
        Tone::Bad => (4, vec!["rotating_light"]),
        Tone::Good => (3, vec!["white_check_mark"]),
        Tone::Plain => (3, Vec::new()),
    };
    let mut lines = vec![words.sentence.clone()];
    lines.extend(words.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)));
    lines.extend(words.quiet.clone());
    let links = [&words.run_link, &words.mute_link];
    let actions: Vec<Value> =
        links.into_iter().flatten().map(|(word, url)| json!({"action": "view", "label": word, "url": url})).collect();
    let mut body = json!({
        "topic": bot.chat,
        "title": fit::bytes(&words.title, MAX_TITLE),
        "message": fit::lines(&lines, MAX_MESSAGE, fit::bytes),
        "priority": priority,
        "tags": tags,
        "actions": actions,
    });
    if let (Some((_, url)), Some(body)) = (&words.run_link, body.as_object_mut()) {
        body.insert("click".into(), url.clone().into());
    }
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    headers.extend(bot.token.as_ref().map(|token| ("Authorization".to_owned(), format!("Bearer {token}"))));
    request(&bot.address, "POST", headers, body.to_string())
}
