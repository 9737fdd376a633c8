//! The files of versions as the sandbox wants them, kept at hand for the next run.

use crate::blobs::{BlobError, Blobs};
use crate::run::Run;
use crate::source_files::{SourceError, Sources};
use bytes::Bytes;
use cronbox_runtime::{Bundle, BundleError};
use hashlink::LruCache;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bundles kept at hand, in bytes, and in number: each holds a descriptor of the node's.
const KEPT: u64 = 256 << 20;
const MOST: usize = 512;
/// Where a version's code object stands beside its source.
const CODE: &str = "__pycache__/";

/// Why a run has no files.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    /// They cannot be had.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// They are not what they should be.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// They fit into no bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The run has none.
    #[error("the run has no source")]
    None,
}

/// A bundle, where the code object is in it, and the bundle of its packages.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) bundle: Arc<Bundle>,
    pub(super) code: Option<String>,
    pub(super) packages: Option<Arc<Bundle>>,
}

/// A bundle's blob, and that of the code object in it.
type Named = (String, Option<String>);

struct Kept {
    /// The size, and the bundle. Their sum is bounded, which `keep` does.
    bundles: LruCache<Named, (u64, Arc<Bundle>)>,
    bytes: u64,
}

pub(super) struct Bundles {
    blobs: Blobs,
    kept: Mutex<Kept>,
}

impl Bundles {
    pub(super) fn new(blobs: Blobs) -> Self {
        Bundles { blobs, kept: Mutex::new(Kept { bundles: LruCache::new_unbounded(), bytes: 0 }) }
    }

    /// The files of a run.
    pub(super) async fn of(&self, run: &Run) -> Result<Ready, FilesError> {
        let packages = match &run.spec.packages {
            Some(key) => Some(self.packages(key).await?),
            None => None,
        };
        if let Some(source) = &run.source {
            let bundle = Bundle::of_files(&[(&run.spec.main, source)])?;
            return Ok(Ready { bundle: Arc::new(bundle), code: None, packages });
        }
        let Some(blob) = run.spec.blob.clone() else { return Err(FilesError::None) };
        // A code object that is not there beside the source is made anew by the run.
        let path = run.spec.code.as_ref().map(|_| format!("{CODE}{}c", run.spec.main));
        let code = |bundle: &Bundle| path.clone().filter(|path| bundle.file(path).is_some());
        let name = (blob.clone(), run.spec.code.clone());
        if let Some(bundle) = self.lock().take(&name) {
            return Ok(Ready { code: code(&bundle), bundle, packages });
        }
        let sources = Sources::of_blob(&blob, &run.spec.main, self.blobs.get(&blob).await?)?;
        let mut files: Vec<(String, Bytes)> = sources.files.clone();
        if let (Some(key), Some(path)) = (&run.spec.code, &path) {
            files.retain(|(other, _)| other != path);
            if let Ok(content) = self.blobs.get(key).await {
                files.push((path.clone(), content));
            }
        }
        let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (&**path, &**content)).collect();
        let bundle = Arc::new(Bundle::of_files(&borrowed)?);
        self.lock().keep(name, &bundle);
        Ok(Ready { code: code(&bundle), bundle, packages })
    }

    async fn packages(&self, key: &str) -> Result<Arc<Bundle>, FilesError> {
        let name = (key.to_owned(), None);
        if let Some(bundle) = self.lock().take(&name) {
            return Ok(bundle);
        }
        let bundle = Arc::new(Bundle::from_bytes(&self.blobs.get(key).await?)?);
        self.lock().keep(name, &bundle);
        Ok(bundle)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, name: &Named) -> Option<Arc<Bundle>> {
        self.bundles.get(name).map(|(_, bundle)| bundle.clone())
    }

    fn keep(&mut self, name: Named, bundle: &Arc<Bundle>) {
        // A mapping and a descriptor cost something too, however small the file.
        let size = bundle.bytes().len() as u64 + (64 << 10);
        if self.bundles.insert(name, (size, bundle.clone())).is_none() {
            self.bytes += size;
        }
        // The newest stays, however large it is: the run that it was made for is not the last.
        while self.bundles.len() > MOST || self.bytes > KEPT && self.bundles.len() > 1 {
            let Some((_, (size, _))) = self.bundles.remove_lru() else { return };
            self.bytes -= size;
        }
    }
}
