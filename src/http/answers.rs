//! Large answers: built row by row, bounded in bytes each and all together, and the large values that go into them.
//!
//! A list, a series or a table as CSV ends where it has [`MOST`] bytes, with a cursor that goes on. What all such answers
//! hold together is bounded too: an answer that finds no more room ends early, and one that has nothing yet waits for a
//! while. The room is held until the answer was sent, so a client that does not read cannot gather memory here.

use super::problem::Problem;
use crate::api::RunBody;
use crate::blobs::Blobs;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most bytes of one answer that has more than one row.
pub(super) const MOST: usize = 32 << 20;
/// Bytes of an answer that are not counted: small answers wait for nothing.
const FREE: usize = 256 << 10;
/// Most bytes of all answers beyond that, until they were sent.
const TOGETHER: usize = 64 << 20;
/// Most bytes of stored values that are being looked into at once.
const READ: usize = 32 << 20;
/// What room is given out in.
const UNIT: usize = 64 << 10;
/// How large a piece of an answer is before the next one begins.
const PIECE: usize = 256 << 10;
/// How long an answer waits for room.
const PATIENCE: Duration = Duration::from_secs(10);
/// Values that are looked into at once.
const LOOKS: usize = 2;

/// The room that large answers of this node share.
#[derive(Debug)]
pub(super) struct Answers {
    sent: Arc<Semaphore>,
    read: Arc<Semaphore>,
    looks: Arc<Semaphore>,
}

impl Default for Answers {
    fn default() -> Self {
        Answers {
            sent: Arc::new(Semaphore::new(units(TOGETHER))),
            read: Arc::new(Semaphore::new(units(READ))),
            looks: Arc::new(Semaphore::new(LOOKS)),
        }
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT)
}

/// Waits for room of so many bytes, at most all there is.
async fn room(of: &Arc<Semaphore>, bytes: usize, all: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let count = u32::try_from(units(bytes).min(units(all))).unwrap_or(u32::MAX);
    match tokio::time::timeout(PATIENCE, of.clone().acquire_many_owned(count)).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(busy()),
    }
}

fn busy() -> Problem {
    let detail = "too many large answers are being sent; try again, or ask for less at once";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "answers_busy", detail).retry_after(2)
}

impl Answers {
    /// Reads a stored value and takes from it what is wanted, on a thread where that keeps nothing else waiting. Nothing
    /// of it is kept afterwards.
    pub(super) async fn look_into<T: Send + 'static>(
        &self,
        blobs: &Blobs,
        key: &str,
        bytes: u64,
        take: impl FnOnce(&str) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let size = usize::try_from(bytes).unwrap_or(READ);
        let _room = room(&self.read, size, READ).await?;
        let content = blobs.read(key).await?;
        self.think(move || std::str::from_utf8(&content).map(take).map_err(|_| not_json())).await?
    }

    /// Does what takes a while on a thread where that keeps nothing else waiting; a few of these at once.
    pub(super) async fn think<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(_turn) = self.looks.acquire().await else { return Err(busy()) };
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "a stored value could not be looked into");
            Problem::mistake()
        })
    }

    /// An answer of JSON: a page of rows.
    pub(super) fn page(&self) -> Rows {
        Rows { as_csv: false, ..Rows::new(self.sent.clone(), b"{\"items\":[".to_vec()) }
    }

    /// An answer of CSV (RFC 4180) with these names in its first line.
    pub(super) fn table(&self, head: &[&str]) -> Result<Rows, Problem> {
        let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
        Ok(Rows { as_csv: true, ..Rows::new(self.sent.clone(), line(head)?) })
    }

    /// One run as an answer; a large one waits for room and holds it until it was sent.
    pub(super) async fn run(&self, status: StatusCode, body: &RunBody) -> Result<Response, Problem> {
        let size = body.args.get().len() + body.result.get().len();
        let held = if size > FREE { Some(room(&self.sent, size, TOGETHER).await?) } else { None };
        let text = serde_json::to_vec(body).map_err(|error| unwritable(&error))?;
        let body = Bytes::from(text);
        let body = match held {
            None => Body::from(body),
            Some(held) => sent(vec![body], Some(held)),
        };
        Ok((status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
    }
}

/// A stored value that is none.
fn not_json() -> Problem {
    tracing::error!("a stored value is not UTF-8");
    let detail = "a value that is stored is damaged: it is not JSON any more; the server's log says more";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "corrupt_value", detail)
}

fn unwritable(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "an answer cannot be written");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer cannot be written")
}

/// Pieces as a body, whose room is given back when the last one was sent or the client is gone.
fn sent(pieces: Vec<Bytes>, held: Option<OwnedSemaphorePermit>) -> Body {
    let pieces = stream::iter(pieces).map(move |piece| {
        let _until_sent = &held;
        Ok::<_, Infallible>(piece)
    });
    Body::from_stream(pieces)
}

/// A line of CSV. A cell that a spreadsheet would take for a formula gets an apostrophe before it.
fn line(row: Vec<String>) -> Result<Vec<u8>, Problem> {
    let safe = row.into_iter().map(|cell| match cell.chars().next() {
        Some('=' | '+' | '@' | '\t' | '\r') => format!("'{cell}"),
        Some('-') if cell.parse::<f64>().is_err() => format!("'{cell}"),
        _ => cell,
    });
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(safe).map_err(|error| unwritable(&error))?;
    writer.into_inner().map_err(|error| unwritable(&error))
}

