//! Certificates of the tests' own authority, made by OpenSSL.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority, and where its files are.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// Runs `openssl` with these words, which have no spaces in them.
fn openssl(folder: &Path, words: &str) {
    let done = Command::new("openssl").args(words.split(' ')).current_dir(folder).output().expect("openssl");
    assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

impl Authority {
    /// A new one, in this folder.
    pub fn new(folder: &Path) -> Self {
        openssl(folder, &format!("req -x509 {NEW_KEY} -days 30 -subj /CN=Authority -keyout ca.key -out ca.pem"));
        Authority { folder: folder.to_owned() }
    }

    /// The authority's certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for `localhost` and `127.0.0.1` that ends in so many days, and its key: `NAME.pem` and `NAME.key` in
    /// the authority's folder. Its subject has the name.
    pub fn certificate(&self, name: &str, days: i32) {
        let extensions = "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
        let words = format!(
            "req -x509 -CA ca.pem -CAkey ca.key {NEW_KEY} -days {days} -subj /CN={name} {extensions} -keyout {name}.key -out {name}.pem"
        );
        openssl(&self.folder, &words);
    }

    /// A client that believes this authority.
    pub fn client(&self) -> reqwest::ClientBuilder {
        let pem = std::fs::read(self.file()).expect("the authority");
        let authority = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        reqwest::Client::builder().tls_certs_only([authority])
    }

    /// What `curl` answers with these words, which have no spaces in them, believing this authority: its exit code and its
    /// output.
    pub fn curl(&self, words: &str) -> (Option<i32>, String) {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "60", "--cacert"]).arg(self.file());
        let done = command.args(words.split(' ')).output().expect("curl");
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}
