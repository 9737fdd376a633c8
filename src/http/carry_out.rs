//! A request that changes something is carried out to its end, whether its client stays or not.
//!
//! hyper drops the future of a handler when the client hangs up: between any two `await`s, and so between two steps that
//! belong together. Handlers of unsafe methods therefore run in a task of their own, which the node waits for when it goes
//! down. Only the waiting for a run's end stops early: it changes nothing.

use super::App;
use super::intake::SENDER;
use super::problem::Problem;
use crate::trace;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    /// Cancelled when the client of the request that this task carries out has gone.
    static CLIENT: CancellationToken;
}

/// Passes a request on: one that may change something, in a task that its client cannot end. No layer within this one may drop
/// what it passes such a request to.
pub(super) async fn carry_out(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let gone = CancellationToken::new();
    let supervisor = app.tools.supervisor.clone();
    // What the task of the connection knows goes along.
    let sender = SENDER.try_with(Clone::clone).unwrap_or_default();
    let work = async move { supervisor.catch("request", next.run(request)).await };
    let work = CLIENT.scope(gone.clone(), SENDER.scope(sender, trace::within(trace::current(), work)));
    let task = app.tools.changes.spawn(work);
    // Dropped with this future, when the client hangs up.
    let _client = gone.drop_guard();
    match task.await {
        Ok(Ok(response)) => response,
        // It panicked, or the runtime ends.
        Ok(Err(_)) | Err(_) => Problem::mistake().into_response(),
    }
}

/// Has the request that this task carries out no longer wait for a run's end, as if its client had gone.
pub(super) fn stop_waiting() {
    let _ = CLIENT.try_with(CancellationToken::cancel);
}

/// Cancelled when the client of this request has gone; never in a request that is not carried out without it.
pub(super) fn client() -> CancellationToken {
    CLIENT.try_with(CancellationToken::clone).unwrap_or_default()
}
