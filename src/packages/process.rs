//! The package process: the only one that talks to the index.
//!
//! It gets an order on standard input and answers on standard output: a line of JSON, then the files as a bundle. It has
//! an environment of proxies and certificates alone, and the file system lets it see its cache, its own temporary
//! directory, the wheels it may be given, the resolver with a Python, and what names and TLS need; nothing of the node's.
//! Nothing of a package is ever executed: uv is told to build nothing.

use super::lock::{self, Pinned};
use super::offer::{Form, Offer};
use super::view::{Upstream, View};
use super::wheel::{self, Files};
use super::{Index, PackageError, ResolverConfig, Step, Trial, hint, write_whole};
use super::{cache, held, optional, refusal, sdist, standin};
use crate::access::hex;
use crate::config;
use crate::requirement::{Locked, PYTHON, Request, Requirement};
use cronbox_runtime::Bundle;
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

const UV_PIN: &str = include_str!("uv.txt");
/// The time the resolver may take.
const RESOLVE_WITHIN: Duration = Duration::from_secs(90);
/// The time one wheel may take.
const FETCH_WITHIN: Duration = Duration::from_secs(60);
/// Wheels fetched at once.
const AT_ONCE: usize = 6;
/// Most bytes of what the resolver says.
const MOST_SAID: u64 = 16 << 20;
/// What a package process may use, and the resolver after it: bytes of private memory, seconds of CPU, bytes of a file.
const MOST_MEMORY: u64 = 3 << 30;
const MOST_CPU: u64 = 300;
const MOST_FILE: u64 = 2 << 30;
/// What of the environment a package process may have: ways out, and whom to believe there.
const PASSED_ON: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// What looking up names and checking certificates reads, and what programs are linked with.
const SYSTEM: [&str; 19] = [
    "/dev/null",
    "/dev/urandom",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/lib",
    "/lib64",
    "/proc/self",
    "/run/systemd/resolve",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/ca-certificates",
];

/// What a package process is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) request: Request,
    uv: PathBuf,
    python: PathBuf,
    /// Where the library of that Python is.
    prefix: PathBuf,
    index: Option<String>,
    wheels: Option<PathBuf>,
    cache: PathBuf,
}

/// What it answers when all went well; the files follow.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) locked: Vec<Locked>,
    pub(super) warnings: Vec<String>,
    pub(super) trials: Vec<Trial>,
}

/// A line of what it says: how far it is, and at last the answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    Step(Step),
    Done(Result<Answer, PackageError>),
}

/// Says how far the order is. Nobody has to listen.
fn tell(step: Step) {
    let _ = say(&Said::Step(step));
}

fn say(said: &Said) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(&serde_json::to_vec(said)?)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The environment of a package process.
pub(super) fn environment() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    PASSED_ON.into_iter().filter_map(|name| Some((name, config::variable(name)?)))
}

/// The version of the resolver that is taken, and no other: another may lock differently.
fn uv_version() -> &'static str {
    let pin = UV_PIN.lines().find_map(|line| line.strip_prefix("uv==")).unwrap_or_default();
    pin.trim_end_matches('\\').trim()
}

