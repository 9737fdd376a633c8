//! Faults that tests of the whole ask for: a piece of work panics where it has a name. Outside tests there are none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

static ANY: AtomicBool = AtomicBool::new(false);
static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Asks for faults in pieces of work of these names: one each time that a name is given.
pub fn ask(names: impl IntoIterator<Item = String>) {
    let mut all = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    all.extend(names);
    ANY.store(!all.is_empty(), Ordering::Relaxed);
}

/// Panics when a fault was asked for in the piece of work that begins here.
#[track_caller]
pub fn come(name: &str) {
    if !ANY.load(Ordering::Relaxed) {
        return;
    }
    let mut all = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(at) = all.iter().position(|asked| asked == name) else { return };
    all.remove(at);
    drop(all);
    panic!("a fault in {name} that was asked for");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_comes_as_often_as_it_was_asked_for() {
        let comes = || std::panic::catch_unwind(|| come("here, in a test")).is_err();
        assert!(!comes());
        ask(["here, in a test".to_owned(), "here, in a test".to_owned()]);
        assert!(comes() && comes() && !comes());
    }
}
