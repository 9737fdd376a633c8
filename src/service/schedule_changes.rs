//! What a new version does to the schedules of its script: those of the block become what the block says, whoever changed
//! them.

use crate::schedule::Schedule;

/// What became of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleChange {
    /// Its id.
    pub id: String,
    /// `created`, `changed` or `removed`.
    pub change: &'static str,
    /// When it fired before, as text.
    pub before: Option<String>,
    /// When it fires now, as text.
    pub after: Option<String>,
}

/// The schedules of a script before a change.
#[derive(Debug, Default)]
pub(super) struct Before(Vec<Schedule>);

impl Before {
    pub(super) fn of(schedules: Vec<Schedule>) -> Self {
        Before(schedules)
    }

    /// What became of them, and what whoever made the change has to know.
    pub(super) fn changes(self, after: &[Schedule]) -> (Vec<ScheduleChange>, Vec<String>) {
        let (mut changes, mut warnings) = (Vec::new(), Vec::new());
        for old in &self.0 {
            let id = &old.id;
            let Some(new) = after.iter().find(|new| new.key == old.key) else {
                if old.edited {
                    warnings.push(format!(
                        "the schedule {id}, which had been changed by hand, is gone: the block no longer names it"
                    ));
                }
                let (id, before) = (id.clone(), Some(old.trigger.text()));
                changes.push(ScheduleChange { id, change: "removed", before, after: None });
                continue;
            };
            if old.trigger == new.trigger && old.settings == new.settings && old.state == new.state {
                continue;
            }
            let (id, before, now) = (&new.id, old.trigger.text(), new.trigger.text());
            if old.edited {
                warnings.push(format!(
                    "the schedule {id} had been changed by hand ({before}): it is as the script's block says again ({now})"
                ));
            }
            let (id, before, after) = (id.clone(), Some(before), Some(now));
            changes.push(ScheduleChange { id, change: "changed", before, after });
        }
        for new in after.iter().filter(|new| !self.0.iter().any(|old| old.key == new.key)) {
            let (id, after) = (new.id.clone(), Some(new.trigger.text()));
            changes.push(ScheduleChange { id, change: "created", before: None, after });
        }
        (changes, warnings)
    }
}
