//! Links: what a script source gives, to whom, and what a file in it that is none can hold up.

use crate::support::server::{Folder, Server, answer};
use reqwest::Method;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const SECRET: &str = "PASSWORD = 'tenant-b-private'\n\ndef run():\n    return 0\n";

/// A folder of scripts with everything in it that an attacker, or an accident, can put there.
fn jobs(folder: &Path) -> PathBuf {
    let jobs = folder.join("jobs");
    std::fs::create_dir_all(jobs.join("deep")).unwrap();
    std::fs::write(jobs.join("tenant_b.py"), SECRET).unwrap();
    std::fs::write(jobs.join("mine.py"), "def run():\n    return 1\n").unwrap();
    std::fs::write(jobs.join("deep/linked.py"), "def run():\n    return 'deep'\n").unwrap();
    std::fs::write(folder.join("admin.token"), "cbx_a-secret-of-the-operator\n").unwrap();
    symlink("/etc/passwd", jobs.join("shadow.py")).unwrap();
    symlink("/etc", jobs.join("etcdir")).unwrap();
    symlink(folder, jobs.join("up")).unwrap();
    symlink("tenant_b.py", jobs.join("inside.py")).unwrap();
    let made = Command::new("mkfifo").arg(jobs.join("pipe.py")).status().unwrap();
    assert!(made.success());
    jobs
}

async fn taken(server: &Server, name: &str, version: i64) {
    server
        .until(name, async || (server.get(&format!("/v1/scripts/{name}")).await.1["version"] == version).then_some(()))
        .await;
}

/// `p16.py`, `p16b.py`: a token that is limited to a script of its own reads no files of others through a link.
#[tokio::test(flavor = "multi_thread")]
async fn a_limited_token_links_nothing() {
    let folder = Folder::new();
    let jobs = jobs(&folder.0);
    let mut server = Server::start(&folder.0, &["--ephemeral", "--script-source", jobs.to_str().unwrap()]);
    server.put("mymy", "def run():\n    return 0\n").await;
    taken(&server, "tenant_b", 1).await;
    let (_, admin) = server.post("/v1/tokens", &json!({"name": "boss", "scopes": ["admin"]})).await;
    let admin = admin["token"].as_str().unwrap().to_owned();
    let ask = |token: &str, method: Method, path: &str, body: Option<Value>| {
        let request = server.request(method, path).bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        async { answer(request.send().await.unwrap()).await }
    };
    let limits = [json!({"scripts": ["mymy"]}), json!({"labels": ["team=a"]}), json!({"scripts": ["mymy", "mine"]})];
    for (number, limit) in limits.into_iter().enumerate() {
        let mut token = json!({"name": format!("lim{number}"), "scopes": ["read", "run", "write"]});
        token.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());
        let (_, made) = ask(&admin, Method::POST, "/v1/tokens", Some(token)).await;
        let limited = made["token"].as_str().unwrap().to_owned();
        if limit["scripts"].is_array() {
            for file in
                ["tenant_b.py", "mine.py", "shadow.py", "etcdir/passwd", "up/admin.token", "../admin.token", "pipe.py"]
            {
                for query in ["?check=false", "", "?upgrade=true"] {
                    let from = json!({"from": format!("file://{}/{file}", jobs.display())});
                    let (status, problem) =
                        ask(&limited, Method::PUT, &format!("/v1/scripts/mymy{query}"), Some(from)).await;
                    assert_eq!((status, &problem["code"]), (403, &json!("link_out_of_reach")), "{file}: {problem}");
                    let shown = problem.to_string();
                    assert!(!shown.contains("PASSWORD") && !shown.contains("root:"), "{shown}");
                }
            }
            let (_, script) = ask(&limited, Method::GET, "/v1/scripts/mymy", None).await;
            assert_eq!((&script["version"], &script["link"]), (&json!(1), &Value::Null), "{script}");
        }
        // Callers who reach a linked script see its source, as before; others do not.
        let (status, _) = ask(&limited, Method::GET, "/v1/scripts/tenant_b/versions/1/source", None).await;
        assert_eq!(status, 403);
        let (status, _) = ask(&limited, Method::GET, "/v1/scripts/mine/versions/1/source", None).await;
        assert_eq!(status, if limit["scripts"].as_array().is_some_and(|all| all.len() == 2) { 200 } else { 403 });
    }
    server.token = Some(admin);
    // Nor does a token that is not limited reach anything but regular files beneath the source.
    for (file, code) in [
        ("shadow.py", "link_not_allowed"),
        ("inside.py", "link_not_allowed"),
        ("etcdir/passwd", "link_not_allowed"),
        ("up/admin.token", "link_not_allowed"),
        ("pipe.py", "link_not_allowed"),
        ("deep", "link_not_allowed"),
        ("../admin.token", "link_not_allowed"),
        ("none.py", "link_broken"),
    ] {
        let from = json!({"from": format!("file://{}/{file}", jobs.display())});
        let answer = server.json(server.request(Method::PUT, "/v1/scripts/x?check=false").json(&from)).await;
        assert_eq!((answer.0, &answer.1["code"]), (422, &json!(code)), "{file}: {}", answer.1);
        assert!(!answer.1.to_string().contains("root:"), "{}", answer.1);
    }
    let from = json!({"from": format!("file://{}/deep/linked.py", jobs.display())});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/scripts/far").json(&from)).await.0, 201);
    assert_eq!(server.run("far", &json!({})).await["result"], "deep");
    for name in ["shadow", "inside", "pipe"] {
        assert_eq!(server.get(&format!("/v1/scripts/{name}")).await.0, 404, "{name}");
    }
}

