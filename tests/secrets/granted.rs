//! Which scripts have which secrets: those that a token with the right has set or granted for them.

use super::{HAS, VALUE, hunt, script, set, start};
use crate::support::server::{Folder, Server};
use reqwest::Method;
use serde_json::{Value, json};

const API_KEY: &str = "/v1/secrets/API_KEY";
const OTHER: &str = "/v1/secrets/OTHER";
/// The grant of OTHER for the script `c`.
const GRANT: &str = "/v1/grants/c/secret/OTHER";
/// What a script has: the beginnings of API_KEY and OTHER.
const NONE: [&str; 2] = ["", ""];
const FIRST: [&str; 2] = ["cronbox-secret", ""];
const SECOND: [&str; 2] = ["", "cronbox-secret"];
/// The header of a script with the label that the granter grants for.
const LABELLED: &str = "# labels = { team = \"data\" }\n";

/// A server with tokens, where API_KEY is set for the script `a`, and OTHER for the label `team=data`.
struct Office {
    server: Server,
    _folder: Folder,
    admin: String,
    /// May upload, and grant nothing.
    writer: String,
    /// May grant for scripts with the label.
    granter: String,
}

/// A secret for the script `a`.
fn for_script() -> Value {
    json!({"value": VALUE, "hosts": ["api.example.com"], "scripts": ["a"]})
}

/// A secret for scripts with the label.
fn for_label() -> Value {
    json!({"value": VALUE, "hosts": ["api.example.com"], "labels": ["team=data"]})
}

impl Office {
    async fn open() -> Self {
        let folder = Folder::new();
        let server = start(&folder.0, &[], &[]);
        let (_, made) = server.post("/v1/tokens", &json!({"name": "boss", "scopes": ["admin"]})).await;
        let admin = made["token"].as_str().expect("a token").to_owned();
        let mut office = Office { server, _folder: folder, admin, writer: String::new(), granter: String::new() };
        office.writer = office.token(json!({"name": "w", "scopes": ["write", "run", "read"]})).await;
        office.granter = office.token(json!({"name": "g", "scopes": ["grant", "read"], "labels": ["team=data"]})).await;
        office
    }

    /// The same with both secrets.
    async fn with_secrets() -> Self {
        let office = Office::open().await;
        assert_eq!(office.ask(&office.admin, Method::PUT, API_KEY, for_script()).await.0, 201);
        assert_eq!(office.ask(&office.granter, Method::PUT, OTHER, for_label()).await.0, 201);
        office
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.server.request(method, path).bearer_auth(token);
        self.server.json(if body.is_null() { request } else { request.json(&body) }).await
    }

    async fn token(&self, body: Value) -> String {
        let (status, made) = self.ask(&self.admin, Method::POST, "/v1/tokens", body).await;
        assert_eq!(status, 201, "{made}");
        made["token"].as_str().expect("a token").to_owned()
    }

    /// Uploads a script that returns what it has, with more lines in its header.
    async fn upload(&self, token: &str, name: &str, header: &str) -> Value {
        let path = format!("/v1/scripts/{name}");
        let request = self.server.request(Method::PUT, &path).bearer_auth(token).body(script(header, HAS));
        self.server.json(request).await.1
    }

    async fn run(&self, name: &str) -> Value {
        let path = format!("/v1/scripts/{name}/runs?wait=30s");
        self.ask(&self.admin, Method::POST, &path, json!({})).await.1
    }

    /// Grants the script `c` a secret.
    async fn grant(&self, secret: &str) -> u16 {
        self.ask(&self.admin, Method::PUT, "/v1/grants/c", json!({"secrets": [secret]})).await.0
    }

