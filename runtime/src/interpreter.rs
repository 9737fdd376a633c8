//! A compiled interpreter: compiled once from its guest, kept as three files, and given to every sandbox process. They are the
//! machine code, the image that the memory of a sandbox begins as, and a record, which has the description of the guest.
//!
//! All are trusted ([`crate::trusted_file`]): the memory of every later sandbox comes from the one, and the other is machine
//! code.

use crate::engine;
use crate::guest_component::GuestComponent;
use crate::guest_description::GuestDescription;
use crate::processor;
use crate::trusted_file::{self, Content, TrustError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The number of interpreters of one name in a cache directory: the newest ones, of all builds and processors. Each has about 55
/// MB.
const KEPT: usize = 4;

/// An error of the compiled interpreter.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// A file cannot be trusted, is damaged or unreadable.
    #[error(transparent)]
    File(#[from] TrustError),
    /// There is none in the directory, and none can be written there.
    #[error("the interpreter cache {path} holds no interpreter of this build and none can be written there: {source}")]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The error of writing.
        source: io::Error,
    },
    /// Machine code for other processors than this one is compiled for x86-64 only.
    #[error("machine code to ship can be compiled for x86-64 only")]
    NotCommon,
    /// No guest was built in, and none was given.
    #[error("this program was built without a guest: set CRONBOX_GUEST when it is built")]
    NoGuest,
    /// The name of the guest is not one.
    #[error("a guest cannot have the name {0:?}: use 1 to 32 lower-case letters, digits and underscores")]
    Name(String),
    /// Wasmtime refused the guest.
    #[error("the interpreter cannot be compiled: {0}")]
    Compile(String),
}

/// A compiled interpreter, open and checked.
#[derive(Debug)]
pub struct CompiledInterpreter {
    description: GuestDescription,
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
    description: GuestDescription,
    code: Content,
    /// None when the guest has no image.
    image: Option<Content>,
    /// The pages of the image that most runs write.
    hot: Option<Vec<u32>>,
}

impl CompiledInterpreter {
    /// Opens the interpreter made of the built-in guest from `cache`, which is a directory or the file itself. When the
    /// directory does not hold it, it is compiled, which takes some ten seconds of every core; `on_compile` is called
    /// before that.
    pub fn open(cache: &Path, on_compile: impl FnOnce()) -> Result<Self, InterpreterError> {
        Self::open_or_take(cache, None, |_| on_compile())
    }

    /// The same where machine code can have come with the program: in the directory `shipped`
    /// ([`Self::compile_to_ship`]). The cache takes a copy of it instead of compiling. Where nothing can be written into
    /// the cache, it is used where it is.
    ///
    /// It is trusted by the same rules as the cache. A digest of it inside of the program would add nothing: who can
    /// write to that directory can write to the program beside it. If it cannot be used, `on_compile` is told why.
    pub fn open_or_take(
        cache: &Path,
        shipped: Option<&Path>,
        on_compile: impl FnOnce(Option<&InterpreterError>),
    ) -> Result<Self, InterpreterError> {
        match GuestComponent::built_in() {
            Some(guest) => Self::open_guest_or_take(&guest, cache, shipped, on_compile),
            None if cache.is_file() => Self::open_file(cache, false),
            None => Err(InterpreterError::NoGuest),
        }
    }

    /// The same as [`Self::open`] for a guest of the caller's.
    pub fn open_guest(
        guest: &GuestComponent,
        cache: &Path,
        on_compile: impl FnOnce(),
    ) -> Result<Self, InterpreterError> {
        Self::open_guest_or_take(guest, cache, None, |_| on_compile())
    }

