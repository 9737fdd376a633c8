//! What of a project the resolver is shown: only files that a sandbox can take, so that it finds the newest versions that
//! fit together *and* can be had.
//!
//! A version is shown in one form. Wheels of pure Python are shown as they are. Where there is none, a wheel with machine
//! code is shown as if it were pure when the package is known to work without that code ([`super::optional`]); a project
//! without any wheels is shown by its source, as if that were a wheel (what is in it decides whether it is one:
//! [`super::sdist`]); and a few projects by what Cronbox puts in their place ([`super::standin`]).

use super::optional;
use super::page::File;
use super::standin;
use pep508_rs::pep440_rs::Version;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::str::FromStr;

/// In which form a version is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A wheel of pure Python.
    Pure,
    /// The pure files of a wheel that has machine code, too.
    WithoutMachineCode,
    /// Plain Python from a source archive.
    Source,
    /// What Cronbox has in its place.
    StandIn,
}

/// Why a version is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It is machine code.
    Native,
    /// It is there as source only.
    Source,
}

/// A version that is shown.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) form: Form,
    /// As the resolver sees them.
    pub(super) shown: Vec<File>,
    /// What the index has.
    pub(super) original: File,
}

/// A version that is not shown.
#[derive(Clone, Debug)]
pub(super) struct HeldBack {
    pub(super) why: Held,
    /// One of its files.
    pub(super) file: File,
}

/// A project of the index.
#[derive(Clone, Debug, Default)]
pub(super) struct Project {
    pub(super) offers: BTreeMap<Version, Offer>,
    pub(super) held: BTreeMap<Version, HeldBack>,
}

#[derive(Default)]
struct OfVersion {
    pure: Vec<File>,
    native: Vec<File>,
    source: Option<File>,
}

/// Sorts the files of a project. `made` is the address below which the metadata of what is no wheel are made.
pub(super) fn sort(name: &str, files: Vec<File>, made: &str) -> Project {
    let mut versions: BTreeMap<Version, OfVersion> = BTreeMap::new();
    for file in files {
        match kind(&file.filename) {
            Some((version, Kind::Pure)) => versions.entry(version).or_default().pure.push(file),
            Some((version, Kind::Native)) => versions.entry(version).or_default().native.push(file),
            Some((version, Kind::Source)) => versions.entry(version).or_default().source = Some(file),
            None => {}
        }
    }
    let has_pure = versions.values().any(|version| !version.pure.is_empty());
    let has_native = versions.values().any(|version| !version.native.is_empty());
    let stand_in = standin::find(name).filter(|_| !has_pure);
    if let Some(stand_in) = stand_in
        && versions.is_empty()
        && let Ok(version) = Version::from_str(stand_in.version)
    {
        versions.insert(version, OfVersion::default());
    }
    let mut project = Project::default();
    for (number, version) in versions {
        let native = version.native.into_iter().min_by_key(|file| (far(&file.filename), file.filename.clone()));
        let first = version.pure.first().cloned();
        let offer = match (first, native, version.source) {
            (Some(original), _, _) => Offer { form: Form::Pure, shown: version.pure, original },
            (None, native, source) if stand_in.is_some() => {
                let original = native.or(source).unwrap_or_default();
                let shown = vec![made_file(name, &number, &original, &format!("{made}/standin"))];
                Offer { form: Form::StandIn, shown, original }
            }
            (None, Some(original), _) if optional::imports(name).is_some() => {
                let shown = vec![File { filename: pure_name(name, &number), ..original.clone() }];
                Offer { form: Form::WithoutMachineCode, shown, original }
            }
            (None, Some(file), _) => {
                project.held.insert(number, HeldBack { why: Held::Native, file });
                continue;
            }
            (None, None, Some(original)) if !has_native && is_readable(&original.filename) => {
                let shown = vec![made_file(name, &number, &original, &format!("{made}/source"))];
                Offer { form: Form::Source, shown, original }
            }
            (None, None, Some(file)) => {
                project.held.insert(number, HeldBack { why: Held::Source, file });
                continue;
            }
            (None, None, None) => continue,
        };
        project.offers.insert(number, offer);
    }
    project
}

