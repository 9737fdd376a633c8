//! `cronbox serve`: the server.

use super::network::NetworkArgs;
use super::packages::PackageArgs;
use super::{Exit, InterpreterArgs, complain, pool_config};
use crate::cleaner::Retention;
use crate::config::{self, Setting};
use crate::keyring;
use crate::limits::{self, RequestedLimits};
use crate::schedule::{POLICIES, Policies};
use crate::script::{Keep, Quantity};
use crate::serve::{self, Config, Roles, Shutdown};
use crate::suggest::nearest;
use crate::supervise;
use crate::zone;
use crate::{blobs, log, quantity, store};
use clap::Args;
use cronbox_runtime::Limits;
use cronbox_runtime::limits::CEILING;
use cronbox_runtime::network::Ceiling;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What `cronbox serve` takes. Everything can also stand in `cronbox.toml` under the flag's name, and in the environment as
/// `CRONBOX_` and the name.
#[derive(Debug, Default, Args)]
pub(super) struct ServeArgs {
    /// Where to listen: HOST:PORT, or unix:PATH [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "CRONBOX_LISTEN", hide_env_values = true)]
    listen: Option<String>,
    /// What every address begins with behind a proxy, such as /cronbox; the proxy may drop it or pass it on
    #[arg(long, value_name = "PATH", env = "CRONBOX_BASE_PATH", hide_env = true)]
    base_path: Option<String>,
    /// Where everything is kept [default: ./cronbox-data]
    #[arg(long, value_name = "DIR", env = "CRONBOX_DATA_DIR", hide_env_values = true, help_heading = "Storage")]
    data_dir: Option<String>,
    /// sqlite:PATH or postgres://… [default: SQLite in the data directory]
    #[arg(long, value_name = "URL", env = "CRONBOX_DATABASE", hide_env_values = true, help_heading = "Storage")]
    database: Option<String>,
    /// s3://BUCKET/PREFIX or a directory [default: blobs in the data directory]
    #[arg(long, value_name = "PLACE", env = "CRONBOX_BLOBS", hide_env_values = true, help_heading = "Storage")]
    blobs: Option<String>,
    /// A directory or s3://BUCKET/PREFIX whose scripts are taken, and where links may point; repeatable
    #[arg(
        long,
        value_name = "PLACE",
        env = "CRONBOX_SCRIPT_SOURCE",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Storage"
    )]
    script_source: Vec<String>,
    /// Zone of scripts that name none [default: UTC]
    #[arg(long, value_name = "ZONE", env = "CRONBOX_TIMEZONE", hide_env_values = true, help_heading = "Runs")]
    timezone: Option<String>,
    /// What this node does: api, scheduler, worker [default: all]
    #[arg(
        long,
        value_name = "ROLES",
        env = "CRONBOX_ROLES",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Node"
    )]
    roles: Vec<String>,
    /// Sandbox processes that stand ready [default: one a core]
    #[arg(long, value_name = "N", env = "CRONBOX_SANDBOX_PROCESSES", hide_env_values = true, help_heading = "Runs")]
    sandbox_processes: Option<String>,
    /// Runs of this node at once [default: 64]
    #[arg(long, value_name = "N", env = "CRONBOX_MAX_RUNNING", hide_env_values = true, help_heading = "Runs")]
    max_running: Option<String>,
    /// Bytes that the memory limits of running runs may add up to [default: half of the machine's]
    #[arg(long, value_name = "SIZE", env = "CRONBOX_MEMORY_BUDGET", hide_env_values = true, help_heading = "Runs")]
    memory_budget: Option<String>,
    /// Runs that may wait before further requests are refused [default: 10000]
    #[arg(long, value_name = "N", env = "CRONBOX_MAX_QUEUED", hide_env_values = true, help_heading = "Runs")]
    max_queued: Option<String>,
    /// How long runs can go on when the server stops; 0s: not at all [default: 30s]
    #[arg(long, value_name = "TIME", env = "CRONBOX_DRAIN", hide_env_values = true, help_heading = "Node")]
    drain: Option<String>,
    /// How long a node may be silent before others take its runs [default: 15s]
    #[arg(long, value_name = "TIME", env = "CRONBOX_LEASE", hide_env_values = true, help_heading = "Node")]
    lease: Option<String>,
    /// The largest limits that can be granted, such as memory=512MiB,timeout=10m
    #[arg(long, value_name = "LIMITS", env = "CRONBOX_CEILING", hide_env_values = true, help_heading = "Runs")]
    ceiling: Option<String>,
    /// Requests a second of all callers, and of each token: N or N,N [default: 5000,1000]
    #[arg(long, value_name = "N,N", env = "CRONBOX_RATE_LIMIT", hide_env_values = true, help_heading = "Node")]
    rate_limit: Option<String>,
    /// Policies of schedules that name none, such as misfire_grace_time=5m,max_instances=3
    #[arg(long, value_name = "POLICIES", env = "CRONBOX_JOB_DEFAULTS", hide_env_values = true, help_heading = "Runs")]
    job_defaults: Option<String>,
    /// Start with all schedules paused
    #[arg(long, env = "CRONBOX_PAUSED", hide_env_values = true, help_heading = "Runs")]
    paused: bool,
    /// A directory of compiled time zones instead of the built-in release
    #[arg(long, value_name = "DIR", env = "CRONBOX_TZDATA", hide_env_values = true, help_heading = "Runs")]
    tzdata: Option<String>,
    /// How long what runs wrote is kept [default: 30d]
    #[arg(long, value_name = "TIME", env = "CRONBOX_KEEP_OUTPUT", hide_env_values = true, help_heading = "Retention")]
    keep_output: Option<String>,
    /// How long runs are kept [default: for ever]
    #[arg(long, value_name = "TIME", env = "CRONBOX_KEEP_RUNS", hide_env_values = true, help_heading = "Retention")]
    keep_runs: Option<String>,
    /// How many of each script's newest runs are kept [default: all]
    #[arg(long, value_name = "N", env = "CRONBOX_KEEP_COUNT", hide_env_values = true, help_heading = "Retention")]
    keep_count: Option<String>,
    /// How many bytes of each script's newest runs are kept [default: all]
    #[arg(long, value_name = "SIZE", env = "CRONBOX_KEEP_BYTES", hide_env_values = true, help_heading = "Retention")]
    keep_bytes: Option<String>,
    /// How long events are kept [default: 30d]
    #[arg(long, value_name = "TIME", env = "CRONBOX_KEEP_EVENTS", hide_env_values = true, help_heading = "Retention")]
    keep_events: Option<String>,
    /// The size of the data directory from which on there are warnings; nothing is deleted [default: 10GiB]
    #[arg(long, value_name = "SIZE", env = "CRONBOX_MAX_DATA", hide_env_values = true, help_heading = "Storage")]
    max_data: Option<String>,
    /// The node's name, for people [default: the machine's]
    #[arg(long, value_name = "NAME", env = "CRONBOX_NODE_NAME", hide_env_values = true, help_heading = "Node")]
    node_name: Option<String>,
    /// What is logged: error, warn, info, debug, trace, or directives [default: info]
    #[arg(long, value_name = "LEVEL", env = "CRONBOX_LOG", hide_env_values = true, help_heading = "Log")]
    log: Option<String>,
    /// How it is logged: text or json [default: text on a terminal]
    #[arg(long, value_name = "FORMAT", env = "CRONBOX_LOG_FORMAT", hide_env_values = true, help_heading = "Log")]
    log_format: Option<String>,
    /// Keep everything in memory; it is gone when the server ends
    #[arg(long, env = "CRONBOX_EPHEMERAL", hide_env_values = true, help_heading = "Storage")]
    ephemeral: bool,
    /// Refuse to start when the kernel lacks a measure of hardening
    #[arg(long, env = "CRONBOX_REQUIRE_HARDENING", hide_env_values = true, help_heading = "Node")]
    require_hardening: bool,
    /// The configuration file [default: cronbox.toml, when it is there]
    #[arg(long, value_name = "FILE", env = config::CONFIG, hide_env_values = true)]
    config: Option<PathBuf>,
    /// The hosts that scripts can be granted at most: patterns such as *.example.org:443 [default: *, every one]
    #[arg(
        long,
        value_name = "HOSTS",
        env = "CRONBOX_HOST_CEILING",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Network and secrets"
    )]
    host_ceiling: Vec<String>,
    /// The keys that seal secrets, 32 random bytes in base64, one a line: the first seals, all open; or in the variable
    /// CRONBOX_SECRET_KEY [default: made in the data directory]
    #[arg(
        long,
        value_name = "FILE",
        env = "CRONBOX_SECRET_KEY_FILE",
        hide_env_values = true,
        help_heading = "Storage"
    )]
    secret_key_file: Option<String>,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    packages: PackageArgs,
    #[command(flatten)]
    interpreter: InterpreterArgs,
}

