//! Source archives that are plain Python: taken as they are where nothing of them has to be run to know what belongs to
//! the package and what it needs. Everything else stays refused with a sentence.

use super::wheel::{self, Files};
use crate::panics;
use flate2::read::GzDecoder;
use pep508_rs::PackageName;
use pep508_rs::pep440_rs::Version;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::str::FromStr;

/// Endings of files that only a compiler makes use of.
const COMPILED: [&str; 12] = ["c", "cc", "cpp", "cxx", "pyx", "pxd", "rs", "f", "f90", "go", "swg", "i"];
/// Words of a `setup.py` that does more than to name things.
const WORKS: [&str; 7] =
    ["ext_modules", "Extension(", "cmdclass", "use_2to3", "build_ext", "cythonize", "cffi_modules"];
/// Words of one whose answers depend on where it is run.
const DEPENDS: [&str; 6] = ["sys.platform", "sys.version", "version_info", "platform.", "os.name", "os.environ"];
/// Folders that are beside a package, and no packages.
const BESIDE: [&str; 14] = [
    "test",
    "tests",
    "testing",
    "doc",
    "docs",
    "example",
    "examples",
    "sample",
    "samples",
    "script",
    "scripts",
    "tools",
    "bench",
    "benchmarks",
];

/// What is in an archive, by paths below its one folder.
pub(super) type Archive = BTreeMap<String, Vec<u8>>;

/// A source archive that is plain Python.
pub(super) struct Plain {
    metadata: String,
    /// What belongs to the package: where it is in the archive, and below `/packages`.
    files: Vec<(String, String)>,
    /// What can be imported.
    imports: Vec<String>,
    entry_points: Option<Vec<u8>>,
}

/// The metadata of the wheel that the archive stands for. The error says why it stands for none.
pub(super) fn metadata(name: &str, version: &str, filename: &str, archive: &[u8]) -> Result<String, String> {
    look(name, version, filename, archive).map(|(plain, _)| plain.metadata)
}

/// Adds the files of the package to those of others; returns what can be imported.
pub(super) fn unpack(
    name: &str,
    version: &str,
    (filename, archive): (&str, &[u8]),
    files: &mut Files,
) -> Result<Vec<String>, String> {
    let (plain, mut content) = look(name, version, filename, archive)?;
    for (from, to) in plain.files {
        if let Some(bytes) = content.remove(&from) {
            files.entry(to).or_insert(bytes);
        }
    }
    let info = format!("{}-{version}.dist-info", name.replace('-', "_"));
    files.insert(format!("{info}/METADATA"), plain.metadata.into_bytes());
    files.insert(format!("{info}/INSTALLER"), b"cronbox\n".to_vec());
    if let Some(entry_points) = plain.entry_points {
        files.insert(format!("{info}/entry_points.txt"), entry_points);
    }
    wheel::check_size(files)?;
    Ok(plain.imports)
}

fn look(name: &str, version: &str, filename: &str, archive: &[u8]) -> Result<(Plain, Archive), String> {
    let look = || {
        let content = read(filename, archive)?;
        Ok((plain(name, version, &content)?, content))
    };
    panics::caught("the source archive", look).map_err(|panicked| panicked.to_string())?
}

/// Reads an archive: plain files alone, within the bounds of wheels.
fn read(filename: &str, archive: &[u8]) -> Result<Archive, String> {
    let mut content = Archive::new();
    let mut left = wheel::most_content(archive.len());
    let mut take = |path: String, reader: &mut dyn Read| -> Result<(), String> {
        let bound = left.min(wheel::LARGEST_FILE) + 1;
        let mut bytes = Vec::new();
        reader.take(bound).read_to_end(&mut bytes).map_err(|error| format!("it is damaged: {error}"))?;
        if bytes.len() as u64 == bound || content.len() >= wheel::MOST_FILES {
            return Err("it holds too much".into());
        }
        left -= bytes.len() as u64;
        // What is in its one folder; what is beside that is nothing of the package.
        if let Some((_, below)) = path.split_once('/') {
            content.insert(below.to_owned(), bytes);
        }
        Ok(())
    };
    let damaged = |error: std::io::Error| format!("it cannot be read: {error}");
    if filename.ends_with(".zip") {
        let mut zip =
            zip::ZipArchive::new(Cursor::new(archive)).map_err(|error| format!("it cannot be read: {error}"))?;
        for at in 0..zip.len() {
            let mut entry = zip.by_index(at).map_err(|error| format!("it cannot be read: {error}"))?;
            let Ok(path) = std::str::from_utf8(entry.name_raw()).map(str::to_owned) else { continue };
            if !entry.is_dir() && !entry.is_symlink() {
                take(path, &mut entry)?;
            }
        }
        return Ok(content);
    }
    let mut tar = tar::Archive::new(GzDecoder::new(archive));
    for entry in tar.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path_bytes().into_owned();
        let Ok(path) = String::from_utf8(path) else { continue };
        take(path.trim_start_matches("./").to_owned(), &mut entry)?;
    }
    Ok(content)
}

