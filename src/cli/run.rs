//! `cronbox run`: one script, one sandbox, no server.

use super::bundle::{Files, lies_beside};
use super::client::{Refusal, Server, ServerArgs, part, talk};
use super::input::{self, Input};
use super::network::NetworkArgs;
use super::packages::{PackageArgs, packages_for};
use super::remote::run_remote;
use super::runs::save;
use super::terminal::Sink;
use super::{Exit, InterpreterArgs, complain, fail, pool_config};
use crate::blobs::{S3Access, read_object};
use crate::clock::{Clock, rfc3339};
use crate::config;
use crate::exact::{self, Exact};
use crate::limits::{self, RequestedLimits};
use crate::metadata::{self, Metadata};
use crate::quantity;
use crate::requirement::Request;
use crate::run::explain::{LimitContext, cut_mark};
use crate::script::{Name, Settings, bad_env};
use crate::secret::{self, AttemptSecrets};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use clap::Args;
use cronbox_runtime::limits::{CEILING, LimitName, MAX_SOURCE};
use cronbox_runtime::network::{HostError, HostPattern, NetworkGrant, Policy};
use cronbox_runtime::report::{ResultKind, StreamUsage};
use cronbox_runtime::{Bundle, Event, HostCall, Job, JobError, Limits, OnLost, Pool, Report, Run, Stream};
use futures_util::future::OptionFuture;
use reqwest::Method;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use zeroize::Zeroizing;

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
    network: NetworkArgs,
    /// Fetch nothing: packages are those that an earlier run brought
    #[arg(long, conflicts_with = "remote", help_heading = "Packages")]
    offline: bool,
    #[command(flatten)]
    packages: PackageArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    interpreter: InterpreterArgs,
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

    /// The same on a server, with everything that was typed.
    async fn run_remote(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        let saved = self.saved(&server).await?;
        let (file, source) = match &saved {
            Some(_) => (String::new(), Vec::new()),
            None => self.sent_along().await?,
        };
        let source = String::from_utf8(source)
            .map_err(|_| Refusal::usage("a script that is not UTF-8 cannot be sent in a request; push it first"))?;
        let (args, text_args) = self.arguments()?;
        let args = Exact::parse(&args).map_err(|error| Refusal::usage(format!("--args: {error}")))?;
        let mut limits = Map::new();
        if let Some(text) = &self.cpu {
            let fuel = quantity::parse_duration(text).and_then(quantity::fuel_for);
            limits.insert("fuel".into(), fuel.map_err(|error| Refusal::usage(format!("--cpu: {error}")))?.into());
        }
        let typed = [
            ("fuel", &self.fuel),
            ("memory", &self.memory),
            ("timeout", &self.timeout),
            ("output", &self.output_limit),
        ];
        for (name, text) in typed {
            if let Some(text) = text {
                limits.insert(name.into(), text.clone().into());
            }
        }
        let mut env = Map::new();
        for pair in &self.env {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| Refusal::usage(format!("--env {pair}: write NAME=VALUE")))?;
            env.insert(name.into(), value.into());
        }
        let mut request = json!({"text_args": text_args, "argv": self.argv, "limits": limits});
        let stdin = input::whole(self.stdin.as_deref(), self.script == Path::new("-"));
        if let Some(stdin) = stdin.map_err(|error| Refusal::usage(format!("--stdin: {}", sentence(&error))))? {
            request["stdin"] = json!({"base64": BASE64_STANDARD.encode(stdin)});
        }
        if let Some(entry) = &self.entry {
            request["entry"] = entry.clone().into();
        }
        if let Some(name) = saved {
            if !self.env.is_empty() || self.result.is_some() {
                return Err(Refusal::usage(
                    "--env and --result of a saved script are settings: set them with the script",
                ));
            }
            let path = format!("/v1/scripts/{}/runs", part(name.as_str()));
            return run_remote(&server, &path, &ToServer { args, rest: request }, self.json, self.quiet).await;
        }
        request["source"] = source.into();
        request["name"] = Name::near_file(&file).as_str().into();
        request["env"] = env.into();
        if let Some(result) = &self.result {
            request["result"] = result.clone().into();
        }
        run_remote(&server, "/v1/runs", &ToServer { args, rest: request }, self.json, self.quiet).await
    }

    /// The script on the server that is meant. A word that can only be a file's, or that the server does not know and lies
    /// here, is a file.
    async fn saved(&self, server: &Server) -> Result<Option<Name>, Refusal> {
        let typed = self.script.to_str().unwrap_or_default();
        let Ok(name) = Name::parse(typed) else { return Ok(None) };
        let is_here = self.script.exists();
        if is_here && (typed.ends_with(".py") || typed.ends_with(".pyc")) {
            return Ok(None);
        }
        let asked = server.request(Method::GET, &format!("/v1/scripts/{}", part(name.as_str())));
        match server.attempt(asked).await? {
            Ok(_) => Ok(Some(name)),
            Err(problem) if is_here && matches!(problem.status, 403 | 404) => Ok(None),
            // A token that may run it need not be able to look at it.
            Err(problem) if problem.status == 403 => Ok(Some(name)),
            Err(problem) if problem.status == 404 => {
                Err(Refusal::usage(format!("there is no script {name} on the server, and no file {typed} here")))
            }
            Err(problem) => Err(server.refused(&problem)),
        }
    }

    /// The one file that goes to the server with the run.
    async fn sent_along(&self) -> Result<(String, Vec<u8>), Refusal> {
        let shown = self.script.display();
        if self.script.is_dir() {
            return Err(Refusal::usage(format!(
                "{shown} is a folder, and a server is sent one file; push it: cronbox push {shown}"
            )));
        }
        let (file, source) = read_source(&self.script).await?;
        let files = Files::of_file(&self.script, file.clone(), source.clone())?;
        if self.script.exists() && !files.along.is_empty() {
            return Err(Refusal::usage(format!(
                "{shown} imports {}, and a server is sent one file; push it: cronbox push {shown}",
                files.along.join(", ")
            )));
        }
        Ok((file, source))
    }

    /// What is run here: a folder, or a file with the modules beside it that it imports.
    async fn files(&self) -> Result<Files, Refusal> {
        if self.script.is_dir() {
            // Nothing leaves this machine: hidden files are taken too.
            let files = Files::of_folder(&self.script, self.main.as_deref(), true)?;
            files.check()?;
            return Ok(files);
        }
        if self.main.is_some() {
            return Err(Refusal::usage("--main is for a folder; a file is where its own run begins"));
        }
        let (file, source) = read_source(&self.script).await?;
        let text = self.script.to_str().unwrap_or_default();
        let path = text.strip_prefix("file://").map_or(self.script.as_path(), Path::new);
        match path.is_file() {
            true => Files::of_file(path, file, source),
            false => Ok(Files { main: file.clone(), files: [(file, source)].into(), ..Files::default() }),
        }
    }

    fn run(self) -> Result<Exit, Refusal> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Refusal::unavailable)?;
        let (mut job, terms, request) = runtime.block_on(self.job())?;
        let (egress, networks) = self.network.read().map_err(Refusal::usage)?;
        if let Some(grant) = &mut job.network {
            Arc::make_mut(grant).networks = networks;
        }
        let interpreter = self.interpreter.open().map_err(Refusal::unavailable)?;
        let first_time = interpreter.compiled_now;
        let exit = runtime.block_on(async {
            let mut config = pool_config();
            (config.processes, config.max_processes, config.ready) = (1, 1, 0);
            config.memory_budget = CEILING.memory;
            config.require_hardening = self.require_hardening;
            config.egress = egress;
            let pool = Pool::start(config, Arc::new(interpreter)).await.map_err(Refusal::unavailable)?;
            if first_time {
                for measure in pool.hardening().missing() {
                    let why = measure.missing.as_deref().unwrap_or_default();
                    complain(&format!("note: hardening without {}: {why}", measure.name));
                }
            }
            if let Some(request) = request {
                job.packages = Some(packages_for(&request, self.packages, self.offline, &pool).await?);
            }
            let taken = self.script == Path::new("-");
            let input = Input::open(self.stdin.as_deref(), taken)
                .map_err(|error| Refusal::usage(format!("--stdin: {}", sentence(&error))))?;
            let run = pool.run(job).map_err(|error| Refusal::usage(job_error(&error)))?;
            let mut files = Vec::new();
            let ended = if self.json {
                whole(run, input, &terms, &mut files).await
            } else {
                live(run, input, &terms, self.quiet, &self.script, &mut files).await
            };
            match &self.output_dir {
                Some(folder) => save(folder, &files).map_err(Refusal::unavailable)?,
                None if files.is_empty() => {}
                None => complain(&format!(
                    "note: what the script left under /output ({} files) is gone; --output-dir DIR keeps it",
                    files.len()
                )),
            }
            Ok(ended)
        });
        // The sandbox process ends with its link; there is nothing to wait for.
        runtime.shutdown_background();
        exit
    }

    async fn job(&self) -> Result<(Job, LimitContext, Option<Request>), Refusal> {
        let files = self.files().await?;
        let file = files.main.clone();
        let metadata = metadata::read(files.source()).map_err(Refusal::usage)?;
        let listed = files.files.get("requirements.txt").map(Vec::as_slice).filter(|_| self.script.is_dir());
        let request = Request::of(&metadata.dependencies, metadata.requires_python.as_deref(), listed);
        let request = request.map_err(|error| Refusal::usage(error.to_string()))?;
        let terms = self.limits(&metadata)?;
        let (args, text_args) = self.arguments()?;
        let name = Name::near_file(&file).as_str().to_owned();
        let table = &metadata.cronbox;
        let mut env = vec![("HOME".to_owned(), "/tmp".to_owned()), ("TMPDIR".to_owned(), "/tmp".to_owned())];
        env.extend(["USER", "LOGNAME"].map(|name| (name.to_owned(), "cronbox".to_owned())));
        env.extend(table.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        for pair in &self.env {
            let (name, value) = pair
                .split_once('=')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| Refusal::usage(format!("--env {pair}: write NAME=VALUE")))?;
            env.push((name.into(), value.into()));
        }
        if let Some((name, _)) = env.iter().find(|(name, value)| bad_env(name, value)) {
            return Err(Refusal::usage(format!("the environment variable {name:?} has a character it cannot have")));
        }
        let given = self.secrets(table)?;
        given.put_into(&mut env);
        let scrubber = given.scrubber().map_err(|error| Refusal::usage(format!("--secret: {error}")))?;
        let mut network = self.grant(table)?;
        if let Some(network) = &mut network {
            network.secrets = given.placed;
        }
        let result_kind = match self.result.as_deref() {
            None => table.result.unwrap_or_default(),
            Some("json") => ResultKind::Json,
            Some("text") => ResultKind::Text,
            Some("none") => ResultKind::None,
            Some(other) => return Err(Refusal::usage(format!("the result {other:?} is none of json, text, none"))),
        };
        let list: Vec<(&str, &[u8])> =
            files.files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        let bundle = Bundle::of_files(&list).map_err(|error| Refusal::usage(error.to_string()))?;
        let job = Job::new(bundle, file)
            .with_context(context(&name, &metadata, &terms.limits))
            .with_name(name)
            .with_entry(self.entry.clone().or_else(|| table.entry.clone()))
            .with_args(args)
            .with_text_args(text_args)
            .with_argv(self.argv.clone())
            .with_env(env)
            .with_result_kind(result_kind)
            .with_network(network.map(Arc::new))
            .with_redactor(scrubber)
            .with_limits(terms.limits)
            .with_on_lost(OnLost::Report);
        Ok((job, terms, request))
    }

    /// What the script may reach: what the flags say, and what its metadata asks for. None: nothing.
    fn grant(&self, table: &Settings) -> Result<Option<NetworkGrant>, Refusal> {
        let read = |flag: &str, texts: &[String]| -> Result<Vec<HostPattern>, Refusal> {
            let read = |text: &String| {
                text.parse().map_err(|error: HostError| Refusal::usage(format!("{flag} {text}: {error}")))
            };
            texts.iter().map(read).collect()
        };
        let mut allow = read("--allow-host", &self.allow_host)?;
        allow.extend(read("the script's metadata, allow:", &table.allow)?);
        let unverified = read("--allow-unverified", &self.allow_unverified)?;
        let grant =
            NetworkGrant { policy: Policy { allow, ..Policy::default() }, unverified, ..NetworkGrant::default() };
        Ok((!grant.policy.allow.is_empty()).then_some(grant))
    }

    /// The secrets that were typed, or stand in variables.
    fn secrets(&self, table: &Settings) -> Result<AttemptSecrets, Refusal> {
        let mut given = AttemptSecrets::default();
        for text in &self.secret {
            // What was typed may be a secret, and is not repeated.
            let (rest, host) = text
                .rsplit_once('@')
                .ok_or_else(|| Refusal::usage("--secret is written NAME=VALUE@HOST, or NAME@HOST"))?;
            let (name, value) = match rest.split_once('=') {
                Some((name, value)) => (name, Zeroizing::new(value.to_owned())),
                None => {
                    let value = config::variable(rest).and_then(|value| value.into_string().ok());
                    let none =
                        "--secret NAME@HOST: there is no variable of that name (NAME=VALUE@HOST gives the value)";
                    (rest, Zeroizing::new(value.ok_or_else(|| Refusal::usage(none))?))
                }
            };
            let terms = secret::SecretTerms {
                hosts: vec![host.to_owned()],
                scripts: vec!["run".to_owned()],
                ..secret::SecretTerms::default()
            };
            let checked = secret::check_name(name).and(secret::check_value(&value)).and(terms.check());
            checked.map_err(|bad| Refusal::usage(format!("--secret NAME=VALUE@HOST: {}: {}", bad.part, bad.why)))?;
            if given.env.iter().any(|(known, _)| known == name) {
                return Err(Refusal::usage(format!("--secret {name}: it is given twice")));
            }
            let value = Zeroizing::new(value.as_bytes().to_vec());
            given.add(name, &terms, value).map_err(Refusal::unavailable)?;
        }
        for name in table.secrets.iter().flatten() {
            if !given.env.iter().any(|(known, _)| known == name) {
                complain(&format!("note: the script asks for the secret {name}: --secret {name}=VALUE@HOST"));
            }
        }
        Ok(given)
    }

    /// The limits in force: flags, then what the script asks for itself, then the defaults. Whoever runs a script at
    /// their own terminal grants it what it asks for, up to the ceiling.
    fn limits(&self, metadata: &Metadata) -> Result<LimitContext, Refusal> {
        let in_script = RequestedLimits::read(&metadata.cronbox.limits)
            .map_err(|error| Refusal::usage(format!("the script's metadata has a limit that cannot be: {error}")))?;
        let parsed = |flag: &'static str| move |error: String| Refusal::usage(format!("{flag}: {error}"));
        let flag = |text: &Option<String>, parse: fn(&str) -> Result<u64, String>, name: &'static str| {
            text.as_deref().map(parse).transpose().map_err(parsed(name))
        };
        let cpu = |text: &str| quantity::parse_duration(text).and_then(quantity::fuel_for);
        let fuel = flag(&self.cpu, cpu, "--cpu")?.or(flag(&self.fuel, quantity::parse_fuel, "--fuel")?);
        let timeout = self.timeout.as_deref().map(quantity::parse_duration).transpose().map_err(parsed("--timeout"))?;
        let typed = RequestedLimits {
            fuel,
            memory: flag(&self.memory, quantity::parse_bytes, "--memory")?,
            timeout,
            output: flag(&self.output_limit, quantity::parse_bytes, "--output-limit")?,
        };
        let asked = typed.or(&in_script);
        let defaults = Limits::default();
        let limits = Limits {
            fuel: asked.fuel.unwrap_or(defaults.fuel),
            memory: asked.memory.unwrap_or(defaults.memory),
            wall: asked.timeout.unwrap_or(defaults.wall),
            stdout: asked.output.unwrap_or(defaults.stdout),
            stderr: asked.output.unwrap_or(defaults.stderr),
            files: defaults.files.min(asked.memory.unwrap_or(defaults.memory)),
            ..defaults
        };
        // What the interpreter needs is known once it is loaded; the rest is said before anything is compiled.
        limits.check(0).map_err(|error| Refusal::usage(limits::sentence(&error, flag_of)))?;
        Ok(LimitContext { limits, asked, ceiling: CEILING })
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
    read.map_err(|error| Refusal::usage(format!("{shown} cannot be read: {}", sentence(&error))))?;
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

