//! Telegram: `sendMessage` of the Bot API. Its limit: 4,096 characters of text, counted in UTF-16 after its markup was read.

use super::markdown::html;
use super::message::{Bot, post};
use super::words::{Tone, Words};
use super::{Message, fit};
use serde_json::json;

const MAX_TEXT: usize = 4_096;

/// The message.
pub(super) fn message(bot: &Bot, words: &Words) -> Message {
    let mark = match words.tone {
        Tone::Bad => "🔴 ",
        Tone::Good => "🟢 ",
        Tone::Plain => "",
    };
    let mut left = MAX_TEXT;
    let mut take = |text: &str| {
        let text = fit::units(text, left.saturating_sub(1));
        left = left.saturating_sub(text.encode_utf16().count() + 1);
        text
    };
    // The words of links are counted before the rest, so that they are never cut off.
    let links: Vec<String> = [&words.run_link, &words.mute_link]
        .into_iter()
        .flatten()
        .map(|(word, url)| format!("<a href=\"{}\">{}</a>", html(url), html(&take(word))))
        .collect();
    let mut lines = vec![format!("<b>{}</b>", html(&take(&format!("{mark}{}", words.title))))];
    lines.push(html(&take(&words.sentence)));
    for fact in &words.facts {
        let line = take(&format!("{}: {}", fact.label, fact.value));
        lines.push(match line.split_once(": ").filter(|_| fact.is_code) {
            Some((label, value)) => format!("{}: <code>{}</code>", html(label), html(value)),
            None => html(&line),
        });
    }
    lines.extend(words.quiet.as_deref().map(|quiet| html(&take(quiet))));
    lines.extend(links);
    let body = json!({
        "chat_id": bot.chat,
        "text": lines.join("\n"),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": true},
    });
    let token = bot.token.as_deref().unwrap_or_default();
    post(&bot.address.below(&[&format!("bot{token}"), "sendMessage"]), &body)
}
