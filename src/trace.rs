//! Traces: which request, run and attempt a piece of work belongs to, and how long it took.
//!
//! A context travels as `traceparent` (W3C Trace Context, <https://www.w3.org/TR/trace-context/>): from a request to the run that
//! it makes, and to the script. The ids of a run's spans follow from the id of the run. So each node of a database computes the
//! same ones, and nothing is kept for them: a run that no request made is a trace of its own, whose id is that of the run.

mod export;

pub use export::{TraceConfig, TraceError, Traces};

use crate::clock::Time;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use sha2::{Digest, Sha256};
use std::fmt;
use std::future::Future;

/// The header that a context travels in.
pub const HEADER: &str = "traceparent";

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The ids of a span, and whether it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`; none when it is not one. The version is 00, or a later one whose beginning is the same.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_at_checked(2)?;
        let is_version = matches!(hex_of::<1>(version)?, [version] if version != 0xff);
        let mut parts = rest.strip_prefix('-')?.splitn(4, '-');
        let (trace, span, flags) = (hex_of(parts.next()?)?, hex_of(parts.next()?)?, hex_of::<1>(parts.next()?)?);
        let is_whole = parts.next().is_none() || version != "00";
        let is_fine = is_version && is_whole && trace != [0; 16] && span != [0; 8];
        is_fine.then_some(TraceContext { trace, span, is_sampled: flags[0] & 1 == 1 })
    }

    /// The first span of a trace that begins with this run or request, by its id.
    fn root(id: &str, ratio: f64) -> Self {
        let digest = Sha256::digest(id);
        let trace = uuid::Uuid::parse_str(id).map_or_else(|_| array(&digest[8..]), uuid::Uuid::into_bytes);
        TraceContext { trace, span: array(&digest), is_sampled: is_sampled(&trace, ratio) }
    }

    /// The span of a part of this one. The same name is the same span.
    pub fn child(&self, name: &str) -> Self {
        let digest = Sha256::new().chain_update(self.trace).chain_update(self.span).chain_update(name).finalize();
        TraceContext { span: array(&digest), ..*self }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled);
        write!(f, "00-{}-{}-{flags:02x}", hex::encode(self.trace), hex::encode(self.span))
    }
}

/// The first bytes of a digest.
fn array<const N: usize>(digest: &[u8]) -> [u8; N] {
    std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default())
}

/// Bytes from lower-case hexadecimal digits, as the specification has them.
fn hex_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (is_lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

/// Whether a trace is one of this share. A digest of its id decides: on all nodes alike. The id itself is not random enough, as ids of
/// runs that are made within a millisecond count on.
fn is_sampled(trace: &[u8; 16], ratio: f64) -> bool {
    const ALL: f64 = (1u64 << 56) as f64;
    let digest = Sha256::digest(trace);
    let number = digest.iter().take(7).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    (number as f64) < ratio * ALL
}

/// The context of the request that this task carries out.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

/// Does work within a context.
pub async fn within<T>(context: Option<TraceContext>, work: impl Future<Output = T>) -> T {
    match context {
        Some(context) => CURRENT.scope(context, work).await,
        None => work.await,
    }
}

/// A span that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its ids.
    pub context: TraceContext,
    /// The span that it is a part of.
    pub parent: Option<TraceContext>,
    /// Which side of a call it is.
    pub kind: SpanKind,
    /// What was done.
    pub name: String,
    /// When it began.
    pub start: Time,
    /// When it ended.
    pub end: Time,
    /// What else is known.
    pub attributes: Vec<KeyValue>,
    /// What went wrong.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_is_read_and_written() {
        let context = TraceContext::parse(PARENT).expect("a context");
        assert_eq!(context.to_string(), PARENT);
        assert_eq!(TraceContext::parse(&PARENT.replace("-01", "-00")).map(|read| read.is_sampled), Some(false));
        let later = format!("{}-more", PARENT.replacen("00", "cc", 1));
        assert_eq!(TraceContext::parse(&later), Some(context));
        for wrong in [
            "",
            "00",
            "é0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &format!("{PARENT}-more"),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replace("4bf9", "4BF9"),
            &PARENT.replace("4bf9", "4bf"),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace("-01", "-1"),
            &PARENT.replace("-01", "-0g"),
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_ids_of_a_run_follow_from_its_id() {
        let id = "0198c0de-0000-7000-8000-00000000abcd";
        let root = TraceContext::root(id, 1.0);
        assert_eq!(hex::encode(root.trace), id.replace('-', ""));
        assert_eq!(root, TraceContext::root(id, 1.0));
        let (one, other) = (root.child("attempt 1"), root.child("attempt 2"));
        assert_eq!((one.trace, one.is_sampled), (root.trace, true));
        assert!(one.span != other.span && one.span != root.span);
        assert_eq!(TraceContext::parse(&one.to_string()), Some(one));
        assert!(TraceContext::root("no uuid", 1.0).trace != [0; 16]);
    }

    #[test]
    fn a_share_of_all_traces_is_recorded() {
        let ids: Vec<_> = (0..4_000).map(|_| uuid::Uuid::now_v7().to_string()).collect();
        let recorded = |ratio| ids.iter().filter(|id| TraceContext::root(id, ratio).is_sampled).count();
        assert_eq!((recorded(0.0), recorded(1.0)), (0, ids.len()));
        // Four standard deviations of 1,000 of 4,000 are 110.
        assert!((890..=1_110).contains(&recorded(0.25)), "{}", recorded(0.25));
    }

    #[tokio::test]
    async fn a_context_goes_along_with_its_task_only() {
        let context = TraceContext::parse(PARENT);
        assert_eq!(within(context, async { current() }).await, context);
        assert_eq!(within(None, async { current() }).await, None);
        assert_eq!(current(), None);
    }
}
