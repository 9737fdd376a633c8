//! Chains: what becomes due because a run ended.
//!
//! The end of a run writes down, in its own transaction, which schedules it makes due; so no link of a chain is lost. A
//! scheduler turns that into runs, each once: the schema allows one per schedule and upstream run. Locks are taken as
//! everywhere: schedules, then scripts, then the queue.

use super::queue::Gate;
use super::runs::{NewRun, insert};
use super::tx::{Tx, args, placeholders};
use super::{Store, StoreError, firing, queue, schedules, scripts};
use crate::clock::Time;
use crate::run::Status;
use crate::schedule::{Link, Overlap, State};
use crate::script::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// Links followed in one look.
const TOGETHER: usize = 100;

/// A schedule that the end of a run has made due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueLink {
    /// The schedule's key.
    pub schedule: String,
    /// The run that ended.
    pub upstream: String,
}

/// What came of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A run is there; these were ended or are to stop to make room for it.
    Started {
        /// Ended before they began.
        cancelled: Vec<String>,
        /// To be stopped.
        stopping: Vec<String>,
    },
    /// There is a row that says why there is none.
    Skipped,
    /// The schedule does not fire, or had its run already.
    Nothing,
}

/// Writes down which schedules the end of a run makes due. Skipped and missed runs, which never began, make none due.
pub(super) async fn note_end(tx: &mut Tx<'_>, run: &str, status: Status) -> Result<bool, StoreError> {
    if !status.is_final() || matches!(status, Status::Skipped | Status::Missed) {
        return Ok(false);
    }
    if tx.first("SELECT 1 AS one FROM chains LIMIT 1", args![]).await?.is_none() {
        return Ok(false);
    }
    let Some(row) = tx.first("SELECT script, labels FROM runs WHERE id = $1", args![run]).await? else {
        return Ok(false);
    };
    let (script, labels): (Option<String>, Labels) = (row.text_or_none("script")?, row.json("labels")?);
    let mut upstreams = vec![Link::ANY.to_owned()];
    upstreams.extend(script.as_ref().map(|script| format!("script:{script}")));
    upstreams.extend(labels.iter().map(|(key, value)| format!("label:{key}={value}")));
    let word = if status == Status::Succeeded { "succeeded" } else { "failed" };
    // What hangs on everything, or on a label, never hangs on its own script: it would start itself.
    let sql = format!(
        "INSERT INTO chains_due (schedule, run) SELECT DISTINCT c.schedule, $1 FROM chains c JOIN schedules s ON s.key = c.schedule
        WHERE s.state = 'active' AND c.outcome IN ('any', $2) AND c.upstream IN ({})
        AND (c.upstream LIKE 'script:%' OR s.script <> $3) ON CONFLICT DO NOTHING",
        placeholders(4, upstreams.len())
    );
    let mut values = args![run, word, script.unwrap_or_default()];
    upstreams.into_iter().for_each(|upstream| values.push(upstream));
    Ok(tx.run(sql, values).await? > 0)
}

/// Makes a schedule hang on these, instead of what it hung on. The names of the scripts that would start one another in a
/// circle, if they would: nothing is changed then.
pub(super) async fn set(
    tx: &mut Tx<'_>,
    schedule: &str,
    script: &str,
    links: &[Link],
) -> Result<Option<Vec<String>>, StoreError> {
    tx.run("DELETE FROM chains WHERE schedule = $1", args![schedule]).await?;
    if links.is_empty() {
        return Ok(None);
    }
    // Two that each close half of a circle are set in order by this row's lock.
    tx.all(format!("SELECT one FROM scheduler{}", tx.dialect.for_update()), args![]).await?;
    if let Some(circle) = circle(tx, script, links).await? {
        return Ok(Some(circle));
    }
    for link in links {
        let sql = "INSERT INTO chains (schedule, upstream, outcome) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        tx.run(sql, args![schedule, &*link.upstream, link.outcome]).await?;
    }
    Ok(None)
}

/// What a schedule hangs on.
pub(super) async fn of(tx: &mut Tx<'_>, schedule: &str) -> Result<Vec<(String, String)>, StoreError> {
    let rows = tx.all("SELECT upstream, outcome FROM chains WHERE schedule = $1", args![schedule]).await?;
    rows.iter().map(|row| Ok((row.text("upstream")?, row.text("outcome")?))).collect()
}

/// Makes it hang on what it hung on before.
pub(super) async fn put_back(tx: &mut Tx<'_>, schedule: &str, before: &[(String, String)]) -> Result<(), StoreError> {
    for (upstream, outcome) in before {
        let sql = "INSERT INTO chains (schedule, upstream, outcome) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        tx.run(sql, args![schedule, &**upstream, &**outcome]).await?;
    }
    Ok(())
}

