//! Secrets: used by scripts that never see them, and found nowhere.

use crate::network::Redis;
use crate::support::postgres::cluster;
use crate::support::server::{Folder, Server};
use crate::support::world::world;
use crate::support::{self, PROGRAM};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const VALUE: &str = "tök\"en/with+odd&signs 42";

/// The forms in which a value must be found nowhere.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let inner = |text: String| text[1..text.len() - 1].to_owned();
    let json = [inner(Value::from(value).to_string()), inner(ascii_json(value))];
    let others = [value.to_owned(), hex::encode(value.as_bytes()), form_urlencoded(value)];
    others.into_iter().chain(json).map(String::into_bytes).collect()
}

/// Fails when a value stands in what was left, in any form that is looked for.
fn hunt(left: &[u8], place: &str) {
    for form in forms(VALUE) {
        let found = left.windows(form.len()).any(|window| window == form);
        assert!(!found, "{place}: {}", String::from_utf8_lossy(left));
    }
}

/// Looks for a value in every file of a folder.
fn hunt_below(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files += hunt_below(&path);
        } else if path.is_file() {
            hunt(&std::fs::read(&path).expect("reads"), &path.display().to_string());
            files += 1;
        }
    }
    files
}

fn start(folder: &Path, words: &[&str], env: &[(&str, &str)]) -> Server {
    let mut all = vec!["--allow-network", "localhost=127.0.0.0/8", "--ca-file", world().ca()];
    all.extend(words);
    Server::start_with(folder, &all, env)
}

