//! The documents of the folder `docs`, as pages below `/docs`. They are part of the program, so they need no network.
//!
//! A link between documents is relative, so that it works in a copy of the source. Here it becomes the address of the page. A
//! link to another file of the source leads nowhere in a running server: its text is shown, and the file's path as its title.

use super::client::Base;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::{App, Part, docs};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, html};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default().add_page(Need::Nothing, "/docs", index).add_page(Need::Nothing, "/docs/", index).add_page(
        Need::Nothing,
        "/docs/{file}",
        document,
    )
}

/// A document.
#[derive(Debug)]
struct Document {
    /// Its address below `/docs`; the index has none.
    name: &'static str,
    /// Its path in the source.
    file: &'static str,
    /// Its text, in Markdown.
    text: &'static str,
}

macro_rules! documents {
    ($($name:literal: $file:literal,)*) => {
        &[$(Document { name: $name, file: $file, text: include_str!(concat!("../../", $file)) },)*]
    };
}

/// Every document, in the order of the menu.
const DOCUMENTS: &[Document] = documents! {
    "": "docs/README.md",
    "install": "docs/install.md",
    "getting-started": "docs/getting-started.md",
    "page": "docs/page.md",
    "scripts": "docs/scripts.md",
    "schedules": "docs/schedules.md",
    "alerts": "docs/alerts.md",
    "packages": "docs/packages.md",
    "network": "docs/network.md",
    "secrets": "docs/secrets.md",
    "channels": "docs/channels.md",
    "http-api": "docs/http-api.md",
    "operations": "docs/operations.md",
    "security": "docs/security.md",
    "interpreter": "docs/interpreter.md",
    "performance": "docs/performance.md",
    "architecture": "docs/architecture.md",
    "from-apscheduler": "docs/from-apscheduler.md",
    "from-crontab": "docs/from-crontab.md",
    "from-windmill": "docs/from-windmill.md",
    "runtime": "runtime/README.md",
    "python-wasm": "python-wasm/README.md",
    "migrations": "migrations/README.md",
};

/// A file that the documents offer.
#[derive(Debug)]
struct Offered {
    /// Its address below `/docs`.
    name: &'static str,
    /// Its path in the source.
    file: &'static str,
    /// Its media type.
    kind: &'static str,
    text: &'static str,
}

/// What an operator gives to Grafana and to Prometheus.
const OFFERED: &[Offered] = &[
    Offered {
        name: "grafana.json",
        file: "docs/monitoring/grafana.json",
        kind: "application/json",
        text: include_str!("../../docs/monitoring/grafana.json"),
    },
    Offered {
        name: "prometheus-rules.yml",
        file: "docs/monitoring/prometheus-rules.yml",
        kind: "application/yaml",
        text: include_str!("../../docs/monitoring/prometheus-rules.yml"),
    },
];

/// The name of the stylesheet below `/docs`.
const STYLE: &str = "documents.css";

/// A page may load its stylesheet and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Something to send: the media type, the bytes, and the tag by which a client knows whether it has them already.
#[derive(Debug)]
struct Page {
    kind: &'static str,
    bytes: Bytes,
    tag: HeaderValue,
}

impl Page {
    fn new(kind: &'static str, bytes: Bytes) -> Self {
        let hash = hex::encode(&Sha256::digest(&bytes)[..16]);
        // Weak: the same page is sent compressed to clients that ask for it.
        let tag = HeaderValue::try_from(format!("W/\"{hash}\"")).unwrap_or(HeaderValue::from_static("W/\"0\""));
        Page { kind, bytes, tag }
    }

    /// The page, or 304 for a client that has it.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let common = [
            (header::ETAG, self.tag.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        if has(headers, &self.tag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        (common, [(header::CONTENT_TYPE, self.kind)], self.bytes.clone()).into_response()
    }
}

/// Whether a client says that it has what bears this tag (RFC 9110, 13.1.2: tags are compared without their `W/`).
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(tag) = tag.to_str().map(bare) else { return false };
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|given| given.trim() == "*" || bare(given) == tag)
}