/// The program behind `python3` in the search path, which may be a script that starts another, and its prefix. The
/// resolver asks it nothing but what it is.
async fn python() -> Result<(PathBuf, PathBuf), PackageError> {
    let missing = |why: &str| {
        PackageError::NoResolver(format!("the resolver of packages needs a python3 in the search path; {why}"))
    };
    let found = config::in_search_path("python3").ok_or_else(|| missing("there is none"))?;
    let asked = Command::new(&found)
        .args(["-I", "-c", "import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let said = asked.map_err(|error| missing(&format!("{}: {error}", found.display())))?.stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    match said.lines().collect::<Vec<_>>()[..] {
        [program, prefix] => Ok((program.into(), prefix.into())),
        _ => Err(missing(&format!("{} does not say what it is", found.display()))),
    }
}

impl Order {
    pub(super) async fn new(setup: &ResolverConfig, request: &Request) -> Result<Self, PackageError> {
        let version = uv_version();
        let found = || config::beside_program("uv").or_else(|| config::in_search_path("uv"));
        let uv = setup.uv.clone().or_else(found).ok_or_else(|| {
            PackageError::NoResolver(format!(
                "packages need uv {version}, which is neither beside cronbox nor in the search path: pip install uv=={version}, \
                 or name it with --uv"
            ))
        })?;
        let (python, prefix) = python().await?;
        let failed = |error: std::io::Error| PackageError::Failed(format!("{}: {error}", setup.cache.display()));
        std::fs::create_dir_all(&setup.cache).map_err(failed)?;
        let (index, wheels) = match &setup.index {
            Index::Usual => (None, None),
            Index::Address(address) => (Some(address.clone()), None),
            Index::Directory(directory) => (None, Some(directory.clone())),
        };
        let cache = setup.cache.canonicalize().map_err(failed)?;
        let uv = uv.canonicalize().map_err(|error| PackageError::NoResolver(format!("{}: {error}", uv.display())))?;
        Ok(Order { request: request.clone(), uv, python, prefix, index, wheels, cache })
    }
}

/// The whole life of a package process. What it has to say is its answer; the error is that it could not give one.
pub fn package_process() -> std::io::Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    let answered = confine(&order).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| PackageError::Failed(error.to_string()))?;
        let answered = runtime.block_on(async {
            tokio::select! {
                answered = carry_out(&order) => answered,
                () = asker_gone() => Err(PackageError::TimedOut),
            }
        });
        runtime.shutdown_background();
        answered
    });
    let (head, files) = match answered {
        Ok((answer, files)) => (Ok(answer), files),
        Err(error) => (Err(error), Vec::new()),
    };
    say(&Said::Done(head))?;
    let mut out = std::io::stdout().lock();
    out.write_all(&files)?;
    out.flush()
}

/// Returns when the asker's end of standard input is closed.
async fn asker_gone() {
    let mut byte = [0];
    let _ = tokio::io::stdin().read(&mut byte).await;
}

/// Leaves this process, and the resolver after it, the files that the order needs, and a bounded part of the machine.
fn confine(order: &Order) -> Result<(), PackageError> {
    let limits =
        [(Resource::Data, MOST_MEMORY), (Resource::Cpu, MOST_CPU), (Resource::Fsize, MOST_FILE), (Resource::Core, 0)];
    for (resource, most) in limits {
        let most = getrlimit(resource).maximum.map_or(most, |maximum| most.min(maximum));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| PackageError::Failed(format!("the package process cannot be limited: {error}")))?;
    }
    let mut read: Vec<&Path> = SYSTEM.iter().map(Path::new).collect();
    read.extend([order.uv.as_path(), order.python.as_path()]);
    // The library of a Python is beside it; that of the system's is in what all programs may read.
    read.extend(Some(order.prefix.as_path()).filter(|prefix| *prefix != Path::new("/usr")));
    read.extend(order.wheels.as_deref());
    let certificates: Vec<PathBuf> =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(config::variable).map(PathBuf::from).collect();
    read.extend(certificates.iter().map(PathBuf::as_path));
    // Where the kernel knows no such rules, the process is as it is: the order is carried out all the same.
    let _ = cronbox_runtime::hardening::confine_files(&read, &[&order.cache]);
    Ok(())
}

