//! Where the node listens, and how clients reach it.

use super::BadSetting;
use super::values::{base_path, listen_address};
use crate::http::{CertificateError, CertificateFiles, Tls, TrustedProxies, TrustedProxy};
use clap::Args;
use std::path::PathBuf;

/// Where the node listens, and how clients reach it.
#[derive(Clone, Debug, Args)]
pub struct ListenConfig {
    /// Where to listen: HOST:PORT, or unix:PATH; repeatable. With --tls-cert an address speaks TLS, and plain:HOST:PORT
    /// does not
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CRONBOX_LISTEN",
        default_value = "127.0.0.1:8080",
        value_delimiter = ',',
        value_parser = listen_address
    )]
    pub listen: Vec<String>,
    /// The server's certificate and those between it and its authority (PEM); read again when it changes
    #[arg(long, value_name = "FILE", env = "CRONBOX_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM) [default: the file of --tls-cert]
    #[arg(long, value_name = "FILE", env = "CRONBOX_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// What every address begins with behind a proxy, such as /cronbox; the proxy may drop it or pass it on
    #[arg(
        long,
        value_name = "PATH",
        env = "CRONBOX_BASE_PATH",
        default_value = "",
        hide_default_value = true,
        value_parser = base_path
    )]
    pub base_path: String,
    /// Proxies whose Forwarded and X-Forwarded-… headers are believed: 10.0.0.0/8, 192.0.2.1, or unix for those that use
    /// the socket; repeatable
    #[arg(long, value_name = "CIDR", env = "CRONBOX_TRUSTED_PROXY", value_delimiter = ',')]
    pub trusted_proxy: Vec<TrustedProxy>,
}

/// What an address begins with that does not speak TLS.
const PLAIN: &str = "plain:";

impl ListenConfig {
    /// Where to listen: the address, and whether TLS is spoken there.
    pub(in crate::serve) fn addresses(&self) -> impl Iterator<Item = (&str, bool)> {
        self.listen.iter().map(|address| match address.strip_prefix(PLAIN) {
            Some(address) => (address, false),
            None => (address.as_str(), self.tls_cert.is_some() && !address.starts_with("unix:")),
        })
    }

    /// The proxies that are believed.
    pub(in crate::serve) fn trusted(&self) -> TrustedProxies {
        self.trusted_proxy.iter().copied().collect()
    }

    /// Where the certificate and its key are, if there is one.
    pub fn certificate(&self) -> Result<Option<CertificateFiles>, BadSetting> {
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => Ok(None),
            (None, Some(_)) => {
                Err(BadSetting::new("tls-key", "there is no certificate for it: name it with --tls-cert"))
            }
            (Some(certificate), key) => {
                let key = key.clone().unwrap_or_else(|| certificate.clone());
                Ok(Some(CertificateFiles { certificate: certificate.clone(), key }))
            }
        }
    }

    /// TLS of the listeners that speak it.
    pub(in crate::serve) fn tls(&self) -> Result<Option<Tls>, BadSetting> {
        let Some(files) = self.certificate()? else { return Ok(None) };
        if !self.addresses().any(|(_, speaks_tls)| speaks_tls) {
            return Err(BadSetting::new("tls-cert", "no address speaks TLS: name one with --listen HOST:PORT"));
        }
        let bad = |error: CertificateError| {
            let name = if error.is_of_key(&files) { "tls-key" } else { "tls-cert" };
            BadSetting::new(name, error)
        };
        Tls::open(files.clone()).map(Some).map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use crate::serve::Config;

    #[test]
    fn an_address_speaks_tls_where_it_is_not_plain() {
        let addresses = |flags: &[&str]| {
            let config = Config::of_flags(flags).expect("reads").listening;
            config.addresses().map(|(address, speaks_tls)| format!("{address} {speaks_tls}")).collect::<Vec<_>>()
        };
        assert_eq!(addresses(&[]), ["127.0.0.1:8080 false"]);
        let three = ["--listen=0.0.0.0:443", "--listen=plain:127.0.0.1:80,unix:/run/a"];
        assert_eq!(addresses(&three), ["0.0.0.0:443 false", "127.0.0.1:80 false", "unix:/run/a false"]);
        let with = [three[0], three[1], "--tls-cert=a.pem"];
        assert_eq!(addresses(&with), ["0.0.0.0:443 true", "127.0.0.1:80 false", "unix:/run/a false"]);
    }

    #[test]
    fn a_key_alone_and_a_certificate_for_nobody_are_refused() {
        let why = |flags: &[&str]| {
            let config = Config::of_flags(flags).expect("reads");
            config.listening.tls().expect_err("refuses").to_string()
        };
        assert_eq!(why(&["--tls-key=k.pem"]), "--tls-key: there is no certificate for it: name it with --tls-cert");
        let plain = ["--tls-cert=c.pem", "--listen=plain:127.0.0.1:80"];
        assert_eq!(why(&plain), "--tls-cert: no address speaks TLS: name one with --listen HOST:PORT");
        assert!(
            why(&["--tls-cert=/nowhere/c.pem"]).starts_with("--tls-cert: /nowhere/c.pem cannot be read: No such file")
        );
    }
}
