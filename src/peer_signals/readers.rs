//! The reader of what other nodes say through the database, for [`crate::readers`].

use super::heard;
use crate::readers::{Reader, seeds, text};
use crate::signals::Signals;
use crate::store::notices::Notice;

pub(crate) const READERS: &[Reader] = &[("notices of other nodes", read_notice, seeds_of_notices)];

fn read_notice(bytes: &[u8]) {
    let text = text(bytes);
    let Some(notice) = Notice::parse(&text) else { return };
    assert_eq!(Notice::parse(&notice.text()), Some(notice.clone()), "{text:?}");
    let (signals, _inbox, _others) = Signals::new(1);
    heard(&signals, notice);
}

fn seeds_of_notices() -> Vec<Vec<u8>> {
    seeds(&["q", "c0190a5d0-ac96-774b-bcce-b302099a8057", "e0190a5d0-ac96-774b-bcce-b302099a8057", "\u{e9}x", "e"])
}
