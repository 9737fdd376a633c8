//! A connection whose client has to read: one that takes nothing of an answer for a while is ended, and what it kept here
//! with it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may take for [`LEAST`] bytes of what waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
/// What it has to take in that time. The kernel's buffers are small enough here that a client that reads 4 KiB a second
/// makes room for so many at once.
const LEAST: usize = 48 << 10;

/// A connection that is watched.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    /// While something waits to be sent: how much was sent since, and until when there must be more.
    waiting: Option<(usize, Pin<Box<Sleep>>)>,
    /// Whether something waits to be sent.
    stalled: Arc<AtomicBool>,
    /// How long the client may take.
    patience: Duration,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, stalled: Arc<AtomicBool>) -> Self {
        Paced { stream, waiting: None, stalled, patience: PATIENCE }
    }

    /// What came of writing `of` bytes.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        of: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(count)) => {
                let enough = match &mut self.waiting {
                    None => false,
                    Some((sent, _)) => {
                        *sent += count;
                        *sent >= LEAST || count == of
                    }
                };
                if enough {
                    self.waiting = None;
                    self.stalled.store(false, Ordering::Relaxed);
                }
                Poll::Ready(Ok(count))
            }
            Poll::Pending => {
                let patience = self.patience;
                let (_, until) = self.waiting.get_or_insert_with(|| (0, Box::pin(sleep(patience))));
                self.stalled.store(true, Ordering::Relaxed);
                ready!(until.as_mut().poll(context));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
            failed => failed,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, bytes.len(), written)
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
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(context, parts.iter().map(|part| part.len()).sum(), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const SHORT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn whoever_does_not_read_is_ended() {
        let (_client, server) = duplex(1000);
        let stalled = Arc::new(AtomicBool::new(false));
        let mut server = Paced { patience: SHORT, ..Paced::new(server, stalled.clone()) };
        let begun = tokio::time::Instant::now();
        let error = server.write_all(&[0; 5000]).await.expect_err("gives up");
        assert_eq!((error.kind(), begun.elapsed() >= SHORT), (io::ErrorKind::TimedOut, true));
        assert!(stalled.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn whoever_reads_slowly_gets_everything() {
        let (mut client, server) = duplex(LEAST);
        let mut server = Paced { patience: SHORT * 4, ..Paced::new(server, Arc::default()) };
        let reading = tokio::spawn(async move {
            let (mut read, mut piece) = (0, vec![0; LEAST]);
            while let Ok(count) = client.read(&mut piece).await {
                if count == 0 {
                    break;
                }
                read += count;
                sleep(SHORT).await;
            }
            read
        });
        server.write_all(&vec![0; LEAST * 10]).await.expect("writes");
        drop(server);
        assert_eq!(reading.await.expect("reads"), LEAST * 10);
    }

    #[tokio::test]
    async fn a_rest_from_long_ago_counts_for_nothing() {
        let (mut client, server) = duplex(1000);
        let mut server = Paced { patience: SHORT, ..Paced::new(server, Arc::default()) };
        let writing = tokio::spawn(async move {
            server.write_all(&[0; 1500]).await.expect("writes");
            sleep(SHORT * 2).await;
            server.write_all(&[0; 1500]).await.expect("writes much later");
        });
        client.read_exact(&mut [0; 1500]).await.expect("reads");
        client.read_exact(&mut [0; 1500]).await.expect("reads");
        writing.await.expect("no error");
    }
}