fn context(name: &str, metadata: &Metadata, limits: &Limits) -> String {
    let now = Clock::system().now();
    let time = rfc3339;
    let deadline = chrono::TimeDelta::from_std(limits.wall).map_or(now, |wall| now + wall);
    json!({
        "run_id": uuid::Uuid::now_v7().to_string(),
        "script": name,
        "version": null,
        "schedule": null,
        "cause": "manual",
        "attempt": 1,
        "lost_attempts": 0,
        "fire_time": null,
        "scheduled_at": time(now),
        "started_at": time(now),
        "deadline": time(deadline),
        "timezone": metadata.cronbox.timezone.as_deref().unwrap_or("UTC"),
        "labels": metadata.cronbox.labels,
    })
    .to_string()
}

/// What a server is asked for; the arguments go as they were typed.
#[derive(Serialize)]
struct ToServer {
    args: Exact,
    #[serde(flatten)]
    rest: Value,
}

/// What a run came to.
#[derive(Serialize)]
struct Document<'a> {
    result: Option<&'a RawValue>,
    #[serde(flatten)]
    rest: Value,
}

/// Runs and collects; prints one document at the end.
async fn whole(mut run: Run, input: Input, terms: &LimitContext, files: &mut Vec<(String, Bytes)>) -> Exit {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let Some(report) = follow(&mut run, input, files, |stream, bytes| {
        match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => stderr.extend_from_slice(bytes),
        }
        true
    })
    .await
    else {
        return Exit::Unavailable;
    };
    let text = |bytes: &[u8], usage: &StreamUsage, limit: u64| {
        String::from_utf8_lossy(bytes).into_owned() + &cut_mark(usage, limit)
    };
    let document = Document {
        // As Python wrote it: a number of any size stays as it is.
        result: report.result.as_deref(),
        rest: json!({
            "status": report.outcome.as_str(),
            "stdout": text(&stdout, &report.stdout, terms.limits.stdout),
            "stderr": text(&stderr, &report.stderr, terms.limits.stderr),
            "error": terms.error(&report),
            "usage": {
                "fuel": report.usage.fuel,
                "peak_memory_bytes": report.usage.peak_memory_bytes,
                "wall_ms": (report.usage.wall.as_secs_f64() * 1e6).round() / 1e3,
                "network": report.network,
            },
        }),
    };
    let mut out = Sink::new(std::io::stdout());
    let written = serde_json::to_string(&document).map_err(std::io::Error::other).and_then(|text| out.line(&text));
    if written.is_err() {
        return Exit::Unavailable;
    }
    Exit::of_outcome(report.outcome)
}

