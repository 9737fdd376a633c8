//! Earlier runs of what an alert is about, for an alert that has not seen them.

use crate::alert::{About, Alert, Condition, End, Failing, KEPT};
use crate::clock::Time;
use crate::notice::NoticeCause;
use crate::run::Status;
use crate::store::tx::{Row, Tx, args};
use crate::store::{Store, StoreError};
use std::time::Duration;

/// What alerts have to know of a run.
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) script: Option<String>,
    pub(super) schedule: Option<String>,
    /// What ended it, and others with it.
    pub(super) cause: Option<NoticeCause>,
}

/// A run that has ended.
pub(super) struct Earlier {
    status: Status,
    at: Time,
    result: Option<String>,
    fuel: Option<u64>,
    memory: Option<u64>,
    wall: Option<Duration>,
}

impl Earlier {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Earlier {
            status: row.word("status", Status::parse)?,
            at: row.time("finished_at")?,
            result: row.text_or_none("result")?,
            fuel: row.size_or_none("fuel")?,
            memory: row.size_or_none("memory")?,
            wall: row.size_or_none("wall")?.map(Duration::from_micros),
        })
    }

    /// How it ended.
    pub(super) fn end(&self) -> End<'_> {
        End {
            status: self.status,
            at: self.at,
            result: self.result.as_deref(),
            fuel: self.fuel,
            memory: self.memory,
            wall: self.wall,
        }
    }
}

const EARLIER: &str = "SELECT status, finished_at, result, fuel, memory, wall FROM runs";

/// Whose runs they are: the condition on a run, with `$1`, and its value.
fn whose<'f>(alert: &Alert, facts: &'f Facts) -> (&'static str, &'f str) {
    match alert.asked.about {
        About::Schedule(_) => ("schedule = $1", facts.schedule.as_deref().unwrap_or_default()),
        _ => ("script = $1", facts.script.as_deref().unwrap_or_default()),
    }
}

/// The runs before one that its condition asks about, oldest first: the last that succeeded, or the last that ended.
pub(super) async fn earlier(tx: &mut Tx<'_>, alert: &Alert, facts: &Facts) -> Result<Vec<Earlier>, StoreError> {
    let (whose, subject) = whose(alert, facts);
    let is_script = !matches!(alert.asked.about, About::Schedule(_));
    // Each in the order of an index.
    let (which, order, most) = match alert.asked.condition {
        Condition::Failed(Failing::InARow(most)) => {
            ("finished_at IS NOT NULL AND status NOT IN ('missed', 'skipped')", "id DESC", most as usize)
        }
        _ if is_script => {
            ("status = 'succeeded' AND script IS NOT NULL", "coalesce(fire_time, run_at) DESC, id DESC", KEPT)
        }
        _ => ("status = 'succeeded'", "id DESC", KEPT),
    };
    let sql = format!("{EARLIER} WHERE {whose} AND {which} AND id <> $2 ORDER BY {order} LIMIT {most}");
    let rows = tx.all(sql, args![subject, &*facts.id]).await?;
    rows.iter().rev().map(Earlier::of).collect()
}

/// Whose runs they are, with `$1`, and the order of an index in which those that succeeded come, the newest first.
fn order_of(about: &About) -> (&'static str, &'static str) {
    match about {
        About::Schedule(_) => ("schedule = $1", "id DESC"),
        _ => ("script = $1 AND script IS NOT NULL", "coalesce(fire_time, run_at) DESC, id DESC"),
    }
}

/// When a run of a subject last succeeded, by the last that was due.
pub(super) async fn last_success(tx: &mut Tx<'_>, about: &About, subject: &str) -> Result<Option<Time>, StoreError> {
    let (whose, order) = order_of(about);
    let sql = format!("SELECT finished_at FROM runs WHERE {whose} AND status = 'succeeded' ORDER BY {order} LIMIT 1");
    tx.first(sql, args![subject]).await?.map(|row| row.time("finished_at")).transpose()
}

impl Store {
    /// The last results of what an alert is about, the newest first: those that are not too large for their row. None for an
    /// alert about many scripts.
    pub async fn recent_results(&self, about: &About) -> Result<Vec<String>, StoreError> {
        let Some(subject) = about.only().map(str::to_owned) else { return Ok(Vec::new()) };
        let (whose, order) = order_of(about);
        self.read(move |tx| {
            let subject = subject.clone();
            Box::pin(async move {
                let sql = format!(
                    "SELECT result FROM runs WHERE {whose} AND status = 'succeeded' AND result IS NOT NULL
                    ORDER BY {order} LIMIT {KEPT}"
                );
                tx.all(sql, args![subject]).await?.iter().map(|row| row.text("result")).collect()
            })
        })
        .await
    }

    /// Those of these channels that are not there.
    pub async fn unknown_channels(&self, mut names: Vec<String>) -> Result<Vec<String>, StoreError> {
        let known = self
            .read(move |tx| {
                Box::pin(async move {
                    let rows = tx.all("SELECT name FROM channels", args![]).await?;
                    rows.iter().map(|row| row.text("name")).collect::<Result<Vec<_>, _>>()
                })
            })
            .await?;
        names.retain(|name| !known.contains(name));
        Ok(names)
    }
}
