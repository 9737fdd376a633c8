//! Unpacks wheels: what an archive from the index says about itself is believed in nothing.
//!
//! The format is PyPA's binary distribution format (PEP 427, wheel version 1). Refused: paths that are absolute, leave the
//! package or are there twice, links and devices, machine code, content that RECORD does not name or names with another digest, and archives that are too large, too many
//! or too well compressed to be packages.

use super::PackageError;
use crate::panics;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use pep508_rs::PackageName;
use pep508_rs::pep440_rs::Version;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::io::{Cursor, Read};
use std::str::FromStr;
use zip::ZipArchive;

/// Most bytes of a wheel.
pub(super) const LARGEST: usize = 64 << 20;
/// Most bytes of one file in it.
pub(super) const LARGEST_FILE: u64 = 32 << 20;
/// Most files of all packages of a script.
pub(super) const MOST_FILES: usize = 12_000;
/// Most bytes of all files of all packages of a script.
pub(super) const MOST_BYTES: usize = 128 << 20;
/// How many times larger than the archive its content may be, beyond a megabyte.
const RATIO: u64 = 50;
/// Longest path.
const LONGEST: usize = 500;
/// Endings of files that hold machine code.
const MACHINE_CODE: [&str; 6] = ["so", "pyd", "dylib", "dll", "a", "o"];

/// The files of a set of packages, by their paths below `/packages`.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Adds the files of a wheel to those of others. What two packages both bring stays as the first brought it: what is
/// different about it is returned, for a warning.
///
/// `without_machine_code` says that the wheel's machine code is optional: it is checked as all files are, and left out.
pub(super) fn unpack(
    name: &str,
    version: &str,
    (archive, without_machine_code): (&[u8], bool),
    files: &mut Files,
) -> Result<Vec<String>, PackageError> {
    let bad = |why: String| PackageError::BadWheel(format!("{name} {version}: {why}"));
    let open = || {
        let content = read(archive, without_machine_code)?;
        let info = info_directory(&content, name, version)?;
        Ok((content, info))
    };
    let opened = panics::caught("the wheel", open).map_err(|panicked| panicked.to_string());
    let (content, info) = opened.flatten().map_err(bad)?;
    check_record(&content, &info).map_err(bad)?;
    let data = format!("{}.data/", info.trim_end_matches(".dist-info"));
    let mut twice = Vec::new();
    for (path, bytes) in content.into_iter().filter(|(path, _)| !is_machine_code(path)) {
        let path = match path.strip_prefix(&data) {
            None => path,
            // Scripts, headers and data belong elsewhere on a computer; a sandbox has no elsewhere.
            Some(rest) => match rest.strip_prefix("purelib/").or_else(|| rest.strip_prefix("platlib/")) {
                Some(rest) => rest.to_owned(),
                None => continue,
            },
        };
        match files.get(&path) {
            Some(same) if *same == bytes => {}
            Some(_) => twice.push(path),
            None if runs_at_start(&path) => {}
            None => {
                files.insert(path, bytes);
            }
        }
    }
    check_size(files).map_err(bad)?;
    Ok(twice)
}

fn read(archive: &[u8], takes_machine_code: bool) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut zip = ZipArchive::new(Cursor::new(archive)).map_err(|error| format!("it is no zip archive: {error}"))?;
    if zip.len() > MOST_FILES {
        return Err(format!("it has {} files; at most {MOST_FILES} are taken", zip.len()));
    }
    let mut left = most_content(archive.len());
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for at in 0..zip.len() {
        let mut entry = zip.by_index(at).map_err(|error| format!("it cannot be read: {error}"))?;
        let path = std::str::from_utf8(entry.name_raw()).map_err(|_| "it holds a name that is not UTF-8")?.to_owned();
        let shown: String = path.chars().take(80).collect();
        let checked = if takes_machine_code { check_place(&path) } else { check_path(&path) };
        checked.map_err(|why| format!("{shown:?} {why}"))?;
        // The high half of a Unix entry's attributes is its mode: a plain file, a directory, or not said.
        let kind = entry.unix_mode().unwrap_or_default() & 0o170_000;
        if entry.is_symlink() || !matches!(kind, 0 | 0o100_000 | 0o040_000) {
            return Err(format!("{shown:?} is no plain file: links and devices are not taken"));
        }
        if !seen.insert(path.to_lowercase()) {
            return Err(format!("{shown:?} is there twice, or differs from another in case only"));
        }
        if entry.is_dir() {
            continue;
        }
        let mut bytes = Vec::new();
        // What an entry says about its size is not asked: reading ends where the bound is.
        let bound = left.min(LARGEST_FILE) + 1;
        entry.by_ref().take(bound).read_to_end(&mut bytes).map_err(|error| format!("{shown:?} is damaged: {error}"))?;
        if bytes.len() as u64 == bound {
            return Err(format!("{shown:?} is too large, or the archive holds too much for its size"));
        }
        left -= bytes.len() as u64;
        files.push((path, bytes));
    }
    Ok(files)
}

