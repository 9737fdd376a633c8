//! Images of package sets: memories of sandboxes that have imported a script's packages and done nothing else. Sandboxes of
//! scripts with the same packages and the same first imports begin as such an image instead of importing again.
//!
//! An image lies beside the machine code that it belongs to, and is trusted like it ([`crate::trusted_file`]): a file of the
//! whole memory, so that it is mapped as one piece. Each node makes its own. That takes less time than to fetch and check one
//! from a bucket, and what a bucket holds never becomes the memory of a sandbox.
//!
//! # Why a run from an image is like one without
//!
//! - It is made in a sandbox like any other, in a process of its own, without network, secrets and arguments, from nothing
//!   but the files of the packages. All scripts that use it import these files anyway.
//! - A run without an image imports the same modules, by the same code, before the script begins. Neither run pays for it
//!   from its own fuel.
//! - Only imports count that come before anything in the script that could change them (`packages.py` of the guest).
//! - A set is refused when its imports draw random bytes, read a clock, write output or files, leave a handle open, move the
//!   state of the `random` module, or fail.
//! - Variables of the environment that were asked for are recorded. A run in whose environment one of them differs imports
//!   for itself, and so does a script with files of its own that have the name of a module in the image.
//! - The key names the build of the interpreter, the files of the packages and the modules.

use crate::bundle::{Bundle, BundleHash};
use crate::interpreter::CompiledInterpreter;
use crate::prepared::{ENVIRONMENT, ImageKey, Prepared};
use crate::trusted_file::{self, Content, TrustError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The age of a file that is still being written, at which nobody writes it any more.
const CUT_OFF: Duration = Duration::from_secs(600);
/// The memory that a run needs beyond the image, in bytes.
const HEADROOM: u64 = 4 << 20;
/// Most records of scripts that are kept: the newest ones.
const MOST_SCRIPTS: usize = 10_000;

/// Names a script with its packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ScriptKey([u8; 32]);

impl fmt::Display for ScriptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The record of an image: made, or refused with the reason.
#[derive(Debug, Serialize, Deserialize)]
struct ImageRecord {
    made: Result<(Content, Prepared), String>,
}

/// The record of a script: the modules that it imports first, in order.
#[derive(Debug, Serialize, Deserialize)]
struct ScriptRecord {
    modules: Vec<String>,
}

/// An image that can be used.
#[derive(Debug)]
pub(crate) struct PackageImage {
    pub(crate) key: ImageKey,
    pub(crate) file: Arc<OwnedFd>,
    pub(crate) prepared: Prepared,
}

/// What is known about an image.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Image(Arc<PackageImage>),
    /// There can be none, and why.
    Refused(String),
}

/// The images in a directory.
#[derive(Debug)]
pub(crate) struct ImageStore {
    directory: PathBuf,
    /// Names the build of the interpreter.
    interpreter: String,
    base: File,
    /// Most bytes of all images together.
    most: u64,
    /// How many scripts were recorded.
    noted: AtomicU64,
}