/// A pipe, a socket, a link, a device's name or a file that is too large is left out, and said; all others go on.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_holds_nothing_up() {
    let folder = Folder::new();
    let jobs = jobs(&folder.0);
    std::fs::File::create(jobs.join("huge.py")).unwrap().set_len(64 << 20).unwrap();
    drop(std::os::unix::net::UnixListener::bind(jobs.join("talk.py")).unwrap());
    let mut server = Server::start(&folder.0, &["--ephemeral", "--script-source", jobs.to_str().unwrap()]);
    taken(&server, "mine", 1).await;
    let warning = server
        .until("a warning", async || {
            let (_, ready) = server.get("/readyz").await;
            let warnings = ready["warnings"].as_array().unwrap().clone();
            warnings.into_iter().find(|warning| warning.as_str().unwrap().contains("left out"))
        })
        .await;
    let warning = warning.as_str().unwrap();
    for part in ["5 files", "1: a named pipe", "2: a symbolic link", "1: a socket", "1: larger than"] {
        assert!(warning.contains(part), "{warning}");
    }
    assert!(!warning.contains("pipe.py"), "everyone may ask: {warning}");
    for file in ["pipe.py", "shadow.py", "inside.py", "huge.py", "talk.py"] {
        let told = server.log().lines().filter(|line| line.contains(file) && line.contains("is left out")).count();
        assert_eq!(told, 1, "{file}: {}", server.log());
    }
    std::fs::write(jobs.join("mine.py"), "def run():\n    return 2\n").unwrap();
    std::fs::write(jobs.join("new.py"), "def run():\n    return 'new'\n").unwrap();
    taken(&server, "mine", 2).await;
    taken(&server, "new", 1).await;
    assert_eq!(server.run("mine", &json!({})).await["result"], 2);
    // A script that was one becomes a pipe: its last good version runs.
    std::fs::remove_file(jobs.join("mine.py")).unwrap();
    assert!(Command::new("mkfifo").arg(jobs.join("mine.py")).status().unwrap().success());
    server.until("left out", async || server.log().contains("\"file\":\"mine.py\"").then_some(())).await;
    assert_eq!(server.run("mine", &json!({})).await["result"], 2);
    let began = Instant::now();
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(10)).success(), "{}", server.log());
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// A bucket that takes connections and says nothing.
struct Silent(std::net::SocketAddr);

impl Silent {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                held.push(socket);
            }
        });
        Silent(address)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_hangs_holds_up_neither_a_folder_nor_the_end() {
    let folder = Folder::new();
    let jobs = folder.0.join("jobs");
    std::fs::create_dir(&jobs).unwrap();
    std::fs::write(jobs.join("one.py"), "def run():\n    return 1\n").unwrap();
    let bucket = Silent::start().await;
    let endpoint = format!("http://{}", bucket.0);
    let env = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKTESTS"),
        ("AWS_SECRET_ACCESS_KEY", "none"),
        ("AWS_REGION", "us-east-1"),
    ];
    let words = ["--ephemeral", "--script-source", "s3://jobs/x", "--script-source", jobs.to_str().unwrap()];
    let mut server = Server::start_with(&folder.0, &words, &env);
    taken(&server, "one", 1).await;
    // A look that takes long is told of; nothing waits for it.
    let link = server.json(server.request(Method::PUT, "/v1/scripts/two").json(&json!({"from": "s3://jobs/x/two.py"})));
    let nothing = json!({});
    let (link, run) = tokio::join!(link, server.run("one", &nothing));
    assert_eq!(run["result"], 1);
    assert_eq!((link.0, &link.1["code"]), (503, &json!("link_unavailable")), "{}", link.1);
    std::fs::write(jobs.join("one.py"), "def run():\n    return 2\n").unwrap();
    taken(&server, "one", 2).await;
    server
        .until("a warning", async || {
            let (_, ready) = server.get("/readyz").await;
            ready["warnings"].to_string().contains("cannot be looked through").then_some(())
        })
        .await;
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(10)).success(), "{}", server.log());
}