/// Whether a path may be one inside a package; the error goes on after the path.
pub(super) fn check_path(path: &str) -> Result<(), &'static str> {
    if is_machine_code(path) {
        return Err("is machine code, which no sandbox can load");
    }
    check_place(path)
}

/// The same for a file that may be machine code.
fn check_place(path: &str) -> Result<(), &'static str> {
    if path.len() > LONGEST {
        return Err("is too long a path");
    }
    if path.starts_with('/') || path.contains(['\\', ':', '\0']) || path.chars().any(char::is_control) {
        return Err("is no path inside a package");
    }
    let plain = path.strip_suffix('/').unwrap_or(path);
    if plain.split('/').any(|name| name.is_empty() || name == "." || name == ".." || name.len() > 255) {
        return Err("is no path inside a package");
    }
    Ok(())
}

/// Whether a file would run code whenever Python starts, on a computer: setuptools and namespace packages bring such. A
/// sandbox looks for none, and gets none.
fn runs_at_start(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    ending == "pth" && !path.contains('/')
}

/// Whether a file is machine code by its name.
pub(super) fn is_machine_code(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    MACHINE_CODE.contains(&ending.as_str()) || path.contains(".so.")
}

/// Most bytes that an archive of this size may hold.
pub(super) fn most_content(size: usize) -> u64 {
    (size as u64 * RATIO + (1 << 20)).min(MOST_BYTES as u64)
}

/// Checks what all packages of a script have together.
pub(super) fn check_size(files: &Files) -> Result<(), String> {
    if files.len() > MOST_FILES {
        return Err(format!("with it the script's packages have more than {MOST_FILES} files"));
    }
    if files.values().map(Vec::len).sum::<usize>() > MOST_BYTES {
        return Err(format!("with it the script's packages have more than {MOST_BYTES} bytes"));
    }
    Ok(())
}

/// What a wheel says about itself, unchecked; none when it cannot be read.
pub(super) fn metadata(archive: &[u8]) -> Option<String> {
    let read = || {
        let mut zip = ZipArchive::new(Cursor::new(archive)).ok()?;
        let names: Vec<String> = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
        let name = names.into_iter().find(|name| {
            name.split_once('/').is_some_and(|(first, rest)| first.ends_with(".dist-info") && rest == "METADATA")
        })?;
        let mut text = String::new();
        zip.by_name(&name).ok()?.take(LARGEST_FILE).read_to_string(&mut text).ok()?;
        Some(text)
    };
    panics::caught("the wheel", read).ok().flatten()
}