/// `cronbox secret set …` with a value on standard input.
fn set(server: &Server, value: &str, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    command.args(["secret", "set"]).args(words).args(["--url", &server.url]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    // A command that refuses before it reads is no failure of this.
    let _ = child.stdin.take().expect("piped").write_all(value.as_bytes());
    let done = child.wait_with_output().expect("ends");
    let told = [done.stdout, done.stderr].concat();
    hunt(&told, "the command");
    (done.status.code(), String::from_utf8_lossy(&told).into_owned())
}

fn digest(text: &str) -> Value {
    use sha2::Digest;
    Value::from(hex::encode(sha2::Sha256::digest(text.as_bytes())))
}

/// A script that may reach the mirrors, and the lines of its body.
fn script(table: &str, body: &str) -> String {
    let hosts: Vec<String> =
        ["mirror", "tls_mirror", "tls_mirror_2"].map(|name| format!("localhost:{}", world().port(name))).into();
    format!(
        "# /// script\n# [tool.cronbox]\n# allow = {}\n{table}# ///\nimport base64, json, os, sys, urllib.request, \
         urllib.parse, http.client\n\
         PLAIN, SECOND = 'http://{}', 'https://{}'\nBASE = 'https://{}'\nKEY = os.environ.get('API_KEY', '')\n\
         def fetch(url, headers=None, data=None, method=None):\n    request = urllib.request.Request(url, data, headers \
         or {{}}, method=method)\n    return urllib.request.urlopen(request).read()\n\
         def seen(*args, **named):\n    return json.loads(fetch(*args, **named))\n{body}",
        json!(hosts),
        hosts[0],
        hosts[2],
        hosts[1]
    )
}

const USES: &str = "
def run():
    basic = base64.b64encode(f'user:{KEY}'.encode()).decode()
    head = {'Authorization': f'Bearer {KEY}', 'X-Basic': 'x', 'X-Key': KEY}
    query = '/seen?' + urllib.parse.urlencode({'key': KEY})
    return {
        'placeholder': KEY,
        'head': seen(BASE + '/seen', head),
        'basic': seen(BASE + '/seen', {'Authorization': f'Basic {basic}'}),
        'query': seen(BASE + query),
        'body': seen(BASE + '/seen', {'Content-Type': 'application/json'}, json.dumps({'key': KEY}).encode()),
        'plain': seen(PLAIN + '/seen', head),
        'second': seen(SECOND + '/seen', head),
    }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_its_host_and_nowhere_else() {
    let scratch = Folder::new();
    let server = start(&scratch.0, &[], &[]);
    let host = format!("localhost:{}", world().port("tls_mirror"));
    let (code, told) = set(&server, &format!("{VALUE}\n"), &["API_KEY", "--host", &host, "--script", "uses"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("a key for secrets was made in") && told.contains("keep a copy"), "{told}");
    let (status, kept) = server.put("uses", &script("", USES)).await;
    assert_eq!((status, &kept["not_granted"]), (201, &json!([])), "{kept}");
    let done = server.run("uses", &json!({})).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    let result = &done["result"];
    let placeholder = result["placeholder"].as_str().expect("a placeholder");
    assert!(placeholder.starts_with("cronbox-secret-") && placeholder.len() == 47, "{placeholder}");
    let head = |name: &str, header: &str| result[name]["headers"][header].clone();
    assert_eq!(head("head", "authorization"), digest_latin(&format!("Bearer {VALUE}")));
    assert_eq!(head("head", "x-key"), digest_latin(VALUE));
    let basic = |text: &str| digest(&format!("Basic {}", base64(text)));
    assert_eq!(head("basic", "authorization"), basic(&format!("user:{VALUE}")));
    // Neither query nor body without a grant for them, and nothing without TLS or to another port.
    assert_eq!(result["query"]["path"], digest(&format!("/seen?key={placeholder}")));
    assert_eq!(result["body"]["body"], digest(&format!("{{\"key\": \"{placeholder}\"}}")));
    for other in ["plain", "second"] {
        assert_eq!(head(other, "authorization"), digest(&format!("Bearer {placeholder}")), "{other}");
    }
    let notes: Vec<&str> = done["notes"].as_array().expect("notes").iter().filter_map(Value::as_str).collect();
    for why in [
        "the secret API_KEY was not placed: it is not granted for the query",
        "the secret API_KEY was not placed: it is not granted for bodies",
        "the secret API_KEY was not placed: the connection is without TLS",
        "the secret API_KEY was not placed: it is not granted for localhost:",
    ] {
        assert!(notes.iter().any(|note| note.contains(why)), "{why}: {notes:?}");
    }
    // Another attempt, another placeholder.
    let again = server.run("uses", &json!({})).await;
    assert_ne!(again["result"]["placeholder"], placeholder);
    // With more granted.
    let words = ["API_KEY", "--host", &host, "--script", "uses", "--in", "query", "--in", "body", "--path", "/seen"];
    assert_eq!(set(&server, VALUE, &words).0, Some(0));
    let done = server.run("uses", &json!({})).await;
    let result = &done["result"];
    let quoted: String = form_urlencoded(VALUE);
    assert_eq!(result["query"]["path"], digest(&format!("/seen?key={quoted}")), "{done}");
    let body = format!("{{\"key\": {}}}", ascii_json(VALUE));
    assert_eq!(result["body"]["body"], digest(&body), "{done}");
    let length = json!([body.len().to_string(), body.len()]);
    assert_eq!(result["body"]["length"], length, "{done}");
    // Only some methods.
    let words = ["API_KEY", "--host", &host, "--script", "uses", "--method", "post"];
    assert_eq!(set(&server, VALUE, &words).0, Some(0));
    let done = server.run("uses", &json!({})).await;
    let placeholder = done["result"]["placeholder"].as_str().expect("a placeholder");
    assert_eq!(done["result"]["head"]["headers"]["x-key"], digest(placeholder), "{done}");
    // Taken away.
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/secrets/API_KEY")).await.0, 204);
    let done = server.run("uses", &json!({})).await;
    assert_eq!(done["result"]["placeholder"], "", "{done}");
    hunt(server.log().as_bytes(), "the log");
    assert!(hunt_below(&scratch.0) > 3);
}

/// A header's value as the mirror hashes it: Python reads headers as Latin-1 and hashes them as UTF-8.
fn digest_latin(text: &str) -> Value {
    let latin: String = text.bytes().map(char::from).collect();
    digest(&latin)
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(text)
}

/// As a browser's form writes it.
fn form_urlencoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// As Python's `json.dumps` writes it.
fn ascii_json(text: &str) -> String {
    let escaped = Value::from(text).to_string();
    escaped.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) }).collect()
}

