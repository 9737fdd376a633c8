//! Held runs: what each waits for, and which goes next.
//!
//! A run may have to wait twice. First before its gate, while as many of its schedule or backfill run as may. When it has
//! passed that, it is one of those; then it may have to wait for its script's limit, in its lane. Each line is an index in the
//! order in which its runs go. A run that ends makes room in one gate and in one lane, and the next of each is found at
//! once, however many wait: nothing here looks at more rows than may run at once.

use super::rows::queue::{HeldEntry, Lane};
use super::tx::{Tx, args};
use super::{Store, StoreError, locks};
use std::collections::BTreeMap;

/// Most that may run at once of a gate or a lane, as schedules and scripts can set it: no count goes further.
const MOST_AT_ONCE: i64 = 10_000;
/// Most runs that wait before the gate of one schedule.
pub(super) const MOST_BEFORE_GATE: i64 = 10_000;
/// Gates and lanes looked at together when all are.
const STRIDE: usize = 500;

/// How many of a lane may start or run, counted to `most`.
pub(super) async fn active_in_lane(tx: &mut Tx<'_>, lane: &Lane, most: i64) -> Result<i64, StoreError> {
    let most = most.clamp(0, MOST_AT_ONCE);
    let sql = format!(
        "SELECT count(*) AS active FROM
        (SELECT 1 FROM queue WHERE lane = $1 AND state IN ('ready', 'claimed') LIMIT {most}) AS a"
    );
    tx.one(sql, args![lane.key()]).await?.int("active")
}

/// How many have passed a gate and not ended: they may start, run, wait for their next attempt or for their script's limit.
/// Counted to `most`, or a little beyond.
pub(super) async fn active_of_gate(tx: &mut Tx<'_>, gate: &str, most: i64) -> Result<i64, StoreError> {
    let most = most.clamp(0, MOST_AT_ONCE);
    let sql = format!(
        "SELECT (SELECT count(*) FROM
            (SELECT 1 FROM queue WHERE gate = $1 AND state IN ('ready', 'claimed', 'waiting') LIMIT {most}) AS a)
        + (SELECT count(*) FROM
            (SELECT 1 FROM queue WHERE gate = $1 AND state = 'held' AND passed = 1 LIMIT {most}) AS b) AS active"
    );
    tx.one(sql, args![gate]).await?.int("active")
}

/// How many wait before a gate, counted to `most`.
pub(super) async fn waiting_before(tx: &mut Tx<'_>, gate: &str, most: i64) -> Result<i64, StoreError> {
    let sql = format!(
        "SELECT count(*) AS held FROM
        (SELECT 1 FROM queue WHERE gate = $1 AND state = 'held' AND passed = 0 LIMIT {most}) AS a"
    );
    tx.one(sql, args![gate]).await?.int("held")
}

/// Lets go what waited for a run that ended: the next of its gate, then the next of its lane. The row of its script is
/// locked when it had a limit.
pub(super) async fn make_room(tx: &mut Tx<'_>, ended: &HeldEntry) -> Result<(), StoreError> {
    let mut lanes = BTreeMap::new();
    if let Some(gate) = &ended.gate {
        let_through(tx, gate, Some(&ended.lane), &mut lanes).await?;
    }
    if ended.concurrency.is_some() {
        lanes.insert(ended.lane.clone(), ended.concurrency);
    }
    for (lane, most) in lanes {
        fill(tx, &lane, most).await?;
    }
    Ok(())
}

/// Lets runs pass a gate while it has room: they may start, or wait for their script's limit. The lanes of these are added to
/// `lanes`, with their limits.
async fn let_through(
    tx: &mut Tx<'_>,
    gate: &str,
    locked: Option<&Lane>,
    lanes: &mut BTreeMap<Lane, Option<i64>>,
) -> Result<(), StoreError> {
    const NEXT: &str = "FROM queue WHERE gate = $1 AND state = 'held' AND passed = 0 ORDER BY priority DESC, run LIMIT";
    let Some(head) = tx.first(format!("SELECT gate_most {NEXT} 1"), args![gate]).await? else { return Ok(()) };
    // Its own word counts: how many may run at once may have changed since the others were made.
    let most = head.int_or_none("gate_most")?.unwrap_or(MOST_AT_ONCE);
    let active = active_of_gate(tx, gate, most).await?;
    let room = most.min(MOST_AT_ONCE) - active;
    if room <= 0 {
        return Ok(());
    }
    let sql = format!(
        "UPDATE queue SET passed = 1, turn = $2, state = CASE WHEN concurrency IS NULL THEN 'ready' ELSE 'held' END
        WHERE run IN (SELECT run {NEXT} {room}) AND state = 'held' RETURNING lane, concurrency"
    );
    for row in tx.all(sql, args![gate, active]).await? {
        if let Some(most) = row.int_or_none("concurrency")? {
            lanes.insert(Lane::of_key(row.text("lane")?), Some(most));
        }
    }
    // A schedule may have been moved to another script: then its gate's runs are of two lanes.
    for lane in lanes.keys().filter(|lane| Some(*lane) != locked) {
        locks::lane(tx, lane, true).await?;
    }
    Ok(())
}

