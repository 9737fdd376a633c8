//! The links of a page of HTML.
//!
//! The parser is recursive within one token (a tag, a comment): it calls itself for each attribute, and very many of them
//! would overflow the stack. Each call reads from the page at least once, so [`LimitedReader`] limits the reads.

use super::File;
use html5gum::{Readable, Reader, StringReader, Token, Tokenizer};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

/// Most reads of the parser for one token. A link needs fewer than 100, and a text of any length without markup needs few.
const MAX_READS: u32 = 2_000;

/// Reads a page for the parser, and fails when one token takes more than [`MAX_READS`] reads.
struct LimitedReader<'a> {
    inner: StringReader<'a>,
    /// The reads since the last token.
    reads: Rc<Cell<u32>>,
}

/// A token takes too many reads.
#[derive(Debug, thiserror::Error)]
#[error("a tag of the page has too many attributes, or another part of it is too complex")]
struct TooComplex;

impl LimitedReader<'_> {
    fn count(&self) -> Result<(), TooComplex> {
        self.reads.set(self.reads.get() + 1);
        if self.reads.get() > MAX_READS { Err(TooComplex) } else { Ok(()) }
    }
}

/// Takes the value of a result that has no error.
fn sure<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl Reader for LimitedReader<'_> {
    type Error = TooComplex;

    fn read_byte(&mut self) -> Result<Option<u8>, TooComplex> {
        self.count()?;
        Ok(sure(self.inner.read_byte()))
    }

    fn try_read_string(&mut self, text: &[u8], case_sensitive: bool) -> Result<bool, TooComplex> {
        self.count()?;
        Ok(sure(self.inner.try_read_string(text, case_sensitive)))
    }

    fn read_until<'b>(&'b mut self, needle: &[u8], buffer: &'b mut [u8; 4]) -> Result<Option<&'b [u8]>, TooComplex> {
        self.count()?;
        Ok(sure(self.inner.read_until(needle, buffer)))
    }
}

/// Returns the links of a page of HTML. The error is a sentence.
pub(super) fn anchors(content: &str) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    let reads = Rc::new(Cell::new(0));
    let reader = LimitedReader { inner: content.to_reader(), reads: reads.clone() };
    for token in Tokenizer::new(reader) {
        let token = token.map_err(|error| error.to_string())?;
        reads.set(0);
        let Token::StartTag(tag) = token else { continue };
        if tag.name.as_slice() != b"a" {
            continue;
        }
        let value = |name: &str| {
            let found = tag.attributes.iter().find(|(key, _)| key.as_slice() == name.as_bytes());
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let Some(href) = value("href") else { continue };
        let (url, fragment) = match href.split_once('#') {
            Some((url, fragment)) => (url.to_owned(), fragment.to_owned()),
            None => (href, String::new()),
        };
        let path = url.split('?').next().unwrap_or_default();
        let filename = path.rsplit('/').next().unwrap_or_default();
        // Versions have a plus sign, which some indexes write as `%2B`.
        let filename = percent_decode_str(filename).decode_utf8_lossy().into_owned();
        let hashes = fragment.split('&').filter_map(|part| part.split_once('='));
        let hashes = hashes.map(|(kind, digest)| (kind.to_owned(), digest.to_owned())).collect();
        let core_metadata = value("data-core-metadata").or_else(|| value("data-dist-info-metadata"));
        files.push(File {
            filename,
            url,
            hashes,
            requires_python: value("data-requires-python"),
            core_metadata: core_metadata.map(|said| Value::Bool(said != "false")),
            yanked: value("data-yanked").map(|why| if why.is_empty() { Value::Bool(true) } else { Value::String(why) }),
            ..File::default()
        });
    }
    Ok(files)
}
