//! One request over HTTP/1.1. Redirects are not followed: the answer is handed back as it is.

use super::{HttpMessage, MAX_ANSWER, OutboundAnswer, OutboundFailure, beginning};
use crate::policy::Destination;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Most bytes of the head of an answer.
const MAX_HEAD: usize = 64 << 10;
/// The time for the body of an answer, once its head is there.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// Sends the request, and reads the beginning of the answer.
pub(super) async fn exchange<S>(
    stream: S,
    destination: &Destination,
    message: &HttpMessage,
) -> Result<OutboundAnswer, OutboundFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let broken = |error: hyper::Error| {
        let why = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        OutboundFailure::new(format!("{destination}: no answer over HTTP: {why}"))
    };
    let request = request(destination, message)?;
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let connection = tokio::task::spawn_local(connection);
    let answer = sender.send_request(request).await.map_err(broken);
    let answer = match answer {
        Ok(answer) => Ok(read(answer).await),
        Err(error) => Err(error),
    };
    connection.abort();
    answer
}

fn request(destination: &Destination, message: &HttpMessage) -> Result<Request<Full<Bytes>>, OutboundFailure> {
    let bad = |what: &str| OutboundFailure::new(format!("{what} cannot be sent over HTTP"));
    let default_port = if message.tls { 443 } else { 80 };
    let host = match destination.port() {
        port if port == default_port => destination.host().to_string(),
        _ => destination.to_string(),
    };
    let mut request = Request::builder()
        .method(message.method.as_str())
        .uri(message.target.as_str())
        .body(Full::new(Bytes::from(message.body.clone())))
        .map_err(|_| bad("the method or the path"))?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&host).map_err(|_| bad("the host"))?);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("cronbox/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &message.headers {
        let name_of = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("the name of a header"))?;
        let value = HeaderValue::from_str(value).or_else(|_| HeaderValue::from_bytes(value.as_bytes()));
        headers.insert(name_of, value.map_err(|_| bad(&format!("the header {name}")))?);
    }
    Ok(request)
}

async fn read(answer: Response<Incoming>) -> OutboundAnswer {
    let header = |name: HeaderName| {
        answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let (status, retry_after, location) = (answer.status().as_u16(), header(RETRY_AFTER), header(LOCATION));
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    // What a body says matters less than the status: one that does not come to its end changes nothing.
    let all = async {
        while bytes.len() < MAX_ANSWER
            && let Some(Ok(frame)) = body.frame().await
        {
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
    };
    let _ = tokio::time::timeout(BODY_WITHIN, all).await;
    OutboundAnswer { status, retry_after, location, text: beginning(&bytes) }
}