/// What is logged, and whether as JSON.
type LogAs = (Option<String>, Option<bool>);

/// The names that may stand in the configuration file.
const NAMES: &[&str] = &[
    "listen",
    "base-path",
    "data-dir",
    "database",
    "blobs",
    "script-source",
    "timezone",
    "roles",
    "sandbox-processes",
    "max-running",
    "memory-budget",
    "max-queued",
    "drain",
    "lease",
    "ceiling",
    "rate-limit",
    "job-defaults",
    "paused",
    "tzdata",
    "keep-output",
    "keep-runs",
    "keep-count",
    "keep-bytes",
    "keep-events",
    "max-data",
    "node-name",
    "log",
    "log-format",
    "ephemeral",
    "require-hardening",
    "host-ceiling",
    "allow-network",
    "dns",
    "ca-file",
    "secret-key-file",
    "index",
    "uv",
    "package-cache",
    "interpreter-cache",
];

/// What holds: flags and variables, then the file.
struct Settings {
    file: BTreeMap<String, Setting>,
}

impl Settings {
    fn one(&self, name: &str, typed: Option<String>) -> Result<Option<String>, String> {
        match (typed, self.file.get(name).map(Setting::texts)) {
            (Some(typed), _) => Ok(Some(typed)),
            (None, None) => Ok(None),
            (None, Some(texts)) => match <[String; 1]>::try_from(texts) {
                Ok([text]) => Ok(Some(text)),
                Err(_) => Err(format!("{name} is one value, and not several")),
            },
        }
    }

