//! The compiled interpreter: compiled once from the guest, kept as two files, and mapped by every sandbox process. One file
//! is the machine code, the other the image that the memory of a sandbox begins as.
//!
//! The files must never change while a process has them mapped: the memory of every later sandbox comes from the one, and
//! the other is trusted machine code. So the directory has mode 0700, and both are regular files that this user or root
//! owns and no other user can write. They are written beside their final paths, synced and renamed. Their digests are
//! recorded when they are made, and checked once for each (device, inode, size, mtime, ctime).

use crate::engine;
use crate::guest_component::GuestComponent;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The number of interpreters in a cache directory: the newest ones, of all builds and processors. Each has about 55
/// MB.
const KEPT: usize = 4;

/// An error of the compiled interpreter.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// The file or its directory is not trusted.
    #[error("the interpreter cache {path} cannot be trusted: {why}")]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The content of the file has changed.
    #[error("the compiled interpreter {0} is damaged: its digest is not the one that was recorded")]
    Damaged(PathBuf),
    /// There is none in the directory, and none can be written there.
    #[error("the interpreter cache {path} holds no interpreter of this build and none can be written there: {source}")]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The error of writing.
        source: io::Error,
    },
    /// The file could not be read.
    #[error("the compiled interpreter {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of reading.
        source: io::Error,
    },
    /// No guest was built in, and none was given.
    #[error("this program was built without a guest: set CRONBOX_GUEST when it is built")]
    NoGuest,
    /// Wasmtime refused the guest.
    #[error("the interpreter cannot be compiled: {0}")]
    Compile(String),
}

/// A compiled interpreter, open and checked.
#[derive(Debug)]
pub struct CompiledInterpreter {
    file: File,
    image: Option<File>,
    /// The pages of the image that most runs write, once a process has found them out.
    hot: Mutex<Option<Vec<u32>>>,
    path: PathBuf,
    /// True when this call compiled it.
    pub compiled_now: bool,
}

/// The record beside the files.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    code: Content,
    /// None when the guest has no image.
    image: Option<Content>,
    /// The pages of the image that most runs write.
    hot: Option<Vec<u32>>,
}

/// What is known of the content of a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    sha256: String,
    checked: Option<Identity>,
}

impl Content {
    fn new(bytes: &[u8]) -> Self {
        Content { sha256: hex::encode(Sha256::digest(bytes)), checked: None }
    }
}

