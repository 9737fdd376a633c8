//! Runs counted over time, and a value of their results over time.

use super::queries::RunFilter;
use super::rows::run::value_of;
use super::tx::{Row, args, stamp};
use super::{Store, StoreError};
use crate::clock::{Time, from_micros};
use crate::run::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Runs of one slot of time, by status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// When the slot begins.
    pub at: Time,
    /// How many runs made in it stand how.
    pub by_status: BTreeMap<String, u64>,
}

/// A result of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it stands in the series: ask with it for what comes after.
    pub place: String,
    /// When its run was due.
    pub at: Time,
    /// When its run was made.
    pub made_at: Time,
    /// The run.
    pub run: String,
    /// What it returned.
    pub result: Value,
    /// Its size as JSON.
    pub bytes: u64,
}

impl Store {
    /// How many runs were made in each slot of `bucket`, by status; slots without runs are left out.
    pub async fn counts(&self, filter: RunFilter, bucket: Duration) -> Result<Vec<Count>, StoreError> {
        let mut all: BTreeMap<Time, BTreeMap<String, u64>> = BTreeMap::new();
        for part in filter.parts() {
            for count in self.counts_of_part(part, bucket).await? {
                let slot = all.entry(count.at).or_default();
                count.by_status.into_iter().for_each(|(status, runs)| *slot.entry(status).or_default() += runs);
            }
        }
        Ok(all.into_iter().map(|(at, by_status)| Count { at, by_status }).collect())
    }

    async fn counts_of_part(&self, filter: RunFilter, bucket: Duration) -> Result<Vec<Count>, StoreError> {
        let filter = Arc::new(filter);
        let width = i64::try_from(bucket.as_micros()).unwrap_or(i64::MAX).max(1);
        self.read(move |tx| {
            let filter = filter.clone();
            Box::pin(async move {
                // By time alone, so that an index of time and status answers.
                let mut by_time = (*filter).clone();
                let (since, until) = (by_time.since.take(), by_time.until.take());
                let (conditions, mut values) = by_time.conditions(tx.dialect);
                let from = since.map_or(i64::MIN, stamp);
                let to = until.map_or(i64::MAX, stamp);
                values.push(from);
                values.push(to);
                let first = conditions.matches('$').count() + 1;
                let sql = format!(
                    "SELECT created_at / {width} AS slot, status, count(*) AS runs FROM runs{conditions}
                    AND created_at >= ${first} AND created_at < ${} GROUP BY 1, 2 ORDER BY 1",
                    first + 1
                );
                let mut counts: Vec<Count> = Vec::new();
                for row in tx.all(sql, values).await? {
                    let at = from_micros(row.int("slot")?.saturating_mul(width));
                    if counts.last().is_none_or(|count| count.at != at) {
                        counts.push(Count { at, by_status: BTreeMap::new() });
                    }
                    if let Some(count) = counts.last_mut() {
                        count.by_status.insert(row.text("status")?, row.size("runs")?);
                    }
                }
                Ok(counts)
            })
        })
        .await
    }

    /// The results of a script's last `limit` succeeded runs that were made at `since` or later, those that were due last first.
    pub async fn last_results(
        &self,
        script: &str,
        since: Option<Time>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let all = Arc::new((script.to_owned(), since.map_or(i64::MIN, stamp)));
        self.read(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (script, since) = &*all;
                let sql = format!(
                    "SELECT id, coalesce(fire_time, run_at) AS due, created_at, result, result_blob, result_bytes FROM runs
                    WHERE script = $1 AND status = 'succeeded' AND created_at >= $2
                    ORDER BY coalesce(fire_time, run_at) DESC, id DESC LIMIT {limit}"
                );
                let rows = tx.all(sql, args![&**script, *since]).await?;
                Ok(rows.iter().map(entry_of).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            })
        })
        .await
    }

    /// The results of a script's succeeded runs in the order in which they were due, of at most `limit` runs after the place
    /// `after`, of those that were due at `since` or later and before `until`; and where the next page begins.
    pub async fn series(
        &self,
        script: &str,
        (since, until): (Option<Time>, Option<Time>),
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Entry>, Option<String>), StoreError> {
        let after = after.as_deref().and_then(read_place).unwrap_or((i64::MIN, String::new()));
        let from = since.map_or(i64::MIN, stamp).max(after.0);
        let all = Arc::new((script.to_owned(), after));
        self.read(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (script, after) = &*all;
                let sql = format!(
                    "SELECT id, coalesce(fire_time, run_at) AS due, created_at, result, result_blob, result_bytes FROM runs
                    WHERE script = $1 AND status = 'succeeded' AND coalesce(fire_time, run_at) >= $2
                    AND coalesce(fire_time, run_at) < $3 AND (coalesce(fire_time, run_at) > $4 OR id > $5)
                    ORDER BY coalesce(fire_time, run_at), id LIMIT {}",
                    limit + 1
                );
                let values = args![&**script, from, until.map_or(i64::MAX, stamp), after.0, &*after.1];
                let rows = tx.all(sql, values).await?;
                let (mut entries, mut last) = (Vec::new(), None);
                for row in rows.iter().take(limit) {
                    last = Some(place_of(row)?);
                    entries.extend(entry_of(row)?);
                }
                Ok((entries, last.filter(|_| rows.len() > limit)))
            })
        })
        .await
    }
}

/// Where the run of a row stands in a series.
fn place_of(row: &Row) -> Result<String, StoreError> {
    Ok(format!("{}.{}", row.int("due")?, row.text("id")?))
}

/// The result of a row; none where the run left none.
fn entry_of(row: &Row) -> Result<Option<Entry>, StoreError> {
    let Some(result) = value_of(row, "result", "result_blob")? else { return Ok(None) };
    let bytes = row.int_or_none("result_bytes")?.unwrap_or_default().unsigned_abs();
    let (at, made_at, run) = (row.time("due")?, row.time("created_at")?, row.text("id")?);
    Ok(Some(Entry { place: place_of(row)?, at, made_at, run, result, bytes }))
}

/// When the run at a place in a series was due, and its id.
pub fn read_place(place: &str) -> Option<(i64, String)> {
    let (due, id) = place.split_once('.')?;
    Some((due.parse().ok()?, uuid::Uuid::parse_str(id).ok()?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_series_are_read() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(read_place(&format!("-5.{id}")), Some((-5, id.to_owned())));
        for bad in ["", id, "5", "5.", "5.x", ".5"] {
            assert_eq!(read_place(bad), None, "{bad}");
        }
    }
}
