//! The alerts of a script's own block: made equal to what its version in force says.

use super::{ALERT, delete, readable, write};
use crate::alert::{Alert, Condition, NewAlert, Origin};
use crate::clock::Time;
use crate::script::{MAX_NAME, Name};
use crate::store::StoreError;
use crate::store::tx::{Tx, args};

/// Makes the alerts of a script's block these. One that watches the same as before keeps its id and its state.
pub(in crate::store) async fn make_equal(
    tx: &mut Tx<'_>,
    (name, script): (&str, &str),
    wanted: &[NewAlert],
    now: Time,
) -> Result<(), StoreError> {
    let sql = format!("{ALERT} WHERE script = $1 ORDER BY key{}", tx.dialect.for_update());
    let rows = tx.all(sql, args![script]).await?;
    if rows.is_empty() && wanted.is_empty() {
        return Ok(());
    }
    let mut known = readable(&rows);
    let mut added = Vec::new();
    for new in wanted {
        let same = |old: &Alert| old.asked.condition == new.condition;
        let Some(at) = known.iter().position(same) else {
            added.push(new);
            continue;
        };
        let old = known.remove(at);
        if old.asked != *new {
            write(tx, (&old.id, &old.key), new, (Origin::Metadata, Some(script)), Some(&old), None, now).await?;
        }
    }
    for old in known {
        delete(tx, &old.key).await?;
    }
    for new in added {
        let name = free_name(tx, name, &new.condition).await?;
        write(tx, (name.as_str(), name.key()), new, (Origin::Metadata, Some(script)), None, None, now).await?;
    }
    Ok(())
}

/// Deletes the alerts of the block of a script that is deleted, and what other alerts fire of it; but for those that watch whether
/// it still succeeds: these are to tell that it is gone.
pub(in crate::store) async fn release(tx: &mut Tx<'_>, script: &str) -> Result<(), StoreError> {
    let sql = "SELECT key FROM alerts WHERE script = $1 AND condition NOT LIKE 'stale %' ORDER BY key";
    for row in tx.all(sql, args![script]).await? {
        delete(tx, &row.text("key")?).await?;
    }
    let sql = "DELETE FROM alert_states WHERE subject = $1 AND alert IN (SELECT key FROM alerts
        WHERE about NOT LIKE 'schedule:%' AND (condition NOT LIKE 'stale %' OR about NOT LIKE 'script:%'))";
    tx.run(sql, args![script]).await.map(|_| ())
}

/// A name for a new alert that no other has: `price.late-5m`.
async fn free_name(tx: &mut Tx<'_>, script: &str, condition: &Condition) -> Result<Name, StoreError> {
    let wanted = name_for(script, condition);
    for number in 1_u32.. {
        let name = if number == 1 { wanted.clone() } else { numbered(&wanted, number) };
        let name = Name::parse(&name).map_err(|error| StoreError::Corrupt(format!("the id of an alert: {error}")))?;
        if tx.first("SELECT 1 AS one FROM alerts WHERE key = $1", args![name.key()]).await?.is_none() {
            return Ok(name);
        }
    }
    Err(StoreError::Corrupt("there is no free id for an alert".into()))
}

/// The script's name and the words of the condition.
fn name_for(script: &str, condition: &Condition) -> String {
    let text = condition
        .to_string()
        .replace("!=", " not ")
        .replace('>', " above ")
        .replace('<', " below ")
        .replace('=', " is ");
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { ' ' };
    let text: String = text.chars().map(plain).collect();
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    format!("{script}.{}", words.join("-")).chars().take(MAX_NAME).collect()
}

fn numbered(name: &str, number: u32) -> String {
    let end = format!("-{number}");
    let beginning: String = name.chars().take(MAX_NAME - end.len()).collect();
    format!("{beginning}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_watched() {
        let of = |text: &str| name_for("price", &text.parse().expect(text));
        assert_eq!(of("failed"), "price.failed");
        assert_eq!(of("late 5m"), "price.late-5m");
        assert_eq!(of("/price > 100"), "price.price-above-100");
        assert_eq!(of("/a/b != \"x y\""), "price.a-b-not-x-y");
        assert_eq!(of("/price changed 5%"), "price.price-changed-5");
        let long = name_for(&"x".repeat(95), &"/price changed 5%".parse().expect("a condition"));
        assert!(Name::parse(&long).is_ok() && Name::parse(&numbered(&long, 12)).is_ok(), "{long}");
    }
}
