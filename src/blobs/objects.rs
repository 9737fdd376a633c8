//! Any objects at a place, by name: what backups are made of.

use super::{BlobError, BlobLocation, Blobs, S3Access, blob_error, open_place};
use crate::clock::Time;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use std::sync::Arc;

/// Objects at a place.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: String,
}

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// How large it is.
    pub bytes: u64,
    /// When it was written, by the clock of the place.
    pub written_at: Time,
}

impl Objects {
    /// Opens a place.
    pub fn open(place: &BlobLocation, access: &S3Access) -> Result<Self, BlobError> {
        let (store, prefix) = open_place(place, access)?;
        Ok(Objects { store, prefix })
    }

    /// Writes an object, whole or not at all.
    pub async fn put(&self, name: &str, content: Bytes) -> Result<(), BlobError> {
        let put = self.store.put(&self.path(name), PutPayload::from_bytes(content)).await;
        put.map(|_| ()).map_err(|error| blob_error(name, error))
    }

    /// The content of an object, as it is.
    pub async fn get(&self, name: &str) -> Result<Bytes, BlobError> {
        let fetched = self.store.get(&self.path(name)).await.map_err(|error| blob_error(name, error))?;
        fetched.bytes().await.map_err(|error| blob_error(name, error))
    }

    /// An object, if it is there.
    pub async fn find(&self, name: &str) -> Result<Option<Found>, BlobError> {
        match self.store.head(&self.path(name)).await {
            Ok(found) => Ok(self.found(&found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(blob_error(name, error)),
        }
    }

    /// All objects whose names begin with `under` and a slash; empty: all.
    pub async fn list(&self, under: &str) -> Result<Vec<Found>, BlobError> {
        let path = self.path(under);
        let list = self.store.list(Some(&path)).map_err(|error| blob_error(under, error));
        list.try_filter_map(|found| async move { Ok(self.found(&found)) }).try_collect().await
    }

    /// Deletes an object; one that is not there is deleted already.
    pub async fn delete(&self, name: &str) -> Result<(), BlobError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(blob_error(name, error)),
        }
    }

    fn path(&self, name: &str) -> Key {
        if self.prefix.is_empty() { Key::from(name) } else { Key::from(format!("{}/{name}", self.prefix)) }
    }

    fn found(&self, found: &ObjectMeta) -> Option<Found> {
        let name = found.location.as_ref();
        let name = if self.prefix.is_empty() { name } else { name.strip_prefix(&self.prefix)?.strip_prefix('/')? };
        Some(Found { name: name.to_owned(), bytes: found.size, written_at: found.last_modified })
    }
}

impl Blobs {
    /// The same place, for those that do not name content.
    pub fn objects(&self) -> Objects {
        Objects { store: self.inner.store.clone(), prefix: self.inner.prefix.clone() }
    }

    /// The SHA-256 that a key of a blob names; none: it is no key.
    pub fn sha256_of_key(key: &str) -> Option<&str> {
        let (folder, name) = key.split_once('/')?;
        let (sha256, end) = name.split_once('.').map_or((name, ""), |(sha256, end)| (sha256, end));
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase());
        (is_hash && !folder.is_empty() && is_word(folder) && is_word(end)).then_some(sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn keys_of_blobs_are_told_from_other_words() {
        for kind in [Kind::Source, Kind::Bundle, Kind::Value, Kind::Output, Kind::Code, Kind::File, Kind::Packages] {
            let (key, sha256) = Blobs::name(kind, b"x");
            assert_eq!(Blobs::sha256_of_key(&key), Some(&*sha256));
        }
        let (key, sha256) = Blobs::name(Kind::File, b"x");
        let bad = [
            format!("../{key}"),
            format!("/{sha256}"),
            sha256.clone(),
            format!("files/../{sha256}"),
            key.to_uppercase(),
        ];
        for bad in bad.iter().map(String::as_str).chain(["", "files/", "files/x", "probe"]) {
            assert_eq!(Blobs::sha256_of_key(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn objects_are_found_by_name() {
        let (store, _) = open_place(&BlobLocation::Memory, &S3Access::default()).expect("opens");
        for prefix in ["", "a/b"] {
            let objects = Objects { store: store.clone(), prefix: prefix.into() };
            objects.put("x/1", Bytes::from_static(b"one")).await.expect("puts");
            objects.put("xy", Bytes::from_static(b"two")).await.expect("puts");
            let names =
                |found: Vec<Found>| found.into_iter().map(|found| (found.name, found.bytes)).collect::<Vec<_>>();
            assert_eq!(names(objects.list("x").await.expect("lists")), [("x/1".to_owned(), 3)]);
            assert_eq!(objects.find("xy").await.expect("asks").map(|found| found.bytes), Some(3));
            assert_eq!(objects.find("x").await.expect("asks"), None);
            objects.delete("x/1").await.expect("deletes");
            objects.delete("x/1").await.expect("deletes nothing");
            assert!(objects.list("x").await.expect("lists").is_empty());
            assert!(matches!(objects.get("x/1").await, Err(BlobError::Missing(_))));
        }
    }
}
