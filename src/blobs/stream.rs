//! Blobs in pieces: what is sent to a client is never in memory as a whole.

use super::{BlobError, Blobs, blob_error, sha256_of};
use bytes::Bytes;
use futures_util::stream::{BoxStream, try_unfold};
use futures_util::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, ObjectStoreExt};
use sha2::{Digest, Sha256};

/// Blobs up to this size are read at once.
const SMALL: u64 = 256 << 10;
/// Most bytes of one piece.
const PIECE: usize = 64 << 10;

/// A blob that is read in pieces.
pub struct Pieces {
    /// How many bytes there are from the offset on.
    pub bytes: u64,
    /// The bytes.
    pub stream: BoxStream<'static, Result<Bytes, BlobError>>,
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Blobs {
    /// The content of a key, hashed before it is anybody's, and not kept at hand: for values that are looked into once.
    pub async fn read(&self, key: &str) -> Result<Bytes, BlobError> {
        if let Some(found) = self.cache().take(key) {
            return Ok(found);
        }
        let fetched = self.inner.store.get(&self.path(key)).await.map_err(|error| blob_error(key, error))?;
        let content = fetched.bytes().await.map_err(|error| blob_error(key, error))?;
        if hex::encode(Sha256::digest(&content)) != sha256_of(key) {
            return Err(BlobError::Corrupt(key.to_owned()));
        }
        Ok(content)
    }

    /// The content of a key from an offset on, in pieces. It is hashed before the first piece is given out: of a blob that
    /// is corrupt nothing is.
    pub async fn pieces(&self, key: &str, offset: u64) -> Result<Pieces, BlobError> {
        let at_hand = self.cache().take(key);
        if let Some(content) = at_hand {
            return Ok(whole(content, offset));
        }
        let fetched = self.inner.store.get(&self.path(key)).await.map_err(|error| blob_error(key, error))?;
        let size = fetched.meta.size;
        if size <= SMALL {
            let content = fetched.bytes().await.map_err(|error| blob_error(key, error))?;
            if hex::encode(Sha256::digest(&content)) != sha256_of(key) {
                return Err(BlobError::Corrupt(key.to_owned()));
            }
            self.cache().keep(key, &content);
            return Ok(whole(content, offset));
        }
        let mut hasher = Sha256::new();
        let mut stream = fetched.into_stream();
        while let Some(piece) = stream.next().await {
            hasher.update(piece.map_err(|error| blob_error(key, error))?);
        }
        if hex::encode(hasher.finalize()) != sha256_of(key) {
            return Err(BlobError::Corrupt(key.to_owned()));
        }
        if offset >= size {
            return Ok(Pieces { bytes: 0, stream: futures_util::stream::empty().boxed() });
        }
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(offset..size)));
        let fetched = self.inner.store.get_opts(&self.path(key), options).await;
        let stream = fetched.map_err(|error| blob_error(key, error))?.into_stream();
        let key = key.to_owned();
        let stream = stream.map_err(move |error| blob_error(&key, error));
        // Stores give what they like to at once; what goes on is small.
        let cut = try_unfold((stream, Bytes::new()), |(mut stream, mut left)| async move {
            while left.is_empty() {
                match stream.try_next().await? {
                    Some(piece) => left = piece,
                    None => return Ok(None),
                }
            }
            let piece = left.split_to(left.len().min(PIECE));
            Ok(Some((piece, (stream, left))))
        });
        Ok(Pieces { bytes: size - offset, stream: cut.boxed() })
    }
}

/// Content that is at hand, from an offset on.
fn whole(content: Bytes, offset: u64) -> Pieces {
    let rest = content.slice(usize::try_from(offset).unwrap_or(usize::MAX).min(content.len())..);
    let bytes = rest.len() as u64;
    let pieces = try_unfold(rest, |mut left| async move {
        let piece = left.split_to(left.len().min(PIECE));
        Ok((!piece.is_empty()).then_some((piece, left)))
    });
    Pieces { bytes, stream: pieces.boxed() }
}

#[cfg(test)]
mod tests {
    use super::super::{BlobLocation, Kind, S3Access};
    use super::*;

    #[tokio::test]
    async fn a_blob_comes_in_pieces_from_an_offset_on() {
        let blobs = Blobs::open(&BlobLocation::Memory, &S3Access::default()).expect("opens");
        for size in [10_usize, 1_000_000] {
            let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let (key, _) = Blobs::name(Kind::File, &content);
            blobs.put(&key, Bytes::from(content.clone())).await.expect("puts");
            for offset in [0, 3, size, size + 5] {
                let pieces = blobs.pieces(&key, offset as u64).await.expect("opens");
                let rest = content.get(offset..).unwrap_or_default();
                assert_eq!(pieces.bytes, rest.len() as u64);
                let read: Vec<Bytes> = pieces.stream.try_collect().await.expect("reads");
                assert!(read.iter().all(|piece| piece.len() <= SMALL as usize));
                assert_eq!(read.concat(), rest, "{size} from {offset} on");
            }
            assert_eq!(blobs.read(&key).await.expect("reads"), content);
        }
        let (key, _) = Blobs::name(Kind::File, b"other");
        blobs.put(&key, Bytes::from(vec![0; 1_000_000])).await.expect("puts");
        assert!(matches!(blobs.pieces(&key, 0).await, Err(BlobError::Corrupt(_))));
        assert!(matches!(blobs.read(&key).await, Err(BlobError::Corrupt(_))));
        assert!(matches!(blobs.pieces("files/none", 0).await, Err(BlobError::Missing(_))));
    }
}
