//! The server over HTTP, as its users meet it.

mod command_line;
mod lists;
mod recent;
mod runs;

use crate::support::PROGRAM;
use crate::support::server::{Folder, Server, answer};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use std::process::Command;
use std::time::{Duration, Instant};

const PRICE: &str =
    "def run(symbol='INIT', n=1):\n    print('asked for', symbol)\n    return {'price': 100 + n, 'symbol': symbol}\n";

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        zip.start_file(*path, zip::write::SimpleFileOptions::default()).expect("starts");
        zip.write_all(content.as_bytes()).expect("writes");
    }
    zip.finish().expect("ends").into_inner()
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_come_in_every_form() {
    let (_folder, server) = Server::ephemeral();
    let put = |name: &str| server.request(Method::PUT, &format!("/v1/scripts/{name}"));
    let form = "application/x-www-form-urlencoded";
    for (name, kind) in
        [("a", form), ("b", "text/x-python; charset=utf-8"), ("c", "application/octet-stream"), ("d", "text/plain")]
    {
        let kept = server.json(put(name).header("content-type", kind).body(PRICE)).await;
        assert_eq!(kept.0, 201, "{kind}: {}", kept.1);
        assert_eq!(server.run(name, &json!({})).await["result"]["price"], 101);
    }
    assert_eq!(server.json(server.request(Method::POST, "/v1/scripts?name=e.py").body(PRICE)).await.0, 201);
    // What curl's -d makes of a file.
    for stripped in [PRICE.replace('\n', ""), "# a comment".to_owned() + &PRICE.replace('\n', "")] {
        let told = server.json(put("s").header("content-type", form).body(stripped)).await;
        assert_eq!(code(&told), (422, "line_breaks_stripped"));
        assert!(told.1["detail"].as_str().expect("text").contains("--data-binary"));
    }
    assert_eq!(server.json(put("one").header("content-type", form).body("print(1)")).await.0, 201);
    let kept = server
        .json(put("f").multipart(Form::new().part("file", Part::text(PRICE).file_name("x.py")).text("title", "T")))
        .await;
    assert_eq!((kept.0, &kept.1["title"]), (201, &json!("T")));
    let helper = "RATE = 2\n";
    let main =
        "import json\nfrom lib.helper import RATE\ndef run():\n    return [RATE, json.load(open('data.json'))]\n";
    let several = Form::new()
        .part("file", Part::text(main).file_name("main.py"))
        .part("file", Part::text(helper).file_name("lib/helper.py"))
        .part("file", Part::text("[7]").file_name("data.json"));
    assert_eq!(server.json(put("g").multipart(several)).await.0, 201);
    let files = [("main.py", main), ("lib/helper.py", helper), ("data.json", "[7]")];
    assert_eq!(server.json(put("h").header("content-type", "application/zip").body(zip(&files))).await.0, 201);
    let zipped = Form::new().part("file", Part::bytes(zip(&files)).file_name("x.zip"));
    assert_eq!(server.json(put("i").multipart(zipped)).await.0, 201);
    let listed: serde_json::Map<_, _> = files.iter().map(|(path, text)| ((*path).to_owned(), json!(text))).collect();
    assert_eq!(server.json(put("j").json(&json!({"files": listed, "labels": {"team": "x"}}))).await.0, 201);
    let hashes: Vec<Value> = {
        let mut all = Vec::new();
        for name in ["g", "h", "i", "j"] {
            assert_eq!(server.run(name, &json!({})).await["result"], json!([2, [7]]), "{name}");
            all.push(server.get(&format!("/v1/scripts/{name}")).await.1["sha256"].clone());
        }
        all
    };
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "the same files have the same hash: {hashes:?}");
    let kept = server.json(put("k").json(&json!({"source": PRICE, "entry": "run", "limits": {"timeout": "5s"}}))).await;
    assert_eq!(kept.0, 201);
    assert_eq!(server.run("k", &json!({})).await["limits"]["timeout"], 5.0);
    let source = server.request(Method::GET, "/v1/scripts/h/versions/1/source").send().await.expect("answers");
    assert_eq!(source.headers()["content-type"], "application/zip");
    let (_, labelled) = server.get("/v1/scripts?label=team=x").await;
    assert_eq!(labelled["items"][0]["name"], "j");
    assert_eq!(labelled["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_script_is_refused_by_name() {
    let (_folder, server) = Server::ephemeral();
    let put = |name: &str| server.request(Method::PUT, &format!("/v1/scripts/{name}"));
    let refused = server.put("x", "def run():\n    return (1\n").await;
    assert_eq!(
        (code(&refused), &refused.1["line"], &refused.1["column"]),
        ((422, "syntax_error"), &json!(2), &json!(12))
    );
    assert!(refused.1["detail"].as_str().expect("text").contains("'(' was never closed"));
    assert_eq!(server.json(put("x?check=false").body("def run(:")).await.0, 201);
    assert_eq!(server.run("x", &json!({})).await["error"]["type"], "SyntaxError");
    let mut foreign = vec![0xa7, 0x0d, b'\r', b'\n'];
    foreign.extend([0; 20]);
    let refused = server.json(put("y").body(foreign)).await;
    assert_eq!(code(&refused), (422, "wrong_magic"));
    assert!(refused.1["detail"].as_str().expect("text").contains("3495"), "{}", refused.1);
    // A .pyc of this interpreter, made by this interpreter.
    let make = "import importlib.util, marshal, base64\ndef run():\n    code = compile('def run():\\n    return 42\\n', 'z.py', 'exec')\n    \
        return base64.b64encode(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)).decode()\n";
    let (_, made) = server.post("/v1/runs?wait", &json!({"source": make})).await;
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let pyc = BASE64_STANDARD.decode(made["result"].as_str().expect("text")).expect("base64");
    assert_eq!(server.json(put("z").body(pyc)).await.0, 201);
    assert_eq!(server.run("z", &json!({})).await["result"], 42);
    for (files, wanted) in [
        (vec![("main.py", "1"), ("lib/_x.so", "2")], "machine_code"),
        (vec![("main.py", "1"), ("../x.py", "2")], "bad_path"),
        (vec![("main.py", "1"), ("/etc/x", "2")], "bad_path"),
        (vec![("main.py", "1"), ("Main.py", "2")], "bad_path"),
        (vec![("a.py", "1"), ("b.py", "2")], "no_main"),
    ] {
        let refused = server.json(put("w").header("content-type", "application/zip").body(zip(&files))).await;
        assert_eq!(code(&refused), (422, wanted), "{files:?}");
    }
    let mut bomb = zip::ZipWriter::new(Cursor::new(Vec::new()));
    bomb.start_file("main.py", zip::write::SimpleFileOptions::default()).expect("starts");
    (0..64).for_each(|_| bomb.write_all(&vec![b' '; 1 << 20]).expect("writes"));
    let refused = server.json(put("w").body(bomb.finish().expect("ends").into_inner())).await;
    assert_eq!(code(&refused), (413, "too_large"));
    for (request, wanted) in [
        (put("w").body(""), (400, "empty_source")),
        (put("w").body(vec![b'#'; (1 << 20) + 1]), (413, "too_large")),
        (put("w").body(vec![b'#'; 20 << 20]), (413, "too_large")),
        (put("w").header("content-type", "image/png").body("x"), (415, "unsupported_type")),
        (put("w").json(&json!({"sorce": "x"})), (422, "unknown_field")),
        (put("w").json(&json!({"source": "x=1", "entry": "a b"})), (422, "invalid_value")),
        (put("w").json(&json!({"source": 5})), (422, "invalid_value")),
        (put("w").json(&json!({"from": "s3://x/y.py"})), (422, "link_not_allowed")),
        (
            put("w").header("content-type", "multipart/form-data; boundary=x").body("--x\r\nnonsense"),
            (400, "bad_multipart"),
        ),
        (put("w").body("# /// script\n# [tool.cronbox]\n# entry = 5\n# ///\n"), (422, "bad_metadata")),
        // Refused before it is kept.
        (put("w").body("# /// script\n# [tool.cronbox]\n# limits = { memroy = 1 }\n# ///\n"), (422, "invalid_value")),
        (put("w").json(&json!({"source": "x=1", "limits": {"memory": "much"}})), (422, "invalid_value")),
        (put("a%2Fb").body("x = 1"), (400, "bad_name")),
        (put("..%2f").body("x = 1"), (400, "bad_name")),
        (put("pr%D1%96ce").body("x = 1"), (400, "bad_name")),
        (put("a%0Ab").body("x = 1"), (400, "bad_name")),
        (put(&"n".repeat(300)).body("x = 1"), (400, "bad_name")),
        (server.request(Method::POST, "/v1/scripts").body("x = 1"), (400, "missing_name")),
    ] {
        let answer = server.json(request).await;
        assert_eq!(code(&answer), wanted, "{}", answer.1);
        assert!(answer.1["request_id"].is_string() && answer.1["status"] == wanted.0);
    }
    assert_eq!(server.get("/v1/scripts").await.1["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_come_from_the_syntax_tree() {
    let (_folder, server) = Server::ephemeral();
    let source = "import requests\nfrom datetime import datetime\nimport ctypes\n\ndef main():\n    datetime.now()\n    open('out.txt', 'w')\n    input()\n";
    let (status, kept) = server.put("w", source).await;
    assert_eq!(status, 201);
    let found: Vec<(String, u64)> = kept["warnings"]
        .as_array()
        .expect("warnings")
        .iter()
        .map(|warning| {
            (warning["code"].as_str().expect("a code").to_owned(), warning["line"].as_u64().expect("a line"))
        })
        .collect();
    let expected = [
        ("unknown_module", 1),
        ("missing_module", 3),
        ("no_run", 5),
        ("naive_time", 6),
        ("read_only", 7),
        ("no_input", 8),
    ];
    assert_eq!(found, expected.map(|(code, line)| (code.to_owned(), line)));
    assert_eq!(kept["mode"], "script");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_settings_and_deleting() {
    let (_folder, server) = Server::ephemeral();
    for n in 1..=3 {
        let (status, kept) = server.put("v", &format!("def run():\n    return {n}\n")).await;
        assert_eq!((status, &kept["version"]), (201, &json!(n)));
    }
    assert_eq!(server.run("v", &json!({"version": 1})).await["result"], 1);
    assert_eq!(code(&server.post("/v1/scripts/v/runs", &json!({"version": 9})).await), (422, "no_such_version"));
    let (status, back) = server.post("/v1/scripts/v/rollback", &json!({})).await;
    assert_eq!((status, &back["version"]), (200, &json!(2)));
    assert_eq!(server.run("V.py", &json!({})).await["result"], 2);
    let (_, versions) = server.get("/v1/scripts/v/versions?limit=2").await;
    assert_eq!(versions["items"][1]["in_force"], true);
    assert_eq!(versions["next_cursor"], "2");
    let source = server.request(Method::GET, "/v1/scripts/v/versions/3/source").send().await.expect("answers");
    assert_eq!(source.text().await.expect("text"), "def run():\n    return 3\n");
    let patch = |body: Value| server.json(server.request(Method::PATCH, "/v1/scripts/v").json(&body));
    let (status, patched) = patch(json!({"title": "Tea", "labels": {"a": "1", "b": "2"}, "env": {"X": "y"}})).await;
    assert_eq!((status, &patched["title"]), (200, &json!("Tea")), "{patched}");
    let (_, patched) = patch(json!({"title": null, "labels": {"a": null}})).await;
    assert_eq!((&patched["title"], &patched["settings"]["labels"]), (&Value::Null, &json!({"b": "2"})));
    assert_eq!(code(&patch(json!({"titel": "x"})).await), (422, "unknown_field"));
    assert_eq!(code(&patch(json!({"concurrency": 0})).await), (422, "invalid_value"));
    assert_eq!(code(&patch(json!({"timezone": "Europe/Berln"})).await), (422, "invalid_value"));
    let deleted = server.json(server.request(Method::DELETE, "/v1/scripts/v")).await;
    assert_eq!(deleted.0, 204);
    let gone = server.get("/v1/scripts/v").await;
    assert_eq!(code(&gone), (404, "no_such_script"));
    assert_eq!(server.get("/v1/runs?script=v").await.1["items"].as_array().map(Vec::len), Some(2), "its runs stay");
    // What a script says about itself holds until somebody sets something else.
    let said = "# /// script\n# [tool.cronbox]\n# title = \"Said\"\n# entry = \"go\"\n# result = \"text\"\n# limits = { timeout = \"7s\" }\n\
        # env = { WHO = \"me\" }\n# ///\nimport os\ndef go():\n    return {1, os.environ['WHO']}\n";
    let (_, kept) = server.put("m", said).await;
    assert_eq!((&kept["title"], &kept["entry"]), (&json!("Said"), &json!("go")));
    let run = server.run("m", &json!({})).await;
    assert_eq!(
        (&run["status"], &run["entry"], &run["limits"]["timeout"]),
        (&json!("succeeded"), &json!("go"), &json!(7.0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_run_at_once_as_may() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral", "--max-queued", "3"]);
    server
        .put(
            "one",
            "# /// script\n# [tool.cronbox]\n# concurrency = 1\n# ///\nimport time\ndef run(s):\n    time.sleep(s)\n",
        )
        .await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let (status, run) = server.post("/v1/scripts/one/runs", &json!({"args": {"s": 600}})).await;
        assert_eq!(status, 201, "{run}");
        ids.push(run["id"].as_str().expect("an id").to_owned());
    }
    server.run_when(&ids[0], |run| run["status"] == "running").await;
    let full = server
        .request(Method::POST, "/v1/scripts/one/runs")
        .json(&json!({"args": {"s": 1}}))
        .send()
        .await
        .expect("answers");
    assert_eq!(full.headers()["retry-after"], "5");
    assert_eq!(code(&answer(full).await), (429, "queue_full"));
    for id in &ids[1..] {
        assert_eq!(server.get(&format!("/v1/runs/{id}")).await.1["status"], "queued");
    }
    server.post(&format!("/v1/runs/{}/cancel", ids[0]), &json!({})).await;
    server.run_when(&ids[1], |run| run["status"] == "running").await;
    assert_eq!(server.get(&format!("/v1/runs/{}", ids[2])).await.1["status"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_followed_while_it_is_written() {
    let (_folder, server) = Server::ephemeral();
    let source = "import time\ndef run():\n    for n in range(4):\n        print('line', n, 'é', flush=True)\n        time.sleep(0.2)\n";
    server.put("slow", source).await;
    let (_, run) = server.post("/v1/scripts/slow/runs", &json!({})).await;
    let id = run["id"].as_str().expect("an id");
    let mut response = server.request(Method::GET, &format!("/v1/runs/{id}/events")).send().await.expect("answers");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    let mut before_the_end = false;
    while let Some(piece) = response.chunk().await.expect("a piece") {
        text.push_str(&String::from_utf8_lossy(&piece));
        before_the_end |= text.contains("line 0") && !text.contains("event: end");
    }
    assert!(before_the_end, "{text}");
    let written: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: ").or_else(|| line.strip_prefix("data:")))
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|data| data["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(written, "line 0 é\nline 1 é\nline 2 é\nline 3 é\n");
    assert!(text.trim_end().ends_with(r#"{"status":"succeeded"}"#), "{text}");
    // Where a connection broke, the next goes on.
    let request = server.request(Method::GET, &format!("/v1/runs/{id}/events")).header("last-event-id", "1.10.0");
    let rest = request.send().await.expect("answers").text().await.expect("text");
    assert!(rest.contains("line 1") && !rest.contains("line 0"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_each_attempt_is_followed_from_its_beginning() {
    let (_folder, server) = Server::ephemeral();
    // The later an attempt, the less it writes.
    let source = concat!(
        "# /// script\n# [tool.cronbox]\n# retries = {count = 2, delay = '10ms'}\n# ///\n",
        "def run(context):\n",
        "    print('attempt', context.attempt, 'x' * (300 // context.attempt), flush=True)\n",
        "    assert context.attempt == 3\n",
    );
    let (status, body) = server.put("again", source).await;
    assert_eq!(status, 201, "{body}");
    let (_, run) = server.post("/v1/scripts/again/runs", &json!({})).await;
    let id = run["id"].as_str().expect("an id");
    let response = server.request(Method::GET, &format!("/v1/runs/{id}/events")).send().await.expect("answers");
    let text = response.text().await.expect("text");
    let told = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?.trim()).ok());
    let (mut attempts, mut written) = (Vec::new(), String::new());
    for data in told {
        if let Some(attempt) = data["attempt"].as_u64() {
            attempts.push(attempt);
            written.clear();
        }
        if let Some(text) = data["text"].as_str() {
            assert_eq!(data["offset"], written.len(), "{data}");
            written.push_str(text);
        }
    }
    assert_eq!(written, format!("attempt 3 {}\n", "x".repeat(100)), "{text}");
    assert_eq!(attempts.last(), Some(&3), "{text}");
    // A connection that broke in the first attempt, and came back after the last.
    let request = server.request(Method::GET, &format!("/v1/runs/{id}/events")).header("last-event-id", "1.200.0");
    let rest = request.send().await.expect("answers").text().await.expect("text");
    let place = |what: &str| rest.find(what).unwrap_or_else(|| panic!("{what}: {rest}"));
    assert!(place("\"attempt\":3") < place("attempt 3 xxx") && rest.contains("\"offset\":0"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_problems() {
    let (_folder, server) = Server::ephemeral();
    server.put("n", "def run(n=0):\n    return n\n").await;
    let run = |body: &str| server.request(Method::POST, "/v1/scripts/n/runs").body(body.to_owned());
    let get = |path: &str| server.request(Method::GET, path);
    let deep = format!("{{\"args\": {}1{}}}", "[".repeat(200), "]".repeat(200));
    let large = format!("{{\"args\": [\"{}\"]}}", "x".repeat(300_000));
    for (request, wanted, field) in [
        (run(r#"{"n": 4}"#), (422, "unknown_field"), Some("n")),
        (run(r#"{"args": 4}"#), (422, "invalid_value"), Some("args")),
        (run(r#"{"args": {}, "priority": "high"}"#), (422, "invalid_value"), Some("priority")),
        (run(r#"{"priority": 1000}"#), (422, "invalid_value"), Some("priority")),
        (run(r#"{"run_at": "tomorrow"}"#), (422, "invalid_value"), Some("run_at")),
        (run(r#"{"limits": {"memroy": 1}}"#), (422, "invalid_value"), Some("limits.memroy")),
        (run(r#"{"limits": {"memory": "1KiB"}}"#), (422, "invalid_value"), Some("limits.memory")),
        (run(r#"{"limits": {"timeout": 0}}"#), (422, "invalid_value"), Some("limits.timeout")),
        (run(r#"{"labels": {"a": 5}}"#), (422, "invalid_value"), Some("labels")),
        (run(r#"{"entry": "os.system('x')"}"#), (422, "invalid_value"), Some("entry")),
        (run("{"), (400, "bad_json"), None),
        (run("[1]"), (400, "bad_json"), None),
        (run(&deep), (400, "bad_json"), None),
        (run(&large), (413, "too_large"), Some("args")),
        (run("").header("idempotency-key", "k".repeat(300)), (400, "bad_idempotency_key"), None),
        (get("/v1/runs/17"), (404, "no_such_run"), Some("id")),
        (get("/v1/runs/0198c2a4-0000-7000-8000-000000000000"), (404, "no_such_run"), None),
        (get("/v1/runs?cursor=x"), (400, "bad_parameter"), Some("cursor")),
        (get("/v1/runs?since=yesterday"), (400, "bad_parameter"), Some("since")),
        (get("/v1/runs?status=done"), (400, "bad_parameter"), Some("status")),
        (get("/v1/runs?result=price"), (400, "bad_parameter"), Some("result")),
        (get("/v1/runs?limit=-1"), (400, "bad_parameter"), Some("limit")),
        (get("/v1/runs?stauts=failed"), (400, "unknown_parameter"), Some("stauts")),
        (get("/v1/runs?format=xml"), (400, "bad_parameter"), Some("format")),
        (get("/v1/runs/counts?bucket=1ms"), (400, "bad_parameter"), Some("bucket")),
        (get("/v1/runs/counts?bucket=1s&since=365d"), (400, "too_many_slots"), Some("bucket")),
        (get("/v1/scripts/n/series?path=price"), (400, "bad_parameter"), Some("path")),
        (get("/v1/scripts/n/versions/x/source"), (404, "no_such_version"), None),
        (get("/v1/scripts/m"), (404, "no_such_script"), None),
        (get("/v1/nothing"), (404, "no_such_address"), None),
        (server.request(Method::PUT, "/v1/runs"), (405, "method_not_allowed"), None),
        (server.request(Method::POST, "/v1/scripts/n/runs?wait=2h"), (400, "bad_parameter"), Some("wait")),
    ] {
        let answer = server.json(request).await;
        assert_eq!(code(&answer), wanted, "{}", answer.1);
        if field.is_some() {
            assert_eq!(answer.1["field"].as_str(), field, "{}", answer.1);
        }
    }
    let (_, told) = server.json(run(r#"{"n": 4}"#)).await;
    assert!(told["detail"].as_str().expect("text").contains("arguments go under args"));
    let (_, near) = server.get("/v1/scripts/m").await;
    assert!(near["detail"].as_str().expect("text").contains("did you mean n?"));
    // A body that stops halfway is no request, and the server is there for the next.
    use tokio::io::AsyncWriteExt;
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut half = tokio::net::TcpStream::connect(&address).await.expect("connects");
    half.write_all(b"PUT /v1/scripts/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx = 1")
        .await
        .expect("writes");
    drop(half);
    assert_eq!(server.get("/healthz").await.0, 200);
    assert_eq!(server.get("/v1/scripts/half").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_allow_what_they_say() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &["--ephemeral"]);
    server.put("price", PRICE).await;
    server.put("other", PRICE).await;
    let (status, admin) = server.post("/v1/tokens", &json!({"name": "boss", "scopes": ["admin"]})).await;
    assert_eq!(status, 201, "{admin}");
    assert_eq!(code(&server.get("/v1/scripts").await), (401, "unauthorized"), "the first token ends the open door");
    server.token = Some("cbx_wrong".into());
    assert_eq!(server.get("/v1/scripts").await.0, 401);
    let admin_token = admin["token"].as_str().map(str::to_owned);
    server.token.clone_from(&admin_token);
    let make = |body: Value| {
        let request = server.request(Method::POST, "/v1/tokens").json(&body);
        async { answer(request.send().await.expect("answers")).await.1["token"].as_str().expect("a token").to_owned() }
    };
    let reader = make(json!({"name": "r", "scopes": ["read"]})).await;
    let runner = make(json!({"name": "x", "scopes": ["read", "run"], "scripts": ["price"]})).await;
    let writer = make(json!({"name": "w", "scopes": ["write", "run", "read"]})).await;
    let brief = make(json!({"name": "b", "scopes": ["read"], "expires_in": 0.001})).await;
    // A request has one Authorization: build these without the admin's.
    server.token = None;
    let with_token = |token: &str, method: Method, path: &str, body: &str| {
        let request = server.request(method, path).bearer_auth(token).body(body.to_owned());
        async { answer(request.send().await.expect("answers")).await }
    };
    assert_eq!(with_token(&reader, Method::GET, "/v1/runs", "").await.0, 200);
    assert_eq!(code(&with_token(&reader, Method::POST, "/v1/scripts/price/runs", "").await), (403, "missing_scope"));
    assert_eq!(
        code(&with_token(&writer, Method::POST, "/v1/runs", "{\"source\":\"1\"}").await),
        (403, "missing_scope")
    );
    assert_eq!(with_token(&runner, Method::POST, "/v1/scripts/price/runs?wait", "").await.0, 200);
    assert_eq!(
        code(&with_token(&runner, Method::POST, "/v1/scripts/other/runs", "").await),
        (403, "script_out_of_reach")
    );
    let (_, seen) = with_token(&runner, Method::GET, "/v1/scripts", "").await;
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(with_token(&brief, Method::GET, "/v1/runs", "").await.0, 401);
    // Without the scope grant nothing above the default comes into force, and the answer says so.
    let (_, run) =
        with_token(&writer, Method::POST, "/v1/scripts/price/runs?wait", r#"{"limits": {"memory": "512MiB"}}"#).await;
    assert_eq!(run["limits"]["memory"], 256 << 20);
    let admin_token = admin_token.expect("a token");
    let granted =
        with_token(&admin_token, Method::PUT, "/v1/grants/price", r#"{"limits": {"memory": "512MiB"}}"#).await;
    assert_eq!(granted.0, 204);
    let (_, run) =
        with_token(&writer, Method::POST, "/v1/scripts/price/runs?wait", r#"{"limits": {"memory": "1GiB"}}"#).await;
    assert_eq!(run["limits"]["memory"], 512 << 20);
    let (_, list) = with_token(&admin_token, Method::GET, "/v1/tokens", "").await;
    assert!(list["items"].as_array().expect("items").iter().all(|token| token.get("token").is_none()));
    let id = list["items"].as_array().expect("items").iter().find(|token| token["name"] == "r").expect("there")["id"]
        .clone();
    assert_eq!(
        with_token(&admin_token, Method::DELETE, &format!("/v1/tokens/{}", id.as_str().expect("text")), "").await.0,
        204
    );
    assert_eq!(with_token(&reader, Method::GET, "/v1/runs", "").await.0, 401, "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_gets_in() {
    let folder = Folder::new();
    let (status, said) = Server::refused(&folder.0, &["--ephemeral", "--listen", "0.0.0.0:0"], &[]);
    assert_eq!(status.code(), Some(5));
    assert!(said.contains("cronbox token create") && said.contains("CRONBOX_ADMIN_TOKEN_FILE"), "{said}");
    let file = folder.0.join("token");
    let env = [("CRONBOX_ADMIN_TOKEN_FILE", file.to_str().expect("text"))];
    let mut server = Server::start_with(&folder.0, &["--ephemeral", "--listen", "0.0.0.0:0"], &env);
    server.url = server.url.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(server.get("/v1/scripts").await.0, 401);
    assert_eq!(server.get("/healthz").await.0, 200);
    server.token = Some(std::fs::read_to_string(&file).expect("made").trim().to_owned());
    assert_eq!(server.get("/v1/scripts").await.0, 200);
    drop(server);
    let (_other, server) = Server::ephemeral();
    for (name, value) in [("host", "evil.example"), ("origin", "https://evil.example")] {
        let request = server.request(Method::GET, "/v1/scripts").header(name, value);
        assert_eq!(code(&server.json(request).await), (403, "not_local"), "{name}");
    }
    let socket = folder.0.join("s");
    let server = Server::start(&folder.0, &["--ephemeral", "--listen", &format!("unix:{}", socket.display())]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let listed = Command::new(PROGRAM)
        .args(["scripts", "--url", &format!("unix:{}", socket.display())])
        .output()
        .expect("starts");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_be_says_why() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &[]);
    let (status, said) = Server::refused(&folder.0, &[], &[]);
    assert_eq!(status.code(), Some(5));
    assert!(said.contains("another server is using the data directory"), "{said}");
    let other = Folder::new();
    let taken = server.url.trim_start_matches("http://").to_owned();
    let (status, said) = Server::refused(&other.0, &["--listen", &taken], &[]);
    assert_eq!(status.code(), Some(5));
    assert!(said.contains("is taken") && said.contains("--listen 127.0.0.1:"), "{said}");
    for words in [
        &["--timezone", "Europe/Berln"][..],
        &["--drain", "soon"],
        &["--roles", "cook"],
        &["--database", "mysql://x"],
        &["--blobs", "s3://"],
        &["--max-running", "0"],
        &["--ceiling", "memroy=1"],
        &["--keep-output", "7"],
        &["--job-defaults", "overlap=queue"],
    ] {
        let (status, said) = Server::refused(&other.0, words, &[]);
        assert_eq!(status.code(), Some(2), "{words:?}: {said}");
    }
    std::fs::write(other.0.join("cronbox.toml"), "keep-output = 7\n").expect("writes");
    let (status, said) = Server::refused(&other.0, &[], &[]);
    let expected = "--keep-output: 7 has no unit: write 7d for days, or 7s for seconds";
    assert!(status.code() == Some(2) && said.contains(expected), "{said}");
    std::fs::remove_file(other.0.join("cronbox.toml")).expect("removes");
    for words in [["--memory-budget", "1"], ["--ceiling", "memory=1MiB"]] {
        let (status, said) = Server::refused(&other.0, &words, &[]);
        assert!(!status.success() && said.contains("so no run can start: give it more"), "{words:?}: {said}");
    }
    std::fs::write(other.0.join("cronbox.toml"), "max_runing = 3\n").expect("writes");
    let (status, said) = Server::refused(&other.0, &[], &[]);
    assert!(status.code() == Some(2) && said.contains("did you mean max-running?"), "{said}");
    std::fs::write(other.0.join("cronbox.toml"), "ephemeral = true\ntimezone = \"Asia/Shanghai\"\n").expect("writes");
    let server = Server::start(&other.0, &[]);
    server.put("z", "def run(context):\n    return str(context.now().tzinfo)\n").await;
    assert_eq!(server.run("z", &json!({})).await["result"], "Asia/Shanghai");
}

#[tokio::test(flavor = "multi_thread")]
async fn going_down_finishes_or_hands_back() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &["--drain", "1500ms"]);
    server.put("sleep", "import time\ndef run(s, context):\n    time.sleep(s)\n    return context.attempt\n").await;
    let short = server.post("/v1/scripts/sleep/runs", &json!({"args": {"s": 0.7}})).await.1["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let long = server.post("/v1/scripts/sleep/runs", &json!({"args": {"s": 3}})).await.1["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    server.run_when(&long, |run| run["status"] == "running").await;
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(20)).success(), "{}", server.log());
    server.up();
    assert_eq!(server.run_when(&short, |run| run["status"] == "succeeded").await["result"], 1);
    let run = server.run_when(&long, |run| run["status"] == "succeeded").await;
    assert_eq!((&run["result"], &run["lost_attempts"]), (&json!(2), &json!(0)), "handed back is not lost");
    // The second signal does not wait.
    let (_, run) = server.post("/v1/scripts/sleep/runs", &json!({"args": {"s": 600}})).await;
    server.run_when(run["id"].as_str().expect("an id"), |run| run["status"] == "running").await;
    server.signal("-TERM");
    server.signal("-TERM");
    server.ended(Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_loses_no_run() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &[]);
    server.put("sleep", "import time\ndef run(s, context):\n    time.sleep(s)\n    return [context.attempt, context.lost_attempts]\n").await;
    let again = server.post("/v1/scripts/sleep/runs", &json!({"args": {"s": 1.5}})).await.1["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let patched =
        server.json(server.request(Method::PATCH, "/v1/scripts/sleep").json(&json!({"on_lost": "abandon"}))).await;
    assert_eq!(patched.0, 200);
    let once = server.post("/v1/scripts/sleep/runs", &json!({"args": {"s": 600}})).await.1["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for id in [&again, &once] {
        server.run_when(id, |run| run["status"] == "running").await;
    }
    server.kill();
    server.up();
    let run = server.run_when(&again, |run| run["status"] == "succeeded").await;
    assert_eq!((&run["result"], &run["attempt"]), (&json!([2, 1]), &json!(2)));
    let run = server.run_when(&once, |run| run["finished_at"].is_string()).await;
    assert_eq!((&run["status"], &run["attempt"]), (&json!("abandoned"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_taken_from_a_folder() {
    let folder = Folder::new();
    let source = folder.0.join("jobs");
    std::fs::create_dir_all(source.join("deep")).expect("made");
    std::fs::write(source.join("price.py"), "def run():\n    return 1\n").expect("writes");
    std::fs::write(source.join("broken.py"), "def run(:\n").expect("writes");
    std::fs::write(source.join("deep/linked.py"), "def run():\n    return 'deep'\n").expect("writes");
    let server = Server::start(&folder.0, &["--ephemeral", "--script-source", source.to_str().expect("text")]);
    server.answers("/v1/scripts/price", 200).await;
    assert_eq!(server.run("price", &json!({})).await["result"], 1);
    assert_eq!(server.get("/v1/scripts/broken").await.0, 404);
    let from = format!("file://{}", source.join("deep/linked.py").display());
    let (status, linked) =
        server.json(server.request(Method::PUT, "/v1/scripts/far").json(&json!({"from": from}))).await;
    assert_eq!((status, &linked["link"]["from"]), (201, &json!(from)));
    assert_eq!(server.run("far", &json!({})).await["result"], "deep");
    let outside =
        server.json(server.request(Method::PUT, "/v1/scripts/no").json(&json!({"from": "file:///etc/passwd"}))).await;
    assert_eq!(code(&outside), (422, "link_not_allowed"));
    std::fs::write(source.join("price.py"), "def run():\n    return 2\n").expect("writes");
    server.until("the new version", async || server.get("/v1/scripts/price").await.1["version"] == 2).await;
    assert_eq!(server.run("price", &json!({})).await["result"], 2);
    // What becomes unreadable leaves the last good version, and says so.
    std::fs::write(source.join("price.py"), "def run(:\n").expect("writes");
    let has_error = async || server.get("/v1/scripts/price").await.1["link"]["error"].is_string();
    server.until("the link has an error", has_error).await;
    assert_eq!(server.run("price", &json!({})).await["result"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_blob_is_named_and_never_run() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &[]);
    let (_, kept) = server.put("price", PRICE).await;
    server.signal("-TERM");
    server.ended(Duration::from_secs(20));
    let hash = kept["sha256"].as_str().expect("text");
    let blob = folder.0.join(format!("cronbox-data/blobs/sources/{hash}.py"));
    std::fs::write(&blob, "def run():\n    return 'forged'\n").expect("the blob is where the key says");
    server.up();
    let run = server.run("price", &json!({})).await;
    assert_eq!((&run["status"], &run["error"]["type"]), (&json!("crashed"), &json!("SourceCorrupt")));
    assert!(run["error"]["message"].as_str().expect("text").contains(hash), "{run}");
    assert_eq!(code(&server.get("/v1/scripts/price/versions/1/source").await), (500, "blob_corrupt"));
}

/// Writes until there is no room at all, and makes some again when dropped.
struct Filler(std::path::PathBuf);

impl Filler {
    fn fill(path: std::path::PathBuf) -> Self {
        let mut file = std::fs::File::options().create(true).append(true).open(&path).expect("a file");
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        Filler(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_nothing_half_written() {
    let folder = Folder::new();
    let disk = folder.0.join("disk");
    std::fs::create_dir_all(&disk).expect("a folder");
    // A small disk of its own, in a namespace of mounts that goes with the server.
    let mount = "mount -t tmpfs -o size=32m none \"$0\" && exec \"$@\"";
    let disk = disk.to_str().expect("text");
    let words = ["--data-dir", &format!("{disk}/data"), "--max-data", "1KiB"];
    let mut server = Server::start_through(&["unshare", "-rm", "sh", "-c", mount, disk], &folder.0, &words);
    server.put("echo", "import time\ndef run(s=0, pad=''):\n    time.sleep(s)\n    return len(pad)\n").await;
    let listed = server.request(Method::GET, "/v1/runs").send().await.expect("answers");
    let warning = listed.headers().get("x-cronbox-warning").expect("a warning").to_str().expect("text").to_owned();
    assert!(warning.contains("more than 1 KiB (--max-data)"), "{warning}");
    let (_, ready) = server.get("/readyz").await;
    assert_eq!((&ready["ready"], &ready["warnings"]), (&json!(true), &json!([warning])));

    let (_, slow) = server.post("/v1/scripts/echo/runs", &json!({"args": {"s": 3}})).await;
    let slow = slow["id"].as_str().expect("an id").to_owned();
    server.run_when(&slow, |run| run["status"] == "running").await;
    let filler = Filler::fill(format!("/proc/{}/root{disk}/filler", server.pid()).into());
    let mut accepted = 1;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        // What is written already makes room for a while.
        let answer = server.post("/v1/scripts/echo/runs", &json!({"args": {"pad": "x".repeat(10_000)}})).await;
        match code(&answer) {
            (201, _) => accepted += 1,
            refused => {
                assert_eq!(refused, (503, "disk_full"), "{}", answer.1);
                break;
            }
        }
        assert!(Instant::now() < deadline, "the disk does not become full");
    }
    let refused = server.put("new", &format!("def run():\n    return 1\n#{}", "x".repeat(100_000))).await;
    assert_eq!(code(&refused), (503, "disk_full"), "{}", refused.1);
    assert_eq!(server.get("/v1/runs").await.0, 200, "reading goes on");
    drop(filler);
    let run = server.run_when(&slow, |run| run["finished_at"].is_string()).await;
    assert_eq!(run["status"], "succeeded", "its end was recorded when there was room: {run}");
    assert_eq!(server.put("new", "def run():\n    return 1\n").await.0, 201);
    assert_eq!(server.run("new", &json!({})).await["result"], 1);
    server.items_when("/v1/runs?status=queued,running,scheduled&limit=1", <[Value]>::is_empty).await;
    let (_, counts) = server.get("/v1/runs/counts?script=echo&bucket=1d").await;
    let made: u64 = counts["items"].as_array().expect("items").iter().filter_map(|slot| slot["total"].as_u64()).sum();
    assert_eq!(made, accepted, "what was refused is not there, what was accepted is: {counts}");
    let database = format!("/proc/{}/root{disk}/data/cronbox.db", server.pid());
    let copy = folder.0.join("copy.db");
    for suffix in ["", "-wal"] {
        let to = format!("{}{suffix}", copy.display());
        std::fs::copy(format!("{database}{suffix}"), to).expect("copies");
    }
    let check =
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchone()[0])";
    let checked = Command::new("python3").args(["-c", check]).arg(&copy).output().expect("starts");
    assert_eq!(String::from_utf8_lossy(&checked.stdout), "ok\n", "{checked:?}");
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn large_results_are_filtered_and_charted_too() {
    let (_folder, server) = Server::ephemeral();
    server.put("large", "def run(n):\n    return {'price': n, 'pad': 'x' * (n * 10_000)}\n").await;
    for n in 0..4 {
        server.run("large", &json!({"args": {"n": n}})).await;
    }
    let (_, page) = server.get("/v1/runs?result=/price%3E=2").await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "{page}");
    let (_, series) = server.get("/v1/scripts/large/series?path=/price").await;
    let values: Vec<&Value> = series["items"].as_array().expect("items").iter().map(|point| &point["value"]).collect();
    assert_eq!(values, [&json!(0), &json!(1), &json!(2), &json!(3)]);
    let (_, series) = server.get("/v1/scripts/large/series?path=/price&bucket=1d&agg=sum").await;
    let sum: f64 = series["items"].as_array().expect("items").iter().filter_map(|point| point["value"].as_f64()).sum();
    assert_eq!(sum, 6.0, "{series}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_tells_how_it_is() {
    let (_folder, server) = Server::ephemeral();
    let (status, ready) = server.get("/readyz").await;
    assert_eq!((status, ready["parts"].as_object().map(serde_json::Map::len)), (200, Some(3)), "{ready}");
    server.put("price", PRICE).await;
    server.run("price", &json!({})).await;
    let text = server.request(Method::GET, "/metrics").send().await.expect("answers").text().await.expect("text");
    for line in [
        r#"cronbox_runs_total{outcome="succeeded"} 1"#,
        r#"cronbox_queue_runs{state="ready"} 0"#,
        "cronbox_run_start_seconds_count 1",
        "cronbox_database_ping_seconds_count 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let (_, document) = server.get("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    for file in ["index.html", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        let response = server.request(Method::GET, &format!("/docs/api/{file}")).send().await.expect("answers");
        assert_eq!(response.status(), 200, "{file}");
        let text = response.text().await.expect("text");
        assert!(!text.contains("https://unpkg") && !text.contains("https://cdn"), "{file} works without the network");
    }
}
