//! One backup as a tar file.

use crate::blobs::{BlobError, Found};
use crate::clock::from_micros;
use crate::durable::{Named, rename_to_new};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What the name of an archive ends with until it is whole.
const UNFINISHED: &str = "unfinished";

/// An archive that is being written.
pub(super) struct ArchiveWriter {
    tar: tar::Builder<File>,
    beside: PathBuf,
    path: PathBuf,
    /// Whether it has got its name.
    is_whole: bool,
}

/// An archive that is read.
#[derive(Debug)]
pub(super) struct ArchiveReader {
    file: File,
    /// Where the content of each name is, and how many bytes.
    entries: BTreeMap<String, (u64, u64)>,
}

/// What an error of a file means.
fn told(name: &str, error: &Error) -> BlobError {
    match error.kind() {
        ErrorKind::StorageFull => BlobError::Full,
        ErrorKind::NotFound => BlobError::Missing(name.to_owned()),
        _ => BlobError::Unavailable(error.to_string()),
    }
}

impl ArchiveWriter {
    /// Begins an archive. One that is there is not overwritten.
    pub(super) fn create(path: &Path) -> Result<Self, BlobError> {
        if path.exists() {
            return Err(BlobError::BadPlace(format!("there is a file {}: name another one", path.display())));
        }
        // A name of its own: another backup may be written to the same archive meanwhile.
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.{UNFINISHED}", uuid::Uuid::new_v4().simple()));
        let beside = PathBuf::from(beside);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&beside);
        let file =
            file.map_err(|error| BlobError::BadPlace(format!("{} cannot be made: {error}", beside.display())))?;
        Ok(ArchiveWriter { tar: tar::Builder::new(file), beside, path: path.to_owned(), is_whole: false })
    }

    pub(super) fn put(&mut self, name: &str, content: &[u8]) -> Result<(), BlobError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        self.tar.append_data(&mut header, name, content).map_err(|error| told(name, &error))
    }

    /// Gives it its name, when it is on disk.
    pub(super) fn finish(&mut self) -> Result<(), BlobError> {
        let mut finish = || {
            self.tar.finish()?;
            rename_to_new(&self.beside, &self.path)
        };
        let named = finish().map_err(|error: Error| match error.kind() {
            ErrorKind::AlreadyExists => {
                BlobError::BadPlace(format!("there is a file {} by now: name another one", self.path.display()))
            }
            _ => told("archive", &error),
        })?;
        self.is_whole = true;
        match named {
            Named::Synced => Ok(()),
            Named::Unsynced(error) => Err(told("archive", &error)),
        }
    }
}

impl Drop for ArchiveWriter {
    fn drop(&mut self) {
        if !self.is_whole {
            // It is worth nothing, and its name says so, should it stay.
            let _ = std::fs::remove_file(&self.beside);
        }
    }
}

impl ArchiveReader {
    /// Opens an archive and finds out what is in it.
    pub(super) fn open(path: &Path) -> Result<Self, BlobError> {
        let bad = |error: Error| BlobError::BadPlace(format!("{} cannot be read: {error}", path.display()));
        let file = File::open(path).map_err(bad)?;
        let size = file.metadata().map_err(bad)?.len();
        let mut archive = tar::Archive::new(file.try_clone().map_err(bad)?);
        let mut entries = BTreeMap::new();
        for entry in archive.entries_with_seek().map_err(bad)? {
            let entry = entry.map_err(bad)?;
            let name = entry.path().map_err(bad)?.to_string_lossy().into_owned();
            let (at, bytes) = (entry.raw_file_position(), entry.size());
            if at.checked_add(bytes).is_none_or(|end| end > size) {
                return Err(bad(Error::new(ErrorKind::UnexpectedEof, "it is cut off")));
            }
            entries.insert(name, (at, bytes));
        }
        Ok(ArchiveReader { file, entries })
    }

    pub(super) fn get(&self, name: &str) -> Result<Bytes, BlobError> {
        let (at, bytes) = self.entries.get(name).ok_or_else(|| BlobError::Missing(name.to_owned()))?;
        let bytes = usize::try_from(*bytes).map_err(|_| BlobError::Unavailable("it is too large".into()))?;
        let mut content = vec![0; bytes];
        self.file.read_exact_at(&mut content, *at).map_err(|error| told(name, &error))?;
        Ok(content.into())
    }

    pub(super) fn list(&self, under: &str) -> Vec<Found> {
        let is_under = |name: &str| name.strip_prefix(under).is_some_and(|rest| rest.starts_with('/'));
        let found = self.entries.iter().filter(|(name, _)| is_under(name));
        found
            .map(|(name, (_, bytes))| Found { name: name.clone(), bytes: *bytes, written_at: from_micros(0) })
            .collect()
    }
}
