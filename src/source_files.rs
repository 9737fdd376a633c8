//! What was uploaded, read: one file, several, or an archive; and the same content as a bundle for the sandbox.

use crate::blobs::{Blobs, Kind};
use crate::panics;
use bytes::Bytes;
use cronbox_runtime::limits::MAX_SOURCE;
use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// Most bytes of all files of a bundle.
pub const MAX_BUNDLE: usize = 16 << 20;
/// Most files of a bundle.
pub const MAX_FILES: usize = 2_000;
/// Names that the one source among several files can have, the first one first.
const MAINS: [&str; 4] = ["main.py", "__main__.py", "main.pyc", "__main__.pyc"];
/// What an archive begins with; the second is an empty one's.
const ZIP: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Why an upload was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Nothing was sent.
    #[error("there is nothing in it: send the source, or a zip archive with main.py")]
    Empty,
    /// The source is too large.
    #[error("{path} has {size} bytes; a source has at most {MAX_SOURCE}")]
    SourceTooLarge {
        /// Which.
        path: String,
        /// How large it is.
        size: usize,
    },
    /// All files together are too large, or an archive says it is small and is not.
    #[error("the files have more than {MAX_BUNDLE} bytes together")]
    BundleTooLarge,
    /// Too many files.
    #[error("there are {0} files; a bundle has at most {MAX_FILES}")]
    TooManyFiles(usize),
    /// A path that is absolute, leaves the bundle, or has strange characters.
    #[error(
        "the file name {0:?} cannot be: a path is relative, with / between names, without .. and control characters"
    )]
    BadPath(String),
    /// Two files with the same path, or paths that differ in case only.
    #[error("{0:?} and {1:?} are there twice, or differ in case only")]
    Twice(String, String),
    /// A link, or another thing that is no file.
    #[error("{0:?} is no plain file: links and devices are not taken")]
    NoFile(String),
    /// Machine code.
    #[error("{0:?} is machine code, which no sandbox can load: only pure Python works here")]
    MachineCode(String),
    /// There is no file to begin with.
    #[error("none of the files is main.py or __main__.py: one of them is where a run begins")]
    NoMain,
    /// The archive cannot be read.
    #[error("the zip archive cannot be read: {0}")]
    BadArchive(String),
}

/// A script's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Paths and contents, in the order of their paths.
    pub files: Vec<(String, Bytes)>,
    /// The path of the file where a run begins.
    pub main: String,
}

impl Sources {
    /// One file. `name` is its script's.
    pub fn one(name: &str, content: Bytes) -> Result<Self, SourceError> {
        if content.is_empty() {
            return Err(SourceError::Empty);
        }
        let ending = if is_compiled(&content) { "pyc" } else { "py" };
        Self::several(vec![(format!("{name}.{ending}"), content)], None)
    }

    /// Several files; one of them is `main`, or has a name that says so, or is the only one.
    pub fn several(mut files: Vec<(String, Bytes)>, main: Option<&str>) -> Result<Self, SourceError> {
        if files.is_empty() {
            return Err(SourceError::Empty);
        }
        if files.len() > MAX_FILES {
            return Err(SourceError::TooManyFiles(files.len()));
        }
        let mut seen = std::collections::BTreeMap::new();
        let mut directories = BTreeSet::new();
        for (path, _) in &files {
            check_path(path)?;
            if let Some(other) = seen.insert(path.to_lowercase(), path.clone()) {
                return Err(SourceError::Twice(other, path.clone()));
            }
            for (at, _) in path.match_indices('/') {
                directories.insert(path[..at].to_lowercase());
            }
        }
        if let Some(both) = directories.iter().find_map(|directory| seen.get(directory)) {
            return Err(SourceError::Twice(both.clone(), format!("{both}/")));
        }
        if files.iter().map(|(_, content)| content.len()).sum::<usize>() > MAX_BUNDLE {
            return Err(SourceError::BundleTooLarge);
        }
        files.sort();
        let has = |name: &str| files.iter().any(|(path, _)| path == name);
        let main = match main {
            Some(main) if has(main) => main.to_owned(),
            Some(_) => return Err(SourceError::NoMain),
            None => match files.as_slice() {
                [(only, _)] => only.clone(),
                _ => MAINS.into_iter().find(|name| has(name)).ok_or(SourceError::NoMain)?.to_owned(),
            },
        };
        let sources = Sources { files, main };
        if sources.source().len() > MAX_SOURCE {
            return Err(SourceError::SourceTooLarge { path: sources.main.clone(), size: sources.source().len() });
        }
        Ok(sources)
    }

