//! Each thing that is done with objects, tried on one of its own: a bucket allows each by itself.

use super::{BlobError, Blobs, blob_error};
use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

/// What the object holds.
const CONTENT: &[u8] = b"cronbox doctor\n";

impl Blobs {
    /// Writes an object, finds it, reads it and deletes it: what was tried, in words that complete "objects can be …", and
    /// what came of it.
    pub async fn try_each(&self) -> Vec<(&'static str, Result<(), BlobError>)> {
        let name = format!("doctor-{}", uuid::Uuid::now_v7());
        let (store, path) = (&self.inner.store, self.path(&name));
        let failed = |error| blob_error(&name, error);
        let written = store.put(&path, PutPayload::from_static(CONTENT)).await.map(|_| ()).map_err(failed);
        let found = store.head(&path).await.map(|_| ()).map_err(failed);
        let read = async {
            let content = store.get(&path).await.map_err(failed)?.bytes().await.map_err(failed)?;
            if content == CONTENT { Ok(()) } else { Err(BlobError::Corrupt(name.clone())) }
        };
        let read = read.await;
        let folder: Key = self.path("doctor");
        let listed = store.list(Some(&folder)).try_for_each(async |_| Ok(())).await.map_err(failed);
        let deleted = store.delete(&path).await.map_err(failed);
        vec![("written", written), ("found", found), ("read", read), ("listed", listed), ("deleted", deleted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::blobs::{BlobLocation, Blobs, S3Access};

    #[tokio::test]
    async fn everything_is_tried_and_nothing_is_left() {
        let folder = std::env::temp_dir().join(format!("cronbox-verbs-{}", std::process::id()));
        let blobs = Blobs::open(&BlobLocation::Disk(folder.clone()), &S3Access::default()).expect("opens");
        let tried = blobs.try_each().await;
        assert_eq!(
            tried.iter().map(|(verb, _)| *verb).collect::<Vec<_>>(),
            ["written", "found", "read", "listed", "deleted"]
        );
        assert!(tried.iter().all(|(_, done)| done.is_ok()), "{tried:?}");
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 0);
        std::fs::remove_dir_all(folder).expect("removes");
    }
}
