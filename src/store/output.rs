//! What runs write: in parts while they run, joined at their end.

use super::tx::args;
use super::{Store, StoreError};
use crate::run::{Status, Written};
use cronbox_runtime::Stream;

/// The word for a stream.
pub fn word(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

/// A piece of what a script wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where to.
    pub stream: Stream,
    /// How many bytes came before it.
    pub start: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What there is of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// All of it, or what there is so far.
    Bytes(Vec<u8>),
    /// All of it, in this blob.
    Blob(String),
}

/// A stream of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Its bytes.
    pub found: Found,
    /// How many there are, and how many were not kept.
    pub written: Written,
    /// How the run stands.
    pub status: Status,
}

impl Store {
    /// Keeps parts of what a running script wrote. Nothing is kept when the attempt is no longer the holder's of `token`.
    pub async fn keep_output(&self, id: &str, token: &str, parts: Vec<Part>) -> Result<(), StoreError> {
        let all = std::sync::Arc::new((id.to_owned(), token.to_owned(), parts));
        self.write(move |tx| {
            let all = all.clone();
            Box::pin(async move {
                let (id, token, parts) = &*all;
                if tx
                    .first("SELECT 1 AS one FROM queue WHERE run = $1 AND token = $2", args![&**id, &**token])
                    .await?
                    .is_none()
                {
                    return Ok(());
                }
                for part in parts {
                    let sql = "INSERT INTO output (run, stream, start, bytes) VALUES ($1, $2, $3, $4)
                        ON CONFLICT (run, stream, start) DO UPDATE SET bytes = excluded.bytes";
                    let start = i64::try_from(part.start).unwrap_or(i64::MAX);
                    tx.run(sql, args![&**id, word(part.stream), start, part.bytes.clone()]).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Takes back what was kept of an attempt's output: it starts again.
    pub async fn drop_output(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |tx| {
            let id = id.clone();
            Box::pin(async move { tx.run("DELETE FROM output WHERE run = $1", args![id]).await.map(|_| ()) })
        })
        .await
    }

    /// A stream of a run; none when there is no such run.
    pub async fn output(&self, id: &str, stream: Stream) -> Result<Option<Streamed>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let name = word(stream);
                let sql = format!(
                    "SELECT status, {name} AS inline_bytes, {name}_blob AS blob, {name}_bytes AS kept, {name}_dropped AS dropped
                    FROM runs WHERE id = $1"
                );
                let Some(row) = tx.first(sql, args![&*id]).await? else { return Ok(None) };
                let status = row.word("status", Status::parse)?;
                if status == Status::Running {
                    let sql = "SELECT bytes FROM output WHERE run = $1 AND stream = $2 ORDER BY start";
                    let mut bytes = Vec::new();
                    for row in tx.all(sql, args![id, name]).await? {
                        bytes.extend(row.bytes("bytes")?);
                    }
                    let written = Written { bytes: bytes.len() as u64, dropped: 0 };
                    return Ok(Some(Streamed { found: Found::Bytes(bytes), written, status }));
                }
                let written = Written { bytes: row.size("kept")?, dropped: row.size("dropped")? };
                let found = match row.text_or_none("blob")? {
                    Some(key) => Found::Blob(key),
                    None => Found::Bytes(row.bytes_or_none("inline_bytes")?.unwrap_or_default()),
                };
                Ok(Some(Streamed { found, written, status }))
            })
        })
        .await
    }
}
