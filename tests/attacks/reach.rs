//! What a token that is limited to scripts can be shown and can do: of its own scripts only, whatever it names.

use crate::support::dice::Dice;
use crate::support::server::{Folder, Server};
use crate::support::wait::until;
use cronbox::http::{Need, endpoints};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Stands in everything of the scripts that are not the limited token's: results, arguments, output, titles, labels, states.
const FOREIGN: &str = "sentinel-of-others";
/// Scopes of a token that is not the administrator's.
const SCOPES: [&str; 5] = ["read", "run", "write", "exec", "grant"];

/// A server with an administrator.
pub(super) fn server(folder: &Folder) -> Server {
    let admin = format!("cbx_{}", "a".repeat(60));
    std::fs::write(folder.0.join("admin"), &admin).expect("written");
    let file = folder.0.join("admin");
    let env = [("CRONBOX_ADMIN_TOKEN_FILE", file.to_str().expect("text"))];
    let mut server = Server::start_with(&folder.0, &["--data-dir", "data"], &env);
    server.token = Some(admin);
    server
}

pub(super) async fn token(server: &Server, name: &str, scopes: &[&str], limit: Value) -> String {
    let mut body = json!({"name": name, "scopes": scopes});
    body.as_object_mut().expect("an object").extend(limit.as_object().expect("an object").clone());
    let (status, token) = server.post("/v1/tokens", &body).await;
    assert_eq!(status, 201, "{token}");
    token["token"].as_str().expect("a token").to_owned()
}

/// A request with a token of its own.
pub(super) async fn ask(server: &Server, token: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let request = reqwest::Client::new().request(method, format!("{}{path}", server.url)).bearer_auth(token);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let mut answer = request.timeout(Duration::from_secs(60)).send().await.expect("an answer");
    let (status, mut text) = (answer.status().as_u16(), Vec::new());
    // The feed does not end: its beginning tells enough.
    let follows = answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let patience = if follows { Duration::from_millis(300) } else { Duration::from_secs(60) };
    while let Ok(Ok(Some(piece))) = tokio::time::timeout(patience, answer.chunk()).await {
        text.extend_from_slice(&piece);
    }
    (status, String::from_utf8_lossy(&text).into_owned())
}

/// The runs of a script that have ended.
async fn ended(server: &Server, script: &str) -> Vec<Value> {
    let (_, list) = server.get(&format!("/v1/runs?script={script}&limit=500")).await;
    let items = list["items"].as_array().expect("a list").clone();
    items
        .into_iter()
        .filter(|run| !matches!(run["status"].as_str(), Some("queued" | "running" | "scheduled")))
        .collect()
}

