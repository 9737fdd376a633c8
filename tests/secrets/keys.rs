//! The keys that secrets are sealed with.

use super::{HAS, VALUE, base64, script, set, start};
use crate::support::server::{Folder, Server};
use serde_json::json;

/// A key of one letter, as a file has it.
fn key(letter: &str) -> String {
    base64(&letter.repeat(32))
}

/// A file of keys, and a server whose script `has` has the secret API_KEY, sealed with the key of `a`.
struct Sealed {
    keys: Folder,
    data: Folder,
    server: Option<Server>,
}

impl Sealed {
    async fn new() -> Self {
        let mut sealed = Sealed { keys: Folder::new(), data: Folder::new(), server: None };
        sealed.write(&key("a"));
        sealed.restart(&[]);
        let server = sealed.server();
        let (code, told) = set(server, VALUE, &["API_KEY", "--host", "a.example", "--script", "has"]);
        assert!(code == Some(0) && !told.contains("a key for secrets was made"), "{told}");
        assert_eq!(server.put("has", &script("", HAS)).await.0, 201);
        assert!(sealed.is_had().await);
        sealed
    }

    /// Writes the file of keys.
    fn write(&self, content: &str) {
        std::fs::write(self.keys.0.join("keys"), content).expect("writes");
    }

    fn words(&self) -> [String; 2] {
        ["--secret-key-file".into(), self.keys.0.join("keys").display().to_string()]
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("up")
    }

    /// Starts the server with the file of keys, or with these variables instead.
    fn restart(&mut self, env: &[(&str, &str)]) {
        let words = self.words();
        let words: Vec<&str> = if env.is_empty() { words.iter().map(String::as_str).collect() } else { Vec::new() };
        drop(self.server.take());
        self.server = Some(start(&self.data.0, &words, env));
    }

    /// Whether a run has the secret API_KEY.
    async fn is_had(&self) -> bool {
        self.server().run("has", &json!({})).await["result"][0] == "cronbox-secret"
    }
}

/// Rotation: a new key goes first, all secrets are sealed with it, and the old one can go.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_seals_all_secrets_and_the_old_one_can_go() {
    let sealed = Sealed::new().await;
    let server = sealed.server();
    sealed.write(&format!("{}\n{}\n", key("b"), key("a")));
    let before = server.get("/v1/secrets/API_KEY").await.1["key"].clone();
    let (code, told, _) = server.cronbox(&["secret", "rotate"]);
    assert!(code == Some(0) && told.contains("sealed again: 1"), "{told}");
    assert_ne!(server.get("/v1/secrets/API_KEY").await.1["key"], before);
    sealed.write(&key("b"));
    assert!(sealed.is_had().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_keys_that_is_being_written_delays_runs_and_loses_none() {
    let sealed = Sealed::new().await;
    let server = sealed.server();
    sealed.write("");
    let (_, run) = server.post("/v1/scripts/has/runs", &json!({})).await;
    let id = run["id"].as_str().expect("an id").to_owned();
    server.run_when(&id, |run| run["status"] == "scheduled").await;
    sealed.write(&key("a"));
    let done = server.run_when(&id, |run| run["status"] == "succeeded").await;
    assert_eq!(done["result"][0], "cronbox-secret", "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_is_told_and_can_be_given_back() {
    let mut sealed = Sealed::new().await;
    sealed.write(&key("c"));
    let server = sealed.server();
    let done = server.run("has", &json!({})).await;
    assert_eq!(done["error"]["type"], "SecretUnavailable", "{done}");
    assert!(done["error"]["message"].as_str().is_some_and(|text| text.contains("give it back with")), "{done}");
    assert_eq!(server.get("/v1/secrets/API_KEY").await.1["readable"], false);
    assert!(server.cronbox(&["secrets"]).1.contains("KEY IS LOST"));
    let (code, _, told) = server.cronbox(&["secret", "rotate"]);
    assert!(code == Some(1) && told.contains("set them again: API_KEY"), "{told}");
    sealed.restart(&[]);
    let log = sealed.server().log();
    assert!(log.contains("no key that is here opens these secrets"), "{log}");
    // Given back in the other way.
    sealed.restart(&[("CRONBOX_SECRET_KEY", &key("a"))]);
    assert!(sealed.is_had().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_made_while_secrets_of_a_lost_one_are_left() {
    let sealed = Sealed::new().await;
    let Sealed { data, server, .. } = sealed;
    drop(server);
    let server = start(&data.0, &[], &[]);
    assert!(server.log().contains("no key that is here opens these secrets"), "{}", server.log());
    let (code, told) = set(&server, VALUE, &["OTHER", "--host", "a.example", "--script", "has"]);
    assert!(code == Some(5) && told.contains("if it is lost, remove those secrets"), "{told}");
    assert_eq!(server.cronbox(&["secret", "rm", "API_KEY"]).0, Some(0));
    assert_eq!(set(&server, VALUE, &["OTHER", "--host", "a.example", "--script", "has"]).0, Some(0));
    assert_eq!(server.run("has", &json!({})).await["result"], json!(["", "cronbox-secret"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_servers_own_is_replaced_and_forgotten() {
    let data = Folder::new();
    let server = start(&data.0, &[], &[]);
    assert_eq!(server.put("has", &script("", HAS)).await.0, 201);
    assert_eq!(set(&server, VALUE, &["OTHER", "--host", "a.example", "--script", "has"]).0, Some(0));
    let (code, told, _) = server.cronbox(&["secret", "rotate", "--json"]);
    assert!(code == Some(0) && told.contains("\"resealed\":1"), "{told}");
    assert_eq!(server.run("has", &json!({})).await["result"], json!(["", "cronbox-secret"]));
    let own = std::fs::read_to_string(data.0.join("cronbox-data/secret.key")).expect("a file of keys");
    assert_eq!(own.lines().filter(|line| !line.starts_with('#')).count(), 1, "the old key is forgotten");
}

#[test]
fn wrong_keys_end_the_start() {
    let (keys, folder) = (Folder::new(), Folder::new());
    let file = keys.0.join("keys");
    std::fs::write(&file, "c2hvcnQ=\n").expect("writes");
    let words = ["--secret-key-file", file.to_str().expect("text")];
    let (_, told) = Server::refused(&folder.0, &words, &[]);
    assert!(told.contains("line 1") && told.contains("openssl rand -base64 32"), "{told}");
    let (_, told) = Server::refused(&folder.0, &["--secret-key-file", "/nowhere/keys"], &[]);
    assert!(told.contains("/nowhere/keys") && told.contains("it is not there"), "{told}");
    let (_, told) = Server::refused(&folder.0, &words, &[("CRONBOX_SECRET_KEY", &key("b"))]);
    assert!(told.contains("exclude one another"), "{told}");
}