/// As long as these values are the same, the content is the same.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn from_metadata(metadata: &fs::Metadata) -> Self {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl CompiledInterpreter {
    /// Opens the interpreter made of the built-in guest from `cache`, which is a directory or the file itself. When the
    /// directory does not hold it, it is compiled, which takes some ten seconds of every core; `on_compile` is called
    /// before that.
    pub fn open(cache: &Path, on_compile: impl FnOnce()) -> Result<Self, InterpreterError> {
        match GuestComponent::built_in() {
            Some(guest) => Self::open_guest(&guest, cache, on_compile),
            None if cache.is_file() => Self::open_file(cache, false),
            None => Err(InterpreterError::NoGuest),
        }
    }

    /// The same for a guest of the caller's.
    pub fn open_guest(
        guest: &GuestComponent,
        cache: &Path,
        on_compile: impl FnOnce(),
    ) -> Result<Self, InterpreterError> {
        if cache.is_file() {
            return Self::open_file(cache, false);
        }
        let path = cache.join(file_name(guest));
        if let Some(found) = Self::find(&path)? {
            return Ok(found);
        }
        let missing = |source| InterpreterError::Missing { path: cache.into(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(cache).map_err(missing)?;
        check_owner(cache, &fs::metadata(cache).map_err(missing)?)?;
        // Two programs that start for the first time compile once: the second waits here and then finds the file.
        let lock = File::create(cache.join("lock")).map_err(missing)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).map_err(|error| missing(error.into()))?;
        if let Some(found) = Self::find(&path)? {
            return Ok(found);
        }
        on_compile();
        compile_to(guest, &path)?;
        prune(cache);
        let mut made = Self::open_file(&path, false)?;
        made.compiled_now = true;
        Ok(made)
    }

    /// Compiles the built-in guest to `path`, and replaces what is there.
    pub fn compile(path: &Path) -> Result<Self, InterpreterError> {
        Self::compile_guest(&GuestComponent::built_in().ok_or(InterpreterError::NoGuest)?, path)
    }

    /// The same for a guest of the caller's.
    pub fn compile_guest(guest: &GuestComponent, path: &Path) -> Result<Self, InterpreterError> {
        compile_to(guest, path)?;
        Self::open_file(path, false)
    }

    /// Reads the whole file again and compares its digest.
    pub fn verify(&self) -> Result<(), InterpreterError> {
        Self::open_file(&self.path, true).map(|_| ())
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the open file, for a sandbox process.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    fn find(path: &Path) -> Result<Option<Self>, InterpreterError> {
        let directory = path.parent().unwrap_or(Path::new("."));
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        let metadata = fs::metadata(directory)
            .map_err(|source| InterpreterError::Unreadable { path: directory.into(), source })?;
        check_owner(directory, &metadata)?;
        match Self::open_file(path, false) {
            Ok(found) => Ok(Some(found)),
            // A file that was truncated by a full disk or damaged later is made again.
            Err(InterpreterError::Damaged(_)) if fs::remove_file(path).is_ok() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the image, for a sandbox process; an empty file when the guest has none.
    pub(crate) fn image(&self) -> io::Result<OwnedFd> {
        match &self.image {
            Some(image) => Ok(image.try_clone()?.into()),
            None => Ok(rustix::fs::memfd_create("no-image", rustix::fs::MemfdFlags::CLOEXEC)?),
        }
    }

    /// Returns the pages of the image that most runs write, when that is known.
    pub(crate) fn hot(&self) -> Option<Vec<u32>> {
        self.hot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes these pages, also in the record. They only make runs faster: no rule depends on them.
    pub(crate) fn note_hot(&self, pages: Vec<u32>) {
        *self.hot.lock().unwrap_or_else(PoisonError::into_inner) = Some(pages.clone());
        if let Some(record) = Record::read(&self.path) {
            // In a read-only directory each node finds them out.
            let _ = Record { hot: Some(pages), ..record }.write(&self.path);
        }
    }

    fn open_file(path: &Path, always_digest: bool) -> Result<Self, InterpreterError> {
        // A file that is not there is told before its record.
        let file = open_trusted(path)?;
        let Some(mut record) = Record::read(path) else { return Err(InterpreterError::Damaged(path.into())) };
        let mut checked_now = check(path, &file, &mut record.code, always_digest)?;
        let image = match &mut record.image {
            None => None,
            Some(content) => {
                let path = image_path(path);
                let image = match open_trusted(&path) {
                    Err(InterpreterError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                        return Err(InterpreterError::Damaged(path));
                    }
                    opened => opened?,
                };
                checked_now |= check(&path, &image, content, always_digest)?;
                Some(image)
            }
        };
        if checked_now {
            // In a read-only directory the digests are computed at every start.
            let _ = record.write(path);
        }
        Ok(CompiledInterpreter { file, image, hot: Mutex::new(record.hot), path: path.into(), compiled_now: false })
    }
}

impl Record {
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(record_path(path)).ok()?).ok()
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        write_beside(&record_path(path), &crate::frame::to_json(self))
    }
}

/// Opens a file that only this user or root can change.
fn open_trusted(path: &Path) -> Result<File, InterpreterError> {
    let unreadable = |source| InterpreterError::Unreadable { path: path.into(), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(InterpreterError::Untrusted { path: path.into(), why: "it is not a regular file".into() });
    }
    check_owner(path, &metadata)?;
    Ok(file)
}

/// Compares the digest of a file with the recorded one, unless that was done since the file was changed. Returns true when
/// it was done now.
fn check(path: &Path, mut file: &File, content: &mut Content, always: bool) -> Result<bool, InterpreterError> {
    let unreadable = |source| InterpreterError::Unreadable { path: path.into(), source };
    let identity = Identity::from_metadata(&file.metadata().map_err(unreadable)?);
    if !always && content.checked.as_ref() == Some(&identity) {
        return Ok(false);
    }
    if digest(&mut file).map_err(unreadable)? != content.sha256 {
        return Err(InterpreterError::Damaged(path.into()));
    }
    content.checked = Some(identity);
    Ok(true)
}

/// Removes the oldest interpreters. Processes that have one mapped keep it.
fn prune(cache: &Path) {
    let is_ours = |name: &str| name.starts_with("python-") && name.ends_with(".cwasm");
    let Ok(entries) = fs::read_dir(cache) else { return };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort();
    for (_, path) in found.iter().rev().skip(KEPT) {
        // One that cannot be removed does no harm.
        let _ = fs::remove_file(path);
        let _ = fs::remove_file(image_path(path));
        let _ = fs::remove_file(record_path(path));
    }
}

fn compile_to(guest: &GuestComponent, path: &Path) -> Result<(), InterpreterError> {
    let failed = |error: wasmtime::Error| InterpreterError::Compile(format!("{error:#}"));
    let engine = engine::compiler().map_err(failed)?;
    let code = engine.precompile_component(guest.bytes()).map_err(failed)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let missing = |source| InterpreterError::Missing { path: directory.into(), source };
    let image =
        guest.image().map_err(|error| InterpreterError::Compile(format!("its image cannot be read: {error}")))?;
    let record = Record { code: Content::new(&code), image: image.as_deref().map(Content::new), hot: None };
    // The machine code last: without its record or its image it counts as damaged, and they are ignored without it.
    record.write(path).map_err(missing)?;
    if let Some(image) = image {
        write_beside(&image_path(path), &image).map_err(missing)?;
    }
    write_beside(path, &code).map_err(missing)
}

/// Writes a file beside `path`, syncs and renames it: a reader of `path` sees the old file or the whole new one.
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path, &format!(".{}", std::process::id()));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Readable for all, because images are often built by root and used by other users. Only the owner can write.
    let mut file = File::from(rustix::fs::open(&beside, flags, Mode::from_raw_mode(0o644))?);
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is returned.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Returns the path of the record that belongs to machine code.
fn record_path(path: &Path) -> PathBuf {
    beside(path, ".json")
}

/// Returns the path of the image that belongs to machine code.
fn image_path(path: &Path) -> PathBuf {
    beside(path, ".image")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), InterpreterError> {
    let untrusted = |why: &str| Err(InterpreterError::Untrusted { path: path.into(), why: why.into() });
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return untrusted("it belongs to another user");
    }
    if metadata.mode() & 0o022 != 0 {
        return untrusted("others may write to it");
    }
    Ok(())
}