    fn open_guest_or_take(
        guest: &GuestComponent,
        cache: &Path,
        shipped: Option<&Path>,
        on_compile: impl FnOnce(Option<&InterpreterError>),
    ) -> Result<Self, InterpreterError> {
        if cache.is_file() {
            return Self::open_file(cache, false);
        }
        let path = cache.join(file_name(guest, &processor::own())?);
        if let Some(found) = Self::find(&path)? {
            return Ok(found);
        }
        let (shipped, why_not) = match shipped.map_or(Ok(None), |directory| Self::find_shipped(guest, directory)) {
            Ok(shipped) => (shipped, None),
            Err(why) => (None, Some(why)),
        };
        // Two programs that start for the first time compile once: the second waits here and then finds the file.
        let lock = match (lock(cache), shipped.as_ref()) {
            (Err(InterpreterError::Missing { .. }), Some(_)) => None,
            (lock, _) => Some(lock?),
        };
        if let Some(found) = Self::find(&path)? {
            return Ok(found);
        }
        let name = &guest.description().name;
        if let Some(shipped) = shipped {
            // Also where the disk is full.
            let is_copied = lock.is_some() && shipped.copy_to(&path).is_ok();
            prune(cache, name);
            return if is_copied { Self::open_file(&path, false) } else { Ok(shipped) };
        }
        on_compile(why_not.as_ref());
        compile_to(guest, engine::compiler(), &path)?;
        prune(cache, name);
        Ok(CompiledInterpreter { compiled_now: true, ..Self::open_file(&path, false)? })
    }

    /// Compiles the built-in guest to `path`, and replaces what is there.
    pub fn compile(path: &Path) -> Result<Self, InterpreterError> {
        Self::compile_guest(&GuestComponent::built_in().ok_or(InterpreterError::NoGuest)?, path)
    }

    /// The same for a guest of the caller's.
    pub fn compile_guest(guest: &GuestComponent, path: &Path) -> Result<Self, InterpreterError> {
        compile_to(guest, engine::compiler(), path)?;
        Self::open_file(path, false)
    }

    /// Compiles the built-in guest into `directory`, for every processor that has the features of x86-64-v3, which are
    /// those since about 2013. Returns the path; its file name is the one that [`Self::open_or_take`] looks for.
    pub fn compile_to_ship(directory: &Path) -> Result<PathBuf, InterpreterError> {
        let guest = GuestComponent::built_in().ok_or(InterpreterError::NoGuest)?;
        let common = processor::common().ok_or(InterpreterError::NotCommon)?;
        fs::create_dir_all(directory).map_err(|source| InterpreterError::Missing { path: directory.into(), source })?;
        let path = directory.join(file_name(&guest, &common.name())?);
        compile_to(&guest, engine::compiler_for(common.target, common.flags()), &path)?;
        Ok(path)
    }

    /// Reads the whole file again and compares its digest.
    pub fn verify(&self) -> Result<(), InterpreterError> {
        Self::open_file(&self.path, true).map(|_| ())
    }

