//! The page in a real browser, against the real program: each file of `web/e2e` is a journey.

use crate::support::server::{Folder, Server};
use crate::support::tests_folder;
use std::process::Command;

/// Runs a journey to its end; what it wrote is shown when it fails.
fn journey(name: &str) {
    let node = std::env::var("CRONBOX_TEST_PAGE_NODE").expect("CRONBOX_TEST_PAGE_NODE: `make test` sets it");
    let file = tests_folder().join("../web/e2e").join(name).with_extension("ts");
    let done = Command::new(node)
        .args(["--disable-warning=ExperimentalWarning", "--test-reporter=spec"])
        .arg(file)
        .env("CRONBOX_PROGRAM", env!("CARGO_BIN_EXE_cronbox"))
        .output()
        .expect("Node.js starts");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}\n{err}");
}

#[test]
fn overview() {
    journey("overview");
}

#[test]
fn session() {
    journey("session");
}

#[test]
fn palette() {
    journey("palette");
}

#[test]
fn budgets() {
    journey("budgets");
}

#[test]
fn newcomer() {
    journey("newcomer");
}

#[test]
fn everywhere() {
    journey("everywhere");
}

#[test]
fn scripts() {
    journey("scripts");
}

#[test]
fn schedules() {
    journey("schedules");
}

#[test]
fn runs() {
    journey("runs");
}

#[test]
fn many_runs() {
    journey("many-runs");
}

#[test]
fn charts() {
    journey("charts");
}

#[test]
fn access() {
    journey("access");
}

#[test]
fn alerts() {
    journey("alerts");
}

#[test]
fn hostile() {
    journey("hostile");
}

/// The types that the page is compiled against are those of the description that the program serves: a drift is a failure.
#[test]
fn types_are_those_of_the_api() {
    let web = tests_folder().join("../web");
    let folder = Folder::new();
    folder.write("openapi.json", cronbox::http::document());
    let made = folder.0.join("schema.d.ts");
    let done =
        Command::new(std::env::var("CRONBOX_TEST_PAGE_NODE").expect("CRONBOX_TEST_PAGE_NODE: `make test` sets it"))
            .arg(web.join("node_modules/openapi-typescript/bin/cli.js"))
            .arg(folder.0.join("openapi.json"))
            .args(["--default-non-nullable", "false", "--empty-objects-unknown", "-o"])
            .arg(&made)
            .output()
            .expect("Node.js starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (made, kept) = (std::fs::read_to_string(made), std::fs::read_to_string(web.join("src/api/schema.d.ts")));
    let is_same = made.expect("made") == kept.expect("there");
    assert!(
        is_same,
        "web/src/api/schema.d.ts is not of this description: write it again by `npm run types` in web, with CRONBOX_URL"
    );
}

/// The page's files, as the program serves them below a base path.
#[tokio::test(flavor = "multi_thread")]
async fn files() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral", "--base-path", "/box"]);
    let client = reqwest::Client::new();
    let root = server.url.strip_suffix("/box").unwrap_or(&server.url).to_owned();
    let page = client.get(format!("{root}/box/")).send().await.expect("answers");
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let html = page.text().await.expect("text");
    assert!(html.contains("<base href=\"/box/\""), "{html}");
    // The same page at each of its own addresses.
    let deep =
        client.get(format!("{root}/box/scripts/tea")).header("accept", "text/html").send().await.expect("answers");
    assert_eq!(deep.text().await.expect("text"), html);
    let script = html.split("src=\"./").nth(1).and_then(|rest| rest.split('"').next()).expect("a script").to_owned();
    let mut lengths = Vec::new();
    for coding in ["br", "gzip", "identity"] {
        let request = client.get(format!("{root}/box/{script}")).header("accept-encoding", coding);
        let file = request.send().await.expect("answers");
        assert_eq!(
            (file.status().as_u16(), &file.headers()["content-type"]),
            (200, &"text/javascript; charset=utf-8".parse().expect("a value"))
        );
        assert!(file.headers()["cache-control"].to_str().expect("text").contains("immutable"));
        let named =
            file.headers().get("content-encoding").map_or("identity", |value| value.to_str().expect("text")).to_owned();
        assert_eq!(named, coding);
        lengths.push(file.bytes().await.expect("bytes").len());
    }
    assert!(lengths.is_sorted() && lengths[0] < lengths[2] / 2, "{lengths:?}");
    let gone = client.get(format!("{root}/box/assets/old-1234.js")).send().await.expect("answers");
    assert_eq!(gone.status(), 404);
}
