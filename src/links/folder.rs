//! A directory that scripts are read from. Anyone who can write there chooses what lies in it: only regular files of a bounded
//! size are opened, no symbolic link is followed, and nothing above the directory can be reached.
//!
//! A file system may hang. All of this runs on threads that can be left behind: each file has at most one, a directory a few,
//! and no look is waited for longer than [`PATIENCE`].

use super::LinkError;
use crate::blobs::BlobError;
use crate::panics;
use crate::source_files::MAX_BUNDLE;
use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, statat};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, Semaphore};

/// How long a look at a file or at the directory may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Looks at a directory at once, those that hang too.
const THREADS: usize = 16;
/// How often opening is tried again while directories are being moved.
const TRIES: usize = 8;
/// Most names that are read of a directory.
const MOST_NAMES: usize = 100_000;

/// Why a file is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum LeftOut {
    /// A symbolic link, or it lies behind one.
    #[error("a symbolic link, or behind one")]
    Link,
    /// A pipe.
    #[error("a named pipe")]
    Pipe,
    /// A socket.
    #[error("a socket")]
    Socket,
    /// A device.
    #[error("a device")]
    Device,
    /// A directory.
    #[error("a directory")]
    Directory,
    /// Something else.
    #[error("no regular file")]
    Other,
    /// Its name is not one that a script can have.
    #[error("a file whose name cannot be a script's: letters or digits, of any language, or . _ -")]
    Name,
    /// Another script has its name already.
    #[error("a file with the name of a script that was pushed or comes from elsewhere; that one stays")]
    Taken,
    /// Another file of the source has its name, but for case.
    #[error("a file whose name another one there has, but for case or the spelling of a letter")]
    Twice,
    /// Its content is refused.
    #[error("a file whose content is refused; the log says why")]
    Refused,
    /// It was removed.
    #[error("a file that is gone while its script is still here; its schedules are paused")]
    Gone,
    /// It is larger than a script may be.
    #[error("larger than {MAX_BUNDLE} bytes")]
    TooLarge,
}

/// A directory.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    threads: Arc<Semaphore>,
    /// Held while a file is looked at; by the thread itself, so that a file that hangs has one thread and no more.
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// A file of a directory: its name, and the mark of its content or why it is left out.
pub(super) type Entry = (String, Result<String, LeftOut>);

/// What lies in a directory or in a bucket.
#[derive(Debug)]
pub(super) struct Listing {
    /// Those whose names end in `.py`, in order.
    pub(super) scripts: Vec<Entry>,
    /// The names of all.
    pub(super) names: HashSet<String>,
}

/// What went wrong on a thread.
enum Failed {
    LeftOut(LeftOut),
    System(Errno),
}

impl From<Errno> for Failed {
    fn from(error: Errno) -> Self {
        match error {
            // What the kernel says where a link was to be followed, or the directory to be left.
            Errno::LOOP | Errno::XDEV => Failed::LeftOut(LeftOut::Link),
            // What it says of a socket.
            Errno::NXIO => Failed::LeftOut(LeftOut::Socket),
            error => Failed::System(error),
        }
    }
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Folder { path, threads: Arc::new(Semaphore::new(THREADS)), locks: Mutex::default() }
    }

    /// What lies in the directory itself.
    pub(super) async fn list(&self) -> Result<Listing, LinkError> {
        let path = self.path.clone();
        self.on_thread("", move || list(&path)).await
    }

    /// The content of a file below, with its mark; nothing when the mark is the known one.
    pub(super) async fn read(&self, below: &str, known: Option<String>) -> Result<Option<(Bytes, String)>, LinkError> {
        let (path, file) = (self.path.clone(), below.to_owned());
        self.on_thread(below, move || read(&path, &file, known.as_deref())).await
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        below: &str,
        look: impl FnOnce() -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, LinkError> {
        let shown = self.path.join(below).display().to_string();
        let slow = || LinkError::Slow(format!("{shown} did not answer within {} s", PATIENCE.as_secs()));
        let looking = async {
            let held: OwnedMutexGuard<()> = self.lock_of(below).lock_owned().await;
            let permit = self.threads.clone().acquire_owned().await.map_err(|_| slow())?;
            let done = tokio::task::spawn_blocking(move || {
                let looked = panics::caught("the file", look);
                drop((held, permit));
                looked
            });
            done.await.map_err(|_| slow())
        };
        let looked = tokio::time::timeout(PATIENCE, looking).await.map_err(|_| slow())??;
        match looked {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(Failed::LeftOut(why))) => Err(LinkError::LeftOut(shown, why)),
            Ok(Err(Failed::System(Errno::NOENT | Errno::NOTDIR))) => Err(BlobError::Missing(shown).into()),
            Ok(Err(Failed::System(error))) => Err(BlobError::Unavailable(format!("{shown}: {error}")).into()),
            Err(panicked) => Err(BlobError::Unavailable(panicked.to_string()).into()),
        }
    }

    fn lock_of(&self, below: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks.entry(below.to_owned()).or_default().clone()
    }
}

