//! Microsoft Teams: a workflow's webhook, with an adaptive card. Its limit: 28 KB of a message. Runs of text are used, whose
//! text is shown as it is: other elements read Markdown in it.

use super::message::{Hook, post};
use super::words::{Tone, Words};
use super::{Message, fit};
use serde_json::{Value, json};

/// Most bytes of all texts together: far below the limit with what is around them.
const MAX_TEXT: usize = 12 << 10;

/// The message.
pub(super) fn message(hook: &Hook, words: &Words) -> Message {
    let color = match words.tone {
        Tone::Bad => "attention",
        Tone::Good => "good",
        Tone::Plain => "default",
    };
    let run = |text: &str| json!({"type": "TextRun", "text": text});
    let paragraph = |inlines: Vec<Value>| json!({"type": "RichTextBlock", "inlines": inlines});
    let title = fit::bytes(&words.title, MAX_TEXT / 8);
    let mut body = vec![
        paragraph(vec![
            json!({"type": "TextRun", "text": title, "weight": "bolder", "size": "medium", "color": color}),
        ]),
        paragraph(vec![run(&fit::bytes(&words.sentence, MAX_TEXT / 4))]),
    ];
    let mut left = MAX_TEXT / 2;
    for fact in &words.facts {
        let value = fit::bytes(&fact.value, left);
        left = left.saturating_sub(value.len() + fact.label.len());
        let font = if fact.is_code { "monospace" } else { "default" };
        body.push(paragraph(vec![
            json!({"type": "TextRun", "text": format!("{}: ", fact.label), "isSubtle": true}),
            json!({"type": "TextRun", "text": value, "fontType": font}),
        ]));
    }
    body.extend(words.quiet.as_deref().map(|quiet| paragraph(vec![run(quiet)])));
    let links = [&words.run_link, &words.mute_link];
    let actions: Vec<Value> = links
        .into_iter()
        .flatten()
        .map(|(word, url)| json!({"type": "Action.OpenUrl", "title": word, "url": url}))
        .collect();
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
        "actions": actions,
    });
    let body = json!({
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card},
        ],
    });
    post(&hook.address, &body)
}
