//! A notice in words: one sentence on what happened, and the facts beside it, in the language of a channel.

mod chinese;
mod english;
mod facts;

use super::{Language, Letter};
use crate::clock::{Time, from_micros};
use crate::notice::{Notice, NoticeAlert, NoticeCause, NoticeKind, NoticeRun};
use crate::zone;
use facts::facts;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Whether something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It is.
    Bad,
    /// It is no longer.
    Good,
    /// Neither.
    Plain,
}

/// A fact beside the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is: `Error`.
    pub label: &'static str,
    /// The fact, on one line.
    pub value: String,
    /// Whether it is text of a program, shown as it is written.
    pub is_code: bool,
}

/// A notice in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Whether something is wrong.
    pub tone: Tone,
    /// A few words: the subject of a mail.
    pub title: String,
    /// One sentence.
    pub sentence: String,
    /// What made it happen, and others with it.
    pub cause: Option<String>,
    /// What is known beside it.
    pub facts: Vec<Fact>,
    /// A sentence on what the channel does next, when it has reached its rate.
    pub quiet: Option<String>,
    /// The run on the page: its word and its address.
    pub run_link: Option<(&'static str, String)>,
    /// Where the alert can be muted.
    pub mute_link: Option<(&'static str, String)>,
}

/// What differs between languages.
pub(super) trait Speech {
    /// What a run did: `failed`.
    fn outcome(&self, status: &str) -> String;
    /// The sentence about a run.
    fn of_run(&self, notice: &Notice, run: &NoticeRun) -> String;
    /// The sentence about an alert that no run is known of.
    fn of_alert(&self, notice: &Notice, alert: &NoticeAlert) -> String;
    /// The sentence about a value.
    fn of_value(&self, notice: &Notice, now: &str, before: Option<&str>) -> String;
    /// The sentence at the end of an alert.
    fn of_end(&self, notice: &Notice, alert: &NoticeAlert) -> String;
    /// What comes before a sentence that is said again.
    fn again(&self, since: &str) -> String;
    /// The sentence of a summary of so many notices.
    fn of_summary(&self, count: u64) -> String;
    /// The sentence of alerts that fire, or are over, for one cause.
    fn of_cause(&self, cause: &NoticeCause, is_over: bool, count: u64) -> String;
    /// What a cause is: `the node a was lost`.
    fn cause(&self, cause: &NoticeCause) -> String;
    /// The sentence of a test.
    fn of_test(&self) -> String;
    /// The sentence about the channel's rate.
    fn quiet(&self, until: &str) -> String;
    /// What is said of no script.
    fn no_script(&self) -> &'static str;
    /// A time that something took.
    fn duration(&self, seconds: i64) -> String;
    /// The words of facts and links.
    fn labels(&self) -> &'static Labels;
}

/// The words of facts and links.
pub(super) struct Labels {
    pub(super) alert: &'static str,
    pub(super) error: &'static str,
    pub(super) place: &'static str,
    pub(super) before: &'static str,
    pub(super) now: &'static str,
    pub(super) took: &'static str,
    pub(super) at: &'static str,
    pub(super) held_back: &'static str,
    pub(super) cause: &'static str,
    pub(super) scripts: &'static str,
    pub(super) show: &'static str,
    pub(super) mute: &'static str,
    pub(super) firing: &'static str,
    pub(super) ok: &'static str,
    pub(super) summary: &'static str,
    pub(super) test: &'static str,
}

pub(super) fn speech(language: Language) -> &'static dyn Speech {
    match language {
        Language::English => &english::English,
        Language::Chinese => &chinese::Chinese,
    }
}

