//! Names of files that are on disk, whatever happens next.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{File, hard_link, remove_file};
use std::io::Result;
use std::path::Path;

/// Waits until the names in the folder of a file are on disk.
pub(crate) fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Renames a file to a name that no file has, and waits until both are on disk. A file that has the name is an error, and stays.
/// An error after the file has got its name is [`Named::Unsynced`].
pub(crate) fn rename_to_new(from: &Path, to: &Path) -> Result<Named> {
    File::open(from)?.sync_all()?;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // Some file systems (FAT, some network file systems) do not know it, but links, or the other way round.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            hard_link(from, to)?;
            remove_file(from)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(sync_folder_of(to).map_or_else(Named::Unsynced, |()| Named::Synced))
}

/// A file that has got its name.
#[derive(Debug)]
pub(crate) enum Named {
    /// The name is on disk.
    Synced,
    /// The name may be gone after a failure of power.
    Unsynced(std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_replaced() {
        let folder = std::env::temp_dir().join(format!("cronbox-names-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        let (one, other, new) = (folder.join("one"), folder.join("other"), folder.join("new"));
        std::fs::write(&one, "one").expect("written");
        std::fs::write(&other, "other").expect("written");
        assert_eq!(rename_to_new(&one, &other).expect_err("it is there").kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&other).expect("reads"), b"other");
        assert!(matches!(rename_to_new(&one, &new), Ok(Named::Synced)));
        assert!(!one.exists());
        assert_eq!(std::fs::read(&new).expect("reads"), b"one");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
