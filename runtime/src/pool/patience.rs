//! How long the preparation of an image can take. A busy machine takes longer for the same work, so the CPU time of the
//! process counts, and the time in which it does not want the CPU.

use crate::holder::cpu_time;
use std::time::Duration;

/// The CPU time that a process has, its start included. The fuel of imports is some three seconds.
const COMPUTES: Duration = Duration::from_secs(60);
/// The time in which a process can wait.
const WAITS: Duration = Duration::from_secs(30);
/// The interval at which the process is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A process that has used less in an interval was waiting. One that computes gets more also on a busy machine.
const IDLE: Duration = Duration::from_millis(1);

/// What a process has used of its time.
#[derive(Default)]
struct Patience {
    computed: Duration,
    waited: Duration,
}

/// Returns once a process has used its time, and how.
pub(super) async fn out_of_patience(process: u32) -> String {
    let mut patience = Patience::default();
    loop {
        tokio::time::sleep(LOOK).await;
        // A process that has ended uses no CPU, and is noticed elsewhere.
        if let Some(why) = patience.look(cpu_time(process).unwrap_or_default()) {
            return why;
        }
    }
}

impl Patience {
    /// Notes the CPU time so far, at the end of an interval. Returns a reason when the process has used its time.
    fn look(&mut self, computed: Duration) -> Option<String> {
        if computed.saturating_sub(self.computed) < IDLE {
            self.waited += LOOK;
        }
        self.computed = self.computed.max(computed);
        if self.computed > COMPUTES {
            return Some(format!("it computes for longer than {} seconds", COMPUTES.as_secs()));
        }
        (self.waited > WAITS).then(|| format!("it waits for longer than {} seconds", WAITS.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interval after which a process that uses so much CPU in each has no time left, and the reason.
    fn ends(each: Duration) -> (u32, String) {
        let mut patience = Patience::default();
        (1..).find_map(|count| Some((count, patience.look(each * count)?))).expect("it ends")
    }

    #[test]
    fn a_process_that_waits_has_half_a_minute() {
        let waits = "it waits for longer than 30 seconds".to_owned();
        assert_eq!(ends(Duration::ZERO), (31, waits.clone()));
        assert_eq!(ends(Duration::from_micros(900)), (31, waits));
    }

    #[test]
    fn a_process_that_computes_has_a_minute_of_the_cpu_whatever_else_is_done() {
        let computes = "it computes for longer than 60 seconds".to_owned();
        assert_eq!(ends(Duration::from_secs(1)), (61, computes.clone()));
        assert_eq!(ends(Duration::from_millis(50)), (1201, computes));
    }

    #[test]
    fn both_are_counted_together() {
        let mut patience = Patience::default();
        let mut computed = Duration::ZERO;
        let reasons = (0..61).map(|second| {
            if second % 2 == 0 {
                computed += Duration::from_millis(900);
            }
            patience.look(computed)
        });
        assert_eq!(reasons.flatten().next(), None);
        assert!(patience.look(computed).is_some());
    }
}