/// Lets runs of a lane start while fewer than `most` of it do; all, without a limit.
pub(super) async fn fill(tx: &mut Tx<'_>, lane: &Lane, most: Option<i64>) -> Result<(), StoreError> {
    let Some(most) = most else {
        let sql = "UPDATE queue SET state = 'ready' WHERE lane = $1 AND state = 'held' AND passed = 1";
        return tx.run(sql, args![lane.key()]).await.map(|_| ());
    };
    let active = active_in_lane(tx, lane, most).await?;
    let room = most.min(MOST_AT_ONCE) - active;
    if room <= 0 {
        return Ok(());
    }
    // Limits stand in the text: SQLite compiles a statement again whenever a bound limit is bound.
    let sql = format!(
        "UPDATE queue SET state = 'ready', turn = $2 WHERE run IN (SELECT run FROM queue
            WHERE lane = $1 AND state = 'held' AND passed = 1 ORDER BY priority DESC, run LIMIT {room}) AND state = 'held'"
    );
    tx.run(sql, args![lane.key(), active]).await.map(|_| ())
}

/// What a look at all gates or lanes goes by: what is there after `$1`, each once.
fn each(column: &str, passed: i64) -> String {
    format!(
        "WITH RECURSIVE one (key) AS (
            SELECT min({column}) FROM queue WHERE {column} > $1 AND state = 'held' AND passed = {passed}
            UNION ALL
            SELECT (SELECT min({column}) FROM queue WHERE {column} > one.key AND state = 'held' AND passed = {passed})
            FROM one WHERE one.key IS NOT NULL)
        SELECT key FROM one WHERE key IS NOT NULL LIMIT {STRIDE}"
    )
}

impl Store {
    /// Lets held runs go whose gate and lane have room although nothing ended: their limit was changed meanwhile, or a program
    /// that knows no two lines had made them. How many gates and lanes had runs that wait.
    pub async fn look_at_held(&self) -> Result<usize, StoreError> {
        let unsorted = "SELECT 1 AS one FROM queue WHERE state = 'held' AND passed = 0 AND gate_most IS NULL LIMIT 1";
        if self.read(move |tx| Box::pin(async move { tx.first(unsorted, args![]).await })).await?.is_some() {
            let sql = "UPDATE queue SET passed = 1 WHERE state = 'held' AND passed = 0 AND gate_most IS NULL";
            self.write(move |tx| Box::pin(async move { tx.run(sql, args![]).await })).await?;
        }
        let mut looked = 0;
        for (column, passed) in [("gate", 0), ("lane", 1)] {
            let mut after = String::new();
            loop {
                let last = after.clone();
                let keys: Vec<String> = self
                    .read(move |tx| {
                        let last = last.clone();
                        Box::pin(async move {
                            tx.all(each(column, passed), args![last]).await?.iter().map(|row| row.text("key")).collect()
                        })
                    })
                    .await?;
                for key in &keys {
                    self.look_at_one(column, key).await?;
                }
                looked += keys.len();
                match keys.last() {
                    Some(last) if keys.len() == STRIDE => after.clone_from(last),
                    _ => break,
                }
            }
        }
        Ok(looked)
    }

    /// Lets go what one gate, or one lane, has room for.
    async fn look_at_one(&self, column: &'static str, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let passed = i64::from(column == "lane");
                let sql = format!(
                    "SELECT lane, concurrency FROM queue WHERE {column} = $1 AND state = 'held' AND passed = {passed}
                    ORDER BY priority DESC, run LIMIT 1"
                );
                let Some(head) = tx.first(sql, args![&*key]).await? else { return Ok(()) };
                let lane = Lane::of_key(head.text("lane")?);
                locks::lane(tx, &lane, true).await?;
                let mut lanes = BTreeMap::new();
                if column == "gate" {
                    let_through(tx, &key, Some(&lane), &mut lanes).await?;
                } else {
                    lanes.insert(lane, head.int_or_none("concurrency")?);
                }
                for (lane, most) in lanes {
                    fill(tx, &lane, most).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DatabaseUrl;

    /// Nothing on the way of a run looks through the whole queue.
    #[tokio::test]
    async fn lines_are_read_by_their_index() {
        let store = Store::open(&DatabaseUrl::Memory).await.expect("opens");
        let next = |column: &str, passed: i64| {
            format!(
                "SELECT run FROM queue WHERE {column} = $1 AND state = 'held' AND passed = {passed} ORDER BY priority DESC, run LIMIT 1"
            )
        };
        for (sql, index) in [
            (next("gate", 0), "queue_before_gate (gate=?)"),
            (next("lane", 1), "queue_before_lane (lane=?)"),
            (
                "SELECT 1 FROM queue WHERE gate = $1 AND state = 'held' AND passed = 1 LIMIT 3".into(),
                "queue_behind_gate (gate=? AND state=? AND passed=?)",
            ),
            (
                "SELECT 1 FROM queue WHERE gate = $1 AND state IN ('ready', 'claimed', 'waiting') LIMIT 3".into(),
                "queue_by_gate (gate=? AND state=?)",
            ),
            (
                "SELECT 1 FROM queue WHERE lane = $1 AND state IN ('ready', 'claimed') LIMIT 3".into(),
                "queue_by_lane (lane=? AND state=?)",
            ),
            (each("gate", 0), "_gate (gate>?)"),
            (each("lane", 1), "queue_before_lane (lane>?)"),
            ("SELECT 1 FROM queue WHERE bounded = 1 AND state IN ('ready', 'held') LIMIT 10".into(), "queue_bounded"),
            ("SELECT schedule, run FROM chains_due ORDER BY run LIMIT 100".into(), "chains_due_by_run"),
        ] {
            let plan = store
                .read(move |tx| {
                    let sql = sql.clone();
                    Box::pin(async move {
                        let rows = tx.all(format!("EXPLAIN QUERY PLAN {sql}"), args!["x"]).await?;
                        rows.iter().map(|row| row.text("detail")).collect::<Result<Vec<_>, _>>()
                    })
                })
                .await
                .expect("explains")
                .join("\n");
            assert!(plan.contains(index), "{index}: {plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN queue\n"), "{plan}");
        }
    }
}
