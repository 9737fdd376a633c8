//! What a resolver that found nothing means: which packages are not for sandboxes, one line each.

use super::offer::{Form, Held};
use super::order::Order;
use super::uv::{Scratch, compile};
use super::view::View;
use super::{PackageError, hint};
use crate::requirement::Requirement;
use pep508_rs::pep440_rs::Version;
use std::collections::BTreeMap;
use std::str::FromStr;

/// Most requirements that are tried alone.
const MOST_ALONE: usize = 12;

/// A package that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bad {
    name: String,
    version: String,
    /// The rest of a sentence that begins with it.
    why: String,
}

/// Finds out which packages a refusal of the resolver is about, if it is about packages that are not for sandboxes: by
/// resolving again with an index that shows everything.
pub(super) async fn explain(order: &Order, scratch: &Scratch, view: &View, said: PackageError) -> PackageError {
    if !matches!(said, PackageError::Unsatisfiable(_)) {
        return said;
    }
    let mut guilty: Vec<&Requirement> = Vec::new();
    let shown = view.shown();
    for asked in order.request.requirements.iter().take(MOST_ALONE) {
        if compile(order, scratch, (view, &shown), &[asked], &["--no-annotate"]).await.is_err() {
            guilty.push(asked);
        }
    }
    if guilty.is_empty() {
        return said;
    }
    let everything = view.everything();
    let Ok((text, _)) = compile(order, scratch, (view, &everything), &guilty, &["--no-strip-extras"]).await else {
        return said;
    };
    let packages = annotated(&text);
    let wanted_by: BTreeMap<String, Vec<String>> =
        packages.iter().map(|package| (package.name.clone(), package.by.clone())).collect();
    let bad: Vec<Bad> = packages.iter().filter_map(|package| bad(view, &package.name, &package.version)).collect();
    if bad.is_empty() { said } else { PackageError::NotPure(lines(&bad, &wanted_by)) }
}

fn bad(view: &View, name: &str, version: &str) -> Option<Bad> {
    let project = view.known(name)?;
    let number = Version::from_str(version).ok()?;
    let why = match (project.held.get(&number), project.offers.get(&number)) {
        (Some(held), _) if held.why == Held::Native => "has no wheel of pure Python, only native code".to_owned(),
        (Some(_), _) => source_why("it is not known to be plain Python"),
        (None, Some(offer)) if offer.form == Form::Source => source_why(&view.source_refused(name)?),
        _ => return None,
    };
    Some(Bad { name: name.to_owned(), version: version.to_owned(), why })
}

fn source_why(why: &str) -> String {
    format!("is published as source only, which would have to be built: {why}")
}

/// The refusal of one source archive.
pub(super) fn source_only(name: &str, version: &str, why: &str) -> String {
    format!("{name} {version} {}", source_why(why))
}

/// A line for each.
fn lines(bad: &[Bad], wanted_by: &BTreeMap<String, Vec<String>>) -> String {
    let line = |Bad { name, version, why }: &Bad| {
        let by = wanted_by.get(name).map(Vec::as_slice).unwrap_or_default();
        let by_text = if by.is_empty() { String::new() } else { format!(" (needed by {})", by.join(", ")) };
        let hint = hint(name).or_else(|| by.iter().find_map(|by| hint(by)));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{name} {version}{by_text} {why}{hint}")
    };
    bad.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A package of a list, and the packages that need it.
#[derive(Debug, PartialEq, Eq)]
struct Annotated {
    name: String,
    version: String,
    by: Vec<String>,
}

/// Reads a list with comments: `name==1.0 ; marker`, then `# via other` lines.
fn annotated(text: &str) -> Vec<Annotated> {
    let mut list: Vec<Annotated> = Vec::new();
    for line in text.lines() {
        match line.trim().strip_prefix('#') {
            None => {
                let Some((name, rest)) = line.split_once("==") else { continue };
                let name = name.split('[').next().unwrap_or_default().trim().to_owned();
                let version = rest.split([' ', ';']).next().unwrap_or_default().to_owned();
                list.push(Annotated { name, version, by: Vec::new() });
            }
            Some(comment) => {
                let name = comment.trim();
                let name = name.strip_prefix("via").map_or(name, str::trim);
                if let Some(last) = list.last_mut().filter(|_| !name.is_empty() && !name.starts_with("-r")) {
                    last.by.push(name.to_owned());
                }
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B6: a line for each package, with who needs it and what to use.
    #[test]
    fn refusals_name_the_package_who_needs_it_and_what_works_instead() {
        let list = annotated(
            "pydantic==2.1 ; sys_platform == 'wasi'\n    # via -r requirements.in\npydantic-core==2.0\n    # via\n    #   pydantic\n    #   other\n",
        );
        assert_eq!((list[0].name.as_str(), list[0].version.as_str(), list[0].by.len()), ("pydantic", "2.1", 0));
        assert_eq!(list[1].by, ["pydantic", "other"]);
        let wanted_by = list.into_iter().map(|package| (package.name, package.by)).collect();
        let bad =
            |name: &str, version: &str| Bad { name: name.into(), version: version.into(), why: "is native".into() };
        let said = lines(&[bad("lxml", "6.0"), bad("pydantic-core", "2.0"), bad("numpy", "2.4")], &wanted_by);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 3, "{said}");
        assert!(lines[0].starts_with("lxml 6.0 is native; use html.parser"), "{said}");
        assert!(lines[1].starts_with("pydantic-core 2.0 (needed by pydantic, other) is native"), "{said}");
    }
}
