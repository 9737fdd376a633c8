//! The resolver: uv, in a directory of its own, for the interpreter in the sandbox.

use super::cache;
use super::order::{Order, environment, uv_version};
use super::view::View;
use super::{PackageError, hint};
use crate::config;
use crate::requirement::{PYTHON, Requirement};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// The time the resolver may take.
const RESOLVE_WITHIN: Duration = Duration::from_secs(90);

/// Most bytes of what the resolver says.
const MOST_SAID: u64 = 16 << 20;

/// What a package process may use, and the resolver after it: bytes of private memory.
pub(super) const MOST_MEMORY: u64 = 3 << 30;
/// Seconds of CPU.
pub(super) const MOST_CPU: u64 = 300;

/// A directory that is gone when this is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(cache: &Path) -> Result<Self, PackageError> {
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

/// The index that the resolver asks when none is named, as its help says: `(by default: <https://…>)`.
pub(super) async fn usual_index(order: &Order, scratch: &Scratch) -> Result<String, PackageError> {
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

pub(super) async fn check_version(order: &Order, scratch: &Scratch) -> Result<(), PackageError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_index_is_what_the_resolvers_help_says() {
        let help = "  --default-index <DEFAULT_INDEX>\n          The default package index (by default: <https://index.test/simple>) [env: X]\n";
        assert_eq!(usual_index_in(help).as_deref(), Some("https://index.test/simple"));
        assert_eq!(usual_index_in("--index-url (by default: <x>)"), None);
    }
}
