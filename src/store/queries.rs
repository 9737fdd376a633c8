//! Runs by the page.

use super::rows::run::{RUN, run_of};
use super::tx::{Args, Dialect, Row, args, list, stamp};
use super::{Store, StoreError};
use crate::clock::Time;
use crate::exact::{self, Exact};
use crate::run::{Cause, Run, Status};
use std::sync::Arc;
use std::time::Duration;

pub use crate::exact::check_pointer;

/// Most rows looked at for one page by filters that no index helps with.
pub const MOST_LOOKED_AT: usize = 50_000;
/// Rows fetched at once when looking for them.
const STRIDE: usize = 1_000;
/// The same where each row comes with its result: these have up to 16 KiB each.
const STRIDE_OF_RESULTS: usize = 200;

/// How a value in a result is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// `/price>100`: a JSON Pointer into the result, and what the value there must be.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultTest {
    /// RFC 6901.
    pub pointer: String,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub value: Exact,
}

impl ResultTest {
    /// Reads `/price>100`. The value is JSON; what is not, is text. Blanks around the comparison belong to neither side.
    pub fn parse(text: &str) -> Result<Self, String> {
        let signs = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            ("!=", Comparison::Unequal),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
            ("=", Comparison::Equal),
        ];
        let at = text.find(['>', '<', '=', '!']).ok_or("write a JSON Pointer, a comparison and a value: /price>100")?;
        let (pointer, rest) = text.split_at(at);
        let pointer = pointer.trim();
        for (wrong, right) in [("=>", ">="), ("=<", "<="), ("<>", "!="), ("==", "="), ("!==", "!=")] {
            if rest.starts_with(wrong) {
                return Err(format!("{wrong} is not a comparison: write {right}"));
            }
        }
        let found = signs.into_iter().find_map(|(sign, comparison)| Some((rest.strip_prefix(sign)?, comparison)));
        let (value, comparison) = found.ok_or("the comparison is none of = != < <= > >=")?;
        check_pointer(pointer)?;
        let value = value.trim();
        let value = Exact::parse(value).unwrap_or_else(|_| Exact::from(serde_json::Value::from(value)));
        Ok(ResultTest { pointer: pointer.into(), comparison, value })
    }

    /// Whether a result, as JSON, passes. Numbers are compared by their decimal digits, however long they are.
    pub fn passes(&self, result: &str) -> bool {
        let Some(found) = exact::pointer(result, &self.pointer) else { return false };
        let order = exact::order(found, self.value.get());
        match self.comparison {
            Comparison::Equal => exact::same(found, self.value.get()),
            Comparison::Unequal => !exact::same(found, self.value.get()),
            Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Comparison::AtMost => order.is_some_and(std::cmp::Ordering::is_le),
            Comparison::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
            Comparison::AtLeast => order.is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

/// Which runs are asked for.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Whose id begins so.
    pub prefix: Option<String>,
    /// Of these scripts, by key; none: of all, and source sent along too.
    pub scripts: Option<Vec<String>>,
    /// With these scripts: source that was sent along under such names too.
    pub sent: Option<Sent>,
    /// Only runs of the scripts as they are there now, and not of deleted ones of the same names, but for these keys; none: of
    /// all.
    pub current_but: Option<Vec<String>>,
    /// Of this schedule.
    pub schedule: Option<String>,
    /// In one of these statuses; empty: in any.
    pub statuses: Vec<Status>,
    /// Made for this cause.
    pub cause: Option<Cause>,
    /// With this label, `key=value`.
    pub label: Option<String>,
    /// Made then or later.
    pub since: Option<Time>,
    /// Made before.
    pub until: Option<Time>,
    /// That took at least so long.
    pub min_duration: Option<Duration>,
    /// Whose error holds this text, whatever its case.
    pub error_contains: Option<String>,
    /// Whose result passes.
    pub result: Option<ResultTest>,
    /// Made before this one: where the last page ended.
    pub before: Option<String>,
}

/// Source that was sent along with runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Under these names, in lower case.
    pub names: Vec<String>,
    /// By this token; none: by anybody.
    pub by: Option<String>,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first.
    pub runs: Vec<Run>,
    /// Where the next page begins; none when there is no more.
    pub next: Option<String>,
}

impl RunFilter {
    fn needs_a_look(&self) -> bool {
        self.min_duration.is_some() || self.error_contains.is_some() || self.result.is_some()
    }

    /// The same in parts that one index each helps with: runs of scripts, and those of source that was sent along.
    pub(super) fn parts(self) -> Vec<RunFilter> {
        match (&self.scripts, &self.sent) {
            (Some(_), Some(sent)) if !sent.names.is_empty() => {
                let of_sent = RunFilter { scripts: None, current_but: None, ..self.clone() };
                vec![RunFilter { sent: None, ..self }, of_sent]
            }
            _ => vec![RunFilter { sent: None, ..self }],
        }
    }