pub(super) fn plain(name: &str, version: &str, content: &Archive) -> Result<Plain, String> {
    let text = |path: &str| content.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if let Some(path) = content.keys().find(|path| COMPILED.contains(&ending(path)) || wheel::is_machine_code(path)) {
        return Err(format!("it has parts that must be compiled ({path})"));
    }
    let info = text("PKG-INFO").ok_or("it does not say what it needs")?;
    let head: Vec<(&str, &str)> = info
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key, value.trim()))
        .collect();
    let values = |field: &str| {
        let field = field.to_owned();
        head.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(&field)).map(|(_, value)| *value)
    };
    let one = |field: &str| values(field).next().unwrap_or_default();
    let same_name =
        matches!((PackageName::from_str(one("Name")), PackageName::from_str(name)), (Ok(a), Ok(b)) if a == b);
    let same_version =
        matches!((Version::from_str(one("Version")), Version::from_str(version)), (Ok(a), Ok(b)) if a == b);
    if !same_name || !same_version {
        return Err(format!("it says that it is {:?} {:?}", one("Name"), one("Version")));
    }
    let setup = text("setup.py").unwrap_or_default();
    let project = text("pyproject.toml").unwrap_or_default();
    if let Some(word) = WORKS.iter().find(|word| setup.contains(**word)) {
        return Err(format!("its setup.py builds something ({word})"));
    }
    if project.contains(".hooks") || project.contains("build-backend = \"maturin\"") || project.contains("mesonpy") {
        return Err("its build makes files".into());
    }
    let egg = egg_info(content);
    let in_egg = |file: &str| egg.as_deref().and_then(|egg| text(&format!("{egg}{file}")));
    let static_since = |said: &str| Version::from_str(said).is_ok_and(|said| said >= Version::new([2, 2]));
    let is_static = static_since(one("Metadata-Version"))
        && !values("Dynamic").any(|field| field.eq_ignore_ascii_case("Requires-Dist"));
    let requires: Vec<String> = if is_static {
        values("Requires-Dist").map(str::to_owned).collect()
    } else if DEPENDS.iter().any(|word| setup.contains(word)) && setup.contains("requires") {
        return Err("what it needs is worked out by its setup.py".into());
    } else if egg.is_some() {
        in_egg("requires.txt").map(|text| of_requires(&text)).unwrap_or_default()
    } else if setup.contains("requires") {
        return Err("what it needs is said by its setup.py alone".into());
    } else {
        Vec::new()
    };
    let mut metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    for field in ["Summary", "License", "Requires-Python"] {
        if let Some(value) = values(field).next().filter(|value| !value.is_empty() && *value != "UNKNOWN") {
            metadata.push_str(&format!("{field}: {value}\n"));
        }
    }
    let extras: BTreeSet<&str> = requires.iter().filter_map(|text| extra_of(text)).collect();
    extras.iter().for_each(|extra| metadata.push_str(&format!("Provides-Extra: {extra}\n")));
    requires.iter().for_each(|text| metadata.push_str(&format!("Requires-Dist: {text}\n")));
    let (files, imports) = layout(name, content, in_egg("top_level.txt").as_deref())?;
    let entry_points = in_egg("entry_points.txt").map(String::into_bytes);
    Ok(Plain { metadata, files, imports, entry_points })
}

fn ending(path: &str) -> &str {
    path.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map_or("", |(_, ending)| ending)
}

/// Where setuptools wrote down what it knows, when the archive was made.
fn egg_info(content: &Archive) -> Option<String> {
    let at = |path: &String| {
        let end = path.find(".egg-info/")? + ".egg-info/".len();
        let folder = path.get(..end)?;
        let below = folder.strip_prefix("src/").unwrap_or(folder);
        (below.matches('/').count() == 1).then(|| folder.to_owned())
    };
    content.keys().find_map(at)
}

