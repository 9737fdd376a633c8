//! Names of scripts of any language, from the command line to the store.

use crate::support::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

/// C1: two files are two scripts; each schedule runs its own.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_other_scripts_than_latin_are_kept_apart() {
    let (folder, server) = Server::ephemeral();
    folder.write("签到.py", "def run(): return 'A'\n");
    folder.write("天气.py", "def run(): return 'B'\n");
    folder.write("日报/main.py", "def run(): return 'C'\n");
    folder.write("月报/main.py", "def run(): return 'D'\n");
    folder.write("cafe\u{301}.py", "def run(): return 'E'\n");
    for what in ["签到.py", "天气.py", "日报", "月报", "cafe\u{301}.py"] {
        let (code, said, why) = server.cronbox(&["push", what]);
        assert!(code == Some(0) && said.contains("version 1 ·"), "{said}{why}");
    }
    for (name, result) in [("签到", "A"), ("天气", "B"), ("日报", "C"), ("月报", "D"), ("caf\u{e9}", "E")] {
        let (code, said, why) = server.cronbox(&["run", "--remote", name, "-q"]);
        assert_eq!((code, said), (Some(0), format!("\"{result}\"\n")), "{name}: {why}");
    }
    // By address, in percent; schedules, chains, and what names a script.
    let path = "/v1/scripts/%E7%AD%BE%E5%88%B0";
    assert_eq!(server.get(path).await.1["name"], "签到");
    let (status, made) = server.post("/v1/schedules", &json!({"script": "签到", "trigger": "every 1h"})).await;
    assert_eq!((status, &made["script"]), (201, &json!("签到")), "{made}");
    let (status, chain) =
        server.post("/v1/schedules", &json!({"script": "天气", "trigger": "after 签到", "id": "链"})).await;
    assert_eq!(status, 201, "{chain}");
    server.run("%E7%AD%BE%E5%88%B0", &json!({})).await;
    let followed = |items: &[Value]| items.first().is_some_and(|run| run["script"] == "天气");
    server.items_when("/v1/runs?cause=chain&status=succeeded", followed).await;
    let sent = server.request(Method::PUT, path).body("def run(): return 'A2'\n").send().await.expect("answers");
    assert_eq!(sent.headers()["location"], path);
    let source = server.request(Method::GET, &format!("{path}/versions/1/source")).send().await.expect("answers");
    let named = source.headers()["content-disposition"].to_str().expect("text").to_owned();
    assert!(named.ends_with("filename*=UTF-8''%E7%AD%BE%E5%88%B0.py"), "{named}");
    assert_eq!(source.text().await.expect("text"), "def run(): return 'A'\n");
    let (code, listed, _) = server.cronbox(&["runs", "--script", "签到", "--json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert!(code == Some(0) && listed["items"].as_array().is_some_and(|items| items.len() >= 2), "{listed}");
    assert_eq!(server.cronbox(&["script", "rm", "签到", "--schedules"]).0, Some(0));
    assert_eq!(server.get(path).await.0, 404);
    assert_eq!(server.cronbox(&["schedule", "show", "链"]).0, Some(0));
}

/// C1: what cannot be a name is refused, with one that can; nothing becomes a version of another script.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_gives_no_name_is_refused() {
    let (folder, server) = Server::ephemeral();
    for (file, near) in
        [("my script.py", "--name my_script"), ("签到（新）.py", "--name 签到_新_"), ("x.py.py", "--name x")]
    {
        folder.write(file, "print(1)\n");
        let (code, _, why) = server.cronbox(&["push", file]);
        assert!(code == Some(2) && why.contains(near), "{file}: {why}");
    }
    folder.write("my_script.py", "print(2)\n");
    folder.write("Price.py", "print(1)\n");
    folder.write("price.py", "print(2)\n");
    assert_eq!(server.cronbox(&["push", "Price.py"]).0, Some(0));
    let (code, _, why) = server.cronbox(&["push", "price.py"]);
    assert!(code == Some(2) && why.contains("differs in case only"), "{why}");
    let (code, said, _) = server.cronbox(&["push", "price.py", "--name", "Price"]);
    assert!(code == Some(0) && said.contains("Price version 2 (was 1)"), "{said}");
    let (_, listed) = server.get("/v1/scripts").await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
}