    /// Conditions that an index helps with, as SQL with values.
    pub(super) fn conditions(&self, dialect: Dialect) -> (String, Args) {
        let mut sql = String::from(" WHERE 1 = 1");
        let mut values = args![];
        let mut count = 0;
        let mut add = |condition: &str, value: Bound| {
            count += 1;
            sql.push_str(&format!(" AND {}", condition.replace('?', &format!("${count}"))));
            match value {
                Bound::Text(text) => values.push(text),
                Bound::Number(number) => values.push(number),
            }
        };
        if let Some(prefix) = &self.prefix {
            add("id >= ?", Bound::Text(prefix.clone()));
            // No letter of an id comes after f.
            add("id < ?", Bound::Text(format!("{prefix}g")));
        }
        if let Some(schedule) = &self.schedule {
            add("schedule = ?", Bound::Text(schedule.clone()));
        }
        if let Some(cause) = self.cause {
            add("cause = ?", Bound::Text(cause.as_str().into()));
        }
        if let Some(label) = &self.label {
            add("id IN (SELECT run FROM run_labels WHERE label = ?)", Bound::Text(label.clone()));
        }
        if let Some(since) = self.since {
            add("created_at >= ?", Bound::Number(stamp(since)));
            add("id >= ?", Bound::Text(crate::run::first_id_of(since)));
        }
        if let Some(until) = self.until {
            add("created_at < ?", Bound::Number(stamp(until)));
            add("id < ?", Bound::Text(crate::run::first_id_of(until + chrono::TimeDelta::milliseconds(1))));
        }
        if let Some(before) = &self.before {
            add("id < ?", Bound::Text(before.clone()));
        }
        if let Some(token) = self.sent.as_ref().and_then(|sent| sent.by.clone()) {
            add("created_by = ?", Bound::Text(token));
        }
        let mut any = |column: &str, words: Vec<String>| {
            let (these, more) = list(dialect, count + 1, &words, &mut values);
            sql.push_str(&format!(" AND {column} IN {these}"));
            count += more;
        };
        if let Some(scripts) = &self.scripts {
            any("script", scripts.clone());
        }
        if let Some(sent) = &self.sent {
            any("name_key", sent.names.clone());
        }
        if !self.statuses.is_empty() {
            any("status", self.statuses.iter().map(|status| status.as_str().to_owned()).collect());
        }
        if let Some(keys) = &self.current_but {
            let (these, _) = list(dialect, count + 1, keys, &mut values);
            sql.push_str(&format!(
                " AND (script IN {these} OR created_at >= (SELECT s.created_at FROM scripts s WHERE s.key = script))"
            ));
        }
        (sql, values)
    }

    /// Which of these rows pass. Results are looked into on a thread where that keeps nothing else waiting: on SQLite this is
    /// one.
    async fn passing(self: &Arc<Self>, dialect: Dialect, rows: Vec<Row>) -> Result<Vec<(String, bool)>, StoreError> {
        let filter = self.clone();
        let look = move || -> Result<Vec<(String, bool)>, StoreError> {
            rows.iter().map(|row| Ok((row.text("id")?, filter.passes(row)?))).collect()
        };
        if self.result.is_none() || dialect == Dialect::Sqlite {
            return look();
        }
        match tokio::task::spawn_blocking(look).await {
            Ok(looked) => looked,
            Err(error) => Err(StoreError::Unavailable(format!("results cannot be looked into: {error}"))),
        }
    }

    fn passes(&self, row: &Row) -> Result<bool, StoreError> {
        if let Some(least) = self.min_duration
            && row.int_or_none("wall")?.is_none_or(|wall| Duration::from_micros(wall.unsigned_abs()) < least)
        {
            return Ok(false);
        }
        if let Some(wanted) = &self.error_contains
            && row.text_or_none("error_text")?.is_none_or(|text| !text.contains(&wanted.to_lowercase()))
        {
            return Ok(false);
        }
        let Some(test) = &self.result else { return Ok(true) };
        if row.text_or_none("result_blob")?.is_some() {
            return Ok(true);
        }
        Ok(row.text_or_none("result")?.is_some_and(|result| test.passes(&result)))
    }
}

/// A value of a condition.
enum Bound {
    Text(String),
    Number(i64),
}

impl Store {
    /// A page of at most `limit` runs, newest first. With a filter that no index helps with, a page may hold fewer and
    /// still not be the last. Runs whose results are blobs are all in it: whoever can read blobs tests those.
    pub async fn runs(&self, filter: RunFilter, limit: usize) -> Result<Page, StoreError> {
        let (mut runs, mut looked_to, mut more): (Vec<Run>, String, bool) = (Vec::new(), String::new(), false);
        let parts = filter.parts();
        let is_one = parts.len() == 1;
        for part in parts {
            let page = self.runs_of_part(part, limit).await?;
            if is_one {
                return Ok(page);
            }
            runs.extend(page.runs);
            more |= page.next.is_some();
            // What is older may be missing from this part.
            looked_to = looked_to.max(page.next.unwrap_or_default());
        }
        runs.retain(|run| run.id >= looked_to);
        runs.sort_by(|one, other| other.id.cmp(&one.id));
        let is_cut = runs.len() > limit;
        runs.truncate(limit);
        let next = if is_cut { runs.last().map(|run| run.id.clone()) } else { more.then_some(looked_to) };
        Ok(Page { runs, next })
    }

