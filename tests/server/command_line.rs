//! The command line against a server.

use super::PRICE;
use crate::support::server::{Folder, Server};
use serde_json::{Value, json};

/// A server with the script `price`, the file `price.py` where commands are started, and a run of it.
async fn with_a_run() -> (Folder, Server, String) {
    let (folder, server) = Server::ephemeral();
    folder.write("price.py", PRICE);
    server.put("price", PRICE).await;
    let run = server.run("price", &json!({"args": {"n": 9}})).await;
    let id = run["id"].as_str().expect("an id").to_owned();
    (folder, server, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_pushed_listed_shown_and_removed() {
    let (folder, server) = Server::ephemeral();
    let cronbox = |words: &[&str]| server.cronbox(words);
    folder.write("price.py", PRICE);
    let (status, said, _) = cronbox(&["push", "price.py"]);
    assert_eq!((status, said.as_str()), (Some(0), "price version 1 · calls run(symbol='INIT', n=1)\n"));
    folder.write("bad.py", "def run(:\n");
    let (status, _, why) = cronbox(&["push", "bad.py"]);
    assert!(status == Some(2) && why.contains("line 1") && why.contains("syntax_error"), "{why}");
    let (_, list, _) = cronbox(&["scripts"]);
    assert!(list.starts_with("NAME") && list.contains("price "), "{list}");
    let (status, source, _) = cronbox(&["script", "show", "price", "--source"]);
    assert_eq!((status, source.as_str()), (Some(0), PRICE));
    let (status, _, _) = cronbox(&["script", "rm", "price"]);
    assert_eq!(status, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_shown_read_and_repeated() {
    let (_folder, server, id) = with_a_run().await;
    let cronbox = |words: &[&str]| server.cronbox(words);
    let (_, list, _) = cronbox(&["runs", "--script", "price"]);
    assert!(list.contains(&id[..18]) && list.contains("succeeded"), "{list}");
    let (_, shown, _) = cronbox(&["runs", "show", &id[..18]]);
    assert!(shown.contains(r#"result     {"price":109"#), "{shown}");
    let (_, json_text, _) = cronbox(&["runs", "show", &id, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&json_text).expect("JSON")["id"], id);
    let (_, log, _) = cronbox(&["logs", &id]);
    assert_eq!(log, "asked for INIT\n");
    let (status, log, _) = cronbox(&["logs", "-f", &id]);
    assert_eq!((status, log.as_str()), (Some(0), "asked for INIT\n"));
    let (_, again, _) = cronbox(&["runs", "retry", &id, "--wait"]);
    assert!(again.contains("succeeded"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_saved_scripts_are_run_on_the_server() {
    let (folder, server, _) = with_a_run().await;
    let cronbox = |words: &[&str]| server.cronbox(words);
    let (status, out, summary) = cronbox(&["run", "--remote", "price.py", "--arg", "n:=2"]);
    assert_eq!(status, Some(0), "{summary}");
    assert!(out.starts_with("asked for INIT\n{\"price\":102") && summary.contains("succeeded in"), "{out}{summary}");
    let (status, out, _) = cronbox(&["run", "--remote", "price", "--arg", "n:=3", "--quiet"]);
    assert_eq!(
        (status, out.as_str()),
        (Some(0), "{\"price\":103,\"symbol\":\"INIT\"}\n"),
        "a saved script, by its name"
    );
    folder.write("boom.py", "raise ValueError('no')\n");
    let (status, _, trace) = cronbox(&["run", "--remote", "boom.py"]);
    assert!(status == Some(1) && trace.contains("ValueError: no"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_carry_a_token_once_there_is_one_and_say_when_no_server_answers() {
    let (_folder, server) = Server::ephemeral();
    let cronbox = |words: &[&str]| server.cronbox(words);
    let (status, token, _) = cronbox(&["token", "create", "me", "--scope", "admin"]);
    assert!(status == Some(0) && token.starts_with("cbx_"), "{token}");
    let (status, _, why) = cronbox(&["scripts"]);
    assert!(status == Some(6) && why.contains("token"), "{why}");
    let (status, list, _) = cronbox(&["tokens", "--token", token.trim()]);
    assert!(status == Some(0) && list.contains("me"), "{list}");
    let (status, _, why) = cronbox(&["scripts", "--url", "http://127.0.0.1:9"]);
    assert!(status == Some(5) && why.contains("no server answers"), "{why}");
    let (status, document, _) = cronbox(&["openapi"]);
    assert!(status == Some(0) && document.contains("\"openapi\": \"3.1.0\""));
}
