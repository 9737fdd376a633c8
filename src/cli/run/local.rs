//! A run in a sandbox of this machine.

use super::follow::{live, whole};
use super::{RunArgs, read_source, sentence, warnings};
use crate::cli::bundle::Files;
use crate::cli::client::Refusal;
use crate::cli::input::Input;
use crate::cli::packages::packages_for;
use crate::cli::runs::save;
use crate::cli::{Exit, complain, open_interpreter, pool_config};
use crate::clock::{Clock, rfc3339};
use crate::config;
use crate::limits::{self, RequestedLimits};
use crate::metadata::{self, Metadata};
use crate::quantity;
use crate::requirement::Request;
use crate::run::explain::LimitContext;
use crate::script::{Name, Settings, bad_env};
use crate::secret::{self, AttemptSecrets};
use crate::serve::config::this_program;
use cronbox_runtime::limits::{CEILING, LimitName};
use cronbox_runtime::network::{HostError, HostPattern, NetworkGrant, Policy};
use cronbox_runtime::report::ResultKind;
use cronbox_runtime::{Bundle, Job, JobError, Limits, OnLost, Pool, environment};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the end waits for an image of packages that is being made.
const IMAGE_PATIENCE: Duration = Duration::from_secs(3);

impl RunArgs {
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

    pub(super) fn run(self) -> Result<Exit, Refusal> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Refusal::unavailable)?;
        let (mut job, terms, request) = runtime.block_on(self.job())?;
        let egress = self.network.egress(&this_program()).map_err(|error| Refusal::usage(error.to_string()))?;
        if let Some(grant) = &mut job.network {
            Arc::make_mut(grant).networks = self.network.networks();
        }
        let interpreter = open_interpreter(&self.interpreter).map_err(Refusal::unavailable)?;
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
                job.packages = Some(packages_for(&request, &self.packages, self.offline, &pool).await?);
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
            // The first run of a script with packages has its image made, which takes less than a second. On a machine that
            // is busy it is left to a later run.
            let _ = tokio::time::timeout(IMAGE_PATIENCE, pool.images_made()).await;
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
        let metadata = metadata::read(files.source()).map_err(|bad| Refusal::usage(bad.to_string()))?;
        warnings::tell(&metadata, &Name::near_file(&file));
        let listed = files.files.get("requirements.txt").map(Vec::as_slice).filter(|_| self.script.is_dir());
        let request = Request::of(&metadata.dependencies, metadata.requires_python.as_deref(), listed);
        let request = request.map_err(|error| Refusal::usage(error.to_string()))?;
        let terms = self.limits(&metadata)?;
        let (args, text_args) = self.arguments()?;
        let name = Name::near_file(&file).as_str().to_owned();
        let table = &metadata.cronbox;
        let mut env = environment();
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
        let bad = |flag: &str, text: &str, error: HostError| Refusal::usage(format!("{flag} {text}: {error}"));
        let read = |flag: &str, texts: &[String]| -> Result<Vec<HostPattern>, Refusal> {
            texts.iter().map(|text| text.parse().map_err(|error| bad(flag, text, error))).collect()
        };
        let mut allow = read("--allow-host", &self.allow_host)?;
        let in_script = table.allow.patterns();
        allow.extend(in_script.map_err(|(text, error)| bad("the script's metadata, allow:", text, error))?);
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
                hosts: [host].into_iter().collect(),
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
        let in_script =
            metadata.cronbox.limits.asked().map_err(|error| {
                Refusal::usage(format!("the script's metadata has a limit that cannot be: {error}"))
            })?;
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

fn job_error(error: &JobError) -> String {
    match error {
        JobError::Limit(error) => limits::sentence(error, flag_of),
        JobError::ArgsTooLarge { .. } | JobError::BadArgs(_) => format!("--args: {error}"),
        _ => error.to_string(),
    }
}
