//! Proxies before the server: what is believed of them, and Debian's nginx and Caddy as they come.

use crate::support::certificates::Authority;
use crate::support::server::{Folder, Server, answer};
use crate::support::wait::until;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response};
use serde_json::json;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A token of an administrator, whom a file makes.
const TOKEN: &str = "cbx_0123456789abcdefghijklmnopqrstuvwxyzABCD";

/// A server with a token, which its own requests carry.
fn with_token(folder: &Folder, words: &[&str]) -> Server {
    folder.write("admin", TOKEN);
    let words = [&["--ephemeral"], words].concat();
    let mut server = Server::start_with(&folder.0, &words, &[("CRONBOX_ADMIN_TOKEN_FILE", "admin")]);
    server.token = Some(TOKEN.to_owned());
    server
}

/// The headers of the answer to a login that a proxy passes on.
async fn log_in(url: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap) {
    let request = Client::new().post(format!("{url}/v1/session")).json(&json!({"token": TOKEN}));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.expect("answers");
    (answer.status().as_u16(), answer.headers().clone())
}

fn cookie(headers: &HeaderMap) -> &str {
    headers["set-cookie"].to_str().expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_forwards_is_not_believed() {
    let folder = Folder::new();
    let server = with_token(&folder, &["--trusted-proxy", "192.0.2.0/24", "--log", "debug"]);
    let forged = [
        ("x-forwarded-for", "198.51.100.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "box.example"),
        ("x-forwarded-prefix", "/box"),
        ("forwarded", "for=198.51.100.7;proto=https;host=box.example"),
    ];
    let (status, headers) = log_in(&server.url, &forged).await;
    assert_eq!(status, 200);
    assert!(cookie(&headers).contains("Path=/;") && !cookie(&headers).contains("Secure"), "{headers:?}");
    let foreign = [forged[2], ("origin", "https://box.example")];
    assert_eq!(log_in(&server.url, &foreign).await.0, 403);
    let asked = server.request(Method::POST, "/v1/scripts?name=tea").header("x-forwarded-prefix", "/box").body("x = 1");
    let made = asked.send().await.expect("answers");
    assert_eq!(made.headers()["location"], "/v1/scripts/tea");
    until("the requests are logged", async || server.log().matches("/v1/session").count() >= 2).await;
    assert!(server.log().contains("\"client.address\":\"127.0.0.1\"") && !server.log().contains("198.51.100.7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trusted_proxy_forwards_is_believed() {
    let folder = Folder::new();
    let server = with_token(&folder, &["--trusted-proxy", "127.0.0.0/8,192.0.2.1", "--log", "debug"]);
    let old = [
        ("x-forwarded-for", "127.0.0.1, 198.51.100.7, 192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "box.example"),
        ("x-forwarded-prefix", "/box"),
        ("origin", "https://box.example"),
    ];
    let (status, headers) = log_in(&server.url, &old).await;
    assert_eq!(status, 200);
    assert!(cookie(&headers).contains("Path=/box;") && cookie(&headers).contains("Secure"), "{headers:?}");
    let new = [("forwarded", "for=198.51.100.8;proto=https;host=box.example"), ("origin", "https://box.example")];
    let (status, headers) = log_in(&server.url, &new).await;
    assert!(
        status == 200 && cookie(&headers).contains("Path=/;") && cookie(&headers).contains("Secure"),
        "{headers:?}"
    );
    assert_eq!(log_in(&server.url, &[new[0], ("origin", "https://evil.example")]).await.0, 403);
    for address in ["198.51.100.7", "198.51.100.8"] {
        let line = format!("\"client.address\":\"{address}\"");
        until("the address is logged", async || server.log().contains(&line)).await;
    }
    // Everything that names an address of the server does so below the prefix.
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let get = async |path: &str| -> Response {
        let request = client.get(format!("{}{path}", server.url)).header("x-forwarded-prefix", "/box/");
        request.send().await.expect("answers")
    };
    assert_eq!(get("/docs/api").await.headers()["location"], "/box/docs/api/index.html");
    assert_eq!(answer(get("/openapi.json").await).await.1["servers"][0]["url"], "/box");
    let script = get("/docs/api/swagger-initializer.js").await.text().await.expect("text");
    assert!(script.contains("\"/box/openapi.json\""), "{script}");
    assert!(get("/docs").await.text().await.expect("text").contains("href=\"/box/docs/"));
    assert_eq!(
        answer(server.request(Method::GET, "/openapi.json").send().await.expect("answers")).await.1["servers"][0]["url"],
        "/"
    );
}

/// Whoever comes through a proxy needs a token, wherever it says that they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_lets_nobody_in_without_a_token() {
    let folder = Folder::new();
    let trusting = Server::start(&folder.0, &["--ephemeral", "--trusted-proxy", "127.0.0.1"]);
    let (_other, not_trusting) = Server::ephemeral();
    let status = async |server: &Server, headers: &[(&str, &str)]| {
        let request = server.request(Method::GET, "/v1/scripts");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.expect("answers").status().as_u16()
    };
    assert_eq!(status(&not_trusting, &[]).await, 200);
    for header in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-for", "::1"),
        ("forwarded", "for=127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("x-real-ip", "127.0.0.1"),
    ] {
        assert_eq!(status(&not_trusting, &[header]).await, 401, "{header:?}");
        assert_eq!(status(&trusting, &[header]).await, 401, "{header:?}");
    }
    assert_eq!(status(&trusting, &[]).await, 401, "a proxy that says nothing speaks for somebody, too");
    let (_, who) = trusting.get("/v1/session").await;
    assert_eq!(who["login_required"], true);
    let ready = trusting.request(Method::GET, "/readyz").header("x-forwarded-for", "127.0.0.1").send().await;
    assert_eq!(ready.expect("answers").status(), 200);
}

/// Failed logins of one client are counted for that client alone, and it cannot choose whom they are counted for.
#[tokio::test(flavor = "multi_thread")]
async fn logins_are_limited_by_the_clients_own_address() {
    let folder = Folder::new();
    let server = with_token(&folder, &["--trusted-proxy", "127.0.0.1", "--rate-limit", "10000,1"]);
    let mut statuses = Vec::new();
    for n in 0..6 {
        let written = format!("203.0.113.{n}, 198.51.100.7");
        statuses.push(log_in(&server.url, &[("x-forwarded-for", &written)]).await.0);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(log_in(&server.url, &[("x-forwarded-for", "198.51.100.8")]).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_can_come_through_the_socket() {
    let folder = Folder::new();
    let at = format!("unix:{}", folder.0.join("socket").display());
    let server = with_token(&folder, &["--listen", "127.0.0.1:0", "--listen", &at, "--trusted-proxy", "unix"]);
    let local = Client::builder().unix_socket(folder.0.join("socket")).build().expect("a client");
    let login =
        local.post("http://localhost/v1/session").json(&json!({"token": TOKEN})).header("x-forwarded-proto", "https");
    assert!(cookie(login.send().await.expect("answers").headers()).contains("Secure"));
    let (_, headers) = log_in(&server.url, &[("x-forwarded-proto", "https")]).await;
    assert!(!cookie(&headers).contains("Secure"), "only the socket is trusted");
}

#[test]
fn a_proxy_that_cannot_be_meant_is_refused() {
    let folder = Folder::new();
    let (status, said) = Server::refused(&folder.0, &["--ephemeral", "--trusted-proxy", "nginx"], &[]);
    assert!(
        status.code() == Some(2) && said.contains("\"nginx\" is not a range of addresses, such as 10.0.0.0/8"),
        "{said}"
    );
}

/// A proxy of Debian's that runs until it is dropped.
struct Proxy(Child, String);

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked, not when it is killed.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

async fn started(mut command: Command, port: u16, scheme: &str, folder: &Folder) -> Proxy {
    let log = std::fs::File::options().create(true).append(true).open(folder.0.join("proxy.log")).expect("a log");
    let child =
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("starts");
    let proxy = Proxy(child, format!("{scheme}://localhost:{port}"));
    until("the proxy listens", async || match std::net::TcpStream::connect(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(_) => Err(std::fs::read_to_string(folder.0.join("proxy.log")).unwrap_or_default()),
    })
    .await;
    proxy
}

/// Debian's nginx with what its `nginx.conf` says of requests, and one place that is passed on with these lines.
async fn nginx(folder: &Folder, server: &Server, location: &str, lines: &str) -> Proxy {
    let (port, upstream) = (free_port(), server.url.trim_start_matches("http://"));
    let user = if crate::support::is_root() { "user root;" } else { "" };
    let config = format!(
        "{user} worker_processes 1; pid nginx.pid; error_log proxy.log; daemon off;\n\
         events {{ worker_connections 768; }}\n\
         http {{ sendfile on; tcp_nopush on; types_hash_max_size 2048; include /etc/nginx/mime.types;\n\
         default_type application/octet-stream; access_log off; gzip on;\n\
         client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
         server {{ listen 127.0.0.1:{port}; location {location} {{ proxy_pass http://{upstream}; {lines} }} }} }}\n"
    );
    folder.write("nginx.conf", &config);
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(&folder.0).args(["-c", "nginx.conf", "-e", "proxy.log"]);
    started(command, port, "http", folder).await
}

/// Debian's Caddy with this configuration; `UPSTREAM` and `PORT` in it are replaced.
async fn caddy(folder: &Folder, server: &Server, scheme: &str, config: &str) -> Proxy {
    let port = free_port();
    let upstream = server.url.trim_start_matches("http://");
    let config = config.replace("PORT", &port.to_string()).replace("UPSTREAM", upstream);
    folder.write("Caddyfile", &format!("{{\n\tadmin off\n\tauto_https off\n}}\n{config}"));
    let mut command = Command::new("/usr/bin/caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.0.join("Caddyfile"));
    command.env("HOME", &folder.0).env("XDG_DATA_HOME", &folder.0).env("XDG_CONFIG_HOME", &folder.0);
    started(command, port, scheme, folder).await
}

/// What a client does through a proxy: uploads, runs and waits, follows a run while it writes, and reads a large answer.
async fn works_through(client: &Client, url: &str) {
    let ask = |method: Method, path: &str| client.request(method, format!("{url}{path}")).bearer_auth(TOKEN);
    let source = "import time\ndef run(n=3):\n    for k in range(n):\n        print('tick', k, flush=True)\n        time.sleep(1)\n    return n\n";
    let put = ask(Method::PUT, "/v1/scripts/tick").body(source).send().await.expect("answers");
    assert!(put.status().is_success(), "{put:?}");
    let waited = ask(Method::POST, "/v1/scripts/tick/runs?wait=60s").json(&json!({"args": {"n": 1}})).send().await;
    let (status, run) = answer(waited.expect("answers")).await;
    assert_eq!((status, &run["result"]), (200, &json!(1)), "{run}");
    // Each line comes when it is written: what comes last comes seconds after what comes first.
    let (_, run) =
        answer(ask(Method::POST, "/v1/scripts/tick/runs").json(&json!({})).send().await.expect("answers")).await;
    let id = run["id"].as_str().expect("an id");
    let mut events = ask(Method::GET, &format!("/v1/runs/{id}/events")).send().await.expect("answers");
    assert_eq!(events.status(), 200);
    let (mut heard, mut first) = (String::new(), None);
    while let Some(piece) = events.chunk().await.expect("reads") {
        heard.push_str(&String::from_utf8_lossy(&piece));
        if heard.contains("tick 0") && first.is_none() {
            first = Some(Instant::now());
            assert!(!heard.contains("tick 2"), "all came at once: {heard}");
        }
    }
    assert!(
        heard.contains("tick 2") && first.is_some_and(|first| first.elapsed() > Duration::from_millis(500)),
        "{heard}"
    );
    // The feed is heard as well.
    let feed = ask(Method::GET, "/v1/events").header("accept", "text/event-stream").send().await;
    let mut feed = feed.expect("answers");
    ask(Method::POST, "/v1/scripts/tick/runs").json(&json!({"args": {"n": 0}})).send().await.expect("answers");
    let mut heard = String::new();
    let hear = async {
        while !heard.contains("event: run_succeeded") {
            heard.push_str(&String::from_utf8_lossy(&feed.chunk().await.expect("reads").expect("an event")));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), hear).await.expect("the event comes soon");
    let document = client.get(format!("{url}/openapi.json")).send().await.expect("answers");
    assert!(answer(document).await.1["paths"].as_object().is_some_and(|paths| paths.len() > 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_as_it_comes() {
    let folder = Folder::new();
    let server = with_token(&folder, &[]);
    let proxy = nginx(&folder, &server, "/", "").await;
    works_through(&Client::new(), &proxy.1).await;
}

/// With the lines that docs/operations.md has for it.
#[tokio::test(flavor = "multi_thread")]
async fn nginx_with_a_path_of_its_own() {
    let folder = Folder::new();
    let mut server =
        with_token(&folder, &["--trusted-proxy", "127.0.0.1", "--base-path", "/cronbox", "--log", "debug"]);
    let inner = server.url.trim_end_matches("/cronbox").to_owned();
    server.url = inner;
    let lines = documented("nginx", "proxy_set_header");
    let proxy = nginx(&folder, &server, "/cronbox/", &lines).await;
    let url = format!("{}/cronbox", proxy.1);
    works_through(&Client::new(), &url).await;
    // The client's own word is not passed on. It is at an address that is not the proxy's.
    let client =
        Client::builder().local_address("127.0.0.2".parse::<std::net::IpAddr>().ok()).build().expect("a client");
    let login = client.post(format!("{url}/v1/session")).json(&json!({"token": TOKEN}));
    let login = login.header("x-forwarded-for", "203.0.113.9").header("x-forwarded-proto", "https");
    let login = login.header("forwarded", "for=203.0.113.9").header("x-forwarded-prefix", "/other");
    let login = login.header("origin", &proxy.1).send().await.expect("answers");
    assert!(login.status() == 200 && cookie(login.headers()).contains("Path=/cronbox;"), "{login:?}");
    assert!(!cookie(login.headers()).contains("Secure"), "{login:?}");
    until("the client is logged", async || server.log().contains("\"client.address\":\"127.0.0.2\"")).await;
    assert!(!server.log().contains("203.0.113.9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_as_it_comes() {
    let folder = Folder::new();
    let server = with_token(&folder, &["--trusted-proxy", "127.0.0.1,::1"]);
    let proxy = caddy(&folder, &server, "http", ":PORT {\n\treverse_proxy UPSTREAM\n}\n").await;
    works_through(&Client::new(), &proxy.1).await;
    let host = proxy.1.trim_start_matches("http://").to_owned();
    let (status, headers) = log_in(&proxy.1, &[("origin", &format!("http://{host}"))]).await;
    assert!(status == 200 && !cookie(&headers).contains("Secure"), "{headers:?}");
}

/// Over TLS and HTTP/2 to the proxy.
#[tokio::test(flavor = "multi_thread")]
async fn caddy_with_tls() {
    let folder = Folder::new();
    let authority = Authority::new(&folder.0);
    authority.certificate("caddy", 30);
    let server = with_token(&folder, &["--trusted-proxy", "127.0.0.1,::1"]);
    let files = ["caddy.pem", "caddy.key"].map(|file| folder.0.join(file).display().to_string()).join(" ");
    let config = format!("https://localhost:PORT {{\n\ttls {files}\n\treverse_proxy UPSTREAM\n}}\n");
    let proxy = caddy(&folder, &server, "https", &config).await;
    let client = authority.client().build().expect("a client");
    works_through(&client, &proxy.1).await;
    let host = proxy.1.trim_start_matches("https://").to_owned();
    let login = client.post(format!("{}/v1/session", proxy.1)).json(&json!({"token": TOKEN}));
    let login = login.header("origin", format!("https://{host}")).send().await.expect("answers");
    assert!(login.status() == 200 && cookie(login.headers()).contains("Secure"), "{login:?}");
    let (code, said) = authority.curl(&format!("--http2 --write-out %{{http_version}} {}/healthz", proxy.1));
    assert_eq!((code, said.as_str()), (Some(0), "ok\n2"));
}

/// The lines of a proxy's configuration in docs/operations.md that begin so.
fn documented(proxy: &str, begin: &str) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).expect("text");
    let block = text.split("```text ").find(|block| block.starts_with(proxy)).expect("its lines are documented");
    let block = block.split("```").next().unwrap_or_default();
    let lines: Vec<&str> = block.lines().map(str::trim).filter(|line| line.starts_with(begin)).collect();
    assert!(!lines.is_empty(), "{block}");
    lines.join("\n")
}
