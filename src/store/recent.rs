//! What scripts did lately and do next, for many scripts at once.

use super::tx::{Args, list};
use super::{Store, StoreError};
use crate::run::{Activity, RECENT, RecentRun, Status, first_id_of};
use crate::script::Script;
use std::collections::HashMap;
use std::time::Duration;

impl Store {
    /// What these scripts did lately and do next, by key. Runs of an earlier script of the same name are not among it.
    pub async fn activity(&self, scripts: &[Script]) -> Result<HashMap<String, Activity>, StoreError> {
        if scripts.is_empty() {
            return Ok(HashMap::new());
        }
        let asked: Vec<(String, String)> =
            scripts.iter().map(|script| (script.key.clone(), first_id_of(script.created_at))).collect();
        self.read(move |tx| {
            let asked = asked.clone();
            Box::pin(async move {
                let mut found: HashMap<String, Activity> = HashMap::new();
                let (sql, values) = recent(&asked);
                for row in tx.all(sql, values).await? {
                    let run = RecentRun {
                        id: row.text("id")?,
                        status: row.word("status", Status::parse)?,
                        created_at: row.time("created_at")?,
                        wall: row.size_or_none("wall")?.map(Duration::from_micros),
                    };
                    found.entry(row.text("script")?).or_default().recent.push(run);
                }
                let (keys, mut values): (Vec<String>, _) =
                    (asked.into_iter().map(|asked| asked.0).collect(), Args::default());
                let (these, _) = list(tx.dialect, 1, &keys, &mut values);
                let sql = format!(
                    "SELECT script, min(next_fire_at) AS next FROM schedules
                    WHERE script IN {these} AND state = 'active' AND next_fire_at IS NOT NULL GROUP BY script"
                );
                for row in tx.all(sql, values).await? {
                    found.entry(row.text("script")?).or_default().next_fire_at = row.time_or_none("next")?;
                }
                for activity in found.values_mut() {
                    activity.recent.sort_by(|one, other| other.id.cmp(&one.id));
                }
                Ok(found)
            })
        })
        .await
    }
}

/// One statement for all scripts, in which each reads the index of its own ended runs from its end: a window over all of
/// their runs would read them all.
fn recent(asked: &[(String, String)]) -> (String, Args) {
    let mut values = Args::default();
    let parts = asked.iter().enumerate().map(|(number, (key, first))| {
        values.push(&**key);
        values.push(&**first);
        format!(
            "SELECT * FROM (SELECT script, id, status, created_at, wall FROM runs
            WHERE script = ${} AND finished_at IS NOT NULL AND id >= ${} ORDER BY id DESC LIMIT {RECENT}) AS of_{number}",
            2 * number + 1,
            2 * number + 2
        )
    });
    (parts.collect::<Vec<_>>().join("\nUNION ALL\n"), values)
}
