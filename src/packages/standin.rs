//! What Cronbox has in the place of packages that cannot be had: parts of them in Python, over `cronbox.crypto`. A project
//! of the index is stood for only when it has no wheel of pure Python, in whatever version is asked for.

use super::wheel::Files;

/// A stand-in.
#[derive(Debug)]
pub(super) struct StandIn {
    /// The normalised name of the project.
    name: &'static str,
    /// The version that it is like.
    pub(super) version: &'static str,
    /// Its files, by their paths below `/packages`.
    files: &'static [(&'static str, &'static str)],
    /// What can be imported, and what it is called in the files.
    module: (&'static str, &'static str),
}

macro_rules! files {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!("standins/", $path)))),*] };
}

const CRYPTO: &[(&str, &str)] = files![
    "Crypto/Cipher/AES.py",
    "Crypto/Cipher/PKCS1_OAEP.py",
    "Crypto/Cipher/PKCS1_v1_5.py",
    "Crypto/Cipher/__init__.py",
    "Crypto/Hash/HMAC.py",
    "Crypto/Hash/MD5.py",
    "Crypto/Hash/SHA.py",
    "Crypto/Hash/SHA1.py",
    "Crypto/Hash/SHA224.py",
    "Crypto/Hash/SHA256.py",
    "Crypto/Hash/SHA384.py",
    "Crypto/Hash/SHA3_224.py",
    "Crypto/Hash/SHA3_256.py",
    "Crypto/Hash/SHA3_384.py",
    "Crypto/Hash/SHA3_512.py",
    "Crypto/Hash/SHA512.py",
    "Crypto/Hash/__init__.py",
    "Crypto/Hash/_hash.py",
    "Crypto/PublicKey/RSA.py",
    "Crypto/PublicKey/__init__.py",
    "Crypto/Random/__init__.py",
    "Crypto/Signature/PKCS1_PSS.py",
    "Crypto/Signature/PKCS1_v1_5.py",
    "Crypto/Signature/__init__.py",
    "Crypto/Signature/_older.py",
    "Crypto/Signature/pkcs1_15.py",
    "Crypto/Signature/pss.py",
    "Crypto/Util/Counter.py",
    "Crypto/Util/Padding.py",
    "Crypto/Util/__init__.py",
    "Crypto/Util/number.py",
    "Crypto/Util/strxor.py",
    "Crypto/__init__.py",
];

const CRYPTOGRAPHY: &[(&str, &str)] = files![
    "cryptography/__init__.py",
    "cryptography/exceptions.py",
    "cryptography/hazmat/__init__.py",
    "cryptography/hazmat/backends/__init__.py",
    "cryptography/hazmat/primitives/__init__.py",
    "cryptography/hazmat/primitives/asymmetric/__init__.py",
    "cryptography/hazmat/primitives/asymmetric/ec.py",
    "cryptography/hazmat/primitives/asymmetric/ed25519.py",
    "cryptography/hazmat/primitives/asymmetric/ed448.py",
    "cryptography/hazmat/primitives/asymmetric/padding.py",
    "cryptography/hazmat/primitives/asymmetric/rsa.py",
    "cryptography/hazmat/primitives/asymmetric/types.py",
    "cryptography/hazmat/primitives/asymmetric/utils.py",
    "cryptography/hazmat/primitives/hashes.py",
    "cryptography/hazmat/primitives/serialization/__init__.py",
    "cryptography/hazmat/primitives/serialization/_formats.py",
    "cryptography/x509/__init__.py",
];

const ALL: [StandIn; 4] = [
    StandIn { name: "cryptography", version: "50.0.2", files: CRYPTOGRAPHY, module: ("cryptography", "cryptography") },
    // pycryptodome's predecessor, which has no wheels and needs a compiler.
    StandIn { name: "pycrypto", version: "2.6.1", files: CRYPTO, module: ("Crypto", "Crypto") },
    StandIn { name: "pycryptodome", version: "4.4.0", files: CRYPTO, module: ("Crypto", "Crypto") },
    StandIn { name: "pycryptodomex", version: "4.4.0", files: CRYPTO, module: ("Cryptodome", "Crypto") },
];

/// The stand-in for a project.
pub(super) fn find(name: &str) -> Option<&'static StandIn> {
    ALL.iter().find(|stand_in| stand_in.name == name)
}

/// Adds the stand-in's files to those of others; a sentence about it.
pub(super) fn add(name: &str, version: &str, files: &mut Files) -> Option<String> {
    let stand_in = find(name)?;
    let (module, called) = stand_in.module;
    for (path, content) in stand_in.files {
        let path = path.replacen(called, module, 1);
        let content = content
            .replace(&format!("from {called}."), &format!("from {module}."))
            .replace(&format!("from {called} import"), &format!("from {module} import"));
        files.entry(path).or_insert_with(|| content.into_bytes());
    }
    let info = format!("{}-{version}.dist-info", name.replace('-', "_"));
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    files.insert(format!("{info}/METADATA"), metadata.into_bytes());
    files.insert(format!("{info}/INSTALLER"), b"cronbox\n".to_vec());
    Some(format!("{name} is native code; Cronbox's own part of it is there instead, which says what it does not have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_there_under_each_of_its_names() {
        for (name, path) in [
            ("cryptography", "cryptography/hazmat/primitives/hashes.py"),
            ("pycryptodome", "Crypto/Cipher/AES.py"),
            ("pycryptodomex", "Cryptodome/Cipher/AES.py"),
        ] {
            let mut files = Files::new();
            assert!(add(name, "1.0", &mut files).is_some_and(|said| said.starts_with(name)));
            assert!(files.contains_key(path), "{name}");
            assert!(files.contains_key(&format!("{name}-1.0.dist-info/METADATA")));
            let strays = |(path, content): (&String, &Vec<u8>)| {
                path.contains("Cryptodome") && String::from_utf8_lossy(content).contains("from Crypto.")
            };
            assert!(!files.iter().any(strays), "{name}");
        }
        assert!(find("numpy").is_none());
    }
}