/// Runs and passes on what the script writes while it writes.
async fn live(
    mut run: Run,
    input: Input,
    terms: &LimitContext,
    quiet: bool,
    script: &Path,
    files: &mut Vec<(String, Bytes)>,
) -> Exit {
    let (mut out, mut err) = (Sink::new(std::io::stdout()), Sink::new(std::io::stderr()));
    let report = follow(&mut run, input, files, |stream, bytes| match stream {
        Stream::Stdout if quiet => true,
        Stream::Stdout => out.write(bytes).is_ok(),
        Stream::Stderr => err.write(bytes).is_ok(),
    })
    .await;
    // A reader that went away (`| head`) wanted no more.
    let Some(report) = report else { return Exit::Succeeded };
    let mut say = || {
        if !quiet && report.stdout.dropped > 0 {
            out.line(cut_mark(&report.stdout, terms.limits.stdout).trim())?;
        }
        if report.stderr.dropped > 0 {
            err.line(cut_mark(&report.stderr, terms.limits.stderr).trim())?;
        }
        // None is what a script returns that returns nothing.
        if let Some(result) = report.result.as_ref().filter(|result| result.get() != "null") {
            out.line(result.get())?;
        }
        if let Some(error) = report.error.as_ref().filter(|error| !error.traceback.is_empty()) {
            err.line(&error.traceback)?;
        }
        for note in &report.notes {
            err.line(&format!("note: {note}"))?;
        }
        if let Some(hint) = report.error.as_ref().and_then(|error| hint(script, &error.message)) {
            err.line(&hint)?;
        }
        err.line(&summary(&report, terms))
    };
    match say() {
        Ok(()) => Exit::of_outcome(report.outcome),
        Err(_) => Exit::Unavailable,
    }
}

