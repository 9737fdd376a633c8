//! Signatures over elliptic curves: ECDSA (the guest encodes its numbers) and Ed25519.

use super::Arguments;
use ed25519_dalek::{Signature as EdSignature, Signer, SigningKey as EdSigningKey, VerifyingKey as EdVerifyingKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CurveName {
    P256,
    P384,
    P521,
    K256,
    Ed25519,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// The public key of a private one.
    Public,
    /// The check of a public key; the result is the key, uncompressed.
    Point,
    Sign,
    Verify,
}

/// An operation with its arguments.
#[derive(Debug)]
pub(super) struct Curve {
    name: CurveName,
    act: Act,
    parts: Vec<Vec<u8>>,
}

const NAMES: [(&str, CurveName, u64); 5] = [
    ("p256", CurveName::P256, 4_000_000),
    ("p384", CurveName::P384, 10_000_000),
    ("p521", CurveName::P521, 12_000_000),
    ("k256", CurveName::K256, 4_000_000),
    ("ed25519", CurveName::Ed25519, 1_500_000),
];
/// The operations, and the number of their arguments.
const ACTS: [(&str, Act, usize); 4] =
    [("public", Act::Public, 1), ("point", Act::Point, 1), ("sign", Act::Sign, 2), ("verify", Act::Verify, 3)];

impl Curve {
    /// Checks a request, and returns its price. None when it is not of this kind.
    pub(super) fn read(what: &str, given: &Arguments) -> Result<Option<(Self, u64)>, String> {
        let Some((name, act)) = what.split_once('-') else { return Ok(None) };
        let name = NAMES.iter().find(|(known, ..)| *known == name);
        let act = ACTS.iter().find(|(known, ..)| *known == act);
        let (Some((_, name, price)), Some((_, act, many))) = (name, act) else { return Ok(None) };
        if given.parts.len() != *many || !given.numbers.is_empty() {
            return Err(format!("{what} takes {many} texts of bytes"));
        }
        let bytes: usize = given.parts.iter().map(Vec::len).sum();
        // Ed25519 goes over the message twice.
        let price = price + bytes as u64 * 40;
        Ok(Some((Curve { name: *name, act: *act, parts: given.parts.clone() }, price)))
    }

    pub(super) fn run(self) -> Result<Vec<u8>, String> {
        let parts: Vec<&[u8]> = self.parts.iter().map(Vec::as_slice).collect();
        match self.name {
            CurveName::P256 => p256(self.act, &parts),
            CurveName::P384 => p384(self.act, &parts),
            CurveName::P521 => p521(self.act, &parts),
            CurveName::K256 => k256(self.act, &parts),
            CurveName::Ed25519 => ed25519(self.act, &parts),
        }
    }
}

const BAD_KEY: &str = "the bytes are not a key of this curve";
const BAD_DIGEST: &str = "the digest is too short for this curve";

/// Encodes true or false.
fn yes(holds: bool) -> Vec<u8> {
    vec![u8::from(holds)]
}

/// Makes the function of a curve: the crates share no trait for all of this.
macro_rules! ecdsa {
    ($curve:ident, $smaller:literal) => {
        fn $curve(act: Act, parts: &[&[u8]]) -> Result<Vec<u8>, String> {
            use ::$curve::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
            use ::$curve::ecdsa::{Signature, SigningKey, VerifyingKey};
            let private = |bytes: &[u8]| SigningKey::from_slice(bytes).map_err(|_| BAD_KEY.to_owned());
            let public = |bytes: &[u8]| VerifyingKey::from_sec1_bytes(bytes).map_err(|_| BAD_KEY.to_owned());
            let point = |key: &VerifyingKey| key.to_sec1_point(false).as_bytes().to_vec();
            match (act, parts) {
                (Act::Public, [key]) => Ok(point(private(key)?.verifying_key())),
                (Act::Point, [key]) => Ok(point(&public(key)?)),
                (Act::Sign, [key, digest]) => {
                    let signed: Result<Signature, _> = private(key)?.sign_prehash(digest);
                    signed.map(|signature| signature.to_bytes().to_vec()).map_err(|_| BAD_DIGEST.to_owned())
                }
                (Act::Verify, [key, digest, signature]) => {
                    let key = public(key)?;
                    let signature = Signature::from_slice(signature);
                    // Of two equivalent signatures k256 accepts only the one with the smaller number.
                    let signature = signature.map(|it| if $smaller { it.normalize_s() } else { it });
                    Ok(yes(signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())))
                }
                _ => Err(BAD_KEY.into()),
            }
        }
    };
}

ecdsa!(p256, false);
ecdsa!(p384, false);
ecdsa!(p521, false);
ecdsa!(k256, true);

fn ed25519(act: Act, parts: &[&[u8]]) -> Result<Vec<u8>, String> {
    let bytes = |key: &[u8]| <[u8; 32]>::try_from(key).map_err(|_| BAD_KEY.to_owned());
    let private = |key: &[u8]| Ok::<_, String>(EdSigningKey::from_bytes(&bytes(key)?));
    let public = |key: &[u8]| EdVerifyingKey::from_bytes(&bytes(key)?).map_err(|_| BAD_KEY.to_owned());
    match (act, parts) {
        (Act::Public, [key]) => Ok(private(key)?.verifying_key().to_bytes().to_vec()),
        (Act::Point, [key]) => Ok(public(key)?.to_bytes().to_vec()),
        (Act::Sign, [key, message]) => Ok(private(key)?.sign(message).to_bytes().to_vec()),
        (Act::Verify, [key, message, signature]) => {
            let key = public(key)?;
            let signature = EdSignature::from_slice(signature);
            let holds =
                signature.is_ok_and(|signature| ed25519_dalek::Verifier::verify(&key, message, &signature).is_ok());
            Ok(yes(holds))
        }
        _ => Err(BAD_KEY.into()),
    }
}
