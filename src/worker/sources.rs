//! The files of versions as the sandbox wants them, kept at hand for the next run.

use crate::blobs::{BlobError, Blobs};
use crate::run::Run;
use crate::sources::{SourceError, Sources};
use bytes::Bytes;
use cronbox_runtime::{Bundle, BundleError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bundles kept at hand, in bytes.
const KEPT: u64 = 64 << 20;
/// Where a version's code object stands beside its source.
const CODE: &str = "__pycache__/";

/// Why a run has no files.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unready {
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

/// A bundle, and where the code object is in it.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) bundle: Arc<Bundle>,
    pub(super) code: Option<String>,
}

#[derive(Default)]
struct Kept {
    /// By blob and code object: the last use, the size, the bundle.
    bundles: HashMap<(String, Option<String>), (u64, u64, Ready)>,
    bytes: u64,
    uses: u64,
}

pub(super) struct Bundles {
    blobs: Blobs,
    kept: Mutex<Kept>,
}

impl Bundles {
    pub(super) fn new(blobs: Blobs) -> Self {
        Bundles { blobs, kept: Mutex::default() }
    }

    /// The bundle of a run.
    pub(super) async fn of(&self, run: &Run) -> Result<Ready, Unready> {
        if let Some(source) = &run.source {
            let bundle = Bundle::of_files(&[(&run.spec.main, source)])?;
            return Ok(Ready { bundle: Arc::new(bundle), code: None });
        }
        let Some(blob) = run.spec.blob.clone() else { return Err(Unready::None) };
        let name = (blob.clone(), run.spec.code.clone());
        if let Some(ready) = self.lock().take(&name) {
            return Ok(ready);
        }
        let sources = Sources::of_blob(&blob, &run.spec.main, self.blobs.get(&blob).await?)?;
        let mut files: Vec<(String, Bytes)> = sources.files.clone();
        let mut code = None;
        if let Some(key) = &run.spec.code
            && let Ok(content) = self.blobs.get(key).await
        {
            // A code object that cannot be had is made anew by the run.
            let path = format!("{CODE}{}c", sources.main);
            files.retain(|(other, _)| *other != path);
            files.push((path.clone(), content));
            code = Some(path);
        }
        let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (&**path, &**content)).collect();
        let ready = Ready { bundle: Arc::new(Bundle::of_files(&borrowed)?), code };
        self.lock().keep(name, sources.size(), &ready);
        Ok(ready)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, name: &(String, Option<String>)) -> Option<Ready> {
        self.uses += 1;
        let (used, _, ready) = self.bundles.get_mut(name)?;
        *used = self.uses;
        Some(ready.clone())
    }

    fn keep(&mut self, name: (String, Option<String>), size: u64, ready: &Ready) {
        self.uses += 1;
        // A mapping and a descriptor cost something too, however small the file.
        let size = size + (64 << 10);
        if self.bundles.insert(name, (self.uses, size, ready.clone())).is_none() {
            self.bytes += size;
        }
        while self.bytes > KEPT {
            let oldest = self.bundles.iter().min_by_key(|(_, (used, _, _))| *used).map(|(name, _)| name.clone());
            let Some((_, size, _)) = oldest.and_then(|name| self.bundles.remove(&name)) else { return };
            self.bytes -= size;
        }
    }
}
