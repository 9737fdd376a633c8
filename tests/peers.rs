//! Other people's programs against ours: schemathesis, and moto's S3 server. `make test` installs them.

use crate::support::server::{Folder, Server};
use crate::support::tests_folder;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A program of the tests' own Python.
fn program(name: &str) -> PathBuf {
    let python =
        std::env::var("CRONBOX_TEST_VENV").expect("CRONBOX_TEST_VENV: `make test` installs what is needed and sets it");
    PathBuf::from(python).join("bin").join(name)
}

/// moto, until it is dropped.
struct Moto {
    process: Child,
    told: Value,
}

impl Moto {
    fn start() -> Self {
        let script = tests_folder().join("peers/moto_server.py");
        let mut process = Command::new(program("python"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        Moto { process, told: serde_json::from_str(&line).expect("JSON") }
    }

    fn env<'a>(&'a self, secret: Option<&'a str>) -> [(&'a str, &'a str); 4] {
        let told = |name: &str| self.told[name].as_str().expect("text");
        [
            ("AWS_ENDPOINT_URL", told("endpoint")),
            ("AWS_ACCESS_KEY_ID", told("key")),
            ("AWS_SECRET_ACCESS_KEY", secret.unwrap_or_else(|| told("secret"))),
            ("AWS_REGION", "us-east-1"),
        ]
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_lie_on_another_s3_server_too() {
    let (folder, moto) = (Folder::new(), Moto::start());
    let server = Server::start_with(&folder.0, &["--blobs", "s3://jobs/cronbox"], &moto.env(None));
    let (status, ready) = server.get("/readyz").await;
    assert_eq!(status, 200, "{ready}");
    assert_eq!(server.put("large", "def run(n):\n    print('y' * n)\n    return 'x' * n\n").await.0, 201);
    let run = server.run("large", &json!({"args": {"n": 50_000}})).await;
    assert_eq!(run["result"].as_str().map(str::len), Some(50_000), "{}", run["error"]);
    drop(server);
    let server = Server::start_with(&folder.0, &["--blobs", "s3://jobs/cronbox"], &moto.env(None));
    let (_, again) = server.get(&format!("/v1/runs/{}", run["id"].as_str().expect("an id"))).await;
    assert_eq!(again["result"], run["result"]);
    assert_eq!(server.run("large", &json!({"args": {"n": 1}})).await["result"], "x");
    drop(server);
    // A wrong secret is told, and nothing is taken.
    let other = Folder::new();
    let server = Server::start_with(&other.0, &["--blobs", "s3://jobs/cronbox"], &moto.env(Some("wrong")));
    let (status, ready) = server.get("/readyz").await;
    assert_eq!((status, &ready["parts"]["database"]), (503, &json!("ok")), "{ready}");
    let refused = server.put("x", "x = 1\n").await;
    assert_eq!((refused.0, &refused.1["code"]), (503, &json!("blobs_unavailable")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_document_says() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral", "--rate-limit", "1000000"]);
    server.put("price", "def run(n=1):\n    return {'price': n}\n").await;
    server.run("price", &json!({})).await;
    // With a token from the beginning: once one of them is made, nobody gets in without.
    let (status, token) = server.post("/v1/tokens", &json!({"name": "documents", "scopes": ["admin"]})).await;
    assert_eq!(status, 201, "{token}");
    let token = format!("Authorization: Bearer {}", token["token"].as_str().expect("a token"));
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let done = Command::new(program("st"))
        .args(["run", &format!("{}/openapi.json", server.url), "--phases", "coverage,fuzzing", "--max-examples", "15"])
        // Following a run ends with the run.
        .args(["--exclude-path", "/v1/runs/{id}/events", "--checks", checks, "--seed", "1", "--no-color", "-H", &token])
        .current_dir(&folder.0)
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    let document: Value = serde_json::from_str(cronbox::http::document()).expect("JSON");
    let all: usize =
        document["paths"].as_object().expect("paths").values().filter_map(|path| Some(path.as_object()?.len())).sum();
    assert!(all > 50 && said.contains(&format!("Tested: {}", all - 1)), "{all}: {said}");
}
