//! Charts that are kept.

use super::columns::Columns;
use super::tx::{Row, Tx, args, json, stamp};
use super::{Store, StoreError, audit};
use crate::chart::Chart;
use crate::clock::Time;
use crate::precondition::Precondition;

const CHART: &str =
    "SELECT id, key, title, labels, lines, since, bucket, revision, created_at, updated_at, created_by FROM charts";

fn chart_of(row: &Row) -> Result<Chart, StoreError> {
    Ok(Chart {
        id: row.text("id")?,
        key: row.text("key")?,
        title: row.text("title")?,
        labels: row.json("labels")?,
        lines: row.json("lines")?,
        since: row.text("since")?,
        bucket: row.text_or_none("bucket")?,
        revision: row.int("revision")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        created_by: row.text_or_none("created_by")?,
    })
}

async fn chart(tx: &mut Tx<'_>, key: &str) -> Result<Option<Chart>, StoreError> {
    let row = tx.first(format!("{CHART} WHERE key = $1{}", tx.dialect.for_update()), args![key]).await?;
    row.as_ref().map(chart_of).transpose()
}

/// What became of a chart that was to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptChart {
    /// It is kept; whether there was none.
    Kept(Box<Chart>, bool),
    /// What is there is not what was asked for: its tag.
    Other(Option<String>),
}

impl Store {
    /// Keeps a chart, if what is there is `asked` for. Its revision, its times and its maker are decided here.
    pub async fn keep_chart(&self, new: Chart, asked: &Precondition, now: Time) -> Result<KeptChart, StoreError> {
        let all = std::sync::Arc::new((new, asked.clone()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (new, asked) = &*all;
                let old = chart(tx, &new.key).await?;
                let tag = old.as_ref().map(Chart::tag);
                if !asked.holds(tag.as_deref()) {
                    return Ok(KeptChart::Other(tag));
                }
                let columns = Columns::default()
                    .set("id", &*new.id)
                    .set("title", &*new.title)
                    .set("labels", json(&new.labels)?)
                    .set("lines", json(&new.lines)?)
                    .set("since", &*new.since)
                    .set("bucket", new.bucket.clone())
                    .set("updated_at", stamp(now));
                let (sql, values) = match &old {
                    Some(_) => columns.set_sql("revision", "revision + 1").update("charts", "key", &*new.key),
                    None => columns
                        .set("key", &*new.key)
                        .set_sql("revision", "1")
                        .set("created_at", stamp(now))
                        .set("created_by", new.created_by.clone())
                        .insert_into("charts"),
                };
                tx.run(sql, values).await?;
                audit::note(tx, format!("charts/{}", new.id), None).await?;
                let kept = chart(tx, &new.key).await?;
                let kept = kept.ok_or_else(|| StoreError::Corrupt("a chart that was kept is not there".into()))?;
                Ok(KeptChart::Kept(Box::new(kept), old.is_none()))
            })
        })
        .await
    }

    /// The chart of a key.
    pub async fn chart(&self, key: &str) -> Result<Option<Chart>, StoreError> {
        let key = key.to_owned();
        self.read(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let row = tx.first(format!("{CHART} WHERE key = $1"), args![key]).await?;
                row.as_ref().map(chart_of).transpose()
            })
        })
        .await
    }

    /// At most `limit` charts by key, those after `after`.
    pub async fn charts(&self, after: &str, limit: usize) -> Result<Vec<Chart>, StoreError> {
        let after = after.to_owned();
        self.read(move |tx| {
            let after = after.clone();
            Box::pin(async move {
                let sql = format!("{CHART} WHERE key > $1 ORDER BY key LIMIT {limit}");
                tx.all(sql, args![after]).await?.iter().map(chart_of).collect()
            })
        })
        .await
    }

    /// Deletes a chart, if what is there is `asked` for; else its tag.
    pub async fn delete_chart(
        &self,
        key: &str,
        asked: &Precondition,
    ) -> Result<Result<(), Option<String>>, StoreError> {
        let all = std::sync::Arc::new((key.to_owned(), asked.clone()));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (key, asked) = &*all;
                let tag = chart(tx, key).await?.as_ref().map(Chart::tag);
                if !asked.holds(tag.as_deref()) {
                    return Ok(Err(tag));
                }
                tx.run("DELETE FROM charts WHERE key = $1", args![&**key]).await?;
                audit::note(tx, format!("charts/{key}"), None).await?;
                Ok(Ok(()))
            })
        })
        .await
    }
}
