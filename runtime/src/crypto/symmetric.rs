//! Symmetric ciphers, and the authentication codes for them.

use super::{Arguments, STEP, price, step};
use aes::cipher::array::Array;
use aes::cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, KeyInit,
    KeyIvInit, StreamCipher, StreamCipherSeek, consts::U16,
};
use aes::{Aes128, Aes192, Aes256};
use chacha20::ChaCha20;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use poly1305::Poly1305;

/// One operation on data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    EcbEncrypt,
    EcbDecrypt,
    CbcEncrypt,
    CbcDecrypt,
    /// A counter of 128 bits, as in CTR.
    Ctr,
    /// A counter of 32 bits, as in GCM.
    Ctr32,
    GHash,
    ChaCha20,
    Poly1305,
}

const OPERATIONS: [(&str, Operation); 9] = [
    ("aes-ecb-encrypt", Operation::EcbEncrypt),
    ("aes-ecb-decrypt", Operation::EcbDecrypt),
    ("aes-cbc-encrypt", Operation::CbcEncrypt),
    ("aes-cbc-decrypt", Operation::CbcDecrypt),
    ("aes-ctr", Operation::Ctr),
    ("aes-ctr32", Operation::Ctr32),
    ("ghash", Operation::GHash),
    ("chacha20", Operation::ChaCha20),
    ("poly1305", Operation::Poly1305),
];

/// An operation with its arguments.
#[derive(Debug)]
pub(super) struct Symmetric {
    operation: Operation,
    key: Vec<u8>,
    /// An initialisation vector, a counter block, a nonce, or nothing.
    iv: Vec<u8>,
    data: Vec<u8>,
    /// The position of the data in the key stream: in bytes for CTR (within a block), in blocks for ChaCha20.
    at: u64,
}

impl Operation {
    /// Returns the data after the operation, or the authentication code.
    async fn run(self, key: &[u8], iv: &[u8], data: Vec<u8>, at: u64) -> Vec<u8> {
        match self {
            Operation::GHash => match GHash::new_from_slice(key) {
                Ok(hash) => sum(hash, &data).await,
                Err(_) => Vec::new(),
            },
            Operation::Poly1305 => match Poly1305::new_from_slice(key) {
                Ok(hash) => sum(hash, &data).await,
                Err(_) => Vec::new(),
            },
            Operation::ChaCha20 => match ChaCha20::new_from_slices(key, iv) {
                Ok(mut cipher) => {
                    let found = cipher.try_seek(at * 64);
                    if found.is_ok() { stream(cipher, data).await } else { Vec::new() }
                }
                Err(_) => Vec::new(),
            },
            _ => match key.len() {
                16 => self.aes::<Aes128>(key, iv, data, at).await,
                24 => self.aes::<Aes192>(key, iv, data, at).await,
                _ => self.aes::<Aes256>(key, iv, data, at).await,
            },
        }
    }

    async fn aes<A>(self, key: &[u8], iv: &[u8], data: Vec<u8>, at: u64) -> Vec<u8>
    where
        A: BlockCipherEncrypt + BlockCipherDecrypt + KeyInit + BlockSizeUser<BlockSize = U16> + Clone,
        cbc::Encryptor<A>: KeyIvInit + BlockModeEncrypt<BlockSize = U16>,
        cbc::Decryptor<A>: KeyIvInit + BlockModeDecrypt<BlockSize = U16>,
        ctr::Ctr128BE<A>: KeyIvInit + StreamCipher,
        ctr::Ctr32BE<A>: KeyIvInit + StreamCipher,
    {
        // The lengths were checked, so that none of these fails; a failure would give an empty result.
        match self {
            Operation::EcbEncrypt => match A::new_from_slice(key) {
                Ok(cipher) => blocks(data, |blocks| cipher.encrypt_blocks(blocks)).await,
                Err(_) => Vec::new(),
            },
            Operation::EcbDecrypt => match A::new_from_slice(key) {
                Ok(cipher) => blocks(data, |blocks| cipher.decrypt_blocks(blocks)).await,
                Err(_) => Vec::new(),
            },
            Operation::CbcEncrypt => match cbc::Encryptor::<A>::new_from_slices(key, iv) {
                Ok(mut cipher) => blocks(data, |blocks| cipher.encrypt_blocks(blocks)).await,
                Err(_) => Vec::new(),
            },
            Operation::CbcDecrypt => match cbc::Decryptor::<A>::new_from_slices(key, iv) {
                Ok(mut cipher) => blocks(data, |blocks| cipher.decrypt_blocks(blocks)).await,
                Err(_) => Vec::new(),
            },
            Operation::Ctr => match ctr::Ctr128BE::<A>::new_from_slices(key, iv) {
                Ok(cipher) => skipped(cipher, data, at).await,
                Err(_) => Vec::new(),
            },
            _ => match ctr::Ctr32BE::<A>::new_from_slices(key, iv) {
                Ok(cipher) => skipped(cipher, data, at).await,
                Err(_) => Vec::new(),
            },
        }
    }
}

