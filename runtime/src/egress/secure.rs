//! TLS outside of the sandbox: the trusted authorities, and the sessions.

use super::messages::{Failed, Failure, Session};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::sync::Arc;

/// Most sessions of one connection that are kept for resumption.
const SESSIONS: usize = 16;

/// The two configurations of TLS.
pub(super) struct Secure {
    verified: ClientConfig,
    unverified: ClientConfig,
}

impl Secure {
    /// Reads the system's authorities and adds the operator's (PEM). Call it before the process is locked.
    pub(super) fn new(authorities: &str) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        // Without a usable list of the system, the operator's own file still works.
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            let certificate =
                certificate.map_err(|error| format!("the file of authorities cannot be read: {error}"))?;
            roots.add(certificate).map_err(|error| format!("the file of authorities cannot be used: {error}"))?;
        }
        let builder = || {
            ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())
        };
        let verified = builder()?.with_root_certificates(roots).with_no_client_auth();
        let accept_any = Arc::new(AcceptAny { provider: provider.clone() });
        let unverified = builder()?.dangerous().with_custom_certificate_verifier(accept_any).with_no_client_auth();
        Ok(Secure { verified, unverified })
    }

    /// Returns the configuration of a connection. Sessions are kept for this connection only: runs share nothing.
    pub(super) fn config(&self, verify: bool, protocols: &[String]) -> ClientConfig {
        let mut config = if verify { self.verified.clone() } else { self.unverified.clone() };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        config
    }
}

/// Returns the session of a finished handshake.
pub(super) fn session(connection: &ClientConnection) -> Session {
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    };
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite().as_str().unwrap_or_default());
    // As OpenSSL writes them: TLS_AES_256_GCM_SHA384, where rustls says TLS13_AES_256_GCM_SHA384.
    let cipher = suite.unwrap_or_default().replace("TLS13_", "TLS_");
    let certificate = connection.peer_certificates().and_then(|chain| chain.first());
    Session {
        version: version.into(),
        cipher,
        protocol: connection.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
        certificate: certificate.map(|certificate| certificate.to_vec()).unwrap_or_default(),
    }
}

/// Returns the reason why a handshake failed.
pub(super) fn failure(error: &io::Error, name: &str) -> Failed {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(tls) = tls else {
        return Failed::new(Failure::Tls, format!("the TLS handshake with {name} was broken off: {error}"));
    };
    let rustls::Error::InvalidCertificate(why) = tls else {
        return Failed::new(Failure::Tls, format!("TLS with {name} could not be agreed upon: {tls}"));
    };
    let why = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "the certificate is self-signed, or of an authority that this server does not know".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate is not for {name}")
        }
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        other => format!("the certificate cannot be believed: {other}"),
    };
    Failed::new(Failure::Certificate, why)
}

/// Accepts any certificate, for hosts that a grant lists as unverified.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