impl ImageStore {
    /// Opens the images beside an interpreter; none when no images are made of it, when it has no image itself or when
    /// nothing can be written there.
    pub(crate) fn open(interpreter: &CompiledInterpreter, most: u64) -> Option<Self> {
        interpreter.description().entry.images.as_ref()?;
        let base = interpreter.image_file()?.try_clone().ok()?;
        let directory = interpreter.path().parent()?.join("images");
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).ok()?;
        trusted_file::check_owner(&directory, &fs::metadata(&directory).ok()?).ok()?;
        let interpreter = interpreter.path().file_name()?.to_str()?.to_owned();
        (most > 0).then_some(ImageStore { directory, interpreter, base, most, noted: AtomicU64::new(1) })
    }

    /// Returns the length of the interpreter's image in bytes.
    pub(crate) fn base_length(&self) -> u64 {
        self.base.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Names a script of a bundle with these packages.
    pub(crate) fn script_key(&self, bundle: BundleHash, path: &str, packages: BundleHash) -> ScriptKey {
        ScriptKey(self.digest(&[bundle.as_bytes(), packages.as_bytes(), path.as_bytes()]))
    }

    /// Names the image of these modules of these packages.
    pub(crate) fn image_key(&self, packages: BundleHash, modules: &[String]) -> ImageKey {
        ImageKey(self.digest(&[packages.as_bytes(), &crate::frame::to_json(&modules)]))
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for part in [crate::BUILD.as_bytes(), self.interpreter.as_bytes()].iter().chain(parts) {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    /// Returns the modules that a script imports first, when that was recorded.
    pub(crate) fn modules(&self, script: ScriptKey) -> Option<Vec<String>> {
        let record: ScriptRecord = read(&self.script_path(script))?;
        Some(record.modules)
    }

    /// Records the modules that a script imports first.
    pub(crate) fn note_modules(&self, script: ScriptKey, modules: &[String]) {
        let record = ScriptRecord { modules: modules.to_vec() };
        // A record that cannot be written is made again.
        let _ = trusted_file::write(&self.script_path(script), &crate::frame::to_json(&record));
        if self.noted.fetch_add(1, Relaxed).is_multiple_of(256) {
            self.prune_records();
        }
    }

    /// Opens an image; none when it was not made yet, or is damaged.
    pub(crate) fn find(&self, key: ImageKey) -> Option<Found> {
        let mut record: ImageRecord = read(&self.record_path(key))?;
        let (content, prepared) = match &mut record.made {
            Err(reason) => return Some(Found::Refused(reason.clone())),
            Ok(made) => made,
        };
        let path = self.image_path(key);
        let opened = trusted_file::open(&path).and_then(|file| Ok((content.check(&path, &file, false)?, file)));
        let (checked_now, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                if !matches!(&error, TrustError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
                {
                    tracing::warn!("an image of packages is made again: {error}");
                }
                let _ = fs::remove_file(self.record_path(key));
                return None;
            }
        };
        let prepared = prepared.clone();
        if checked_now {
            let _ = trusted_file::write(&self.record_path(key), &crate::frame::to_json(&record));
        }
        // The order in which images are removed goes by their last use. The image's own times are how a change of it is
        // noticed.
        let now = std::time::SystemTime::now();
        let _ = File::options().append(true).open(self.record_path(key)).and_then(|record| record.set_modified(now));
        Some(Found::Image(Arc::new(PackageImage { key, file: Arc::new(file.into()), prepared })))
    }

    /// Writes an image: the interpreter's memory with these changes.
    pub(crate) fn make(&self, key: ImageKey, changes: &[(u64, bytes::Bytes)], prepared: Prepared) -> io::Result<()> {
        let path = self.image_path(key);
        let mut content = None;
        trusted_file::write_by(&path, |file| {
            let mut base = self.base.try_clone()?;
            base.seek(SeekFrom::Start(0))?;
            io::copy(&mut base, file)?;
            file.set_len(prepared.length)?;
            for (start, bytes) in changes {
                file.seek(SeekFrom::Start(*start))?;
                file.write_all(bytes)?;
            }
            file.seek(SeekFrom::Start(0))?;
            content = Some(Content::of_file(file)?);
            Ok(())
        })?;
        let content = content.ok_or(io::ErrorKind::NotFound)?;
        self.record(key, &ImageRecord { made: Ok((content, prepared)) })?;
        self.prune(key);
        Ok(())
    }

    /// Records why there can be no image.
    pub(crate) fn refuse(&self, key: ImageKey, reason: &str) {
        // A record that cannot be written is made again.
        let _ = self.record(key, &ImageRecord { made: Err(reason.to_owned()) });
    }

    fn record(&self, key: ImageKey, record: &ImageRecord) -> io::Result<()> {
        trusted_file::write(&self.record_path(key), &crate::frame::to_json(record))
    }

    /// Removes the images that were not used for the longest time, but not the one that was just made. Processes that have
    /// one mapped keep it.
    fn prune(&self, made: ImageKey) {
        let made = self.image_path(made);
        let mut left = self.most;
        for record in newest_first(&self.directory, ".json") {
            let path = record.with_extension("image");
            left = left.saturating_sub(fs::metadata(&path).map_or(0, |metadata| metadata.blocks() * 512));
            if left == 0 && path != made {
                let _ = fs::remove_file(&record);
                let _ = fs::remove_file(&path);
            }
        }
        self.prune_records();
    }

    /// Removes the oldest records, and what was left of writing that was cut off.
    fn prune_records(&self) {
        for ending in [".script", ".json"] {
            for path in newest_first(&self.directory, ending).into_iter().skip(MOST_SCRIPTS) {
                let _ = fs::remove_file(path.with_extension("image"));
                let _ = fs::remove_file(path);
            }
        }
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        for entry in entries.flatten() {
            let is_cut_off = entry.file_name().to_str().is_some_and(|name| name.contains(".image."));
            let age = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .map(|time| time.elapsed().unwrap_or_default());
            if is_cut_off && age.is_ok_and(|age| age > CUT_OFF) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn image_path(&self, key: ImageKey) -> PathBuf {
        self.directory.join(format!("{key}.image"))
    }

    fn record_path(&self, key: ImageKey) -> PathBuf {
        self.directory.join(format!("{key}.json"))
    }

    fn script_path(&self, key: ScriptKey) -> PathBuf {
        self.directory.join(format!("{key}.script"))
    }
}

impl PackageImage {
    /// Whether its file was not removed.
    pub(crate) fn is_there(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|file| file.st_nlink > 0)
    }

    /// Whether a run in this environment, with so much memory, would find what the imports found.
    pub(crate) fn fits(&self, env: &[(String, String)], memory: u64) -> bool {
        if self.prepared.length.saturating_add(HEADROOM) > memory {
            return false;
        }
        let value_in_run =
            |name: &str| env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value_here = |name: &str| ENVIRONMENT.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let is_same = |name: &str| value_in_run(name) == value_here(name);
        let asked = &self.prepared.variables;
        if asked.iter().any(|name| name == "*") {
            return env.iter().all(|(name, _)| is_same(name)) && ENVIRONMENT.iter().all(|(name, _)| is_same(name));
        }
        asked.iter().all(|name| is_same(name))
    }

    /// Returns the file of a script that has the name of a module in the image: the script would import its own.
    pub(crate) fn conflict<'b>(&self, bundle: &'b Bundle) -> Option<&'b str> {
        bundle.iter().map(|(path, _)| path).find(|path| {
            let first = path.split('/').next().unwrap_or(path);
            let name = first.split('.').next().unwrap_or(first);
            self.prepared.names.iter().any(|known| known == name)
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Returns the files of a directory with this ending, the last changed first.
fn newest_first(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.ends_with(ending)))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}
