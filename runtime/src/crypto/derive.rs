//! Keys from passwords (PBKDF2, RFC 8018; scrypt, RFC 7914) and authentication codes (HMAC, RFC 2104).
//!
//! The loops are here, because they must pause for other runs; the functions inside come from crates. A test compares
//! the results with the crate `scrypt` and with the values of the RFCs.

use super::{Arguments, STEP, step};
use hmac::{EagerHash, HmacReset, KeyInit, Mac};

/// Most bytes of a derived key.
const LONGEST_KEY: u64 = 1 << 20;
/// Most memory of scrypt, in bytes.
const MAX_MEMORY: u64 = 256 << 20;
/// Blocks of a hash between two steps.
const BLOCKS_A_STEP: u64 = 4_000;
/// Fuel for a Salsa20/8 on 64 bytes, including its reads and writes.
const SALSA: u64 = 900;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

const HASHES: [(&str, Hash, u64, u64); 6] = [
    ("md5", Hash::Md5, 16, 900),
    ("sha1", Hash::Sha1, 20, 1_200),
    ("sha224", Hash::Sha224, 28, 1_500),
    ("sha256", Hash::Sha256, 32, 1_500),
    ("sha384", Hash::Sha384, 48, 2_400),
    ("sha512", Hash::Sha512, 64, 2_400),
];

#[derive(Debug)]
pub(super) enum Derive {
    Pbkdf2 { hash: Hash, password: Vec<u8>, salt: Vec<u8>, iterations: u64, length: usize },
    Scrypt { password: Vec<u8>, salt: Vec<u8>, n: usize, r: usize, p: usize, length: usize },
    Hmac { hash: Hash, key: Vec<u8>, data: Vec<u8> },
}

impl Derive {
    /// Checks a request, and returns its price and memory. None when it is not of this kind.
    pub(super) fn read(what: &str, given: Arguments) -> Result<Option<(Self, u64, u64)>, String> {
        let hash = |name: &[u8]| {
            let found = HASHES.iter().find(|(known, ..)| known.as_bytes() == name);
            found.copied().ok_or_else(|| format!("unsupported hash type {}", String::from_utf8_lossy(name)))
        };
        let start = super::price::START;
        match what {
            "hmac" => {
                let ([name, key, data], []) = given.exactly(what)?;
                let (_, hash, _, block) = hash(&name)?;
                let price = start + (data.len() as u64 / 64 + key.len() as u64 / 64 + 4) * block;
                Ok(Some((Derive::Hmac { hash, key, data }, price, 0)))
            }
            "pbkdf2" => {
                let ([name, password, salt], [iterations, length]) = given.exactly(what)?;
                let (_, hash, size, block) = hash(&name)?;
                if iterations == 0 || length == 0 || length > LONGEST_KEY {
                    return Err(format!("PBKDF2 takes at least one iteration and makes 1 to {LONGEST_KEY} bytes"));
                }
                let once = ((password.len() + salt.len()) as u64 / 64 + 2) * block;
                let each = iterations.saturating_mul(2).saturating_mul(block).saturating_add(once);
                let price = length.div_ceil(size).saturating_mul(each).saturating_add(start);
                let length = length as usize;
                Ok(Some((Derive::Pbkdf2 { hash, password, salt, iterations, length }, price, 0)))
            }
            "scrypt" => {
                let ([password, salt], [n, r, p, length]) = given.exactly(what)?;
                if n < 2 || !n.is_power_of_two() {
                    return Err("n must be a power of 2".into());
                }
                let memory = n.checked_mul(r).and_then(|nr| nr.checked_mul(128));
                let (Some(memory), 1.., 1..) = (memory.filter(|memory| *memory <= MAX_MEMORY), r, p) else {
                    return Err(format!("scrypt takes r and p from 1 on, and here at most {} MiB", MAX_MEMORY >> 20));
                };
                let blocks = p.checked_mul(r).and_then(|pr| pr.checked_mul(128)).filter(|bytes| *bytes <= MAX_MEMORY);
                let Some(blocks) = blocks.filter(|_| length > 0 && length <= LONGEST_KEY) else {
                    return Err(format!("scrypt makes 1 to {LONGEST_KEY} bytes, with less parallelism than that"));
                };
                let price = n.saturating_mul(4 * r).saturating_mul(p).saturating_mul(SALSA);
                let price = price.saturating_add((blocks + length) / 32 * 4 * 1_500 + start);
                let (n, r, p, length) = (n as usize, r as usize, p as usize, length as usize);
                Ok(Some((Derive::Scrypt { password, salt, n, r, p, length }, price, memory + blocks)))
            }
            _ => Ok(None),
        }
    }

