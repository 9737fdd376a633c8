//! What runs write: by offset, and as it comes (server-sent events).

use super::body::Query;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part, PathParts, pieces};
use crate::access::{Caller, Scope};
use crate::blobs::BlobError;
use crate::live_output::LiveRun;
use crate::run::Status;
use crate::service;
use crate::store::output::Found;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cronbox_runtime::Stream as OutputStream;
use futures_util::stream::{BoxStream, unfold};
use futures_util::{Stream, StreamExt};
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(get_output))
        .add(Need::Scope(Scope::Read), routes!(follow_run))
}

/// How soon a run that is not here is looked at again, and how often when nothing happens.
const LOOK: Duration = Duration::from_millis(300);
const LATER: Duration = Duration::from_secs(2);
/// Most bytes of a stream that are told of before they are sent.
const TOGETHER: usize = 128 << 10;
const STREAMS: [(OutputStream, &str); 2] = [(OutputStream::Stdout, "stdout"), (OutputStream::Stderr, "stderr")];
/// Most bytes of output in one event.
const PIECE: usize = 32 << 10;
/// The run's status, for those who read its output.
const RUN_STATUS: HeaderName = HeaderName::from_static("x-run-status");

/// Read what a run wrote
///
/// The bytes as they are, from `offset` on; while it runs, what there is so far. The header X-Run-Status tells whether more
/// may come.
#[utoipa::path(
    get, path = "/v1/runs/{id}/output/{stream}", tag = "runs", operation_id = "get_output",
    params(
        ("id" = String, Path, description = "The run"),
        ("stream" = String, Path, description = "stdout or stderr"),
        ("offset" = Option<u64>, Query, description = "How many bytes to leave out"),
    ),
    responses(
        (status = 200, description = "The bytes", body = String, content_type = "text/plain"),
    )
)]
pub(super) async fn get_output(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    PathParts(parts): PathParts,
    query: Query,
) -> Result<Response, Problem> {
    let (id, stream) = match parts.as_slice() {
        [id, stream] => (id, stream),
        _ => return Err(Problem::not_found("no_such_stream", "there are stdout and stderr")),
    };
    let stream = match stream.as_str() {
        "stdout" => OutputStream::Stdout,
        "stderr" => OutputStream::Stderr,
        other => {
            let detail = format!("there is no stream {:?}: there are stdout and stderr", service::quoted(other));
            return Err(Problem::not_found("no_such_stream", detail));
        }
    };
    let offset = query.parse("offset", |text| {
        text.parse::<u64>().map_err(|_| format!("{:?} is no number of bytes", service::quoted(text)))
    })?;
    let run = app.run_for(&caller, id).await?;
    let (offset, live) = (offset.unwrap_or(0), app.live.find(&run.id));
    let (body, status) = match live {
        Some(live) => (pieces::of_live(live, stream, offset).into_response(), Status::Running),
        None => {
            let found = app.store.output(&run.id, stream).await?;
            let found = found.ok_or_else(|| Problem::not_found("no_such_run", "the run is gone"))?;
            let body = match found.found {
                Found::Bytes(bytes) => from(Bytes::from(bytes), offset).into_response(),
                Found::Blob(key) => pieces::with_length(pieces::of_blob(&app.blobs, &key, offset).await?),
            };
            (body, found.status)
        }
    };
    // No charset: what a script writes is bytes. A browser must not take it for a page.
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    let mut response = (StatusCode::OK, headers, body).into_response();
    response.headers_mut().insert(RUN_STATUS, HeaderValue::from_static(status.as_str()));
    Ok(response)
}

/// Follow a run
///
/// Server-sent events: `output` with `{stream, offset, text}`, `status` with `{status, attempt}`, and `end` with the run's
/// status, which is the last. Each attempt writes from offset 0 again: its first `status` event names it. `Last-Event-ID`
/// goes on where a connection broke.
#[utoipa::path(
    get, path = "/v1/runs/{id}/events", tag = "runs", operation_id = "follow_run",
    params(
        ("id" = String, Path, description = "The run"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came"),
    ),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
    )
)]
pub(super) async fn follow_run(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let run = app.run_for(&caller, &id).await?;
    let at = match headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default()) {
        None | Some("") => Places::default(),
        Some(text) => Places::parse(text).ok_or_else(|| {
            Problem::bad("bad_event_id", "this is no event's id: leave Last-Event-ID out to begin again")
                .field("Last-Event-ID")
        })?,
    };
    let follower =
        Follower { app, id: run.id, at, told: None, waiting: VecDeque::new(), ending: None, more: false, over: false };
    let events = unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// How much of each stream of an attempt was told of. As an event's id: `1.12.0`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Places {
    /// The number of the attempt; 0 before anything was told.
    attempt: u32,
    stdout: u64,
    stderr: u64,
}