    async fn revoke(&self) -> u16 {
        self.ask(&self.admin, Method::DELETE, GRANT, Value::Null).await.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_set_wrongly_is_refused_by_its_field() {
    let scratch = Folder::new();
    let server = start(&scratch.0, &[], &[]);
    let with = |field: &str, value: Value| {
        let mut body = for_script();
        body[field] = value;
        body
    };
    for (name, body, field) in [
        ("API_KEY", with("hosts", json!([])), "hosts"),
        ("API_KEY", with("hosts", json!(["*"])), "hosts"),
        ("API_KEY", with("hosts", json!(["https://a.example/"])), "hosts"),
        ("API_KEY", with("scripts", json!([])), "scripts"),
        ("API_KEY", with("scripts", json!(["a/b"])), "scripts"),
        ("API_KEY", with("value", json!("seven77")), "value"),
        ("API_KEY", with("value", json!("x".repeat(4097))), "value"),
        ("API_KEY", with("value", json!(null)), "value"),
        ("API_KEY", with("in", json!(["path"])), "in"),
        ("API_KEY", with("labels", json!(["team"])), "labels"),
        ("API_KEY", with("path_prefix", json!("v1")), "path_prefix"),
        ("API_KEY", with("hots", json!(["a.example"])), "hots"),
        ("API-KEY", for_script(), "name"),
        ("HOME", for_script(), "name"),
    ] {
        let request = server.request(Method::PUT, &format!("/v1/secrets/{name}")).json(&body);
        let (status, problem) = server.json(request).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{problem}");
        hunt(problem.to_string().as_bytes(), "a refusal");
    }
    assert_eq!(set(&server, VALUE, &["API_KEY", "--script", "a"]).0, Some(2));
    assert_eq!(set(&server, VALUE, &["API_KEY", "--host", "a.example"]).0, Some(2));
    let (code, told) = set(&server, "short\n", &["API_KEY", "--host", "a.example", "--script", "a"]);
    assert!(code == Some(2) && told.contains("this one has 5"), "{told}");
    assert_eq!(server.get("/v1/secrets").await.1["items"], json!([]));
}

/// A token that grants for a label sets no secret for other scripts, nor does it take or see theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_sets_secrets_only_for_the_scripts_it_grants_for() {
    let office = Office::open().await;
    let (granter, admin) = (&office.granter, &office.admin);
    assert_eq!(office.ask(&office.writer, Method::PUT, API_KEY, for_script()).await.0, 403);
    assert_eq!(office.ask(granter, Method::PUT, API_KEY, for_script()).await.0, 403);
    assert_eq!(office.ask(admin, Method::PUT, API_KEY, for_script()).await.0, 201);
    assert_eq!(office.ask(granter, Method::PUT, API_KEY, for_label()).await.0, 403);
    assert_eq!(office.ask(granter, Method::DELETE, API_KEY, Value::Null).await.0, 403);
    assert_eq!(office.ask(granter, Method::GET, API_KEY, Value::Null).await.0, 404);
    assert_eq!(office.ask(granter, Method::PUT, OTHER, for_label()).await.0, 201);
    let (_, listed) = office.ask(granter, Method::GET, "/v1/secrets", Value::Null).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!((&listed["items"][0]["name"], &listed["items"][0]["readable"]), (&json!("OTHER"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_for_a_name_is_for_whatever_is_uploaded_under_it() {
    let office = Office::with_secrets().await;
    let kept = office.upload(&office.writer, "a", "").await;
    assert_eq!(kept["not_granted"].as_array().map(Vec::len), Some(3), "{kept}");
    assert_eq!(office.run("a").await["result"], json!(FIRST));
    office.upload(&office.writer, "b", "").await;
    assert_eq!(office.run("b").await["result"], json!(NONE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_names_its_secrets_gets_no_others() {
    let office = Office::with_secrets().await;
    office.upload(&office.writer, "a", "# secrets = []\n").await;
    assert_eq!(office.run("a").await["result"], json!(NONE));
    office.upload(&office.writer, "a", "").await;
    assert_eq!(office.run("a").await["result"], json!(FIRST));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_deleted_takes_its_grants_with_it() {
    let office = Office::with_secrets().await;
    office.upload(&office.writer, "a", "").await;
    assert_eq!(office.run("a").await["result"], json!(FIRST));
    assert_eq!(office.ask(&office.writer, Method::DELETE, "/v1/scripts/a", Value::Null).await.0, 204);
    office.upload(&office.writer, "a", "").await;
    assert_eq!(office.run("a").await["result"], json!(NONE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_on_a_script_grants_nothing_until_the_secret_is_granted() {
    let office = Office::with_secrets().await;
    let header = format!("{LABELLED}# secrets = [\"OTHER\", \"API_KEY\", \"NONE\"]\n");
    let kept = office.upload(&office.writer, "c", &header).await;
    let told = |name: &str| kept["not_granted"].as_array()?.iter().find(|one| one["asked"] == name).cloned();
    for (name, why, grantable) in [
        ("OTHER", "must grant it to this script", true),
        ("API_KEY", "it is set for other scripts", false),
        ("NONE", "no secret of this name", false),
    ] {
        let told = told(name).expect("is told");
        assert!(told["in_force"].as_str().is_some_and(|text| text.ends_with(why)), "{told}");
        assert_eq!(told["grantable"], json!(grantable), "{told}");
    }
    let done = office.run("c").await;
    assert_eq!(done["result"], json!(NONE), "{done}");
    let note = "asks for the secret OTHER, which it was not granted: cronbox grant c --secret OTHER";
    assert!(done["notes"].to_string().contains(note), "{done}");
    assert_eq!(office.grant("API_KEY").await, 422, "it is set for another script");
    assert_eq!(office.grant("NONE").await, 422, "there is none");
    assert_eq!(office.grant("OTHER").await, 204);
    assert_eq!(office.run("c").await["result"], json!(SECOND));
    let (_, grants) = office.ask(&office.admin, Method::GET, "/v1/grants", Value::Null).await;
    assert!(grants.to_string().contains(r#""kind":"secret","name":"OTHER","script":"c""#), "{grants}");
    assert_eq!((office.revoke().await, office.revoke().await), (204, 404));
    assert_eq!(office.run("c").await["result"], json!(NONE));
    // A token that can grant does so by uploading.
    office.upload(&office.admin, "c", &header).await;
    assert_eq!(office.run("c").await["result"], json!(SECOND));
}

/// Neither a token that put a label on a script nor one that is limited to it gets the secret of that label, also when
/// the secret is set again.
#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_is_added_without_the_right_to_grant_gives_no_secret() {
    let office = Office::with_secrets().await;
    office.upload(&office.writer, "c", LABELLED).await;
    assert_eq!(office.grant("OTHER").await, 204);
    office.upload(&office.writer, "d", LABELLED).await;
    let (status, set) = office.ask(&office.granter, Method::PUT, OTHER, for_label()).await;
    assert_eq!((status, &set["granted"]), (200, &json!(["c"])), "{set}");
    assert_eq!(office.run("d").await["result"], json!(NONE));
    let limited = office.token(json!({"name": "l", "scopes": ["grant", "write", "read"], "scripts": ["d"]})).await;
    office.upload(&limited, "d", &format!("{LABELLED}# secrets = [\"OTHER\"]\n")).await;
    let asked = json!({"secrets": ["OTHER"]});
    assert_eq!(office.ask(&limited, Method::PUT, "/v1/grants/d", asked).await.0, 403);
    assert_eq!(office.run("d").await["result"], json!(NONE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_was_revoked_comes_back_only_by_its_name() {
    let office = Office::with_secrets().await;
    office.upload(&office.admin, "c", LABELLED).await;
    assert_eq!(office.grant("OTHER").await, 204);
    assert_eq!(office.revoke().await, 204);
    office.upload(&office.admin, "c", LABELLED).await;
    assert_eq!(office.run("c").await["result"], json!(NONE));
    assert_eq!(office.grant("OTHER").await, 204);
    assert_eq!(office.run("c").await["result"], json!(SECOND));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_labels_that_a_script_has_now_count() {
    let office = Office::with_secrets().await;
    office.upload(&office.writer, "b", "").await;
    let labelled = json!({"labels": {"team": "data"}});
    let (_, done) = office.ask(&office.admin, Method::POST, "/v1/scripts/b/runs?wait=30s", labelled).await;
    assert_eq!(done["result"], json!(NONE), "labels of a run count for nothing");
    office.upload(&office.writer, "c", LABELLED).await;
    assert_eq!(office.grant("OTHER").await, 204);
    assert_eq!(office.run("c").await["result"], json!(SECOND));
    office.upload(&office.writer, "c", "").await;
    assert_eq!(office.run("c").await["result"], json!(NONE));
}

#[tokio::test(flavor = "multi_thread")]
async fn source_in_a_request_has_no_secrets() {
    let office = Office::with_secrets().await;
    let sent = json!({"source": script("# secrets = [\"API_KEY\"]\n", HAS), "name": "a"});
    let (_, done) = office.ask(&office.admin, Method::POST, "/v1/runs?wait=30s", sent).await;
    assert_eq!(done["result"], json!(NONE), "{done}");
    assert!(done["not_granted"].to_string().contains("only scripts that are saved"), "{done}");
}
