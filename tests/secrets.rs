//! Secrets: used by scripts that never see them, and found nowhere.

mod granted;
mod keys;

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

/// A server whose script `uses` has the secret API_KEY for one of the mirrors, set with these words too.
async fn used(words: &[&str]) -> (Folder, Server) {
    let scratch = Folder::new();
    let server = start(&scratch.0, &[], &[]);
    let host = format!("localhost:{}", world().port("tls_mirror"));
    let words = [&["API_KEY", "--host", &host, "--script", "uses"], words].concat();
    let (code, told) = set(&server, &format!("{VALUE}\n"), &words);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("a key for secrets was made in") && told.contains("keep a copy"), "{told}");
    let (status, kept) = server.put("uses", &script("", USES)).await;
    assert_eq!((status, &kept["not_granted"]), (201, &json!([])), "{kept}");
    (scratch, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_its_host_and_nowhere_else() {
    let (scratch, server) = used(&[]).await;
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
    hunt(server.log().as_bytes(), "the log");
    assert!(hunt_below(&scratch.0) > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_placed_in_queries_and_bodies_where_that_is_granted() {
    let (scratch, server) = used(&["--in", "query", "--in", "body", "--path", "/seen"]).await;
    let done = server.run("uses", &json!({})).await;
    let result = &done["result"];
    let quoted: String = form_urlencoded(VALUE);
    assert_eq!(result["query"]["path"], digest(&format!("/seen?key={quoted}")), "{done}");
    let body = format!("{{\"key\": {}}}", ascii_json(VALUE));
    assert_eq!(result["body"]["body"], digest(&body), "{done}");
    let length = json!([body.len().to_string(), body.len()]);
    assert_eq!(result["body"]["length"], length, "{done}");
    hunt(server.log().as_bytes(), "the log");
    assert!(hunt_below(&scratch.0) > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_for_some_methods_is_placed_in_no_others() {
    let (_scratch, server) = used(&["--method", "post"]).await;
    let done = server.run("uses", &json!({})).await;
    let placeholder = done["result"]["placeholder"].as_str().expect("a placeholder");
    assert_eq!(done["result"]["head"]["headers"]["x-key"], digest(placeholder), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_removed_is_in_no_run_after_that() {
    let (_scratch, server) = used(&[]).await;
    assert_eq!(server.json(server.request(Method::DELETE, "/v1/secrets/API_KEY")).await.0, 204);
    let done = server.run("uses", &json!({})).await;
    assert_eq!(done["result"]["placeholder"], "", "{done}");
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
