//! The arithmetic of RSA: powers with a public exponent, and with a private one.

use super::{Arguments, step};
use crate::panics::caught;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use getrandom::SysRng;
use rsa::PrivateKey;
use rsa::hazmat::rsa_decrypt_and_check;

/// Most bytes of a modulus with a public exponent.
const LARGEST: usize = 1_024;
/// Most bytes of a modulus with a private exponent, because this is done in one piece.
const LARGEST_PRIVATE: usize = 512;

#[derive(Debug)]
pub(super) enum Integers {
    /// `base` to the power of `exponent`, modulo an odd number. Nothing in it is secret.
    Power { base: Vec<u8>, exponent: Vec<u8>, modulus: Vec<u8> },
    /// The private operation of a key with two primes, blinded.
    Private { key: [Vec<u8>; 5], value: Vec<u8> },
}

/// Removes leading zeros.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

impl Integers {
    /// Checks a request, and returns its price. None when it is not of this kind.
    pub(super) fn read(what: &str, given: &Arguments) -> Result<Option<(Self, u64)>, String> {
        let (most, many) = match what {
            "power" => (LARGEST, 3),
            "rsa-private" => (LARGEST_PRIVATE, 6),
            _ => return Ok(None),
        };
        if !given.numbers.is_empty() || given.parts.len() != many {
            return Err(format!("{what} takes {many} numbers as bytes"));
        }
        let parts: Vec<Vec<u8>> = given.parts.iter().map(|part| trimmed(part).to_vec()).collect();
        if let Some(part) = parts.iter().find(|part| part.len() > most) {
            return Err(format!("a number has {} bits; {what} takes at most {}", part.len() * 8, most * 8));
        }
        let cube = |modulus: &[u8]| (modulus.len() as u64).div_ceil(8).max(4);
        let start = super::price::START;
        if let [base, exponent, modulus] = &parts[..] {
            if modulus.last().is_none_or(|last| last % 2 == 0) || *modulus == [1] {
                return Err("the modulus is not odd and greater than one".into());
            }
            let limbs = cube(modulus);
            let price = start + (exponent.len() as u64 * 8 + 20) * limbs * limbs * 12;
            let power = Integers::Power { base: base.clone(), exponent: exponent.clone(), modulus: modulus.clone() };
            return Ok(Some((power, price)));
        }
        let Ok([n, e, d, p, q, value]) = <[Vec<u8>; 6]>::try_from(parts) else { return Ok(None) };
        let limbs = cube(&n);
        let price = start + limbs * limbs * limbs * 600;
        Ok(Some((Integers::Private { key: [n, e, d, p, q], value }, price)))
    }

    pub(super) async fn run(self) -> Result<Vec<u8>, String> {
        match self {
            Integers::Power { base, exponent, modulus } => power(&base, &exponent, &modulus).await,
            Integers::Private { key, value } => {
                let unusable = || "the RSA key cannot be used: its numbers do not fit together".to_owned();
                caught(|| private(&key, &value)).unwrap_or_else(|_| Err(unusable()))
            }
        }
    }
}

/// Squares and multiplies, with pauses for other runs, because exponents can be long.
async fn power(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Result<Vec<u8>, String> {
    let bits = (modulus.len().max(base.len()) as u32 * 8).next_multiple_of(64);
    let wrong = || "a number cannot be read".to_owned();
    let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, bits).map_err(|_| wrong());
    let odd = Odd::new(number(modulus)?).into_option().ok_or_else(wrong)?;
    let reduced = number(base)?.rem_vartime(odd.as_nz_ref());
    let params = BoxedMontyParams::new(odd);
    let base = BoxedMontyForm::new(reduced, &params);
    let mut result = BoxedMontyForm::one(&params);
    let a_step = (4_000_000 / (bits as usize / 64).pow(2).max(1) / 12).max(8);
    let mut done = 0;
    for byte in exponent {
        for bit in (0..8).rev() {
            result = result.square();
            if byte >> bit & 1 == 1 {
                result = result.mul(&base);
            }
        }
        done += 8;
        if done >= a_step {
            done = 0;
            step().await;
        }
    }
    Ok(padded(&result.retrieve().to_be_bytes(), modulus.len()))
}

fn private([n, e, d, p, q]: &[Vec<u8>; 5], value: &[u8]) -> Result<Vec<u8>, String> {
    let unusable = |error: rsa::Error| format!("the RSA key cannot be used: {error}");
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
    let primes = vec![number(p), number(q)];
    let key = PrivateKey::from_components(number(n), number(e), number(d), primes).map_err(unusable)?;
    let precision = rsa::traits::PublicKeyParts::n(&key).bits_precision();
    let value =
        BoxedUint::from_be_slice(value, precision).map_err(|_| "the value is greater than the key".to_owned())?;
    let result = rsa_decrypt_and_check(&key, Some(&mut SysRng), &value).map_err(unusable)?;
    Ok(padded(&result.to_be_bytes(), n.len()))
}

/// Returns a number with leading zeros up to a length.
fn padded(bytes: &[u8], length: usize) -> Vec<u8> {
    let bytes = trimmed(bytes);
    let mut padded = vec![0; length.saturating_sub(bytes.len())];
    padded.extend_from_slice(bytes);
    padded
}
