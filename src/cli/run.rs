//! `cronbox run`: one script, one sandbox, no server.

mod follow;
mod local;
mod remote;
mod warnings;

use super::client::{Refusal, ServerArgs, talk};
use super::{Exit, fail, hints};
use crate::blobs::{S3Access, read_object};
use crate::config;
use crate::exact::{self, Exact};
use crate::quantity;
use crate::serve::config::{InterpreterConfig, NetworkConfig, PackageConfig};
use clap::Args;
use cronbox_runtime::limits::MAX_SOURCE;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What `cronbox run` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cronbox run price.py --arg symbol=INIT        modules beside it that it imports come along
  cronbox run jobs/report -- --since yesterday  a folder with main.py; words after -- are sys.argv
  cronbox run --remote price --arg n:=3         the server's script, or this file on the server")]
pub(super) struct RunArgs {
    /// The script: a file, a folder with main.py, s3://BUCKET/KEY, or - for standard input
    script: PathBuf,
    /// Words for sys.argv in script mode
    #[arg(last = true)]
    argv: Vec<String>,
    /// Arguments for the entry: a JSON object (by name) or array (by position)
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    args: Option<String>,
    /// One argument: name=text, or name:=json
    #[arg(long, value_name = "NAME=TEXT", allow_hyphen_values = true)]
    arg: Vec<String>,
    /// Function to call, or module:function
    #[arg(long, value_name = "NAME")]
    entry: Option<String>,
    /// Of a folder: the file where the run begins [default: main.py]
    #[arg(long, value_name = "FILE", conflicts_with = "remote")]
    main: Option<String>,
    /// What becomes of the return value: json, text or none [default: json]
    #[arg(long, value_name = "KIND")]
    result: Option<String>,
    /// Fuel, such as 2e9 [default: 200e9]
    #[arg(long, allow_hyphen_values = true, help_heading = "Limits")]
    fuel: Option<String>,
    /// Fuel as time of CPU, such as 30s
    #[arg(long, value_name = "TIME", conflicts_with = "fuel", allow_hyphen_values = true, help_heading = "Limits")]
    cpu: Option<String>,
    /// Memory, such as 64MiB [default: 256MiB]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, help_heading = "Limits")]
    memory: Option<String>,
    /// Wall-clock time, such as 30s [default: 60s]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Limits")]
    timeout: Option<String>,
    /// Bytes kept of each of standard output and standard error [default: 1MiB]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, help_heading = "Limits")]
    output_limit: Option<String>,
    /// Where the files go that the script leaves under /output
    #[arg(long, value_name = "DIR", conflicts_with = "remote")]
    output_dir: Option<PathBuf>,
    /// What the script reads from standard input [default: what is piped into this command]
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// One environment variable
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Print the result alone on standard output
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// Print one JSON document with everything about the run
    #[arg(long)]
    json: bool,
    /// Refuse to run when the kernel lacks a measure of hardening
    #[arg(long)]
    require_hardening: bool,
    /// Run it on a server instead: the server's script of that name, or this file
    #[arg(long)]
    remote: bool,
    /// A host that the script may reach, beside those that its metadata asks for: NAME or NAME:PORT; repeatable
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "remote", help_heading = "Network and secrets")]
    allow_host: Vec<String>,
    /// A host whose certificate need not prove its name; repeatable
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "remote", help_heading = "Network and secrets")]
    allow_unverified: Vec<String>,
    /// A secret, of which the script sees a placeholder, and the host that gets it in headers; without =VALUE it is read
    /// from the variable NAME; repeatable
    #[arg(long, value_name = "NAME=VALUE@HOST", conflicts_with = "remote", help_heading = "Network and secrets")]
    secret: Vec<String>,
    #[command(flatten)]
    network: NetworkConfig,
    /// Fetch nothing: packages are those that an earlier run brought
    #[arg(long, conflicts_with = "remote", help_heading = "Packages")]
    offline: bool,
    #[command(flatten)]
    packages: PackageConfig,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    interpreter: InterpreterConfig,
}

impl RunArgs {
    pub(super) fn execute(self) -> Exit {
        if self.remote {
            return talk(async || self.run_remote().await);
        }
        match self.run() {
            Ok(exit) => exit,
            Err(Refusal(exit, why)) => {
                fail(&why);
                exit
            }
        }
    }

    fn arguments(&self) -> Result<(String, Vec<String>), Refusal> {
        let given = self.args.as_deref().unwrap_or("{}");
        if self.arg.is_empty() {
            // Not parsed here: the pool checks it without building what may be nested a hundred thousand deep.
            return Ok((given.to_owned(), Vec::new()));
        }
        let mut object = exact::entries(given).map_err(|_| {
            Refusal::usage("--args must be a JSON object when --arg is given too: its names go beside the others")
        })?;
        let mut texts = Vec::new();
        for pair in &self.arg {
            let wrong = || Refusal::usage(format!("--arg {pair}: write NAME=TEXT or NAME:=JSON"));
            let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
            let (name, value) = match name.strip_suffix(':') {
                Some(name) => {
                    let json = Exact::parse(value)
                        .map_err(|error| Refusal::usage(format!("--arg {pair}: not JSON: {error}")))?;
                    (name, json)
                }
                None => {
                    texts.push(name.to_owned());
                    (name, Exact::from(Value::from(value)))
                }
            };
            if name.is_empty() {
                return Err(wrong());
            }
            object.retain(|(known, _)| known != name);
            object.push((name.to_owned(), value));
        }
        Ok((exact::object(object.iter().map(|(name, value)| (name.as_str(), value.get()))), texts))
    }
}

/// The script's file name and its bytes.
async fn read_source(path: &Path) -> Result<(String, Vec<u8>), Refusal> {
    let address = path.to_str().unwrap_or_default();
    let path = address.strip_prefix("file://").map_or(path, Path::new);
    let shown = path.display();
    let mut source = Vec::new();
    let most = MAX_SOURCE as u64 + 1;
    let (file, read) = if address.starts_with("s3://") {
        let access = S3Access { options: config::aws() };
        let content = read_object(address, &access, most).await;
        source = content.map_err(|error| Refusal::unavailable(format!("{address}: {error}")))?;
        (address.rsplit('/').next().unwrap_or_default().to_owned(), Ok(0))
    } else if path == Path::new("-") {
        ("script.py".to_owned(), std::io::stdin().take(most).read_to_end(&mut source))
    } else {
        if path.is_dir() {
            return Err(Refusal::usage(format!("{shown} is a folder; name a Python file")));
        }
        let file = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| Refusal::usage(format!("{shown} has no name that is UTF-8")))?;
        let read = std::fs::File::open(path).and_then(|open| open.take(most).read_to_end(&mut source));
        (file.to_owned(), read)
    };
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Refusal::usage(format!("{shown} cannot be read: {}", hints::no_such_file(path)))
        }
        _ => Refusal::usage(format!("{shown} cannot be read: {}", sentence(&error))),
    })?;
    if source.is_empty() {
        return Err(Refusal::usage(format!("{shown} is empty")));
    }
    if source.len() > MAX_SOURCE {
        let limit = quantity::bytes(MAX_SOURCE as u64);
        return Err(Refusal::usage(format!("{shown} is larger than a script may be ({limit})")));
    }
    Ok((file, source))
}

fn sentence(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}
