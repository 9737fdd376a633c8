//! Encryption for scripts, outside of the interpreter: ciphers, authentication codes, keys from passwords, and the
//! arithmetic of public keys. Encodings (DER, PKCS #1, PSS) are in the guest, in `cronbox.crypto`.
//!
//! One function of the host leads here. Its arguments come from scripts: [`Work::read`] checks all of them before
//! anything is computed, and returns the price, so that the run pays before the work is done. Work is done in steps of
//! about a millisecond, between which other runs get the thread. Operations that a crate does in one piece are limited
//! in size instead (a private RSA key of 4,096 bits takes longest).

mod curves;
mod derive;
mod integers;
mod symmetric;

use crate::panics::caught;
use std::future::poll_fn;
use std::task::Poll;

/// Most bytes of all arguments of a call, less than wasmtime copies from a guest in one call.
const MAX_BYTES: usize = 3 << 20;
/// Most arguments of a call.
const MAX_PARTS: usize = 8;
/// Most bytes of a signed message, or of any other argument except data.
const MAX_MESSAGE: usize = 1 << 20;
/// Bytes between two steps of work on data.
const STEP: usize = 1 << 20;

/// Prices in fuel.
mod price {
    pub(super) const AES_BYTE: u64 = 10;
    pub(super) const SUM_BYTE: u64 = 8;
    pub(super) const STREAM_BYTE: u64 = 8;
    /// The key schedule, and everything else that is done once.
    pub(super) const START: u64 = 5_000;
}

/// A checked request of a script.
#[derive(Debug)]
pub(crate) struct Work {
    algorithm: Algorithm,
    /// The price, in fuel.
    pub(crate) price: u64,
    /// The memory that it needs in addition to its arguments, in bytes.
    pub(crate) memory: u64,
}

#[derive(Debug)]
enum Algorithm {
    Symmetric(symmetric::Symmetric),
    Derive(derive::Derive),
    Integers(integers::Integers),
    Curve(curves::Curve),
}

/// The arguments of a call.
#[derive(Debug)]
struct Arguments {
    parts: Vec<Vec<u8>>,
    numbers: Vec<u64>,
}

impl Arguments {
    /// Returns exactly this many parts and numbers. The error is a sentence.
    fn exactly<const P: usize, const N: usize>(self, what: &str) -> Result<([Vec<u8>; P], [u64; N]), String> {
        let (has_parts, has_numbers) = (self.parts.len(), self.numbers.len());
        let wrong = || format!("{what} takes {P} texts of bytes and {N} numbers, not {has_parts} and {has_numbers}");
        let parts = self.parts.try_into().map_err(|_| wrong())?;
        let numbers = self.numbers.try_into().map_err(|_| wrong())?;
        Ok((parts, numbers))
    }
}

impl Work {
    /// Checks a request of a script. The error is a sentence for the script.
    pub(crate) fn read(what: &str, parts: Vec<Vec<u8>>, numbers: Vec<u64>) -> Result<Self, String> {
        let bytes: usize = parts.iter().map(Vec::len).sum();
        if bytes > MAX_BYTES || parts.len() > MAX_PARTS || numbers.len() > MAX_PARTS {
            return Err(format!("one call takes at most {MAX_BYTES} bytes"));
        }
        let given = Arguments { parts, numbers };
        let work = |algorithm, price| Work { algorithm, price, memory: 0 };
        if let Some(symmetric) = symmetric::Symmetric::named(what) {
            let (symmetric, price) = symmetric.read(what, given)?;
            return Ok(work(Algorithm::Symmetric(symmetric), price));
        }
        if what != "hmac" && given.parts.iter().any(|part| part.len() > MAX_MESSAGE) {
            return Err(format!("{what} takes at most {MAX_MESSAGE} bytes"));
        }
        if let Some((integers, price)) = integers::Integers::read(what, &given)? {
            return Ok(work(Algorithm::Integers(integers), price));
        }
        if let Some((curve, price)) = curves::Curve::read(what, &given)? {
            return Ok(work(Algorithm::Curve(curve), price));
        }
        match derive::Derive::read(what, given)? {
            Some((derive, price, memory)) => Ok(Work { algorithm: Algorithm::Derive(derive), price, memory }),
            None => Err(format!("this version of Cronbox does not have {what:?}")),
        }
    }

    /// Does the work. The error is a sentence for the script.
    pub(crate) async fn run(self) -> Result<Vec<u8>, String> {
        match self.algorithm {
            Algorithm::Symmetric(work) => Ok(work.run().await),
            Algorithm::Derive(work) => Ok(work.run().await),
            Algorithm::Integers(work) => work.run().await,
            // The crates check their arguments; if one panics instead, the script's arguments are wrong.
            Algorithm::Curve(work) => caught(|| work.run()).unwrap_or_else(|_| Err("the key cannot be used".into())),
        }
    }
}

/// Lets other runs have the thread.
async fn step() {
    let mut given = false;
    poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        // Woken while it is polled: a yield, not a wait.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests;
