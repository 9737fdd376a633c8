//! What is said on a connection: each request is answered by the router, over HTTP/1.1 or HTTP/2.

use super::client::AnonymousAccess;
use super::connections::{Busy, Open};
use super::forwarded::TrustedProxies;
use super::untaken::Untaken;
use crate::panics;
use axum::Router;
use axum::body::Body;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Request, Response, Uri, Version, header};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use hyper::body::{Body as _, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// The largest head, in bytes.
const HEAD_BYTES: u32 = 64 << 10;
/// Requests of one HTTP/2 connection that are answered at once. All tabs of a browser share a connection.
const AT_ONCE: u32 = 100;
/// Bytes of an answer of an HTTP/2 connection that are kept for a client that has not taken them yet.
const KEPT: usize = 64 << 10;
/// Most bytes of a piece of such an answer.
const PIECE: usize = 16 << 10;
/// How often an HTTP/2 client is asked whether it is there, and how long it may take to say so.
const THERE: Duration = Duration::from_secs(20);

/// What the requests of a connection are answered with.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) router: Router,
    pub(super) open: Arc<Open>,
    pub(super) trusted: TrustedProxies,
    /// None when it came through a socket of files.
    pub(super) peer: Option<IpAddr>,
    /// Who comes in without a token.
    pub(super) anonymous_access: AnonymousAccess,
    pub(super) is_encrypted: bool,
    /// The answers that wait for their client, where it says itself how much of each it takes.
    pub(super) untaken: Arc<Untaken>,
}

/// Answers over HTTP/1.1.
pub(super) fn http1<S>(stream: S, room: Room) -> impl GracefulConnection
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| begun(answer(room.clone(), request)));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES as usize)
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service)
}

/// Answers over HTTP/2.
pub(super) fn http2<S>(stream: S, room: Room) -> impl GracefulConnection
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| begun(answer(room.clone(), request)));
    http2::Builder::new(Tasks)
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES)
        .max_concurrent_streams(AT_ONCE)
        .max_send_buf_size(KEPT)
        .keep_alive_interval(THERE)
        .keep_alive_timeout(THERE)
        .serve_connection(TokioIo::new(stream), service)
}

/// Starts the tasks of an HTTP/2 connection, one for each request. A panic ends that request alone.
#[derive(Clone, Copy, Debug)]
struct Tasks;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, work: F) {
        tokio::spawn(panics::caught_in("connection", work));
    }
}

/// Begins an answer before hyper looks at the connection again. When the client has closed its side already, hyper drops the
/// answer to a request without a body before its first step: a change that came whole would be lost. After its first step
/// it is carried out to its end (see [`super::carry_out`]).
fn begun<F: Future>(answer: F) -> impl Future<Output = F::Output> {
    let mut answer = Box::pin(answer);
    // hyper takes the second step in the same turn, so that no waking is lost.
    let first = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    async move {
        match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => answer.await,
        }
    }
}

/// Answers a request of a connection.
async fn answer(room: Room, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let Room { router, open, trusted, peer, anonymous_access, is_encrypted, untaken } = room;
    let busy = open.begin();
    let mut request = request.map(Body::new);
    let is_http2 = request.version() == Version::HTTP_2;
    if is_http2 {
        as_of_http1(&mut request);
    }
    let client = trusted.client(peer, anonymous_access, is_encrypted, request.headers_mut());
    request.extensions_mut().insert(open.clone());
    request.extensions_mut().insert(client);
    let mut response = router.oneshot(request).await?;
    if is_http2 {
        // There is no such header in HTTP/2: the connection itself says that it ends.
        if response.headers_mut().remove(header::CONNECTION).is_some() || open.ends_after_answer() {
            open.last.notify_one();
        }
    } else if open.ends_after_answer() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(held(response, busy, is_http2.then_some(&untaken)))
}

/// A request of HTTP/2 as those of HTTP/1.1 are: the host in its header, the path alone as the address.
fn as_of_http1(request: &mut Request<Body>) {
    if let Some(host) = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
}

/// Bytes in pieces of at most [`PIECE`].
fn in_pieces(mut whole: Bytes) -> impl Stream<Item = Result<Bytes, axum::Error>> + Unpin {
    stream::iter(std::iter::from_fn(move || {
        let length = whole.len().min(PIECE);
        (length > 0).then(|| Ok(whole.split_to(length)))
    }))
}

/// The same answer, under way until the last of its body was taken.
fn held(response: Response<Body>, busy: Busy, untaken: Option<&Arc<Untaken>>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let is_small = body.size_hint().upper().is_some_and(|bytes| bytes <= u64::from(HEAD_BYTES));
    if body.is_end_stream() || (is_small && untaken.is_none()) {
        // Sent in one piece: the connection has it as soon as it is given out.
        return Response::from_parts(parts, body);
    }
    let exact = body.size_hint().exact();
    let stream = body.into_data_stream().map(move |piece| {
        let _until_taken = &busy;
        piece
    });
    let body = match untaken {
        // In small pieces: hyper takes a whole piece as soon as there is room for one byte, and what it has taken does not wait
        // for the client any more.
        Some(untaken) => Body::from_stream(untaken.watched(stream.map_ok(in_pieces).try_flatten())),
        None => Body::from_stream(stream),
    };
    let mut response = Response::from_parts(parts, body);
    if let Some(length) = exact.and_then(|exact| HeaderValue::from_str(&exact.to_string()).ok()) {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(length);
    }
    response
}
