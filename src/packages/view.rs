//! The index as the resolver sees it: a server on the loopback interface, for the time of one order, that shows what
//! [`super::offer`] leaves of the pages of the real index. It remembers what was asked for, and so can say afterwards what
//! was held back and why.
//!
//! Files are fetched from where they are; only the metadata of what is no wheel are made here.

use super::offer::{self, Form, Held, Offer, Project};
use super::page::{self, File};
use super::{cache, sdist, standin};
use crate::panics;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Place, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pep508_rs::PackageName;
use pep508_rs::pep440_rs::Version;
use reqwest::Url;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Most bytes of a page.
const LARGEST_PAGE: usize = 64 << 20;
/// Most bytes of metadata.
const LARGEST_METADATA: usize = 8 << 20;
/// Most source archives that are looked into for one order: a resolver that finds nothing tries all versions.
const MOST_SOURCES: usize = 20;

/// Where files come from.
#[derive(Clone, Debug)]
pub(super) enum Upstream {
    Index(Url),
    Directory(PathBuf),
}

impl Upstream {
    /// An index by its address.
    pub(super) fn index(address: &str) -> Result<Self, String> {
        let address = if address.ends_with('/') { address.to_owned() } else { format!("{address}/") };
        Url::parse(&address).map(Upstream::Index).map_err(|error| error.to_string())
    }
}

/// Bytes of the secret in the server's address: pages may hold the password of an index, and other users of the machine
/// can reach the port.
const SECRET: usize = 16;

fn new_secret() -> std::io::Result<String> {
    let mut bytes = [0; SECRET];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(hex::encode(bytes))
}

