//! Every link of the documents leads to a file, and to a heading that is in it.

use super::{documents, prose, root};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Documents that are not in `docs`.
const OTHERS: &[&str] =
    &["SECURITY.md", "migrations/README.md", "python-wasm/README.md", "runtime/README.md", "tests/scripts/README.md"];

/// The targets of the links of a text.
fn links(text: &str) -> Vec<String> {
    // What is in backticks is no link.
    let outside: Vec<&str> = text.split('`').step_by(2).collect();
    let outside = outside.join("`");
    let parts = outside.split("](").skip(1);
    parts.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(file: &Path) -> Vec<String> {
    let text = prose(&file.display().to_string());
    let titles = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let slugs = titles.map(|title| {
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect();
        let times = seen.entry(slug.clone()).or_default();
        *times += 1;
        if *times == 1 { slug } else { format!("{slug}-{}", *times - 1) }
    });
    slugs.collect()
}

/// `docs/../README.md` as `README.md`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut made, part| {
        match part {
            Component::ParentDir => drop(made.pop()),
            Component::CurDir => {}
            part => made.push(part),
        }
        made
    })
}

#[test]
fn every_link_leads_somewhere() {
    let mut found = 0;
    for file in documents().into_iter().chain(OTHERS.iter().map(|file| (*file).to_owned())) {
        for link in links(&prose(&file)) {
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(path, at)| (path, Some(at)));
            let folder = Path::new(&file).parent().expect("a folder");
            let target = if path.is_empty() { PathBuf::from(&file) } else { normal(&folder.join(path)) };
            assert!(root().join(&target).exists(), "{file} links to {link}, which is not there");
            if let Some(anchor) = anchor {
                let known = anchors(&target);
                assert!(known.iter().any(|known| known == anchor), "{file} links to {link}: {known:?}");
            }
            found += 1;
        }
    }
    assert!(found > 60, "{found} links");
}