    /// Returns the description of its guest.
    pub fn description(&self) -> &GuestDescription {
        &self.description
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
            .map_err(|source| InterpreterError::File(TrustError::Unreadable { path: directory.into(), source }))?;
        trusted_file::check_owner(directory, &metadata)?;
        match Self::open_file(path, false) {
            Ok(found) => Ok(Some(found)),
            // A file that was truncated by a full disk or damaged later is made again.
            Err(InterpreterError::File(TrustError::Damaged(_))) if fs::remove_file(path).is_ok() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds machine code that came with the program; none when there is none of this build, or none for this processor.
    fn find_shipped(guest: &GuestComponent, directory: &Path) -> Result<Option<Self>, InterpreterError> {
        let Some(common) = processor::common().filter(processor::Common::is_here) else { return Ok(None) };
        let path = directory.join(file_name(guest, &common.name())?);
        let unreadable = |source| InterpreterError::File(TrustError::Unreadable { path: directory.into(), source });
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(None);
        }
        trusted_file::check_owner(directory, &fs::metadata(directory).map_err(unreadable)?)?;
        // Its record stays as it came, without the note that it was checked here.
        Self::open_checked(&path, false).map(|(found, _)| Some(found))
    }

    /// Copies the interpreter to another path. The copy is checked when it is opened.
    fn copy_to(&self, path: &Path) -> io::Result<()> {
        let record = Record::read(&self.path).ok_or(io::ErrorKind::NotFound)?;
        record.write(path)?;
        if let Some(image) = &self.image {
            trusted_file::write_by(&image_path(path), |copy| copy_whole(image, copy))?;
        }
        trusted_file::write_by(path, |copy| copy_whole(&self.file, copy))
    }

    /// Returns the image, for a sandbox process; an empty file when the guest has none.
    pub(crate) fn image(&self) -> io::Result<OwnedFd> {
        match &self.image {
            Some(image) => Ok(image.try_clone()?.into()),
            None => Ok(rustix::fs::memfd_create("no-image", rustix::fs::MemfdFlags::CLOEXEC)?),
        }
    }

    /// Returns the file of the image; none when the guest has none.
    pub(crate) fn image_file(&self) -> Option<&File> {
        self.image.as_ref()
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
        let (opened, checked_now) = Self::open_checked(path, always_digest)?;
        if let Some(record) = checked_now {
            // In a read-only directory the digests are computed at every start.
            let _ = record.write(path);
        }
        Ok(opened)
    }

    /// Opens the files, and returns the new record when their digests were computed.
    fn open_checked(path: &Path, always_digest: bool) -> Result<(Self, Option<Record>), InterpreterError> {
        // A file that is not there is told before its record.
        let file = trusted_file::open(path)?;
        let Some(mut record) = Record::read(path) else {
            return Err(InterpreterError::File(TrustError::Damaged(path.into())));
        };
        let mut checked_now = record.code.check(path, &file, always_digest)?;
        let image = match &mut record.image {
            None => None,
            Some(content) => {
                let path = image_path(path);
                let image = match trusted_file::open(&path) {
                    Err(TrustError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                        return Err(TrustError::Damaged(path).into());
                    }
                    opened => opened?,
                };
                checked_now |= content.check(&path, &image, always_digest)?;
                Some(image)
            }
        };
        let (description, hot) = (record.description.clone(), Mutex::new(record.hot.clone()));
        let opened = CompiledInterpreter { description, file, image, hot, path: path.into(), compiled_now: false };
        Ok((opened, checked_now.then_some(record)))
    }
}

impl Record {
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(record_path(path)).ok()?).ok()
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        trusted_file::write(&record_path(path), &crate::frame::to_json(self))
    }
}

