//! Information about a sandbox process that does not answer.

use crate::frame::{self, FrameKind};
use crate::holder::Page;
use std::time::Duration;

/// Information about a process that does not answer.
#[derive(Default)]
pub(super) struct Silence {
    pub(super) page: Option<Page>,
    /// The CPU time of the process when its silence was noted.
    pub(super) noted: Option<Duration>,
}

impl Silence {
    /// Gives a new process its page. Without a page nothing is known about the process.
    pub(super) fn watch(link: &frame::Sender) -> Self {
        let page = Page::new().map(|(page, memory)| {
            link.send_with(FrameKind::Holder, 0, b"", Some(memory));
            page
        });
        Silence { page: page.ok(), noted: None }
    }
}