    /// The files of a zip archive. Nothing is believed that it says about itself.
    pub fn of_archive(archive: &[u8]) -> Result<Self, SourceError> {
        Self::several(unpacked(archive)?, None)
    }

    /// Several files of a script: a run begins in `main`, else in one whose name says so, else in the one that is named as the
    /// script.
    pub fn of_script(name: &str, files: Vec<(String, Bytes)>, main: Option<&str>) -> Result<Self, SourceError> {
        let has = |file: &str| files.iter().any(|(path, _)| path == file);
        let own = format!("{name}.py");
        let own = (main.is_none() && has(&own) && !MAINS.iter().any(|main| has(main))).then_some(own);
        Self::several(files, main.or(own.as_deref()))
    }

    /// One file, or an archive, by what it begins with.
    pub fn of_bytes(name: &str, content: Bytes) -> Result<Self, SourceError> {
        if is_archive(&content) { Self::of_script(name, unpacked(&content)?, None) } else { Self::one(name, content) }
    }

    /// The same with the file where a run begins, if the upload names it. One file alone is where its own run begins.
    pub fn of_upload(name: &str, content: Bytes, main: Option<&str>) -> Result<Self, SourceError> {
        match main {
            Some(_) if is_archive(&content) => Self::of_script(name, unpacked(&content)?, main),
            _ => Self::of_bytes(name, content),
        }
    }

    /// The content of the file where a run begins.
    pub fn source(&self) -> &Bytes {
        static NOTHING: Bytes = Bytes::new();
        self.files.iter().find(|(path, _)| *path == self.main).map_or(&NOTHING, |(_, content)| content)
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|(_, content)| content.len() as u64).sum()
    }

    /// The blob that holds them: its key, its hash, its content. One file is kept as it came.
    pub fn blob(&self) -> Result<(String, String, Bytes), SourceError> {
        let (kind, content) = match self.files.as_slice() {
            [(_, content)] => (Kind::Source, content.clone()),
            _ => (Kind::Bundle, Bytes::from(pack(&self.files)?)),
        };
        let (key, sha256) = Blobs::name(kind, &content);
        Ok((key, sha256, content))
    }

    /// The same again out of a blob.
    pub fn of_blob(key: &str, main: &str, content: Bytes) -> Result<Self, SourceError> {
        if key.ends_with(".zip") {
            Self::several(unpacked(&content)?, Some(main))
        } else {
            Self::several(vec![(main.to_owned(), content)], Some(main))
        }
    }
}

/// Whether this begins as an archive does.
pub fn is_archive(content: &[u8]) -> bool {
    ZIP.iter().any(|magic| content.starts_with(*magic))
}

/// Whether this is the content of a `.pyc` file, by the same rule as in the sandbox.
pub fn is_compiled(content: &[u8]) -> bool {
    content.len() >= 16 && &content[2..4] == b"\r\n" && ((11..=15).contains(&content[1]) || content[1] >= 242)
}

