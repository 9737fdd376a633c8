//! Uploads that tell how far they are: getting packages may take a minute or two, and a client that asks for
//! `text/event-stream` hears of each step, and at last of the answer as it would have been.

use super::App;
use super::body;
use super::problem::Problem;
use crate::publish::Progress;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

/// Most bytes of an answer that is put into an event.
const MOST_ANSWER: usize = 4 << 20;
/// How often a stream says that it is still there.
const ALIVE: Duration = Duration::from_secs(10);

/// Whether the client wants to hear how far it is.
pub(super) fn is_wanted(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| {
        accept.split(',').any(|one| one.split(';').next().map(str::trim) == Some("text/event-stream"))
    })
}

/// Does `work` with the request in a task of its own, which its client cannot end, and answers with a stream of events:
/// `progress` for each step, `answer` at the end.
pub(super) async fn told<F>(
    app: App,
    request: Request,
    most: usize,
    work: impl FnOnce(App, Request, Progress) -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    let (parts, stream) = request.into_parts();
    // Read before the answer begins.
    let content = body::read(stream, most).await?;
    let (sender, steps) = unbounded_channel();
    let (ended, answer) = oneshot::channel();
    let request = Request::from_parts(parts, Body::from(content));
    let work = work(app.clone(), request, Progress::to(sender));
    let supervisor = app.tools.supervisor.clone();
    app.tools.changes.spawn(async move {
        let response = match supervisor.catch("request", work).await {
            Ok(response) => response.unwrap_or_else(IntoResponse::into_response),
            Err(_) => Problem::mistake().into_response(),
        };
        // The client may have gone.
        let _ = ended.send(response);
    });
    let events = unfold(Telling { steps, answer: Some(answer) }, |mut telling| async move {
        let event = telling.next().await?;
        Some((Ok::<_, Infallible>(event), telling))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response();
    // Proxies that gather answers would keep it back.
    response.headers_mut().insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    Ok(response)
}

struct Telling {
    steps: UnboundedReceiver<crate::packages::Step>,
    answer: Option<oneshot::Receiver<Response>>,
}

impl Telling {
    async fn next(&mut self) -> Option<sse::Event> {
        if let Some(step) = self.steps.recv().await {
            let data = json!({"step": step.name(), "done": step.done(), "of": step.total(), "text": step.to_string()});
            return Some(sse::Event::default().event("progress").data(data.to_string()));
        }
        // All that could tell of steps is gone: the work is done.
        let response = self.answer.take()?.await.unwrap_or_else(|_| Problem::mistake().into_response());
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), MOST_ANSWER).await.unwrap_or_default();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Some(sse::Event::default().event("answer").data(json!({"status": status, "body": body}).to_string()))
    }
}
