//! Bytes that are sent in pieces: what a client has not read yet is where it came from, and not in memory here.

use super::problem::Problem;
use crate::blobs::{Blobs, Pieces};
use crate::live_output::LiveRun;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cronbox_runtime::Stream as OutputStream;
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::sync::Arc;

/// Most bytes of one piece.
const PIECE: usize = 64 << 10;

/// A blob from an offset on. One that is corrupt or missing is told of before anything is sent.
pub(super) async fn of_blob(blobs: &Blobs, key: &str, offset: u64) -> Result<Pieces, Problem> {
    Ok(blobs.pieces(key, offset).await?)
}

/// Pieces as a body whose length is known.
pub(super) fn with_length(pieces: Pieces) -> Response {
    let length = [(header::CONTENT_LENGTH, pieces.bytes.to_string())];
    (length, Body::from_stream(pieces.stream)).into_response()
}

/// What a run under way has written to a stream by now, from an offset on.
pub(super) fn of_live(run: Arc<LiveRun>, stream: OutputStream, offset: u64) -> Body {
    let end = run.length(stream);
    let pieces = unfold((run, offset), move |(run, at)| async move {
        let most = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
        let bytes = run.piece(stream, at, most);
        // A run that was started again has written less.
        (!bytes.is_empty()).then(|| {
            let next = at + bytes.len() as u64;
            (Ok::<_, Infallible>(Bytes::from(bytes)), (run, next))
        })
    });
    Body::from_stream(pieces)
}
