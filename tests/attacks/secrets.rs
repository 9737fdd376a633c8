//! A script that was granted a secret, and wants to see it.

use crate::support::server::{Folder, Server};
use crate::support::world::world;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;

fn start(folder: &Path) -> Server {
    Server::start(folder, &["--allow-network", "localhost=127.0.0.0/8", "--ca-file", world().ca()])
}

/// Sets a secret for a script.
async fn set(server: &Server, value: &str, host: &str, more: Value) {
    let mut body = json!({"value": value, "hosts": [host], "scripts": ["attack"]});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let (status, told) = server.json(server.request(Method::PUT, "/v1/secrets/API_KEY").json(&body)).await;
    assert!(matches!(status, 200 | 201), "{told}");
}

async fn put(server: &Server, host: &str, body: &str) {
    let source = format!("# /// script\n# [tool.cronbox]\n# allow = [\"{host}\"]\n# ///\n{body}");
    let (status, kept) = server.put("attack", &source).await;
    assert_eq!((status, &kept["not_granted"]), (201, &json!([])), "{kept}");
}

/// A host that sends back whatever it is asked to, over a connection that is not HTTP. The script looks at what comes
/// when: for each word the sizes of the pieces and the time until the last.
const ORACLE: &str = r#"
import os, socket, ssl, time

def run(port, words, rounds):
    context = ssl.create_default_context()
    connection = context.wrap_socket(socket.create_connection(("localhost", port)), server_hostname="localhost")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"\0\n")
    connection.recv(10)
    def ask(word):
        began = time.monotonic()
        connection.sendall(b"\n " + word.encode())
        pieces = []
        while sum(map(len, pieces)) < len(word) + 2:
            pieces.append(connection.recv(4096))
        return [len(piece) for piece in pieces], time.monotonic() - began, b"".join(pieces).decode()
    seen = {}
    for _ in range(rounds):
        for word in words:
            seen.setdefault(word, []).append(ask(word))
    return seen
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_guess_is_answered_like_any_other_text() {
    let scratch = Folder::new();
    let server = start(&scratch.0);
    let port = world().port("tls_echo");
    let host = format!("localhost:{port}");
    const VALUE: &str = "zq7hunter_TopSecret42";
    put(&server, &host, ORACLE).await;
    set(&server, VALUE, &host, json!({})).await;
    // Right beginnings of every length, and as long ones that are wrong.
    let right: Vec<&str> = (1..VALUE.len()).map(|length| &VALUE[..length]).collect();
    let wrong: Vec<String> = right.iter().map(|word| format!("{}~", &word[1..])).collect();
    let words: Vec<&str> = right.iter().copied().chain(wrong.iter().map(String::as_str)).chain([VALUE]).collect();
    let done = server.run("attack", &json!({"args": {"port": port, "words": words, "rounds": 5}})).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    for word in words {
        for asked in done["result"][word].as_array().into_iter().flatten() {
            let (sizes, seconds, text) = (&asked[0], asked[1].as_f64().expect("a time"), asked[2].as_str());
            // The line's end passes, the rest waits its time, whatever it is. (Where a busy machine was late, both came
            // together.)
            assert!(sizes == &json!([1, word.len() + 1]) || sizes == &json!([word.len() + 2]), "{word}: {sizes}");
            assert!(seconds > 0.015, "{word}: {seconds}");
            assert_eq!(text, Some(&*format!("\n {word}")), "{word}");
        }
    }
    // The whole value is not among what came back: it has no row, because the result is searched for it, too.
    let whole = &done["result"]["[secret API_KEY]"];
    assert_eq!(whole[0][2], format!("\n {}", "*".repeat(VALUE.len())), "{done}");
}

/// The same attack carried through: letter by letter, as long as something waits.
const EXTRACTS: &str = r#"
import socket, ssl, time

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789_-ABCDEFGHIJKLMNOPQRSTUVWXYZ"

def run(port):
    context = ssl.create_default_context()
    connection = context.wrap_socket(socket.create_connection(("localhost", port)), server_hostname="localhost")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    def held(word):
        connection.sendall(b"\n " + word.encode())
        first = got = connection.recv(4096)
        began = time.monotonic()
        while len(got) < len(word) + 2:
            got += connection.recv(4096)
        return got.endswith(b"*"), len(first), time.monotonic() - began
    shapes = {}
    for letter in ALPHABET:
        masked, first, waited = held(letter)
        shapes[letter] = [masked, first, waited > 0.01]
    return [list(shape) for shape in {tuple(shape) for shape in shapes.values()}]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_letter_is_not_told_from_the_others() {
    let scratch = Folder::new();
    let server = start(&scratch.0);
    let port = world().port("tls_echo");
    let host = format!("localhost:{port}");
    put(&server, &host, EXTRACTS).await;
    set(&server, "zq7hunter_TopSecret42", &host, json!({})).await;
    let done = server.run("attack", &json!({"args": {"port": port}})).await;
    let shapes = done["result"].as_array().unwrap_or_else(|| panic!("{done}"));
    // A busy machine may make two pieces one; no letter is masked, and none passes at once.
    assert!(shapes.iter().all(|shape| shape == &json!([false, 1, true]) || shape[1] == 3), "{shapes:?}");
}