    async fn runs_of_part(&self, filter: RunFilter, limit: usize) -> Result<Page, StoreError> {
        let filter = Arc::new(filter);
        self.read(move |tx| {
            let filter = filter.clone();
            Box::pin(async move {
                if !filter.needs_a_look() {
                    let (conditions, values) = filter.conditions(tx.dialect);
                    let sql = format!("{RUN}{conditions} ORDER BY id DESC LIMIT {}", limit + 1);
                    let rows = tx.all(sql, values).await?;
                    let runs: Vec<Run> = rows.iter().take(limit).map(run_of).collect::<Result<_, _>>()?;
                    let next = if rows.len() > limit { runs.last().map(|run| run.id.clone()) } else { None };
                    return Ok(Page { runs, next });
                }
                let mut narrowed = (*filter).clone();
                let (mut ids, mut looked_at) = (Vec::new(), 0);
                let (columns, stride) = match filter.result {
                    Some(_) => ("id, wall, error_text, result, result_blob", STRIDE_OF_RESULTS),
                    None => ("id, wall, error_text", STRIDE),
                };
                let next = loop {
                    let (conditions, values) = narrowed.conditions(tx.dialect);
                    let sql = format!("SELECT {columns} FROM runs{conditions} ORDER BY id DESC LIMIT {stride}");
                    let rows = tx.all(sql, values).await?;
                    let found = rows.len();
                    looked_at += found;
                    for (id, passes) in filter.passing(tx.dialect, rows).await? {
                        narrowed.before = Some(id.clone());
                        if passes {
                            ids.push(id);
                            if ids.len() > limit {
                                break;
                            }
                        }
                    }
                    if ids.len() > limit {
                        ids.truncate(limit);
                        break ids.last().cloned();
                    }
                    if found < stride {
                        break None;
                    }
                    if looked_at >= MOST_LOOKED_AT {
                        break narrowed.before.clone();
                    }
                };
                let mut runs = Vec::new();
                if !ids.is_empty() {
                    let mut values = args![];
                    let (these, _) = list(tx.dialect, 1, &ids, &mut values);
                    let sql = format!("{RUN} WHERE id IN {these} ORDER BY id DESC");
                    runs = tx.all(sql, values).await?.iter().map(run_of).collect::<Result<_, _>>()?;
                }
                Ok(Page { runs, next })
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tests_of_results_are_read_and_applied() {
        let result = json!({"price": 104.5, "name": "INIT", "items": [{"n": 1}], "flag": true, "a/b": 1}).to_string();
        for (text, passes) in [
            ("/price>100", true),
            ("/price>=104.5", true),
            ("/price<100", false),
            ("/price=104.5", true),
            ("/price!=104.5", false),
            ("/name=INIT", true),
            ("/name>A", true),
            ("/name>1", false),
            ("/items/0/n<=1", true),
            ("/flag=true", true),
            ("/nothing=1", false),
            ("/a~1b=1", true),
            ("/price > 100", true),
            (" /price <= 100 ", false),
            ("/name = INIT ", true),
            ("/name=\" INIT\"", false),
        ] {
            assert_eq!(ResultTest::parse(text).expect(text).passes(&result), passes, "{text}");
        }
        assert!(ResultTest::parse("=5").expect("the whole").passes("5"));
        // Neighbours that are one number as floats.
        let large = r#"{"wei": 9007199254740993, "all": [1, 1e400]}"#;
        for (text, passes) in [
            ("/wei=9007199254740993", true),
            ("/wei=9007199254740992", false),
            ("/wei>9007199254740992", true),
            ("/wei!=9007199254740992", true),
            ("/wei<1e16", true),
            ("/all/1>1e399", true),
            ("/all=[1.0,1e400]", true),
        ] {
            assert_eq!(ResultTest::parse(text).expect(text).passes(large), passes, "{text}");
        }
        for bad in ["", "price>1", "/price", "/a~2>1", "/x!1"] {
            assert!(ResultTest::parse(bad).is_err(), "{bad}");
        }
        for (wrong, right) in [("=>", ">="), ("=<", "<="), ("==", "="), ("!==", "!="), ("<>", "!=")] {
            let why = ResultTest::parse(&format!("/price {wrong} 10")).expect_err("refuses");
            assert_eq!(why, format!("{wrong} is not a comparison: write {right}"));
        }
    }
}
