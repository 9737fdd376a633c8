//! What was held back: newer versions that a sandbox cannot have, for which older ones were taken.

use super::chosen::Chosen;
use super::offer::{Form, Held, Project};
use super::view::View;
use crate::panics;
use crate::requirement::{Request, environment, is_deep, runs_here};
use pep508_rs::pep440_rs::Version;
use pep508_rs::{VerbatimUrl, VersionOrUrl};
use std::collections::HashMap;
use std::str::FromStr;

/// Most packages that one order looks into for a reason.
const MOST: usize = 60;
/// How far a reason may be away: what a package needs, and what that needs in turn.
const DEEPEST: usize = 2;

type Parsed = pep508_rs::Requirement<VerbatimUrl>;

/// A sentence for each package of which an older version was taken because the newest is not for sandboxes.
pub(super) async fn notes(view: &View, chosen: &[Chosen], request: &Request) -> Vec<String> {
    let mut search = Search { view, found: HashMap::new() };
    let mut notes = Vec::new();
    for Chosen { pinned, form, .. } in chosen {
        let (Some(project), Ok(taken)) = (view.known(&pinned.name), Version::from_str(&pinned.version)) else {
            continue;
        };
        if *form == Form::StandIn {
            continue;
        }
        let asked = request.requirements.iter().filter(|asked| asked.name == pinned.name);
        let asked: Vec<Parsed> = asked.filter_map(|asked| parse(&asked.text)).collect();
        let wanted = |version: &Version| asked.iter().all(|asked| takes(asked, version));
        let Some((newest, _)) = newest(&project, wanted) else { continue };
        if newest <= taken {
            continue;
        }
        if let Some(why) = search.why(&pinned.name, &newest, 0).await {
            notes.push(format!("{} {} was taken: {newest} {why}", pinned.name, pinned.version));
        }
    }
    notes
}

/// Looks for the native code behind a package.
struct Search<'a> {
    view: &'a View,
    /// Why, for each that was looked into; those that are being looked into have no reason yet.
    found: HashMap<(String, Version), Option<String>>,
}

impl Search<'_> {
    /// Why a version cannot be had, as the rest of a sentence that begins with it.
    async fn why(&mut self, name: &str, version: &Version, depth: usize) -> Option<String> {
        let key = (name.to_owned(), version.clone());
        if let Some(found) = self.found.get(&key) {
            return found.clone();
        }
        if self.found.len() >= MOST {
            return None;
        }
        self.found.insert(key.clone(), None);
        let why = self.look(name, version, depth).await;
        self.found.insert(key, why.clone());
        why
    }

    async fn look(&mut self, name: &str, version: &Version, depth: usize) -> Option<String> {
        let project = self.view.project(name).await?;
        if let Some(held) = project.held.get(version) {
            return Some(match held.why {
                Held::Native => "is native code".to_owned(),
                Held::Source => "is there as source only".to_owned(),
            });
        }
        let needs = needs(&self.view.metadata(name, version).await?);
        let mut deeper = Vec::new();
        for needed in needs {
            let other = needed.name.to_string();
            let Some(project) = self.view.project(&other).await else { continue };
            let offered = project.offers.iter().rev().find(|(version, _)| takes(&needed, version));
            match offered {
                Some((version, offer)) if offer.form == Form::Pure => deeper.push((other, version.clone())),
                Some(_) => {}
                None if project.held.keys().any(|version| takes(&needed, version)) => {
                    return Some(format!("needs {other}, which is native code"));
                }
                None => {}
            }
        }
        if depth < DEEPEST {
            for (other, version) in deeper {
                if let Some(why) = Box::pin(self.why(&other, &version, depth + 1)).await {
                    return Some(format!("needs {other}, which {why}"));
                }
            }
        }
        None
    }
}

/// The newest version of a project that runs on this Python and is no preview: whether it is shown comes with it.
fn newest(project: &Project, wanted: impl Fn(&Version) -> bool) -> Option<(Version, bool)> {
    let shown = project.offers.iter().map(|(version, offer)| (version, &offer.original, true));
    let held = project.held.iter().map(|(version, held)| (version, &held.file, false));
    shown
        .chain(held)
        .filter(|(version, file, _)| !version.any_prerelease() && !file.is_yanked() && wanted(version))
        .filter(|(_, file, _)| file.requires_python.as_deref().is_none_or(runs_here))
        .map(|(version, _, is_shown)| (version.clone(), is_shown))
        .max()
}

/// What a package needs here, without extras.
fn needs(metadata: &str) -> Vec<Parsed> {
    let head = metadata.lines().take_while(|line| !line.is_empty());
    let lines =
        head.filter_map(|line| line.split_once(':')).filter(|(key, _)| key.eq_ignore_ascii_case("Requires-Dist"));
    let parsed = lines.filter_map(|(_, text)| parse(text.trim()));
    let Some(environment) = environment() else { return Vec::new() };
    parsed.filter(|needed| needed.marker.evaluate(&environment, &[])).collect()
}

fn parse(text: &str) -> Option<Parsed> {
    if is_deep(text) {
        return None;
    }
    panics::caught("a requirement", || Parsed::from_str(text).ok()).ok().flatten()
}

fn takes(needed: &Parsed, version: &Version) -> bool {
    match &needed.version_or_url {
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => specifiers.contains(version),
        _ => true,
    }
}
