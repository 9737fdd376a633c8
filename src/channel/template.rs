//! A template: a request of the user's own, with placeholders such as `{{run.script}}`.
//!
//! A value is escaped for where it is put: in the address as a part of a path or a query, in a header without line breaks,
//! in JSON as (a part of) a text or as a value, in a form and in HTML as these want it. Everything is read when the channel is
//! set: a placeholder that is not closed or not known is refused with its place.

mod fields;
mod json;
mod text;

use super::message::request;
use super::view::ChannelView;
use super::words::Words;
use super::{BadChannel, ChannelSpec, Letter, Message, address, bad};
use fields::Values;
use json::JsonBody;
use serde_json::Value;
use text::{Escape, Text};

pub use fields::FIELDS;

/// Most bytes of a body.
const MAX_BODY: usize = 64 << 10;
/// Most headers.
const MAX_HEADERS: usize = 20;
/// Methods that a template can have.
const METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "GET", "DELETE"];
/// Headers that are not a template's to set.
const OURS: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "user-agent"];

#[derive(Clone, PartialEq)]
enum Body {
    Nothing,
    /// A text, with the escapes of its media type.
    Text(Text),
    /// JSON that was written as a text.
    JsonText(JsonBody),
    /// JSON, whose texts have placeholders.
    Json(Value),
}

/// A request with placeholders.
#[derive(Clone, PartialEq)]
pub(super) struct Template {
    url: Text,
    origin: String,
    method: String,
    headers: Vec<(String, Text)>,
    body: Body,
    /// The body as it was written.
    written: Option<Value>,
}

impl Template {
    pub(super) fn parse(spec: &ChannelSpec) -> Result<Self, BadChannel> {
        let written = spec.url.as_deref().unwrap_or_default();
        let url = Text::parse("url", written, Escape::Url)?;
        let after_host = written.find("://").map_or(0, |at| at + 3);
        let host = written.get(after_host..).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        if host.contains("{{") {
            return bad("url", "the host of an URL has no placeholders");
        }
        // With any values it must be an URL with the same host.
        let origin = address("url", &url.fill(&Values::sample()))?.origin();
        let method = spec.method.clone().unwrap_or_else(|| "POST".into()).to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            return bad("method", format!("a template has one of {}", METHODS.join(", ")));
        }
        if spec.headers.len() > MAX_HEADERS {
            return bad("headers", format!("there are {}; at most {MAX_HEADERS} are kept", spec.headers.len()));
        }
        let mut headers = Vec::new();
        for (name, value) in &spec.headers {
            let field = format!("headers.{name}");
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || name.len() > 100 || !name.bytes().all(is_token) {
                return bad("headers", "the name of a header has letters, digits and -");
            }
            if OURS.contains(&name.to_ascii_lowercase().as_str()) {
                return bad(field, "this header is set by Cronbox");
            }
            if value.contains(char::is_control) {
                return bad(field, "the value of a header has no control characters");
            }
            headers.push((name.clone(), Text::parse(&field, value, Escape::Header)?));
        }
        let body = body_of(spec)?;
        let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !has_type && body != Body::Nothing {
            let media_type = match body {
                Body::Text(_) => "text/plain; charset=utf-8",
                _ => "application/json",
            };
            headers.push(("Content-Type".into(), Text::plain(media_type)));
        }
        Ok(Template { url, origin, method, headers, body, written: spec.body.clone() })
    }

    pub(super) fn message(&self, letter: &Letter<'_>, words: &Words) -> Message {
        let values = Values::of(letter, words);
        let body = match &self.body {
            Body::Nothing => String::new(),
            Body::Text(text) => text.fill(&values),
            Body::JsonText(json) => json.fill(&values),
            Body::Json(value) => json::fill(value, &values).to_string(),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.fill(&values))).collect();
        // Values are escaped, so that what was an URL when the channel was set is one with any values.
        match address("url", &self.url.fill(&values)).or_else(|_| address("url", &self.origin)) {
            Ok(address) => request(&address, &self.method, headers, body),
            Err(_) => Message::nowhere(),
        }
    }

    pub(super) fn view(&self, base: ChannelView) -> ChannelView {
        ChannelView {
            origin: Some(self.origin.clone()),
            method: Some(self.method.clone()),
            headers: self.headers.iter().map(|(name, _)| name.clone()).collect(),
            body: self.written.clone(),
            ..base
        }
    }
}

fn body_of(spec: &ChannelSpec) -> Result<Body, BadChannel> {
    let media_type = spec.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let media_type = media_type.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default();
    let body = match &spec.body {
        None => Body::Nothing,
        Some(Value::String(text)) if media_type.contains("json") => Body::JsonText(JsonBody::parse("body", text)?),
        Some(Value::String(text)) => {
            let escape = match media_type.as_str() {
                form if form.contains("x-www-form-urlencoded") => Escape::Url,
                markup if markup.contains("html") || markup.contains("xml") => Escape::Html,
                _ => Escape::Nothing,
            };
            Body::Text(Text::parse("body", text, escape)?)
        }
        Some(value) => {
            json::check("body", value)?;
            Body::Json(value.clone())
        }
    };
    let size = spec.body.as_ref().map_or(0, |body| body.to_string().len());
    if size > MAX_BODY {
        return bad("body", format!("it has {size} bytes; at most {MAX_BODY} are kept"));
    }
    if body != Body::Nothing && matches!(spec.method.as_deref(), Some("GET" | "get")) {
        return bad("body", "a request with GET has no body");
    }
    Ok(body)
}