/// Writes the server's place down, for nobody else to read.
fn keep_place(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// What the server and those who ask about it afterwards share.
#[derive(Debug)]
pub(super) struct View {
    upstream: Upstream,
    client: reqwest::Client,
    /// The address of the server.
    address: String,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    projects: HashMap<String, Arc<Project>>,
    /// What was read of source archives: their metadata, or why they are not taken.
    sources: HashMap<(String, Version), Result<String, String>>,
    /// Why the index did not answer.
    away: Option<String>,
}

/// Why there is no page.
enum NoPage {
    NotFound,
    Away(String),
}

/// A server that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) view: Arc<View>,
    task: AbortHandle,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl View {
    /// Begins to serve. What the resolver keeps is kept under the server's address, so that it is the same each time
    /// where it can be.
    pub(super) async fn serve(upstream: Upstream, client: reqwest::Client, cache: &Path) -> std::io::Result<Serving> {
        let kept = cache::resolvers(cache).join(".place");
        let last = std::fs::read_to_string(&kept).ok();
        let last = last.as_deref().and_then(|text| text.split_once(' ')).and_then(|(port, secret)| {
            let is_secret = secret.len() == SECRET * 2 && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
            Some((port.parse::<u16>().ok()?, secret.to_owned())).filter(|_| is_secret)
        });
        let known = match &last {
            Some((port, _)) => TcpListener::bind(("127.0.0.1", *port)).await.ok(),
            None => None,
        };
        let (listener, secret) = match (known, &last) {
            (Some(listener), Some((_, secret))) => (listener, secret.clone()),
            _ => (TcpListener::bind("127.0.0.1:0").await?, new_secret()?),
        };
        let port = listener.local_addr()?.port();
        if last.is_none() {
            // Without it the next order asks again for what this one knew.
            let _ = keep_place(&kept, &format!("{port} {secret}"));
        }
        let address = format!("http://127.0.0.1:{port}/{secret}");
        let view = Arc::new(View { upstream, client, address, seen: Mutex::default() });
        let router = Router::new()
            .route("/simple/{project}/", get(shown))
            .route("/any/{project}/", get(everything))
            .route("/made/{what}/{project}/{version}/{file}", get(made))
            .with_state(view.clone());
        let router = Router::new().nest(&format!("/{secret}"), router);
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Serving { view, task: task.abort_handle() })
    }

    /// The address of the index that shows what a sandbox can take.
    pub(super) fn shown(&self) -> String {
        format!("{}/simple/", self.address)
    }

    /// The address of the index that shows everything.
    pub(super) fn everything(&self) -> String {
        format!("{}/any/", self.address)
    }

    /// Why the index did not answer, if it did not.
    pub(super) fn away(&self) -> Option<String> {
        self.seen().away.clone()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A version as it was shown.
    pub(super) fn offer(&self, name: &str, version: &str) -> Option<Offer> {
        let version = Version::from_str(version).ok()?;
        self.known(name)?.offers.get(&version).cloned()
    }

    /// A project that was asked for.
    pub(super) fn known(&self, name: &str) -> Option<Arc<Project>> {
        self.seen().projects.get(name).cloned()
    }

    /// Why a source archive was not taken, if it was looked into.
    pub(super) fn source_refused(&self, name: &str) -> Option<String> {
        let seen = self.seen();
        let mut refused: Vec<_> = seen
            .sources
            .iter()
            .filter(|((project, _), _)| project == name)
            .filter_map(|((_, version), read)| Some((version.clone(), read.as_ref().err()?.clone())))
            .collect();
        refused.sort();
        refused.pop().map(|(_, why)| why)
    }

    /// A project, asked for if it was not yet. None: there is none, or the index is away.
    pub(super) async fn project(&self, name: &str) -> Option<Arc<Project>> {
        match self.known(name) {
            Some(project) => Some(project),
            None => self.look(name).await.ok(),
        }
    }

    async fn look(&self, name: &str) -> Result<Arc<Project>, NoPage> {
        if let Some(project) = self.known(name) {
            return Ok(project);
        }
        let files = match &self.upstream {
            Upstream::Directory(directory) => in_directory(directory, name).map_err(NoPage::Away),
            Upstream::Index(index) => self.page(index, name).await,
        };
        let files = match files {
            // What Cronbox has in the place of a project is there where the project is not.
            Err(NoPage::NotFound) if standin::find(name).is_some() => Vec::new(),
            Ok(files) if files.is_empty() && standin::find(name).is_none() => return Err(NoPage::NotFound),
            other => other?,
        };
        let project = Arc::new(offer::sort(name, files, &format!("{}/made", self.address)));
        self.seen().projects.insert(name.to_owned(), project.clone());
        Ok(project)
    }

    async fn page(&self, index: &Url, name: &str) -> Result<Vec<File>, NoPage> {
        let away = |error: reqwest::Error| NoPage::Away(error_text(&error));
        let url = index.join(&format!("{name}/")).map_err(|error| NoPage::Away(error.to_string()))?;
        let mut response = self.client.get(url).header(header::ACCEPT, page::ACCEPTED).send().await.map_err(away)?;
        if matches!(response.status().as_u16(), 404 | 410) {
            return Err(NoPage::NotFound);
        }
        if !response.status().is_success() {
            return Err(NoPage::Away(format!("it answers {}", response.status())));
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_json = kind.contains("json");
        let at = response.url().clone();
        let mut content = Vec::new();
        while let Some(part) = response.chunk().await.map_err(away)? {
            content.extend_from_slice(&part);
            if content.len() > LARGEST_PAGE {
                return Err(NoPage::Away(format!("its page of {name} has more than {LARGEST_PAGE} bytes")));
            }
        }
        let text = String::from_utf8_lossy(&content);
        let read = panics::caught("a page of the index", || page::read(&text, is_json, &at));
        let mut files = read
            .map_err(|panicked| NoPage::Away(panicked.to_string()))?
            .map_err(|why| NoPage::Away(format!("its page of {name} cannot be read: {why}")))?;
        for file in &mut files {
            lend_password(index, file);
        }
        Ok(files)
    }

    /// What a source archive says about itself, in the form of a wheel's metadata.
    async fn source_metadata(&self, name: &str, version: &Version) -> Result<String, String> {
        let key = (name.to_owned(), version.clone());
        if let Some(read) = self.seen().sources.get(&key) {
            return read.clone();
        }
        if self.seen().sources.len() >= MOST_SOURCES {
            return Err("too many source archives were looked into".into());
        }
        let read = match self.known(name).and_then(|project| project.offers.get(version).cloned()) {
            None => Err("there is no such version".into()),
            Some(offer) => match self.bytes(&offer.original, super::wheel::LARGEST).await {
                Ok(archive) => sdist::metadata(name, &version.to_string(), &offer.original.filename, &archive),
                Err(why) => Err(why),
            },
        };
        self.seen().sources.insert(key, read.clone());
        read
    }

    /// The metadata of a version that is shown.
    pub(super) async fn metadata(&self, name: &str, version: &Version) -> Option<String> {
        let project = self.known(name)?;
        let file = match (project.offers.get(version), project.held.get(version)) {
            (Some(offer), _) if offer.form == Form::Source => return self.source_metadata(name, version).await.ok(),
            (Some(offer), _) if offer.form == Form::StandIn => return None,
            (Some(offer), _) => offer.original.clone(),
            (None, Some(held)) if held.why == Held::Native => held.file.clone(),
            _ => return None,
        };
        if file.has_metadata() {
            let beside = File { url: format!("{}.metadata", file.url), hashes: BTreeMap::new(), ..file };
            let bytes = self.bytes(&beside, LARGEST_METADATA).await.ok()?;
            return String::from_utf8(bytes).ok();
        }
        let archive = self.bytes(&file, super::wheel::LARGEST).await.ok()?;
        super::wheel::metadata(&archive)
    }

    /// The content of a file of the index, checked against its digest where the index gives one.
    async fn bytes(&self, file: &File, most: usize) -> Result<Vec<u8>, String> {
        let url = Url::parse(&file.url).map_err(|error| error.to_string())?;
        let content = if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| "it has no path".to_owned())?;
            std::fs::read(&path).map_err(|error| error.to_string())?
        } else {
            let failed = |error: reqwest::Error| error_text(&error);
            let response = self.client.get(url).send().await.and_then(reqwest::Response::error_for_status);
            let mut response = response.map_err(failed)?;
            let mut content = Vec::new();
            while let Some(part) = response.chunk().await.map_err(failed)? {
                content.extend_from_slice(&part);
                if content.len() > most {
                    break;
                }
            }
            content
        };
        if content.len() > most {
            return Err(format!("it has more than {most} bytes"));
        }
        match file.hashes.get("sha256") {
            Some(digest) if *digest != hex::encode(Sha256::digest(&content)) => {
                Err("its digest is not what the index says".into())
            }
            _ => Ok(content),
        }
    }
}

