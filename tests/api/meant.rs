//! Bodies are taken as they are meant, whatever their type says.

use super::code;
use crate::support::server::{Folder, Server};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::process::Command;

const FORM: &str = "application/x-www-form-urlencoded";
const PRICE: &str = "def run(n=1):\n    return {'price': n}\n";

/// D20: JSON that comes as a form, as `curl -d` sends it, is read as JSON, and never kept as a script that does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn json_is_never_kept_as_a_script() {
    let folder = Folder::new();
    let jobs = folder.0.join("jobs");
    std::fs::create_dir_all(&jobs).expect("a folder");
    std::fs::write(jobs.join("linked.txt"), PRICE).expect("writes");
    let source = jobs.to_str().expect("text");
    let server = Server::start(&folder.0, &["--ephemeral", "--script-source", source]);
    let put = |name: &str, kind: Option<&str>, body: &str| {
        let request = server.request(Method::PUT, &format!("/v1/scripts/{name}")).body(body.to_owned());
        kind.into_iter().fold(request, |request, kind| request.header("content-type", kind))
    };
    let link = json!({"from": format!("file://{source}/linked.txt")}).to_string();
    for (name, kind) in
        [("a", Some(FORM)), ("b", None), ("c", Some("application/octet-stream")), ("d", Some("application/json"))]
    {
        let (status, kept) = server.json(put(name, kind, &link)).await;
        assert_eq!((status, kept["link"]["from"].is_string()), (201, true), "{kind:?}: {kept}");
        assert_eq!(server.run(name, &json!({})).await["result"], json!({"price": 1}), "{kind:?}");
    }
    // As somebody types it.
    let url = format!("{}/v1/scripts/typed", server.url);
    let body = json!({"source": PRICE, "title": "T"}).to_string();
    let done = Command::new("curl").args(["-sS", "-X", "PUT", &url, "-d", &body]).output().expect("curl starts");
    let kept: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((&kept["title"], &kept["mode"]), (&json!("T"), &json!("function")), "{kept}");
    // Fields that do not exist are named as they are in JSON, and lists are no script either.
    let unknown = server.json(put("e", Some(FORM), r#"{"sorce": "print(1)"}"#)).await;
    assert_eq!(code(&unknown), (422, "unknown_field"), "{}", unknown.1);
    assert!(unknown.1["detail"].as_str().expect("text").contains("did you mean \"source\"?"));
    for body in ["[1, 2]", "{}", "\u{feff}{\"x\": 1}"] {
        assert!(server.json(put("e", Some(FORM), body)).await.0 >= 400, "{body}");
    }
    // Where the type says that it is source, the header to add is named.
    for kind in ["text/x-python", "text/plain; charset=utf-8", "application/x-python", "application/zip"] {
        let refused = server.json(put("e", Some(kind), &link)).await;
        assert_eq!(code(&refused), (422, "json_as_source"), "{kind}: {}", refused.1);
        assert!(refused.1["detail"].as_str().expect("text").contains("Content-Type: application/json"));
    }
    let form = Form::new().part("file", Part::text(link.clone()).file_name("x.py"));
    let refused = server.json(server.request(Method::PUT, "/v1/scripts/e").multipart(form)).await;
    assert_eq!(code(&refused), (422, "json_as_source"), "{}", refused.1);
    assert_eq!(server.get("/v1/scripts/e").await.0, 404, "nothing was kept");
    // A dictionary of Python is no JSON: it is what it says.
    assert_eq!(server.json(put("f", Some(FORM), "{1: 2}")).await.0, 201);
}

/// D20: source in the fields of a form, as `curl --data-urlencode source@price.py` sends it, and source without line breaks.
#[tokio::test(flavor = "multi_thread")]
async fn forms_are_read_as_forms() {
    let (folder, server) = Server::ephemeral();
    std::fs::write(folder.0.join("price.py"), PRICE).expect("writes");
    let url = format!("{}/v1/scripts/price", server.url);
    let words = ["-sS", "-X", "PUT", &url, "--data-urlencode", "source@price.py", "--data-urlencode", "title=A & B"];
    let done = Command::new("curl").args(words).current_dir(&folder.0).output().expect("curl starts");
    let kept: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((&kept["title"], &kept["mode"]), (&json!("A & B"), &json!("function")), "{kept}");
    assert_eq!(server.run("price", &json!({})).await["result"]["price"], 1);
    // A comment at the beginning would make all of it a comment.
    let request = server.request(Method::POST, "/v1/runs").header("content-type", FORM);
    let refused = server.json(request.body("# a price   print(1)")).await;
    assert_eq!(code(&refused), (422, "line_breaks_stripped"), "{}", refused.1);
    let request = server.request(Method::POST, "/v1/runs").header("content-type", "text/x-python");
    let refused = server.json(request.body(json!({"source": "print(1)"}).to_string())).await;
    assert_eq!(code(&refused), (422, "json_as_source"), "{}", refused.1);
    let form = Form::new().part("file", Part::text(PRICE).file_name("x.py"));
    let refused = server.json(server.request(Method::POST, "/v1/runs").multipart(form)).await;
    assert_eq!(code(&refused), (415, "unsupported_type"), "{}", refused.1);
}

/// D7: a field with another service's name is answered with ours.
#[tokio::test(flavor = "multi_thread")]
async fn other_services_words_are_answered_with_ours() {
    let (_folder, server) = Server::ephemeral();
    for (field, says) in [
        ("code", "the source goes under source"),
        ("script", "the source goes under source"),
        ("params", "arguments go under args"),
        ("timeout", "limits go under limits"),
        ("Tags", "did you mean \"labels\"?"),
    ] {
        let refused = server.post("/v1/runs", &json!({field: "print(1)"})).await;
        assert_eq!(code(&refused), (422, "unknown_field"), "{field}");
        assert!(refused.1["detail"].as_str().expect("text").contains(says), "{field}: {}", refused.1);
    }
    let refused = server.json(server.request(Method::PUT, "/v1/scripts/x").json(&json!({"code": "print(1)"}))).await;
    assert!(refused.1["detail"].as_str().expect("text").contains("the source goes under source"), "{}", refused.1);
    server.put("tick", PRICE).await;
    let refused = server.post("/v1/schedules", &json!({"script": "tick", "cron": "0 9 * * *"})).await;
    assert!(refused.1["detail"].as_str().expect("text").contains("trigger"), "{}", refused.1);
}

/// D15: a file that is uploaded without a name has its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_names_its_script() {
    let (folder, server) = Server::ephemeral();
    std::fs::write(folder.0.join("price.py"), PRICE).expect("writes");
    let url = format!("{}/v1/scripts", server.url);
    let done = Command::new("curl").args(["-sS", "-F", "file=@price.py", &url]).current_dir(&folder.0).output();
    let kept: Value = serde_json::from_slice(&done.expect("curl starts").stdout).expect("JSON");
    assert_eq!((&kept["script"], &kept["version"]), (&json!("price"), &json!(1)), "{kept}");
    let post = |form: Form| server.json(server.request(Method::POST, "/v1/scripts").multipart(form));
    let file = |name: &str| Part::text(PRICE).file_name(name.to_owned());
    let (_, kept) = post(Form::new().part("upload", file("jobs/weekly.report.py"))).await;
    assert_eq!(kept["script"], "weekly.report", "{kept}");
    let (_, kept) = post(Form::new().part("file", file("x.py")).text("name", "named")).await;
    assert_eq!(kept["script"], "named", "{kept}");
    let two = post(Form::new().part("file", file("main.py")).part("file", file("lib.py"))).await;
    assert_eq!(code(&two), (400, "missing_name"), "{}", two.1);
    let (_, kept) = server.post("/v1/scripts", &json!({"name": "in-json", "source": PRICE})).await;
    assert_eq!(kept["script"], "in-json", "{kept}");
    let other =
        server.json(server.request(Method::PUT, "/v1/scripts/a").json(&json!({"name": "b", "source": "x = 1"})));
    assert_eq!(code(&other.await), (422, "invalid_value"));
    assert_eq!(
        code(&server.json(server.request(Method::POST, "/v1/scripts").body(PRICE)).await),
        (400, "missing_name")
    );
}

