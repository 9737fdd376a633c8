//! What is made once for each path before addresses that clients use.

use super::client::Base;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many paths have what is theirs. Some proxies pass on what clients make up.
const MOST: usize = 8;

/// What is made for each path.
#[derive(Debug)]
pub(super) struct PerBase<T> {
    /// The path of the configuration: its own is there for all whose path came too late.
    own: Base,
    made: Mutex<BTreeMap<Arc<str>, Arc<T>>>,
}

impl<T> PerBase<T> {
    pub(super) fn new(own: &str) -> Self {
        PerBase { own: Base(own.into()), made: Mutex::default() }
    }

    /// What is made for a path.
    pub(super) fn of(&self, base: &Base, make: impl Fn(&str) -> T) -> Arc<T> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = made.len() < MOST || made.contains_key(&base.0);
        let base = if has_room { base } else { &self.own };
        made.entry(base.0.clone()).or_insert_with_key(|base| Arc::new(make(base))).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_made_up_leave_no_more_than_some() {
        let all = PerBase::new("/own");
        for n in 0..100 {
            let base = Base(format!("/{n}").into());
            let made = all.of(&base, str::to_owned);
            assert_eq!(*made, if n < MOST { format!("/{n}") } else { "/own".into() });
        }
        assert_eq!(all.made.lock().expect("whole").len(), MOST + 1);
        assert_eq!(*all.of(&Base("/3".into()), str::to_owned), "/3");
    }
}