const REFLECTED: &str = r#"
import os, urllib.request

def run(base, ways):
    seen = {}
    for way in ways:
        headers = {"X-Key": os.environ["API_KEY"], "Accept-Encoding": "gzip, deflate, br"}
        try:
            body = urllib.request.urlopen(urllib.request.Request(base + way, headers=headers)).read()
            # Backwards, because what a run leaves is searched as well.
            seen[way] = body.decode()[::-1]
        except Exception as error:
            seen[way] = repr(error)
    return seen
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_reflected_is_masked_however_it_is_written() {
    let scratch = Folder::new();
    let server = start(&scratch.0);
    let host = format!("localhost:{}", world().port("tls_mirror"));
    put(&server, &host, REFLECTED).await;
    for value in ["wJalrXUt/K7MDENG+bPx=RfiCY&EXA<MPLE", "k\"ey/with'all>of&them=1+2 \\end"] {
        set(&server, value, &host, json!({})).await;
        let ways = [
            "plain",
            "php",
            "go",
            "gson",
            "upper",
            "html",
            "decimal",
            "query",
            "nested",
            "base64",
            "negotiated",
            "gzip",
        ];
        let args = json!({"base": format!("https://{host}/"), "ways": ways});
        let done = server.run("attack", &json!({"args": args})).await;
        assert_eq!(done["status"], "succeeded", "{done}");
        for way in ways {
            let seen: String = done["result"][way].as_str().expect("a text").chars().rev().collect();
            if way == "gzip" {
                let why: String = seen.chars().rev().collect();
                assert!(why.contains("cannot be searched for the secret"), "{why}");
                assert!(done["notes"].to_string().contains("cannot be searched for the secret"), "{done}");
                continue;
            }
            assert!(seen.contains("*****"), "{way}: {seen}");
            // No end of it is left either: what stands around the value has none of its letters next to one another.
            for part in [&value[..4], &value[value.len() - 4..]] {
                assert!(!seen.contains(part), "{way}: {seen}");
            }
        }
    }
}

const PRINTED: &str = r#"
import base64, html, json, os, sys, urllib.parse

def run(context):
    value = os.environ["API_KEY"]
    quoted = json.dumps(value)[1:-1]
    forms = [
        value,
        quoted.replace("/", "\\/"),
        quoted.replace("=", "\\u003d").replace("+", "\\u002B"),
        quoted.replace("&", "\\u0026").replace("<", "\\u003c"),
        html.escape(value),
        "".join(c if c.isalnum() else f"&#x{ord(c):X};" for c in value),
        urllib.parse.quote(value, safe=""),
        json.dumps(json.dumps(value))[3:-3],
        base64.b64encode(value.encode()).decode(),
        value.encode().hex(),
    ]
    for form in forms:
        print(form)
        print(form, file=sys.stderr)
    with open("/output/forms.txt", "w") as file:
        file.write("\n".join(forms))
    context.state["forms"] = forms
    return forms
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_leaves_is_searched_for_the_same_forms() {
    let scratch = Folder::new();
    let server = start(&scratch.0);
    let value = "wJalrXUt/K7MDENG+bPx=RfiCY&EXA<MPLE";
    put(&server, "a.example", PRINTED).await;
    set(&server, value, "a.example", json!({"in_clear": true})).await;
    let done = server.run("attack", &json!({})).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    let id = done["id"].as_str().expect("an id");
    let mut left = vec![done["result"].to_string()];
    for path in ["output/stdout", "output/stderr", "files/forms.txt"] {
        let request = server.request(Method::GET, &format!("/v1/runs/{id}/{path}"));
        left.push(request.send().await.expect("answers").text().await.expect("text"));
    }
    left.push(server.get("/v1/scripts/attack/state").await.1["state"].to_string());
    for text in left {
        assert!(text.contains("[secret API_KEY]") || text.contains("*****"), "{text}");
        for part in ["wJal", "MDENG", "MPLE", "d0phb", "774a61"] {
            assert!(!text.contains(part), "{part}: {text}");
        }
    }
}

/// A state is searched for values before the next run reads it: what is taken out must not depend on a guess.
const CUT: &str = r#"
def run(context, guesses):
    seen = context.state.get("guesses")
    context.state["guesses"] = [f"{guess}… (7 more characters)" for guess in guesses]
    return [guess[::-1] for guess in seen or []]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_before_a_cut_tells_nothing() {
    let scratch = Folder::new();
    let server = start(&scratch.0);
    put(&server, "a.example", CUT).await;
    set(&server, "zq7hunter_TopSecret42", "a.example", json!({})).await;
    let args = json!({"args": {"guesses": ["zq7hunter_T", "zq7hunter_X", "###########"]}});
    server.run("attack", &args).await;
    let done = server.run("attack", &args).await;
    let masked = json!(")sretcarahc erom 7( …***********");
    assert_eq!(done["result"], json!([masked, masked, masked]), "{done}");
}
