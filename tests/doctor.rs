//! `cronbox doctor`, as the operator's first look at what a server uses.

use crate::support::certificates::Authority;
use crate::support::postgres::{Cluster, cluster};
use crate::support::s3::Bucket;
use crate::support::server::{Folder, Server};
use crate::support::{PROGRAM, interpreter_cache};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::Command;

/// What the doctor finds out about a server that is started with these flags: its exit code and its document.
fn doctor(folder: &Folder, flags: &[&str], env: &[(String, String)]) -> (Option<i32>, Value) {
    let mut command = Command::new(PROGRAM);
    command.args(["doctor", "--json", "--"]).args(flags).current_dir(&folder.0);
    command.env("CRONBOX_INTERPRETER_CACHE", interpreter_cache()).envs(env.iter().cloned());
    let done = command.output().expect("starts");
    let document = serde_json::from_slice(&done.stdout);
    (done.status.code(), document.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr))))
}

/// The sentences of a part of the document.
fn sentences(part: &Value) -> Vec<String> {
    let text = |finding: &Value| match finding["text"].as_str() {
        Some(text) => format!("{}: {text}", finding["topic"].as_str().unwrap_or_default()),
        None => finding.as_str().unwrap_or_default().to_owned(),
    };
    part.as_array().expect("a list").iter().map(text).collect()
}