/// An error of the client without the address, which may hold a password, and with its causes.
fn error_text(error: &reqwest::Error) -> String {
    let mut text = match error.status() {
        Some(status) => format!("it answers {status}"),
        None if error.is_timeout() => "it took too long".to_owned(),
        None if error.is_connect() => "no connection can be made".to_owned(),
        None => "the connection failed".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.source().is_none() {
            text = format!("{text}: {cause}");
        }
        source = cause.source();
    }
    text
}

/// A file of the index's own host is fetched with the user and password that the index was named with.
fn lend_password(index: &Url, file: &mut File) {
    let Ok(mut url) = Url::parse(&file.url) else { return };
    let same = url.host() == index.host() && url.port_or_known_default() == index.port_or_known_default();
    if same && !index.username().is_empty() && url.username().is_empty() {
        let named = url.set_username(index.username()).is_ok() && url.set_password(index.password()).is_ok();
        if named {
            file.url = url.to_string();
        }
    }
}

/// The files of a project in a directory.
fn in_directory(directory: &Path, name: &str) -> Result<Vec<File>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(filename) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let stem = match filename.strip_suffix(".whl") {
            Some(stem) => stem.split('-').next(),
            None => filename.rsplit_once('-').map(|(stem, _)| stem),
        };
        let is_it = stem.and_then(|stem| PackageName::from_str(stem).ok()).is_some_and(|stem| stem.as_ref() == name);
        if !is_it {
            continue;
        }
        let content = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let Ok(url) = Url::from_file_path(&path) else { continue };
        let hashes = BTreeMap::from([("sha256".to_owned(), hex::encode(Sha256::digest(&content)))]);
        files.push(File { filename: filename.to_owned(), url: url.to_string(), hashes, ..File::default() });
    }
    Ok(files)
}

type ViewState = State<Arc<View>>;

async fn shown(State(view): ViewState, Place(name): Place<String>) -> Response {
    answer(&view, &name, |project| project.offers.values().flat_map(|offer| offer.shown.clone()).collect()).await
}

async fn everything(State(view): ViewState, Place(name): Place<String>) -> Response {
    let made = format!("{}/made", view.address);
    answer(&view, &name, |project| offer::all(&name, project, &made)).await
}

async fn answer(view: &Arc<View>, name: &str, files: impl FnOnce(&Project) -> Vec<File>) -> Response {
    match view.look(name).await {
        Ok(project) => {
            // What is shown is remembered only if it was asked for in this order.
            let headers = [(header::CONTENT_TYPE, page::JSON), (header::CACHE_CONTROL, "no-store")];
            (headers, page::write(name, files(&project))).into_response()
        }
        Err(NoPage::NotFound) => refused(404),
        Err(NoPage::Away(why)) => {
            view.seen().away.get_or_insert(why);
            // One that the resolver does not repeat.
            refused(400)
        }
    }
}

fn refused(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    response
}

/// Metadata of what is no wheel.
async fn made(
    State(view): ViewState,
    Place((what, name, version, file)): Place<(String, String, String, String)>,
) -> Response {
    if !file.ends_with(".metadata") {
        return refused(404);
    }
    let Ok(version) = Version::from_str(&version) else { return refused(404) };
    let text = match what.as_str() {
        // What cannot be read is unreadable for the resolver, too, which then tries another version.
        "source" => view.source_metadata(&name, &version).await.unwrap_or_default(),
        _ => format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
    };
    ([(header::CACHE_CONTROL, "no-store")], text).into_response()
}
