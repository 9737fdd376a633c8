//! The package process: the only one that talks to the index.
//!
//! It gets an order on standard input and answers on standard output: a line of JSON, then the files as a bundle. It has
//! an environment of proxies and certificates alone, and the file system lets it see its cache, its own temporary
//! directory, the wheels it may be given, the resolver with a Python, and what names and TLS need; nothing of the node's.
//! Nothing of a package is ever executed: uv is told to build nothing.

use super::cache;
use super::lock::{self, NotPure, Pinned};
use super::wheel::{self, Files};
use super::{Index, PackageError, ResolverConfig, hint, write_whole};
use crate::access::hex;
use crate::config;
use crate::requirement::{Locked, PYTHON, Request};
use cronbox_runtime::Bundle;
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
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
    request: Request,
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
    let mut out = std::io::stdout().lock();
    out.write_all(&serde_json::to_vec::<Result<Answer, PackageError>>(&head)?)?;
    out.write_all(b"\n")?;
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
    let _ = cronbox_runtime::confine_files(&read, &[&order.cache]);
    Ok(())
}

async fn carry_out(order: &Order) -> Result<(Answer, Vec<u8>), PackageError> {
    let scratch = Scratch::new(&order.cache)?;
    check_version(order, &scratch).await?;
    let (text, mut warnings) = compile(order, &scratch, &["--format", "pylock.toml", "--no-annotate"]).await?;
    let (pinned, not_pure) = lock::read(&text, &order.request)?;
    if !not_pure.is_empty() {
        let wanted_by = compile(order, &scratch, &[]).await.map(|(text, _)| wanted_by(&text)).unwrap_or_default();
        return Err(refuse(&not_pure, &wanted_by));
    }
    let wheels = fetch(order, &pinned).await?;
    let mut files = Files::new();
    for (pinned, archive) in pinned.iter().zip(&wheels) {
        for path in wheel::unpack(&pinned.name, &pinned.version, archive, &mut files)? {
            warnings
                .push(format!("{} brings {path:?}, too, but not the same: the other package's is kept", pinned.name));
        }
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
    let bundle = Bundle::of_files(&files).map_err(|error| PackageError::BadWheel(error.to_string()))?;
    let locked = pinned.into_iter().map(|pinned| Locked { name: pinned.name, version: pinned.version }).collect();
    Ok((Answer { locked, warnings }, bundle.bytes().to_vec()))
}

/// A directory that is gone when this is dropped.
struct Scratch(PathBuf);

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
        .env("UV_CACHE_DIR", cache::resolvers(&order.cache))
        .current_dir(&scratch.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Whether the resolver did what it was to do, what it said, and what it complained of.
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

/// Has the resolver resolve; its answer, and its warnings.
async fn compile(order: &Order, scratch: &Scratch, form: &[&str]) -> Result<(String, Vec<String>), PackageError> {
    let place = scratch.0.join("requirements.in");
    let texts: Vec<&str> = order.request.requirements.iter().map(|requirement| &*requirement.text).collect();
    std::fs::write(&place, texts.join("\n")).map_err(|error| PackageError::Failed(error.to_string()))?;
    let mut command = uv(order, scratch);
    command.args(["pip", "compile"]).arg(&place).args(["--universal", "--python-version", PYTHON, "--python"]);
    command.arg(&order.python).args(["--no-build", "--no-config", "--no-python-downloads", "--no-header"]);
    command.arg("--system-certs").args(form);
    match (&order.index, &order.wheels) {
        // In the environment, where other users of the machine cannot read a password in it.
        (Some(index), _) => command.env("UV_DEFAULT_INDEX", index),
        (None, Some(wheels)) => command.arg("--no-index").arg("--find-links").arg(wheels),
        (None, None) => &mut command,
    };
    let (worked, said, complained) = run_uv(order, command).await?;
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
    let said: String = words.join(" ").trim().chars().take(1500).collect();
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

/// Which packages another is needed by, from a list with comments: `name==1.0`, then `# via other` lines.
fn wanted_by(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut last = None;
    for line in text.lines() {
        match line.trim().strip_prefix('#') {
            None => last = line.split("==").next().map(|name| name.trim().to_owned()),
            Some(comment) => {
                let name = comment.trim();
                let name = name.strip_prefix("via").map_or(name, str::trim);
                if let Some(last) = last.as_ref().filter(|_| !name.is_empty() && !name.starts_with("-r")) {
                    wanted.entry(last.clone()).or_default().push(name.to_owned());
                }
            }
        }
    }
    wanted
}

fn refuse(not_pure: &[NotPure], wanted_by: &BTreeMap<String, Vec<String>>) -> PackageError {
    let sentences = not_pure.iter().map(|NotPure { name, version, only_source }| {
        let by = wanted_by.get(name).map(Vec::as_slice).unwrap_or_default();
        let by_text = if by.is_empty() { String::new() } else { format!(" (needed by {})", by.join(", ")) };
        let what = if *only_source {
            "is there as source only, which would have to be built"
        } else {
            "has no wheel of pure Python, only native code, which a sandbox does not load"
        };
        let hint = hint(name).or_else(|| by.iter().find_map(|by| hint(by)));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{name} {version}{by_text} {what}{hint}")
    });
    PackageError::NotPure(sentences.collect::<Vec<_>>().join(". "))
}

/// The wheels, in their order, each checked against its digest.
async fn fetch(order: &Order, pinned: &[Pinned]) -> Result<Vec<Vec<u8>>, PackageError> {
    // The client brings no implementation of TLS of its own; another may have been set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(FETCH_WITHIN)
        .connect_timeout(Duration::from_secs(10))
        .build()
        .map_err(|error| PackageError::Failed(error.to_string()))?;
    let kept = cache::wheels(&order.cache);
    std::fs::create_dir_all(&kept).map_err(|error| PackageError::Failed(format!("{}: {error}", kept.display())))?;
    let one = |pinned: &Pinned| {
        let (client, pinned, kept) = (client.clone(), pinned.clone(), kept.join(format!("{}.whl", pinned.sha256)));
        async move { fetch_one(&client, order, &pinned, &kept).await }
    };
    stream::iter(pinned).map(one).buffered(AT_ONCE).try_collect().await
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
    fn the_resolver_is_pinned() {
        assert!(uv_version().split('.').count() == 3, "{:?}", uv_version());
    }

    #[test]
    fn refusals_name_the_package_who_needs_it_and_what_works_instead() {
        let by = wanted_by(
            "pydantic==2.1\n    # via -r requirements.in\npydantic-core==2.0\n    # via\n    #   pydantic\n    #   other\n",
        );
        assert_eq!(by["pydantic-core"], ["pydantic", "other"]);
        let lxml = NotPure { name: "lxml".into(), version: "6.0".into(), only_source: false };
        let core = NotPure { name: "pydantic-core".into(), version: "2.0".into(), only_source: false };
        let said = refuse(&[lxml, core], &by).to_string();
        assert!(said.starts_with("lxml 6.0 has no wheel of pure Python"), "{said}");
        assert!(
            said.contains("html.parser") && said.contains("pydantic-core 2.0 (needed by pydantic, other)"),
            "{said}"
        );
    }
}
