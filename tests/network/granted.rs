//! Hosts that scripts ask for, and who grants them.

use crate::support::server::{Folder, Server};
use crate::support::world::world;
use reqwest::Method;
use serde_json::{Value, json};

fn asking(port: u16) -> String {
    format!(
        "# /// script\n# [tool.cronbox]\n# allow = [\"localhost:{port}\", \"denied.example\"]\n# ///\nimport urllib.request\n\
         def run(path='/a'):\n    return urllib.request.urlopen('http://localhost:{port}' + path).read().decode()\n"
    )
}

/// A server whose operator allows one host, with the script `page`, which asks for it and for another.
async fn with_page() -> (Folder, Server, u16, Value) {
    let (world, scratch) = (world(), Folder::new());
    let port = world.port("http");
    let ceiling = format!("localhost:{port}");
    let words = ["--allow-network", "localhost=127.0.0.0/8", "--host-ceiling", &ceiling, "--ca-file", world.ca()];
    let server = Server::start(&scratch.0, &words);
    let (status, kept) = server.put("page", &asking(port)).await;
    assert_eq!(status, 201, "{kept}");
    (scratch, server, port, kept)
}

/// What is said of the host that the operator does not allow.
fn refused() -> Value {
    let in_force = "beyond what this server can grant";
    json!([{"what": "allow", "asked": "denied.example", "in_force": in_force, "grantable": false}])
}

async fn put(server: &Server, body: Value) -> (u16, Value) {
    server.json(server.request(Method::PUT, "/v1/grants/page").json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_an_upload_grants_what_the_operator_allows() {
    let (_scratch, server, port, kept) = with_page().await;
    assert_eq!(kept["not_granted"], refused(), "{kept}");
    let done = server.run("page", &json!({})).await;
    assert_eq!((&done["result"], &done["status"]), (&json!("at /a"), &json!("succeeded")), "{done}");
    let used = &done["usage"]["network"][0];
    assert_eq!((&used["host"], &used["connections"]), (&json!(format!("localhost:{port}")), &json!(1)), "{done}");
    assert!(used["received_bytes"].as_u64().is_some_and(|bytes| bytes > 40) && used["sent_bytes"].as_u64() > Some(20));
    // Source in a request is granted what its sender may grant.
    let (_, done) = server.post("/v1/runs?wait=30s", &json!({"source": asking(port)})).await;
    assert_eq!((&done["result"], &done["not_granted"]), (&json!("at /a"), &refused()), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_revoked_and_given_again_from_the_next_attempt_on() {
    let (_scratch, server, port, _) = with_page().await;
    let grant = format!("/v1/grants/page/host/localhost:{port}");
    assert_eq!(server.json(server.request(Method::DELETE, &grant)).await.0, 204);
    let done = server.run("page", &json!({})).await;
    assert_eq!((&done["status"], &done["error"]["type"]), (&json!("failed"), &json!("NetworkDenied")), "{done}");
    assert_eq!(put(&server, json!({"hosts": [format!("localhost:{port}")]})).await.0, 204);
    assert_eq!(server.run("page", &json!({})).await["result"], "at /a");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_cannot_be_granted_are_refused() {
    let (_scratch, server, _, _) = with_page().await;
    let (status, problem) = put(&server, json!({"hosts": ["other.example"]})).await;
    assert_eq!((status, &problem["detail"]), (422, &json!("other.example is beyond what this server can grant")));
    for bad in ["*", "http://a.example", "a.example/x", "2130706433", "user@a.example", ""] {
        let (status, problem) = put(&server, json!({"hosts": [bad]})).await;
        assert_eq!(status, 422, "{bad}: {problem}");
    }
    // A script that asks for such a host is not kept.
    for bad in ["*", "*.com", "https://a.example", "0x7f.1", "a..b"] {
        let source = format!("# /// script\n# [tool.cronbox]\n# allow = [{}]\n# ///\n", json!(bad));
        let (status, problem) = server.put("bad", &source).await;
        assert_eq!((status, &problem["field"]), (422, &json!("allow")), "{bad}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_grant_list_and_revoke_hosts_and_limits() {
    let (_scratch, server, port, _) = with_page().await;
    let local = format!("localhost:{port}");
    let words = ["grant", "page", "--host", &local, "--limit", "memory=512MiB"];
    assert_eq!(server.cronbox(&words).0, Some(0));
    let (_, listed, _) = server.cronbox(&["grants"]);
    assert!(listed.contains(&local) && listed.contains("512 MiB"), "{listed}");
    assert_eq!(server.cronbox(&["revoke", "page", "--host", &local, "--limit", "memory"]).0, Some(0));
    assert_eq!(server.cronbox(&["revoke", "page", "--host", &local]).0, Some(2), "it has none");
    assert_eq!(server.cronbox(&["revoke", "page"]).0, Some(2));
    assert_eq!(server.cronbox(&["grant", "page", "--limit", "memory"]).0, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_the_right_to_grant_grants_nothing() {
    let (_scratch, server, port, _) = with_page().await;
    let (_, admin) = server.post("/v1/tokens", &json!({"name": "boss", "scopes": ["admin"]})).await;
    let writer = server.request(Method::POST, "/v1/tokens").bearer_auth(admin["token"].as_str().expect("a token"));
    let (_, writer) = server.json(writer.json(&json!({"name": "w", "scopes": ["write", "run", "read"]}))).await;
    let secret = writer["token"].as_str().expect("a token").to_owned();
    let upload = server.request(Method::PUT, "/v1/scripts/new").bearer_auth(&secret).body(asking(port));
    let (status, kept) = server.json(upload).await;
    let told = kept["not_granted"].as_array().expect("a list");
    let grantable: Vec<bool> = told.iter().map(|one| one["grantable"] == true).collect();
    assert_eq!((status, grantable), (201, vec![true, false]), "{kept}");
    let wished = server.request(Method::POST, "/v1/scripts/new/runs?wait=30s").bearer_auth(&secret);
    let (_, done) = server.json(wished).await;
    assert_eq!(done["error"]["type"], "NetworkDenied", "{done}");
}
