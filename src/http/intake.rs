//! Bodies of requests: each bounded in size and time, and all of them together in what they hold.

use super::problem::Problem;
use crate::quantity;
use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::http::StatusCode;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing of it may come.
const STALLED: Duration = Duration::from_secs(10);
/// How much of a body that is too large is read all the same, and how long.
const DISCARDED: usize = 64 << 20;
const DISCARDING: Duration = Duration::from_secs(5);
/// Bytes of each body that are not counted.
const FREE: usize = 64 << 10;
/// What room is given out in.
const UNIT: usize = 64 << 10;
/// Most bytes of all bodies of this process beyond that.
const TOGETHER: usize = 256 << 20;
/// Most of them that one sender has.
const EACH: usize = TOGETHER / UNIT / 2;
/// How long a body waits for room.
const ROOM: Duration = Duration::from_secs(2);

static IN_FLIGHT: Semaphore = Semaphore::const_new(TOGETHER / UNIT);
static SENDERS: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

tokio::task_local! {
    /// Who sends the request that is being answered: a token's hash, or an address.
    pub(super) static SENDER: String;
}

/// What one sender has of the room.
#[derive(Debug)]
struct Share {
    sender: String,
    units: usize,
}

impl Share {
    fn take(units: usize) -> Result<Self, Problem> {
        let sender = SENDER.try_with(Clone::clone).unwrap_or_default();
        let mut senders = senders();
        let own = senders.get(&sender).copied().unwrap_or_default();
        if own + units > EACH {
            return Err(busy());
        }
        senders.insert(sender.clone(), own + units);
        Ok(Share { sender, units })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut senders = senders();
        if let Some(own) = senders.get_mut(&self.sender) {
            *own = own.saturating_sub(self.units);
            if *own == 0 {
                senders.remove(&self.sender);
            }
        }
    }
}

fn senders() -> MutexGuard<'static, BTreeMap<String, usize>> {
    SENDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room that a body has.
#[derive(Debug)]
struct Held {
    _permit: SemaphorePermit<'static>,
    _share: Share,
}

/// A body, and its room until the last one who reads it is done.
struct Kept {
    bytes: Vec<u8>,
    _held: Vec<Held>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn busy() -> Problem {
    let detail = "too many bytes of requests are on their way to this server; try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "bodies_busy", detail).retry_after(2)
}

/// Waits for room for so many more units.
async fn room(units: usize) -> Result<Held, Problem> {
    let share = Share::take(units)?;
    let count = u32::try_from(units).unwrap_or(u32::MAX);
    match tokio::time::timeout(ROOM, IN_FLIGHT.acquire_many(count)).await {
        Ok(Ok(permit)) => Ok(Held { _permit: permit, _share: share }),
        _ => Err(busy()),
    }
}

/// A whole body of at most `limit` bytes.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(PATIENCE, take(body, limit)).await {
        Ok(read) => read,
        Err(_) => Err(too_slow("the body took longer than 30 s to come")),
    }
}

fn too_slow(detail: &str) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", detail)
}

async fn take(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let said = body.size_hint().exact().and_then(|size| usize::try_from(size).ok());
    let mut stream = body.into_data_stream();
    let too_large = || Problem::too_large(format!("the body is larger than {}", quantity::bytes(limit as u64)));
    if said.is_some_and(|size| size > limit) {
        discard(stream).await;
        return Err(too_large());
    }
    let mut held: Vec<Held> = Vec::new();
    let (mut bytes, mut units) = (Vec::new(), 0);
    loop {
        let piece = match tokio::time::timeout(STALLED, stream.next()).await {
            Err(_) => return Err(too_slow("nothing of the body came for 10 s")),
            Ok(None) => break,
            Ok(Some(piece)) => piece.map_err(|_| Problem::bad("body_broken", "the body ended before its end"))?,
        };
        let needed = bytes.len() + piece.len();
        if needed > limit {
            discard(stream).await;
            return Err(too_large());
        }
        if needed > bytes.capacity() {
            // What was announced at once; without that, twice as much each time.
            let wanted = said.unwrap_or_else(|| (bytes.capacity() * 2).max(UNIT)).clamp(needed, limit.max(needed));
            let more = wanted.saturating_sub(FREE).div_ceil(UNIT).saturating_sub(units);
            if more > 0 {
                match room(more).await {
                    Ok(more) => held.push(more),
                    Err(problem) => {
                        drop((bytes, held));
                        discard(stream).await;
                        return Err(problem);
                    }
                }
                units += more;
            }
            bytes.reserve_exact(wanted - bytes.len());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(if held.is_empty() { Bytes::from(bytes) } else { Bytes::from_owner(Kept { bytes, _held: held }) })
}

/// Reads on for a while: a client that is still sending when the connection is closed never sees the answer.
async fn discard(mut stream: BodyDataStream) {
    let reading = async {
        let mut left = DISCARDED;
        while let Some(Ok(piece)) = stream.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARDING, reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;

    fn in_pieces(count: usize) -> Body {
        let pieces = (0..count).map(|_| Ok::<_, Infallible>(Bytes::from(vec![b'x'; UNIT])));
        Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()))
    }

    fn units_of(sender: &str) -> usize {
        senders().get(sender).copied().unwrap_or_default()
    }

    #[tokio::test]
    async fn bodies_hold_room_until_they_are_gone() {
        let read_as =
            async |sender: &str, body: Body, limit: usize| SENDER.scope(sender.to_owned(), read(body, limit)).await;
        let small = read_as("small", Body::from("x".repeat(FREE)), 1 << 20).await.expect("reads");
        assert_eq!((small.len(), units_of("small")), (FREE, 0));
        let large = read_as("large", in_pieces(32), 4 << 20).await.expect("reads");
        assert_eq!(large.len(), 32 * UNIT);
        assert!((31..=63).contains(&units_of("large")), "{}", units_of("large"));
        let part = large.slice(1..);
        drop(large);
        assert!(units_of("large") > 0, "a part of it is still there");
        drop(part);
        assert_eq!(units_of("large"), 0);
        assert_eq!(read_as("limit", in_pieces(33), 2 << 20).await.expect_err("refuses").error.code, "too_large");
        assert_eq!(units_of("limit"), 0);
        let announced = Body::from("x".repeat(3 << 20));
        assert_eq!(read_as("limit", announced, 2 << 20).await.expect_err("refuses").error.code, "too_large");
    }

    #[tokio::test]
    async fn one_sender_has_no_more_than_its_share() {
        let read_as =
            async |sender: &str, count: usize| SENDER.scope(sender.to_owned(), read(in_pieces(count), 256 << 20)).await;
        let held = read_as("greedy", 1024).await.expect("reads");
        assert_eq!(read_as("greedy", 2000).await.expect_err("refuses").error.code, "bodies_busy");
        let other = read_as("modest", 16).await.expect("reads");
        drop((held, other));
        assert_eq!((units_of("greedy"), units_of("modest")), (0, 0));
    }
}