fn root(path: &Path) -> Result<OwnedFd, Failed> {
    Ok(openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn list(path: &Path) -> Result<Listing, Failed> {
    let root = root(path)?;
    let listed = openat(&root, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let (mut scripts, mut names) = (Vec::new(), HashSet::new());
    for entry in Dir::new(listed)?.take(MOST_NAMES) {
        let entry = entry?;
        // A name that is not UTF-8 is not the name of a script.
        let Ok(name) = entry.file_name().to_str() else { continue };
        names.insert(name.to_owned());
        if !name.ends_with(".py") || name.starts_with('.') {
            continue;
        }
        match statat(&root, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => scripts.push((name.to_owned(), check(&stat).map(|()| tag_of(&stat)))),
            // It went meanwhile.
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    scripts.sort();
    Ok(Listing { scripts, names })
}

fn read(path: &Path, below: &str, known: Option<&str>) -> Result<Option<(Bytes, String)>, Failed> {
    let root = root(path)?;
    // What it is is asked of a descriptor that opens nothing: opening a device can do things.
    let found = open_beneath(&root, below, OFlags::PATH)?;
    check(&fstat(&found)?).map_err(Failed::LeftOut)?;
    let file = open_beneath(&root, below, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    let stat = fstat(&file)?;
    check(&stat).map_err(Failed::LeftOut)?;
    let tag = tag_of(&stat);
    if known == Some(tag.as_str()) {
        return Ok(None);
    }
    let mut content = Vec::new();
    let most = MAX_BUNDLE as u64 + 1;
    let size = File::from(file)
        .take(most)
        .read_to_end(&mut content)
        .map_err(|error| Failed::System(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    if size as u64 == most {
        return Err(Failed::LeftOut(LeftOut::TooLarge));
    }
    Ok(Some((Bytes::from(content), tag)))
}

/// Opens what lies below a directory, and follows no symbolic link on the way nor at the end.
fn open_beneath(root: &OwnedFd, below: &str, how: OFlags) -> Result<OwnedFd, Errno> {
    let flags = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        match openat2(root, below, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries < TRIES => tries += 1,
            // Older kernels do not have it, and some sandboxes forbid it.
            Err(Errno::NOSYS | Errno::PERM) => return open_by_steps(root, below, flags),
            opened => return opened,
        }
    }
}

/// The same, directory by directory.
fn open_by_steps(root: &OwnedFd, below: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut names = below.split('/').collect::<Vec<_>>();
    let last = names.pop().unwrap_or_default();
    let mut directory = openat(root, ".", step, Mode::empty())?;
    for name in names.iter().chain([&last]) {
        if name.is_empty() || *name == "." || *name == ".." {
            return Err(Errno::XDEV);
        }
    }
    for name in names {
        directory = openat(&directory, name, step, Mode::empty()).map_err(|error| {
            // A link that is not followed is not a directory.
            let is_link = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
            if is_link { Errno::LOOP } else { error }
        })?;
    }
    openat(&directory, last, flags, Mode::empty())
}

/// Whether it is a regular file of a size that a script can have.
fn check(stat: &Stat) -> Result<(), LeftOut> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if u64::try_from(stat.st_size).is_ok_and(|size| size <= MAX_BUNDLE as u64) => Ok(()),
        FileType::RegularFile => Err(LeftOut::TooLarge),
        FileType::Symlink => Err(LeftOut::Link),
        FileType::Fifo => Err(LeftOut::Pipe),
        FileType::Socket => Err(LeftOut::Socket),
        FileType::CharacterDevice | FileType::BlockDevice => Err(LeftOut::Device),
        FileType::Directory => Err(LeftOut::Directory),
        FileType::Unknown => Err(LeftOut::Other),
    }
}

/// What changes when the content does: which file it is, its time and its size.
fn tag_of(stat: &Stat) -> String {
    let micros = i128::from(stat.st_mtime) * 1_000_000 + i128::from(stat.st_mtime_nsec) / 1_000;
    format!("{:x}-{micros:x}-{:x}", stat.st_ino, stat.st_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::mknodat;
    use std::os::unix::fs::symlink;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("cronbox-folder-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(path.join("jobs/deep")).expect("made");
            std::fs::write(path.join("secret.py"), "KEY = 1\n").expect("written");
            std::fs::write(path.join("jobs/plain.py"), "x = 1\n").expect("written");
            std::fs::write(path.join("jobs/deep/plain.py"), "x = 2\n").expect("written");
            std::fs::write(path.join("jobs/notes.txt"), "no script").expect("written");
            symlink(path.join("secret.py"), path.join("jobs/out.py")).expect("linked");
            symlink("plain.py", path.join("jobs/in.py")).expect("linked");
            symlink("..", path.join("jobs/up")).expect("linked");
            mknodat(CWD, path.join("jobs/pipe.py"), FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
            drop(std::os::unix::net::UnixListener::bind(path.join("jobs/socket.py")).expect("bound"));
            std::fs::create_dir(path.join("jobs/folder.py")).expect("made");
            let large = File::create(path.join("jobs/large.py")).expect("made");
            large.set_len(MAX_BUNDLE as u64 + 1).expect("grown");
            Place(path)
        }

        fn jobs(&self) -> PathBuf {
            self.0.join("jobs")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn only_regular_files_are_read_and_no_link_is_followed() {
        let place = Place::new("kinds");
        let folder = Folder::new(place.jobs());
        let listing = folder.list().await.expect("lists");
        assert!(listing.names.contains("notes.txt") && listing.names.contains("deep"));
        let listed: HashMap<_, _> = listing.scripts.into_iter().collect();
        let left_out = |name: &str| listed[name].clone().expect_err(name);
        assert_eq!(listed.len(), 7, "{listed:?}");
        assert_eq!((left_out("out.py"), left_out("in.py")), (LeftOut::Link, LeftOut::Link));
        assert_eq!((left_out("pipe.py"), left_out("socket.py")), (LeftOut::Pipe, LeftOut::Socket));
        assert_eq!((left_out("folder.py"), left_out("large.py")), (LeftOut::Directory, LeftOut::TooLarge));
        let (content, tag) = folder.read("plain.py", None).await.expect("reads").expect("is new");
        assert_eq!((&content[..], Ok(&tag)), (&b"x = 1\n"[..], listed["plain.py"].as_ref()));
        assert_eq!(folder.read("plain.py", Some(tag)).await.expect("reads"), None);
        assert_eq!(&folder.read("deep/plain.py", None).await.expect("reads").expect("is new").0[..], b"x = 2\n");
        for name in
            ["out.py", "in.py", "pipe.py", "socket.py", "folder.py", "large.py", "up/secret.py", "up/jobs/plain.py"]
        {
            let error = folder.read(name, None).await.expect_err(name);
            assert!(matches!(error, LinkError::LeftOut(..)), "{name}: {error}");
        }
        for name in ["none.py", "plain.py/x.py"] {
            let error = folder.read(name, None).await.expect_err(name);
            assert!(matches!(error, LinkError::Blob(BlobError::Missing(_))), "{name}: {error}");
        }
        assert!(folder.read("../secret.py", None).await.is_err());
    }

    #[test]
    fn a_kernel_without_openat2_gives_the_same() {
        let place = Place::new("steps");
        let Ok(root) = root(&place.jobs()) else { panic!("opens") };
        let open = |below: &str| open_by_steps(&root, below, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC);
        assert!(open("plain.py").is_ok() && open("deep/plain.py").is_ok());
        let last = fstat(open("out.py").expect("the link itself")).expect("stat");
        assert_eq!(check(&last), Err(LeftOut::Link));
        assert_eq!(open("up/secret.py").expect_err("refused"), Errno::LOOP);
        for outside in ["../secret.py", "deep/../../secret.py", "/etc/passwd", "", "deep//plain.py"] {
            assert_eq!(open(outside).expect_err(outside), Errno::XDEV, "{outside}");
        }
    }

    #[tokio::test]
    async fn a_look_that_hangs_holds_up_no_other() {
        let place = Place::new("hangs");
        let folder = Arc::new(Folder::new(place.jobs()));
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let hanging = folder.clone();
        let hangs = tokio::spawn(async move {
            hanging
                .on_thread("slow.py", move || {
                    let _ = gate.recv();
                    Ok(())
                })
                .await
        });
        while folder.threads.available_permits() == THREADS {
            tokio::task::yield_now().await;
        }
        assert!(folder.read("plain.py", None).await.is_ok());
        // It is not waited for any more: it keeps its file and its thread, and nothing else.
        hangs.abort();
        assert!(hangs.await.is_err());
        assert_eq!(folder.threads.available_permits(), THREADS - 1);
        assert!(folder.lock_of("slow.py").try_lock().is_err());
        drop(open);
        while folder.threads.available_permits() != THREADS {
            tokio::task::yield_now().await;
        }
    }
}
