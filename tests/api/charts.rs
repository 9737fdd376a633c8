//! Charts that are kept: made, changed by two at once, shown to whom may see their scripts, deleted.

use super::code;
use crate::support::server::{Server, answer};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

fn line(script: &str) -> Value {
    json!({"script": script, "path": "/price"})
}

fn put(server: &Server, id: &str, body: &Value) -> RequestBuilder {
    server.request(Method::PUT, &format!("/v1/charts/{id}")).json(body)
}

async fn sent(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().expect("text").to_owned()
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().expect("items").iter().map(|chart| chart["id"].as_str().expect("text")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_are_kept() {
    let (_folder, server) = Server::ephemeral();
    server.put("Price", "x = 1").await;
    server.put("other", "x = 1").await;
    let body = json!({"title": "Prices", "labels": ["morning", "data"], "since": "7d", "bucket": "auto",
        "lines": [{"script": "price", "path": "/price", "agg": "max", "label": "INIT"}, {"script": "other", "path": ""}]});
    let (status, made) = server.json(put(&server, "Prices", &body)).await;
    assert_eq!(status, 201, "{made}");
    let lines = json!([{"script": "Price", "path": "/price", "agg": "max", "label": "INIT"},
        {"script": "other", "path": "", "agg": null, "label": null}]);
    assert_eq!((&made["id"], &made["title"], &made["lines"]), (&json!("Prices"), &json!("Prices"), &lines));
    assert_eq!(
        (&made["since"], &made["bucket"], &made["labels"]),
        (&json!("7d"), &json!("auto"), &json!(["morning", "data"]))
    );
    assert_eq!(server.get("/v1/charts/prices").await, (200, made.clone()), "whatever the case");
    let (status, plain) = server.json(put(&server, "plain", &json!({"lines": [line("other")]}))).await;
    assert_eq!(
        (status, &plain["title"], &plain["since"], &plain["bucket"]),
        (201, &json!("plain"), &json!("30d"), &Value::Null)
    );
    assert_eq!(ids(&server.get("/v1/charts").await.1), ["plain", "Prices"]);
    assert_eq!(ids(&server.get("/v1/charts?label=morning").await.1), ["Prices"]);
    assert_eq!(ids(&server.get("/v1/charts?label=morn").await.1), [""; 0]);
    let (_, first) = server.get("/v1/charts?limit=1").await;
    let cursor = first["next_cursor"].as_str().expect("there are more");
    assert_eq!(ids(&server.get(&format!("/v1/charts?limit=1&cursor={cursor}")).await.1), ["Prices"]);
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/charts/PLAIN")).await.0, 204);
    assert_eq!(code(&server.get("/v1/charts/plain").await), (404, "no_such_chart"));
    assert_eq!(code(&server.json(server.request(Method::DELETE, "/v1/charts/plain")).await), (404, "no_such_chart"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_change_a_chart_do_not_overwrite_one_another() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", "x = 1").await;
    let body = |title: &str| json!({"title": title, "lines": [line("price")]});
    let first = sent(put(&server, "c", &body("1")).header("if-none-match", "*")).await;
    assert_eq!(first.status(), 201);
    let tag = etag(&first);
    assert_eq!(etag(&sent(server.request(Method::GET, "/v1/charts/c")).await), tag);
    let again = answer(sent(put(&server, "c", &body("2")).header("if-none-match", "*")).await).await;
    assert_eq!(code(&again), (412, "precondition_failed"), "{}", again.1);
    let changed = sent(put(&server, "c", &body("2")).header("if-match", &tag)).await;
    assert_eq!(changed.status(), 200);
    let late = answer(sent(put(&server, "c", &body("3")).header("if-match", &tag)).await).await;
    assert_eq!(code(&late), (412, "precondition_failed"));
    let detail = late.1["detail"].as_str().expect("text");
    assert!(detail.contains("revision 2") && detail.contains("revision 1"), "{detail}");
    assert_eq!(server.get("/v1/charts/c").await.1["title"], "2", "nothing was overwritten");
    let late = server.request(Method::DELETE, "/v1/charts/c").header("if-match", &tag);
    assert_eq!(code(&answer(sent(late).await).await), (412, "precondition_failed"));
    let now = server.request(Method::DELETE, "/v1/charts/c").header("if-match", etag(&changed));
    assert_eq!(sent(now).await.status(), 204);
    let gone = answer(sent(put(&server, "c", &body("4")).header("if-match", "*")).await).await;
    assert_eq!(code(&gone), (412, "precondition_failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_chart_can_have_is_named() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", "x = 1").await;
    let many: Vec<Value> = (0..21).map(|_| line("price")).collect();
    for (body, field) in [
        (json!({}), "lines"),
        (json!({"lines": []}), "lines"),
        (json!({"lines": many}), "lines"),
        (json!({"lines": [line("price"), line("prise")]}), "lines.1.script"),
        (json!({"lines": [{"script": "price", "path": "price"}]}), "lines.0.path"),
        (json!({"lines": [{"script": "price", "path": "", "agg": "median"}]}), "lines.0.agg"),
        (json!({"lines": [{"script": "price", "path": "", "label": "x".repeat(101)}]}), "lines.0.label"),
        (json!({"lines": [{"script": "price"}]}), "lines"),
        (json!({"lines": [{"script": "price", "path": "", "color": "red"}]}), "lines"),
        (json!({"lines": [line("price")], "title": "x".repeat(201)}), "title"),
        (json!({"lines": [line("price")], "labels": ["a", "a"]}), "labels"),
        (json!({"lines": [line("price")], "labels": [""]}), "labels"),
        (json!({"lines": [line("price")], "since": "yesterday"}), "since"),
        (json!({"lines": [line("price")], "bucket": "wide"}), "bucket"),
        (json!({"lines": [line("price")], "bucket": "0s"}), "bucket"),
    ] {
        let (status, refused) = server.json(put(&server, "c", &body)).await;
        assert_eq!((status, refused["field"].as_str()), (422, Some(field)), "{body}: {refused}");
    }
    let (_, near) = server.json(put(&server, "c", &json!({"lines": [line("prise")]}))).await;
    assert!(near["detail"].as_str().expect("text").contains("did you mean price?"), "{near}");
    assert_eq!(server.json(put(&server, "a%20b", &json!({"lines": [line("price")]}))).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_token_sees_the_charts_of_its_scripts() {
    let (_folder, mut server) = Server::ephemeral();
    for script in ["mine", "other"] {
        server.put(script, "x = 1").await;
    }
    for (id, lines) in [
        ("own", json!([line("mine")])),
        ("mixed", json!([line("mine"), line("other")])),
        ("theirs", json!([line("other")])),
    ] {
        assert_eq!(server.json(put(&server, id, &json!({"lines": lines}))).await.0, 201);
    }
    server.token = None;
    let (_, admin) = server.post("/v1/tokens", &json!({"name": "admin", "scopes": ["admin"]})).await;
    server.token = admin["token"].as_str().map(str::to_owned);
    let body = json!({"name": "limited", "scopes": ["read", "write"], "scripts": ["mine"]});
    let (_, limited) = server.post("/v1/tokens", &body).await;
    server.token = limited["token"].as_str().map(str::to_owned);
    assert_eq!(ids(&server.get("/v1/charts").await.1), ["own"]);
    assert_eq!(server.get("/v1/charts/own").await.0, 200);
    for id in ["mixed", "theirs"] {
        assert_eq!(code(&server.get(&format!("/v1/charts/{id}")).await), (403, "script_out_of_reach"), "{id}");
        let change = put(&server, id, &json!({"lines": [line("mine")]}));
        assert_eq!(code(&server.json(change).await), (403, "script_out_of_reach"), "{id}");
        let gone = server.request(Method::DELETE, &format!("/v1/charts/{id}"));
        assert_eq!(code(&server.json(gone).await), (403, "script_out_of_reach"), "{id}");
    }
    let (status, refused) = server.json(put(&server, "new", &json!({"lines": [line("mine"), line("other")]}))).await;
    assert_eq!((status, &refused["field"]), (403, &json!("lines.1.script")), "{refused}");
    let (status, made) = server.json(put(&server, "new", &json!({"lines": [line("mine")]}))).await;
    assert_eq!((status, &made["created_by"]), (201, &limited["id"]), "{made}");
}