/// What to type when a file that lies beside the script was not found.
fn hint(script: &Path, message: &str) -> Option<String> {
    let beside = lies_beside(script, message).filter(|_| script.is_file())?;
    let folder = script.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (main, folder) = (script.file_name()?.to_string_lossy().into_owned(), folder.display());
    Some(format!(
        "note: {} lies beside {}, and a file is run alone: `cronbox run {folder} --main {main}` takes the folder",
        beside.file_name()?.to_string_lossy(),
        script.display()
    ))
}

/// A question of the script, by its number, and what is answered.
type Answer = (u64, Result<String, String>);

/// Follows a run to its end; an interrupt cancels it. None when `output` wants no more.
async fn follow(
    run: &mut Run,
    input: Input,
    files: &mut Vec<(String, Bytes)>,
    mut output: impl FnMut(Stream, &[u8]) -> bool,
) -> Option<Report> {
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut asked = false;
    let mut reading: Option<Pin<Box<dyn Future<Output = Answer>>>> = None;
    loop {
        tokio::select! {
            event = run.next() => match event? {
                Event::Output { stream, bytes } => {
                    if !output(stream, &bytes) {
                        return None;
                    }
                }
                Event::File { path, content } => files.push((path, content)),
                // There is one attempt here; a lost one is reported.
                Event::Restarted => {}
                // A script has one thread: it waits for this answer before it asks for anything else.
                Event::Call { number, call: HostCall::Stdin, request } => {
                    let part = input.clone().answer(request);
                    reading = Some(Box::pin(async move { (number, part.await) }));
                }
                Event::Call { number, call, .. } => run.reply(number, answer(&call)),
                Event::Done(report) => return Some(*report),
            },
            Some((number, part)) = OptionFuture::from(reading.as_mut()) => {
                reading = None;
                run.reply(number, part);
            }
            _ = &mut interrupted, if !asked => {
                asked = true;
                run.cancel();
            }
        }
    }
}

