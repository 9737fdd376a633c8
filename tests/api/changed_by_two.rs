//! Two who change one script or one schedule: the second is told, and nothing is overwritten unseen.

use super::code;
use crate::support::server::{Server, answer};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

async fn sent(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().expect("text").to_owned()
}

fn put(server: &Server, source: &'static str) -> RequestBuilder {
    server.request(Method::PUT, "/v1/scripts/price").body(source)
}

fn detail(answer: &(u16, Value)) -> &str {
    answer.1["detail"].as_str().expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_edit_a_script_do_not_overwrite_one_another() {
    let (_folder, server) = Server::ephemeral();
    let missing = answer(sent(put(&server, "x = 0").header("if-match", "\"1-0\"")).await).await;
    assert_eq!(code(&missing), (412, "precondition_failed"), "{}", missing.1);
    assert!(detail(&missing).contains("there is no script price"), "{}", missing.1);
    let made = sent(put(&server, "x = 1").header("if-none-match", "*")).await;
    assert_eq!(made.status(), 201);
    let first = etag(&made);
    assert_eq!(etag(&sent(server.request(Method::GET, "/v1/scripts/price")).await), first);
    let taken = answer(sent(put(&server, "x = 9").header("if-none-match", "*")).await).await;
    assert_eq!(code(&taken), (412, "precondition_failed"), "{}", taken.1);
    // Both saw version 1; the first one's change is made.
    let changed = sent(put(&server, "x = 2").header("if-match", &first)).await;
    assert_eq!(changed.status(), 201);
    let second = etag(&changed);
    let late = answer(sent(put(&server, "x = 3").header("if-match", &first)).await).await;
    assert_eq!(code(&late), (412, "precondition_failed"));
    assert!(detail(&late).contains("version 2") && detail(&late).contains("version 1"), "{}", late.1);
    assert_eq!(server.get("/v1/scripts/price").await.1["version"], 2, "nothing was overwritten");
    // A proxy that packs answers makes tags weak; several can be named.
    let weak = format!("\"7-0\", W/{second}");
    let settings = server.request(Method::PATCH, "/v1/scripts/price").json(&json!({"title": "T"}));
    let settings = sent(settings.header("if-match", &weak)).await;
    assert_eq!(settings.status(), 200);
    let third = etag(&settings);
    assert_ne!(third, second, "settings are a change, too");
    let late = server.request(Method::PATCH, "/v1/scripts/price").json(&json!({"title": "U"}));
    let late = answer(sent(late.header("if-match", &second)).await).await;
    assert_eq!(code(&late), (412, "precondition_failed"));
    assert!(detail(&late).contains("settings"), "{}", late.1);
    // The source alone is checked in the same way by a dry run.
    let dry = server.request(Method::PUT, "/v1/scripts/price?dry_run=true").body("x = 4");
    assert_eq!(code(&answer(sent(dry.header("if-match", &second)).await).await), (412, "precondition_failed"));
    let back = sent(server.request(Method::POST, "/v1/scripts/price/rollback")).await;
    assert_eq!(back.status(), 200);
    let late = answer(sent(put(&server, "x = 5").header("if-match", &third)).await).await;
    assert_eq!(code(&late), (412, "precondition_failed"));
    assert_eq!(sent(put(&server, "x = 5").header("if-match", etag(&back))).await.status(), 201);
    assert_eq!(sent(put(&server, "x = 6")).await.status(), 201, "whoever asks for nothing is told nothing");
    let wrong = answer(sent(put(&server, "x = 7").header("if-match", "3")).await).await;
    assert_eq!((code(&wrong), &wrong.1["field"]), ((400, "bad_header"), &json!("If-Match")));
    // A script of the same name that was made later is another.
    let now = etag(&sent(server.request(Method::GET, "/v1/scripts/price")).await);
    assert_eq!(sent(server.request(Method::DELETE, "/v1/scripts/price")).await.status(), 204);
    assert_eq!(sent(put(&server, "x = 1")).await.status(), 201);
    let late = answer(sent(put(&server, "x = 8").header("if-match", &now)).await).await;
    assert_eq!(code(&late), (412, "precondition_failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_at_once_to_one_version_one_is_made() {
    let (_folder, server) = Server::ephemeral();
    let tag = etag(&sent(put(&server, "x = 0")).await);
    let changes = (1..=8).map(|n| {
        let request = server.request(Method::PUT, "/v1/scripts/price").body(format!("x = {n}"));
        sent(request.header("if-match", &tag))
    });
    let mut answers = Vec::new();
    for change in futures_util::future::join_all(changes).await {
        answers.push(change.status().as_u16());
    }
    answers.sort_unstable();
    assert_eq!(answers, [201, 412, 412, 412, 412, 412, 412, 412]);
    assert_eq!(server.get("/v1/scripts/price").await.1["version"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_change_a_schedule_do_not_overwrite_one_another() {
    let (_folder, server) = Server::ephemeral();
    sent(put(&server, "x = 1")).await;
    let body = |title: &str| json!({"script": "price", "trigger": "0 9 * * *", "title": title});
    let change = |method: Method, title: &str| {
        let body = if method == Method::PUT { body(title) } else { json!({"title": title}) };
        server.request(method, "/v1/schedules/daily").json(&body)
    };
    let made = sent(change(Method::PUT, "1").header("if-none-match", "*")).await;
    assert_eq!(made.status(), 201);
    let first = etag(&made);
    assert_eq!(etag(&sent(server.request(Method::GET, "/v1/schedules/daily")).await), first);
    let taken = answer(sent(change(Method::PUT, "2").header("if-none-match", "*")).await).await;
    assert_eq!(code(&taken), (412, "precondition_failed"), "{}", taken.1);
    let changed = sent(change(Method::PATCH, "2").header("if-match", &first)).await;
    assert_eq!(changed.status(), 200);
    let second = etag(&changed);
    for method in [Method::PUT, Method::PATCH] {
        let late = answer(sent(change(method, "3").header("if-match", &first)).await).await;
        assert_eq!(code(&late), (412, "precondition_failed"));
        assert!(detail(&late).contains("revision 2") && detail(&late).contains("revision 1"), "{}", late.1);
    }
    assert_eq!(server.get("/v1/schedules/daily").await.1["title"], "2");
    assert_eq!(sent(change(Method::PUT, "3").header("if-match", &second)).await.status(), 200);
    let missing = server.request(Method::PUT, "/v1/schedules/none").json(&body("1"));
    assert_eq!(sent(missing.header("if-match", "*")).await.status(), 412);
    assert_eq!(server.get("/v1/schedules/none").await.0, 404);
}