/// A project with everything the index has of it, whatever a sandbox can do with it: to tell who needs what.
pub(super) fn all(name: &str, project: &Project, made: &str) -> Vec<File> {
    let any = format!("{made}/any");
    let mut files = Vec::new();
    for (number, offer) in &project.offers {
        match offer.form {
            // It may turn out not to be plain.
            Form::Source => files.push(made_file(name, number, &offer.original, &any)),
            _ => files.extend(offer.shown.clone()),
        }
    }
    for (number, held) in &project.held {
        files.push(match held.why {
            Held::Native => File { filename: pure_name(name, number), ..held.file.clone() },
            Held::Source => made_file(name, number, &held.file, &any),
        });
    }
    files
}

/// A file that does not exist, whose metadata are made here.
fn made_file(name: &str, version: &Version, of: &File, made: &str) -> File {
    let filename = pure_name(name, version);
    // The resolver wants a digest of every file; who fetches it takes the one of what is fetched.
    let mut hashes = of.hashes.clone();
    hashes.entry("sha256".into()).or_insert_with(|| hex::encode(Sha256::digest(&filename)));
    File {
        hashes,
        url: format!("{made}/{name}/{version}/{filename}"),
        filename,
        core_metadata: Some(Value::Bool(true)),
        size: None,
        ..of.clone()
    }
}

/// The file name of a wheel for every platform.
fn pure_name(name: &str, version: &Version) -> String {
    format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"))
}

enum Kind {
    Pure,
    Native,
    Source,
}

/// What a file is by its name, and its version.
fn kind(file: &str) -> Option<(Version, Kind)> {
    if let Some(stem) = file.strip_suffix(".whl") {
        let parts: Vec<&str> = stem.split('-').collect();
        let (Some(version), 5 | 6) = (parts.get(1), parts.len()) else { return None };
        let version = Version::from_str(version).ok()?;
        let kind = match parts.last() {
            Some(&"any") if is_pure(file) => Kind::Pure,
            Some(&"any") | None => return None,
            // Not the pure files of one for Python 2.
            Some(_) if parts.iter().rev().nth(2).is_some_and(|tags| is_for_three(tags)) => Kind::Native,
            Some(_) => return None,
        };
        return Some((version, kind));
    }
    let stem = SOURCES.iter().find_map(|ending| file.strip_suffix(ending))?;
    let (_, version) = stem.rsplit_once('-')?;
    Some((Version::from_str(version).ok()?, Kind::Source))
}

/// Whether the tags of a wheel name a CPython 3.
fn is_for_three(tags: &str) -> bool {
    tags.split('.').any(|tag| tag.starts_with("cp3") || tag.starts_with("py3"))
}

/// Endings of source archives.
const SOURCES: [&str; 5] = [".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz"];

/// Whether a source archive is of a kind that is read here.
fn is_readable(file: &str) -> bool {
    [".tar.gz", ".tgz", ".zip"].iter().any(|ending| file.ends_with(ending))
}

/// How far a wheel's platform is from the sandbox: one for the same Python on Linux is most like it.
fn far(file: &str) -> u8 {
    let is_linux = file.contains("manylinux") && file.contains("x86_64");
    let is_ours = file.contains("-cp314-cp314-") || file.contains("-abi3-") || file.contains("-py3-none-");
    u8::from(!is_linux) * 2 + u8::from(!is_ours)
}