/// From a script along the chains back to what is to start it, if there is a way.
async fn circle(tx: &mut Tx<'_>, script: &str, links: &[Link]) -> Result<Option<Vec<String>>, StoreError> {
    let mut labelled: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut all: BTreeSet<String> = BTreeSet::new();
    let sql = "SELECT s.key, s.settings, v.table_json FROM scripts s JOIN versions v ON v.script = s.key AND v.number = s.version";
    for row in tx.all(sql, args![]).await? {
        let (set, said): (crate::script::Settings, crate::script::Settings) =
            (row.json("settings")?, row.json("table_json")?);
        let key = row.text("key")?;
        for (name, value) in set.or(&said).labels {
            labelled.entry(format!("label:{name}={value}")).or_default().insert(key.clone());
        }
        all.insert(key);
    }
    let starts = |upstream: &str, target: &str| -> BTreeSet<String> {
        let mut from = match upstream.strip_prefix("script:") {
            Some(script) => return BTreeSet::from([script.to_owned()]),
            None if upstream == Link::ANY => all.clone(),
            None => labelled.get(upstream).cloned().unwrap_or_default(),
        };
        from.remove(target);
        from
    };
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let rows =
        tx.all("SELECT c.upstream, s.script FROM chains c JOIN schedules s ON s.key = c.schedule", args![]).await?;
    let mut add = |upstream: &str, target: &str| {
        for from in starts(upstream, target) {
            edges.entry(from).or_default().insert(target.to_owned());
        }
    };
    for row in rows {
        add(&row.text("upstream")?, &row.text("script")?);
    }
    for link in links {
        add(&link.upstream, script);
    }
    // Any circle there is now goes through this script.
    let mut ways = vec![vec![script.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let Some(last) = way.last() else { continue };
        for next in edges.get(last).into_iter().flatten() {
            let longer = [way.as_slice(), std::slice::from_ref(next)].concat();
            if next == script {
                return Ok(Some(longer));
            }
            if seen.insert(next.clone()) {
                ways.push(longer);
            }
        }
    }
    Ok(None)
}

impl Store {
    /// Links that are to be followed, the oldest upstream runs first.
    pub async fn due_links(&self) -> Result<Vec<DueLink>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let sql = format!("SELECT schedule, run FROM chains_due ORDER BY run LIMIT {TOGETHER}");
                let rows = tx.all(sql, args![]).await?;
                rows.iter()
                    .map(|row| Ok(DueLink { schedule: row.text("schedule")?, upstream: row.text("run")? }))
                    .collect()
            })
        })
        .await
    }

    /// Lets go of a link that leads nowhere.
    pub async fn drop_link(&self, link: DueLink) -> Result<(), StoreError> {
        self.write(move |tx| {
            let link = link.clone();
            Box::pin(async move {
                let sql = "DELETE FROM chains_due WHERE schedule = $1 AND run = $2";
                tx.run(sql, args![link.schedule, link.upstream]).await.map(|_| ())
            })
        })
        .await
    }

    /// Follows a link: makes the run, or the row that says why there is none.
    pub async fn follow_link(
        &self,
        link: DueLink,
        new: NewRun,
        overlap: (Overlap, u32),
        too_deep: bool,
        now: Time,
    ) -> Result<Followed, StoreError> {
        let all = std::sync::Arc::new((link, new));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move { follow(tx, &all.0, &all.1, overlap, too_deep, now).await })
        })
        .await
    }
}

async fn follow(
    tx: &mut Tx<'_>,
    link: &DueLink,
    new: &NewRun,
    (overlap, most): (Overlap, u32),
    too_deep: bool,
    now: Time,
) -> Result<Followed, StoreError> {
    let state = schedules::lock(tx, &link.schedule).await?;
    let waits = matches!(overlap, Overlap::QueueOne | Overlap::QueueAll | Overlap::CancelRunning);
    if waits || new.spec.concurrency.is_some() {
        scripts::lock(tx, new.script.as_deref().unwrap_or_default()).await?;
    }
    let sql = "DELETE FROM chains_due WHERE schedule = $1 AND run = $2";
    if tx.run(sql, args![&*link.schedule, &*link.upstream]).await? == 0 {
        return Ok(Followed::Nothing);
    }
    if !matches!(state, Some((State::Active, _))) {
        return Ok(Followed::Nothing);
    }
    let mut new = new.clone();
    new.gate = Some(Gate { name: link.schedule.clone(), most: waits.then_some(most) });
    new.spec.gated = waits;
    if too_deep {
        firing::write_row(tx, &new, Status::Skipped, "chain_depth", None, None, now).await?;
        return Ok(Followed::Skipped);
    }
    let (mut hold, mut cancelled, mut stopping) = (false, Vec::new(), Vec::new());
    if overlap != Overlap::Allow && queue::active_of_gate(tx, &link.schedule).await? >= i64::from(most) {
        let is_full = match overlap {
            Overlap::Skip => true,
            Overlap::QueueOne => queue::held_of_gate(tx, &link.schedule).await? > 0,
            _ => false,
        };
        if is_full {
            firing::write_row(tx, &new, Status::Skipped, "max_instances", None, None, now).await?;
            return Ok(Followed::Skipped);
        }
        hold = true;
        if overlap == Overlap::CancelRunning {
            (cancelled, stopping) = queue::cancel_gate(tx, &link.schedule, "cancelled_by_overlap", now).await?;
            hold = !stopping.is_empty();
        }
    }
    let made = insert(tx, &new, hold, now).await?;
    Ok(if made { Followed::Started { cancelled, stopping } } else { Followed::Nothing })
}
