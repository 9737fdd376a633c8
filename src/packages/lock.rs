//! What the resolver answered: a universal lock (PEP 751), read for this interpreter.

use super::PackageError;
use super::offer::is_pure;
use crate::panics;
use crate::requirement::{Request, environment, is_deep};
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

/// The wheels of a lock that this interpreter takes.
pub(super) fn read(text: &str, request: &Request) -> Result<Vec<Pinned>, PackageError> {
    let read = panics::caught("the resolver's lock", || read_lock(text, request));
    read.map_err(|panicked| PackageError::Failed(panicked.to_string()))?
}

fn read_lock(text: &str, request: &Request) -> Result<Vec<Pinned>, PackageError> {
    let unreadable = |why: String| PackageError::Failed(format!("the resolver's lock cannot be read: {why}"));
    let lock: Lock = toml::from_str(text).map_err(|error| unreadable(error.message().to_owned()))?;
    let environment = environment().ok_or_else(|| unreadable("no marker environment".into()))?;
    let mut pinned = Vec::new();
    for package in lock.packages {
        if let Some(marker) = &package.marker {
            if is_deep(marker) {
                return Err(unreadable(format!("the marker of {} has too many levels of parentheses", package.name)));
            }
            let tree = MarkerTree::from_str(marker).map_err(|error| unreadable(error.message.to_string()))?;
            if !tree.evaluate(&environment, &[]) {
                continue;
            }
        }
        let version = package.version.unwrap_or_default();
        let Some(wheel) = package.wheels.iter().find(|wheel| wheel.file().is_some_and(is_pure)) else {
            // It was shown nothing else.
            return Err(unreadable(format!("{} {version} has no wheel of pure Python", package.name)));
        };
        let url = match (&wheel.url, &wheel.path) {
            (Some(url), _) => url.clone(),
            (None, Some(path)) => format!("file://{path}"),
            (None, None) => return Err(unreadable(format!("{} has a wheel without a place", package.name))),
        };
        let Some(sha256) =
            wheel.hashes.get("sha256").filter(|digest| !digest.is_empty()).map(|digest| digest.to_lowercase())
        else {
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
    Ok(pinned)
}

impl Wheel {
    fn file(&self) -> Option<&str> {
        let place = self.name.as_deref().or(self.url.as_deref()).or(self.path.as_deref())?;
        place.split(['#', '?']).next()?.rsplit('/').next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        "#;
        let pinned = read(text, &Request::default()).expect("reads");
        assert_eq!(pinned.len(), 1);
        assert_eq!((pinned[0].url.as_str(), pinned[0].sha256.as_str()), ("https://h/idna-2-py3-none-any.whl", "cc"));
        let native = "[[packages]]\nname = 'lxml'\nversion = '3'\nwheels = [{ url = 'https://h/lxml-3-cp314-cp314-win32.whl' }]\n";
        assert!(read(native, &Request::default()).is_err());
    }
}
