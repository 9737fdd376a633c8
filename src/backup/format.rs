//! What a backup consists of, as bytes.

use super::BackupError;
use crate::blobs::Blobs;
use crate::store::{Column, Kind, Page, Value};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// The format that this program writes, and the last that it reads.
const FORMAT: u32 = 1;
/// Bytes from which on a part is complete: compressed, and as they were.
const PART: usize = 8 << 20;
const PART_RAW: u64 = 32 << 20;
/// Most bytes that a part becomes when it is read.
const MOST_RAW: u64 = 1 << 30;
/// How well parts are compressed: what takes little time.
const LEVEL: u32 = 3;
/// Rows that are given on at once.
const TOGETHER: usize = 200;

/// What a backup consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the backup.
    pub format: u32,
    /// Its name at the place.
    pub id: String,
    /// The version of the program that made it.
    pub program: String,
    /// The last step of the database's schema.
    pub schema: i64,
    /// What the database was: `sqlite` or `postgres`.
    pub engine: String,
    /// When it was begun, in RFC 3339.
    pub started_at: String,
    /// When it was complete.
    pub finished_at: String,
    /// How many rows each table has.
    pub tables: BTreeMap<String, u64>,
    /// How many blobs it needs.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Blobs that the server referred to and did not have.
    pub missing: Vec<String>,
    /// The ids of the keys that secrets and channels are sealed with. The keys themselves are not in a backup.
    pub keys: Vec<String>,
    /// The parts with rows.
    pub rows: Vec<Part>,
    /// The part with the keys of the blobs.
    pub index: Part,
}

/// A part of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name in the folder of the backup.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: String,
}

/// The manifest as it is written: its text and the SHA-256 of that.
#[derive(Serialize, Deserialize)]
struct Sealed<'m> {
    sha256: String,
    #[serde(borrow)]
    manifest: &'m RawValue,
}

impl Manifest {
    /// The manifest of a backup that is about to be made.
    pub(super) fn new(id: &str, started_at: String) -> Self {
        Manifest {
            format: FORMAT,
            id: id.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            schema: 0,
            engine: String::new(),
            started_at,
            finished_at: String::new(),
            tables: BTreeMap::new(),
            blobs: 0,
            blob_bytes: 0,
            missing: Vec::new(),
            keys: Vec::new(),
            rows: Vec::new(),
            index: Part { name: String::new(), bytes: 0, sha256: String::new() },
        }
    }

    /// The bytes of all that it consists of.
    pub fn bytes(&self) -> u64 {
        self.rows.iter().map(|part| part.bytes).sum::<u64>() + self.index.bytes + self.blob_bytes
    }

    pub(super) fn write(&self) -> Result<Bytes, BackupError> {
        let mistake = |error: serde_json::Error| BackupError::Mistake(error.to_string());
        let text = serde_json::to_string(self).map_err(mistake)?;
        let sha256 = hash(text.as_bytes());
        let manifest = RawValue::from_string(text).map_err(mistake)?;
        let written = serde_json::to_vec(&Sealed { sha256, manifest: &manifest }).map_err(mistake)?;
        Ok(written.into())
    }

    /// Reads a manifest, which must be as it was written. The error says why it is not.
    pub(super) fn read(content: &[u8]) -> Result<Self, BackupError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let damaged = |why: &dyn std::fmt::Display| BackupError::Damaged(format!("its manifest: {why}"));
        let sealed: Sealed<'_> = serde_json::from_slice(content).map_err(|error| damaged(&error))?;
        let text = sealed.manifest.get();
        if hash(text.as_bytes()) != sealed.sha256 {
            return Err(damaged(&"its SHA-256 is another"));
        }
        let Format { format } = serde_json::from_str(text).map_err(|error| damaged(&error))?;
        if format > FORMAT {
            return Err(BackupError::NewerFormat(format));
        }
        let manifest: Manifest = serde_json::from_str(text).map_err(|error| damaged(&error))?;
        let is_name = |name: &str| {
            !name.starts_with('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        let names: Vec<&String> = manifest.rows.iter().chain([&manifest.index]).map(|part| &part.name).collect();
        if let Some(name) = names.into_iter().find(|name| !is_name(name)) {
            return Err(damaged(&format!("{name:?} is no name of a part")));
        }
        Ok(manifest)
    }
}

impl Part {
    /// A part with this content.
    pub(super) fn of(name: String, content: &[u8]) -> Self {
        Part { name, bytes: content.len() as u64, sha256: hash(content) }
    }

