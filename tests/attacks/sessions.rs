//! The cookie of a session: what it is taken for, and what pages of other origins get by it.

use crate::support::server::{Folder, Server, answer};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use std::time::Duration;

const CSRF: (&str, &str) = ("x-cronbox-csrf", "1");

/// A server with an administrator, whose token its own requests carry, and a token with these limits.
async fn server(folder: &Folder, limits: Value) -> (Server, Value) {
    let mut server = Server::start(&folder.0, &["--ephemeral"]);
    let (_, admin) = server.post("/v1/tokens", &json!({"name": "admin", "scopes": ["admin"]})).await;
    server.token = admin["token"].as_str().map(str::to_owned);
    let (status, token) = server.post("/v1/tokens", &limits).await;
    assert_eq!(status, 201, "{token}");
    (server, token)
}

fn request(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> RequestBuilder {
    let request = Client::new().request(method, format!("{}{path}", server.url));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

/// Logs in; the cookie as it is sent, and the attributes that it was set with.
async fn log_in(server: &Server, body: &Value, headers: &[(&str, &str)]) -> (String, String, Value) {
    let response = request(server, Method::POST, "/v1/session", headers).json(body).send().await.expect("answers");
    let set = response.headers().get("set-cookie").map(|set| set.to_str().expect("text").to_owned());
    let (status, who) = answer(response).await;
    assert_eq!(status, 200, "{who}");
    let set = set.expect("a cookie");
    let (cookie, attributes) = set.split_once("; ").expect("attributes");
    (cookie.to_owned(), attributes.to_owned(), who)
}

async fn code(request: RequestBuilder) -> (u16, String) {
    let (status, body) = answer(request.send().await.expect("answers")).await;
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_begun_shown_and_ended() {
    let folder = Folder::new();
    let (server, token) = server(&folder, json!({"name": "page", "scopes": ["read", "run"]})).await;
    let who = answer(request(&server, Method::GET, "/v1/session", &[]).send().await.expect("answers")).await;
    let version = env!("CARGO_PKG_VERSION");
    let unknown = json!({"login_required": true, "token": null, "scopes": [], "scripts": null, "labels": null,
        "expires_at": null, "version": version});
    assert_eq!(who, (200, unknown.clone()));
    let body = json!({"token": token["token"], "expires_in": "1h"});
    let (cookie, attributes, who) = log_in(&server, &body, &[]).await;
    assert_eq!(attributes.replace("3599", "3600"), "HttpOnly; SameSite=Strict; Path=/; Max-Age=3600");
    assert!(cookie.starts_with("cronbox_session=cbs_") && !cookie.contains(token["token"].as_str().expect("text")));
    assert_eq!(who["token"], json!({"id": token["id"], "name": "page"}));
    assert_eq!((&who["scopes"], &who["login_required"]), (&json!(["read", "run"]), &json!(true)));
    let own = [CSRF, ("cookie", &cookie)];
    let again = answer(request(&server, Method::GET, "/v1/session", &own).send().await.expect("answers")).await;
    assert_eq!(again, (200, who));
    assert_eq!(code(request(&server, Method::GET, "/v1/scripts", &own)).await.0, 200);
    let made = json!({"name": "x", "scopes": ["read"]});
    let refused = code(request(&server, Method::POST, "/v1/tokens", &own).json(&made)).await;
    assert_eq!(refused, (403, "missing_scope".to_owned()), "it may what its token may");
    // What tests/proxies.rs has of proxies that the operator named.
    let (cookie, attributes, _) = log_in(&server, &body, &[("x-forwarded-proto", "https")]).await;
    assert!(!attributes.contains("Secure"), "nobody named this one: {attributes}");
    let left = request(&server, Method::DELETE, "/v1/session", &[CSRF, ("cookie", &cookie)]);
    let left = left.send().await.expect("answers");
    assert_eq!((left.status().as_u16(), &left.headers()["set-cookie"]), (204, &CLEARED.parse().expect("a header")));
    let gone = [CSRF, ("cookie", &cookie)];
    assert_eq!(code(request(&server, Method::GET, "/v1/scripts", &gone)).await, (401, "unauthorized".to_owned()));
    let who = answer(request(&server, Method::GET, "/v1/session", &gone).send().await.expect("answers")).await;
    assert_eq!(who, (200, unknown));
    assert_eq!(code(request(&server, Method::GET, "/v1/scripts", &own)).await.0, 200, "the other session goes on");
}

const CLEARED: &str = "cronbox_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0";

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_alone_does_not_count() {
    let folder = Folder::new();
    let (server, token) = server(&folder, json!({"name": "page", "scopes": ["read", "write"]})).await;
    let (cookie, ..) = log_in(&server, &json!({"token": token["token"]}), &[]).await;
    let bare = ("cookie", cookie.as_str());
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let refused = code(request(&server, method.clone(), "/v1/scripts/a", &[bare]).body("x = 1")).await;
        assert_eq!(refused, (401, "no_csrf_header".to_owned()), "{method}");
    }
    let logout = code(request(&server, Method::DELETE, "/v1/session", &[bare])).await;
    assert_eq!(logout, (401, "no_csrf_header".to_owned()), "another page logs no user out");
    let who = answer(request(&server, Method::GET, "/v1/session", &[bare]).send().await.expect("answers")).await;
    assert_eq!((who.0, &who.1["token"]), (200, &Value::Null));
    let own = [CSRF, bare];
    let host = server.url.trim_start_matches("http://");
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 200),
        ("origin", &format!("http://{host}"), 200),
    ] {
        let headers = [own[0], own[1], (name, value)];
        assert_eq!(code(request(&server, Method::GET, "/v1/scripts", &headers)).await.0, status, "{name}: {value}");
    }
    // A form of another page does not log its visitor in.
    let form = request(&server, Method::POST, "/v1/session", &[("origin", "https://evil.example")]);
    let form = form.header("content-type", "text/plain").body(json!({"token": token["token"]}).to_string());
    assert_eq!(code(form).await, (403, "foreign_origin".to_owned()));
    // Whoever sends a token is whom it names, whatever cookie there is.
    let wrong = [own[0], own[1], ("authorization", "Bearer cbx_wrong")];
    assert_eq!(code(request(&server, Method::GET, "/v1/scripts", &wrong)).await, (401, "unauthorized".to_owned()));
    // No consent is given to pages of other origins.
    let asks = [("origin", "https://evil.example"), ("access-control-request-headers", "x-cronbox-csrf")];
    let preflight = request(&server, Method::OPTIONS, "/v1/scripts", &asks).send().await.expect("answers");
    assert!(preflight.headers().keys().all(|name| !name.as_str().starts_with("access-control-")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_as_limited_as_its_token_and_ends_with_it() {
    let folder = Folder::new();
    let limits = json!({"name": "page", "scopes": ["read", "write"], "scripts": ["mine"]});
    let (server, token) = server(&folder, limits).await;
    server.put("other", "x = 1").await;
    server.put("mine", "x = 1").await;
    let (cookie, _, who) = log_in(&server, &json!({"token": token["token"]}), &[]).await;
    assert_eq!(who["scripts"], json!(["mine"]));
    let own = [CSRF, ("cookie", cookie.as_str())];
    assert_eq!(code(request(&server, Method::GET, "/v1/scripts/mine", &own)).await.0, 200);
    assert_eq!(code(request(&server, Method::GET, "/v1/scripts/other", &own)).await.0, 403);
    assert_eq!(code(request(&server, Method::PUT, "/v1/scripts/other", &own).body("x = 2")).await.0, 403);
    assert_eq!(code(request(&server, Method::GET, "/v1/tokens", &own)).await.0, 403);
    // A stream of the session ends together with it.
    let follow = [own[0], own[1], ("accept", "text/event-stream")];
    let mut stream = request(&server, Method::GET, "/v1/events", &follow).send().await.expect("answers");
    assert_eq!(stream.status(), 200);
    let gone = server.request(Method::DELETE, &format!("/v1/tokens/{}", token["id"].as_str().expect("an id")));
    assert_eq!(server.json(gone).await.0, 204);
    assert_eq!(code(request(&server, Method::GET, "/v1/scripts", &own)).await, (401, "unauthorized".to_owned()));
    let end = async { while stream.chunk().await.expect("reads").is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the stream ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_what_the_session_hears() {
    let folder = Folder::new();
    let (server, token) = server(&folder, json!({"name": "page", "scopes": ["read"]})).await;
    let (cookie, ..) = log_in(&server, &json!({"token": token["token"]}), &[]).await;
    let own = [CSRF, ("cookie", cookie.as_str()), ("accept", "text/event-stream")];
    let mut stream = request(&server, Method::GET, "/v1/events", &own).send().await.expect("answers");
    assert_eq!(stream.status(), 200);
    assert_eq!(request(&server, Method::DELETE, "/v1/session", &own[..2]).send().await.expect("answers").status(), 204);
    let end = async { while stream.chunk().await.expect("reads").is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the stream ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_token_is_refused() {
    let folder = Folder::new();
    let (server, _) = server(&folder, json!({"name": "page", "scopes": ["read"]})).await;
    let try_it = |body: Value| {
        let login = request(&server, Method::POST, "/v1/session", &[]).json(&body);
        async move { answer(login.send().await.expect("answers")).await }
    };
    for wrong in ["cbx_wrong", "", "cbs_wrong", &"cbx_".repeat(500)] {
        let (status, refused) = try_it(json!({"token": wrong})).await;
        assert_eq!((status, &refused["field"]), (401, &json!("token")), "{refused}");
    }
    assert_eq!(try_it(json!({"token": 1})).await.0, 422);
    assert_eq!(try_it(json!({"password": "x"})).await.1["code"], "unknown_field");
    assert_eq!(try_it(json!({"token": "x", "expires_in": "31d"})).await.1["field"], "expires_in");
    let session = [CSRF, ("cookie", "cronbox_session=cbs_made_up")];
    assert_eq!(code(request(&server, Method::GET, "/v1/scripts", &session)).await, (401, "unauthorized".to_owned()));
}

/// Without tokens this machine's user needs no login, and a cookie that is left over does not matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tokens_wants_no_login() {
    let (_folder, server) = Server::ephemeral();
    let left = [("cookie", "cronbox_session=cbs_left_over")];
    let (status, who) =
        answer(request(&server, Method::GET, "/v1/session", &left).send().await.expect("answers")).await;
    assert_eq!((status, &who["login_required"], &who["token"]), (200, &json!(false), &Value::Null));
    assert_eq!(who["scopes"].as_array().map(Vec::len), Some(7));
    assert_eq!(code(request(&server, Method::GET, "/v1/scripts", &left)).await.0, 200);
    let foreign = [left[0], ("origin", "https://evil.example")];
    assert_eq!(code(request(&server, Method::GET, "/v1/session", &foreign)).await, (403, "not_local".to_owned()));
}
