//! The encoding of a value in a body.

use super::encodings::{json, percent};
use super::reasons::SkipReason;
use zeroize::Zeroizing;

/// The encoding of a value in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BodyEncoding {
    #[default]
    Raw,
    Json,
    Form,
}

impl BodyEncoding {
    pub(super) fn from_content_type(content_type: &[u8]) -> Self {
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
        match essence.trim_ascii().to_ascii_lowercase().as_slice() {
            b"application/json" => BodyEncoding::Json,
            other if other.ends_with(b"+json") => BodyEncoding::Json,
            b"application/x-www-form-urlencoded" => BodyEncoding::Form,
            _ => BodyEncoding::Raw,
        }
    }

    pub(super) fn encode(self, value: &Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, SkipReason> {
        match self {
            BodyEncoding::Raw => Ok(value.clone()),
            BodyEncoding::Form => Ok(Zeroizing::new(percent(value))),
            BodyEncoding::Json => {
                let text = std::str::from_utf8(value).map_err(|_| SkipReason::NotText)?;
                Ok(Zeroizing::new(json(text)))
            }
        }
    }
}