/// The requirements in a `requires.txt`: sections are `[extra]`, `[:marker]` and `[extra:marker]`.
fn of_requires(text: &str) -> Vec<String> {
    let (mut requires, mut marker) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let (extra, condition) = section.split_once(':').unwrap_or((section, ""));
            let extra = if extra.is_empty() { String::new() } else { format!("extra == '{extra}'") };
            let condition = if condition.is_empty() { String::new() } else { format!("({condition})") };
            marker = [condition, extra].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" and ");
        } else if marker.is_empty() {
            requires.push(line.to_owned());
        } else {
            requires.push(format!("{line} ; {marker}"));
        }
    }
    requires
}

/// The extra that a requirement belongs to.
fn extra_of(requirement: &str) -> Option<&str> {
    let (_, rest) = requirement.split_once("extra == ")?;
    let rest = rest.trim_start_matches(['\'', '"']);
    rest.split(['\'', '"']).next()
}

/// Which files belong to the package, and what can be imported.
#[allow(clippy::type_complexity, reason = "a pair of lists that is taken apart at once")]
fn layout(
    name: &str,
    content: &Archive,
    top_level: Option<&str>,
) -> Result<(Vec<(String, String)>, Vec<String>), String> {
    let is_package = |root: &str, package: &str| content.contains_key(&format!("{root}{package}/__init__.py"));
    let is_module = |root: &str, module: &str| content.contains_key(&format!("{root}{module}.py"));
    let names: Vec<String> = match top_level {
        Some(text) => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        None => found(name, content)?,
    };
    let (mut files, mut imports) = (Vec::new(), Vec::new());
    for top in names {
        let plain = top.chars().all(|c| c.is_alphanumeric() || c == '_') && !BESIDE.contains(&top.as_str());
        let root = ["", "src/"].into_iter().find(|root| is_package(root, &top) || is_module(root, &top));
        let root = match root {
            Some(root) if plain => root,
            // Tests that are listed are not needed.
            _ if BESIDE.contains(&top.as_str()) => continue,
            _ => return Err(format!("where {top:?} is in it is not certain")),
        };
        let inside = format!("{root}{top}/");
        for path in content.keys().filter(|path| path.starts_with(&inside) || **path == format!("{root}{top}.py")) {
            let to = path.strip_prefix(root).unwrap_or(path);
            wheel::check_path(to).map_err(|why| format!("{to:?} {why}"))?;
            files.push((path.clone(), to.to_owned()));
        }
        imports.push(top);
    }
    if imports.is_empty() { Err("it has no package that is known by its place".into()) } else { Ok((files, imports)) }
}