fn has(part: &Value, words: &[&str]) -> bool {
    sentences(part).iter().any(|sentence| words.iter().all(|word| sentence.contains(word)))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_in_files_uses_is_looked_at() {
    let folder = Folder::new();
    let authority = Authority::new(&folder.0);
    for (name, days) in [("good", 90), ("short", 3), ("other", 90)] {
        authority.certificate(name, days);
    }
    // Nothing is there yet, and nothing is made.
    let (code, found) = doctor(&folder, &["--data-dir", "data"], &[]);
    assert_eq!((code, &found["problems"], &found["warnings"]), (Some(0), &json!([]), &json!([])));
    assert!(has(&found["server"], &["database: it is not there yet"]), "{found}");
    assert!(!folder.0.join("data").exists());
    let server = Server::start(&folder.0, &["--data-dir", "data"]);
    server.put("tick", "def run(): return 1\n").await;
    server.put("other", "def run(): return 1\n").await;
    let put = async |id: &str, body: Value| {
        let made = server.request(Method::PUT, &format!("/v1/schedules/{id}")).json(&body);
        assert_eq!(server.json(made).await.0, 201, "{id}");
    };
    put("daily", json!({"script": "tick", "trigger": "0 9 * * *"})).await;
    put("chained", json!({"script": "other", "trigger": "after tick"})).await;
    let secret = json!({"value": "of the tests", "hosts": ["api.example.com"], "scripts": ["tick"]});
    let kept = server.request(Method::PUT, "/v1/secrets/KEY").json(&secret);
    assert!(server.json(kept).await.0 < 300);
    // Beside a server that runs.
    let flags = ["--data-dir", "data", "--tls-cert", "good.pem", "--tls-key", "good.key"];
    let (code, found) = doctor(&folder, &flags, &[]);
    assert_eq!((code, &found["problems"]), (Some(0), &json!([])), "{found}");
    for words in [
        &["certificate: good.pem: valid until"][..],
        &["disk: data", "are free"],
        &["blobs: ", "data/blobs: objects can be written, found, read, listed, deleted"],
        &["database: SQLite 3.", "schema ", "journal_mode wal"],
        &["secrets: there is a key for each"],
        &["schedules: 2 of 2 can fire"],
        &["backups: none was made"],
    ] {
        assert!(has(&found["server"], words), "{words:?}: {found}");
    }
    the_age_of_backups_is_told(&folder);
    // A certificate that ends soon, one of another key, a key of secrets that is lost.
    let (code, found) =
        doctor(&folder, &["--data-dir", "data", "--tls-cert", "short.pem", "--tls-key", "short.key"], &[]);
    assert_eq!(code, Some(0), "{found}");
    assert!(has(&found["warnings"], &["certificate: short.pem: the certificate of this server expires at"]), "{found}");
    std::fs::rename(folder.0.join("data/secret.key"), folder.0.join("lost.key")).expect("renames");
    let (code, found) =
        doctor(&folder, &["--data-dir", "data", "--tls-cert", "good.pem", "--tls-key", "other.key"], &[]);
    assert_eq!(code, Some(1), "{found}");
    assert!(has(&found["problems"], &["certificate: the key in other.key is not that of"]), "{found}");
    assert!(has(&found["problems"], &["secrets: no key that is here opens these secrets", "KEY"]), "{found}");
    let (code, found) = doctor(&folder, &["--data-dri", "data"], &[]);
    assert!(code == Some(1) && has(&found["problems"], &["settings cannot be used", "--data-dri"]), "{found}");
}

/// The last backup is told of, also that it is late where the server makes them itself.
fn the_age_of_backups_is_told(folder: &Folder) {
    let data = ["--data-dir", "data"];
    let every = [&data[..], &["--backup-every", "24h", "--backup-to", "saved"]].concat();
    let (code, found) = doctor(folder, &every, &[]);
    assert!(
        code == Some(0) && has(&found["warnings"], &["backups: none was made, and the server is to make one every 1d"]),
        "{found}"
    );
    let made = Command::new(PROGRAM).args(["backup", "saved"]).args(data).current_dir(&folder.0).output();
    assert!(made.expect("starts").status.success());
    for flags in [&data[..], &every] {
        let (_, found) = doctor(folder, flags, &[]);
        assert!(has(&found["server"], &["backups: the last one was begun ", "s ago and has "]), "{found}");
        assert_eq!(found["warnings"], json!([]));
    }
    let database = rusqlite::Connection::open(folder.0.join("data/cronbox.db")).expect("opens");
    database.busy_timeout(std::time::Duration::from_secs(10)).expect("waits");
    let changed = database.execute("UPDATE backups SET started_at = started_at - 259200000000", []);
    assert_eq!(changed.expect("changes"), 1);
    let (_, found) = doctor(folder, &every, &[]);
    assert!(has(&found["warnings"], &["backups: the last one was begun 3d ago", "make one every 1d"]), "{found}");
    let (_, found) = doctor(folder, &data, &[]);
    assert!(has(&found["server"], &["backups: the last one was begun 3d ago"]), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_on_other_machines_uses_is_looked_at() {
    let folder = Folder::new();
    let bucket = Bucket::start(&folder.0).await;
    let durable = Cluster::start(true);
    let database = durable.database();
    let look = async |database: String, env: Vec<(String, String)>| {
        let flags = ["--database", &database, "--blobs", "s3://jobs/here"];
        tokio::task::block_in_place(|| doctor(&folder, &flags, &env))
    };
    let (code, found) = look(database.clone(), bucket.env()).await;
    assert_eq!((code, &found["problems"]), (Some(0), &json!([])), "{found}");
    for words in [
        &["blobs: s3://jobs/here: objects can be written, found, read, listed, deleted"][..],
        &["database: PostgreSQL ", "no server has used it yet", "fsync on"],
        &["clock: as the database's"],
    ] {
        assert!(has(&found["server"], words), "{words:?}: {found}");
    }
    // A database that does not wait for its disk, and a key that opens no bucket.
    let mut wrong = bucket.env();
    wrong.retain(|(name, _)| name != "AWS_SECRET_ACCESS_KEY");
    wrong.push(("AWS_SECRET_ACCESS_KEY".into(), "another".into()));
    let (code, found) = look(cluster().database(), wrong).await;
    assert_eq!(code, Some(1), "{found}");
    assert!(has(&found["problems"], &["database: fsync is off: what was accepted can be lost"]), "{found}");
    for verb in ["written", "found", "read", "listed", "deleted"] {
        assert!(has(&found["problems"], &[&format!("s3://jobs/here: objects cannot be {verb}")]), "{verb}: {found}");
    }
    bucket.down();
    durable.down();
    let (code, found) = look(database, bucket.env()).await;
    assert!(
        code == Some(1) && has(&found["problems"], &["database: "]) && has(&found["problems"], &["blobs: "]),
        "{found}"
    );
}