/// The name of the one `.dist-info` directory, which must be of the package that was asked for.
fn info_directory(files: &[(String, Vec<u8>)], name: &str, version: &str) -> Result<String, String> {
    let directories: HashSet<&str> = files
        .iter()
        .filter_map(|(path, _)| path.split_once('/'))
        .map(|(first, _)| first)
        .filter(|first| first.ends_with(".dist-info"))
        .collect();
    let mut directories = directories.into_iter();
    let (Some(info), None) = (directories.next(), directories.next()) else {
        return Err("it has not exactly one .dist-info directory".into());
    };
    let file = |wanted: &str| {
        let path = format!("{info}/{wanted}");
        let found = files.iter().find(|(path_of, _)| *path_of == path);
        found.map(|(_, bytes)| String::from_utf8_lossy(bytes)).ok_or_else(|| format!("it has no {wanted}"))
    };
    let field = |text: &str, field: &str| -> Option<String> {
        let head = text.lines().take_while(|line| !line.is_empty());
        let mut values =
            head.filter_map(|line| line.split_once(':')).filter(|(key, _)| key.eq_ignore_ascii_case(field));
        values.next().map(|(_, value)| value.trim().to_owned())
    };
    let format = field(&file("WHEEL")?, "Wheel-Version").unwrap_or_default();
    if !format.starts_with("1.") {
        return Err(format!("it is a wheel of version {format:?}; version 1 is known"));
    }
    let metadata = file("METADATA")?;
    let (named, versioned) = (field(&metadata, "Name").unwrap_or_default(), field(&metadata, "Version"));
    // As indexes compare names (PEP 503).
    let named_right = matches!((PackageName::from_str(&named), PackageName::from_str(name)), (Ok(a), Ok(b)) if a == b);
    if !named_right {
        return Err(format!("it says that it is {named:?}"));
    }
    let same = |one: &str, other: &str| {
        one == other || matches!((Version::from_str(one), Version::from_str(other)), (Ok(a), Ok(b)) if a == b)
    };
    match versioned {
        Some(said) if same(&said, version) => Ok(info.to_owned()),
        said => Err(format!("it says that it is version {:?}", said.unwrap_or_default())),
    }
}

