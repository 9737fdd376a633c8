//! Packages of scripts: resolved from an index or a directory of wheels, unpacked under rules, the same in every run.

mod encryption;
mod optional;
mod resolving;

use crate::support::PROGRAM;
use crate::support::server::{Folder, Server};
use axum::Router;
use axum::extract::{Path as Place, State};
use axum::response::Html;
use axum::routing::get;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What a wheel is made of.
#[derive(Clone, Default)]
struct Wheel {
    name: &'static str,
    version: &'static str,
    requires: Vec<&'static str>,
    files: Vec<(&'static str, Vec<u8>)>,
    /// Files that RECORD says something else about, or nothing.
    unrecorded: Vec<(&'static str, Vec<u8>)>,
    link: Option<&'static str>,
    tag: Option<&'static str>,
}

impl Wheel {
    fn new(name: &'static str, version: &'static str, module: &str) -> Self {
        let path: &'static str = Box::leak(format!("{name}/__init__.py").into_boxed_str());
        Wheel { name, version, files: vec![(path, module.as_bytes().to_vec())], ..Wheel::default() }
    }

    fn requires(mut self, requirement: &'static str) -> Self {
        self.requires.push(requirement);
        self
    }

    fn with(mut self, path: &'static str, content: &[u8]) -> Self {
        self.files.push((path, content.to_vec()));
        self
    }

    fn file_name(&self) -> String {
        format!("{}-{}-{}.whl", self.name, self.version, self.tag.unwrap_or("py3-none-any"))
    }

    fn bytes(&self) -> Vec<u8> {
        let info = format!("{}-{}.dist-info", self.name, self.version);
        let requires: String = self.requires.iter().map(|other| format!("Requires-Dist: {other}\n")).collect();
        let metadata = format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n{requires}", self.name, self.version);
        let mut files: Vec<(String, Vec<u8>)> =
            self.files.iter().map(|(path, content)| ((*path).to_owned(), content.clone())).collect();
        files.push((format!("{info}/METADATA"), metadata.into_bytes()));
        files.push((
            format!("{info}/WHEEL"),
            b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_vec(),
        ));
        let row = |(path, content): &(String, Vec<u8>)| {
            format!("{path},sha256={},{}\n", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(content)), content.len())
        };
        let record: String = files.iter().map(row).collect::<String>() + &format!("{info}/RECORD,,\n");
        files.push((format!("{info}/RECORD"), record.into_bytes()));
        for (path, content) in &self.unrecorded {
            files.retain(|(other, _)| other != path);
            files.push(((*path).to_owned(), content.clone()));
        }
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in &files {
            zip.start_file(path.as_str(), SimpleFileOptions::default()).expect("begins");
            zip.write_all(content).expect("writes");
        }
        if let Some(target) = self.link {
            zip.add_symlink("link.py", target, SimpleFileOptions::default()).expect("links");
        }
        zip.finish().expect("ends").into_inner()
    }

    fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join(self.file_name()), self.bytes()).expect("writes");
    }
}