const LEAKS: &str = r#"
def run(how):
    value = fetch(BASE + "/reversed", {"X-Key": KEY})[::-1].decode()
    assert len(value) > 20 and value != KEY
    mirrored = [fetch(BASE + "/" + form, {"X-Key": KEY}).decode() for form in ("plain", "base64", "pieces")]
    connection = http.client.HTTPSConnection(BASE.removeprefix("https://"))
    connection.request("GET", "/location", headers={"X-Key": KEY})
    mirrored.append(str(connection.getresponse().headers))
    print("out", value, *mirrored)
    for letter in value:
        print(letter, end="", flush=True)
    print(value.encode().hex(), json.dumps(value), urllib.parse.quote(value), file=sys.stderr)
    if how == "raise":
        raise RuntimeError(f"no luck with {value}")
    if how == "exit":
        sys.exit(value)
    os.makedirs("/output/" + value.replace("/", "_"), exist_ok=True)
    for path in ("/output/plain.txt", "/output/" + value.replace("/", "_") + "/x.txt"):
        with open(path, "w") as file:
            file.write("before " + value + " after")
    if how == "write":
        sys.stdout.write(value[:-1])
        return None
    return {"value": value, value: [1, {"deep": "x" + value}], "hex": value.encode().hex(), "mirrored": mirrored}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_a_host_gives_back_is_found_in_nothing_that_is_kept() {
    let scratch = Folder::new();
    let server = start(&scratch.0, &[], &[]);
    let host = format!("localhost:{}", world().port("tls_mirror"));
    assert_eq!(set(&server, VALUE, &["API_KEY", "--host", &host, "--script", "leaks"]).0, Some(0));
    let source = script("# limits = { timeout = \"30s\" }\n", LEAKS);
    assert_eq!(server.put("leaks", &source).await.0, 201);
    let state = script(
        "",
        &LEAKS
            .replace("def run(how)", "def run(how, context)")
            .replace("    return {\"value\"", "    context.state[\"value\"] = value\n    return {\"value\""),
    );
    assert_eq!(server.put("leaks_state", &state).await.0, 201);
    let both = ["API_KEY", "--host", &host, "--script", "leaks", "--script", "leaks_state"];
    assert_eq!(set(&server, VALUE, &both).0, Some(0));
    for (name, how) in
        [("leaks", "return"), ("leaks", "raise"), ("leaks", "exit"), ("leaks", "write"), ("leaks_state", "return")]
    {
        let done = server.run(name, &json!({"args": {"how": how}})).await;
        let text = done.to_string();
        hunt(text.as_bytes(), how);
        let id = done["id"].as_str().expect("an id");
        let mark = "[secret API_KEY]";
        match how {
            "return" => {
                assert_eq!(done["result"]["value"], mark, "{done}");
                assert_eq!(done["result"][mark][1]["deep"], format!("x{mark}"), "{done}");
                let mirrored = done["result"]["mirrored"].as_array().expect("a list");
                assert!(mirrored[0].as_str().is_some_and(|text| text.contains("***")), "{done}");
                assert!(mirrored[3].as_str().is_some_and(|text| text.contains("cronbox-secret-")), "{done}");
            }
            "raise" => {
                assert_eq!(done["error"]["message"], format!("no luck with {mark}"), "{done}");
                assert!(done["error"]["traceback"].as_str().is_some_and(|text| text.contains(mark)), "{done}");
            }
            "exit" => assert!(done["error"]["message"].as_str().is_some_and(|text| text.contains(mark)), "{done}"),
            _ => assert_eq!(done["status"], "succeeded", "{done}"),
        }
        for stream in ["stdout", "stderr"] {
            let request = server.request(Method::GET, &format!("/v1/runs/{id}/output/{stream}"));
            let bytes = request.send().await.expect("answers").bytes().await.expect("a body");
            assert!(String::from_utf8_lossy(&bytes).contains(mark), "{bytes:?}");
            hunt(&bytes, stream);
            if (stream, how) == ("stdout", "write") {
                // What could have become a value and did not is not lost.
                assert!(String::from_utf8_lossy(&bytes).ends_with(&VALUE[..VALUE.len() - 1]), "{bytes:?}");
            }
        }
        if matches!(how, "return" | "write") {
            let (_, files) = server.get(&format!("/v1/runs/{id}/files")).await;
            hunt(files.to_string().as_bytes(), "the list of files");
            assert_eq!(files["items"].as_array().map(Vec::len), Some(2), "{files}");
            let plain = server.request(Method::GET, &format!("/v1/runs/{id}/files/plain.txt"));
            let bytes = plain.send().await.expect("answers").bytes().await.expect("a body");
            assert_eq!(bytes, format!("before {} after", "*".repeat(VALUE.len())));
        }
    }
    let (_, state) = server.get("/v1/scripts/leaks_state/state").await;
    assert_eq!(state["state"]["value"], "[secret API_KEY]", "{state}");
    for path in ["/v1/secrets", "/v1/secrets/API_KEY", "/v1/grants", "/v1/runs", "/v1/events", "/metrics"] {
        let bytes = server.request(Method::GET, path).send().await.expect("answers").bytes().await.expect("a body");
        hunt(&bytes, path);
    }
    hunt(server.log().as_bytes(), "the log");
    assert!(hunt_below(&scratch.0) > 3);
}

