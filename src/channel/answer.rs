//! What an answer means: whether the message has arrived, and when to try again.

use crate::clock::Time;
use chrono::DateTime;
use cronbox_runtime::outbound::{OutboundAnswer, OutboundFailure};
use serde_json::Value;
use std::time::Duration;

/// Most characters of an answer that are kept.
const MOST_KEPT: usize = 500;
/// The longest wait that a service can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It has arrived.
    Arrived,
    /// It has not arrived; again, after so long at least if the service said so.
    NotNow(Option<Duration>),
    /// It has not arrived, and the service wants nothing any more.
    Gone,
}

/// An answer, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it means.
    pub meaning: Meaning,
    /// The status over HTTP or SMTP; none: there was no answer.
    pub status: Option<u16>,
    /// The answer in words.
    pub text: String,
}

/// Reads the answer of a service of this kind.
pub fn verdict(kind: &str, answer: &Result<OutboundAnswer, OutboundFailure>, now: Time) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => {
            return Verdict { meaning: Meaning::NotNow(None), status: None, text: kept(&failure.text) };
        }
    };
    let status = Some(answer.status);
    let of = |meaning, text: String| Verdict { meaning, status, text: kept(&text) };
    let is_fine = (200..300).contains(&answer.status);
    if kind == "email" {
        return of(if is_fine { Meaning::Arrived } else { Meaning::NotNow(None) }, answer.text.clone());
    }
    if (300..400).contains(&answer.status) {
        let to = answer.location.as_deref().map(|location| format!(" to {}", origin_of(location)));
        let text = format!("a redirect{}, which is not followed: set the URL that it leads to", to.unwrap_or_default());
        return of(Meaning::NotNow(None), text);
    }
    if answer.status == 410 {
        return of(Meaning::Gone, format!("410 Gone: {}", answer.text));
    }
    if !is_fine {
        return of(Meaning::NotNow(wait_of(answer, now)), answer.text.clone());
    }
    // These say in the body whether they took it, with a status of 200 in both cases.
    let field = match kind {
        "feishu" => "code",
        "dingtalk" | "wecom" => "errcode",
        _ => return of(Meaning::Arrived, answer.text.clone()),
    };
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    match body.get(field).and_then(Value::as_i64) {
        Some(0) => of(Meaning::Arrived, answer.text.clone()),
        Some(_) => of(Meaning::NotNow(None), answer.text.clone()),
        None => of(Meaning::NotNow(None), format!("the answer has no {field}: {}", answer.text)),
    }
}

/// How long a service wants to be left alone: by the header, or by the body as Telegram and Discord say it.
fn wait_of(answer: &OutboundAnswer, now: Time) -> Option<Duration> {
    // Seconds, or a time (RFC 9110, 10.2.3).
    let header = answer.retry_after.as_deref().map(str::trim).and_then(|text| {
        let until = || Some((DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).as_seconds_f64());
        text.parse::<f64>().ok().or_else(until)
    });
    let body = || {
        let body: Value = serde_json::from_str(&answer.text).ok()?;
        body.pointer("/parameters/retry_after").or_else(|| body.get("retry_after"))?.as_f64()
    };
    let seconds = header.or_else(body)?;
    let wait = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST_WAIT);
    Some(wait.min(LONGEST_WAIT))
}

/// The beginning of an address, without what can be a secret.
fn origin_of(location: &str) -> String {
    match reqwest::Url::parse(location) {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => "another path".to_owned(),
    }
}

/// The beginning of an answer, on one line.
fn kept(text: &str) -> String {
    let line: String = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    super::fit::characters(&line, MOST_KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    fn now() -> Time {
        from_micros(1_445_412_420_000_000)
    }

    fn said(kind: &str, status: u16, text: &str) -> Verdict {
        verdict(kind, &Ok(OutboundAnswer { status, text: text.into(), ..OutboundAnswer::default() }), now())
    }

    #[test]
    fn a_status_of_2xx_is_an_arrival_unless_the_body_says_otherwise() {
        assert_eq!(said("webhook", 204, "").meaning, Meaning::Arrived);
        assert_eq!(said("slack", 200, "ok").meaning, Meaning::Arrived);
        assert_eq!(said("email", 250, "queued").meaning, Meaning::Arrived);
        assert_eq!(said("feishu", 200, r#"{"code":0,"msg":"success"}"#).meaning, Meaning::Arrived);
        assert_eq!(said("feishu", 200, r#"{"code":19021,"msg":"sign match fail"}"#).meaning, Meaning::NotNow(None));
        assert_eq!(said("dingtalk", 200, r#"{"errcode":0,"errmsg":"ok"}"#).meaning, Meaning::Arrived);
        assert_eq!(said("dingtalk", 200, r#"{"errcode":310000}"#).meaning, Meaning::NotNow(None));
        assert_eq!(said("wecom", 200, "<html>").meaning, Meaning::NotNow(None));
    }

    #[test]
    fn other_answers_are_failures_with_their_reasons() {
        assert_eq!(said("webhook", 410, "closed").meaning, Meaning::Gone);
        assert_eq!(said("webhook", 500, "no").meaning, Meaning::NotNow(None));
        assert_eq!(said("email", 450, "busy").meaning, Meaning::NotNow(None));
        let moved = OutboundAnswer {
            status: 302,
            location: Some("https://other.example/with?key=1".into()),
            ..OutboundAnswer::default()
        };
        let moved = verdict("webhook", &Ok(moved), now());
        assert_eq!(moved.meaning, Meaning::NotNow(None));
        assert_eq!(
            moved.text,
            "a redirect to https://other.example, which is not followed: set the URL that it leads to"
        );
    }

    #[test]
    fn a_wait_that_is_asked_for_is_kept() {
        let asked = |retry_after: Option<&str>, text: &str| {
            let answer = OutboundAnswer {
                status: 429,
                retry_after: retry_after.map(str::to_owned),
                text: text.into(),
                ..OutboundAnswer::default()
            };
            verdict("telegram", &Ok(answer), now()).meaning
        };
        let wait = |seconds| Meaning::NotNow(Some(Duration::from_secs(seconds)));
        assert_eq!(asked(Some("120"), ""), wait(120));
        assert_eq!(asked(None, r#"{"ok":false,"parameters":{"retry_after":35}}"#), wait(35));
        assert_eq!(asked(None, r#"{"retry_after":2.0}"#), wait(2));
        assert_eq!(asked(Some("1e300"), ""), wait(86_400));
        assert_eq!(asked(Some("Wed, 21 Oct 2015 07:28:00 GMT"), ""), wait(60));
        assert_eq!(asked(Some("soon"), ""), Meaning::NotNow(None));
    }
}