const ECHO: &str = "def run(upstream=None, context=None):\n    return {'upstream': upstream}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_follows_only_scripts_that_its_keeper_reaches() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    let server = server(&folder);
    assert_eq!(server.put("other", &format!("def run(): return {FOREIGN:?}\n")).await.0, 201);
    let limited = token(&server, "limited", &["read", "run", "write"], json!({"scripts": ["mine", "helper"]})).await;
    assert_eq!(ask(&server, &limited, "PUT", "/v1/scripts/mine", Some(&json!({"source": ECHO}))).await.0, 201);
    let helper = json!({"source": "def run(): return 'helped'\n"});
    assert_eq!(ask(&server, &limited, "PUT", "/v1/scripts/helper", Some(&helper)).await.0, 201);
    // By name: refused when it is kept, by request, as a part of another trigger, and in a script's own block.
    for trigger in ["after other", "after other on any", "every 1h or after other on failed"] {
        let body = json!({"script": "mine", "trigger": trigger});
        let (status, answer) = ask(&server, &limited, "PUT", "/v1/schedules/spy", Some(&body)).await;
        assert_eq!(status, 403, "{trigger}: {answer}");
        assert!(answer.contains("script_out_of_reach"), "{answer}");
        let block = format!("# /// script\n# [[tool.cronbox.schedules]]\n# trigger = {trigger:?}\n# ///\n{ECHO}");
        let (status, answer) = ask(&server, &limited, "PUT", "/v1/scripts/mine", Some(&json!({"source": block}))).await;
        assert_eq!(status, 403, "{trigger}: {answer}");
    }
    assert_eq!(ask(&server, &limited, "GET", "/v1/schedules/spy", None).await.0, 404);
    // By what fits many: kept, and it follows those within reach only.
    for (id, trigger) in [("all", "after * on any"), ("labelled", "after label team=x on any")] {
        let body = json!({"script": "mine", "trigger": trigger});
        let (status, answer) = ask(&server, &limited, "PUT", &format!("/v1/schedules/{id}"), Some(&body)).await;
        assert_eq!(status, 201, "{answer}");
    }
    let patch = |body: Value| server.request(Method::PATCH, "/v1/scripts/other").json(&body);
    assert_eq!(server.json(patch(json!({"labels": {"team": "x"}}))).await.0, 200);
    assert_eq!(server.run("other", &json!({})).await["status"], "succeeded");
    assert_eq!(server.run("helper", &json!({})).await["status"], "succeeded");
    let follower = until("the chain of its own script is followed", async || ended(&server, "mine").await.pop()).await;
    assert_eq!(follower["result"], json!({"upstream": "helped"}), "{follower}");
    // What the administrator makes follows everything, also after the limited token has changed what is its own.
    let body = json!({"script": "mine", "trigger": "after other"});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/schedules/given").json(&body)).await.0, 201);
    let title = json!({"title": "changed"});
    assert_eq!(ask(&server, &limited, "PATCH", "/v1/schedules/given", Some(&title)).await.0, 200);
    assert_eq!(server.run("other", &json!({})).await["status"], "succeeded");
    until("the administrator's chain is followed", async || {
        ended(&server, "mine").await.into_iter().find(|run| run["result"]["upstream"] == FOREIGN)
    })
    .await;
    let mine = ended(&server, "mine").await;
    assert_eq!(mine.len(), 2, "no other chain was followed: {mine:?}");
    // A chain that is changed to follow something else is whoever changes it's.
    let body = json!({"trigger": "after other on any"});
    assert_eq!(ask(&server, &limited, "PATCH", "/v1/schedules/given", Some(&body)).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_run_start_no_schedule() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    let server = server(&folder);
    assert_eq!(server.put("cleanup", ECHO).await.0, 201);
    let labelled = "# /// script\n# [tool.cronbox]\n# labels = {team = 'data'}\n# ///\ndef run(): return 'real'\n";
    assert_eq!(server.put("real", labelled).await.0, 201);
    assert_eq!(server.put("mine", "def run(upstream=None): return 'forged'\n").await.0, 201);
    let body = json!({"script": "cleanup", "trigger": "after label team=data"});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/schedules/c").json(&body)).await.0, 201);
    let runner = token(&server, "runner", &["run"], json!({"scripts": ["mine"]})).await;
    let body = json!({"labels": {"team": "data"}});
    assert_eq!(ask(&server, &runner, "POST", "/v1/scripts/mine/runs?wait=30s", Some(&body)).await.0, 200);
    let sender = token(&server, "sender", &["exec"], json!({"scripts": ["nothing"]})).await;
    let body = json!({"source": "def run(): return 'forged'\n", "labels": {"team": "data"}});
    assert_eq!(ask(&server, &sender, "POST", "/v1/runs?wait=30s", Some(&body)).await.0, 200);
    // The script's own label starts it, whatever the caller of the run says about labels.
    let body = json!({"labels": {"team": "elsewhere"}});
    assert_eq!(server.run("real", &body).await["result"], "real");
    let follower = until("the chain is followed", async || ended(&server, "cleanup").await.pop()).await;
    assert_eq!(follower["result"], json!({"upstream": "real"}));
    assert_eq!(ended(&server, "cleanup").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_used_again_brings_nothing_of_the_first() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    let server = server(&folder);
    let source = format!("def run(context):\n    context.state['s'] = {FOREIGN:?}\n    return {FOREIGN:?}\n");
    let labelled = "# /// script\n# [tool.cronbox]\n# labels = {team = 'm'}\n# ///\n\
        def run(context):\n    return {'previous': context.previous_result, 'state': dict(context.state)}\n";
    // A schedule's id.
    assert_eq!(server.put("other", &source).await.0, 201);
    let daily = json!({"script": "other", "trigger": "0 0 1 1 *"});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/schedules/daily").json(&daily)).await.0, 201);
    assert_eq!(server.post("/v1/schedules/daily/trigger?wait=30s", &json!({})).await.1["result"], FOREIGN);
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/schedules/daily")).await.0, 204);
    let limited = token(&server, "limited", &SCOPES, json!({"labels": ["team=m"]})).await;
    assert_eq!(ask(&server, &limited, "PUT", "/v1/scripts/mine", Some(&json!({"source": labelled}))).await.0, 201);
    let daily = json!({"script": "mine", "trigger": "0 0 1 1 *"});
    assert_eq!(ask(&server, &limited, "PUT", "/v1/schedules/daily", Some(&daily)).await.0, 201);
    let (_, run) = ask(&server, &limited, "POST", "/v1/schedules/daily/trigger?wait=30s", Some(&json!({}))).await;
    let run: Value = serde_json::from_str(&run).expect("JSON");
    assert_eq!(run["result"], json!({"previous": null, "state": {}}), "{run}");
    // A script's name: whoever reaches the new script by its label does not reach the runs of the old one.
    let (_, old) = server.get("/v1/runs?script=other").await;
    let old = old["items"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/scripts/other")).await.0, 204);
    assert_eq!(ask(&server, &limited, "PUT", "/v1/scripts/other", Some(&json!({"source": labelled}))).await.0, 201);
    let (_, run) = ask(&server, &limited, "POST", "/v1/scripts/other/runs?wait=30s", Some(&json!({}))).await;
    let run: Value = serde_json::from_str(&run).expect("JSON");
    assert_eq!(run["result"], json!({"previous": null, "state": {}}), "{run}");
    for path in [
        format!("/v1/runs/{old}"),
        format!("/v1/runs/{old}/output/stdout"),
        format!("/v1/runs/{old}/events"),
        "/v1/runs?script=other".to_owned(),
        "/v1/runs".to_owned(),
        "/v1/scripts/other/series".to_owned(),
        "/v1/events?since=1h".to_owned(),
    ] {
        let (_, text) = ask(&server, &limited, "GET", &path, None).await;
        assert!(!text.contains(FOREIGN) && !text.contains(&format!("\"id\":\"{old}\"")), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_token_has_no_say_about_the_server() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    let server = server(&folder);
    for limit in [json!({"scripts": ["mine"]}), json!({"labels": ["team=m"]})] {
        let mut body = json!({"name": "a", "scopes": ["admin"]});
        body.as_object_mut().expect("an object").extend(limit.as_object().expect("an object").clone());
        let (status, answer) = server.post("/v1/tokens", &body).await;
        assert_eq!((status, answer["field"].as_str()), (422, Some("scopes")), "{answer}");
    }
    let limited = token(&server, "limited", &SCOPES, json!({"scripts": ["mine"]})).await;
    for endpoint in endpoints() {
        if matches!(endpoint.need, Need::Server(_)) {
            let (method, path) = (endpoint.method, endpoint.path.replace("{id}", "x"));
            let (status, answer) = ask(&server, &limited, method, &path, Some(&json!({}))).await;
            assert_eq!(status, 403, "{method} {path}: {answer}");
        }
    }
}

/// What a limited token tries.
struct World {
    server: Server,
    limited: String,
    /// Runs: its own, and another script's.
    own: String,
    foreign: String,
}

/// Scripts, schedules, secrets, grants and runs of somebody else, and the same of the limited token.
async fn world(folder: &Folder, limit: Value) -> World {
    let server = server(folder);
    let source = format!(
        "# /// script\n# [tool.cronbox]\n# title = {FOREIGN:?}\n# labels = {{kind = 'theirs', secret = {FOREIGN:?}}}\n# ///\n# {FOREIGN}\n\
         import sys\ndef run(context, **rest):\n    print({FOREIGN:?})\n    print({FOREIGN:?}, file=sys.stderr)\n\
         \x20   open('/output/left.txt', 'w').write({FOREIGN:?})\n    context.state['s'] = {FOREIGN:?}\n    return {FOREIGN:?}\n"
    );
    let mine = "# /// script\n# [tool.cronbox]\n# labels = {team = 'm'}\n# ///\n\
        def run(context, upstream=None, **rest):\n    return {'u': upstream, 'p': context.previous_result, 's': dict(context.state)}\n";
    assert_eq!(server.put("other", &source).await.0, 201);
    assert_eq!(server.put("mine", mine).await.0, 201);
    for (id, script, title) in [("theirs", "other", FOREIGN), ("ours", "mine", "ours")] {
        let body = json!({"script": script, "trigger": "0 0 1 1 *", "title": title, "args": {"x": title}});
        let (status, answer) =
            server.json(server.request(Method::PUT, &format!("/v1/schedules/{id}")).json(&body)).await;
        assert_eq!(status, 201, "{answer}");
    }
    for (id, script, title) in [("theirs", "other", FOREIGN), ("ours", "mine", "ours")] {
        let line = json!({"script": script, "path": "/x", "label": title});
        let body = json!({"title": title, "labels": [title], "lines": [line]});
        let (status, answer) = server.json(server.request(Method::PUT, &format!("/v1/charts/{id}")).json(&body)).await;
        assert_eq!(status, 201, "{answer}");
    }
    let secret = json!({"value": "0123456789abcdef", "hosts": ["a.example"], "scripts": ["mine", "other"],
        "labels": [format!("secret={FOREIGN}")]});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/secrets/SHARED").json(&secret)).await.0, 201);
    let grant = json!({"hosts": [format!("{FOREIGN}.example")]});
    assert_eq!(server.json(server.request(Method::PUT, "/v1/grants/other").json(&grant)).await.0, 204);
    let foreign = server.post("/v1/schedules/theirs/trigger?wait=30s", &json!({})).await.1;
    assert_eq!(foreign["status"], "succeeded", "{foreign}");
    let own = server.run("mine", &json!({})).await;
    let id = |run: &Value| run["id"].as_str().expect("an id").to_owned();
    let limited = token(&server, "limited", &SCOPES, limit).await;
    World { limited, own: id(&own), foreign: id(&foreign), server }
}

/// The addresses to try for a route: with one's own objects in it, and with others'.
fn addresses(route: &str, world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for own in [true, false] {
        let run = if own { &world.own } else { &world.foreign };
        let id = if route.contains("/schedules/") || route.contains("/charts/") {
            if own { "ours" } else { "theirs" }
        } else {
            run.as_str()
        };
        let script = if own { "mine" } else { "other" };
        let name = if route.contains("/secrets/") { "SHARED" } else { script };
        let filled = route
            .replace("{id}", id)
            .replace("{name}", name)
            .replace("{script}", script)
            .replace("{number}", "1")
            .replace("{stream}", "stdout")
            .replace("{kind}/", "host/")
            .replace("{*path}", "left.txt")
            .replace("{file}", "index.html");
        if !found.contains(&filled) {
            found.push(filled);
        }
    }
    found
}

/// Queries that name other objects; a route that does not know one refuses it.
fn queries(world: &World) -> Vec<String> {
    let mut queries: Vec<String> =
        ["", "script=other", "schedule=theirs", "status=succeeded", "since=1h", "path=", "name=other"]
            .map(str::to_owned)
            .to_vec();
    queries.push("label=kind=theirs".to_owned());
    queries.push(format!("cursor={}", world.foreign));
    queries.push("format=csv".to_owned());
    queries
}

/// Bodies that name other objects in every field that can.
fn bodies() -> Vec<Value> {
    let mut bodies = vec![json!({})];
    for script in ["mine", "other"] {
        bodies.push(json!({"lines": [{"script": script, "path": ""}]}));
    }
    for trigger in ["after other", "after * on any", "after label kind=theirs on any", "0 0 1 1 *"] {
        for script in ["mine", "other"] {
            bodies.push(json!({"script": script, "trigger": trigger}));
            bodies.push(json!({"script": script, "trigger": trigger, "id": "theirs"}));
        }
        bodies.push(json!({"trigger": trigger}));
    }
    bodies.extend([
        json!({"script": "other"}),
        json!({"source": "def run(context): return [context.previous_result, dict(context.state)]\n", "name": "other"}),
        json!({"source": "def run(): pass\n", "labels": {"kind": "theirs"}, "secrets": ["SHARED"]}),
        json!({"labels": {"kind": "x"}}),
        json!({"secrets": ["SHARED"], "limits": {"memory": "300MiB"}}),
        json!({"version": 1}),
        json!({"from": "800d"}),
        json!({"from": "2020-01-01T00:00:00Z"}),
        json!({"value": "0123456789abcdef", "hosts": ["a.example"], "scripts": ["other"]}),
        json!({"name": "more", "scopes": ["read"]}),
        json!({"args": {"upstream": {"run_id": "x"}}, "entry": "run"}),
    ]);
    bodies
}

/// What nothing that a limited token is shown may hold: anything that the other script is, has or returns.
fn check(method: &str, path: &str, body: &Value, (status, answer): &(u16, String)) {
    let asked = format!("{path}{body}");
    let named = asked.contains(FOREIGN);
    assert!(*status != 500, "{method} {path} {body}: {answer}");
    assert!(named || !answer.contains(FOREIGN), "{method} {path} {body}: {status} {answer}");
    assert!(!answer.contains("\"result\":\"sentinel") && !answer.contains("\"stdout\":\"sentinel"), "{path}: {answer}");
}

/// The same, and that nothing is called by the other script's name where the request does not name it.
fn check_names(method: &str, path: &str, body: &Value, answer: &(u16, String)) {
    check(method, path, body, answer);
    let asked = format!("{path}{body}").contains("other");
    assert!(asked || !answer.1.contains("\"other\""), "{method} {path} {body}: {answer:?}");
}

async fn walk(world: &World) {
    for endpoint in endpoints() {
        let (method, route) = (endpoint.method, endpoint.path.as_str());
        for address in addresses(route, world) {
            // Its own things stay, for the routes that follow.
            let own = ["mine", "ours", &world.own].iter().any(|name| address.contains(name));
            if method == "DELETE" && own {
                continue;
            }
            if method == "GET" {
                for query in queries(world) {
                    let path = if query.is_empty() { address.clone() } else { format!("{address}?{query}") };
                    let answer = ask(&world.server, &world.limited, method, &path, None).await;
                    check_names(method, &path, &Value::Null, &answer);
                }
            } else {
                for body in bodies() {
                    let answer = ask(&world.server, &world.limited, method, &address, Some(&body)).await;
                    check_names(method, &address, &body, &answer);
                }
            }
        }
    }
    // The other's things are as they were, and nothing of them came to the own script by what it was given.
    assert_eq!(world.server.get("/v1/schedules/theirs").await.1["script"], "other");
    assert_eq!(world.server.get("/v1/scripts/other").await.1["version"], 1);
    assert_eq!(world.server.run("other", &json!({})).await["result"], FOREIGN);
    until("everything has ended", async || {
        let (_, list) = world.server.get("/v1/runs?limit=1000").await;
        let waits = |run: &Value| matches!(run["status"].as_str(), Some("queued" | "running"));
        (!list["items"].as_array().expect("a list").iter().any(waits)).then_some(())
    })
    .await;
    for run in ended(&world.server, "mine").await {
        assert!(!run["result"].to_string().contains(FOREIGN), "{run}");
        assert!(!run["args"].to_string().contains(FOREIGN) || run["created_by"] != Value::Null, "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_shows_a_token_of_some_scripts_only_those() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    walk(&world(&folder, json!({"scripts": ["mine"]})).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_shows_a_token_of_a_label_only_scripts_that_have_it() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    walk(&world(&folder, json!({"labels": ["team=m"]})).await).await;
}

/// Requests put together by chance: any route, with any of the names and fields there are.
#[tokio::test(flavor = "multi_thread")]
async fn requests_put_together_by_chance_show_nothing_of_others() {
    let _shared = crate::support::beside_others().await;
    let folder = Folder::new();
    let world = world(&folder, json!({"scripts": ["mine"]})).await;
    let mut dice = Dice::new(7);
    let words =
        ["mine", "other", "ours", "theirs", "SHARED", "*", "1", "after other", "after * on any", "kind=theirs", ""];
    let fields = [
        "script",
        "trigger",
        "id",
        "name",
        "version",
        "from",
        "until",
        "which",
        "labels",
        "secrets",
        "scripts",
        "args",
        "entry",
        "title",
        "source",
        "settings",
        "upstream",
        "schedule",
        "cursor",
        "type",
        "script_id",
        "retry_of",
        "state",
        "hosts",
    ];
    for _ in 0..rounds() {
        let endpoint = &endpoints()[dice.index(endpoints().len())];
        let (method, route) = (endpoint.method, endpoint.path.as_str());
        let address = dice.pick(&addresses(route, &world).iter().map(String::as_str).collect::<Vec<_>>()).to_owned();
        let own = ["mine", "ours", &world.own].iter().any(|name| address.contains(name));
        if method == "DELETE" && own {
            continue;
        }
        let value = |dice: &mut Dice| match dice.roll(5) {
            0 => json!([dice.pick(&words)]),
            1 => json!({"kind": dice.pick(&words)}),
            2 => json!(dice.roll(3)),
            _ => json!(dice.pick(&words)),
        };
        let mut body = serde_json::Map::new();
        for _ in 0..dice.roll(4) {
            let field = dice.pick(&fields);
            let given = value(&mut dice);
            body.insert(field.to_owned(), given);
        }
        let body = Value::Object(body);
        let query = if dice.roll(2) == 0 {
            String::new()
        } else {
            format!("?{}={}", dice.pick(&fields), dice.pick(&words[..8]))
        };
        let path = format!("{address}{}", query.replace(' ', "%20"));
        let sent = (method != "GET").then_some(&body);
        let answer = ask(&world.server, &world.limited, method, &path, sent).await;
        check(method, &path, &body, &answer);
    }
}

fn rounds() -> usize {
    if std::env::var_os("CRONBOX_SOAK").is_some() { 20_000 } else { 600 }
}
