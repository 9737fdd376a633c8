//! What an alert tells: the event in the feed, and the notice to its channels, in the transaction of the cause.

use crate::alert::{About, Alert, Condition, Said, Values};
use crate::clock::{Time, micros};
use crate::notice::{Notice, NoticeAlert, NoticeCause, NoticeKind, NoticeRun, NoticeValue};
use crate::run::Run;
use crate::store::rows::run::{RUN, run_of};
use crate::store::tx::{Tx, args, stamp};
use crate::store::{StoreError, deliveries};
use serde_json::Value;

/// Longest value that a notice shows whole, in bytes of JSON.
const LONGEST: usize = 1_000;

/// What a step of an alert comes from.
pub(super) struct Cause<'c> {
    pub(super) alert: &'c Alert,
    /// The key of the script, or of the schedule.
    pub(super) subject: &'c str,
    /// The run that it was seen of.
    pub(super) run: Option<&'c str>,
    /// Since when the alert fires, or fired.
    pub(super) since: Time,
    /// The values that were compared.
    pub(super) values: Option<Values>,
    /// What made the alert fire, and others with it.
    pub(super) made_by: Option<NoticeCause>,
}

/// Whom a step is about.
struct Subject {
    /// The script's key.
    key: Option<String>,
    /// The script's name.
    script: Option<String>,
    /// The schedule's id.
    schedule: Option<String>,
}

/// Records what a step tells: with `fires` that the state changed, and to what; with `said` what is delivered.
pub(super) async fn tell(
    tx: &mut Tx<'_>,
    cause: &Cause<'_>,
    fires: Option<bool>,
    said: Option<Said>,
    now: Time,
) -> Result<(), StoreError> {
    let run = match cause.run {
        Some(id) => tx.first(format!("{RUN} WHERE id = $1"), args![id]).await?.as_ref().map(run_of).transpose()?,
        None => None,
    };
    let subject = subject_of(tx, cause, run.as_ref()).await?;
    tx.is_told = true;
    if let Some(fires) = fires {
        let sql = "INSERT INTO events (at, type, script, name, schedule, run, reason, alert) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let type_name = if fires { "alert_firing" } else { "alert_ok" };
        let values = args![
            stamp(now),
            type_name,
            subject.key.clone(),
            subject.script.clone(),
            subject.schedule.clone(),
            run.as_ref().map(|run| run.id.clone()),
            cause.alert.asked.condition.to_string(),
            &*cause.alert.id,
        ];
        tx.run(sql, values).await?;
    }
    let Some(said) = said else { return Ok(()) };
    let kind = match said {
        Said::Firing => NoticeKind::Firing,
        Said::Repeated => NoticeKind::Repeated,
        Said::Ok(_) => NoticeKind::Ok,
    };
    let notice = Notice {
        kind,
        at: millis(now),
        alert: Some(NoticeAlert {
            id: cause.alert.id.clone(),
            text: cause.alert.asked.condition.to_string(),
            since: millis(cause.since),
        }),
        run: run.as_ref().map(run_body),
        script: subject.script,
        schedule: subject.schedule,
        value: cause.values.as_ref().map(|values| value_body(&cause.alert.asked.condition, values)),
        held_back: Vec::new(),
        cause: cause.made_by.clone(),
        is_over: false,
    };
    deliveries::enqueue(tx, &cause.alert.asked.notify, &notice, now).await.map(|_| ())
}

