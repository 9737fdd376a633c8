//! The documents as the program serves them.

use crate::support::server::{Folder, Server};
use reqwest::{Client, Method, redirect};
use std::collections::{BTreeMap, BTreeSet};

/// Where the links of a page lead, without those to other servers.
fn links(html: &str) -> BTreeSet<String> {
    let links = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter(|link| !link.contains(':')).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_reached_and_every_address_answers() {
    let folder = Folder::new();
    for base in ["", "/below"] {
        let words = ["--ephemeral", "--base-path", base];
        let server = Server::start(&folder.0, if base.is_empty() { &words[..1] } else { &words[..] });
        let root = server.url.strip_suffix(base).expect("it says its path").to_owned();
        let client = Client::builder().redirect(redirect::Policy::none()).build().expect("a client");
        let (mut pages, mut left) = (BTreeMap::new(), vec![format!("{base}/docs")]);
        while let Some(address) = left.pop() {
            let path = address.split('#').next().expect("a path").to_owned();
            if pages.contains_key(&path) {
                continue;
            }
            let answer = client.get(format!("{root}{path}")).send().await.expect("answers");
            if answer.status() == 307 {
                assert!(path.starts_with(&format!("{base}/docs/api")), "{path} leads elsewhere");
                pages.insert(path, String::new());
                continue;
            }
            assert_eq!(answer.status(), 200, "{path}");
            let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
            let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
            assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
            let html = answer.text().await.expect("text");
            if kind.starts_with("text/html") {
                assert!(!html.contains("<script") && !html.contains(" style="), "{path} keeps to its policy");
                left.extend(links(&html).into_iter().filter(|link| !link.starts_with('#')));
            }
            pages.insert(path, html);
        }
        for document in super::documents().iter().filter_map(|file| file.strip_prefix("docs/")?.strip_suffix(".md")) {
            let address = format!("{base}/docs/{document}");
            let is_page = pages.get(&address).is_some_and(|page| page.contains("<main>"));
            assert!(document == "README" || is_page, "{address} is not reached from /docs");
        }
        assert!(pages.contains_key(&format!("{base}/docs/api/")), "the API reference is not reached");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_answered_as_static_files_are() {
    let (_folder, server) = Server::ephemeral();
    let get = |path: &str| server.request(Method::GET, path);
    let page = get("/docs/schedules").send().await.expect("answers");
    let tag = page.headers()["etag"].clone();
    assert_eq!(page.headers()["cache-control"], "no-cache");
    let length = page.content_length();
    let head = server.request(Method::HEAD, "/docs/schedules").send().await.expect("answers");
    assert_eq!((head.status().as_u16(), &head.headers()["etag"]), (200, &tag));
    let named = head.headers()["content-length"].to_str().expect("text").parse().ok();
    assert_eq!((named, head.text().await.expect("text").len()), (length, 0));
    let again = get("/docs/schedules").header("if-none-match", &tag).send().await.expect("answers");
    assert_eq!((again.status().as_u16(), again.text().await.expect("text").len()), (304, 0));
    let other = get("/docs/schedules").header("if-none-match", "\"other\"").send().await.expect("answers");
    assert_eq!(other.status(), 200);
    let packed = get("/docs/schedules").header("accept-encoding", "gzip").send().await.expect("answers");
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(get("/docs/schedules.md").send().await.expect("answers").status(), 200);
    assert_eq!(get("/docs/").send().await.expect("answers").status(), 200);
    for nothing in ["/docs/nothing", "/docs/..%2fREADME", "/docs/api/nothing.js"] {
        assert_eq!(get(nothing).send().await.expect("answers").status(), 404, "{nothing}");
    }
    // What is not there is told to programs; a browser gets the page, which tells it there.
    assert_eq!(get("/nothing").send().await.expect("answers").status(), 404);
    let browser = get("/nothing").header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    assert_eq!(browser.send().await.expect("answers").status(), 200);
    // Where the API reference was before.
    let old = get("/docs/index.html").send().await.expect("answers");
    assert_eq!((old.status().as_u16(), old.url().path()), (200, "/docs/api/index.html"));
}

/// Addresses that documents name, outside of the API, answer without a token.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_documents_name_answer() {
    let (_folder, server) = Server::ephemeral();
    let mut found = BTreeSet::new();
    for file in super::documents() {
        let text = super::prose(&file);
        let own = ["/docs", "/healthz", "/readyz", "/openapi.json", "/metrics"];
        let named = super::quoted(&text).filter(|span| own.iter().any(|own| span.starts_with(own)));
        found.extend(named.filter(|span| !span.contains(' ')).map(str::to_owned));
    }
    assert!(found.len() >= 6, "{found:?}");
    for address in found {
        let answer = server.request(Method::GET, &address).send().await.expect("answers");
        assert_eq!(answer.status(), 200, "{address}");
    }
}