/// What can be imported, where nothing says so: the one package, or the one module.
fn found(name: &str, content: &Archive) -> Result<Vec<String>, String> {
    let packages: BTreeSet<&str> = content
        .keys()
        .map(|path| path.strip_prefix("src/").unwrap_or(path))
        .filter_map(|path| path.strip_suffix("/__init__.py"))
        .filter(|package| !package.contains('/') && !BESIDE.contains(package))
        .collect();
    let modules: Vec<&str> = content
        .keys()
        .filter(|path| !path.contains('/') && *path != "setup.py" && *path != "conftest.py")
        .filter_map(|path| path.strip_suffix(".py"))
        .collect();
    match (packages.into_iter().collect::<Vec<_>>()[..].as_ref(), &modules[..]) {
        ([package], _) => Ok(vec![(*package).to_owned()]),
        ([], [module]) => Ok(vec![(*module).to_owned()]),
        _ => Err(format!("which of its folders belong to {name} is not certain")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, format!("demo-1.0/{path}"), text.as_bytes()).expect("appends");
        }
        tar.into_inner().expect("ends").finish().expect("ends")
    }

    const INFO: (&str, &str) = ("PKG-INFO", "Metadata-Version: 1.1\nName: Demo\nVersion: 1.0\nSummary: x\n\ntext\n");

    fn look_at(files: &[(&str, &str)]) -> Result<(String, Vec<String>, Vec<String>), String> {
        let archive = archive(files);
        let text = metadata("demo", "1.0", "demo-1.0.tar.gz", &archive)?;
        let mut taken = Files::new();
        let imports = unpack("demo", "1.0", ("demo-1.0.tar.gz", &archive), &mut taken)?;
        Ok((text, imports, taken.into_keys().filter(|path| !path.contains("dist-info")).collect()))
    }

    /// B4: plain packages, plain modules, what they need.
    #[test]
    fn plain_source_is_a_package() {
        let setup = ("setup.py", "from distutils.core import setup\nsetup(name='demo', packages=['demo'])\n");
        let files = [INFO, setup, ("demo/__init__.py", ""), ("demo/a/data.txt", "x"), ("test/__init__.py", "")];
        let (text, imports, taken) = look_at(&files).expect("plain");
        assert_eq!((imports, taken), (vec!["demo".into()], vec!["demo/__init__.py".into(), "demo/a/data.txt".into()]));
        assert!(text.contains("Name: demo\nVersion: 1.0\n") && !text.contains("Requires-Dist"), "{text}");
        let files = [
            INFO,
            ("setup.py", "setup(install_requires=['six'])"),
            ("demo.egg-info/requires.txt", "six>=1\n\n[:python_version < '3']\nold\n\n[fast]\nquick\n"),
            ("demo.egg-info/top_level.txt", "demo_module\ntests\n"),
            ("demo_module.py", ""),
            ("tests/__init__.py", ""),
        ];
        let (text, imports, taken) = look_at(&files).expect("plain");
        assert_eq!((imports, taken), (vec!["demo_module".into()], vec!["demo_module.py".into()]));
        for line in [
            "Requires-Dist: six>=1\n",
            "Requires-Dist: old ; (python_version < '3')\n",
            "Requires-Dist: quick ; extra == 'fast'\n",
            "Provides-Extra: fast\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    /// B4: nothing of a source archive is run, so what only a run of it tells is not taken.
    #[test]
    fn what_has_to_be_run_or_compiled_is_refused() {
        let package = ("demo/__init__.py", "");
        for (files, says) in [
            (vec![INFO, package, ("demo/_speed.c", "")], "compiled"),
            (vec![INFO, package, ("setup.py", "setup(ext_modules=[x])")], "builds something"),
            (vec![INFO, package, ("setup.py", "setup(install_requires=x)")], "by its setup.py alone"),
            (
                vec![
                    INFO,
                    package,
                    ("setup.py", "if sys.platform == 'win32': requires = []"),
                    ("demo.egg-info/requires.txt", "a"),
                ],
                "worked out by its setup.py",
            ),
            (vec![package], "does not say what it needs"),
            (vec![("PKG-INFO", "Name: other\nVersion: 1.0\n"), package], "says that it is"),
            (vec![INFO, package, ("more/__init__.py", "")], "not certain"),
            (vec![INFO, ("demo.egg-info/top_level.txt", "elsewhere"), package], "not certain"),
            (vec![INFO], "not certain"),
        ] {
            let why = look_at(&files).expect_err(says);
            assert!(why.contains(says), "{why}");
        }
        assert!(metadata("demo", "1.0", "demo-1.0.zip", b"nothing").is_err());
        assert!(metadata("demo", "1.0", "demo-1.0.tar.gz", b"nothing").is_err());
    }

    #[test]
    fn no_bytes_of_an_archive_panic() {
        let whole = archive(&[INFO, ("demo/__init__.py", "x"), ("demo.egg-info/requires.txt", "[:a\n]\n[b:c]\nd")]);
        let mut dice = crate::dice::Dice::new(1);
        let mut roll = |sides: usize| dice.index(sides);
        for _ in 0..2_000 {
            let mut bytes = whole.clone();
            bytes.truncate(1 + roll(whole.len()));
            for _ in 0..roll(4) {
                let at = roll(bytes.len());
                bytes[at] = roll(256) as u8;
            }
            for name in ["demo-1.0.tar.gz", "demo-1.0.zip"] {
                let _ = metadata("demo", "1.0", name, &bytes);
            }
        }
        // The same of what is inside, where no checksum keeps it away.
        let pieces = [
            "Name: ",
            "demo",
            "\n",
            "Version: 1.0",
            "[",
            "]",
            ":",
            "extra == '",
            "\u{feff}",
            "Metadata-Version: 2.2",
            "é",
            "\0",
            " ",
        ];
        for _ in 0..2_000 {
            let mut some = || (0..roll(12)).map(|_| pieces[roll(pieces.len())]).collect::<String>();
            let (info, needs, top) = (some(), some(), some());
            let files =
                [("PKG-INFO", &*info), ("demo.egg-info/requires.txt", &*needs), ("demo.egg-info/top_level.txt", &*top)];
            let content = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
            let _ = plain("demo", "1.0", &content);
        }
    }
}
