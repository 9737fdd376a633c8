//! Values of runs: arguments, results and states, which are stored as JSON text, inline or in a blob; and output.

use super::{ErrorKind, Service, ServiceError};
use crate::exact::Exact;
use crate::run::Value;
use crate::store::output::Found;
use cronbox_runtime::Stream;

/// JSON that was checked when it was kept. If it is none now, what is kept was damaged, and nothing replaces it.
///
/// # Errors
/// It is damaged.
pub fn stored_json(text: &[u8]) -> Result<Exact, ServiceError> {
    Exact::from_slice(text).map_err(|error| {
        tracing::error!(%error, "a stored value is not JSON");
        let detail = "a value that is stored is damaged: it is not JSON any more; the server's log says more";
        ServiceError::new(ErrorKind::Internal, "corrupt_value", detail)
    })
}

impl Service {
    /// A stored value; null for none.
    ///
    /// # Errors
    /// It is damaged, or the blob store is not available.
    pub async fn value(&self, value: Option<&Value>) -> Result<Exact, ServiceError> {
        match value {
            None => Ok(Exact::default()),
            Some(Value::Inline(text)) => stored_json(text.as_bytes()),
            Some(Value::Blob(key)) => stored_json(&self.blobs.get(key).await?),
        }
    }

    /// The beginning of what a run wrote to a stream, where it wrote `bytes`: at most `most` of them.
    ///
    /// # Errors
    /// The database or the blob store is not available.
    pub async fn first_output(&self, id: &str, stream: Stream, bytes: u64, most: u64) -> Result<String, ServiceError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let content = match self.live.find(id) {
            _ if bytes == 0 => Vec::new(),
            Some(live) => live.piece(stream, 0, most),
            None => match self.store.output(id, stream).await?.map(|found| found.found) {
                None => Vec::new(),
                Some(Found::Bytes(bytes)) => bytes,
                Some(Found::Blob(key)) => self.blobs.get(&key).await?.to_vec(),
            },
        };
        let kept = content.get(..most).unwrap_or(&content);
        let mut text = String::from_utf8_lossy(kept).into_owned();
        if (kept.len() as u64) < bytes && text.ends_with('\u{fffd}') {
            // A character that the bound has cut.
            text.pop();
        }
        Ok(text)
    }
}
