//! Addresses as people type them.
//!
//! `curl '…/v1/runs?result=/price>100'` sends the `>` as it was typed, which RFC 3986 does not allow, and which the HTTP
//! library answers with an empty 400 before anybody here could say a word. So the first request line of a connection is
//! read with the eyes of a person: what may not stand there is percent-encoded. Later ones on the same connection come from
//! programs, which encode.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest request line that is looked at.
const MOST: usize = 16 << 10;

/// A connection whose first request line is encoded where it has to be.
#[derive(Debug)]
pub(super) struct Typed<S> {
    stream: S,
    /// What was read of the first line so far, or what of it was not dispatched on yet.
    line: Vec<u8>,
    /// How much of it was dispatched on; none while it is being read.
    handed_on: Option<usize>,
}

impl<S> Typed<S> {
    pub(super) fn new(stream: S) -> Self {
        Typed { stream, line: Vec::new(), handed_on: None }
    }
}

/// Encodes what may not stand in the target of a request line.
fn encode(head: &[u8]) -> Vec<u8> {
    let end = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
    let (line, rest) = head.split_at(end);
    let mut encoded = Vec::with_capacity(head.len() + 16);
    for byte in line {
        match byte {
            b'"' | b'<' | b'>' => encoded.extend(format!("%{byte:02X}").into_bytes()),
            _ => encoded.push(*byte),
        }
    }
    encoded.extend_from_slice(rest);
    encoded
}

impl<S: AsyncRead + Unpin> AsyncRead for Typed<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.handed_on.is_none() {
            let mut space = [0; 2048];
            let mut part = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
            this.line.extend_from_slice(part.filled());
            if part.filled().is_empty() || part.filled().contains(&b'\n') || this.line.len() > MOST {
                this.line = encode(&this.line);
                this.handed_on = Some(0);
            }
        }
        let at = this.handed_on.unwrap_or_default();
        if at < this.line.len() {
            let some = &this.line[at..this.line.len().min(at + out.remaining())];
            out.put_slice(some);
            this.handed_on = Some(at + some.len());
            if at + some.len() == this.line.len() {
                (this.line, this.handed_on) = (Vec::new(), Some(0));
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(context, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Typed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn only_the_first_line_is_encoded() {
        let sent = b"GET /v1/runs?result=/price>100 HTTP/1.1\r\nX: <a>\r\n\r\nGET /<b> HTTP/1.1\r\n";
        for piece in [1, 7, 4096] {
            let (mut client, server) = duplex(64);
            let mut server = Typed::new(server);
            let writing = tokio::spawn(async move {
                for part in sent.chunks(piece) {
                    client.write_all(part).await.expect("writes");
                }
            });
            let mut read = Vec::new();
            server.read_to_end(&mut read).await.expect("reads");
            writing.await.expect("written");
            let text = String::from_utf8_lossy(&read);
            let expected = "GET /v1/runs?result=/price%3E100 HTTP/1.1\r\nX: <a>\r\n\r\nGET /<b> HTTP/1.1\r\n";
            assert_eq!(text, expected, "in pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_goes_on_as_it_is() {
        let (mut client, server) = duplex(1 << 20);
        client.write_all(&vec![b'<'; MOST * 2]).await.expect("writes");
        drop(client);
        let mut read = Vec::new();
        Typed::new(server).read_to_end(&mut read).await.expect("reads");
        assert!(read.len() >= MOST * 2 && read.starts_with(b"%3C"));
        let (client, server) = duplex(64);
        drop(client);
        assert_eq!(Typed::new(server).read_to_end(&mut Vec::new()).await.expect("reads"), 0);
    }
}