/// What a script without a server gets: no result before it, an empty state that is not kept.
fn answer(call: &HostCall) -> Result<String, String> {
    match call {
        HostCall::PreviousResult | HostCall::Upstream => Ok("null".into()),
        HostCall::State => Ok("{}".into()),
        HostCall::SetState => Ok(json!("context.state was changed, and is not kept: that needs a server").to_string()),
        HostCall::Stdin | HostCall::Other(_) => Err(format!("{call} needs a server; this script was run by itself")),
    }
}

/// `succeeded in 3 ms · 0.31 G fuel · 21 MiB`, and what stopped the run, if anything did.
fn summary(report: &Report, terms: &LimitContext) -> String {
    let usage = &report.usage;
    let (fuel, memory) = (quantity::fuel(usage.fuel), quantity::bytes(usage.peak_memory_bytes));
    let line = format!("{} in {} · {fuel} · {memory}", report.outcome.as_str(), quantity::duration(usage.wall));
    match terms.stop_sentence(report) {
        Some(sentence) => format!("{line}\n{sentence}"),
        None => line,
    }
}

fn job_error(error: &JobError) -> String {
    match error {
        JobError::Limit(error) => limits::sentence(error, flag_of),
        JobError::ArgsTooLarge { .. } | JobError::BadArgs(_) => format!("--args: {error}"),
        _ => error.to_string(),
    }
}

/// The flag that sets a limit.
fn flag_of(name: LimitName) -> String {
    match name {
        LimitName::Fuel => "--fuel",
        LimitName::Memory => "--memory",
        LimitName::Timeout => "--timeout",
        LimitName::Output => "--output-limit",
        LimitName::Result | LimitName::Files => "a limit",
    }
    .into()
}
