//! Chains: what becomes due because a run ended.
//!
//! The end of a run writes down, in its own transaction, which schedules it makes due; so no link of a chain is lost. A
//! scheduler turns that into runs, each once: the schema allows one per schedule and upstream run.

use super::rows::script::in_force;
use super::tx::{Tx, args, placeholders, stamp};
use super::{Store, StoreError, locks};
use crate::clock::Time;
use crate::run::Status;
use crate::schedule::Link;
use crate::script::Settings;
use std::collections::{BTreeMap, BTreeSet};

/// Links followed in one look.
const TOGETHER: usize = 100;
/// Causes forgotten in one transaction.
const CAUSES_TOGETHER: usize = 500;

/// A schedule that the end of a run has made due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueLink {
    /// The schedule's key.
    pub schedule: String,
    /// The run that ended.
    pub upstream: String,
}

/// Writes down which schedules the end of a run makes due. A missed fire time makes those due that hang on that alone; what
/// was skipped on purpose makes none due.
pub(super) async fn note_end(tx: &mut Tx<'_>, run: &str, status: Status) -> Result<bool, StoreError> {
    let outcomes = match status {
        Status::Skipped => return Ok(false),
        Status::Missed => "'missed'",
        Status::Succeeded => "'any', 'succeeded'",
        status if status.is_final() => "'any', 'failed'",
        _ => return Ok(false),
    };
    let labels = labels_of_script(tx, run).await?;
    let list = placeholders(3, labels.len().max(1));
    // What hangs on everything, or on a label, never hangs on its own script: it would start itself.
    let sql = format!(
        "INSERT INTO chains_due (schedule, run) SELECT DISTINCT c.schedule, r.id FROM runs r
        JOIN chains c ON c.upstream = $2 OR c.upstream = 'script:' || r.script OR c.upstream IN ({list})
        JOIN schedules s ON s.key = c.schedule
        WHERE r.id = $1 AND s.state = 'active' AND c.outcome IN ({outcomes})
        AND (c.upstream LIKE 'script:%' OR s.script <> coalesce(r.script, '')) ON CONFLICT DO NOTHING"
    );
    let mut values = args![run, Link::ANY];
    if labels.is_empty() {
        // No upstream is called so.
        values.push("");
    }
    labels.into_iter().for_each(|label| values.push(label));
    Ok(tx.run(sql, values).await? > 0)
}

/// Whether any schedule hangs on missed fire times: asked first, for an outage may have missed many.
pub(super) async fn follow_missed(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let sql = "SELECT 1 AS one FROM chains WHERE outcome = 'missed' LIMIT 1";
    Ok(tx.first(sql, args![]).await?.is_some())
}

/// The labels of a run's script, as the upstreams of chains: those in force now. The run's own labels are chosen by whoever
/// starts it, who could start other people's schedules by them. None where no chain follows a label.
async fn labels_of_script(tx: &mut Tx<'_>, run: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT s.settings, v.table_json FROM runs r JOIN scripts s ON s.key = r.script
        JOIN versions v ON v.script = s.key AND v.number = s.version
        WHERE r.id = $1 AND EXISTS (SELECT 1 FROM chains WHERE upstream >= 'label:' AND upstream < 'label;')";
    let Some(row) = tx.first(sql, args![run]).await? else { return Ok(Vec::new()) };
    let (set, said): (Settings, Settings) = (row.json("settings")?, row.json("table_json")?);
    Ok(set.or(&said).labels.iter().map(|(key, value)| format!("label:{key}={value}")).collect())
}

/// Makes a schedule hang on these, instead of what it hung on.
pub(super) async fn set(tx: &mut Tx<'_>, schedule: &str, links: &[Link]) -> Result<(), StoreError> {
    tx.run("DELETE FROM chains WHERE schedule = $1", args![schedule]).await?;
    for link in links {
        let sql = "INSERT INTO chains (schedule, upstream, outcome) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        tx.run(sql, args![schedule, &*link.upstream, link.outcome]).await?;
    }
    Ok(())
}

/// Whether a schedule hangs on other runs.
pub(super) async fn hangs_on(tx: &mut Tx<'_>, schedule: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 AS one FROM chains WHERE schedule = $1 LIMIT 1";
    Ok(tx.first(sql, args![schedule]).await?.is_some())
}

/// The names of the scripts that would start one another in a circle if a schedule of this script hung on these, if they
/// would: from the script along the chains back to it.
pub(super) async fn circle(
    tx: &mut Tx<'_>,
    schedule: &str,
    script: &str,
    links: &[Link],
) -> Result<Option<Vec<String>>, StoreError> {
    if links.is_empty() {
        return Ok(None);
    }
    // Two that each close half of a circle are looked at in order by this row's lock.
    locks::scheduler(tx).await?;
    let mut labelled: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut all: BTreeSet<String> = BTreeSet::new();
    for (key, settings) in in_force(tx, "1 = 1").await? {
        for (name, value) in settings.labels {
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
    let sql = "SELECT c.upstream, s.script FROM chains c JOIN schedules s ON s.key = c.schedule WHERE c.schedule <> $1";
    let rows = tx.all(sql, args![schedule]).await?;
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
            Box::pin(async move { take(tx, &link).await.map(|_| ()) })
        })
        .await
    }

    /// Forgets how many runs followed from causes that nothing has followed from since `before`: how many, at most a batch.
    pub async fn forget_causes(&self, before: Time) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = format!(
                    "DELETE FROM chain_causes WHERE run IN
                    (SELECT run FROM chain_causes WHERE updated_at < $1 ORDER BY updated_at LIMIT {CAUSES_TOGETHER})"
                );
                tx.run(sql, args![stamp(before)]).await
            })
        })
        .await
    }
}

/// Takes a link away; whether it was there.
pub(super) async fn take(tx: &mut Tx<'_>, link: &DueLink) -> Result<bool, StoreError> {
    let sql = "DELETE FROM chains_due WHERE schedule = $1 AND run = $2";
    Ok(tx.run(sql, args![&*link.schedule, &*link.upstream]).await? > 0)
}