/// The pages for clients whose addresses begin with a base path. They are rendered for the first one that asks: this takes a
/// few milliseconds, which no start of a node has to wait for.
#[derive(Debug)]
pub(super) struct Documents(BTreeMap<&'static str, Page>);

impl Documents {
    /// The documents below a base path.
    fn render(base_path: &str) -> Self {
        let rendered: Vec<_> = DOCUMENTS.iter().map(|document| (document, render(document, base_path))).collect();
        let mut pages = BTreeMap::new();
        for (document, body) in &rendered {
            let html = page(document, body, &rendered, base_path);
            pages.insert(document.name, Page::new("text/html; charset=utf-8", html.into()));
        }
        for offered in OFFERED {
            pages.insert(offered.name, Page::new(offered.kind, Bytes::from_static(offered.text.as_bytes())));
        }
        let style = Bytes::from_static(include_bytes!("documents.css"));
        pages.insert(STYLE, Page::new("text/css; charset=utf-8", style));
        Documents(pages)
    }
}

/// The index of the documents.
pub(super) async fn index(
    State(app): State<App>,
    Extension(base): Extension<Base>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    found(&app, &base, "", &headers)
}

/// A document, a file that the documents offer, or the stylesheet. The files of the API reference were here: they are below `/docs/api` now.
pub(super) async fn document(
    State(app): State<App>,
    Extension(base): Extension<Base>,
    Part(name): Part,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if docs::is_file(&name) {
        return Ok(Redirect::temporary(&format!("/docs/api/{name}")).into_response());
    }
    found(&app, &base, name.strip_suffix(".md").unwrap_or(&name), &headers)
}

fn found(app: &App, base: &Base, name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    match app.documents.of(base, Documents::render).0.get(name) {
        Some(page) => Ok(page.answer(headers)),
        None => {
            Err(Problem::not_found("no_such_address", "there is no document of this name; /docs lists the documents"))
        }
    }
}

/// What a document says, as HTML.
#[derive(Debug, Default)]
struct Body {
    title: String,
    html: String,
    /// Its parts: the name of the anchor, and the heading.
    parts: Vec<(String, String)>,
}

fn render(document: &Document, base_path: &str) -> Body {
    let mut rendering =
        Rendering { document, base_path, body: Body::default(), slugs: BTreeMap::new(), is_dead: false };
    let options = Options::ENABLE_TABLES;
    let events: Vec<_> = Parser::new_ext(document.text, options).collect();
    let mut out = Vec::with_capacity(events.len());
    let mut rest = events.as_slice();
    while let Some((event, after)) = rest.split_first() {
        rest = rendering.take(event, after, &mut out);
    }
    html::push_html(&mut rendering.body.html, out.into_iter());
    rendering.body
}

/// A document that is being rendered.
struct Rendering<'a> {
    document: &'a Document,
    base_path: &'a str,
    body: Body,
    /// How often each anchor's name came.
    slugs: BTreeMap<String, u32>,
    /// Whether we are in a link that leads nowhere here.
    is_dead: bool,
}

impl Rendering<'_> {
    /// Takes an event, and those after it that belong to it; returns what is left.
    fn take<'e>(&mut self, event: &Event<'e>, after: &'e [Event<'e>], out: &mut Vec<Event<'e>>) -> &'e [Event<'e>] {
        match event {
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                let end = after.iter().position(|event| matches!(event, Event::End(TagEnd::Heading(_))));
                let title = text_of(after.get(..end.unwrap_or_default()).unwrap_or_default());
                let slug = self.slug(&title);
                let id = Some(CowStr::from(slug.clone()));
                out.push(Event::Start(Tag::Heading {
                    level: *level,
                    id,
                    classes: classes.clone(),
                    attrs: attrs.clone(),
                }));
                match *level as usize {
                    1 => self.body.title = title,
                    2 => self.body.parts.push((slug, title)),
                    _ => {}
                }
            }
            Event::End(TagEnd::Heading(level)) => {
                if let (2.., Some(slug)) = (*level as usize, last_id(out)) {
                    out.push(markup(format!(
                        " <a class=\"anchor\" href=\"#{slug}\" aria-label=\"Link to this part\">#</a>"
                    )));
                }
                out.push(event.clone());
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => match self.address(dest_url) {
                Ok(dest_url) => out.push(Event::Start(Tag::Link {
                    link_type: *link_type,
                    dest_url: dest_url.into(),
                    title: title.clone(),
                    id: id.clone(),
                })),
                Err(path) => {
                    self.is_dead = true;
                    out.push(markup(format!("<span class=\"source\" title=\"{} in the source\">", escaped(&path))));
                }
            },
            Event::End(TagEnd::Link) if self.is_dead => {
                self.is_dead = false;
                out.push(markup("</span>".into()));
            }
            Event::Start(Tag::Table(_)) => {
                out.push(markup("<div class=\"wide\">".into()));
                out.push(event.clone());
            }
            Event::End(TagEnd::Table) => {
                out.push(event.clone());
                out.push(markup("</div>".into()));
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let end = after.iter().position(|event| matches!(event, Event::End(TagEnd::CodeBlock)));
                let (code, rest) = after.split_at(end.unwrap_or(after.len()));
                out.push(markup(code_block(kind, &text_of(code))));
                return rest.get(1..).unwrap_or_default();
            }
            event => out.push(event.clone()),
        }
        after
    }

    /// The name of a heading's anchor, as GitHub makes it.
    fn slug(&mut self, title: &str) -> String {
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect();
        let count = self.slugs.entry(slug.clone()).or_default();
        *count += 1;
        if *count > 1 { format!("{slug}-{}", *count - 1) } else { slug }
    }

    /// The address of what a link names; the path of a file that has none here.
    fn address(&self, link: &str) -> Result<String, String> {
        if link.starts_with('#') || link.contains("://") {
            return Ok(link.to_owned());
        }
        let (path, part) = link.split_once('#').map_or((link, ""), |(path, part)| (path, part));
        let folder = self.document.file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = joined(folder, path);
        let offered = OFFERED.iter().find(|offered| offered.file == path).map(|offered| offered.name);
        let document = || DOCUMENTS.iter().find(|document| document.file == path).map(|document| document.name);
        match offered.or_else(document) {
            Some(name) => {
                let part = if part.is_empty() { String::new() } else { format!("#{part}") };
                Ok(format!("{}{part}", address_of(name, self.base_path)))
            }
            None => Err(path),
        }
    }
}