/// An answer that is being built.
pub(super) struct Rows {
    as_csv: bool,
    /// Whether there is no next part.
    whole: bool,
    sent: Arc<Semaphore>,
    pieces: Vec<Bytes>,
    open: Vec<u8>,
    bytes: usize,
    rows: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl Rows {
    fn new(sent: Arc<Semaphore>, head: Vec<u8>) -> Self {
        let bytes = head.len();
        Rows { as_csv: false, whole: false, sent, pieces: Vec::new(), open: head, bytes, rows: 0, held: None }
    }

    /// An answer that has no next part: it waits for room, and one that would be too large is refused.
    pub(super) fn whole(self) -> Self {
        Rows { whole: true, ..self }
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.rows
    }

    /// How many bytes there are.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row of JSON. False when it has no room here, and belongs into the next part.
    pub(super) async fn push(&mut self, row: &impl Serialize) -> Result<bool, Problem> {
        let text = serde_json::to_vec(row).map_err(|error| unwritable(&error))?;
        self.add(text).await
    }

    /// Adds a row of CSV. False when it has no room here, and belongs into the next part.
    pub(super) async fn push_line(&mut self, row: Vec<String>) -> Result<bool, Problem> {
        self.add(line(row)?).await
    }

    async fn add(&mut self, text: Vec<u8>) -> Result<bool, Problem> {
        let total = self.bytes + text.len() + 1;
        if self.rows > 0 && total > MOST {
            let detail = "the answer would be too large: ask for less at once";
            return if self.whole { Err(Problem::too_large(detail)) } else { Ok(false) };
        }
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = units(total.saturating_sub(FREE)).saturating_sub(held);
        if more > 0 {
            let permit = if self.rows == 0 || self.whole {
                room(&self.sent, more * UNIT, TOGETHER).await?
            } else {
                // Whoever has rows already sends those, rather than wait with them.
                let count = u32::try_from(more).unwrap_or(u32::MAX);
                let Ok(permit) = self.sent.clone().try_acquire_many_owned(count) else { return Ok(false) };
                permit
            };
            match &mut self.held {
                Some(held) => held.merge(permit),
                held => *held = Some(permit),
            }
        }
        if self.rows > 0 && !self.as_csv {
            self.open.push(b',');
        }
        self.bytes = total;
        self.rows += 1;
        if text.len() >= PIECE {
            self.close_piece();
            self.pieces.push(Bytes::from(text));
        } else {
            self.open.extend_from_slice(&text);
            if self.open.len() >= PIECE {
                self.close_piece();
            }
        }
        Ok(true)
    }

    fn close_piece(&mut self) {
        if !self.open.is_empty() {
            self.pieces.push(Bytes::from(std::mem::take(&mut self.open)));
        }
    }

    /// The answer; `next` is where the next part begins.
    pub(super) fn answer(mut self, next: Option<&str>) -> Response {
        let kind = if self.as_csv { "text/csv; charset=utf-8" } else { "application/json" };
        if !self.as_csv {
            let next = next.map_or_else(|| "null".to_owned(), |next| serde_json::Value::from(next).to_string());
            self.open.extend_from_slice(format!("],\"next_cursor\":{next}}}").as_bytes());
        }
        let body = if self.pieces.is_empty() {
            Body::from(std::mem::take(&mut self.open))
        } else {
            self.close_piece();
            sent(self.pieces, self.held)
        };
        let mut response = ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response();
        if let Some(value) = next.filter(|_| self.as_csv).and_then(|next| HeaderValue::from_str(next).ok()) {
            response.headers_mut().insert("x-next-cursor", value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        String::from_utf8(body.to_vec()).expect("text")
    }

    #[tokio::test]
    async fn rows_become_a_page_or_a_table() {
        let answers = Answers::default();
        assert_eq!(text(answers.page().answer(None)).await, r#"{"items":[],"next_cursor":null}"#);
        let mut page = answers.page();
        for row in [1, 2] {
            assert!(page.push(&row).await.expect("has room"));
        }
        assert_eq!(text(page.answer(Some("c"))).await, r#"{"items":[1,2],"next_cursor":"c"}"#);
        let mut table = answers.table(&["a", "b"]).expect("a head");
        assert!(table.push_line(vec!["=1".into(), "-2".into()]).await.expect("has room"));
        let answer = table.answer(Some("c"));
        assert_eq!(answer.headers()["x-next-cursor"], "c");
        assert_eq!(text(answer).await, "a,b\r\n'=1,-2\r\n");
    }

    #[tokio::test]
    async fn an_answer_ends_where_its_room_does() {
        let answers = Answers::default();
        let row = "x".repeat(1 << 20);
        let fill = async |answers: &Answers| {
            let mut page = answers.page();
            while page.push(&row).await.expect("has room") {}
            page
        };
        let one = fill(&answers).await;
        assert_eq!(one.count(), 31);
        let other = fill(&answers).await;
        assert_eq!(other.count(), 31);
        // What is left of the room of all: the third one gets less, and all of it when the others were sent.
        let third = fill(&answers).await;
        assert!((1..=3).contains(&third.count()), "{}", third.count());
        drop((one, other, third));
        assert_eq!(fill(&answers).await.count(), 31);
        // One row that is larger than an answer is an answer by itself.
        let mut page = answers.page();
        assert!(page.push(&"x".repeat(MOST + 1)).await.expect("has room"));
        assert!(!page.push(&1).await.expect("has room"));
    }
}
