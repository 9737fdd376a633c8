//! Blobs: sources, large results and output, on disk or in a bucket.
//!
//! | key | is |
//! | --- | --- |
//! | `sources/SHA256.py` | a script's one file, as it was uploaded |
//! | `bundles/SHA256.zip` | a script's files, as an archive that is the same for the same files |
//! | `values/SHA256.json` | arguments or a result over 16 KiB |
//! | `output/SHA256.txt` | what a run wrote, over 16 KiB |
//! | `code/SHA256.pyc` | the code object of a version, so that no run compiles it again |
//! | `files/SHA256` | a file that a run left under `/output` |
//! | `packages/SHA256.bundle` | the packages of a version, with their code objects |
//!
//! A key names its content: what is fetched is hashed again, and content that does not match is an error, never used.

mod objects;
mod stream;
mod verbs;

pub use objects::{Found, Objects};
pub use stream::Pieces;

use crate::fullness::Fullness;
use bytes::Bytes;
use hashlink::LruCache;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of fetched blobs that a node keeps at hand.
const CACHE: usize = 64 << 20;

/// What is written to find out whether there is room, and how large it is: as a large result.
const PROBE: &str = "probe";
const PROBE_BYTES: usize = 1 << 20;

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A script's one file.
    Source,
    /// A script's files, as an archive.
    Bundle,
    /// JSON.
    Value,
    /// What a run wrote.
    Output,
    /// A code object.
    Code,
    /// A file that a run left.
    File,
    /// The packages of a version, as a bundle.
    Packages,
}

impl Kind {
    fn key(self, sha256: &str) -> String {
        match self {
            Kind::Source => format!("sources/{sha256}.py"),
            Kind::Bundle => format!("bundles/{sha256}.zip"),
            Kind::Value => format!("values/{sha256}.json"),
            Kind::Output => format!("output/{sha256}.txt"),
            Kind::Code => format!("code/{sha256}.pyc"),
            Kind::File => format!("files/{sha256}"),
            Kind::Packages => format!("packages/{sha256}.bundle"),
        }
    }
}

/// Why a blob cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The disk or bucket does not answer, or refuses.
    #[error("the blob store cannot be reached: {0}")]
    Unavailable(String),
    /// It is not there.
    #[error("the blob {0} is missing")]
    Missing(String),
    /// Its content is not what its key says. It is not used.
    #[error("the blob {0} is corrupt: its content does not match its name")]
    Corrupt(String),
    /// The disk is full.
    #[error("the disk of the blobs is full")]
    Full,
    /// The place cannot be one.
    #[error("{0}")]
    BadPlace(String),
}

/// Where blobs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobLocation {
    /// In memory, gone with the program.
    Memory,
    /// A directory.
    Disk(PathBuf),
    /// `s3://bucket/prefix`
    S3 {
        /// The bucket.
        bucket: String,
        /// What every key begins with; may be empty.
        prefix: String,
    },
}

impl BlobLocation {
    /// Reads `s3://bucket/prefix`, or a directory.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("s3://") else {
            let path = text.strip_prefix("file://").unwrap_or(text);
            return if path.is_empty() {
                Err("a directory needs a name".into())
            } else {
                Ok(BlobLocation::Disk(path.into()))
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("a bucket is written s3://BUCKET/PREFIX".into());
        }
        Ok(BlobLocation::S3 { bucket: bucket.into(), prefix: prefix.trim_matches('/').into() })
    }
}

/// How an S3 bucket is reached; what is not said is asked of the environment (`AWS_…`) by the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Access {
    /// `AWS_*` variables, in lower case, as `object_store` names them.
    pub options: Vec<(String, String)>,
}

/// A disk or bucket of blobs. Clones are the same.
#[derive(Clone, Debug)]
pub struct Blobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// Whether what is put stays in memory: then it is a copy, for the bytes of a request hold room that others wait for.
    is_memory: bool,
    cache: Mutex<Cache>,
    /// Whether the last blob that was to be kept found the disk full.
    fullness: Fullness,
}

#[derive(Debug)]
struct Cache {
    /// The sum of their sizes is bounded, which `keep` does.
    blobs: LruCache<String, Bytes>,
    bytes: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Cache { blobs: LruCache::new_unbounded(), bytes: 0 }
    }
}

