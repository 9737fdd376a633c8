//! What was tried and held: so that it goes on holding.

use crate::support::server::{Folder, Server};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TINY: &str = "def run(**rest):\n    return 1\n";

async fn token(server: &Server, name: &str, scopes: &[&str]) -> String {
    let (status, made) = server.post("/v1/tokens", &json!({"name": name, "scopes": scopes})).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().expect("a token").to_owned()
}

/// A server whose requests carry the token of its administrator.
async fn server() -> (Folder, Server) {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &["--ephemeral"]);
    server.token = Some(token(&server, "admin", &["admin"]).await);
    assert_eq!(server.put("tiny", TINY).await.0, 201);
    (folder, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_delay_no_right_one() {
    let _shared = crate::support::beside_others().await;
    let (_folder, server) = server().await;
    let guesses: Vec<_> = (0..8)
        .map(|guesser| {
            let url = format!("{}/v1/scripts", server.url);
            tokio::spawn(async move {
                let client = Client::new();
                for guess in 0..250 {
                    let wrong = format!("cbx_{:060}", guesser * 1_000 + guess);
                    let answer = client.get(&url).bearer_auth(wrong).send().await.expect("an answer");
                    assert!(matches!(answer.status().as_u16(), 401 | 429), "{}", answer.status());
                }
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    while guesses.iter().any(|guesser| !guesser.is_finished()) {
        let asked = Instant::now();
        let (status, answer) = server.get("/v1/scripts").await;
        assert!(matches!(status, 200 | 429), "{answer}");
        slowest = slowest.max(asked.elapsed());
    }
    for guesser in guesses {
        guesser.await.expect("no guess was right");
    }
    assert!(slowest < Duration::from_secs(1), "a right token waited {slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_for_a_request_is_its_tokens_and_its_addresses() {
    let _shared = crate::support::beside_others().await;
    let (_folder, server) = server().await;
    assert_eq!(server.put("other", TINY).await.0, 201);
    let (one, two) = (token(&server, "one", &["run"]).await, token(&server, "two", &["run"]).await);
    let ask = async |token: &str, script: &str, body: &Value| {
        let request = Client::new().request(Method::POST, format!("{}/v1/scripts/{script}/runs", server.url));
        let request = request.bearer_auth(token).header("idempotency-key", "same").json(body);
        let (status, run) = server.json(request).await;
        (status, run["id"].as_str().unwrap_or_default().to_owned())
    };
    let first = ask(&one, "tiny", &json!({})).await;
    assert_eq!(first.0, 201);
    assert_eq!(ask(&one, "tiny", &json!({})).await, (200, first.1.clone()), "the same request is the same run");
    let of_another = ask(&two, "tiny", &json!({})).await;
    assert!(of_another.0 == 201 && of_another.1 != first.1, "another token's request is its own");
    let elsewhere = ask(&one, "other", &json!({})).await;
    assert!(elsewhere.0 == 201 && elsewhere.1 != first.1, "another address' request is its own");
    assert_eq!(
        ask(&one, "tiny", &json!({"args": {"n": 1}})).await.0,
        409,
        "another request of the same name is refused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn json_of_any_depth_gets_an_answer() {
    let _shared = crate::support::beside_others().await;
    let (_folder, server) = server().await;
    for depth in [100, 1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for path in ["/v1/scripts/tiny/runs", "/v1/runs", "/v1/schedules", "/v1/triggers/preview", "/v1/tokens"] {
                let body = format!("{{\"args\": {{\"deep\": {deep}}}, \"trigger\": {deep}, \"source\": {deep}}}");
                let request = server.request(Method::POST, path).header("content-type", "application/json").body(body);
                let (status, answer) = server.json(request).await;
                assert!((200..500).contains(&status), "{path} with {depth} of {open}: {status} {answer}");
            }
        }
    }
    assert_eq!(server.run("tiny", &json!({})).await["result"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_leaves_is_no_page_of_the_server() {
    let _shared = crate::support::beside_others().await;
    let (_folder, server) = server().await;
    let page = "<script>alert(1)</script>";
    let source = format!(
        "def run():\n    print({page:?})\n    open('/output/page.html', 'w').write({page:?})\n    return {page:?}\n"
    );
    assert_eq!(server.put("page", &source).await.0, 201);
    let run = server.run("page", &json!({})).await;
    let id = run["id"].as_str().expect("an id");
    for path in
        [format!("/v1/runs/{id}/files/page.html"), format!("/v1/runs/{id}/output/stdout"), format!("/v1/runs/{id}")]
    {
        let answer = server.request(Method::GET, &path).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        let is_page = header("content-type").is_some_and(|kind| kind.contains("html"));
        let is_kept_out = header("content-disposition").is_some_and(|text| text.starts_with("attachment"))
            && header("content-security-policy").is_some_and(|text| text.contains("sandbox"));
        assert!(!is_page || is_kept_out, "{path}: {:?}", answer.headers());
    }
}
