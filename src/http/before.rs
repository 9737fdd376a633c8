//! What an upload does to the schedules of its script: those of the block become what the block says, whoever changed them.

use crate::api::{ScheduleBody, ScheduleChangeBody};

/// The schedules of a script before an upload.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) schedules: Vec<ScheduleBody>,
    /// The ids of those that were changed by hand since the upload before.
    pub(super) edited: Vec<String>,
}

impl Before {
    /// What the upload changed, and what whoever uploads should know of it.
    pub(super) fn changes(self, after: &[ScheduleBody]) -> (Vec<ScheduleChangeBody>, Vec<String>) {
        let (mut changes, mut warnings) = (Vec::new(), Vec::new());
        let mut change = |id: &str, change: &str, before: Option<&ScheduleBody>, after: Option<&ScheduleBody>| {
            let text = |body: Option<&ScheduleBody>| body.map(|body| body.text.clone());
            let (before, after) = (text(before), text(after));
            changes.push(ScheduleChangeBody { id: id.to_owned(), change: change.to_owned(), before, after });
        };
        for old in &self.schedules {
            let new = after.iter().find(|new| new.id.eq_ignore_ascii_case(&old.id));
            let is_edited = self.edited.contains(&old.id);
            match new {
                Some(new) if old.text == new.text && old.settings == new.settings && old.state == new.state => continue,
                Some(new) => {
                    change(&new.id, "changed", Some(old), Some(new));
                    if is_edited {
                        let (id, was, now) = (&new.id, &old.text, &new.text);
                        warnings.push(format!(
                            "the schedule {id} had been changed by hand ({was}): it is as the script's block says again ({now})"
                        ));
                    }
                }
                None => {
                    change(&old.id, "removed", Some(old), None);
                    if is_edited {
                        let id = &old.id;
                        warnings.push(format!(
                            "the schedule {id}, which had been changed by hand, is gone: the block no longer names it"
                        ));
                    }
                }
            }
        }
        for new in after.iter().filter(|new| !self.schedules.iter().any(|old| old.id.eq_ignore_ascii_case(&new.id))) {
            change(&new.id, "created", None, Some(new));
        }
        (changes, warnings)
    }
}
