//! A queued or active run, as its caller sees it.

use super::Pool;
use super::event::{Event, HostCall};
use super::redact::RedactedEvents;
use crate::frame::{Reply, RunNumber, Stream};
use crate::outcome::Report;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The number of calls that are passed on at once, and the number per second after these: each can cost the node a
/// query of its database. A script that makes more calls waits.
const CALLS_AT_ONCE: f64 = 100.0;

const CALLS_A_SECOND: f64 = 50.0;

/// The rate limit of a run's calls.
#[derive(Debug)]
pub(super) struct CallRate {
    left: f64,
    at: Instant,
}

impl CallRate {
    pub(super) fn new(now: Instant) -> Self {
        CallRate { left: CALLS_AT_ONCE, at: now }
    }

    /// Counts a call, and returns the time that it has to wait.
    fn take(&mut self, now: Instant) -> Duration {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * CALLS_A_SECOND;
        self.left = (self.left + earned).min(CALLS_AT_ONCE) - 1.0;
        self.at = now;
        Duration::from_secs_f64((-self.left).max(0.0) / CALLS_A_SECOND)
    }
}

/// The end of a run, and all that it wrote.
#[derive(Debug)]
pub struct RunOutput {
    /// The report.
    pub report: Report,
    /// The bytes of standard output that were kept.
    pub stdout: Vec<u8>,
    /// The bytes of standard error that were kept.
    pub stderr: Vec<u8>,
}

/// A run that is queued or active. Dropping it cancels it.
pub struct Run {
    pub(super) pool: Pool,
    pub(super) number: RunNumber,
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    /// Takes values of secrets out, when the run has any.
    pub(super) redacted: Option<RedactedEvents>,
    /// Events that were received and are not returned yet.
    pub(super) heard: VecDeque<Event>,
    pub(super) over: bool,
    pub(super) calls: CallRate,
    /// A call that waits, and the time until which it waits.
    pub(super) waiting: Option<(Instant, Event)>,
}

impl Run {
    /// Waits for the next event; none after [`Event::Done`]. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.heard.pop_front() {
                self.over = matches!(event, Event::Done(_));
                return Some(event);
            }
            if self.over {
                return None;
            }
            if let Some((until, _)) = &self.waiting {
                tokio::time::sleep_until((*until).into()).await;
                self.heard.extend(self.waiting.take().map(|(_, event)| event));
                continue;
            }
            let Some(event) = self.events.recv().await else {
                self.over = true;
                return None;
            };
            if let Event::Output { stream, bytes } = &event {
                self.pool.consumed(self.number, *stream, bytes.len() as u64);
            }
            let now = Instant::now();
            let wait = if matches!(event, Event::Call { .. }) { self.calls.take(now) } else { Duration::ZERO };
            let told = match &mut self.redacted {
                Some(redacted) => redacted.take(event),
                None => vec![event],
            };
            for event in told {
                match event {
                    Event::Call { .. } if !wait.is_zero() => self.waiting = Some((now + wait, event)),
                    event => self.heard.push_back(event),
                }
            }
        }
    }

    /// Waits for the end, and returns the report with all that the run wrote. Files under `/output` are not kept, and
    /// calls of the script are refused: a caller that wants either takes events with [`Run::next`].
    pub async fn finish(mut self) -> RunOutput {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(event) = self.next().await {
            match event {
                Event::Output { stream: Stream::Stdout, bytes } => stdout.extend_from_slice(&bytes),
                Event::Output { stream: Stream::Stderr, bytes } => stderr.extend_from_slice(&bytes),
                Event::Restarted => {
                    stdout.clear();
                    stderr.clear();
                }
                Event::File { .. } => {}
                // There is no standard input.
                Event::Call { number, call: HostCall::Stdin, .. } => self.reply(number, Ok("null".into())),
                Event::Call { number, call, .. } => {
                    self.reply(number, Err(format!("{call} is not available here")));
                }
                Event::Done(report) => return RunOutput { report: *report, stdout, stderr },
            }
        }
        RunOutput { report: Report::crashed("the pool ended"), stdout, stderr }
    }

    /// Answers a call of the script.
    pub fn reply(&self, number: u64, answer: Result<String, String>) {
        self.pool.reply(self.number, &Reply { number, answer });
    }

    /// Cancels the run. Its end is an event like any other.
    pub fn cancel(&self) {
        self.pool.cancel(self.number);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.over {
            self.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_beyond_the_first_hundred_wait_for_their_turns() {
        let start = Instant::now();
        let mut calls = CallRate::new(start);
        assert!((0..100).all(|_| calls.take(start).is_zero()));
        assert_eq!(calls.take(start), Duration::from_millis(20));
        // One that waits for each answer, for ten seconds.
        let (mut now, mut made) = (start + Duration::from_millis(20), 0);
        while now < start + Duration::from_secs(10) {
            now += calls.take(now);
            made += 1;
        }
        assert!((490..=510).contains(&made), "{made}");
        // Who has rested may hurry again, and no more than at first.
        now += Duration::from_secs(3_600);
        assert!((0..100).all(|_| calls.take(now).is_zero()));
        assert!(!calls.take(now).is_zero());
    }
}
