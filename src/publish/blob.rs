//! Content in the blob store, announced in the database before it is there.

use super::KeepError;
use crate::blobs::{BlobError, Blobs, Kind};
use crate::clock::Time;
use crate::run::{INLINE, Value};
use crate::store::Store;
use crate::store::blobs::Announced;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Keeps JSON that belongs to a run: in the run's row, or in a blob when it is large.
pub async fn keep_value(store: &Store, blobs: &Blobs, text: String, now: Time) -> Result<Value, KeepError> {
    if text.len() <= INLINE {
        return Ok(Value::Inline(text));
    }
    let (key, _) = Blobs::name(Kind::Value, text.as_bytes());
    keep_blob(store, blobs, &key, Bytes::from(text), now).await?;
    Ok(Value::Blob(key))
}

/// How long a writer waits for a node that is deleting what it writes.
const DELETED_WITHIN: Duration = Duration::from_secs(10);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// Keeps content as a blob that the database knows of before it is there, so that one which nobody comes to refer to is
/// found and deleted. Content that a node is deleting is written when that is done.
pub async fn keep_blob(store: &Store, blobs: &Blobs, key: &str, content: Bytes, now: Time) -> Result<(), KeepError> {
    let deadline = Instant::now() + DELETED_WITHIN;
    loop {
        if let Announced::Ready { written } = store.announce_blob(key, now).await? {
            blobs.put(key, content.clone()).await?;
            if written || store.blob_written(key).await? {
                return Ok(());
            }
            // It took so long that it was taken for left behind: once more.
        }
        if Instant::now() >= deadline {
            return Err(BlobError::Unavailable(format!("the same content, {key}, is being deleted")).into());
        }
        tokio::time::sleep(LOOK).await;
    }
}