/// Checks every file against RECORD, which is a table of path, digest and size.
fn check_record(files: &[(String, Vec<u8>)], info: &str) -> Result<(), String> {
    let place = format!("{info}/RECORD");
    let record = files.iter().find(|(path, _)| *path == place).ok_or("it has no RECORD")?;
    let mut digests = BTreeMap::new();
    for row in csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&*record.1).records() {
        let row = row.map_err(|error| format!("its RECORD cannot be read: {error}"))?;
        let (Some(path), Some(digest)) = (row.get(0), row.get(1)) else {
            return Err("its RECORD cannot be read".into());
        };
        digests.insert(path.to_owned(), digest.to_owned());
    }
    for (path, bytes) in files {
        let in_info = path.strip_prefix(info).and_then(|rest| rest.strip_prefix('/'));
        if matches!(in_info, Some("RECORD" | "RECORD.jws" | "RECORD.p7s")) {
            continue;
        }
        let shown: String = path.chars().take(80).collect();
        let said = digests.get(path).ok_or_else(|| format!("{shown:?} is not in its RECORD"))?;
        let Some(digest) = said.strip_prefix("sha256=") else {
            return Err(format!("its RECORD has no SHA-256 of {shown:?}"));
        };
        if BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)) != digest.trim_end_matches('=') {
            return Err(format!("{shown:?} is not what its RECORD says"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    /// A wheel of `demo` 1.0 with these files beside what belongs to every wheel.
    fn wheel(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut all: Vec<(String, Vec<u8>)> =
            files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
        all.push(("demo-1.0.dist-info/WHEEL".into(), b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n".to_vec()));
        all.push(("demo-1.0.dist-info/METADATA".into(), b"Name: Demo\nVersion: 1.0\n\nNo: more\n".to_vec()));
        let record: String = all
            .iter()
            .map(|(path, bytes)| {
                format!("{path},sha256={},{}\n", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)), bytes.len())
            })
            .collect();
        all.push(("demo-1.0.dist-info/RECORD".into(), record.into_bytes()));
        zipped(&all)
    }

    fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, bytes) in files {
            zip.start_file(path.as_str(), SimpleFileOptions::default()).expect("begins");
            zip.write_all(bytes).expect("writes");
        }
        zip.finish().expect("ends").into_inner()
    }

    fn refused(archive: &[u8]) -> String {
        unpack("demo", "1.0", (archive, false), &mut Files::new()).expect_err("refuses").to_string()
    }

    #[test]
    fn a_wheel_is_unpacked() {
        let mut files = Files::new();
        let archive = wheel(&[
            ("demo/__init__.py", b"x = 1"),
            ("demo-1.0.data/purelib/more.py", b""),
            ("demo-1.0.data/scripts/go", b""),
            ("demo-nspkg.pth", b"import os"),
        ]);
        assert_eq!(unpack("demo", "1.0.0", (&archive, false), &mut files).expect("unpacks"), Vec::<String>::new());
        let paths: Vec<_> = files.keys().map(String::as_str).filter(|path| !path.contains("dist-info")).collect();
        assert_eq!(paths, ["demo/__init__.py", "more.py"]);
        let other = wheel(&[("demo/__init__.py", b"x = 2")]);
        assert_eq!(
            unpack("demo", "1.0", (&other, false), &mut files).expect("unpacks"),
            ["demo/__init__.py", "demo-1.0.dist-info/RECORD"]
        );
        assert_eq!(files["demo/__init__.py"], b"x = 1");
    }

    /// B2: the pure files of a wheel whose machine code is optional; what else it holds is checked as ever.
    #[test]
    fn machine_code_is_left_out_where_it_is_optional() {
        let archive = wheel(&[
            ("demo/__init__.py", b"x = 1"),
            ("demo/_speed.cpython-314.so", b"ELF"),
            ("demo.libs/libx.so.1", b""),
        ]);
        let mut files = Files::new();
        unpack("demo", "1.0", (&archive, true), &mut files).expect("unpacks");
        let paths: Vec<_> = files.keys().map(String::as_str).filter(|path| !path.contains("dist-info")).collect();
        assert_eq!(paths, ["demo/__init__.py"]);
        let archive = wheel(&[("../_speed.so", b"ELF")]);
        let why = unpack("demo", "1.0", (&archive, true), &mut Files::new()).expect_err("refuses").to_string();
        assert!(why.contains("no path inside"), "{why}");
    }

    #[test]
    fn paths_that_lead_elsewhere_and_what_is_no_python_are_refused() {
        for path in ["../x.py", "/x.py", "a/../../x.py", "a\\b.py", "C:x.py", "a//b.py", "./x.py", "a\nb.py"] {
            assert!(refused(&wheel(&[(path, b"")])).contains("no path inside"), "{path}");
        }
        for path in ["demo/_x.cpython-314.so", "x.pyd", "libx.so.1", "x.DLL"] {
            assert!(refused(&wheel(&[(path, b"")])).contains("machine code"), "{path}");
        }
        assert!(refused(&wheel(&[("a.py", b""), ("A.py", b"")])).contains("twice"));
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("demo/link.py", "/etc/passwd", SimpleFileOptions::default()).expect("links");
        assert!(refused(&zip.finish().expect("ends").into_inner()).contains("no plain file"));
        assert!(refused(b"nothing").contains("no zip archive"));
    }

    #[test]
    fn bombs_are_refused_before_they_are_unpacked() {
        let zeros = vec![0; 33 << 20];
        assert!(refused(&wheel(&[("demo/zeros.bin", &zeros)])).contains("too large"));
        let many: Vec<(String, Vec<u8>)> = (0..MOST_FILES + 1).map(|n| (format!("f{n}"), Vec::new())).collect();
        assert!(refused(&zipped(&many)).contains("files"));
    }

    #[test]
    fn what_a_wheel_says_about_itself_must_be_true() {
        let archive = wheel(&[("demo/__init__.py", b"x = 1")]);
        let of = |name: &str, version: &str| {
            unpack(name, version, (&archive, false), &mut Files::new()).expect_err("refuses")
        };
        assert!(of("other", "1.0").to_string().contains("says that it is \"Demo\""));
        assert!(of("demo", "2.0").to_string().contains("version \"1.0\""));
        let mut zip = ZipArchive::new(Cursor::new(&archive)).expect("opens");
        let mut files: Vec<(String, Vec<u8>)> = (0..zip.len())
            .map(|at| {
                let mut entry = zip.by_index(at).expect("is there");
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("reads");
                (entry.name().expect("a name").into_owned(), bytes)
            })
            .collect();
        files[0].1 = b"x = 2".to_vec();
        assert!(refused(&zipped(&files)).contains("not what its RECORD says"));
        files[0].0 = "demo/other.py".into();
        assert!(refused(&zipped(&files)).contains("not in its RECORD"));
        files.retain(|(path, _)| !path.ends_with("RECORD"));
        assert!(refused(&zipped(&files)).contains("no RECORD"));
    }
}
