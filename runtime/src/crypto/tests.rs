//! Known values (NIST, the RFCs), and every kind of argument a script can give.

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).expect("digits")
}

async fn done(what: &str, parts: &[&[u8]], numbers: &[u64]) -> Result<String, String> {
    let parts = parts.iter().map(|part| part.to_vec()).collect();
    Ok(hex::encode(Work::read(what, parts, numbers.to_vec())?.run().await?))
}

#[tokio::test]
async fn ciphers_are_as_the_standards_say() {
    let key = unhex("2b7e151628aed2a6abf7158809cf4f3c");
    let block = unhex("6bc1bee22e409f96e93d7e117393172a");
    let ecb = done("aes-ecb-encrypt", &[&key, b"", &block], &[0]).await.expect("encrypts");
    assert_eq!(ecb, "3ad77bb40d7a3660a89ecaf32466ef97");
    assert_eq!(done("aes-ecb-decrypt", &[&key, b"", &unhex(&ecb)], &[0]).await, Ok(hex::encode(&block)));
    let iv = unhex("000102030405060708090a0b0c0d0e0f");
    let cbc = done("aes-cbc-encrypt", &[&key, &iv, &block], &[0]).await.expect("encrypts");
    assert_eq!(cbc, "7649abac8119b246cee98e9b12e9197d");
    assert_eq!(done("aes-cbc-decrypt", &[&key, &iv, &unhex(&cbc)], &[0]).await, Ok(hex::encode(&block)));
    let counter = unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    assert_eq!(
        done("aes-ctr", &[&key, &counter, &block], &[0]).await.expect("encrypts"),
        "874d6191b620e3261bef6864990db6ce"
    );
    // From within the block on.
    assert_eq!(
        done("aes-ctr", &[&key, &counter, &block[3..]], &[3]).await.expect("encrypts"),
        "91b620e3261bef6864990db6ce"
    );
    // RFC 8439, 2.4.2 and 2.5.2.
    let key: Vec<u8> = (0..32).collect();
    let nonce = unhex("000000000000004a00000000");
    let made = done("chacha20", &[&key, &nonce, b"Ladies and Gentlemen"], &[1]).await.expect("encrypts");
    assert_eq!(made, "6e2e359a2568f98041ba0728dd0d6981e97e7aec");
    // GHASH: NIST's test case 2.
    let key = unhex("66e94bd4ef8a2c3b884cfa59ca342b2e");
    let data = unhex("0388dace60b6a392f328c2b971b2fe7800000000000000000000000000000080");
    let made = done("ghash", &[&key, b"", &data], &[0]).await.expect("sums");
    assert_eq!(made, "f38cbb1ad69223dcc3457ae5b6b0f885");
}

