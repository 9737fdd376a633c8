//! Discord: a webhook, with one embed. Its limits: 256 characters of a title, 4,096 of a description, 6,000 in all.

use super::markdown::{code, markdown};
use super::message::{Hook, post};
use super::words::{Tone, Words};
use super::{Message, fit};
use serde_json::json;

const MAX_TITLE: usize = 256;
const MAX_DESCRIPTION: usize = 4_096;

/// The message.
pub(super) fn message(hook: &Hook, words: &Words) -> Message {
    let color = match words.tone {
        Tone::Bad => 0x00d9_2d20,
        Tone::Good => 0x0012_b76a,
        Tone::Plain => 0x0066_7085,
    };
    let mut lines = vec![markdown(&words.sentence)];
    lines.extend(words.facts.iter().map(|fact| {
        let value = if fact.is_code { code(&fact.value) } else { markdown(&fact.value) };
        format!("{}: {value}", fact.label)
    }));
    lines.extend(words.quiet.as_deref().map(markdown));
    let links = [&words.run_link, &words.mute_link];
    let links: Vec<String> = links.into_iter().flatten().map(|(word, url)| format!("[{word}]({url})")).collect();
    let end = links.join(" · ");
    let room = MAX_DESCRIPTION.saturating_sub(end.encode_utf16().count() + 1);
    let description = format!("{}\n{end}", fit::lines(&lines, room, fit::units));
    let body = json!({
        "embeds": [{
            "title": fit::units(&words.title, MAX_TITLE),
            "description": description.trim_end(),
            "color": color,
        }],
        // A name in a message calls nobody.
        "allowed_mentions": {"parse": []},
    });
    post(&hook.address, &body)
}