fn asking(dependencies: &[&str], body: &str) -> String {
    format!("# /// script\n# dependencies = {}\n# ///\n{body}\n", json!(dependencies))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// `cronbox run` of a source, with a package cache of the test's own.
fn run(folder: &Folder, source: &str, words: &[&str]) -> Output {
    let file = folder.0.join("script.py");
    std::fs::write(&file, source).expect("writes");
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg(&file).args(["--quiet", "--interpreter-cache", text(&crate::support::interpreter_cache())]);
    command.args(["--package-cache", text(&folder.0.join("cache"))]).args(words);
    command.output().expect("starts")
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_file_brings_its_packages_along() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    Wheel::new("demo", "1.0", "from other import WORD\n")
        .requires("other>=2")
        .with("demo/data.txt", b"some data")
        .write(&wheels);
    Wheel::new("other", "2.1", "WORD = 'packed'\n").requires("winonly; sys_platform == 'win32'").write(&wheels);
    Wheel::new("other", "1.0", "WORD = 'old'\n").write(&wheels);
    Wheel::new("winonly", "1.0", "").write(&wheels);
    let source = asking(
        &["demo"],
        "import demo, importlib.metadata, importlib.resources, os, inspect\n\ndef run():\n    text = \
         importlib.resources.files('demo').joinpath('data.txt').read_text()\n    return [demo.WORD, text, \
         importlib.metadata.version('other'), demo.__file__, demo.__cached__, inspect.getsource(demo), os.listdir('/packages/..')]",
    );
    let (code, _, why) = said(&run(&folder, &source, &["--offline", "--index", text(&wheels)]));
    assert_eq!(code, Some(5), "{why}");
    assert!(why.contains("packages that no run has brought yet: demo; run it once without --offline"), "{why}");
    let expected = json!([
        "packed",
        "some data",
        "2.1",
        "/packages/demo/__init__.py",
        "/packages/demo/__pycache__/__init__.cpython-314.pyc",
        "from other import WORD\n",
        ["app", "dev", "output", "packages", "tmp"]
    ]);
    let (code, result, why) = said(&run(&folder, &source, &["--index", text(&wheels)]));
    assert_eq!((code, serde_json::from_str(&result).ok()), (Some(0), Some(expected.clone())), "{result} {why}");
    // What is there needs no index any more, and a changed code the same packages.
    std::fs::rename(&wheels, folder.0.join("elsewhere")).expect("renames");
    std::fs::create_dir(&wheels).expect("a folder");
    let (code, result, why) =
        said(&run(&folder, &format!("{source}\n# more\n"), &["--offline", "--index", text(&wheels)]));
    assert_eq!((code, serde_json::from_str(&result).ok()), (Some(0), Some(expected)), "{why}");
    // A set that somebody changed is none.
    for set in std::fs::read_dir(folder.0.join("cache/sets")).expect("a folder") {
        let set = set.expect("an entry").path();
        let mut bytes = std::fs::read(&set).expect("reads");
        *bytes.last_mut().expect("not empty") ^= 1;
        std::fs::write(&set, bytes).expect("writes");
    }
    assert_eq!(said(&run(&folder, &source, &["--offline", "--index", text(&wheels)])).0, Some(5));
}

#[test]
fn the_library_wins_over_a_package_of_the_same_name_and_nothing_runs_by_itself() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    let shadow = b"raise SystemExit('a package took the place of a module of the library')\n";
    Wheel::new("demo", "1.0", "x = 1\n")
        .with("json/__init__.py", shadow)
        .with("os.py", shadow)
        .with("socket.py", shadow)
        .with("sitecustomize.py", shadow)
        .with("usercustomize.py", shadow)
        .with("demo.pth", b"import os; os._exit(1)\n")
        .write(&wheels);
    let source = asking(
        &["demo"],
        "import json, os, socket, demo\ndef run(): return [json.__file__, hasattr(os, 'urandom'), demo.x, os.path.exists('/packages/demo.pth')]",
    );
    let (code, result, why) = said(&run(&folder, &source, &["--index", text(&wheels)]));
    assert_eq!((code, &*result), (Some(0), "[\"/python/json/__init__.py\",true,1,false]"), "{why}");
    // Another script sees nothing of it.
    let (code, _, why) = said(&run(&folder, "import demo\n", &[]));
    assert_eq!(code, Some(1));
    assert!(why.contains("list the package under dependencies (PEP 723)"), "{why}");
}

