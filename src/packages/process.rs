//! The package process: the only one that talks to the index.
//!
//! It gets an order on standard input and answers on standard output: a line of JSON, then the files as a bundle. It has
//! an environment of proxies and certificates alone, and the file system lets it see its cache, its own temporary
//! directory, the wheels it may be given, the resolver with a Python, and what names and TLS need; nothing of the node's.
//! Nothing of a package is ever executed: uv is told to build nothing.

use super::chosen::Chosen;
use super::fetch::{client, fetch};
use super::lock;
use super::order::{Answer, Order, Said, say, tell};
use super::uv::{MOST_CPU, MOST_MEMORY, Scratch, check_version, compile, usual_index};
use super::view::{Upstream, View};
use super::wheel::Files;
use super::{PackageError, Step, Trial};
use super::{held, refusal};
use crate::config;
use crate::requirement::{Locked, Requirement};
use cronbox_runtime::Bundle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

/// Most bytes of a file that a package process, or the resolver after it, may write.
const MOST_FILE: u64 = 2 << 30;
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

/// The word after which this program is a package process.
pub const PACKAGE_PROCESS: &str = "package-process";

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