    fn many(&self, name: &str, typed: Vec<String>) -> Vec<String> {
        if typed.is_empty() { self.file.get(name).map(Setting::texts).unwrap_or_default() } else { typed }
    }

    fn parsed<T>(
        &self,
        name: &str,
        typed: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let text = self.one(name, typed)?;
        text.as_deref().map(parse).transpose().map_err(|why| format!("--{name}: {why}"))
    }

    fn flag(&self, name: &str, typed: bool) -> Result<bool, String> {
        let from_file = self.parsed(name, None, |text| text.parse::<bool>().map_err(|_| "true or false".to_owned()))?;
        Ok(typed || from_file.unwrap_or(false))
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{text:?} is no number greater than 0")),
    }
}

/// `memory=512MiB,timeout=10m`
fn limits_of(text: &str) -> Result<RequestedLimits, String> {
    let mut table = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=').ok_or("write NAME=VALUE, with commas between")?;
        table.insert(name.trim().to_owned(), Quantity::Text(value.trim().to_owned()));
    }
    RequestedLimits::read(&table).map_err(|error| error.to_string())
}

/// `/cronbox`; a slash at its end says nothing.
fn base_path_of(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    match path.strip_prefix('/') {
        _ if path.is_empty() => Ok(String::new()),
        Some(rest) if rest.split('/').all(plain) => Ok(path.to_owned()),
        _ => Err("a path such as /cronbox: a slash, then letters, digits and - . _ ~".into()),
    }
}

