//! Text for the markup of services.

/// Text in HTML; Telegram and Slack know `&amp;`, `&lt;` and `&gt;`, too.
pub(super) fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text in Slack's markup, which has these three escapes and no others (its documentation, "Formatting text").
pub(super) fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text in Markdown.
pub(super) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\`*_{}[]()#+!|~<>".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Text between backquotes, which it cannot hold itself.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}