/// A file of an index: its name, the digest that the page says, its content, and why it was yanked.
type Entry = (String, String, Vec<u8>, Option<&'static str>);

/// An index of the test's own: pages of links as PEP 503 has them.
#[derive(Clone, Default)]
struct Listed {
    /// By project.
    projects: BTreeMap<String, Vec<Entry>>,
}

impl Listed {
    fn add(&mut self, wheel: &Wheel, digest: Option<&str>, yanked: Option<&'static str>) {
        let bytes = wheel.bytes();
        let real: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let entry = (wheel.file_name(), digest.unwrap_or(&real).to_owned(), bytes, yanked);
        self.projects.entry(wheel.name.to_owned()).or_default().push(entry);
    }

    /// Serves it, and says where.
    async fn serve(self) -> String {
        let page = |State(index): State<Arc<Listed>>, Place(project): Place<String>| async move {
            let files = index.projects.get(&project).ok_or(StatusCode::NOT_FOUND)?;
            let link = |(name, digest, _, yanked): &Entry| {
                let yanked = yanked.map(|why| format!(" data-yanked=\"{why}\"")).unwrap_or_default();
                format!("<a href=\"/files/{project}/{name}#sha256={digest}\"{yanked}>{name}</a>\n")
            };
            Ok::<_, StatusCode>(Html(files.iter().map(link).collect::<String>()))
        };
        let file = |State(index): State<Arc<Listed>>, Place((project, name)): Place<(String, String)>| async move {
            let files = index.projects.get(&project).ok_or(StatusCode::NOT_FOUND)?;
            files.iter().find(|entry| entry.0 == name).map(|entry| entry.2.clone()).ok_or(StatusCode::NOT_FOUND)
        };
        let router = Router::new()
            .route("/simple/{project}/", get(page))
            .route("/files/{project}/{name}", get(file))
            .with_state(Arc::new(self));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/simple/")
    }
}

/// A server with a package cache of its own.
fn serve(folder: &Folder, index: &str) -> Server {
    Server::start(&folder.0, &["--index", index, "--package-cache", text(&folder.0.join("package-cache"))])
}

async fn put(server: &Server, name: &str, source: &str) -> (u16, Value) {
    let (status, body) = server.put(name, source).await;
    (status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_locks_its_packages_and_runs_never_ask_the_index() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    Wheel::new("demo", "1.0", "WORD = 'one'\n").write(&wheels);
    let mut server = serve(&folder, text(&wheels));
    let source = asking(&["demo"], "import demo\ndef run(): return demo.WORD");
    let (status, kept) = put(&server, "locked", &source).await;
    assert_eq!((status, &kept["packages"]), (201, &json!([{"name": "demo", "version": "1.0"}])), "{kept}");
    assert_eq!(kept["warnings"], json!([]), "a package that is there is no unknown module");
    assert_eq!(server.run("locked", &json!({})).await["result"], "one");
    // A newer one comes: the lock stays as long as the script asks for the same, also in another version of it.
    Wheel::new("demo", "2.0", "WORD = 'two'\n").write(&wheels);
    let (_, kept) = put(&server, "locked", &format!("{source}\n# changed\n")).await;
    assert_eq!((&kept["version"], &kept["packages"][0]["version"]), (&json!(2), &json!("1.0")));
    assert_eq!(server.run("locked", &json!({})).await["result"], "one");
    // Until somebody asks for it.
    let upgrade = server.request(Method::PUT, "/v1/scripts/locked?upgrade=true").body(source.clone());
    let (status, kept) = server.json(upgrade).await;
    assert_eq!((status, &kept["packages"][0]["version"]), (200, &json!("2.0")), "{kept}");
    assert_eq!(server.run("locked", &json!({})).await["result"], "two");
    // The index goes away, the server dies, its cache is lost: runs go on.
    std::fs::remove_dir_all(&wheels).expect("removes");
    std::fs::create_dir(&wheels).expect("a folder");
    server.kill();
    std::fs::remove_dir_all(folder.0.join("package-cache")).expect("removes");
    server.up();
    assert_eq!(server.run("locked", &json!({})).await["result"], "two");
    let (status, kept) = put(&server, "locked", &format!("{source}\n# once more\n")).await;
    assert_eq!(status, 201, "what is asked for is there: {kept}");
    // Something else is not.
    let (status, problem) = put(&server, "locked", &asking(&["demo<1.5"], "import demo")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("packages_unsatisfiable")), "{problem}");
    assert_eq!(server.run("locked", &json!({})).await["result"], "two", "the last good version stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_and_source_sent_along_bring_packages_too() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    let demo = Wheel::new("demo", "1.0", "WORD = 'one'\n");
    demo.write(&wheels);
    let digest: String = Sha256::digest(demo.bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let server = serve(&folder, text(&wheels));
    let source = asking(&["demo"], "import demo\ndef run(): return demo.WORD");
    let (status, done) = server.post("/v1/runs?wait=30s", &json!({"source": source})).await;
    assert_eq!((status, &done["result"]), (200, &json!("one")), "{done}");
    let (status, problem) = server.post("/v1/runs", &json!({"source": asking(&["absent"], "")})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("packages_unsatisfiable")));
    let bundle = |requirements: &str| {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in
            [("main.py", "import demo\ndef run(): return demo.WORD\n"), ("requirements.txt", requirements)]
        {
            zip.start_file(path, SimpleFileOptions::default()).expect("begins");
            zip.write_all(content.as_bytes()).expect("writes");
        }
        let body = zip.finish().expect("ends").into_inner();
        server.json(
            server.request(Method::PUT, "/v1/scripts/bundle").header("content-type", "application/zip").body(body),
        )
    };
    let (status, problem) = bundle("# what we need\ndemo\n--extra-index-url https://example.com\n").await;
    assert_eq!((status, &problem["code"]), (422, &json!("bad_requirement")));
    assert!(problem["detail"].as_str().expect("text").starts_with("requirements.txt:3: "), "{problem}");
    let (status, problem) = bundle(&format!("demo --hash=sha256:{}\n", "0".repeat(64))).await;
    assert_eq!((status, &problem["code"]), (422, &json!("bad_wheel")), "{problem}");
    let (status, kept) = bundle(&format!("demo==1.0 \\\n  --hash=sha256:{digest}\n")).await;
    assert_eq!(status, 201, "{kept}");
    assert_eq!(server.run("bundle", &json!({})).await["result"], "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_wheels_are_refused_with_the_reason_and_leave_nothing() {
    let folder = Folder::new();
    let plain = |name| Wheel::new(name, "1.0", "");
    let zeros = vec![0; 40 << 20];
    let many: Vec<_> =
        (0..12_001).map(|n| (&*Box::leak(format!("evil12/f{n}").into_boxed_str()), Vec::new())).collect();
    let cases = [
        (plain("evil1").with("../../../../tmp/out.py", b""), "no path inside a package"),
        (plain("evil2").with("/etc/cron.d/evil", b""), "no path inside a package"),
        (plain("evil4").with("evil4/_speed.cpython-314-wasm32-wasi.so", b"\0asm"), "machine code"),
        (Wheel { link: Some("/etc/passwd"), ..plain("evil5") }, "no plain file"),
        (plain("evil6").with("evil6/zeros.bin", &zeros), "too large"),
        (
            Wheel { unrecorded: vec![("evil7/__init__.py", b"changed".to_vec())], ..plain("evil7") },
            "not what its RECORD says",
        ),
        (Wheel { unrecorded: vec![("evil8/more.py", Vec::new())], ..plain("evil8") }, "not in its RECORD"),
        (plain("evil9").with("evil9\\..\\..\\x.py", b""), "no path inside a package"),
        (plain("evil10").with("EVIL10/__init__.py", b""), "in case only"),
        (Wheel { files: many, ..plain("evil12") }, "files"),
    ];
    let mut index = Listed::default();
    for (wheel, _) in &cases {
        index.add(wheel, None, None);
    }
    index.add(&plain("tampered"), Some(&"0".repeat(64)), None);
    index.add(&Wheel { tag: Some("cp314-cp314-manylinux_2_17_x86_64"), ..plain("lxml") }, None, None);
    index.add(&plain("top").requires("lxml"), None, None);
    index.add(&plain("yanked"), None, Some("it lost data"));
    let server = serve(&folder, &index.serve().await);
    for (wheel, reason) in &cases {
        let (status, problem) = put(&server, "evil", &asking(&[wheel.name], "")).await;
        assert_eq!((status, &problem["code"]), (422, &json!("bad_wheel")), "{}: {problem}", wheel.name);
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.starts_with(&format!("{} 1.0: ", wheel.name)) && detail.contains(reason), "{detail}");
    }
    let (status, problem) = put(&server, "evil", &asking(&["tampered"], "")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("bad_wheel")));
    assert!(problem["detail"].as_str().expect("text").contains("digests differ"), "{problem}");
    let (status, problem) = put(&server, "evil", &asking(&["top"], "")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("package_not_pure")));
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("lxml 1.0 (needed by top)") && detail.contains("use html.parser"), "{detail}");
    let (status, problem) = put(&server, "evil", &asking(&["absent"], "")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("packages_unsatisfiable")), "{problem}");
    let (status, problem) = put(&server, "evil", &asking(&["yanked==1.0", "yanked>1.0"], "")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("packages_unsatisfiable")), "{problem}");
    // Nothing is left of all that but wheels that matched their digests, which nobody was given.
    let (_, scripts) = server.get("/v1/scripts").await;
    assert_eq!(scripts["items"], json!([]));
    let cache = folder.0.join("package-cache");
    let left: Vec<_> =
        std::fs::read_dir(&cache).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(left.iter().all(|name| name == "uv" || name == "wheels"), "{left:?}");
    let (status, kept) = put(&server, "old", &asking(&["yanked==1.0"], "import yanked")).await;
    assert_eq!(status, 201, "{kept}");
    assert!(kept["warnings"][0]["message"].as_str().is_some_and(|text| text.contains("it lost data")), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_away_is_said_to_be_away() {
    let folder = Folder::new();
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let server = serve(&folder, &format!("http://127.0.0.1:{port}/simple"));
    let response =
        server.request(Method::PUT, "/v1/scripts/later").body(asking(&["demo"], "")).send().await.expect("answers");
    assert_eq!(response.status().as_u16(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let problem: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(problem["code"], "index_unavailable");
    // Scripts without packages do not notice.
    assert_eq!(put(&server, "plain", "def run(): return 1").await.0, 201);
}

#[test]
fn the_package_process_sees_no_files_but_those_it_needs() {
    let folder = Folder::new();
    let (wheels, secret) = (folder.0.join("wheels"), folder.0.join("secret"));
    Wheel::new("demo", "1.0", "").write(&secret);
    std::fs::create_dir(&wheels).expect("a folder");
    let name = Wheel::new("demo", "1.0", "").file_name();
    std::os::unix::fs::symlink(secret.join(&name), wheels.join(&name)).expect("links");
    let (code, _, why) = said(&run(&folder, &asking(&["demo"], ""), &["--index", text(&wheels)]));
    assert!(matches!(code, Some(2 | 5)) && why.contains("ermission denied"), "{code:?} {why}");
}

/// The packages that many scripts need, from PyPI, fetched by `make test`.
fn wheels() -> PathBuf {
    let folder =
        std::env::var_os("CRONBOX_TEST_WHEELS").expect("CRONBOX_TEST_WHEELS names the folder that make test fills");
    PathBuf::from(folder)
}

#[test]
fn real_packages_are_imported() {
    let folder = Folder::new();
    let names = ["requests", "beautifulsoup4", "httpx", "redis", "pg8000", "pymysql", "websockets"];
    let body = "import requests, bs4, httpx, redis, pg8000, pymysql, websockets, sys\n\ndef run():\n    page = \
                bs4.BeautifulSoup('<h1>News</h1><p class=price>12.5', 'html.parser')\n    return \
                [page.h1.text, float(page.select_one('.price').text), sorted(name for name in sys.modules if name in \
                ('urllib3', 'idna', 'certifi', 'scramp'))]";
    let (code, result, why) = said(&run(&folder, &asking(&names, body), &["--index", text(&wheels())]));
    let expected = json!(["News", 12.5, ["certifi", "idna", "scramp", "urllib3"]]);
    assert_eq!((code, serde_json::from_str(&result).ok()), (Some(0), Some(expected)), "{result} {why}");
}
