//! What a run on the server finds on its standard input.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Most bytes that a request can bring; more belongs into a file of the bundle.
pub const MAX_STDIN: usize = 1 << 20;
/// Most bytes of one answer to a script that reads.
pub const PART: usize = 128 << 10;

/// Standard input, as a request says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stdin {
    /// The text itself.
    Text(String),
    /// Bytes.
    Bytes {
        /// In base64.
        base64: String,
    },
    /// A file of the script's bundle.
    File {
        /// Its path in the bundle.
        file: String,
    },
}

/// Why standard input is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StdinError {
    /// Too many bytes.
    #[error(
        "stdin has {0} bytes; it has at most {MAX_STDIN}, so put more into a file of the bundle: {{\"file\": \"data.csv\"}}"
    )]
    TooLarge(usize),
    /// Not base64.
    #[error("stdin.base64 is not base64: {0}")]
    Base64(String),
    /// A path that no bundle can have.
    #[error("stdin.file {0:?} is not a path of the bundle, such as data.csv or data/prices.csv")]
    Path(String),
}

#[derive(Deserialize)]
struct Asked {
    offset: u64,
}

/// From which byte on a script asks for its input: `{"offset": 0}`.
pub fn offset_in(request: &str) -> Result<u64, String> {
    serde_json::from_str(request).map(|asked: Asked| asked.offset).map_err(|error| error.to_string())
}

/// The answer to a script: the next bytes, and whether no more come after them.
pub fn answer(part: &[u8], is_last: bool) -> String {
    json!({"data": BASE64_STANDARD.encode(part), "end": is_last}).to_string()
}

/// The answer to a script that was given nothing to read.
pub fn nothing() -> String {
    "null".into()
}

impl Stdin {
    /// Checks what can be known before the run.
    pub fn check(&self) -> Result<(), StdinError> {
        let size = match self {
            Stdin::Text(text) => text.len(),
            Stdin::Bytes { base64 } => {
                BASE64_STANDARD.decode(base64).map_err(|error| StdinError::Base64(error.to_string()))?.len()
            }
            Stdin::File { file } => {
                let whole = !file.is_empty() && file.len() <= 1_000 && !file.contains(['\\', '\0']);
                let inside = file.split('/').all(|part| !matches!(part, "" | "." | ".."));
                return if whole && inside { Ok(()) } else { Err(StdinError::Path(file.chars().take(100).collect())) };
            }
        };
        if size > MAX_STDIN { Err(StdinError::TooLarge(size)) } else { Ok(()) }
    }

    /// The part that a script asks for with `{"offset": 0}`: JSON text.
    pub fn part(&self, request: &str) -> Result<String, String> {
        let offset = usize::try_from(offset_in(request)?).unwrap_or(usize::MAX);
        let decoded;
        let bytes = match self {
            Stdin::Text(text) => text.as_bytes(),
            Stdin::Bytes { base64 } => {
                decoded = BASE64_STANDARD.decode(base64).map_err(|error| error.to_string())?;
                &decoded
            }
            Stdin::File { file } => return Ok(json!({"file": file}).to_string()),
        };
        let left = bytes.get(offset..).unwrap_or_default();
        let part = &left[..left.len().min(PART)];
        Ok(answer(part, part.len() == left.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_reads_it_part_by_part() {
        let text = Stdin::Text("é".repeat(PART));
        let first: serde_json::Value =
            serde_json::from_str(&text.part(r#"{"offset": 0}"#).expect("answers")).expect("JSON");
        assert_eq!(
            (first["end"].as_bool(), first["data"].as_str().map(str::len)),
            (Some(false), Some(PART.div_ceil(3) * 4))
        );
        let last = text.part(&format!(r#"{{"offset": {}}}"#, 2 * PART - 1));
        assert_eq!(last.as_deref(), Ok(r#"{"data":"qQ==","end":true}"#));
        assert_eq!(text.part(r#"{"offset": 999999999}"#).as_deref(), Ok(r#"{"data":"","end":true}"#));
        let file: Stdin = serde_json::from_str(r#"{"file": "data.csv"}"#).expect("parses");
        assert_eq!(file.part(r#"{"offset": 0}"#).as_deref(), Ok(r#"{"file":"data.csv"}"#));
    }

    #[test]
    fn what_cannot_be_is_refused_before_the_run() {
        let bytes = |text: &str| Stdin::Bytes { base64: text.into() };
        assert!(bytes("AAE=").check().is_ok());
        assert!(matches!(bytes("%").check(), Err(StdinError::Base64(_))));
        assert_eq!(Stdin::Text("x".repeat(MAX_STDIN + 1)).check(), Err(StdinError::TooLarge(MAX_STDIN + 1)));
        for path in ["", "/etc/passwd", "../x", "a//b", "a\\b"] {
            assert!(matches!(Stdin::File { file: path.into() }.check(), Err(StdinError::Path(_))), "{path:?}");
        }
        assert!(Stdin::File { file: "data/价格.csv".into() }.check().is_ok());
    }
}