/// The address of a document.
fn address_of(name: &str, base_path: &str) -> String {
    if name.is_empty() { format!("{base_path}/docs") } else { format!("{base_path}/docs/{name}") }
}

/// A path that is relative to a folder.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The text of a few events, without what marks it.
fn text_of(events: &[Event<'_>]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
        Event::SoftBreak => Some(" "),
        _ => None,
    });
    texts.collect()
}

/// The id of the heading that was begun last.
fn last_id(events: &[Event<'_>]) -> Option<String> {
    events.iter().rev().find_map(|event| match event {
        Event::Start(Tag::Heading { id, .. }) => id.as_ref().map(ToString::to_string),
        _ => None,
    })
}

fn markup(html: String) -> Event<'static> {
    Event::Html(html.into())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A block of code. Of a console the commands look different from what they print; a file has its name above it.
fn code_block(kind: &CodeBlockKind<'_>, code: &str) -> String {
    let info = if let CodeBlockKind::Fenced(info) = kind { info.as_ref() } else { "" };
    let (language, name) = info.split_once(' ').unwrap_or((info, ""));
    if language != "console" {
        let name = if name.is_empty() { String::new() } else { format!("<p class=\"file\">{}</p>\n", escaped(name)) };
        return format!("{name}<pre><code>{}</code></pre>\n", escaped(code));
    }
    let mut html = String::from("<pre class=\"console\"><code>");
    let mut is_command = false;
    for line in code.lines() {
        is_command = is_command || line.starts_with("$ ");
        let line_html = escaped(line);
        let _ = if is_command { writeln!(html, "<b>{line_html}</b>") } else { writeln!(html, "{line_html}") };
        is_command = is_command && line.ends_with('\\');
    }
    html + "</code></pre>\n"
}

/// The whole page: the menu, and the document.
fn page(document: &Document, body: &Body, all: &[(&Document, Body)], base_path: &str) -> String {
    let base = escaped(base_path);
    let mut menu = String::new();
    for (other, said) in all {
        let title = if other.name.is_empty() { "All documents" } else { &said.title };
        let here = if other.name == document.name { " aria-current=\"page\"" } else { "" };
        let address = escaped(&address_of(other.name, base_path));
        let _ = write!(menu, "<li><a href=\"{address}\"{here}>{}</a>", escaped(title));
        if other.name == document.name && !other.name.is_empty() && !body.parts.is_empty() {
            menu.push_str("<ul>");
            for (slug, part) in &body.parts {
                let _ = write!(menu, "<li><a href=\"#{}\">{}</a></li>", escaped(slug), escaped(part));
            }
            menu.push_str("</ul>");
        }
        menu.push_str("</li>\n");
    }
    let title = escaped(&body.title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Cronbox</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"{base}/docs/{STYLE}\">\n</head>\n<body>\n\
         <header><a href=\"{base}/docs\">Cronbox</a><a href=\"{base}/docs/api/\">API reference</a>\
         <a class=\"menu\" href=\"#menu\">Menu</a></header>\n\
         <div class=\"page\">\n<main>\n{}</main>\n<nav id=\"menu\" aria-label=\"Documents\"><ul>\n{menu}</ul></nav>\n</div>\n\
         </body>\n</html>\n",
        body.html
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_document_has_a_page() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let there = entries.map(|name| format!("docs/{}", name.to_string_lossy())).filter(|name| name.ends_with(".md"));
        let there: BTreeSet<String> = there.collect();
        let shown = DOCUMENTS.iter().map(|document| document.file.to_owned()).filter(|file| file.starts_with("docs/"));
        assert_eq!(shown.collect::<BTreeSet<_>>(), there);
    }

    #[test]
    fn links_lead_to_pages_and_parts_that_are_there() {
        let bodies: Vec<_> = DOCUMENTS.iter().map(|document| (document, render(document, "/below"))).collect();
        let parts = |address: &str| {
            let name = address.strip_prefix("/below/docs").expect("below").trim_start_matches('/');
            let found = bodies.iter().find(|(document, _)| document.name == name);
            found.map(|(_, body)| body.html.clone()).unwrap_or_else(|| panic!("{address} leads nowhere"))
        };
        let (mut counted, mut reached, mut offered) = (0, BTreeSet::new(), BTreeSet::new());
        for (document, body) in &bodies {
            for link in body.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                if link.contains("://") {
                    continue;
                }
                let (address, part) = link.split_once('#').map_or((link, ""), |(address, part)| (address, part));
                if let Some(file) = OFFERED.iter().find(|file| address_of(file.name, "/below") == address) {
                    offered.insert(file.name);
                    continue;
                }
                let html = if address.is_empty() { body.html.clone() } else { parts(address) };
                let is_there = part.is_empty() || html.contains(&format!(" id=\"{part}\""));
                assert!(is_there, "{} links to {link}, and there is no such part", document.file);
                counted += 1;
                if document.name.is_empty() {
                    reached.insert(address.rsplit('/').next().unwrap_or_default().to_owned());
                }
            }
        }
        assert!(counted > 50, "{counted} links");
        let all = DOCUMENTS.iter().filter(|document| document.file.starts_with("docs/")).map(|document| document.name);
        let missing: Vec<_> = all.filter(|name| !name.is_empty() && !reached.contains(*name)).collect();
        assert!(missing.is_empty(), "the index does not link {missing:?}");
        assert_eq!(offered.len(), OFFERED.len(), "only {offered:?} are linked");
    }

    #[test]
    fn a_document_is_rendered() {
        let text = "# Title\n\n## A part: `x`\n\n## A part: `x`\n\n[one](scripts.md#end) [two](../src/lib.rs) <\n\n\
                    ```console\n$ a \\\n  b\nsaid <c>\n```\n\n```python d.py\nx\n```\n\n| a |\n| --- |\n| b |\n";
        let body = render(&Document { name: "x", file: "docs/x.md", text }, "/b");
        let parts: Vec<_> = body.parts.iter().map(|(slug, title)| (slug.as_str(), title.as_str())).collect();
        assert_eq!(
            (body.title.as_str(), parts),
            ("Title", vec![("a-part-x", "A part: x"), ("a-part-x-1", "A part: x")])
        );
        for there in [
            "<h2 id=\"a-part-x\">A part: <code>x</code> <a class=\"anchor\" href=\"#a-part-x\"",
            "<a href=\"/b/docs/scripts#end\">one</a> <span class=\"source\" title=\"src/lib.rs in the source\">two</span> &lt;",
            "<b>$ a \\</b>\n<b>  b</b>\nsaid &lt;c&gt;\n",
            "<p class=\"file\">d.py</p>\n<pre><code>x\n</code></pre>",
            "<div class=\"wide\"><table>",
        ] {
            assert!(body.html.contains(there), "{there} is not in {}", body.html);
        }
    }

    #[test]
    fn a_client_that_has_a_page_is_told_so() {
        let page = Page::new("text/html", Bytes::from_static(b"x"));
        let asked = |tag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::try_from(tag).expect("a value"));
            page.answer(&headers).status().as_u16()
        };
        let tag = page.tag.to_str().expect("text");
        assert_eq!(
            (asked(tag), asked(&format!("\"a\", {}", &tag[2..])), asked("*"), asked("\"a\"")),
            (304, 304, 304, 200)
        );
    }
}