async fn carry_out(order: &Order) -> Result<(Answer, Vec<u8>), PackageError> {
    let scratch = Scratch::new(&order.cache)?;
    check_version(order, &scratch).await?;
    tell(Step::Resolving);
    let failed =
        |error: std::io::Error| PackageError::Failed(format!("the index cannot be shown to the resolver: {error}"));
    let upstream = match (&order.wheels, &order.index) {
        (Some(wheels), _) => Ok(Upstream::Directory(wheels.clone())),
        (None, Some(index)) => Upstream::index(index),
        (None, None) => Upstream::index(&usual_index(order, &scratch).await?),
    };
    let upstream = upstream.map_err(|why| PackageError::Failed(format!("the index has no address: {why}")))?;
    let client = client()?;
    let serving = View::serve(upstream, client.clone(), &order.cache).await.map_err(failed)?;
    let view = &serving.view;
    let asked: Vec<&Requirement> = order.request.requirements.iter().collect();
    let form = ["--format", "pylock.toml", "--no-annotate"];
    let (text, mut warnings) = match compile(order, &scratch, (view, &view.shown()), &asked, &form).await {
        Ok(compiled) => compiled,
        Err(error) => return Err(refusal::explain(order, &scratch, view, error).await),
    };
    let mut chosen = Vec::new();
    for pinned in lock::read(&text, &order.request)? {
        let offer = view.offer(&pinned.name, &pinned.version).ok_or_else(|| {
            PackageError::Failed(format!("the resolver chose {} {}, which was not shown", pinned.name, pinned.version))
        })?;
        chosen.push(Chosen::new(pinned, offer)?);
    }
    let archives = fetch(order, &client, &chosen).await?;
    warnings.extend(held::notes(view, &chosen, &order.request).await);
    let (mut files, mut trials) = (Files::new(), Vec::new());
    for (chosen, archive) in chosen.iter().zip(&archives) {
        let (pinned, imports) = (&chosen.pinned, chosen.unpack(archive, &mut files, &mut warnings)?);
        if !imports.is_empty() {
            trials.push(Trial { name: pinned.name.clone(), version: pinned.version.clone(), imports });
        }
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
    let bundle = Bundle::of_files(&files).map_err(|error| PackageError::BadWheel(error.to_string()))?;
    let locked = chosen.into_iter().map(|chosen| chosen.pinned);
    let locked = locked.map(|pinned| Locked { name: pinned.name, version: pinned.version }).collect();
    Ok((Answer { locked, warnings, trials }, bundle.bytes().to_vec()))
}

/// A version that the resolver chose, and what is fetched for it.
pub(super) struct Chosen {
    pub(super) pinned: Pinned,
    pub(super) form: Form,
    /// The name of the file that is fetched.
    file: String,
}

impl Chosen {
    fn new(mut pinned: Pinned, offer: Offer) -> Result<Self, PackageError> {
        let file = offer.original.filename;
        if offer.form != Form::Pure && offer.form != Form::StandIn {
            let digest = offer.original.hashes.get("sha256").map(|digest| digest.to_lowercase());
            pinned.sha256 = digest.ok_or_else(|| {
                PackageError::BadWheel(format!("{} {}: the index gives no SHA-256 for it", pinned.name, pinned.version))
            })?;
            pinned.url = offer.original.url;
        }
        Ok(Chosen { pinned, form: offer.form, file })
    }

    /// Adds its files to those of others. Returns what is to be imported to try it.
    fn unpack(
        &self,
        archive: &[u8],
        files: &mut Files,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<String>, PackageError> {
        let Pinned { name, version, .. } = &self.pinned;
        let imports = match self.form {
            Form::Pure => Vec::new(),
            Form::WithoutMachineCode => {
                optional::imports(name).unwrap_or_default().iter().map(|&text| text.into()).collect()
            }
            Form::Source => {
                return sdist::unpack(name, version, (&self.file, archive), files)
                    .map_err(|why| PackageError::NotPure(refusal::source_only(name, version, &why)));
            }
            Form::StandIn => {
                if let Some(note) = standin::add(name, version, files) {
                    warnings.push(note);
                }
                return Ok(Vec::new());
            }
        };
        let twice = wheel::unpack(name, version, (archive, self.form == Form::WithoutMachineCode), files)?;
        warnings.extend(
            twice
                .iter()
                .map(|path| format!("{name} brings {path:?}, too, but not the same: the other package's is kept")),
        );
        Ok(imports)
    }
}

/// A directory that is gone when this is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    fn new(cache: &Path) -> Result<Self, PackageError> {
        let path = cache.join(format!("order-{}", std::process::id()));
        // What a process with the same number left when it was killed.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).map_err(|error| PackageError::Failed(format!("{}: {error}", path.display())))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The resolver, with nothing to do yet.
fn uv(order: &Order, scratch: &Scratch) -> Command {
    let mut command = Command::new(&order.uv);
    command
        .env_clear()
        .envs(environment())
        .env("HOME", &scratch.0)
        .env("TMPDIR", &scratch.0)
        .env("NO_COLOR", "1")
        .env("XDG_CONFIG_HOME", &scratch.0)
        .env("UV_NO_SYSTEM_CONFIG", "1")
        .env("UV_CACHE_DIR", cache::resolvers(&order.cache))
        .current_dir(&scratch.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Whether the resolver did what it was to do, what it said, and what it complained of.
/// The index that the resolver asks when none is named, as its help says: `(by default: <https://…>)`.
async fn usual_index(order: &Order, scratch: &Scratch) -> Result<String, PackageError> {
    let mut command = uv(order, scratch);
    command.args(["pip", "compile", "--help"]);
    let (_, said, _) = run_uv(order, command).await?;
    usual_index_in(&said)
        .ok_or_else(|| PackageError::NoResolver("the resolver names no index: name one with --index".into()))
}

fn usual_index_in(help: &str) -> Option<String> {
    let (_, after) = help.split_once("--default-index")?;
    let (_, after) = after.split_once("(by default: <")?;
    Some(after.split_once('>')?.0.to_owned())
}

async fn run_uv(order: &Order, mut command: Command) -> Result<(bool, String, String), PackageError> {
    let failed =
        |error: std::io::Error| PackageError::NoResolver(format!("{} cannot be run: {error}", order.uv.display()));
    let mut child = command.spawn().map_err(failed)?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(PackageError::Failed("a resolver without its pipes".into()));
    };
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let talk = async {
        let (mut stdout, mut stderr) = (stdout.take(MOST_SAID), stderr.take(MOST_SAID));
        tokio::try_join!(stdout.read_to_end(&mut said), stderr.read_to_end(&mut complained))?;
        child.wait().await
    };
    let status = tokio::time::timeout(RESOLVE_WITHIN, talk).await;
    let status = status.map_err(|_| PackageError::TimedOut)?.map_err(failed)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if let Some(signal) = status.signal() {
        let said: String = text(complained).trim().chars().take(300).collect();
        let (memory, cpu) = (MOST_MEMORY >> 30, MOST_CPU);
        return Err(PackageError::Failed(format!(
            "the resolver was ended by signal {signal}; it may use {memory} GiB of memory and {cpu} seconds of CPU: {said}"
        )));
    }
    Ok((status.success(), text(said), text(complained)))
}

async fn check_version(order: &Order, scratch: &Scratch) -> Result<(), PackageError> {
    let mut command = uv(order, scratch);
    command.arg("--version");
    let (worked, said, complained) = run_uv(order, command).await?;
    let wanted = uv_version();
    let version = said.split_whitespace().nth(1).unwrap_or_default();
    if worked && version == wanted {
        return Ok(());
    }
    let found = if worked { format!("is version {version}") } else { format!("does not work: {}", complained.trim()) };
    Err(PackageError::NoResolver(format!(
        "packages need uv {wanted}, and {} {found}: pip install uv=={wanted}, or name another with --uv",
        order.uv.display()
    )))
}

/// What the resolver resolves for: the interpreter in the sandbox, whose platform it has no name for.
const PROJECT: &str = "[tool.uv]\nenvironments = [\"sys_platform == 'wasi' and os_name == 'posix' and \
                       platform_machine == 'wasm32' and platform_system == 'wasi' and implementation_name == 'cpython' and \
                       platform_python_implementation == 'CPython'\"]\n";

/// Has the resolver resolve what is asked for by what an index of a view shows; its answer, and its warnings.
pub(super) async fn compile(
    order: &Order,
    scratch: &Scratch,
    (view, index): (&View, &str),
    asked: &[&Requirement],
    form: &[&str],
) -> Result<(String, Vec<String>), PackageError> {
    let failed = |error: std::io::Error| PackageError::Failed(error.to_string());
    let place = scratch.0.join("requirements.in");
    let texts: Vec<&str> = asked.iter().map(|requirement| &*requirement.text).collect();
    std::fs::write(&place, texts.join("\n")).map_err(failed)?;
    std::fs::write(scratch.0.join("pyproject.toml"), PROJECT).map_err(failed)?;
    let mut command = uv(order, scratch);
    command.args(["pip", "compile"]).arg(&place).args(["--universal", "--python-version", PYTHON, "--python"]);
    command.arg(&order.python).args(["--no-build", "--no-python-downloads", "--no-header"]);
    command.arg("--system-certs").args(form);
    command.env("UV_DEFAULT_INDEX", index);
    // The view is on this machine, whatever leads out of it.
    let around: Vec<String> = ["NO_PROXY", "no_proxy"]
        .into_iter()
        .filter_map(config::variable)
        .filter_map(|it| it.into_string().ok())
        .collect();
    let around = around.into_iter().chain(["127.0.0.1".to_owned()]).collect::<Vec<_>>().join(",");
    command.env("NO_PROXY", &around).env("no_proxy", &around);
    let (worked, said, complained) = run_uv(order, command).await?;
    if let Some(why) = view.away() {
        return Err(PackageError::IndexAway(why));
    }
    if !worked {
        return Err(failure(&complained, order));
    }
    let yanked =
        complained.lines().filter_map(|line| line.strip_prefix("warning: ")).filter(|line| line.contains("yanked"));
    Ok((said, yanked.map(str::to_owned).collect()))
}

/// What a failed resolver means.
fn failure(complained: &str, order: &Order) -> PackageError {
    let mut words = Vec::new();
    for line in complained.lines().filter(|line| !line.starts_with("warning:")) {
        let line = line.trim_matches(|c: char| c.is_whitespace() || "×╰─▶│├".contains(c));
        words.push(line.strip_prefix("error: ").unwrap_or(line));
    }
    let said = words.join(" ");
    // What it says about its own way to resolve for another platform is of no use to anybody else.
    let said = said.split(" hint: The resolution failed").next().unwrap_or_default();
    let said = match said.strip_prefix("No solution found when resolving dependencies").and(said.split_once(" cause: "))
    {
        Some((_, cause)) => cause,
        None => said,
    };
    let said: String = said.trim().chars().take(1500).collect();
    let away = ["error sending request", "Failed to fetch", "dns error", "timed out", "Connection refused"];
    if away.iter().any(|word| said.contains(word)) {
        return PackageError::IndexAway(said);
    }
    if said.contains("No interpreter found") {
        return PackageError::NoResolver(format!("the resolver cannot use {}: {said}", order.python.display()));
    }
    let hinted = order.request.requirements.iter().filter_map(|asked| Some((&asked.name, hint(&asked.name)?)));
    let hinted = hinted.filter(|(name, _)| said.contains(name.as_str()));
    let hints: Vec<String> = hinted.map(|(name, hint)| format!("instead of {name}: {hint}")).collect();
    let hints = if hints.is_empty() { String::new() } else { format!(" ({})", hints.join("; ")) };
    PackageError::Unsatisfiable(format!("no versions of the packages fit: {said}{hints}"))
}

/// The client for all that is fetched.
fn client() -> Result<reqwest::Client, PackageError> {
    // The client brings no implementation of TLS of its own; another may have been set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(FETCH_WITHIN)
        .connect_timeout(Duration::from_secs(10))
        .build()
        .map_err(|error| PackageError::Failed(error.to_string()))
}

/// The archives, in their order, each checked against its digest; nothing for what Cronbox has itself.
async fn fetch(order: &Order, client: &reqwest::Client, chosen: &[Chosen]) -> Result<Vec<Vec<u8>>, PackageError> {
    let kept = cache::wheels(&order.cache);
    std::fs::create_dir_all(&kept).map_err(|error| PackageError::Failed(format!("{}: {error}", kept.display())))?;
    let (of, done) = (chosen.len(), AtomicUsize::new(0));
    tell(Step::Fetching { done: 0, of });
    let one = |chosen: &Chosen| {
        let (client, pinned) = (client.clone(), chosen.pinned.clone());
        let (kept, done, is_here) = (kept.join(format!("{}.whl", pinned.sha256)), &done, chosen.form == Form::StandIn);
        async move {
            let content = if is_here { Vec::new() } else { fetch_one(&client, order, &pinned, &kept).await? };
            tell(Step::Fetching { done: done.fetch_add(1, Relaxed) + 1, of });
            Ok(content)
        }
    };
    stream::iter(chosen).map(one).buffered(AT_ONCE).try_collect().await
}

async fn fetch_one(
    client: &reqwest::Client,
    order: &Order,
    pinned: &Pinned,
    kept: &Path,
) -> Result<Vec<u8>, PackageError> {
    let is_right = |content: &[u8]| hex(&Sha256::digest(content)) == pinned.sha256;
    if let Ok(content) = std::fs::read(kept)
        && is_right(&content)
    {
        cache::touch(kept);
        return Ok(content);
    }
    let bad = |why: String| PackageError::BadWheel(format!("{} {}: {why}", pinned.name, pinned.version));
    let url = reqwest::Url::parse(&pinned.url).map_err(|error| bad(format!("its wheel has no address: {error}")))?;
    let too_large = || bad(format!("its wheel has more than {} bytes", wheel::LARGEST));
    let content = if url.scheme() == "file" {
        let path = url.to_file_path().map_err(|()| bad("its wheel has no path".into()))?;
        let size = std::fs::metadata(&path).map_err(|error| bad(error.to_string()))?.len();
        if size > wheel::LARGEST as u64 {
            return Err(too_large());
        }
        std::fs::read(&path).map_err(|error| bad(error.to_string()))?
    } else {
        let away = |error: reqwest::Error| PackageError::IndexAway(error.without_url().to_string());
        let mut request = client.get(url.clone());
        let index = order.index.as_deref().and_then(|index| reqwest::Url::parse(index).ok());
        if let Some(index) = index.filter(|index| index.host() == url.host() && !index.username().is_empty()) {
            request = request.basic_auth(index.username(), index.password());
        }
        let mut response = request.send().await.and_then(reqwest::Response::error_for_status).map_err(away)?;
        let mut content = Vec::new();
        while let Some(part) = response.chunk().await.map_err(away)? {
            content.extend_from_slice(&part);
            if content.len() > wheel::LARGEST {
                return Err(too_large());
            }
        }
        content
    };
    if !is_right(&content) {
        return Err(bad("its wheel is not what the lock says: the digests differ".into()));
    }
    // A cache that is full costs the next order a fetch.
    let _ = write_whole(kept, &content);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_index_is_what_the_resolvers_help_says() {
        let help = "  --default-index <DEFAULT_INDEX>\n          The default package index (by default: <https://index.test/simple>) [env: X]\n";
        assert_eq!(usual_index_in(help).as_deref(), Some("https://index.test/simple"));
        assert_eq!(usual_index_in("--index-url (by default: <x>)"), None);
    }

    #[test]
    fn the_resolver_is_pinned() {
        assert!(uv_version().split('.').count() == 3, "{:?}", uv_version());
    }
}