/// Words for times are refused with one that is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_is_not_a_time() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    for (path, right) in [
        ("/v1/runs?since=yesterday", "write 2026-01-31T09:00:00Z, or 24h or 7d for so long ago"),
        ("/v1/schedules?until=tomorrow", "write 2026-01-31T09:00:00Z, or 24h or 7d from now"),
    ] {
        let refused = server.get(path).await;
        assert_eq!(refused.0, 400, "{path}: {}", refused.1);
        let detail = refused.1["detail"].as_str().expect("text");
        assert!(detail.contains("is not a time") && detail.contains(right), "{detail}");
    }
}

/// What is wrong with a schedule of a block is told with its line.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_of_a_block_is_refused_with_its_line() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    let block = |lines: &str| {
        let first = "[[tool.cronbox.schedules]]\ntrigger = \"every 5m\"\n[[tool.cronbox.schedules]]\n";
        let block = format!("{first}{lines}\n").lines().map(|line| format!("# {line}\n")).collect::<String>();
        format!("import os\n# /// script\n{block}# ///\n")
    };
    for (lines, field, line) in [
        ("trigger = \"every 1h\"\nmax_instances = \"two\"", "schedules.max_instances", 7),
        ("max_instances = 2\ntrigger = 5", "schedules.trigger", 7),
        ("trigger = \"0 9 * *\"", "schedules.trigger.crontab", 6),
        ("trigger = \"every 1h\"\nid = 3", "schedules.id", 7),
        ("trigger = \"every 1h\"\ntitel = \"T\"", "schedules.titel", 7),
    ] {
        let request = server.request(Method::PUT, "/v1/scripts/a").body(block(lines));
        let (status, refused) = server.json(request).await;
        assert_eq!((status, &refused["field"], &refused["line"]), (422, &json!(field), &json!(line)), "{refused}");
        let detail = refused["detail"].as_str().expect("text");
        assert!(detail.starts_with(&format!("line {line}: ")), "{detail}");
    }
}