fn digest(file: &mut &File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let size = file.read(&mut buffer)?;
        if size == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..size]);
    }
}

/// Returns the file's name. Machine code depends on the build, the guest and the features of the processor.
fn file_name(guest: &GuestComponent) -> String {
    let mut hasher = Sha256::new();
    hasher.update(crate::BUILD);
    hasher.update(guest.identity());
    hasher.update(processor());
    format!("python-{}.cwasm", &hex::encode(hasher.finalize())[..16])
}

#[cfg(target_arch = "x86_64")]
fn processor() -> String {
    macro_rules! features {
        ($($name:tt)*) => {
            [$(($name, std::arch::is_x86_feature_detected!($name))),*]
        };
    }
    // The features that Cranelift checks.
    let features = features!(
        "sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "avx" "avx2" "fma" "bmi1" "bmi2" "lzcnt" "cmpxchg16b"
        "avx512f" "avx512dq" "avx512vl" "avx512bitalg" "avx512vbmi"
    );
    let present: Vec<&str> = features.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect();
    format!("x86_64 {}", present.join(" "))
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> String {
    std::env::consts::ARCH.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn place(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("cronbox-interpreter-{}-{name}", std::process::id()));
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).expect("makes");
        directory
    }

    fn stand_in(directory: &Path) -> PathBuf {
        let path = directory.join(file_name(&GuestComponent::built_in().expect("a guest")));
        let record = Record { code: Content::new(b"code"), image: Some(Content::new(b"image")), hot: None };
        record.write(&path).expect("writes");
        write_beside(&image_path(&path), b"image").expect("writes");
        write_beside(&path, b"code").expect("writes");
        path
    }

    #[test]
    fn a_file_is_checked_once_and_again_when_it_changed() {
        let directory = place("checked");
        let path = stand_in(&directory);
        let found = CompiledInterpreter::open(&directory, || panic!("compiles")).expect("opens");
        assert_eq!(found.path(), path);
        let record = Record::read(&path).expect("reads");
        assert!(record.code.checked.is_some() && record.image.is_some_and(|image| image.checked.is_some()));
        fs::write(&path, "evil").expect("writes");
        assert!(matches!(CompiledInterpreter::open_file(&path, false), Err(InterpreterError::Damaged(_))));
        assert!(matches!(found.verify(), Err(InterpreterError::Damaged(_))));
        fs::remove_dir_all(directory).expect("removes");
    }

    #[test]
    fn what_others_may_write_is_not_trusted() {
        let directory = place("writable");
        let path = stand_in(&directory);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("sets");
        assert!(matches!(CompiledInterpreter::open(&directory, || ()), Err(InterpreterError::Untrusted { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("sets");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("sets");
        assert!(matches!(CompiledInterpreter::open(&directory, || ()), Err(InterpreterError::Untrusted { .. })));
        fs::remove_dir_all(directory).expect("removes");
    }

    #[test]
    fn of_old_builds_only_the_last_are_kept() {
        let directory = place("pruned");
        let made = |day: u64| {
            let path = directory.join(format!("python-{day}.cwasm"));
            fs::write(record_path(&path), "{}").expect("writes");
            let file = File::create(&path).expect("makes");
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_hours(24 * day)).expect("sets");
            path
        };
        let paths: Vec<_> = (0..KEPT as u64 + 2).map(made).collect();
        fs::write(directory.join("lock"), "").expect("writes");
        prune(&directory);
        let left = |path: &&PathBuf| path.exists() && record_path(path).exists();
        assert_eq!(paths.iter().filter(left).collect::<Vec<_>>(), paths[2..].iter().collect::<Vec<_>>());
        assert!(!record_path(&paths[0]).exists() && directory.join("lock").exists());
        fs::remove_dir_all(directory).expect("removes");
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = place("link");
        let path = stand_in(&directory);
        let elsewhere = directory.join("elsewhere");
        fs::rename(&path, &elsewhere).expect("renames");
        std::os::unix::fs::symlink(&elsewhere, &path).expect("links");
        assert!(matches!(CompiledInterpreter::open(&directory, || ()), Err(InterpreterError::Unreadable { .. })));
        fs::remove_dir_all(directory).expect("removes");
    }
}