fn check_path(path: &str) -> Result<(), SourceError> {
    let bad = || SourceError::BadPath(path.chars().take(100).collect());
    if path.is_empty() || path.len() > 1_000 || path.contains('\\') || path.split('/').count() > 32 {
        return Err(bad());
    }
    for part in path.split('/') {
        if part.is_empty() || part == "." || part == ".." || part.len() > 255 || part.chars().any(char::is_control) {
            return Err(bad());
        }
    }
    let ending = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if ["so", "pyd", "dll", "dylib"].contains(&&*ending) || path.contains(".so.") {
        return Err(SourceError::MachineCode(path.to_owned()));
    }
    Ok(())
}

/// The files of an archive, whatever its bytes are.
fn unpacked(archive: &[u8]) -> Result<Vec<(String, Bytes)>, SourceError> {
    let files = panics::caught("the zip archive", || unpack(archive));
    files.map_err(|panicked| SourceError::BadArchive(panicked.to_string()))?
}

fn unpack(archive: &[u8]) -> Result<Vec<(String, Bytes)>, SourceError> {
    let broken = |error: &dyn std::fmt::Display| SourceError::BadArchive(error.to_string().chars().take(200).collect());
    let mut zip = ZipArchive::new(Cursor::new(archive)).map_err(|error| broken(&error))?;
    if zip.len() > MAX_FILES * 2 {
        return Err(SourceError::TooManyFiles(zip.len()));
    }
    let mut files = Vec::new();
    let mut left = MAX_BUNDLE;
    for at in 0..zip.len() {
        let mut entry = zip.by_index(at).map_err(|error| broken(&error))?;
        let raw = entry.name_raw().to_vec();
        let path = String::from_utf8(raw)
            .map_err(|error| SourceError::BadPath(String::from_utf8_lossy(error.as_bytes()).into()))?;
        if entry.is_dir() {
            check_path(path.trim_end_matches('/'))?;
            continue;
        }
        // The upper half of a Unix mode says what a thing is; 0 where the archive was made elsewhere.
        let kind = entry.unix_mode().unwrap_or(0) & 0o170_000;
        if entry.is_symlink() || !(kind == 0 || kind == 0o100_000) {
            return Err(SourceError::NoFile(path));
        }
        check_path(&path)?;
        let mut content = Vec::new();
        // What the archive says about the size is not believed: one byte more than there may be is enough to know.
        let read = entry.by_ref().take(left as u64 + 1).read_to_end(&mut content).map_err(|error| broken(&error))?;
        left = left.checked_sub(read).ok_or(SourceError::BundleTooLarge)?;
        // What the operating system of the packer adds.
        if !(path.starts_with("__MACOSX/") || path.ends_with("/.DS_Store") || path == ".DS_Store") {
            files.push((path, Bytes::from(content)));
        }
    }
    Ok(files)
}