    /// Whether this is its content.
    pub(super) fn is(&self, content: &[u8]) -> bool {
        self.bytes == content.len() as u64 && self.sha256 == hash(content)
    }
}

fn hash(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// A table, at the head of its rows.
#[derive(Serialize, Deserialize)]
struct Head {
    table: String,
    /// Names and kinds.
    columns: Vec<(String, String)>,
}

/// Writes rows as lines: one with the table, then one for each row, with its values in the order of the columns. Bytes are in
/// base64.
pub(super) struct RowWriter {
    compressed: GzEncoder<Vec<u8>>,
    raw: u64,
    table: Option<String>,
}

impl RowWriter {
    pub(super) fn new() -> Self {
        RowWriter { compressed: GzEncoder::new(Vec::new(), Compression::new(LEVEL)), raw: 0, table: None }
    }

    pub(super) fn page(&mut self, page: &Page) -> Result<(), BackupError> {
        let mistake = |error: serde_json::Error| BackupError::Mistake(error.to_string());
        if self.table.as_ref() != Some(&page.table.name) {
            let columns = page.table.columns.iter();
            let columns = columns.map(|column| (column.name.clone(), column.kind.as_str().to_owned())).collect();
            let head = Head { table: page.table.name.clone(), columns };
            self.line(&serde_json::to_vec(&head).map_err(mistake)?)?;
            self.table = Some(head.table);
        }
        for row in &page.rows {
            let values: Vec<serde_json::Value> = row.iter().map(json).collect();
            self.line(&serde_json::to_vec(&values).map_err(mistake)?)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), BackupError> {
        let mistake = |error: std::io::Error| BackupError::Mistake(error.to_string());
        self.compressed.write_all(line).map_err(mistake)?;
        self.compressed.write_all(b"\n").map_err(mistake)?;
        self.raw += line.len() as u64 + 1;
        Ok(())
    }

    /// Whether there is enough for a part.
    pub(super) fn is_large(&self) -> bool {
        self.compressed.get_ref().len() >= PART || self.raw >= PART_RAW
    }

    pub(super) fn is_empty(&self) -> bool {
        self.raw == 0
    }

    pub(super) fn finish(self) -> Result<Bytes, BackupError> {
        let finished = self.compressed.finish();
        finished.map(Bytes::from).map_err(|error| BackupError::Mistake(error.to_string()))
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null(_) => serde_json::Value::Null,
        Value::Int(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Bytes(bytes) => BASE64_STANDARD.encode(bytes).into(),
    }
}

fn value(json: serde_json::Value, kind: Kind) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match (kind, json) {
        (kind, Json::Null) => Value::Null(kind),
        (Kind::Int, Json::Number(number)) => Value::Int(number.as_i64()?),
        (Kind::Text, Json::String(text)) => Value::Text(text),
        (Kind::Bytes, Json::String(text)) => Value::Bytes(BASE64_STANDARD.decode(text).ok()?),
        _ => return None,
    })
}

/// Rows of one table that were read.
pub(super) struct Rows {
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// Reads a part with rows. The error says what is wrong with it.
pub(super) fn read_rows(content: &[u8]) -> Result<Vec<Rows>, String> {
    let text = unpack(content)?;
    let mut found: Vec<Rows> = Vec::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if line.starts_with(b"{") {
            let head: Head = serde_json::from_slice(line).map_err(|error| error.to_string())?;
            let column = |(name, kind): (String, String)| match Kind::parse(&kind) {
                Some(kind) => Ok(Column { name, kind }),
                None => Err(format!("there is no kind {kind:?}")),
            };
            let columns = head.columns.into_iter().map(column).collect::<Result<_, _>>()?;
            found.push(Rows { table: head.table, columns, rows: Vec::new() });
            continue;
        }
        let values: Vec<serde_json::Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let last = found.last_mut().ok_or("a row without a table")?;
        if values.len() != last.columns.len() {
            return Err(format!("a row of {} that has another number of values", last.table));
        }
        let row = values.into_iter().zip(&last.columns).map(|(json, column)| value(json, column.kind));
        let row = row.collect::<Option<_>>().ok_or_else(|| format!("a row of {} of other kinds", last.table))?;
        if last.rows.len() < TOGETHER {
            last.rows.push(row);
        } else {
            let next = Rows { table: last.table.clone(), columns: last.columns.clone(), rows: vec![row] };
            found.push(next);
        }
    }
    Ok(found)
}

/// The part with keys and sizes of blobs.
pub(super) fn write_index(blobs: &BTreeMap<String, u64>) -> Result<Bytes, BackupError> {
    let mistake = |error: std::io::Error| BackupError::Mistake(error.to_string());
    let mut compressed = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    for (key, bytes) in blobs {
        writeln!(compressed, "{bytes} {key}").map_err(mistake)?;
    }
    compressed.finish().map(Bytes::from).map_err(mistake)
}

/// Reads the part with keys and sizes of blobs. The error says what is wrong with it.
pub(super) fn read_index(content: &[u8]) -> Result<BTreeMap<String, u64>, String> {
    let text = String::from_utf8(unpack(content)?).map_err(|error| error.to_string())?;
    let entry = |line: &str| {
        let (bytes, key) = line.split_once(' ')?;
        Blobs::sha256_of_key(key)?;
        Some((key.to_owned(), bytes.parse().ok()?))
    };
    text.lines().map(|line| entry(line).ok_or_else(|| format!("{line:?} is no blob"))).collect()
}

fn unpack(content: &[u8]) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let read = GzDecoder::new(content).take(MOST_RAW + 1).read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > MOST_RAW { Err("it is too large".into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_what_was_written_or_refused() {
        let mut manifest = Manifest::new("20260101T000000Z-00000000", "2026-01-01T00:00:00Z".into());
        manifest.index = Part::of("blobs.gz".into(), b"x");
        manifest.keys.push("0a".into());
        let written = manifest.write().expect("writes");
        assert_eq!(Manifest::read(&written).expect("reads"), manifest);
        for at in 0..written.len() {
            let mut flipped = written.to_vec();
            flipped[at] ^= 1;
            assert!(Manifest::read(&flipped).is_err(), "byte {at}");
        }
        for end in 0..written.len() {
            assert!(matches!(Manifest::read(&written[..end]), Err(BackupError::Damaged(_))));
        }
        manifest.format = FORMAT + 1;
        let newer = Manifest::read(&manifest.write().expect("writes"));
        assert!(matches!(newer, Err(BackupError::NewerFormat(format)) if format == FORMAT + 1));
        manifest.format = FORMAT;
        manifest.index.name = "../x".into();
        assert!(matches!(Manifest::read(&manifest.write().expect("writes")), Err(BackupError::Damaged(_))));
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let (key, _) = Blobs::name(crate::blobs::Kind::File, b"x");
        let blobs = BTreeMap::from([(key, 7)]);
        let written = write_index(&blobs).expect("writes");
        assert_eq!(read_index(&written), Ok(blobs));
        let bad = write_index(&BTreeMap::from([("../x".to_owned(), 7)])).expect("writes");
        assert!(read_index(&bad).is_err());
    }

    #[test]
    fn rows_are_read_as_they_were_written() {
        let columns = [("a", Kind::Int), ("b", Kind::Text), ("c", Kind::Bytes)];
        let columns: Vec<Column> = columns.map(|(name, kind)| Column { name: name.into(), kind }).into();
        let rows: Vec<Vec<Value>> = (0..450)
            .map(|n| match n % 2 {
                0 => {
                    vec![Value::Int(i64::MAX - n), Value::Text(format!("ü\n{n}\u{1f600}")), Value::Bytes(vec![0, 255])]
                }
                _ => vec![Value::Null(Kind::Int), Value::Null(Kind::Text), Value::Null(Kind::Bytes)],
            })
            .collect();
        let mut text = serde_json::to_string(&Head {
            table: "t".into(),
            columns: columns.iter().map(|column| (column.name.clone(), column.kind.as_str().into())).collect(),
        })
        .expect("JSON");
        for row in &rows {
            let values: Vec<_> = row.iter().map(json).collect();
            text.push_str(&format!("\n{}", serde_json::to_string(&values).expect("JSON")));
        }
        let pack = |text: &str| {
            let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
            compressed.write_all(text.as_bytes()).expect("packs");
            compressed.finish().expect("packs")
        };
        let read = read_rows(&pack(&text)).expect("reads");
        assert_eq!(read.iter().map(|some| some.rows.len()).collect::<Vec<_>>(), [200, 200, 50]);
        assert!(read.iter().all(|some| some.table == "t" && some.columns == columns));
        assert_eq!(read.into_iter().flat_map(|some| some.rows).collect::<Vec<_>>(), rows);
        for bad in [
            "[1]",
            "{\"table\":\"t\",\"columns\":[[\"a\",\"int\"]]}\n[\"x\"]",
            "{\"table\":\"t\",\"columns\":[]}\n[1]",
            "x",
        ] {
            assert!(read_rows(&pack(bad)).is_err(), "{bad}");
        }
        assert!(read_rows(b"not compressed").is_err());
    }
}
