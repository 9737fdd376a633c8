//! Scripts and versions as rows: their columns, and what is read from them.

use crate::script::{Script, Settings, Version};
use crate::store::StoreError;
use crate::store::tx::{Row, Tx, args};

/// A script with its version in force.
pub(in crate::store) const SCRIPT: &str =
    "SELECT s.key, s.name, s.settings, s.latest, s.link, s.link_state, s.created_at AS made_at, s.updated_at,
    v.number, v.sha256, v.blob, v.main, v.size, v.table_json, v.facts, v.functions, v.code, v.code_build, v.packages, v.created_at
    FROM scripts s JOIN versions v ON v.script = s.key AND v.number = s.version";

/// A version.
pub(in crate::store) const VERSION: &str = "SELECT number, sha256, blob, main, size, table_json, facts, functions, code, code_build, packages, created_at FROM versions";

/// The version of a row of [`VERSION`] or [`SCRIPT`].
pub(in crate::store) fn version_of(row: &Row) -> Result<Version, StoreError> {
    Ok(Version {
        number: row.int("number")?,
        sha256: row.text("sha256")?,
        blob: row.text("blob")?,
        main: row.text("main")?,
        size: row.size("size")?,
        table: row.json("table_json")?,
        facts: row.json("facts")?,
        functions: row.json_or_none("functions")?,
        code: row.text_or_none("code")?.zip(row.text_or_none("code_build")?),
        packages: row.json_or_none("packages")?,
        created_at: row.time("created_at")?,
    })
}

/// The script of a row of [`SCRIPT`].
pub(in crate::store) fn script_of(row: &Row) -> Result<Script, StoreError> {
    Ok(Script {
        name: row.text("name")?,
        key: row.text("key")?,
        settings: row.json("settings")?,
        version: version_of(row)?,
        latest: row.int("latest")?,
        link: row.text_or_none("link")?,
        link_state: row.json_or_none("link_state")?.unwrap_or_default(),
        created_at: row.time("made_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// A script by its key.
pub(in crate::store) async fn script(tx: &mut Tx<'_>, key: &str) -> Result<Option<Script>, StoreError> {
    let row = tx.first(format!("{SCRIPT} WHERE s.key = $1"), args![key]).await?;
    row.as_ref().map(script_of).transpose()
}

/// What holds for the scripts that meet a condition on their settings (`s.settings`, `v.table_json`): key and settings.
pub(in crate::store) async fn in_force(
    tx: &mut Tx<'_>,
    condition: &str,
) -> Result<Vec<(String, Settings)>, StoreError> {
    let sql = format!(
        "SELECT s.key, s.settings, v.table_json FROM scripts s JOIN versions v ON v.script = s.key AND v.number = s.version
        WHERE {condition}"
    );
    let holds = |row: &Row| {
        let (set, said): (Settings, Settings) = (row.json("settings")?, row.json("table_json")?);
        Ok((row.text("key")?, set.or(&said)))
    };
    tx.all(sql, args![]).await?.iter().map(holds).collect()
}

/// Whether there is such a script.
pub(in crate::store) async fn is_there(tx: &mut Tx<'_>, key: &str) -> Result<bool, StoreError> {
    Ok(tx.first("SELECT 1 AS one FROM scripts WHERE key = $1", args![key]).await?.is_some())
}