/// An archive that is the same, byte by byte, for the same files.
pub fn pack(files: &[(String, Bytes)]) -> Result<Vec<u8>, SourceError> {
    let broken = |error: &dyn std::fmt::Display| SourceError::BadArchive(error.to_string());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (path, content) in files {
        zip.start_file(path.as_str(), options).map_err(|error| broken(&error))?;
        zip.write_all(content).map_err(|error| broken(&error))?;
    }
    Ok(zip.finish().map_err(|error| broken(&error))?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    fn files(list: &[(&str, &str)]) -> Vec<(String, Bytes)> {
        list.iter().map(|(path, content)| ((*path).to_owned(), Bytes::from((*content).to_owned()))).collect()
    }

    fn archive(list: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in list {
            zip.start_file(*path, SimpleFileOptions::default()).expect("starts");
            zip.write_all(content.as_bytes()).expect("writes");
        }
        zip.finish().expect("ends").into_inner()
    }

    #[test]
    fn no_archive_panics() {
        let whole = archive(&[("main.py", "x = 1"), ("a/b.txt", &"y".repeat(3_000))]);
        let mut dice = Dice::new(1);
        let mut roll = |most: usize| dice.index(most);
        for at in 0..whole.len() {
            let _ = Sources::of_bytes("x", Bytes::from(whole[..at].to_vec()));
        }
        for _ in 0..5_000 {
            let mut bytes = whole.clone();
            for _ in 0..roll(6) + 1 {
                let at = roll(bytes.len());
                bytes[at] = roll(256) as u8;
            }
            let _ = Sources::of_archive(&bytes);
        }
    }

    #[test]
    fn one_file_is_kept_as_it_is() {
        let sources = Sources::one("price", Bytes::from_static(b"x = 1\n")).expect("takes");
        assert_eq!(sources.main, "price.py");
        let (key, _, content) = sources.blob().expect("packs");
        assert!(key.starts_with("sources/"));
        assert_eq!(Sources::of_blob(&key, "price.py", content).expect("reads"), sources);
        assert_eq!(Sources::one("x", Bytes::new()), Err(SourceError::Empty));
        let large = Sources::one("x", Bytes::from(vec![b'#'; MAX_SOURCE + 1]));
        assert!(matches!(large, Err(SourceError::SourceTooLarge { .. })));
    }

    #[test]
    fn a_bundle_is_the_same_whatever_the_order() {
        let one = Sources::several(files(&[("main.py", "1"), ("a/b.txt", "2")]), None).expect("takes");
        let other = Sources::several(files(&[("a/b.txt", "2"), ("main.py", "1")]), None).expect("takes");
        let (key, _, content) = one.blob().expect("packs");
        assert_eq!(other.blob().expect("packs").0, key);
        assert_eq!(Sources::of_blob(&key, "main.py", content).expect("reads"), one);
        let zipped = Sources::of_archive(&archive(&[("a/b.txt", "2"), ("main.py", "1")])).expect("takes");
        assert_eq!(zipped, one);
    }

    #[test]
    fn hostile_names_are_refused() {
        for path in ["../x.py", "/etc/passwd", "a/../../x", "a//b", "a\\b", "", "a\0b", "x\n.py", "./x"] {
            let refused = Sources::several(files(&[("main.py", "1"), (path, "2")]), None);
            assert!(matches!(refused, Err(SourceError::BadPath(_))), "{path:?}: {refused:?}");
        }
        for path in ["_x.cpython-314.so", "lib/a.PYD", "libx.so.6"] {
            let refused = Sources::several(files(&[("main.py", "1"), (path, "2")]), None);
            assert!(matches!(refused, Err(SourceError::MachineCode(_))), "{path:?}");
        }
        for twice in [["a.py", "A.py"], ["a", "a/b.py"], ["a.py", "a.py"]] {
            let refused = Sources::several(files(&[("main.py", "1"), (twice[0], "2"), (twice[1], "3")]), None);
            assert!(matches!(refused, Err(SourceError::Twice(..))), "{twice:?}");
        }
        assert_eq!(Sources::several(files(&[("a.py", "1"), ("b.py", "2")]), None), Err(SourceError::NoMain));
    }

    #[test]
    fn archives_are_not_believed() {
        assert!(matches!(Sources::of_archive(b"PK\x03\x04 no more"), Err(SourceError::BadArchive(_))));
        assert!(matches!(Sources::of_archive(&archive(&[("../main.py", "1")])), Err(SourceError::BadPath(_))));
        let mut bomb = ZipWriter::new(Cursor::new(Vec::new()));
        bomb.start_file("main.py", SimpleFileOptions::default()).expect("starts");
        for _ in 0..20 {
            bomb.write_all(&vec![b' '; 1 << 20]).expect("writes");
        }
        let bomb = bomb.finish().expect("ends").into_inner();
        assert!(bomb.len() < 100_000);
        assert_eq!(Sources::of_archive(&bomb), Err(SourceError::BundleTooLarge));
        let mut link = ZipWriter::new(Cursor::new(Vec::new()));
        link.add_symlink("main.py", "/etc/passwd", SimpleFileOptions::default()).expect("adds");
        let link = link.finish().expect("ends").into_inner();
        assert!(matches!(Sources::of_archive(&link), Err(SourceError::NoFile(_))));
    }
}
