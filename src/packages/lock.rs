//! What the resolver answered: a universal lock (PEP 751), read for this interpreter.

use super::PackageError;
use crate::guard;
use crate::requirement::{Request, environment};
use pep508_rs::MarkerTree;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::str::FromStr;

/// Most packages of a script, with all that they need.
const MOST: usize = 300;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    marker: Option<String>,
    #[serde(default)]
    wheels: Vec<Wheel>,
}

#[derive(Deserialize)]
struct Wheel {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

/// A wheel to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pinned {
    /// The normalised name.
    pub(super) name: String,
    pub(super) version: String,
    /// `https:`, or `file:` in a directory of wheels.
    pub(super) url: String,
    /// What its content must have (SHA-256, hexadecimal).
    pub(super) sha256: String,
}

/// A package whose locked version has no wheel for every platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotPure {
    pub(super) name: String,
    pub(super) version: String,
    /// Whether there is no wheel at all.
    pub(super) only_source: bool,
}

/// The wheels of a lock that this interpreter takes, and the packages that have none.
pub(super) fn read(text: &str, request: &Request) -> Result<(Vec<Pinned>, Vec<NotPure>), PackageError> {
    let read = guard::caught("the resolver's lock", || read_lock(text, request));
    read.map_err(|panicked| PackageError::Failed(panicked.to_string()))?
}

fn read_lock(text: &str, request: &Request) -> Result<(Vec<Pinned>, Vec<NotPure>), PackageError> {
    let unreadable = |why: String| PackageError::Failed(format!("the resolver's lock cannot be read: {why}"));
    let lock: Lock = toml::from_str(text).map_err(|error| unreadable(error.message().to_owned()))?;
    let environment = environment().ok_or_else(|| unreadable("no marker environment".into()))?;
    let (mut pinned, mut not_pure) = (Vec::new(), Vec::new());
    for package in lock.packages {
        if let Some(marker) = &package.marker {
            let tree = MarkerTree::from_str(marker).map_err(|error| unreadable(error.message.to_string()))?;
            if !tree.evaluate(&environment, &[]) {
                continue;
            }
        }
        let version = package.version.unwrap_or_default();
        let Some(wheel) = package.wheels.iter().find(|wheel| wheel.file().is_some_and(is_pure)) else {
            let only_source = package.wheels.is_empty();
            not_pure.push(NotPure { name: package.name, version, only_source });
            continue;
        };
        let url = match (&wheel.url, &wheel.path) {
            (Some(url), _) => url.clone(),
            (None, Some(path)) => format!("file://{path}"),
            (None, None) => return Err(unreadable(format!("{} has a wheel without a place", package.name))),
        };
        let Some(sha256) = wheel.hashes.get("sha256").map(|digest| digest.to_lowercase()) else {
            let (name, version) = (package.name, version);
            return Err(PackageError::BadWheel(format!(
                "{name} {version}: the index gives no SHA-256 for its wheel, so that its content cannot be checked"
            )));
        };
        let asked = request.requirements.iter().filter(|asked| asked.name == package.name);
        for asked in asked.filter(|asked| !asked.hashes.is_empty()) {
            if !asked.hashes.contains(&sha256) {
                return Err(PackageError::BadWheel(format!(
                    "{} {version}: its wheel has the digest sha256:{sha256}, which requirements.txt does not list",
                    package.name
                )));
            }
        }
        pinned.push(Pinned { name: package.name, version, url, sha256 });
    }
    if pinned.len() > MOST {
        let many = pinned.len();
        return Err(PackageError::Unsatisfiable(format!(
            "{many} packages would be needed; a script has at most {MOST}"
        )));
    }
    Ok((pinned, not_pure))
}

impl Wheel {
    fn file(&self) -> Option<&str> {
        let place = self.name.as_deref().or(self.url.as_deref()).or(self.path.as_deref())?;
        place.split(['#', '?']).next()?.rsplit('/').next()
    }
}

/// Whether a wheel's file name says that it is for every platform and for this Python (PEP 425 and 427).
fn is_pure(file: &str) -> bool {
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

    #[test]
    fn a_lock_is_read_for_this_interpreter() {
        let text = r#"
            lock-version = "1.0"
            [[packages]]
            name = "colorama"
            version = "1"
            marker = "sys_platform == 'win32'"
            wheels = [{ url = "https://h/colorama-1-py3-none-any.whl", hashes = { sha256 = "AA" } }]
            [[packages]]
            name = "idna"
            version = "2"
            wheels = [{ url = "https://h/idna-2-cp314-cp314-win32.whl", hashes = { sha256 = "bb" } },
                      { url = "https://h/idna-2-py3-none-any.whl", hashes = { sha256 = "CC" } }]
            [[packages]]
            name = "lxml"
            version = "3"
            wheels = [{ url = "https://h/lxml-3-cp314-cp314-win32.whl", hashes = { sha256 = "dd" } }]
        "#;
        let (pinned, not_pure) = read(text, &Request::default()).expect("reads");
        assert_eq!(pinned.len(), 1);
        assert_eq!((pinned[0].url.as_str(), pinned[0].sha256.as_str()), ("https://h/idna-2-py3-none-any.whl", "cc"));
        assert_eq!(not_pure, [NotPure { name: "lxml".into(), version: "3".into(), only_source: false }]);
    }
}