async fn subject_of(tx: &mut Tx<'_>, cause: &Cause<'_>, run: Option<&Run>) -> Result<Subject, StoreError> {
    let of_run = run.and_then(|run| run.spec.schedule.clone().or_else(|| run.schedule.clone()));
    if let About::Schedule(name) = &cause.alert.asked.about {
        let sql = "SELECT s.id, s.script, c.name FROM schedules s JOIN scripts c ON c.key = s.script WHERE s.key = $1";
        let row = tx.first(sql, args![cause.subject]).await?;
        return Ok(match row {
            Some(row) => Subject {
                key: Some(row.text("script")?),
                script: Some(row.text("name")?),
                schedule: Some(row.text("id")?),
            },
            None => Subject {
                key: run.and_then(|run| run.script.clone()),
                script: run.map(|run| run.name.clone()),
                schedule: Some(name.as_str().to_owned()),
            },
        });
    }
    let script = match (run, &cause.alert.asked.about) {
        (Some(run), _) => run.name.clone(),
        (None, About::Script(name)) => name.as_str().to_owned(),
        (None, _) => {
            let row = tx.first("SELECT name FROM scripts WHERE key = $1", args![cause.subject]).await?;
            row.map(|row| row.text("name")).transpose()?.unwrap_or_else(|| cause.subject.to_owned())
        }
    };
    Ok(Subject { key: Some(cause.subject.to_owned()), script: Some(script), schedule: of_run })
}

fn millis(time: Time) -> i64 {
    micros(time).div_euclid(1_000)
}

/// What a notice tells of a run.
fn run_body(run: &Run) -> NoticeRun {
    let (place, line) = run.error.as_ref().and_then(|error| place_of(&error.traceback)).unzip();
    NoticeRun {
        id: run.id.clone(),
        status: run.status.as_str().to_owned(),
        attempt: run.attempt,
        fire_time: run.fire_time.map(millis),
        timezone: Some(run.spec.timezone.clone()),
        error_name: run.error.as_ref().map(|error| error.type_name.clone()),
        error_message: run.error.as_ref().map(|error| last_line(&error.message)),
        place,
        line: line.flatten(),
        duration_ms: run.wall.map(|wall| i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
    }
}

fn last_line(text: &str) -> String {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}

/// Where the last of a traceback's lines of the script is, and what stands there: `price.py:12`.
fn place_of(traceback: &str) -> Option<(String, Option<String>)> {
    let lines: Vec<&str> = traceback.lines().collect();
    let at = lines.iter().rposition(|line| line.starts_with("  File \""))?;
    let (file, rest) = lines.get(at)?.strip_prefix("  File \"")?.split_once("\", line ")?;
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let source = lines.get(at + 1).filter(|line| line.starts_with("    ")).map(|line| line.trim().to_owned());
    let file = file.strip_prefix("/app/").unwrap_or(file);
    Some((format!("{file}:{number}"), source))
}

fn value_body(condition: &Condition, values: &Values) -> NoticeValue {
    let path = match condition {
        Condition::Result(pointer, _) => pointer.clone(),
        Condition::Cost(cost, _) => cost.as_str().to_owned(),
        _ => String::new(),
    };
    NoticeValue { path, before: values.before.as_deref().and_then(shown), now: values.now.as_deref().and_then(shown) }
}

/// A value as a notice shows it; none when it is known only by its hash.
fn shown(json: &str) -> Option<Value> {
    if json.len() > LONGEST {
        let beginning: String = json.chars().take(LONGEST / 5).collect();
        return Some(Value::String(format!("{beginning}…")));
    }
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_error_is_the_last_one_in_the_script() {
        let traceback = "Traceback (most recent call last):\n  File \"/app/price.py\", line 3, in run\n    return parse(text)\n  \
            File \"/app/lib/parse.py\", line 12, in parse\n    raise ValueError(\"no price\")\nValueError: no price\n";
        let expected = ("lib/parse.py:12".to_owned(), Some("raise ValueError(\"no price\")".to_owned()));
        assert_eq!(place_of(traceback), Some(expected));
        assert_eq!(place_of(""), None);
        assert_eq!(place_of("  File \"<string>\", line 1\nx"), Some(("<string>:1".into(), None)));
        assert_eq!(last_line("a\nb\n\n"), "b");
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shown("12.50"), Some(serde_json::json!(12.50)));
        assert_eq!(shown("#abc"), None);
        let long = shown(&format!("\"{}\"", "x".repeat(2_000))).expect("a text");
        assert!(long.as_str().is_some_and(|text| text.len() < 300));
    }
}
