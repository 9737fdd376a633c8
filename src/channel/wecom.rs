//! WeCom: the robot of a group, with Markdown. Its limit: 4,096 bytes of content. It has no signature: the key is in the URL.

use super::markdown::{code, slack};
use super::message::{Hook, post};
use super::words::{Tone, Words};
use super::{Message, fit};
use serde_json::json;

const MAX_CONTENT: usize = 4_096;

/// The message.
pub(super) fn message(hook: &Hook, words: &Words) -> Message {
    let color = match words.tone {
        Tone::Bad => "warning",
        Tone::Good => "info",
        Tone::Plain => "comment",
    };
    // It reads tags such as <font>, so these three characters are escaped as in HTML.
    let title = slack(&fit::bytes(&words.title, 400));
    let mut lines = vec![slack(&words.sentence)];
    lines.extend(words.facts.iter().map(|fact| {
        let value = slack(&fact.value);
        format!("> {}: {}", fact.label, if fact.is_code { code(&value) } else { value })
    }));
    lines.extend(words.quiet.as_deref().map(slack));
    let links = [&words.run_link, &words.mute_link];
    let links: Vec<String> = links.into_iter().flatten().map(|(word, url)| format!("[{word}]({url})")).collect();
    let (begin, end) = (format!("<font color=\"{color}\">{title}</font>\n"), links.join(" "));
    let room = MAX_CONTENT.saturating_sub(begin.len() + end.len() + 1);
    let content = format!("{begin}{}\n{end}", fit::lines(&lines, room, fit::bytes));
    post(&hook.address, &json!({"msgtype": "markdown", "markdown": {"content": content.trim_end()}}))
}