const HAS: &str = "\ndef run():\n    return [os.environ.get(name, '')[:14] for name in ('API_KEY', 'OTHER')]\n";

#[tokio::test(flavor = "multi_thread")]
async fn scripts_have_the_secrets_that_somebody_with_the_right_set_for_them() {
    let scratch = Folder::new();
    let server = start(&scratch.0, &[], &[]);
    let put =
        |name: &str, body: Value| server.json(server.request(Method::PUT, &format!("/v1/secrets/{name}")).json(&body));
    let good = json!({"value": VALUE, "hosts": ["api.example.com"], "scripts": ["a"]});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
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
        ("API-KEY", good.clone(), "name"),
        ("HOME", good.clone(), "name"),
    ] {
        let (status, problem) = put(name, body).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{problem}");
        hunt(problem.to_string().as_bytes(), "a refusal");
    }
    assert_eq!(set(&server, VALUE, &["API_KEY", "--script", "a"]).0, Some(2));
    assert_eq!(set(&server, VALUE, &["API_KEY", "--host", "a.example"]).0, Some(2));
    let (code, told) = set(&server, "short\n", &["API_KEY", "--host", "a.example", "--script", "a"]);
    assert!(code == Some(2) && told.contains("this one has 5"), "{told}");
    assert_eq!(server.get("/v1/secrets").await.1["items"], json!([]));

    let (_, admin) = server.post("/v1/tokens", &json!({"name": "boss", "scopes": ["admin"]})).await;
    let admin = admin["token"].as_str().expect("a token").to_owned();
    let ask = |token: &str, method: Method, path: &str, body: Value| {
        let request = server.request(method, path).bearer_auth(token);
        server.json(if body.is_null() { request } else { request.json(&body) })
    };
    let token = async |body: Value| {
        let (status, made) = ask(&admin, Method::POST, "/v1/tokens", body).await;
        assert_eq!(status, 201, "{made}");
        made["token"].as_str().expect("a token").to_owned()
    };
    let writer = token(json!({"name": "w", "scopes": ["write", "run", "read"]})).await;
    let granter = token(json!({"name": "g", "scopes": ["grant", "read"], "labels": ["team=data"]})).await;
    let upload = async |token: &str, name: &str, table: &str| {
        let path = format!("/v1/scripts/{name}");
        let request = server.request(Method::PUT, &path).bearer_auth(token).body(script(table, HAS));
        server.json(request).await.1
    };
    let run = async |name: &str| {
        let path = format!("/v1/scripts/{name}/runs?wait=30s");
        ask(&admin, Method::POST, &path, json!({})).await.1
    };
    let path = "/v1/secrets/API_KEY";
    assert_eq!(ask(&writer, Method::PUT, path, good.clone()).await.0, 403);
    // A token that grants for a label sets no secret for other scripts, nor takes theirs.
    assert_eq!(ask(&granter, Method::PUT, path, good.clone()).await.0, 403);
    assert_eq!(ask(&admin, Method::PUT, path, good.clone()).await.0, 201);
    let own = json!({"value": VALUE, "hosts": ["api.example.com"], "labels": ["team=data"]});
    assert_eq!(ask(&granter, Method::PUT, path, own.clone()).await.0, 403);
    assert_eq!(ask(&granter, Method::DELETE, path, Value::Null).await.0, 403);
    assert_eq!(ask(&granter, Method::GET, path, Value::Null).await.0, 404);
    assert_eq!(ask(&granter, Method::PUT, "/v1/secrets/OTHER", own.clone()).await.0, 201);
    let (_, listed) = ask(&granter, Method::GET, "/v1/secrets", Value::Null).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!((&listed["items"][0]["name"], &listed["items"][0]["readable"]), (&json!("OTHER"), &json!(true)));

    // By name, whoever uploads it; and no other.
    let kept = upload(&writer, "a", "").await;
    assert_eq!(kept["not_granted"].as_array().map(Vec::len), Some(3), "{kept}");
    assert_eq!(run("a").await["result"], json!(["cronbox-secret", ""]));
    upload(&writer, "b", "").await;
    assert_eq!(run("b").await["result"], json!(["", ""]));
    // A label that somebody puts on a script grants nothing, until somebody with the right says so.
    let table = "# labels = { team = \"data\" }\n# secrets = [\"OTHER\", \"API_KEY\", \"NONE\"]\n";
    let kept = upload(&writer, "c", table).await;
    let told = kept["not_granted"].to_string();
    for why in ["must grant it to this script", "it is set for other scripts", "no secret of this name"] {
        assert!(told.contains(why), "{kept}");
    }
    let done = run("c").await;
    assert_eq!(done["result"], json!(["", ""]), "{done}");
    assert!(
        done["notes"]
            .to_string()
            .contains("asks for the secret OTHER, which it was not granted: cronbox grant c --secret OTHER"),
        "{done}"
    );
    let grant = |name: &str, secret: &str| {
        ask(&admin, Method::PUT, &format!("/v1/grants/{name}"), json!({"secrets": [secret]}))
    };
    assert_eq!(grant("c", "API_KEY").await.0, 422);
    assert_eq!(grant("c", "NONE").await.0, 422);
    assert_eq!(grant("c", "OTHER").await.0, 204);
    assert_eq!(run("c").await["result"], json!(["", "cronbox-secret"]));
    let (_, grants) = ask(&admin, Method::GET, "/v1/grants", Value::Null).await;
    assert!(grants.to_string().contains(r#""kind":"secret","name":"OTHER","script":"c""#), "{grants}");
    let revoke = "/v1/grants/c/secret/OTHER";
    assert_eq!(ask(&admin, Method::DELETE, revoke, Value::Null).await.0, 204);
    assert_eq!(ask(&admin, Method::DELETE, revoke, Value::Null).await.0, 404);
    assert_eq!(run("c").await["result"], json!(["", ""]));
    // Somebody with the right grants what they upload.
    upload(&admin, "c", table).await;
    assert_eq!(run("c").await["result"], json!(["", "cronbox-secret"]));
    // Neither who put a label on a script nor who is limited to it gets the secret of that label, also when it is set anew.
    upload(&writer, "d", "# labels = { team = \"data\" }\n").await;
    let (status, set) = ask(&granter, Method::PUT, "/v1/secrets/OTHER", own).await;
    assert_eq!((status, &set["granted"]), (200, &json!(["c"])), "{set}");
    assert_eq!(run("d").await["result"], json!(["", ""]));
    let limited = token(json!({"name": "l", "scopes": ["grant", "write", "read"], "scripts": ["d"]})).await;
    upload(&limited, "d", "# labels = { team = \"data\" }\n# secrets = [\"OTHER\"]\n").await;
    let asked = json!({"secrets": ["OTHER"]});
    assert_eq!(ask(&limited, Method::PUT, "/v1/grants/d", asked.clone()).await.0, 403);
    assert_eq!(run("d").await["result"], json!(["", ""]));
    // What was taken back stays so, until somebody says the name again.
    assert_eq!(ask(&admin, Method::DELETE, revoke, Value::Null).await.0, 204);
    upload(&admin, "c", "# labels = { team = \"data\" }\n").await;
    assert_eq!(run("c").await["result"], json!(["", ""]));
    assert_eq!(ask(&admin, Method::PUT, "/v1/grants/c", asked).await.0, 204);
    assert_eq!(run("c").await["result"], json!(["", "cronbox-secret"]));
    // A run's own labels count for nothing, and the script's only as long as it has them.
    let labelled = json!({"labels": {"team": "data"}});
    let (_, done) = ask(&admin, Method::POST, "/v1/scripts/b/runs?wait=30s", labelled).await;
    assert_eq!(done["result"], json!(["", ""]));
    upload(&writer, "c", "").await;
    assert_eq!(run("c").await["result"], json!(["", ""]));
    // A script that names some gets no others.
    upload(&writer, "a", "# secrets = []\n").await;
    assert_eq!(run("a").await["result"], json!(["", ""]));
    // A script that is deleted takes its grant with it.
    upload(&writer, "a", "").await;
    assert_eq!(run("a").await["result"], json!(["cronbox-secret", ""]));
    assert_eq!(ask(&writer, Method::DELETE, "/v1/scripts/a", Value::Null).await.0, 204);
    upload(&writer, "a", "").await;
    assert_eq!(run("a").await["result"], json!(["", ""]));
    // Source that is sent along has none.
    let sent = json!({"source": script("# secrets = [\"API_KEY\"]\n", HAS), "name": "a"});
    let (_, done) = ask(&admin, Method::POST, "/v1/runs?wait=30s", sent).await;
    assert_eq!(done["result"], json!(["", ""]), "{done}");
    assert!(done["not_granted"].to_string().contains("only scripts that are saved"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_the_operators_and_a_lost_one_is_told() {
    let scratch = Folder::new();
    let key = |letter: &str| base64(&letter.repeat(32));
    let file = scratch.0.join("keys");
    std::fs::write(&file, key("a")).expect("writes");
    let shown = file.display().to_string();
    let words = ["--secret-key-file", shown.as_str()];
    let data = Folder::new();
    let server = start(&data.0, &words, &[]);
    let (code, told) = set(&server, VALUE, &["API_KEY", "--host", "a.example", "--script", "has"]);
    assert!(code == Some(0) && !told.contains("warning"), "{told}");
    assert_eq!(server.put("has", &script("", HAS)).await.0, 201);
    assert_eq!(server.run("has", &json!({})).await["result"][0], "cronbox-secret");
    // Rotation: a new key goes first, all are sealed with it, and the old one may go.
    std::fs::write(&file, format!("{}\n{}\n", key("b"), key("a"))).expect("writes");
    let before = server.get("/v1/secrets/API_KEY").await.1["key"].clone();
    let (code, told, _) = server.cronbox(&["secret", "rotate"]);
    assert!(code == Some(0) && told.contains("sealed again: 1"), "{told}");
    assert_ne!(server.get("/v1/secrets/API_KEY").await.1["key"], before);
    std::fs::write(&file, key("b")).expect("writes");
    assert_eq!(server.run("has", &json!({})).await["result"][0], "cronbox-secret");
    // A file that is being written delays runs and loses none.
    std::fs::write(&file, "").expect("writes");
    let (_, run) = server.post("/v1/scripts/has/runs", &json!({})).await;
    let id = run["id"].as_str().expect("an id").to_owned();
    server.run_when(&id, |run| run["status"] == "scheduled").await;
    std::fs::write(&file, key("b")).expect("writes");
    let done = server.run_when(&id, |run| run["status"] == "succeeded").await;
    assert_eq!(done["result"][0], "cronbox-secret", "{done}");
    // Lost.
    std::fs::write(&file, key("c")).expect("writes");
    let done = server.run("has", &json!({})).await;
    assert_eq!(done["error"]["type"], "SecretUnavailable", "{done}");
    assert!(done["error"]["message"].as_str().is_some_and(|text| text.contains("give it back with")), "{done}");
    assert_eq!(server.get("/v1/secrets/API_KEY").await.1["readable"], false);
    assert!(server.cronbox(&["secrets"]).1.contains("KEY IS LOST"));
    let (code, _, told) = server.cronbox(&["secret", "rotate"]);
    assert!(code == Some(1) && told.contains("set them again: API_KEY"), "{told}");
    drop(server);
    let server = start(&data.0, &words, &[]);
    assert!(server.log().contains("no key that is here opens these secrets"), "{}", server.log());
    // AttemptSecrets back, by the other way.
    drop(server);
    let given = key("b");
    let server = start(&data.0, &[], &[("CRONBOX_SECRET_KEY", given.as_str())]);
    assert_eq!(server.run("has", &json!({})).await["result"][0], "cronbox-secret");
    drop(server);
    // Without any: another is not made over it.
    let server = start(&data.0, &[], &[]);
    assert!(server.log().contains("no key that is here opens these secrets"), "{}", server.log());
    let (code, told) = set(&server, VALUE, &["OTHER", "--host", "a.example", "--script", "has"]);
    assert!(code == Some(5) && told.contains("if it is lost, remove those secrets"), "{told}");
    assert_eq!(server.cronbox(&["secret", "rm", "API_KEY"]).0, Some(0));
    assert_eq!(set(&server, VALUE, &["OTHER", "--host", "a.example", "--script", "has"]).0, Some(0));
    assert_eq!(server.run("has", &json!({})).await["result"], json!(["", "cronbox-secret"]));
    let (code, told, _) = server.cronbox(&["secret", "rotate", "--json"]);
    assert!(code == Some(0) && told.contains("\"resealed\":1"), "{told}");
    assert_eq!(server.run("has", &json!({})).await["result"], json!(["", "cronbox-secret"]));
    let own = std::fs::read_to_string(data.0.join("cronbox-data/secret.key")).expect("a file of keys");
    assert_eq!(own.lines().filter(|line| !line.starts_with('#')).count(), 1, "the old key is forgotten");
    // Wrong ones end the start.
    std::fs::write(&file, "c2hvcnQ=\n").expect("writes");
    let (_, told) = Server::refused(&Folder::new().0, &words, &[]);
    assert!(told.contains("line 1") && told.contains("openssl rand -base64 32"), "{told}");
    let (_, told) = Server::refused(&Folder::new().0, &["--secret-key-file", "/nowhere/keys"], &[]);
    assert!(told.contains("/nowhere/keys") && told.contains("it is not there"), "{told}");
    let (_, told) = Server::refused(&Folder::new().0, &words, &[("CRONBOX_SECRET_KEY", given.as_str())]);
    assert!(told.contains("exclude one another"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_on_postgresql_share_secrets_and_rows_that_were_changed_are_refused() {
    let scratch = Folder::new();
    let database = cluster().database();
    let key = base64(&"k".repeat(32));
    let env = [("CRONBOX_SECRET_KEY", key.as_str())];
    let blobs = scratch.0.join("blobs").display().to_string();
    let words = ["--database", database.as_str(), "--blobs", blobs.as_str()];
    let (one, other) = (Folder::new(), Folder::new());
    let (one, other) = (start(&one.0, &words, &env), start(&other.0, &words, &env));
    assert_eq!(one.put("has", &script("", HAS)).await.0, 201);
    assert_eq!(other.run("has", &json!({})).await["result"], json!(["", ""]));
    // A run that begins after the secret was set has it, on whichever node.
    assert_eq!(set(&one, VALUE, &["API_KEY", "--host", "a.example", "--script", "has"]).0, Some(0));
    assert_eq!(other.run("has", &json!({})).await["result"][0], "cronbox-secret");
    assert_eq!(one.cronbox(&["secret", "rm", "API_KEY"]).0, Some(0));
    assert_eq!(other.run("has", &json!({})).await["result"], json!(["", ""]));
    assert_eq!(set(&other, VALUE, &["API_KEY", "--host", "a.example", "--label", "x=y", "--script", "has"]).0, Some(0));
    let (_, name) = database.rsplit_once('/').expect("a database");
    cluster().sql(name, "UPDATE secrets SET terms = replace(terms, 'a.example', 'evil.example')");
    let done = one.run("has", &json!({})).await;
    assert_eq!(done["error"]["type"], "SecretUnavailable", "{done}");
    assert!(done["error"]["message"].as_str().is_some_and(|text| text.contains("not as it was sealed")), "{done}");
    let rows = cluster().sql(name, "SELECT * FROM secrets");
    hunt(rows.as_bytes(), "the database");
}

const CLEAR: &str = r#"
# /// script
# dependencies = ["redis", "pg8000"]
# [tool.cronbox]
# allow = ["localhost:PORT", "localhost:OTHER"]
# ///
import os, redis, pg8000.native

def run():
    password = os.environ["PASSWORD"]
    client = redis.Redis(port=PORT, password=password, decode_responses=True)
    print("with", password)
    with pg8000.native.Connection(
        "with_password", host="localhost", port=OTHER, database="postgres", password=password
    ) as db:
        user = db.run("SELECT current_user")[0][0]
    return [client.incr("n"), user, password]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_clear_is_for_other_protocols_and_is_told() {
    let scratch = Folder::new();
    let redis = Redis::start_with(&scratch.0, &["--requirepass", VALUE]);
    let wheels = std::env::var("CRONBOX_TEST_WHEELS").expect("CRONBOX_TEST_WHEELS: see make test");
    let server = start(&scratch.0, &["--index", &wheels], &[]);
    let host = format!("localhost:{}", redis.port());
    let url = cluster().url("postgres");
    let (_, port) = url.trim_end_matches("/postgres").rsplit_once(':').expect("a port");
    cluster().sql("postgres", &format!("CREATE ROLE with_password LOGIN PASSWORD '{VALUE}'"));
    let other = format!("localhost:{port}");
    let words = ["PASSWORD", "--host", &host, "--host", &other, "--script", "cache", "--in-clear"];
    let (code, told) = set(&server, VALUE, &words);
    assert!(code == Some(0) && told.contains("IN CLEAR"), "{told}");
    let source = CLEAR.replace("PORT", &redis.port().to_string()).replace("OTHER", port);
    let (status, kept) = server.put("cache", &source).await;
    assert_eq!((status, &kept["not_granted"]), (201, &json!([])), "{kept}");
    let done = server.run("cache", &json!({})).await;
    assert_eq!(done["result"], json!([1, "with_password", "[secret PASSWORD]"]), "{done}");
    assert!(done["notes"].to_string().contains("the script has the secret PASSWORD in clear"), "{done}");
    hunt(done.to_string().as_bytes(), "the run");
    assert!(server.cronbox(&["secrets"]).1.contains("IN CLEAR"));
    let both = [&words[..], &["--path", "/v1"]].concat();
    assert_eq!(set(&server, VALUE, &both).0, Some(2));
}

#[test]
fn a_run_without_a_server_has_secrets_too() {
    let scratch = Folder::new();
    let host = format!("localhost:{}", world().port("tls_mirror"));
    let file = scratch.0.join("uses.py");
    std::fs::write(&file, script("# secrets = [\"API_KEY\", \"OTHER\"]\n", USES)).expect("writes");
    let run = |secret: &str| {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg(&file).args(["--quiet", "--secret", secret, "--interpreter-cache"]);
        command.arg(support::interpreter_cache()).args(["--ca-file", world().ca()]);
        command.args(["--allow-network", "localhost=127.0.0.0/8"]).env("API_KEY", VALUE);
        let done = command.output().expect("starts");
        hunt(&done.stdout, "standard output");
        hunt(&done.stderr, "standard error");
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stdout).into_owned(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    };
    for secret in [format!("API_KEY={VALUE}@{host}"), format!("API_KEY@{host}")] {
        let (code, result, told) = run(&secret);
        assert_eq!(code, Some(0), "{told}");
        let result: Value = serde_json::from_str(&result).expect("a result");
        assert_eq!(result["head"]["headers"]["x-key"], digest_latin(VALUE), "{told}");
        assert!(told.contains("asks for the secret OTHER"), "{told}");
    }
    for (wrong, why) in [
        ("API_KEY", "NAME=VALUE@HOST"),
        ("API_KEY=short@a.example", "8 to 4096 bytes"),
        ("API-KEY=long enough@a.example", "a secret's name is that of a variable"),
        ("NONE@a.example", "there is no variable of that name"),
        ("API_KEY=long enough@https://a.example", "hosts"),
    ] {
        let (code, _, told) = run(wrong);
        assert!(code == Some(2) && (why == "hosts" || told.contains(why)), "{wrong}: {code:?} {told}");
    }
}

/// What this project shows first: packages, a host, a secret and a schedule in one file, and its number in the series.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_example_of_the_readme_works() {
    let scratch = Folder::new();
    let readme = std::fs::read_to_string(support::tests_folder().join("../README.md")).expect("reads");
    let (_, rest) = readme.split_once("```python tea.py\n").expect("an example");
    let (source, _) = rest.split_once("```").expect("its end");
    let host = format!("localhost:{}", world().port("shop"));
    let source = source.replace("shop.example.com", &host);
    let wheels = std::env::var("CRONBOX_TEST_WHEELS").expect("CRONBOX_TEST_WHEELS: see make test");
    let server = start(&scratch.0, &["--index", &wheels, "--timezone", "Asia/Shanghai"], &[]);
    let (code, told) = set(&server, "open-sesame-42\n", &["SHOP_KEY", "--host", &host, "--script", "tea"]);
    assert_eq!(code, Some(0), "{told}");
    let (status, kept) = server.put("tea", &source).await;
    assert_eq!((status, &kept["not_granted"], &kept["warnings"]), (201, &json!([]), &json!([])), "{kept}");
    let schedule = &kept["schedules"][0];
    assert_eq!((&schedule["id"], &schedule["state"]), (&json!("tea"), &json!("active")), "{kept}");
    assert!(schedule["next_fire_local"].as_str().is_some_and(|at| at.contains("T09:00:00+08:00")), "{schedule}");
    let (_, done) = server.post("/v1/schedules/tea/trigger?wait=60s", &json!({})).await;
    assert_eq!((&done["status"], &done["result"]), (&json!("succeeded"), &json!({"price": 4.75})), "{done}");
    assert_eq!(done["usage"]["network"][0]["host"], host, "{done}");
    let (_, series) = server.get("/v1/scripts/tea/series?path=/price").await;
    assert_eq!(series["items"][0]["value"], 4.75, "{series}");
    // Without the key there is no price.
    assert_eq!(server.cronbox(&["secret", "rm", "SHOP_KEY"]).0, Some(0));
    let (_, done) = server.post("/v1/schedules/tea/trigger?wait=60s", &json!({})).await;
    assert_eq!((&done["status"], &done["error"]["type"]), (&json!("failed"), &json!("KeyError")), "{done}");
    assert!(done["notes"].to_string().contains("cronbox secret set SHOP_KEY --host HOST --script tea"), "{done}");
}