/// Whether a wheel's file name says that it is for every platform and for this Python (PEP 425 and 427).
pub(super) fn is_pure(file: &str) -> bool {
    let Some(stem) = file.strip_suffix(".whl") else { return false };
    let mut tags = stem.rsplit('-');
    let (platform, abi, python) = (tags.next(), tags.next(), tags.next());
    let fits = |tag: &str| match tag.strip_prefix("py3").or_else(|| tag.strip_prefix("cp3")) {
        Some("") => tag == "py3",
        Some("14") => true,
        Some(minor) => tag.starts_with("py3") && minor.parse::<u32>().is_ok_and(|minor| minor < 14),
        None => false,
    };
    platform == Some("any") && abi == Some("none") && python.is_some_and(|tags| tags.split('.').any(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_of_pure_python_are_known_by_their_names() {
        for pure in ["a-1-py3-none-any.whl", "a-1-py2.py3-none-any.whl", "a_b-1.0-2-py312-none-any.whl"] {
            assert!(is_pure(pure), "{pure}");
        }
        for other in [
            "a-1-cp314-cp314-manylinux_2_17_x86_64.whl",
            "a-1-py2-none-any.whl",
            "a-1-py315-none-any.whl",
            "a-1-cp313-none-any.whl",
            "a-1-py3-none-win32.whl",
            "a-1-py3-abi3-any.whl",
            "a-1.tar.gz",
        ] {
            assert!(!is_pure(other), "{other}");
        }
    }

    fn project(name: &str, files: &[&str]) -> Project {
        let file = |name: &&str| File {
            filename: (*name).to_owned(),
            url: format!("https://files.example/{name}"),
            ..File::default()
        };
        sort(name, files.iter().map(file).collect(), "http://here/made")
    }

    fn forms(project: &Project) -> Vec<(String, Form)> {
        project.offers.iter().map(|(version, offer)| (version.to_string(), offer.form)).collect()
    }

    fn held(project: &Project) -> Vec<(String, Held)> {
        project.held.iter().map(|(version, held)| (version.to_string(), held.why)).collect()
    }

    /// B1: versions of machine code are not seen, older ones of pure Python are.
    #[test]
    fn only_what_a_sandbox_can_take_is_shown() {
        let shown = project(
            "demo",
            &[
                "demo-1.0-py3-none-any.whl",
                "demo-1.0-cp39-cp39-win32.whl",
                "demo-2.0-cp314-cp314-manylinux_2_17_x86_64.whl",
                "demo-2.0.tar.gz",
                "demo-0.9.tar.gz",
                "demo-0.8.win32.exe",
            ],
        );
        assert_eq!(forms(&shown), [("1.0".into(), Form::Pure)]);
        assert_eq!(held(&shown), [("0.9".into(), Held::Source), ("2.0".into(), Held::Native)]);
        let all: Vec<_> = all("demo", &shown, "http://here/made").into_iter().map(|file| file.filename).collect();
        assert_eq!(all, ["demo-1.0-py3-none-any.whl", "demo-0.9-py3-none-any.whl", "demo-2.0-py3-none-any.whl"]);
    }

    /// B2: a package of the list is shown by one of its wheels, under the name of a pure one.
    #[test]
    fn optional_machine_code_does_not_hide_a_package() {
        let shown = project(
            "markupsafe",
            &[
                "markupsafe-3.0.4-cp27-cp27mu-manylinux_2_17_x86_64.whl",
                "markupsafe-3.0.4-cp314-cp314t-win32.whl",
                "markupsafe-3.0.4-cp314-cp314-manylinux_2_17_x86_64.whl",
            ],
        );
        assert_eq!(forms(&shown), [("3.0.4".into(), Form::WithoutMachineCode)]);
        let offer = shown.offers.values().next().expect("an offer");
        assert_eq!(offer.shown[0].filename, "markupsafe-3.0.4-py3-none-any.whl");
        assert!(offer.shown[0].url.ends_with("cp314-cp314-manylinux_2_17_x86_64.whl"));
    }

    /// B4: source is shown only where there are no wheels of machine code.
    #[test]
    fn source_is_shown_where_there_is_nothing_else() {
        let shown = project("jieba", &["jieba-0.20.zip", "jieba-0.42.1.tar.gz", "jieba-0.1.tar.bz2"]);
        assert_eq!(forms(&shown), [("0.20".into(), Form::Source), ("0.42.1".into(), Form::Source)]);
        let file = &shown.offers.values().next().expect("an offer").shown[0];
        assert_eq!(file.url, "http://here/made/source/jieba/0.20/jieba-0.20-py3-none-any.whl");
        assert!(file.has_metadata());
        assert_eq!(held(&shown), [("0.1".into(), Held::Source)]);
    }

    #[test]
    fn no_file_name_panics() {
        for name in ["", ".whl", "-.whl", "a-b-c-d-e-f-g.whl", "a-1-é-none-any.whl", "-.tar.gz", "a.tar.gz", "a-!.zip"]
        {
            let _ = project("a", &[name]);
        }
    }
}
