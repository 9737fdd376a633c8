//! TLS on the listeners: what real clients get, which certificates are taken, and when.

use crate::support::certificates::Authority;
use crate::support::server::{Folder, Server, answer};
use crate::support::wait::until;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A server that speaks TLS with the certificate `first`, and its authority. Its files are `live.pem` and `live.key`.
fn secure(folder: &Folder, words: &[&str]) -> (Authority, Server) {
    let authority = Authority::new(&folder.0);
    authority.certificate("first", 90);
    copy(folder, "first");
    let words = [words, &["--ephemeral", "--tls-cert", "live.pem", "--tls-key", "live.key"]].concat();
    (authority, Server::start(&folder.0, &words))
}

/// Puts a certificate and its key in the place of what the server has, as certbot does: by renaming.
fn copy(folder: &Folder, name: &str) {
    for ending in ["key", "pem"] {
        replace(folder, &format!("{name}.{ending}"), &format!("live.{ending}"));
    }
}

fn replace(folder: &Folder, from: &str, to: &str) {
    std::fs::copy(folder.0.join(from), folder.0.join("new")).expect("copies");
    std::fs::rename(folder.0.join("new"), folder.0.join(to)).expect("renames");
}

/// What `openssl s_client` says of a server that it is to reach with these words.
fn s_client(server: &Server, words: &str) -> String {
    let address = server.url.trim_start_matches("https://");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", address, "-servername", "localhost"]).args(words.split_whitespace());
    let done = command.stdin(Stdio::null()).output().expect("openssl");
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

/// The subject of the certificate that a server shows.
fn subject(server: &Server) -> String {
    let said = s_client(server, "");
    let line = said.lines().find_map(|line| line.trim().strip_prefix("subject="));
    line.unwrap_or_else(|| panic!("{said}")).trim_start_matches("CN").replace([' ', '='], "")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_are_spoken() {
    let folder = Folder::new();
    let (authority, server) = secure(&folder, &[]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    let url = &server.url;
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let (code, said) = authority.curl(&format!("{flag} --write-out %{{http_version}} {url}/healthz"));
        assert_eq!((code, said), (Some(0), format!("ok\n{version}")));
        let (_, said) =
            authority.curl(&format!("{flag} -T {} {url}/v1/scripts/{}", script(&folder), version.replace('.', "")));
        assert!(said.contains("\"version\":1"), "{said}");
        let (_, said) =
            authority.curl(&format!("{flag} -d {{}} {url}/v1/scripts/{}/runs?wait=60s", version.replace('.', "")));
        let run: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!((&run["status"], &run["result"]), (&json!("succeeded"), &json!(7)), "{said}");
        let id = run["id"].as_str().expect("an id");
        let (_, events) = authority.curl(&format!("{flag} -N {url}/v1/runs/{id}/events"));
        assert!(events.contains("event: end") || events.contains("event: done"), "{events}");
        // What is not there, a method that it has not, and no page.
        let (_, said) = authority.curl(&format!("{flag} -X DELETE {url}/v1/runs"));
        assert!(said.contains("method_not_allowed"), "{said}");
    }
    // The name in the request is looked at in either version.
    let (_, said) = authority.curl(&format!("--http2 -H Host:evil.example {url}/v1/scripts"));
    assert!(said.contains("not_local"), "{said}");
    let (_, said) = authority.curl(&format!("--http2 -H Origin:https://evil.example {url}/v1/scripts"));
    assert!(said.contains("not_local"), "{said}");
    // A client that does not know the authority, and the command line that does.
    assert!(Client::new().get(format!("{url}/healthz")).send().await.is_err());
    let own = authority.file();
    let known = [("SSL_CERT_FILE", own.to_str().expect("text"))];
    let (code, said, why) = server.cronbox_with(&["scripts"], &known);
    assert!(code == Some(0) && said.contains("11"), "{said}{why}");
    let (code, _, why) = server.cronbox_with(&["scripts"], &[]);
    assert!(code == Some(5) && why.contains("SSL_CERT_FILE"), "{why}");
}

fn script(folder: &Folder) -> String {
    folder.write("seven.py", "def run():\n    print('x' * 100_000)\n    return 7\n");
    folder.0.join("seven.py").display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_of_tls_are_refused() {
    let folder = Folder::new();
    let (authority, server) = secure(&folder, &[]);
    let ca = format!("-CAfile {} -verify_return_error", authority.file().display());
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = s_client(&server, &format!("{flag} {ca}"));
        assert!(said.contains("Verify return code: 0 (ok)") && said.contains(version), "{said}");
    }
    for flag in ["-tls1", "-tls1_1"] {
        // Security level 0, so that the client itself would speak it.
        let said = s_client(&server, &format!("{flag} -cipher DEFAULT@SECLEVEL=0 {ca}"));
        assert!(said.contains("no peer certificate available") && said.contains("Cipher is (NONE)"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_tls_is_told_what_to_write() {
    let folder = Folder::new();
    let (_authority, server) = secure(&folder, &[]);
    let plain = server.url.replace("https://", "http://");
    let (status, said) = answer(Client::new().get(format!("{plain}/v1/runs")).send().await.expect("answers")).await;
    assert_eq!((status, &said["code"]), (400, &json!("tls_required")));
    let large =
        Client::new().post(format!("{plain}/v1/runs")).body(vec![b'x'; 40 << 10]).send().await.expect("answers");
    assert_eq!(large.status(), 400);
    let words = ["scripts", "--url", &plain];
    let (code, _, why) = server.cronbox(&words);
    assert!(code == Some(2) && why.contains("write https:// instead of http://"), "{code:?} {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_tls_has_a_secure_cookie() {
    let folder = Folder::new();
    let (authority, server) = secure(&folder, &[]);
    let client = authority.client().build().expect("a client");
    let made = client.post(format!("{}/v1/tokens", server.url)).json(&json!({"name": "a", "scopes": ["admin"]}));
    let (_, token) = answer(made.send().await.expect("answers")).await;
    let login = client.post(format!("{}/v1/session", server.url)).json(&json!({"token": token["token"]}));
    // A proxy that nobody named says otherwise.
    let login = login.header("x-forwarded-proto", "http").send().await.expect("answers");
    let cookie = login.headers()["set-cookie"].to_str().expect("text");
    assert!(cookie.contains("; Secure"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_while_the_server_runs() {
    let folder = Folder::new();
    let (authority, server) = secure(&folder, &[]);
    let client = authority.client().build().expect("a client");
    let get = async |path: &str| {
        client.get(format!("{}{path}", server.url)).send().await.expect("answers").text().await.expect("text")
    };
    assert_eq!(subject(&server), "first");
    // An answer that goes on while certificates come and go.
    let mut events = client
        .get(format!("{}/v1/events", server.url))
        .header("accept", "text/event-stream")
        .send()
        .await
        .expect("answers");
    authority.certificate("second", 90);
    copy(&folder, "second");
    until("the second is shown", async || subject(&server) == "second").await;
    let before = get("/metrics").await;
    let metric = "cronbox_tls_certificate_expires_timestamp_seconds{file=\"live.pem\"} ";
    assert!(before.contains(metric) && before.contains("cronbox_tls_certificate_refused{file=\"live.pem\"} 0"));
    // A key of another, half a file, none at all: the certificate stays, the log says why, and so do probes.
    for (from, to, why) in [
        ("first.key", "live.key", "live.key is not that of the first certificate in live.pem"),
        ("ca.key", "live.pem", "there is no certificate (PEM) in live.pem"),
    ] {
        replace(&folder, from, to);
        until("the log says why", async || server.log().contains(why)).await;
        assert_eq!(subject(&server), "second");
        let ready: Value = serde_json::from_str(&get("/readyz").await).expect("JSON");
        let warnings = ready["warnings"].to_string();
        assert!(warnings.contains("cannot be used") && ready["ready"] == true, "{ready}");
        assert!(get("/metrics").await.contains("cronbox_tls_certificate_refused{file=\"live.pem\"} 1"));
    }
    std::fs::remove_file(folder.0.join("live.pem")).expect("removes");
    until("the log says why", async || server.log().contains("live.pem cannot be read: No such file")).await;
    assert_eq!(subject(&server), "second");
    // One that ends soon is taken, and told of.
    authority.certificate("third", 3);
    copy(&folder, "third");
    until("the third is shown", async || subject(&server) == "third").await;
    until("it is told that it ends soon", async || {
        get("/readyz").await.contains("certificate of this server expires at")
    })
    .await;
    until("the log says so", async || server.log().contains("certificate of this server expires at")).await;
    let expires = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(metric)).expect("a line");
        line.parse::<f64>().expect("a number")
    };
    let days = (expires(&before) - expires(&get("/metrics").await)) / 86_400.0;
    assert!((86.9..87.1).contains(&days), "{days}");
    // The stream has gone on all the while.
    client.put(format!("{}/v1/scripts/tick", server.url)).body("def run(): return 1\n").send().await.expect("answers");
    let ran = client.post(format!("{}/v1/scripts/tick/runs?wait=60s", server.url)).json(&json!({}));
    assert_eq!(ran.send().await.expect("answers").status(), 200);
    let mut heard = String::new();
    while !heard.contains("event: run_succeeded") {
        heard.push_str(&String::from_utf8_lossy(&events.chunk().await.expect("reads").expect("an event")));
    }
}

/// As a volume of Kubernetes changes: the files are links through a link to a folder, and that one is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_by_one_link() {
    let folder = Folder::new();
    let authority = Authority::new(&folder.0);
    for name in ["first", "second"] {
        authority.certificate(name, 90);
        let version = folder.0.join(format!("..{name}"));
        std::fs::create_dir(&version).expect("makes");
        for (ending, file) in [("pem", "tls.crt"), ("key", "tls.key")] {
            std::fs::copy(folder.0.join(format!("{name}.{ending}")), version.join(file)).expect("copies");
        }
    }
    let lead = |to: &str| {
        symlink(Path::new(to), folder.0.join("..new")).expect("links");
        std::fs::rename(folder.0.join("..new"), folder.0.join("..data")).expect("renames");
    };
    lead("..first");
    for file in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(file), folder.0.join(file)).expect("links");
    }
    let server = Server::start(&folder.0, &["--ephemeral", "--tls-cert", "tls.crt", "--tls-key", "tls.key"]);
    assert_eq!(subject(&server), "first");
    lead("..second");
    until("the second is shown", async || subject(&server) == "second").await;
    assert!(!server.log().contains("is not replaced"), "{}", server.log());
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_the_start() {
    let folder = Folder::new();
    let authority = Authority::new(&folder.0);
    authority.certificate("one", 90);
    authority.certificate("other", 90);
    let locked = Command::new("openssl")
        .args(["pkey", "-in", "one.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key"])
        .current_dir(&folder.0)
        .status()
        .expect("openssl");
    assert!(locked.success());
    folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\nMIIB!\n-----END CERTIFICATE-----\n");
    folder.write("short.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let both = std::fs::read_to_string(folder.0.join("one.pem")).expect("text")
        + &std::fs::read_to_string(folder.0.join("one.key")).expect("text");
    folder.write("both.pem", &both);
    for (certificate, key, why) in [
        ("one.pem", "other.key", "--tls-cert: the key in other.key is not that of the first certificate in one.pem"),
        ("one.pem", "locked.key", "--tls-key: the key in locked.key is encrypted: write it without a passphrase"),
        ("one.pem", "one.pem", "--tls-key: there is no private key (PEM) in one.pem"),
        ("one.pem", "none.key", "--tls-key: none.key cannot be read: No such file or directory"),
        ("one.key", "one.key", "--tls-cert: there is no certificate (PEM) in one.key"),
        ("broken.pem", "one.key", "--tls-cert: broken.pem is not PEM"),
        ("short.pem", "one.key", "--tls-cert: the first certificate in short.pem cannot be read"),
        ("/dev/zero", "one.key", "--tls-cert: /dev/zero is larger than 1 MiB"),
    ] {
        let words = ["--ephemeral", "--tls-cert", certificate, "--tls-key", key];
        let (status, said) = Server::refused(&folder.0, &words, &[]);
        assert!(status.code() == Some(2) && said.contains(why), "{certificate} {key}: {status} {said}");
        assert!(!said.contains("PRIVATE"), "{said}");
    }
    let server = Server::start(&folder.0, &["--ephemeral", "--tls-cert", "both.pem"]);
    assert_eq!(subject(&server), "one", "one file can have both");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_listens_in_several_places() {
    let folder = Folder::new();
    let socket = folder.0.join("socket");
    let at = format!("unix:{}", socket.display());
    let listen = ["--listen", "127.0.0.1:0", "--listen", "plain:[::1]:0", "--listen", &at];
    let (authority, mut server) = secure(&folder, &listen);
    let lines = &server.said;
    let also: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("also at ")).collect();
    assert!(also.len() == 2 && also[0].starts_with("http://[::1]:") && also[1] == at, "{lines:?}");
    let plain = also[0].to_owned();
    let secure = authority.client().build().expect("a client");
    let local = Client::builder().unix_socket(socket.clone()).build().expect("a client");
    let put = secure.put(format!("{}/v1/scripts/tick", server.url)).body("def run(): return 1\n");
    assert_eq!(put.send().await.expect("answers").status(), 201);
    for (client, url) in [(&secure, server.url.as_str()), (&Client::new(), &plain), (&local, "http://localhost")] {
        let run = client.post(format!("{url}/v1/scripts/tick/runs?wait=60s")).json(&json!({})).send().await;
        assert_eq!(answer(run.expect("answers")).await.1["status"], "succeeded", "{url}");
    }
    let (_, page) = answer(local.get("http://localhost/v1/runs").send().await.expect("answers")).await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(3));
    // All of them end.
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(20)).success());
    assert!(!socket.exists());
    assert!(Client::new().get(format!("{plain}/healthz")).send().await.is_err());
    // One address that cannot be listened at, and one that others reach without a token.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = taken.local_addr().expect("an address").to_string();
    let words = ["--ephemeral", "--listen", "127.0.0.1:0", "--listen", &address];
    let (_, said) = Server::refused(&folder.0, &words, &[]);
    assert!(said.contains(&format!("{address} is taken by another program")), "{said}");
    let words = ["--ephemeral", "--listen", "127.0.0.1:0,0.0.0.0:0"];
    let (_, said) = Server::refused(&folder.0, &words, &[]);
    assert!(said.contains("can be reached from other machines, and there is no token yet"), "{said}");
}

/// Where other machines can come in, nobody does without a token, also when there is none any more.
#[tokio::test(flavor = "multi_thread")]
async fn each_listener_lets_in_its_own_callers() {
    let folder = Folder::new();
    let token = format!("cbx_{}", "a1b2".repeat(10));
    folder.write("admin", &token);
    let words = ["--ephemeral", "--listen", "127.0.0.1:0,0.0.0.0:0"];
    let mut server = Server::start_with(&folder.0, &words, &[("CRONBOX_ADMIN_TOKEN_FILE", "admin")]);
    let open = server.said.iter().find_map(|line| line.strip_prefix("also at ")).expect("a line");
    let open = open.replace("0.0.0.0", "127.0.0.1");
    let status = async |url: &str| {
        Client::new().get(format!("{url}/v1/scripts")).send().await.expect("answers").status().as_u16()
    };
    assert_eq!((status(&server.url).await, status(&open).await), (401, 401));
    server.token = Some(token);
    let (_, tokens) = server.get("/v1/tokens").await;
    let id = tokens["items"][0]["id"].as_str().expect("an id").to_owned();
    let gone = server.request(Method::DELETE, &format!("/v1/tokens/{id}")).send().await.expect("answers");
    assert_eq!(gone.status(), 204);
    until("this machine's user is let in again", async || status(&server.url).await == 200).await;
    assert_eq!(status(&open).await, 401);
}