type Blocks = [Array<u8, U16>];

/// Works on whole blocks, a step at a time.
async fn blocks(mut data: Vec<u8>, mut work: impl FnMut(&mut Blocks)) -> Vec<u8> {
    for chunk in data.chunks_mut(STEP) {
        let (whole, _) = Array::slice_as_chunks_mut(chunk);
        work(whole);
        step().await;
    }
    data
}

/// Applies a stream cipher from a position within a block.
async fn skipped(mut cipher: impl StreamCipher, data: Vec<u8>, at: u64) -> Vec<u8> {
    let mut before = [0; 16];
    if let Some(before) = before.get_mut(..at as usize) {
        cipher.apply_keystream(before);
    }
    stream(cipher, data).await
}

async fn stream(mut cipher: impl StreamCipher, mut data: Vec<u8>) -> Vec<u8> {
    for chunk in data.chunks_mut(STEP) {
        if cipher.try_apply_keystream(chunk).is_err() {
            // The end of the key stream, which was checked before.
            return Vec::new();
        }
        step().await;
    }
    data
}

async fn sum<H: UniversalHash + BlockSizeUser<BlockSize = U16>>(mut hash: H, data: &[u8]) -> Vec<u8> {
    for chunk in data.chunks(STEP) {
        let (whole, _): (&[Block<H>], _) = Array::slice_as_chunks(chunk);
        hash.update(whole);
        step().await;
    }
    hash.finalize().to_vec()
}

impl Symmetric {
    /// Returns the operation of this name.
    pub(super) fn named(what: &str) -> Option<Operation> {
        OPERATIONS.iter().find(|(name, _)| *name == what).map(|(_, operation)| *operation)
    }

    pub(super) async fn run(self) -> Vec<u8> {
        self.operation.run(&self.key, &self.iv, self.data, self.at).await
    }
}

impl Operation {
    /// Checks arguments, and returns the work and its price.
    pub(super) fn read(self, what: &str, given: Arguments) -> Result<(Symmetric, u64), String> {
        let (keys, vectors, whole, byte): (&[usize], &[usize], bool, u64) = match self {
            Operation::EcbEncrypt | Operation::EcbDecrypt => (&[16, 24, 32], &[0], true, price::AES_BYTE),
            Operation::CbcEncrypt | Operation::CbcDecrypt => (&[16, 24, 32], &[16], true, price::AES_BYTE),
            Operation::Ctr | Operation::Ctr32 => (&[16, 24, 32], &[16], false, price::AES_BYTE),
            Operation::GHash => (&[16], &[0], true, price::SUM_BYTE),
            Operation::ChaCha20 => (&[32], &[12], false, price::STREAM_BYTE),
            Operation::Poly1305 => (&[32], &[0], true, price::SUM_BYTE),
        };
        let ([key, iv, data], [at]) = given.exactly(what)?;
        let among = |name: &str, length: usize, lengths: &[usize]| {
            let all = lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
            if lengths.contains(&length) {
                Ok(())
            } else {
                Err(format!("{name} has {length} bytes; {what} takes {all}"))
            }
        };
        among("the key", key.len(), keys)?;
        among("the initialisation vector", iv.len(), vectors)?;
        if whole && data.len() % 16 != 0 {
            return Err(format!("the data have {} bytes; {what} takes whole blocks of 16", data.len()));
        }
        let blocks = data.len().div_ceil(64) as u64;
        match self {
            Operation::ChaCha20 if at.checked_add(blocks).is_none_or(|end| end > u64::from(u32::MAX)) => {
                return Err("ChaCha20 has 2^32 blocks for one nonce".into());
            }
            Operation::ChaCha20 => {}
            _ if at > 15 => return Err("the place in the key stream is within one block".into()),
            _ => {}
        }
        let price = price::START + data.len() as u64 * byte;
        Ok((Symmetric { operation: self, key, iv, data, at }, price))
    }
}