/// `misfire_grace_time=5m,coalesce=false`
fn policies_of(text: &str) -> Result<Policies, String> {
    let mut table = serde_json::Map::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=').ok_or("write NAME=VALUE, with commas between")?;
        let (name, value) = (name.trim(), value.trim());
        if !POLICIES.contains(&name) {
            let near = nearest(name, POLICIES.iter().copied()).map(|near| format!("did you mean {near}? "));
            return Err(format!("{}there are {}", near.unwrap_or_default(), POLICIES.join(", ")));
        }
        table.insert(name.into(), serde_json::from_str(value).unwrap_or_else(|_| value.into()));
    }
    let policies: Policies =
        serde_json::from_value(serde_json::Value::Object(table)).map_err(|error| error.to_string())?;
    policies.check().map_err(|(_, why)| why)?;
    Ok(policies)
}

fn roles_of(names: &[String]) -> Result<Roles, String> {
    if names.is_empty() {
        return Ok(Roles { api: true, scheduler: true, worker: true });
    }
    let mut roles = Roles { api: false, scheduler: false, worker: false };
    for name in names {
        match name.trim() {
            "api" => roles.api = true,
            "scheduler" => roles.scheduler = true,
            "worker" => roles.worker = true,
            other => return Err(format!("--roles: {other:?} is none of api, scheduler, worker")),
        }
    }
    Ok(roles)
}