#[tokio::test]
async fn keys_from_passwords_are_as_the_rfcs_say() {
    let made = done("pbkdf2", &[b"sha1", b"password", b"salt"], &[4096, 20]).await;
    assert_eq!(made.expect("derives"), "4b007901b765489abead49d926f721d065a429c1");
    let made = done("pbkdf2", &[b"sha256", b"passwd", b"salt"], &[1, 64]).await.expect("derives");
    assert!(made.starts_with("55ac046e56e3089fec1691c22544b605") && made.ends_with("509112041d3a19783"), "{made}");
    let made = done("scrypt", &[b"pleaseletmein", b"SodiumChloride"], &[16_384, 8, 1, 64]).await.expect("derives");
    assert!(made.starts_with("7023bdcb3afd7348461c06cd81fd38eb"), "{made}");
    for (log_n, r, p, length) in [(1, 1, 1, 1), (4, 3, 2, 65), (7, 8, 3, 33)] {
        let params = scrypt::Params::new(log_n, r, p).expect("parameters");
        let mut expected = vec![0; length];
        scrypt::scrypt(b"pass", b"salt", &params, &mut expected).expect("derives");
        let numbers = [1 << log_n, r.into(), p.into(), length as u64];
        assert_eq!(done("scrypt", &[b"pass", b"salt"], &numbers).await, Ok(hex::encode(&expected)));
    }
    let made = done("hmac", &[b"sha256", b"key", b"The quick brown fox jumps over the lazy dog"], &[]).await;
    assert_eq!(made.expect("sums"), "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
}

#[tokio::test]
async fn powers_are_powers() {
    for (base, exponent, modulus, expected) in [
        (&[7][..], &[5][..], &[0, 0, 13][..], "0b"),
        (&[0], &[0], &[3], "01"),
        (&[], &[1], &[3], "00"),
        (&[255, 255, 255, 255, 255, 255, 255, 255, 255], &[2], &[101], "18"),
    ] {
        assert_eq!(done("power", &[base, exponent, modulus], &[]).await, Ok(expected.into()), "{base:?}");
    }
}

/// A script can give anything: nothing panics, and everything ends in bytes or in a sentence.
#[tokio::test]
async fn no_argument_panics() {
    const NAMES: [&str; 37] = [
        "aes-ecb-encrypt",
        "aes-ecb-decrypt",
        "aes-cbc-encrypt",
        "aes-cbc-decrypt",
        "aes-ctr",
        "aes-ctr32",
        "ghash",
        "chacha20",
        "poly1305",
        "hmac",
        "pbkdf2",
        "scrypt",
        "power",
        "rsa-private",
        "p256-public",
        "p256-point",
        "p256-sign",
        "p256-verify",
        "p384-public",
        "p384-point",
        "p384-sign",
        "p384-verify",
        "p521-public",
        "p521-point",
        "p521-sign",
        "p521-verify",
        "k256-public",
        "k256-point",
        "k256-sign",
        "k256-verify",
        "ed25519-public",
        "ed25519-point",
        "ed25519-sign",
        "ed25519-verify",
        "p256-",
        "-",
        "nothing",
    ];
    const LENGTHS: [usize; 20] = [0, 1, 2, 3, 11, 12, 15, 16, 17, 24, 31, 32, 33, 48, 64, 65, 66, 97, 128, 133];
    const NUMBERS: [u64; 10] = [0, 1, 2, 3, 8, 15, 16, 64, 1 << 32, u64::MAX];
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |most: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % most as u64) as usize
    };
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..2_000 {
        let what = NAMES[roll(NAMES.len())];
        // Mostly as many arguments as it takes, so that what is behind that check is reached, too.
        let (usual_parts, usual_numbers) = match what {
            "hmac" => (3, 0),
            "pbkdf2" => (3, 2),
            "scrypt" => (2, 4),
            "power" => (3, 0),
            "rsa-private" => (6, 0),
            _ if what.ends_with("verify") => (3, 0),
            _ if what.ends_with("sign") => (2, 0),
            _ if what.contains("-public") || what.contains("-point") => (1, 0),
            _ => (3, 1),
        };
        let parts = if roll(8) == 0 { roll(10) } else { usual_parts };
        let numbers = if roll(8) == 0 { roll(10) } else { usual_numbers };
        let parts: Vec<Vec<u8>> = (0..parts)
            .map(|at| match (what, at) {
                ("hmac" | "pbkdf2", 0) if roll(4) > 0 => b"sha256".to_vec(),
                _ => {
                    let length = LENGTHS[roll(LENGTHS.len())];
                    match roll(4) {
                        0 => vec![0; length],
                        1 => vec![0xff; length],
                        _ => (0..length).map(|_| roll(256) as u8).collect(),
                    }
                }
            })
            .collect();
        let numbers: Vec<u64> = (0..numbers).map(|_| NUMBERS[roll(NUMBERS.len())]).collect();
        let Ok(work) = Work::read(what, parts, numbers) else {
            refused += 1;
            continue;
        };
        // What a run could not pay is not done.
        if work.price < 200_000_000 {
            let _ = work.run().await;
            answered += 1;
        }
    }
    assert!(answered > 100 && refused > 100, "{answered} {refused}");
}

#[test]
fn the_price_comes_before_the_work_and_never_wraps() {
    let price = |what: &str, parts: &[&[u8]], numbers: &[u64]| {
        Work::read(what, parts.iter().map(|part| part.to_vec()).collect(), numbers.to_vec()).map(|work| work.price)
    };
    assert_eq!(price("pbkdf2", &[b"sha256", b"", b""], &[u64::MAX, 1 << 20]), Ok(u64::MAX));
    assert!(price("scrypt", &[b"", b""], &[1 << 62, 8, 1, 64]).is_err());
    assert!(price("scrypt", &[b"", b""], &[1 << 14, 8, u64::MAX, 64]).is_err());
    let a = price("aes-ctr", &[&[0; 16], &[0; 16], &[0; 1 << 20]], &[0]).expect("a price");
    assert!((10 << 20..12 << 20).contains(&a), "{a}");
}