impl Places {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let places = Places {
            attempt: parts.next()?.parse().ok()?,
            stdout: parts.next()?.parse().ok()?,
            stderr: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(places)
    }

    fn of(&mut self, stream: OutputStream) -> &mut u64 {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }
}

/// Bytes from an offset on.
fn from(bytes: Bytes, offset: u64) -> Bytes {
    bytes.slice(usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len())..)
}

struct Follower {
    app: App,
    id: String,
    at: Places,
    told: Option<Status>,
    waiting: VecDeque<Event>,
    /// What a run that has ended left to tell.
    ending: Option<Ending>,
    /// Whether there is more to be told at once.
    more: bool,
    over: bool,
}

/// The output of a run that has ended, told piece by piece.
struct Ending {
    status: Status,
    /// The streams that are left, and what of each is left.
    streams: VecDeque<(OutputStream, BoxStream<'static, Result<Bytes, BlobError>>)>,
    /// The beginning of a character whose end is in the next piece.
    torn: Vec<u8>,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        let mut look = LOOK;
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            // What to wait for, before looking.
            let mut begun = self.app.live.begun();
            let live = self.app.live.find(&self.id);
            let mut changes = live.as_ref().map(|live| live.changes());
            let end = self.app.signals.watch_end(&self.id);
            let notified = end.notified();
            if self.look(live.as_deref()).await.is_err() {
                // The database is away for now; the client hears nothing, and goes on when it is back.
                self.ending = None;
                tokio::time::sleep(LOOK).await;
                continue;
            }
            if !self.waiting.is_empty() || self.over || self.more {
                continue;
            }
            // A run that waits, or is on another node, is looked at less and less often; one that is here tells by itself.
            let pause = if live.is_some() { LATER } else { look };
            look = (look * 2).min(LATER);
            drop(live);
            let (app, id) = (&self.app, &self.id);
            tokio::select! {
                () = app.tools.down.cancelled() => return None,
                () = notified => {}
                () = tokio::time::sleep(pause) => {}
                _ = async { match &mut changes { Some(changes) => changes.changed().await.is_ok(), None => std::future::pending().await } } => {}
                () = begins(app, id, &mut begun), if changes.is_none() => {}
            }
        }
    }

    /// Looks what there is to tell, at most [`TOGETHER`] of each stream.
    async fn look(&mut self, live: Option<&LiveRun>) -> Result<(), Problem> {
        self.more = false;
        if self.ending.is_some() {
            return self.tell_the_end().await;
        }
        if let Some(live) = live {
            self.begin(live.attempt());
            self.tell_status(Status::Running);
            for (stream, name) in STREAMS {
                let bytes = live.piece(stream, *self.at.of(stream), TOGETHER);
                self.more |= bytes.len() == TOGETHER;
                self.tell(stream, name, &bytes, whole_characters(&bytes));
            }
            return Ok(());
        }
        let Some((status, attempt)) = self.app.store.status(&self.id).await? else {
            self.over = true;
            return Ok(());
        };
        if status.is_final() {
            if self.begin(attempt) {
                self.tell_status(status);
            }
            return self.begin_the_end(status).await;
        }
        if status == Status::Running {
            self.begin(attempt);
        }
        self.tell_status(status);
        if status == Status::Running {
            // On another node, which keeps parts from time to time.
            for (stream, name) in STREAMS {
                let Some(found) = self.app.store.output(&self.id, stream).await? else { continue };
                if let Found::Bytes(bytes) = found.found {
                    let bytes = from(Bytes::from(bytes), *self.at.of(stream));
                    let bytes = bytes.slice(..bytes.len().min(TOGETHER));
                    self.more |= bytes.len() == TOGETHER;
                    self.tell(stream, name, &bytes, whole_characters(&bytes));
                }
            }
        }
        Ok(())
    }

    async fn begin_the_end(&mut self, status: Status) -> Result<(), Problem> {
        let mut streams: VecDeque<(OutputStream, BoxStream<'static, Result<Bytes, BlobError>>)> = VecDeque::new();
        for (stream, _) in STREAMS {
            let offset = *self.at.of(stream);
            let Some(found) = self.app.store.output(&self.id, stream).await? else {
                self.over = true;
                return Ok(());
            };
            let rest = match found.found {
                Found::Bytes(bytes) => futures_util::stream::iter([Ok(from(Bytes::from(bytes), offset))]).boxed(),
                Found::Blob(key) => pieces::of_blob(&self.app.blobs, &key, offset).await?.stream,
            };
            streams.push_back((stream, rest));
        }
        self.ending = Some(Ending { status, streams, torn: Vec::new() });
        self.more = true;
        Ok(())
    }

    /// Tells the next piece of what a run left, and at last how it ended.
    async fn tell_the_end(&mut self) -> Result<(), Problem> {
        let Some(ending) = &mut self.ending else { return Ok(()) };
        self.more = true;
        let Some((stream, pieces)) = ending.streams.front_mut() else {
            let status = ending.status;
            self.push("end", json!({"status": status}));
            self.over = true;
            return Ok(());
        };
        let stream = *stream;
        let name = crate::store::output::word(stream);
        let mut bytes = std::mem::take(&mut ending.torn);
        let whole = match pieces.next().await.transpose()? {
            Some(piece) => {
                bytes.extend_from_slice(&piece);
                let whole = whole_characters(&bytes);
                ending.torn = bytes[whole..].to_vec();
                whole
            }
            None => {
                ending.streams.pop_front();
                bytes.len()
            }
        };
        self.tell(stream, name, &bytes, whole);
        Ok(())
    }

    /// What comes now was written by this attempt: another one than that of before begins at the beginning. Whether there
    /// was another before.
    fn begin(&mut self, attempt: u32) -> bool {
        let before = self.at.attempt;
        if before != attempt {
            self.at = Places { attempt, ..Places::default() };
            self.told = None;
        }
        before != 0 && before != attempt
    }

    fn tell_status(&mut self, status: Status) {
        if self.told != Some(status) {
            self.told = Some(status);
            let attempt = Some(self.at.attempt).filter(|_| status == Status::Running || status.is_final());
            self.push("status", json!({"status": status, "attempt": attempt}));
        }
    }

    /// Tells the first `whole` of these bytes, in pieces that end where characters do.
    fn tell(&mut self, stream: OutputStream, name: &str, bytes: &[u8], whole: usize) {
        let mut from = 0;
        while from < whole {
            let most = (from + PIECE).min(whole);
            let to = if most == whole { whole } else { from + whole_characters(&bytes[from..most]).max(1) };
            let text = String::from_utf8_lossy(&bytes[from..to]).into_owned();
            let start = *self.at.of(stream);
            *self.at.of(stream) = start + (to - from) as u64;
            self.push("output", json!({"stream": name, "offset": start, "text": text}));
            from = to;
        }
    }

    fn push(&mut self, name: &str, data: serde_json::Value) {
        let id = format!("{}.{}.{}", self.at.attempt, self.at.stdout, self.at.stderr);
        self.waiting.push_back(Event::default().event(name).id(id).data(data.to_string()));
    }
}

/// Ends when the run has begun on this node.
async fn begins(app: &App, id: &str, begun: &mut watch::Receiver<u64>) {
    while begun.changed().await.is_ok() {
        if app.live.find(id).is_some() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// How many of the bytes are whole characters: one whose end is still to come is left for the next time.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        // Broken in the middle: it will not get better.
        Err(error) if error.error_len().is_some() => bytes.len(),
        Err(error) => error.valid_up_to(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_not_torn() {
        let text = "aé€".as_bytes();
        assert_eq!(whole_characters(text), 6);
        assert_eq!(whole_characters(&text[..5]), 3);
        assert_eq!(whole_characters(&text[..2]), 1);
        assert_eq!(whole_characters(b"\xff\xfe"), 2);
    }

    #[test]
    fn an_event_names_its_place() {
        assert_eq!(Places::parse("2.12.3"), Some(Places { attempt: 2, stdout: 12, stderr: 3 }));
        for text in ["x", "12.3", "1.2.-2", "1.2.3.4", "1.2.3."] {
            assert_eq!(Places::parse(text), None, "{text}");
        }
    }
}
