//! Slack: an incoming webhook, with one block of text. Its limits: 3,000 characters of a section.

use super::markdown::{code, slack};
use super::message::{Hook, post};
use super::words::{Tone, Words};
use super::{Message, fit};
use serde_json::json;

/// Most characters of a section's text.
const MAX_SECTION: usize = 3_000;

/// The message.
pub(super) fn message(hook: &Hook, words: &Words) -> Message {
    let mark = match words.tone {
        Tone::Bad => ":red_circle: ",
        Tone::Good => ":large_green_circle: ",
        Tone::Plain => "",
    };
    let links = [&words.run_link, &words.mute_link];
    let links: Vec<String> =
        links.into_iter().flatten().map(|(word, url)| format!("<{}|{}>", slack(url), slack(word))).collect();
    let mut lines = vec![format!("{mark}*{}*", slack(&words.title).replace('*', "∗")), slack(&words.sentence)];
    lines.extend(words.facts.iter().map(|fact| {
        let value = slack(&fact.value);
        format!("{}: {}", fact.label, if fact.is_code { code(&value) } else { value })
    }));
    lines.extend(words.quiet.as_deref().map(slack));
    // Links are kept whole: what is before them is cut.
    let end = links.join(" · ");
    let room = MAX_SECTION.saturating_sub(end.chars().count() + 1);
    let text = format!("{}\n{end}", fit::lines(&lines, room, fit::characters));
    let fallback = fit::characters(&slack(&words.sentence), MAX_SECTION);
    let body = json!({
        "text": fallback,
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text.trim_end()}}],
    });
    post(&hook.address, &body)
}
