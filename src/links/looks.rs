//! Which linked scripts are being looked at, and what was left out.

use super::LeftOut;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// What is known of looks.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// By the script's key.
    under_way: Mutex<HashMap<String, UnderWay>>,
    /// What the last look through each script source found, by the source.
    found: Mutex<BTreeMap<String, Found>>,
}

/// A look that has not ended.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    pub(super) began: Instant,
    /// Cancelled at its end.
    pub(super) done: CancellationToken,
}

#[derive(Debug, Default)]
struct Found {
    /// Files that are no scripts.
    left_out: BTreeMap<String, LeftOut>,
    /// What was refused, by its address.
    refused: HashMap<String, Refused>,
    /// Why the source could not be looked through.
    trouble: Option<String>,
}

/// Content that was refused.
#[derive(Debug)]
struct Refused {
    /// The mark of the content.
    tag: String,
    /// Why, with the place.
    why: String,
}

/// The one look at a script at a time. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Look {
    looks: Arc<Looks>,
    key: String,
    done: CancellationToken,
}

impl Looks {
    /// Begins a look at a script; or tells of the one that is under way.
    pub(super) fn begin(self: &Arc<Self>, key: &str) -> Result<Look, UnderWay> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = under_way.get(key) {
            return Err(other.clone());
        }
        let done = CancellationToken::new();
        under_way.insert(key.to_owned(), UnderWay { began: Instant::now(), done: done.clone() });
        Ok(Look { looks: self.clone(), key: key.to_owned(), done })
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<String, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is left out of a source, and returns what is new of it.
    pub(super) fn leave_out(&self, root: &str, files: BTreeMap<String, LeftOut>) -> Vec<(String, LeftOut)> {
        let mut all = self.found();
        let found = all.entry(root.to_owned()).or_default();
        found.trouble = None;
        let is_new = |file: &str, why: LeftOut| found.left_out.get(file) != Some(&why);
        let new = files.iter().filter(|(file, why)| is_new(file, **why)).map(|(file, why)| (file.clone(), *why));
        let new = new.collect();
        found.left_out = files;
        new
    }

    /// Notes that a source could not be looked through. Whether that is new.
    pub(super) fn trouble(&self, root: &str, why: &str) -> bool {
        let mut all = self.found();
        let before = all.entry(root.to_owned()).or_default().trouble.replace(why.to_owned());
        before.as_deref() != Some(why)
    }

    /// Whether this content was refused.
    pub(super) fn is_refused(&self, root: &str, url: &str, tag: &str) -> bool {
        self.found().get(root).and_then(|found| found.refused.get(url)).is_some_and(|refused| refused.tag == tag)
    }

    /// Notes that content was refused, and why.
    pub(super) fn refuse(&self, root: &str, url: &str, tag: &str, why: &str) {
        let refused = Refused { tag: tag.to_owned(), why: why.to_owned() };
        self.found().entry(root.to_owned()).or_default().refused.insert(url.to_owned(), refused);
    }

    /// Forgets what was refused of files that are there no more.
    pub(super) fn forget(&self, root: &str, is_there: impl Fn(&str) -> bool) {
        if let Some(found) = self.found().get_mut(root) {
            found.refused.retain(|url, _| is_there(url));
        }
    }

    /// What is left out, by name, and sources that cannot be looked through.
    pub(super) fn left_out(&self) -> Vec<(String, String, String)> {
        let mut all = Vec::new();
        for (source, found) in self.found().iter() {
            all.extend(found.trouble.iter().map(|why| (source.clone(), String::new(), why.clone())));
            all.extend(found.left_out.iter().map(|(file, why)| {
                let refused = found.refused.get(&format!("{source}/{file}")).filter(|_| *why == LeftOut::Refused);
                let why = refused.map_or_else(|| why.to_string(), |refused| refused.why.clone());
                (source.clone(), file.clone(), why)
            }));
        }
        all
    }

    /// What the operator should see to; without names for those who may not know them.
    pub(super) fn warnings(&self, with_names: bool) -> Vec<String> {
        let all = self.found();
        let mut warnings = Vec::new();
        let away = all.values().filter(|found| found.trouble.is_some()).count();
        if with_names {
            let named = all.iter().filter_map(|(root, found)| Some((root, found.trouble.as_ref()?)));
            warnings.extend(named.map(|(root, why)| {
                format!("the script source {root} cannot be looked through: {why}; its scripts stay as they are")
            }));
        } else if away > 0 {
            let which = if away == 1 { "a script source".to_owned() } else { format!("{away} script sources") };
            warnings.push(format!("{which} cannot be looked through; its scripts stay as they are; the log says why"));
        }
        let mut kinds: BTreeMap<LeftOut, usize> = BTreeMap::new();
        for why in all.values().flat_map(|found| found.left_out.values()) {
            *kinds.entry(*why).or_default() += 1;
        }
        if !kinds.is_empty() {
            let count: usize = kinds.values().sum();
            let files = if count == 1 {
                "1 file of a script source is".to_owned()
            } else {
                format!("{count} files of script sources are")
            };
            let kinds: Vec<String> = kinds.iter().map(|(why, count)| format!("{count}: {why}")).collect();
            warnings.push(format!("{files} left out ({}); the log names them", kinds.join("; ")));
        }
        warnings
    }
}

impl Look {
    /// Cancelled at its end.
    pub(super) fn done(&self) -> CancellationToken {
        self.done.clone()
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.looks.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.done.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_looked_at_once_at_a_time() {
        let looks = Arc::new(Looks::default());
        let look = looks.begin("a").expect("begins");
        let other = looks.begin("a").expect_err("is under way");
        assert!(!other.done.is_cancelled() && looks.begin("b").is_ok());
        drop(look);
        assert!(other.done.is_cancelled() && looks.begin("a").is_ok());
    }

    #[test]
    fn what_is_left_out_is_told_once_and_counted() {
        let looks = Looks::default();
        let files = BTreeMap::from([("a.py".to_owned(), LeftOut::Pipe), ("b.py".to_owned(), LeftOut::Link)]);
        assert_eq!(looks.leave_out("r", files.clone()).len(), 2);
        assert!(looks.leave_out("r", files).is_empty());
        assert!(looks.trouble("s", "no answer") && !looks.trouble("s", "no answer"));
        let warnings = looks.warnings(false);
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].starts_with("a script source cannot"), "{warnings:?}");
        let named = looks.warnings(true);
        assert!(named[0].starts_with("the script source s cannot be looked through: no answer"), "{named:?}");
        assert!(warnings[1].contains("2 files") && warnings[1].contains("1: a named pipe"), "{warnings:?}");
        looks.refuse("r", "r/a.py", "1", "line 2: no");
        looks.leave_out("r", BTreeMap::from([("a.py".to_owned(), LeftOut::Refused)]));
        assert!(looks.left_out().contains(&("r".to_owned(), "a.py".to_owned(), "line 2: no".to_owned())));
        assert!(looks.is_refused("r", "r/a.py", "1") && !looks.is_refused("r", "r/a.py", "2"));
        looks.forget("r", |_| false);
        assert!(!looks.is_refused("r", "r/a.py", "1"));
    }
}