    pub(super) async fn run(self) -> Vec<u8> {
        match self {
            Derive::Hmac { hash, key, data } => match hash {
                Hash::Md5 => hmac_of::<md5::Md5>(&key, &data).await,
                Hash::Sha1 => hmac_of::<sha1::Sha1>(&key, &data).await,
                Hash::Sha224 => hmac_of::<sha2::Sha224>(&key, &data).await,
                Hash::Sha256 => hmac_of::<sha2::Sha256>(&key, &data).await,
                Hash::Sha384 => hmac_of::<sha2::Sha384>(&key, &data).await,
                Hash::Sha512 => hmac_of::<sha2::Sha512>(&key, &data).await,
            },
            Derive::Pbkdf2 { hash, password, salt, iterations, length } => {
                let mut key = vec![0; length];
                let (password, salt, out) = (&password[..], &salt[..], &mut key[..]);
                match hash {
                    Hash::Md5 => pbkdf2::<md5::Md5>(password, salt, iterations, out).await,
                    Hash::Sha1 => pbkdf2::<sha1::Sha1>(password, salt, iterations, out).await,
                    Hash::Sha224 => pbkdf2::<sha2::Sha224>(password, salt, iterations, out).await,
                    Hash::Sha256 => pbkdf2::<sha2::Sha256>(password, salt, iterations, out).await,
                    Hash::Sha384 => pbkdf2::<sha2::Sha384>(password, salt, iterations, out).await,
                    Hash::Sha512 => pbkdf2::<sha2::Sha512>(password, salt, iterations, out).await,
                }
                key
            }
            Derive::Scrypt { password, salt, n, r, p, length } => {
                let mut blocks = vec![0; p * r * 128];
                pbkdf2::<sha2::Sha256>(&password, &salt, 1, &mut blocks).await;
                for block in blocks.chunks_mut(r * 128) {
                    mix(block, n, r).await;
                }
                let mut key = vec![0; length];
                pbkdf2::<sha2::Sha256>(&password, &blocks, 1, &mut key).await;
                key
            }
        }
    }
}

async fn hmac_of<D: EagerHash>(key: &[u8], data: &[u8]) -> Vec<u8> {
    // A key of HMAC can have any length.
    let Ok(mut hmac) = <HmacReset<D> as KeyInit>::new_from_slice(key) else { return Vec::new() };
    for chunk in data.chunks(STEP) {
        hmac.update(chunk);
        step().await;
    }
    hmac.finalize().into_bytes().to_vec()
}

async fn pbkdf2<D: EagerHash>(password: &[u8], salt: &[u8], iterations: u64, out: &mut [u8]) {
    let Ok(keyed) = <HmacReset<D> as KeyInit>::new_from_slice(password) else { return };
    let size = <HmacReset<D> as hmac::digest::OutputSizeUser>::output_size();
    let mut done = 0;
    for (number, part) in (1_u32..).zip(out.chunks_mut(size)) {
        let mut hmac = keyed.clone();
        hmac.update(salt);
        hmac.update(&number.to_be_bytes());
        let mut last = hmac.finalize_reset().into_bytes();
        let mut sum = last.clone();
        for _ in 1..iterations {
            hmac.update(&last);
            last = hmac.finalize_reset().into_bytes();
            sum.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
            done += 2;
            if done >= BLOCKS_A_STEP {
                done = 0;
                step().await;
            }
        }
        part.iter_mut().zip(&sum).for_each(|(byte, sum)| *byte = *sum);
        done += 2;
    }
}

/// Words of a block of scrypt.
type Words = Vec<u32>;

/// scryptROMix (RFC 7914, 5), the main part of the work.
async fn mix(block: &mut [u8], n: usize, r: usize) {
    let words = r * 32;
    let mut x: Words =
        block.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap_or_default())).collect();
    let (mut scratch, mut v): (Words, Words) = (vec![0; words], vec![0; n * words]);
    let a_step = (4_000 / (2 * r)).max(1);
    for (at, place) in v.chunks_exact_mut(words).enumerate() {
        place.copy_from_slice(&x);
        mix_block(&mut x, &mut scratch);
        if at % a_step == a_step - 1 {
            step().await;
        }
    }
    for at in 0..n {
        // Integerify: the first word of the last 64 bytes; n is a power of two that fits.
        let j = x.get(words - 16).map_or(0, |word| *word as usize) & (n - 1);
        if let Some(place) = v.get(j * words..(j + 1) * words) {
            x.iter_mut().zip(place).for_each(|(word, other)| *word ^= other);
        }
        mix_block(&mut x, &mut scratch);
        if at % a_step == a_step - 1 {
            step().await;
        }
    }
    for (four, word) in block.chunks_exact_mut(4).zip(&x) {
        four.copy_from_slice(&word.to_le_bytes());
    }
}

/// scryptBlockMix (RFC 7914, 4).
fn mix_block(x: &mut [u32], scratch: &mut [u32]) {
    let half = x.len() / 32;
    let mut last = [0; 16];
    if let Some(end) = x.last_chunk::<16>() {
        last = *end;
    }
    for (at, part) in x.chunks_exact(16).enumerate() {
        last.iter_mut().zip(part).for_each(|(word, other)| *word ^= other);
        salsa(&mut last);
        // Even blocks go into the first half, odd blocks into the second.
        let to = if at % 2 == 0 { at / 2 } else { half + at / 2 };
        if let Some(place) = scratch.get_mut(to * 16..to * 16 + 16) {
            place.copy_from_slice(&last);
        }
    }
    x.copy_from_slice(scratch);
}

/// Salsa20/8 (RFC 7914, 3).
fn salsa(block: &mut [u32; 16]) {
    let mut x = *block;
    macro_rules! quarter {
        ($a:literal, $b:literal, $c:literal, $d:literal) => {
            x[$b] ^= x[$a].wrapping_add(x[$d]).rotate_left(7);
            x[$c] ^= x[$b].wrapping_add(x[$a]).rotate_left(9);
            x[$d] ^= x[$c].wrapping_add(x[$b]).rotate_left(13);
            x[$a] ^= x[$d].wrapping_add(x[$c]).rotate_left(18);
        };
    }
    for _ in 0..4 {
        quarter!(0, 4, 8, 12);
        quarter!(5, 9, 13, 1);
        quarter!(10, 14, 2, 6);
        quarter!(15, 3, 7, 11);
        quarter!(0, 1, 2, 3);
        quarter!(5, 6, 7, 4);
        quarter!(10, 11, 8, 9);
        quarter!(15, 12, 13, 14);
    }
    block.iter_mut().zip(x).for_each(|(word, mixed)| *word = word.wrapping_add(mixed));
}