impl Words {
    /// The words of a notice.
    pub fn of(letter: &Letter<'_>, language: Language) -> Self {
        let (notice, speech) = (letter.notice, speech(language));
        let labels = speech.labels();
        let (tone, word) = match notice.kind {
            NoticeKind::Firing | NoticeKind::Repeated => (Tone::Bad, labels.firing),
            NoticeKind::Ok => (Tone::Good, labels.ok),
            NoticeKind::Summary if notice.cause.is_none() => (Tone::Plain, labels.summary),
            NoticeKind::Summary if notice.is_over => (Tone::Good, labels.ok),
            NoticeKind::Summary => (Tone::Bad, labels.firing),
            NoticeKind::Test => (Tone::Plain, labels.test),
        };
        let what = match (&notice.script, &notice.alert) {
            (Some(script), Some(alert)) => format!("{script}: {}", alert.text),
            (Some(script), None) => script.clone(),
            (None, Some(alert)) => alert.text.clone(),
            (None, None) => notice.cause.as_ref().map_or_else(|| "Cronbox".to_owned(), |cause| speech.cause(cause)),
        };
        let link = |path: String| letter.public_url.map(|base| format!("{}{path}", base.trim_end_matches('/')));
        let part = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().replace("%2D", "-");
        let run = notice.run.as_ref().and_then(|run| link(format!("/runs/{}", part(&run.id))));
        let mute = notice.alert.as_ref().filter(|_| notice.kind != NoticeKind::Ok);
        let mute = mute.and_then(|alert| link(format!("/alerts/{}/mute", part(&alert.id))));
        Words {
            tone,
            title: one_line(&format!("[{word}] {what}")),
            sentence: one_line(&sentence(notice, speech)),
            cause: notice.cause.as_ref().map(|cause| speech.cause(cause)),
            facts: facts(notice, speech),
            quiet: letter.quiet_until.map(|until| speech.quiet(&clock(until, None))),
            run_link: run.map(|url| (labels.show, url)),
            mute_link: mute.map(|url| (labels.mute, url)),
        }
    }

    /// All of it as plain lines.
    pub fn lines(&self) -> Vec<String> {
        let links = [&self.run_link, &self.mute_link];
        let mut lines = vec![self.sentence.clone()];
        lines.extend(self.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)));
        lines.extend(self.quiet.clone());
        lines.extend(links.into_iter().flatten().map(|(word, url)| format!("{word}: {url}")));
        lines
    }
}

fn sentence(notice: &Notice, speech: &dyn Speech) -> String {
    let what = || match (&notice.value, &notice.run, &notice.alert) {
        (Some(value), _, _) => {
            let shown = |value: &serde_json::Value| facts::shown(value);
            let now = value.now.as_ref().map_or_else(|| "–".to_owned(), shown);
            speech.of_value(notice, &now, value.before.as_ref().map(shown).as_deref())
        }
        (None, Some(run), _) => speech.of_run(notice, run),
        (None, None, Some(alert)) => speech.of_alert(notice, alert),
        (None, None, None) => speech.of_test(),
    };
    match (notice.kind, &notice.alert) {
        (NoticeKind::Test, _) => speech.of_test(),
        (NoticeKind::Summary, _) => {
            let count = notice.held_back.iter().map(|held| held.count).sum();
            let of_cause = |cause| speech.of_cause(cause, notice.is_over, count);
            notice.cause.as_ref().map_or_else(|| speech.of_summary(count), of_cause)
        }
        (NoticeKind::Ok, Some(alert)) => speech.of_end(notice, alert),
        (NoticeKind::Repeated, Some(alert)) => {
            format!("{}{}", speech.again(&clock(time_of(alert.since), zone_of(notice))), what())
        }
        _ => what(),
    }
}

/// The time of a notice, which counts milliseconds.
pub(super) fn time_of(millis: i64) -> Time {
    from_micros(millis.saturating_mul(1_000))
}

/// The zone in which times of a notice are told.
pub(super) fn zone_of(notice: &Notice) -> Option<&str> {
    notice.run.as_ref().and_then(|run| run.timezone.as_deref())
}

/// A time as people read it, in its zone.
pub(super) fn clock(time: Time, zone: Option<&str>) -> String {
    match zone.and_then(|name| zone::installed().get(name).ok()) {
        Some(zone) => format!("{} {}", zone.clocks(time).format("%Y-%m-%d %H:%M"), zone.name()),
        None => format!("{} UTC", time.format("%Y-%m-%d %H:%M")),
    }
}

/// A text without line breaks and other control characters.
pub(super) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    plain.trim().to_owned()
}