/// Opens a disk or bucket.
pub fn open_place(place: &BlobLocation, access: &S3Access) -> Result<(Arc<dyn ObjectStore>, String), BlobError> {
    match place {
        BlobLocation::Memory => Ok((Arc::new(InMemory::new()), String::new())),
        BlobLocation::Disk(path) => {
            std::fs::create_dir_all(path)
                .map_err(|error| BlobError::BadPlace(format!("{} cannot be made: {error}", path.display())))?;
            let disk = LocalFileSystem::new_with_prefix(path)
                .map_err(|error| BlobError::BadPlace(format!("{}: {error}", path.display())))?;
            Ok((Arc::new(disk.with_fsync(true)), String::new()))
        }
        BlobLocation::S3 { bucket, prefix } => {
            // The bucket's client brings no implementation of TLS of its own; another may have been set already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let retry = RetryConfig {
                max_retries: 3,
                retry_timeout: Duration::from_secs(5),
                backoff: BackoffConfig { init_backoff: Duration::from_millis(50), ..BackoffConfig::default() },
            };
            let client = ClientOptions::new()
                .with_timeout(Duration::from_secs(30))
                .with_connect_timeout(Duration::from_secs(3))
                .with_allow_http(
                    access
                        .options
                        .iter()
                        .any(|(name, value)| name.starts_with("aws_endpoint") && value.starts_with("http:")),
                );
            let mut builder =
                AmazonS3Builder::new().with_retry(retry).with_client_options(client).with_bucket_name(bucket);
            for (name, value) in &access.options {
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value);
                }
            }
            let s3 = builder.build().map_err(|error| BlobError::BadPlace(format!("s3://{bucket}: {error}")))?;
            Ok((Arc::new(s3), prefix.clone()))
        }
    }
}

/// The first `most` bytes of any object, `s3://bucket/key`.
pub async fn read_object(address: &str, access: &S3Access, most: u64) -> Result<Vec<u8>, BlobError> {
    let (bucket, key) = match BlobLocation::parse(address) {
        Ok(BlobLocation::S3 { bucket, prefix }) if !prefix.is_empty() => (bucket, prefix),
        _ => return Err(BlobError::BadPlace("an object is written s3://BUCKET/KEY".into())),
    };
    let (store, _) = open_place(&BlobLocation::S3 { bucket, prefix: String::new() }, access)?;
    let path = Key::parse(&key).map_err(|error| BlobError::BadPlace(error.to_string()))?;
    let read = store.get_opts(&path, GetOptions::new().with_range(Some(GetRange::Bounded(0..most)))).await;
    let content = read.map_err(|error| blob_error(&key, error))?.bytes().await;
    Ok(content.map_err(|error| blob_error(&key, error))?.to_vec())
}

impl Blobs {
    /// Opens the place where blobs are kept.
    pub fn open(place: &BlobLocation, access: &S3Access) -> Result<Self, BlobError> {
        let (store, prefix) = open_place(place, access)?;
        Ok(Self::over(store, prefix, *place == BlobLocation::Memory))
    }

    /// Keeps blobs in any store of objects, under keys that begin with `prefix`; `is_memory` says whether it keeps what it is
    /// given as it is.
    pub fn over(store: Arc<dyn ObjectStore>, prefix: String, is_memory: bool) -> Self {
        Blobs {
            inner: Arc::new(Inner { store, prefix, is_memory, cache: Mutex::default(), fullness: Fullness::default() }),
        }
    }

    /// The key that content will have, and its hash.
    pub fn name(kind: Kind, content: &[u8]) -> (String, String) {
        let sha256 = hex::encode(Sha256::digest(content));
        (kind.key(&sha256), sha256)
    }

    /// Keeps content under its key.
    pub async fn put(&self, key: &str, content: Bytes) -> Result<(), BlobError> {
        // The same content again would be written again for nothing; whether it is there is cheap to ask.
        let path = self.path(key);
        if let Ok(found) = self.inner.store.head(&path).await
            && found.size == content.len() as u64
        {
            return Ok(());
        }
        let content = if self.inner.is_memory { Bytes::copy_from_slice(&content) } else { content };
        let put = self.inner.store.put(&path, PutPayload::from_bytes(content)).await;
        let put = put.map(|_| ()).map_err(|error| blob_error(key, error));
        match &put {
            Ok(()) => self.inner.fullness.note(false, Instant::now()),
            Err(BlobError::Full) => self.inner.fullness.note(true, Instant::now()),
            Err(_) => {}
        }
        put
    }