impl ServeArgs {
    pub(super) fn execute(self) -> Exit {
        let log = (self.log.clone(), self.log_format.clone());
        let (config, log) = match self.config(log) {
            Ok(config) => config,
            Err(why) => {
                complain(&why);
                return Exit::Usage;
            }
        };
        let is_json = log.1 == Some(true);
        if let Err(why) = log::begin(log.0.as_deref(), log.1) {
            complain(&format!("--log: {why}"));
            return Exit::Usage;
        }
        supervise::log_panics();
        // For tests of the whole.
        let faults = config::variable("CRONBOX_TEST_FAULTS").and_then(|names| names.into_string().ok());
        supervise::faults::ask(faults.iter().flat_map(|names| names.split(',')).map(str::to_owned));
        let tell: fn(&str) = if is_json { |text| tracing::info!("{text}") } else { complain };
        let say: serve::Say = Arc::new(move |line: &str| {
            let line = if is_json { log::line(line) } else { line.to_owned() };
            // A start whose reader went away is a start all the same.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        });
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                complain(&error.to_string());
                return Exit::Unavailable;
            }
        };
        let served = runtime.block_on(async {
            let shutdown = Shutdown::default();
            let Shutdown { stop: first, at_once: second } = shutdown.clone();
            let (mut terminated, mut interrupted) =
                match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
                    (Ok(terminated), Ok(interrupted)) => (terminated, interrupted),
                    (Err(error), _) | (_, Err(error)) => return Err(serve::ServeError(error.to_string())),
                };
            tokio::spawn(async move {
                loop {
                    tokio::select! {
                        _ = terminated.recv() => {}
                        _ = interrupted.recv() => {}
                    }
                    if first.is_cancelled() {
                        tell("going down at once");
                        second.cancel();
                    } else {
                        tell("going down when what runs has ended; once more to go down at once");
                        first.cancel();
                    }
                }
            });
            serve::run(config, None, say, shutdown).await
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        match served {
            Ok(()) => Exit::Succeeded,
            Err(error) => {
                if is_json {
                    tracing::error!("{error}");
                } else {
                    complain(&error.to_string());
                }
                Exit::Unavailable
            }
        }
    }

    fn config(self, log: (Option<String>, Option<String>)) -> Result<(Config, LogAs), String> {
        let file = config::file(self.config.as_deref())?;
        if let Some(name) = file.keys().find(|name| !NAMES.contains(&name.as_str())) {
            let near =
                nearest(name, NAMES.iter().copied()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            return Err(format!("the configuration file has a setting {name:?} that does not exist{near}"));
        }
        let settings = Settings { file };
        let ephemeral = settings.flag("ephemeral", self.ephemeral)?;
        let data_dir = PathBuf::from(settings.one("data-dir", self.data_dir)?.unwrap_or_else(|| "cronbox-data".into()));
        let database = match settings.parsed("database", self.database, store::DatabaseUrl::parse)? {
            Some(_) if ephemeral => return Err("--ephemeral and --database exclude one another".into()),
            Some(place) => place,
            None if ephemeral => store::DatabaseUrl::Memory,
            None => store::DatabaseUrl::Sqlite(data_dir.join("cronbox.db")),
        };
        let blobs = match settings.parsed("blobs", self.blobs, blobs::BlobLocation::parse)? {
            Some(place) => place,
            None if ephemeral => blobs::BlobLocation::Memory,
            None => blobs::BlobLocation::Disk(data_dir.join("blobs")),
        };
        let mut pool = pool_config();
        if let Some(processes) = settings.parsed("sandbox-processes", self.sandbox_processes, count)? {
            pool.max_processes = pool.max_processes.max(processes);
            pool.processes = processes;
        }
        if let Some(budget) = settings.parsed("memory-budget", self.memory_budget, quantity::parse_bytes)? {
            pool.memory_budget = budget;
        }
        pool.require_hardening = settings.flag("require-hardening", self.require_hardening)?;
        let asked = settings.parsed("ceiling", self.ceiling, limits_of)?.unwrap_or_default();
        let (ceiling, _) = asked.in_force(&asked, &CEILING, &CEILING);
        ceiling
            .check(0)
            .map_err(|error| format!("--ceiling: {}", limits::sentence(&error, |name| format!("{name:?}"))))?;
        let rate = settings.parsed("rate-limit", self.rate_limit, |text| {
            let (all, each) = text.split_once(',').unwrap_or((text, text));
            let number = |text: &str| count(text.trim()).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            Ok((number(all)?, number(each)?))
        })?;
        let mut retention = Retention::default();
        let own = Keep {
            age: settings.parsed("keep-runs", self.keep_runs, quantity::parse_duration)?,
            count: settings.parsed("keep-count", self.keep_count, |text| count(text).map(|count| count as u64))?,
            bytes: settings.parsed("keep-bytes", self.keep_bytes, quantity::parse_bytes)?,
            output: settings.parsed("keep-output", self.keep_output, quantity::parse_duration)?,
        };
        retention.keep = own.or(&retention.keep);
        if let Some(age) = settings.parsed("keep-events", self.keep_events, quantity::parse_duration)? {
            retention.events = age;
        }
        let job_defaults = settings.parsed("job-defaults", self.job_defaults, policies_of)?.unwrap_or_default();
        if let Some(folder) = settings.one("tzdata", self.tzdata)? {
            let zones = zone::Zones::from_dir(Path::new(&folder)).map_err(|error| format!("--tzdata: {error}"))?;
            zone::install(zones);
        }
        let paused = settings.flag("paused", self.paused)?;
        let timezone = settings.one("timezone", self.timezone)?.unwrap_or_else(|| "UTC".into());
        zone::installed().get(&timezone).map_err(|why| format!("--timezone: {why}"))?;
        let lease = settings.parsed("lease", self.lease, quantity::parse_duration)?.unwrap_or(crate::heartbeat::LEASE);
        if lease < Duration::from_secs(1) {
            return Err("--lease: at least 1s".into());
        }
        let network = NetworkArgs {
            allow_network: settings.many("allow-network", self.network.allow_network),
            dns: settings.many("dns", self.network.dns),
            ca_file: settings.one("ca-file", self.network.ca_file)?,
        };
        let (egress, networks) = network.read()?;
        pool.egress = egress;
        let hosts = match settings.many("host-ceiling", self.host_ceiling) {
            hosts if hosts.is_empty() => Ceiling::parse(["*"]),
            hosts => Ceiling::parse(&hosts),
        };
        let hosts = hosts.map_err(|why| format!("--host-ceiling: {why}"))?;
        let packages = PackageArgs {
            index: settings.one("index", self.packages.index)?,
            uv: settings.one("uv", self.packages.uv)?,
            package_cache: settings.one("package-cache", self.packages.package_cache)?,
        };
        let packages = packages.resolver(Some(data_dir.join("packages")))?;
        let interpreter_cache = match settings.one("interpreter-cache", None)? {
            Some(path) if self.interpreter.interpreter_cache.is_none() => PathBuf::from(path),
            _ => self.interpreter.cache()?,
        };
        let json = settings.parsed("log-format", log.1, |text| match text {
            "json" => Ok(true),
            "text" => Ok(false),
            other => Err(format!("{other:?} is neither text nor json")),
        })?;
        let log = (settings.one("log", log.0)?, json);
        let secret_key = match (settings.one("secret-key-file", self.secret_key_file)?, config::secret_key()?) {
            (Some(_), Some(_)) => return Err("--secret-key-file and CRONBOX_SECRET_KEY exclude one another".into()),
            (Some(file), None) => keyring::KeySource::File(file.into()),
            (None, Some(text)) => keyring::KeySource::Variable(text),
            (None, None) if ephemeral => keyring::KeySource::Memory,
            (None, None) => keyring::KeySource::Own(data_dir.join(keyring::OWN_FILE)),
        };
        let config = Config {
            base_path: settings.parsed("base-path", self.base_path, base_path_of)?.unwrap_or_default(),
            listen: settings.one("listen", self.listen)?.unwrap_or_else(|| "127.0.0.1:8080".into()),
            data_dir,
            database,
            blobs,
            s3: blobs::S3Access { options: config::aws() },
            script_sources: settings.many("script-source", self.script_source),
            timezone,
            roles: roles_of(&settings.many("roles", self.roles))?,
            pool,
            interpreter_cache,
            packages,
            max_running: settings.parsed("max-running", self.max_running, count)?.unwrap_or(64),
            queue_bound: settings.parsed("max-queued", self.max_queued, count)?.unwrap_or(10_000) as u64,
            drain: settings.parsed("drain", self.drain, quantity::parse_duration)?.unwrap_or(Duration::from_secs(30)),
            lease,
            defaults: Limits::default(),
            ceiling,
            hosts,
            networks,
            rate: rate.unwrap_or((5_000, 1_000)),
            job_defaults,
            paused,
            retention,
            max_data: settings
                .parsed("max-data", self.max_data, quantity::parse_bytes)?
                .unwrap_or(crate::disk_usage::MAX_DATA),
            secret_key,
            admin_token_file: config::admin_token_file(),
            name: settings.one("node-name", self.node_name)?.unwrap_or_else(config::host_name),
            clock: None,
        };
        Ok((config, log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_from_the_line_then_the_file() {
        let file = [
            ("listen".to_owned(), Setting::Text("a:1".into())),
            ("roles".to_owned(), Setting::Texts(vec!["api".into()])),
        ];
        let settings = Settings { file: file.into() };
        assert_eq!(settings.one("listen", None), Ok(Some("a:1".into())));
        assert_eq!(settings.one("listen", Some("b:2".into())), Ok(Some("b:2".into())));
        assert_eq!(
            roles_of(&settings.many("roles", Vec::new())),
            Ok(Roles { api: true, scheduler: false, worker: false })
        );
        assert!(roles_of(&["cook".into()]).is_err());
        assert!(settings.parsed("listen", None, count).is_err());
        assert_eq!(limits_of("memory=1MiB, timeout=5s").map(|asked| asked.memory), Ok(Some(1 << 20)));
        assert!(limits_of("memory").is_err());
        for (text, path) in [("/cronbox/", "/cronbox"), ("/", ""), ("", ""), ("/a/b-c", "/a/b-c")] {
            assert_eq!(base_path_of(text).as_deref(), Ok(path));
        }
        for bad in ["cronbox", "//", "/a//b", "/a b", "/../a", "http://host/a"] {
            assert_eq!(base_path_of(bad).is_err(), bad != "//", "{bad}");
        }
    }
}
