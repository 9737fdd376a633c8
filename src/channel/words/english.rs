//! English.

use super::{Labels, Speech, clock, time_of, zone_of};
use crate::notice::{CauseKind, Notice, NoticeAlert, NoticeCause, NoticeRun};

pub(super) struct English;

const LABELS: Labels = Labels {
    alert: "Alert",
    error: "Error",
    place: "Line",
    before: "Before",
    now: "Now",
    took: "Took",
    at: "At",
    held_back: "Held back",
    cause: "Cause",
    scripts: "Scripts",
    show: "Show the run",
    mute: "Mute this alert",
    firing: "Alert",
    ok: "OK",
    summary: "Summary",
    test: "Test",
};

/// The script of a notice, as it is called in a sentence.
fn who(notice: &Notice) -> String {
    notice.script.as_ref().map_or_else(|| "A script".to_owned(), |script| format!("The script {script}"))
}

/// What is known about a run, in brackets.
fn known(notice: &Notice, run: &NoticeRun) -> String {
    let mut parts: Vec<String> = notice.schedule.iter().map(|schedule| format!("schedule {schedule}")).collect();
    parts.extend(run.fire_time.map(|at| format!("due {}", clock(time_of(at), zone_of(notice)))));
    if run.attempt > 0 {
        parts.push(format!("attempt {}", run.attempt));
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

impl Speech for English {
    fn outcome(&self, status: &str) -> String {
        match status {
            "timed_out" => "timed out",
            "out_of_fuel" => "ran out of fuel",
            "out_of_memory" => "ran out of memory",
            "crashed" => "crashed",
            "cancelled" => "was cancelled",
            "abandoned" => "was lost with its node",
            "missed" => "missed its fire time",
            "skipped" => "was skipped",
            "scheduled" => "has not started",
            "queued" => "waits in the queue",
            "running" => "is still running",
            other => other,
        }
        .to_owned()
    }

    fn of_run(&self, notice: &Notice, run: &NoticeRun) -> String {
        format!("{} {}{}.", who(notice), self.outcome(&run.status), known(notice, run))
    }

    fn of_alert(&self, notice: &Notice, alert: &NoticeAlert) -> String {
        match &notice.script {
            Some(script) => format!("The alert \"{}\" about the script {script} fires.", alert.text),
            None => format!("The alert \"{}\" fires.", alert.text),
        }
    }

    fn of_value(&self, notice: &Notice, now: &str, before: Option<&str>) -> String {
        let path = notice.value.as_ref().map_or("", |value| value.path.as_str());
        let before = before.map_or_else(String::new, |before| format!("; it was {before} before"));
        let of = notice.script.as_ref().map_or_else(String::new, |script| format!(" of the script {script}"));
        let known = notice.run.as_ref().map_or_else(String::new, |run| known(notice, run));
        let path = if path.is_empty() { "the result" } else { path };
        format!("The value of {path}{of} is {now}{before}{known}.")
    }

    fn of_end(&self, notice: &Notice, alert: &NoticeAlert) -> String {
        let about = notice.script.as_ref().map_or_else(String::new, |script| format!(" about the script {script}"));
        let lasted = self.duration(notice.at.saturating_sub(alert.since) / 1_000);
        format!("The alert \"{}\"{about} is over. It lasted {lasted}.", alert.text)
    }

    fn again(&self, since: &str) -> String {
        format!("Still, since {since}: ")
    }

    fn of_summary(&self, count: u64) -> String {
        let what = if count == 1 { "1 message was".to_owned() } else { format!("{count} messages were") };
        format!("{what} held back, because this channel reached its rate.")
    }

    fn of_cause(&self, cause: &NoticeCause, is_over: bool, count: u64) -> String {
        let (what, verb, cause) = (if count == 1 { "alert" } else { "alerts" }, count == 1, self.cause(cause));
        match is_over {
            false => format!("{count} {what} {} because {cause}.", if verb { "fires" } else { "fire" }),
            true => format!("{count} {what} {} over that fired because {cause}.", if verb { "is" } else { "are" }),
        }
    }

    fn cause(&self, cause: &NoticeCause) -> String {
        let node = cause
            .name
            .as_ref()
            .or(cause.id.as_ref())
            .map_or_else(|| "a node".into(), |name| format!("the node {name}"));
        match cause.kind {
            CauseKind::NodeLost => format!("{node} was lost"),
            CauseKind::NodeStopped => format!("{node} gave its runs back"),
            CauseKind::BlobsAway => "the store of sources cannot be reached".into(),
            CauseKind::NotFired => "schedules were not fired in time: the scheduler or the database was away".into(),
        }
    }

    fn of_test(&self) -> String {
        "This is a test of Cronbox: messages of this channel arrive.".to_owned()
    }

    fn quiet(&self, until: &str) -> String {
        format!("This channel has reached its rate: what comes next is told in one summary, at {until}.")
    }

    fn no_script(&self) -> &'static str {
        "no script"
    }

    fn duration(&self, seconds: i64) -> String {
        let part = |count: i64, unit: &str| (count > 0).then(|| format!("{count} {unit}"));
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        let parts = [part(days, "d"), part(hours, "h"), part(minutes, "min"), part(seconds % 60, "s")];
        let two: Vec<String> = parts.into_iter().flatten().take(2).collect();
        if two.is_empty() { "less than 1 s".to_owned() } else { two.join(" ") }
    }

    fn labels(&self) -> &'static Labels {
        &LABELS
    }
}
