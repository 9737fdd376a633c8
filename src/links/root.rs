//! A script source: a directory or a bucket, and what lies in it.

use super::folder::{Folder, Listing, PATIENCE};
use super::{LeftOut, LinkError};
use crate::blobs::{BlobError, BlobLocation, S3Access, blob_error, open_place};
use crate::source_files::MAX_BUNDLE;
use bytes::Bytes;
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Scripts of one source that are read and checked at once, and whose packages are resolved.
const AT_ONCE: usize = 16;

/// A place that scripts may be read from.
#[derive(Clone, Debug)]
pub struct Root {
    /// As the operator wrote it, without a slash at its end.
    pub(super) url: String,
    source: Source,
    /// Taken while a script of it is being taken in.
    pub(super) slots: Arc<Semaphore>,
}

#[derive(Clone, Debug)]
enum Source {
    Folder(Arc<Folder>),
    Bucket {
        store: Arc<dyn ObjectStore>,
        /// What the keys of its objects begin with.
        prefix: String,
    },
}

impl Root {
    /// Opens `s3://bucket/prefix`, `file:///directory` or a directory.
    pub fn open(text: &str, access: &S3Access) -> Result<Self, BlobError> {
        let place = BlobLocation::parse(text).map_err(BlobError::BadPlace)?;
        let (source, url) = match place {
            BlobLocation::Disk(path) => {
                let path = std::path::absolute(&path).map_err(|error| BlobError::BadPlace(error.to_string()))?;
                if !path.is_dir() {
                    return Err(BlobError::BadPlace(format!("the script source {} is no directory", path.display())));
                }
                let url = format!("file://{}", path.display());
                (Source::Folder(Arc::new(Folder::new(path))), url)
            }
            place => {
                let (store, prefix) = open_place(&place, access)?;
                (Source::Bucket { store, prefix }, text.to_owned())
            }
        };
        Ok(Self::of(&url, source))
    }

    fn of(url: &str, source: Source) -> Self {
        Root { url: url.trim_end_matches('/').to_owned(), source, slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// A bucket that is open already.
    #[cfg(test)]
    pub(super) fn of_bucket(url: &str, store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self::of(url, Source::Bucket { store, prefix: prefix.into() })
    }

    /// What an address names below this root.
    pub(super) fn below<'a>(&self, from: &'a str) -> Option<&'a str> {
        let rest = from.strip_prefix(&self.url)?.strip_prefix('/')?;
        let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
        rest.split('/').all(plain).then_some(rest)
    }

    /// The content of what lies below, with a mark that changes when the content does; nothing when the mark is the known
    /// one.
    pub(super) async fn read(&self, below: &str, known: Option<String>) -> Result<Option<(Bytes, String)>, LinkError> {
        let (store, prefix) = match &self.source {
            Source::Folder(folder) => return folder.read(below, known).await,
            Source::Bucket { store, prefix } => (store, prefix),
        };
        let url = format!("{}/{below}", self.url);
        let key = if prefix.is_empty() { below.to_owned() } else { format!("{prefix}/{below}") };
        let key = Key::parse(key).map_err(|error| LinkError::NotAllowed(error.to_string()))?;
        let read = async {
            if known.is_some() {
                let meta = store.head(&key).await.map_err(|error| blob_error(&url, error))?;
                if known.as_deref() == Some(&tag_of(&meta)) {
                    return Ok(None);
                }
            }
            let found = store.get(&key).await.map_err(|error| blob_error(&url, error))?;
            let tag = tag_of(&found.meta);
            if found.meta.size > MAX_BUNDLE as u64 {
                return Err(LinkError::LeftOut(url.clone(), LeftOut::TooLarge));
            }
            Ok(Some((found.bytes().await.map_err(|error| blob_error(&url, error))?, tag)))
        };
        in_time(&url, read).await
    }

    /// What lies in the source itself.
    pub(super) async fn list(&self) -> Result<Listing, LinkError> {
        let (store, prefix) = match &self.source {
            Source::Folder(folder) => return folder.list().await,
            Source::Bucket { store, prefix } => (store, prefix),
        };
        let list = async {
            let prefix = (!prefix.is_empty()).then(|| Key::from(prefix.as_str()));
            let listed = store.list_with_delimiter(prefix.as_ref()).await;
            Ok(listed.map_err(|error| blob_error(&self.url, error))?.objects)
        };
        let objects = in_time(&self.url, list).await?;
        let (mut scripts, mut names) = (Vec::new(), HashSet::new());
        for object in objects {
            let Some(file) = object.location.filename() else { continue };
            names.insert(file.to_owned());
            if file.ends_with(".py") {
                let is_large = object.size > MAX_BUNDLE as u64;
                scripts.push((file.to_owned(), if is_large { Err(LeftOut::TooLarge) } else { Ok(tag_of(&object)) }));
            }
        }
        Ok(Listing { scripts, names })
    }
}

/// A slow bucket is one that cannot be reached.
async fn in_time<T>(url: &str, look: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    let slow = |_| LinkError::Slow(format!("{url} did not answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, look).await.map_err(slow)?
}

/// What changes when the content does: an ETag, or time and size.
fn tag_of(meta: &ObjectMeta) -> String {
    match &meta.e_tag {
        Some(tag) => tag.clone(),
        None => format!("{}-{}", meta.last_modified.timestamp_micros(), meta.size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_under_its_root_or_not() {
        let root = Root::of("file:///srv/jobs/", Source::Folder(Arc::new(Folder::new("/srv/jobs".into()))));
        assert_eq!(root.below("file:///srv/jobs/a/price.py"), Some("a/price.py"));
        for outside in [
            "file:///srv/jobs",
            "file:///srv/jobs/",
            "file:///srv/jobsX/a.py",
            "file:///srv/jobs/../x.py",
            "file:///srv/jobs/a/../../x.py",
            "s3://srv/jobs/a.py",
            "file:///srv/jobs//a.py",
            "file:///srv/jobs/a\0.py",
        ] {
            assert_eq!(root.below(outside), None, "{outside}");
        }
    }

    #[tokio::test]
    async fn objects_are_found_under_their_prefix() {
        let store = Arc::new(object_store::memory::InMemory::new());
        store.put(&Key::from("p/x.py"), "x = 1".into()).await.expect("puts");
        store.put(&Key::from("p/deep/y.py"), "y = 1".into()).await.expect("puts");
        let bucket = Root::of("s3://b/p", Source::Bucket { store, prefix: "p".into() });
        let listed = bucket.list().await.expect("lists").scripts;
        assert_eq!(listed.len(), 1);
        let below = bucket.below("s3://b/p/x.py").expect("below");
        let (content, tag) = bucket.read(below, None).await.expect("reads").expect("is new");
        assert_eq!((&content[..], Ok(&tag)), (&b"x = 1"[..], listed[0].1.as_ref()));
        assert_eq!(bucket.read("x.py", Some(tag)).await.expect("reads"), None);
        assert!(bucket.read("deep/y.py", None).await.expect("reads").is_some());
        assert!(matches!(bucket.read("none.py", None).await, Err(LinkError::Blob(BlobError::Missing(_)))));
    }
}