/// Removes the oldest interpreters of this name. Processes that have one mapped keep it.
fn prune(cache: &Path, guest: &str) {
    let is_ours =
        |name: &str| name.strip_prefix(guest).is_some_and(|rest| rest.starts_with('-')) && name.ends_with(".cwasm");
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

/// Copies a file from its beginning, whatever was read of it.
fn copy_whole(mut from: &File, to: &mut File) -> io::Result<()> {
    from.seek(SeekFrom::Start(0))?;
    io::copy(&mut from, to).map(|_| ())
}

/// Makes a cache directory, and locks it against other programs that want to compile.
fn lock(cache: &Path) -> Result<File, InterpreterError> {
    let missing = |source| InterpreterError::Missing { path: cache.into(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(cache).map_err(missing)?;
    trusted_file::check_owner(cache, &fs::metadata(cache).map_err(missing)?)?;
    let lock = File::create(cache.join("lock")).map_err(missing)?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).map_err(|error| missing(error.into()))?;
    Ok(lock)
}

fn compile_to(
    guest: &GuestComponent,
    compiler: wasmtime::Result<wasmtime::Engine>,
    path: &Path,
) -> Result<(), InterpreterError> {
    let failed = |error: wasmtime::Error| InterpreterError::Compile(format!("{error:#}"));
    let code = compiler.and_then(|compiler| compiler.precompile_component(guest.bytes())).map_err(failed)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let missing = |source| InterpreterError::Missing { path: directory.into(), source };
    let image =
        guest.image().map_err(|error| InterpreterError::Compile(format!("its image cannot be read: {error}")))?;
    let description = guest.description().clone();
    let record =
        Record { description, code: Content::new(&code), image: image.as_deref().map(Content::new), hot: None };
    // The machine code last: without its record or its image it counts as damaged, and they are ignored without it.
    record.write(path).map_err(missing)?;
    if let Some(image) = image {
        trusted_file::write(&image_path(path), &image).map_err(missing)?;
    }
    trusted_file::write(path, &code).map_err(missing)
}

/// Returns the path of the record that belongs to machine code.
fn record_path(path: &Path) -> PathBuf {
    trusted_file::beside(path, ".json")
}

/// Returns the path of the image that belongs to machine code.
fn image_path(path: &Path) -> PathBuf {
    trusted_file::beside(path, ".image")
}

/// Returns the name of the file for such a processor. Machine code depends on the build, the guest and the features of the
/// processor; the record beside it has the description.
fn file_name(guest: &GuestComponent, processor: &str) -> Result<String, InterpreterError> {
    let description = guest.description();
    if !description.has_plain_name() {
        return Err(InterpreterError::Name(description.name.clone()));
    }
    let mut hasher = Sha256::new();
    hasher.update(crate::BUILD);
    hasher.update(guest.identity());
    hasher.update(crate::frame::to_json(description));
    hasher.update(processor);
    Ok(format!("{}-{}.cwasm", description.name, &hex::encode(hasher.finalize())[..16]))
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
        let guest = GuestComponent::built_in().expect("a guest");
        let path = directory.join(file_name(&guest, &processor::own()).expect("a name"));
        let description = GuestDescription::python();
        let (code, image) = (Content::new(b"code"), Some(Content::new(b"image")));
        let record = Record { description, code, image, hot: None };
        record.write(&path).expect("writes");
        trusted_file::write(&image_path(&path), b"image").expect("writes");
        trusted_file::write(&path, b"code").expect("writes");
        path
    }

    #[test]
    fn a_file_is_checked_once_and_again_when_it_changed() {
        let directory = place("checked");
        let path = stand_in(&directory);
        let found = CompiledInterpreter::open(&directory, || panic!("compiles")).expect("opens");
        assert_eq!(found.path(), path);
        let record = Record::read(&path).expect("reads");
        assert!(record.code.is_checked() && record.image.is_some_and(|image| image.is_checked()));
        fs::write(&path, "evil").expect("writes");
        assert!(matches!(
            CompiledInterpreter::open_file(&path, false),
            Err(InterpreterError::File(TrustError::Damaged(_)))
        ));
        assert!(matches!(found.verify(), Err(InterpreterError::File(TrustError::Damaged(_)))));
        fs::remove_dir_all(directory).expect("removes");
    }

    #[test]
    fn what_others_may_write_is_not_trusted() {
        let directory = place("writable");
        let path = stand_in(&directory);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("sets");
        assert!(matches!(
            CompiledInterpreter::open(&directory, || ()),
            Err(InterpreterError::File(TrustError::Untrusted { .. }))
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("sets");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("sets");
        assert!(matches!(
            CompiledInterpreter::open(&directory, || ()),
            Err(InterpreterError::File(TrustError::Untrusted { .. }))
        ));
        fs::remove_dir_all(directory).expect("removes");
    }

    /// Stand-ins for what came with the program, in a directory of their own.
    fn shipped(name: &str) -> (PathBuf, PathBuf) {
        let directory = place(&format!("{name}-shipped"));
        let guest = GuestComponent::built_in().expect("a guest");
        let path = directory.join(file_name(&guest, &processor::common().expect("x86-64").name()).expect("a name"));
        fs::rename(stand_in(&directory), &path).expect("moves");
        for of in [record_path, image_path] {
            let from = of(&directory.join(file_name(&guest, &processor::own()).expect("a name")));
            if from != of(&path) {
                fs::rename(from, of(&path)).expect("moves");
            }
        }
        (directory, path)
    }

    #[test]
    fn the_cache_takes_a_copy_of_what_came_with_the_program() {
        if !processor::common().expect("x86-64").is_here() {
            return;
        }
        let (shipped, path) = shipped("taken");
        let before = fs::read(record_path(&path)).expect("reads");
        let cache = place("taken-cache").join("new");
        let open = |cache: &Path| {
            CompiledInterpreter::open_or_take(cache, Some(&shipped), |_| panic!("compiles")).expect("opens")
        };
        let taken = open(&cache);
        assert_eq!(taken.path(), cache.join(taken.path().file_name().expect("a name")));
        assert_eq!((fs::read(taken.path()).expect("reads"), taken.compiled_now), (b"code".to_vec(), false));
        assert_eq!(fs::read(image_path(taken.path())).expect("reads"), b"image");
        assert_eq!(fs::read(record_path(&path)).expect("reads"), before, "what came is not changed");
        // Where there can be no cache, it is used where it is.
        let nowhere = Path::new("/proc/no-such-directory/cache");
        assert_eq!(open(nowhere).path(), path);
        // The copy in the cache is enough for the next start.
        fs::remove_dir_all(&shipped).expect("removes");
        assert_eq!(open(&cache).path(), taken.path());
        fs::remove_dir_all(cache.parent().expect("a parent")).expect("removes");
    }

    #[test]
    fn what_came_with_the_program_is_trusted_by_the_rules_of_the_cache() {
        if !processor::common().expect("x86-64").is_here() {
            return;
        }
        let guest = GuestComponent::built_in().expect("a guest");
        let (directory, path) = shipped("rules");
        let find = || CompiledInterpreter::find_shipped(&guest, &directory);
        assert_eq!(find().expect("opens").expect("is there").path(), path);
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("sets");
        assert!(matches!(find(), Err(InterpreterError::File(TrustError::Untrusted { .. }))));
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("sets");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).expect("sets");
        assert!(matches!(find(), Err(InterpreterError::File(TrustError::Untrusted { .. }))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("sets");
        fs::write(image_path(&path), "evil").expect("writes");
        assert!(matches!(find(), Err(InterpreterError::File(TrustError::Damaged(_)))));
        fs::remove_file(&path).expect("removes");
        assert!(matches!(find(), Ok(None)));
        fs::remove_dir_all(directory).expect("removes");
    }

    #[test]
    fn of_old_builds_only_the_last_are_kept() {
        let directory = place("pruned");
        let made_of = |guest: &str, day: u64| {
            let path = directory.join(format!("{guest}-{day}.cwasm"));
            fs::write(record_path(&path), "{}").expect("writes");
            let file = File::create(&path).expect("makes");
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_hours(24 * day)).expect("sets");
            path
        };
        let paths: Vec<_> = (0..KEPT as u64 + 2).map(|day| made_of("python", day)).collect();
        let others = [made_of("other", 0), made_of("python3", 0)];
        fs::write(directory.join("lock"), "").expect("writes");
        prune(&directory, "python");
        let left = |path: &&PathBuf| path.exists() && record_path(path).exists();
        assert_eq!(paths.iter().filter(left).collect::<Vec<_>>(), paths[2..].iter().collect::<Vec<_>>());
        assert!(!record_path(&paths[0]).exists() && directory.join("lock").exists());
        assert!(others.iter().all(|path| path.exists()));
        fs::remove_dir_all(directory).expect("removes");
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = place("link");
        let path = stand_in(&directory);
        let elsewhere = directory.join("elsewhere");
        fs::rename(&path, &elsewhere).expect("renames");
        std::os::unix::fs::symlink(&elsewhere, &path).expect("links");
        assert!(matches!(
            CompiledInterpreter::open(&directory, || ()),
            Err(InterpreterError::File(TrustError::Unreadable { .. }))
        ));
        fs::remove_dir_all(directory).expect("removes");
    }
}
