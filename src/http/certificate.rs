//! A certificate and its key, read from files (PEM) and checked against one another.

use crate::clock::{Time, from_micros};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_cert::der::Decode;

/// The largest file that is read. A chain of certificates has some kilobytes.
const MOST: u64 = 1 << 20;

/// Why a certificate cannot be used: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, String),
    /// A file is too large to be what it should be.
    #[error("{0} is larger than 1 MiB: name a file with certificates or a key (PEM)")]
    TooLarge(PathBuf),
    /// A file is not PEM.
    #[error("{0} is not PEM: {1}")]
    NotPem(PathBuf, String),
    /// A file has no certificate.
    #[error(
        "there is no certificate (PEM) in {0}: name the file with the server's certificate and those between it and its authority"
    )]
    NoCertificate(PathBuf),
    /// A file has no private key.
    #[error("there is no private key (PEM) in {0}: name the file of the certificate's key")]
    NoKey(PathBuf),
    /// The key needs a passphrase.
    #[error("the key in {0} is encrypted: write it without a passphrase (openssl pkey -in {0} -out FILE)")]
    Encrypted(PathBuf),
    /// The key is of a kind that cannot be used.
    #[error("the key in {0} cannot be used: {1}")]
    BadKey(PathBuf, String),
    /// The certificate cannot be read.
    #[error("the first certificate in {0} cannot be read: {1}")]
    BadCertificate(PathBuf, String),
    /// The key is another certificate's.
    #[error("the key in {key} is not that of the first certificate in {certificate}")]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

impl CertificateError {
    /// Whether the key is at fault, and not the certificate.
    pub fn is_of_key(&self, files: &CertificateFiles) -> bool {
        match self {
            Self::NoKey(_) | Self::Encrypted(_) | Self::BadKey(..) => true,
            Self::NoCertificate(_) | Self::BadCertificate(..) | Self::Mismatch { .. } => false,
            Self::Unreadable(path, _) | Self::TooLarge(path) | Self::NotPem(path, _) => {
                *path == files.key && *path != files.certificate
            }
        }
    }
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The server's certificate, then those between it and its authority.
    pub certificate: PathBuf,
    /// The certificate's key. It can be the same file.
    pub key: PathBuf,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    /// Before this it does not count yet.
    pub begins_at: Time,
    /// After this it does not count any more.
    pub expires_at: Time,
}

/// What is in the files of a certificate, or why they cannot be read.
pub(super) type Content = Result<[Vec<u8>; 2], CertificateError>;

impl CertificateFiles {
    /// Reads and checks what is in the files.
    pub fn read(&self) -> Result<Certificate, CertificateError> {
        self.check(self.content()?)
    }

    /// What is in the files.
    pub(super) fn content(&self) -> Content {
        Ok([content(&self.certificate)?, content(&self.key)?])
    }

    /// Checks what was in the files.
    pub(super) fn check(&self, [certificate, key]: [Vec<u8>; 2]) -> Result<Certificate, CertificateError> {
        let file = &self.certificate;
        let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| CertificateError::NotPem(file.clone(), error.to_string()))?;
        let first = chain.first().ok_or_else(|| CertificateError::NoCertificate(file.clone()))?;
        let bad = |why: String| CertificateError::BadCertificate(file.clone(), why);
        let read = x509_cert::Certificate::from_der(first).map_err(|error| bad(error.to_string()))?;
        let validity = *read.tbs_certificate().validity();
        let time = |time: x509_cert::time::Time| {
            from_micros(i64::try_from(time.to_unix_duration().as_micros()).unwrap_or(i64::MAX))
        };
        let key = private_key(&self.key, &key)?;
        let provider = ring::default_provider();
        let key = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                CertificateError::Mismatch { certificate: file.clone(), key: self.key.clone() }
            }
            rustls::Error::InvalidCertificate(error) => bad(error.to_string()),
            error => CertificateError::BadKey(self.key.clone(), error.to_string()),
        })?;
        Ok(Certificate {
            key: Arc::new(key),
            begins_at: time(validity.not_before),
            expires_at: time(validity.not_after),
        })
    }
}

fn content(path: &Path) -> Result<Vec<u8>, CertificateError> {
    use std::io::Read;
    let unreadable = |error: std::io::Error| CertificateError::Unreadable(path.to_owned(), error.to_string());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut content = Vec::new();
    file.take(MOST + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > MOST { Err(CertificateError::TooLarge(path.to_owned())) } else { Ok(content) }
}

fn private_key(path: &Path, content: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let path = path.to_owned();
    PrivateKeyDer::from_pem_slice(content).map_err(|error| match error {
        pem::Error::NoItemsFound if is_encrypted(content) => CertificateError::Encrypted(path),
        pem::Error::NoItemsFound => CertificateError::NoKey(path),
        // What the file says is not repeated: it may be a part of the key.
        _ => CertificateError::NotPem(path, "a section of it is damaged".into()),
    })
}

/// Whether there is a key that needs a passphrase.
fn is_encrypted(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// Of the files of a certificate: the certificate, an empty line with `KEY`, and the key.
#[cfg(test)]
pub(super) fn read_files(bytes: &[u8]) {
    let files = CertificateFiles { certificate: "a".into(), key: "b".into() };
    let at = bytes.windows(4).position(|four| four == b"KEY\n").unwrap_or(bytes.len());
    let (certificate, key) = bytes.split_at(at);
    let _ = files.check([certificate.to_owned(), key.to_owned()]);
}
