//! Injecting values into the texts of one request: into its head, and into a collected body.

use super::encodings::{basic, encode_basic, percent};
use super::http::{Head, is_value_byte};
use super::reasons::{RequestPart, SkipReason};
use super::search::Match;
use super::secrets::{Secret, Secrets};
use std::ops::Range;
use zeroize::Zeroizing;

/// Most bytes of a head with values in it.
const MAX_GROWN_HEAD: usize = 128 << 10;

/// Headers for the framing, the host and the connection.
const NEVER: [&str; 11] = [
    "Host",
    "Content-Length",
    "Content-Encoding",
    "Transfer-Encoding",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "Expect",
    "Proxy-Authorization",
];

/// A secret by its number, and the reason when it was not injected.
pub(super) type Mark = (usize, Option<SkipReason>);

pub(super) fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

pub(super) fn is_one_of(name: &[u8], list: &[&'static str]) -> Option<&'static str> {
    list.iter().copied().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

pub(super) fn never(name: &[u8]) -> Option<&'static str> {
    let proxy = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"proxy-"));
    is_one_of(name, &NEVER).or(proxy.then_some("Proxy-*"))
}

/// Injects values into one text after another, and notes the results.
pub(super) struct Filling<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) most: usize,
    pub(super) too_large: bool,
    pub(super) marks: Vec<Mark>,
}

impl Filling<'_> {
    pub(super) fn fill(
        &mut self,
        text: &[u8],
        out: &mut Vec<u8>,
        decide: impl Fn(&Secret, usize) -> Result<Zeroizing<Vec<u8>>, SkipReason>,
    ) {
        self.secrets.placeholders.replace(text, out, |found: Match<'_>, out| {
            let why = match decide(&self.secrets.secrets[found.pattern], found.pattern) {
                Ok(value) if out.len() + value.len() > self.most => {
                    self.too_large = true;
                    None
                }
                Ok(value) => {
                    out.extend_from_slice(&value);
                    None
                }
                Err(why) => {
                    out.extend_from_slice(found.rest);
                    Some(why)
                }
            };
            add(&mut self.marks, (found.pattern, why));
        });
    }

    /// Returns the results. When the text became too large, nothing was injected.
    pub(super) fn finish(self) -> Vec<Mark> {
        let Filling { too_large, marks, .. } = self;
        let told = |(number, why): Mark| (number, why.or(too_large.then_some(SkipReason::TooLarge)));
        marks.into_iter().map(told).collect()
    }
}

/// A head with values in it.
pub(super) struct InjectedHead {
    pub(super) bytes: Vec<u8>,
    /// The range of the value of `Content-Length`.
    pub(super) length: Range<usize>,
    pub(super) marks: Vec<Mark>,
}

pub(super) fn inject_in_head(
    secrets: &Secrets,
    head: &Head<'_>,
    method_end: usize,
    path: &Range<usize>,
    grants: &[Option<SkipReason>],
    in_force: bool,
) -> InjectedHead {
    let mut filling = Filling { secrets, most: MAX_GROWN_HEAD, too_large: false, marks: Vec::new() };
    let mut out = Vec::with_capacity(head.bytes.len());
    let mut length = 0..0;
    let granted = |number: usize, granted: bool, part| match &grants[number] {
        Some(why) => Err(why.clone()),
        None if !granted => Err(SkipReason::Part(part)),
        None => Ok(()),
    };
    let header = |secret: &Secret, number: usize| {
        granted(number, secret.parts.headers, RequestPart::Headers)?;
        if !secret.value.iter().all(|byte| is_value_byte(*byte)) {
            return Err(SkipReason::Control);
        }
        Ok(secret.value.clone())
    };
    let query = |secret: &Secret, number: usize| {
        granted(number, secret.parts.query, RequestPart::Query)?;
        Ok(Zeroizing::new(percent(&secret.value)))
    };

    filling.fill(&head.bytes[..method_end], &mut out, |_, _| Err(SkipReason::Elsewhere));
    filling.fill(&head.bytes[method_end..path.end], &mut out, |_, _| Err(SkipReason::InPath));
    filling.fill(&head.bytes[path.end..head.first_line.end], &mut out, query);
    let mut at = head.first_line.end;
    for field in &head.fields {
        let is = |name: &str| in_force && head.text(&field.name).eq_ignore_ascii_case(name.as_bytes());
        if is("sec-websocket-extensions") {
            at = field.value.end;
            continue;
        }
        filling.fill(&head.bytes[at..field.value.start], &mut out, |_, _| Err(SkipReason::Elsewhere));
        let (name, value) = (head.text(&field.name), head.text(&field.value));
        let start = out.len();
        let credentials = name.eq_ignore_ascii_case(b"authorization").then(|| basic(value)).flatten();
        if is("accept-encoding") {
            out.extend_from_slice(b"identity");
        } else if let Some(why) = never(name).map(SkipReason::Header) {
            filling.fill(value, &mut out, |_, _| Err(why.clone()));
        } else if let Some((start, plain)) = credentials.filter(|(_, plain)| secrets.placeholders.is_in(plain)) {
            let mut with_values = Zeroizing::new(Vec::new());
            filling.fill(&plain, &mut with_values, header);
            out.extend_from_slice(&value[..start]);
            out.extend_from_slice(encode_basic(&with_values).as_bytes());
        } else {
            filling.fill(value, &mut out, header);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            length = start..out.len();
        }
        at = field.value.end;
    }
    out.extend_from_slice(&head.bytes[at..]);
    if filling.too_large || out.len() > MAX_GROWN_HEAD {
        filling.too_large = true;
        out = head.bytes.to_vec();
        let original = head.fields.iter().find(|field| head.text(&field.name).eq_ignore_ascii_case(b"content-length"));
        length = original.map(|field| field.value.clone()).unwrap_or_default();
    }
    InjectedHead { bytes: out, length, marks: filling.finish() }
}
