//! A sandbox process that does not answer: the run that holds its thread, and the end of that run.

use super::process::Process;
use crate::frame::RunNumber;
use crate::holder::cpu_time;
use crate::outcome::{Outcome, Report};
use std::time::{Duration, Instant};

/// The time without an answer after which a process is checked.
const NOTED_AFTER: Duration = Duration::from_secs(1);

/// The CPU time after which a silent process was not just stopped or starved: a run does not give its thread back.
const HELD: Duration = Duration::from_millis(200);

/// The number of times that a run starts again because of another run without losing an attempt. It is limited, because
/// a compromised process can name any of its runs.
pub(super) const MAX_MOVED: u32 = 10;

impl Process {
    /// Returns the run that holds the thread of a process that does not answer, and its outcome.
    pub(super) fn holder(&mut self, now: Instant) -> Option<(RunNumber, Outcome)> {
        if now.duration_since(self.heard) < NOTED_AFTER {
            self.silence.noted = None;
            return None;
        }
        let time = cpu_time(self.pid)?;
        let noted = *self.silence.noted.get_or_insert(time);
        let run = self.silence.page.as_ref()?.holder()?;
        let active = self.active.get(&run).filter(|_| time.saturating_sub(noted) >= HELD)?;
        Some((
            run,
            fate(
                now.saturating_duration_since(active.began + active.held_up),
                active.entry.job.limits.wall,
                active.cancelled.is_some(),
            ),
        ))
    }
}

/// Returns the outcome of a run that does not give its thread back.
fn fate(ran: Duration, limit: Duration, cancelled: bool) -> Outcome {
    match (cancelled, ran > limit) {
        (true, _) => Outcome::Cancelled,
        (false, true) => Outcome::TimedOut,
        (false, false) => Outcome::Crashed,
    }
}

/// Returns the report of a run because of which its process was ended.
pub(super) fn report_of_culprit(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Crashed => Report::crashed(
            "the run held its sandbox process, which did not answer any more, or made it violate its protocol",
        ),
        _ => Report::ended(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::ActiveRun;
    use super::*;
    use crate::frame;
    use std::collections::HashMap;

    #[test]
    fn a_holder_ends_as_what_it_is() {
        let second = Duration::from_secs(1);
        assert_eq!(fate(second * 5, second * 3, false), Outcome::TimedOut);
        assert_eq!(fate(second * 5, second * 60, false), Outcome::Crashed);
        assert_eq!(fate(second * 5, second * 3, true), Outcome::Cancelled);
        let report = report_of_culprit(Outcome::Crashed);
        assert!(report.error.is_some_and(|error| error.message.contains("held its sandbox process")));
        assert!(report_of_culprit(Outcome::TimedOut).error.is_none());
    }

    /// A process whose number is this test's own, with active run 7.
    fn process(link: frame::Sender, heard: Instant) -> Process {
        let active = ActiveRun { busy: true, ..ActiveRun::of_test(7, 1 << 20, heard) };
        Process { active: HashMap::from([(7, active)]), ..Process::of_test(link, heard) }
    }

    fn compute() {
        let before = cpu_time(std::process::id()).expect("this process");
        while cpu_time(std::process::id()).expect("this process") < before + HELD {}
    }

    #[tokio::test]
    async fn who_holds_the_thread_is_who_computes_on_it() {
        let (link, _other) = frame::pair().expect("a pair");
        let (link, _receiver) = frame::connect(link, false).expect("connects");
        let now = Instant::now();
        let mut process = process(link, now);
        let late = now + NOTED_AFTER * 2;
        process.silence.page.as_ref().expect("a page").note(7);
        // It answers, or its silence is only just noted.
        assert_eq!(process.holder(now), None);
        compute();
        assert_eq!(process.holder(late), None);
        compute();
        assert_eq!(process.holder(late), Some((7, Outcome::Crashed)));
        assert_eq!(process.holder(now + Duration::from_secs(100)), Some((7, Outcome::TimedOut)));
        // The page names a run that is not there, or none.
        process.silence.page.as_ref().expect("a page").note(8);
        assert_eq!(process.holder(late), None);
        process.silence.page.as_ref().expect("a page").note(0);
        assert_eq!(process.holder(late), None);
        // It has answered meanwhile.
        process.silence.page.as_ref().expect("a page").note(7);
        process.heard = late;
        assert_eq!(process.holder(late), None);
        assert_eq!(process.holder(late + NOTED_AFTER * 2), None);
    }
}
