//! The reader of what a channel is set to, for [`crate::readers`].

use super::{ChannelSpec, Language, Letter, Target};
use crate::clock::from_micros;
use crate::notice::{Notice, NoticeKind};
use crate::readers::{Reader, seeds, text};
use cronbox_runtime::outbound::OutboundMessage;

pub(crate) const READERS: &[Reader] = &[("channels", read_channel, seeds_of_channels)];

fn read_channel(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(spec) = serde_json::from_str::<ChannelSpec>(&text) else { return };
    let Ok(target) = Target::parse(&spec) else { return };
    let again = serde_json::to_string(&spec).expect("JSON");
    assert_eq!(serde_json::from_str::<ChannelSpec>(&again).ok().as_ref(), Some(&spec), "{text:?}");
    let notice = Notice {
        kind: NoticeKind::Test,
        at: 0,
        alert: None,
        run: None,
        script: Some(text.to_string()),
        schedule: None,
        value: None,
        held_back: Vec::new(),
        cause: None,
        is_over: false,
    };
    let letter = Letter { id: "1", notice: &notice, public_url: None, quiet_until: None, now: from_micros(0) };
    let message = target.message(&letter);
    assert!(target.language == Language::English || target.language == Language::Chinese);
    if let OutboundMessage::Http(http) = message.content {
        // No value adds a header, or leaves the path.
        assert!(
            !http.target.contains(char::is_whitespace) && http.target.starts_with('/'),
            "{text:?}: {}",
            http.target
        );
        assert!(http.headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])), "{text:?}");
        let is_json =
            |(name, value): &(String, String)| name == "Content-Type" && value.starts_with("application/json");
        if http.headers.iter().any(is_json) {
            assert!(serde_json::from_str::<serde_json::Value>(&http.body).is_ok(), "{text:?}: {}", http.body);
        }
    }
}

fn seeds_of_channels() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"type":"webhook","url":"https://a.example/x?y","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}"#,
        r#"{"type":"slack","url":"http://[::1]:80/","language":"zh"}"#,
        r#"{"type":"email","to":["A <a@b.example>"],"from":"c@d.example","smtp":{"host":"e.example","tls":"none"}}"#,
        r#"{"type":"telegram","token":"1:a","chat":"@c"}"#,
        r#"{"type":"ntfy","topic":"t","token":"k"}"#,
        r#"{"type":"template","url":"https://a.example/{{script}}?b={{ text }}","headers":{"X":"{{script}}"},"body":{"a":["{{value}}","b {{script}}"]}}"#,
        r#"{"type":"template","url":"https://a.example","headers":{"Content-Type":"application/json"},"body":"{\"a\": {{value}}, \"b\": \"\\\"{{script}}\"}"}"#,
    ])
}
