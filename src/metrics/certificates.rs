//! What is counted of the listeners' certificate.

use super::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FileLabel {
    file: String,
}

/// What is counted of the listeners' certificate; nothing where there is none.
#[derive(Debug, Default)]
pub(super) struct CertificateMetrics {
    expires: Family<FileLabel, Gauge>,
    refused: Family<FileLabel, Gauge>,
}

impl CertificateMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "tls_certificate_expires_timestamp_seconds",
            "When the certificate that is in force ends, since 1970",
            self.expires.clone(),
        );
        registry.register(
            "tls_certificate_refused",
            "Whether what is in the certificate's files now cannot be used, so that the one from before stays: 1 or 0",
            self.refused.clone(),
        );
    }
}

impl Metrics {
    /// When the certificate that is in force ends, in seconds since 1970, and whether what is in its files is refused.
    pub fn certificate(&self, file: &Path, expires_at: i64, is_refused: bool) {
        let label = FileLabel { file: file.display().to_string() };
        self.certificates.expires.get_or_create(&label).set(expires_at);
        self.certificates.refused.get_or_create(&label).set(i64::from(is_refused));
    }
}