    /// Whether the last blob that was to be kept found the disk full.
    pub fn fullness(&self) -> &Fullness {
        &self.inner.fullness
    }

    /// Whether something small can be kept: asked again when the disk was full.
    pub async fn try_put(&self) -> Result<(), BlobError> {
        // Deleted first: what is there already is not written again.
        self.delete(PROBE).await?;
        self.put(PROBE, Bytes::from(vec![b'x'; PROBE_BYTES])).await?;
        self.delete(PROBE).await
    }

    /// The content of a key, from the cache or the store, and hashed before it is anybody's.
    pub async fn get(&self, key: &str) -> Result<Bytes, BlobError> {
        let content = self.read(key).await?;
        self.cache().keep(key, &content);
        Ok(content)
    }

    /// Deletes a key; one that is not there is deleted already.
    pub async fn delete(&self, key: &str) -> Result<(), BlobError> {
        self.cache().forget(key);
        match self.inner.store.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(blob_error(key, error)),
        }
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), BlobError> {
        match self.inner.store.head(&self.path("ping")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(blob_error("ping", error)),
        }
    }

    fn path(&self, key: &str) -> Key {
        if self.inner.prefix.is_empty() { Key::from(key) } else { Key::from(format!("{}/{key}", self.inner.prefix)) }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a key says about its content.
fn sha256_of(key: &str) -> &str {
    key.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default()
}

/// What an error of the store's means for a key.
pub fn blob_error(key: &str, error: object_store::Error) -> BlobError {
    match &error {
        object_store::Error::NotFound { .. } => BlobError::Missing(key.to_owned()),
        _ if is_full(&error) => BlobError::Full,
        _ => BlobError::Unavailable(first_line(&error.to_string())),
    }
}

fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// S3's answers are pages of XML: their beginning is enough.
fn first_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.lines().next().unwrap_or_default().chars().take(300).map(shown).collect()
}

impl Cache {
    fn take(&mut self, key: &str) -> Option<Bytes> {
        self.blobs.get(key).cloned()
    }

    fn keep(&mut self, key: &str, content: &Bytes) {
        if content.len() > CACHE / 4 {
            return;
        }
        if self.blobs.insert(key.to_owned(), content.clone()).is_none() {
            self.bytes += content.len();
        }
        while self.bytes > CACHE {
            let Some((_, content)) = self.blobs.remove_lru() else { return };
            self.bytes -= content.len();
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(content) = self.blobs.remove(key) {
            self.bytes -= content.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn content_is_checked_against_its_name() {
        let blobs = Blobs::open(&BlobLocation::Memory, &S3Access::default()).expect("opens");
        let (key, sha256) = Blobs::name(Kind::Source, b"x = 1");
        assert_eq!(key, format!("sources/{sha256}.py"));
        assert!(matches!(blobs.get(&key).await, Err(BlobError::Missing(_))));
        blobs.put(&key, Bytes::from_static(b"x = 1")).await.expect("puts");
        assert_eq!(&blobs.get(&key).await.expect("gets")[..], b"x = 1");
        let (other, _) = Blobs::name(Kind::Source, b"y = 2");
        blobs.put(&other, Bytes::from_static(b"forged")).await.expect("puts");
        assert!(matches!(blobs.get(&other).await, Err(BlobError::Corrupt(name)) if name == other));
        blobs.delete(&key).await.expect("deletes");
        blobs.delete(&key).await.expect("deletes nothing");
        assert!(matches!(blobs.get(&key).await, Err(BlobError::Missing(_))));
    }

    #[test]
    fn places_are_read() {
        let s3 = |bucket: &str, prefix: &str| BlobLocation::S3 { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!(BlobLocation::parse("s3://jobs/a/b/"), Ok(s3("jobs", "a/b")));
        assert_eq!(BlobLocation::parse("s3://jobs"), Ok(s3("jobs", "")));
        assert_eq!(BlobLocation::parse("/srv/blobs"), Ok(BlobLocation::Disk("/srv/blobs".into())));
        assert!(BlobLocation::parse("s3:///x").is_err());
        assert!(BlobLocation::parse("").is_err());
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut cache = Cache::default();
        let block = Bytes::from(vec![0; CACHE / 8]);
        for n in 0..20 {
            cache.keep(&n.to_string(), &block);
        }
        assert!(cache.bytes <= CACHE && cache.blobs.len() == 8);
        assert!(cache.take("19").is_some() && cache.take("0").is_none());
    }
}
