//! The flags of `cronbox serve`, by subject: each group is the flags, and what they make of the configuration.

use super::settings::{Settings, age_of, count, limits_of, policies_of, rates_of, roles_of};
use crate::cli::network::NetworkArgs;
use crate::config;
use crate::keyring;
use crate::limits;
use crate::script::Keep;
use crate::serve::Config;
use crate::zone;
use crate::{blobs, quantity, store};
use clap::Args;
use cronbox_runtime::limits::CEILING;
use cronbox_runtime::network::Ceiling;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where everything is kept.
#[derive(Debug, Default, Args)]
pub(super) struct StorageArgs {
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
    /// The size of the data directory from which on there are warnings; nothing is deleted [default: 10GiB]
    #[arg(long, value_name = "SIZE", env = "CRONBOX_MAX_DATA", hide_env_values = true, help_heading = "Storage")]
    max_data: Option<String>,
    /// Keep everything in memory; it is gone when the server ends
    #[arg(long, env = "CRONBOX_EPHEMERAL", hide_env_values = true, help_heading = "Storage")]
    ephemeral: bool,
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
}

impl StorageArgs {
    /// The directory that other defaults lie in.
    pub(super) fn data_dir(&mut self, settings: &Settings) -> Result<PathBuf, String> {
        let data_dir = settings.one("data-dir", self.data_dir.take())?;
        Ok(PathBuf::from(data_dir.unwrap_or_else(|| "cronbox-data".into())))
    }

    pub(super) fn apply(self, settings: &Settings, config: &mut Config) -> Result<(), String> {
        let ephemeral = settings.flag("ephemeral", self.ephemeral)?;
        if ephemeral {
            config.database = store::DatabaseUrl::Memory;
            config.blobs = blobs::BlobLocation::Memory;
            config.secret_key = keyring::KeySource::Memory;
        }
        match settings.parsed("database", self.database, store::DatabaseUrl::parse)? {
            Some(_) if ephemeral => return Err("--ephemeral and --database exclude one another".into()),
            Some(place) => config.database = place,
            None => {}
        }
        if let Some(place) = settings.parsed("blobs", self.blobs, blobs::BlobLocation::parse)? {
            config.blobs = place;
        }
        config.script_sources = settings.many("script-source", self.script_source);
        if let Some(size) = settings.parsed("max-data", self.max_data, quantity::parse_bytes)? {
            config.max_data = size;
        }
        match (settings.one("secret-key-file", self.secret_key_file)?, config::secret_key()?) {
            (Some(_), Some(_)) => return Err("--secret-key-file and CRONBOX_SECRET_KEY exclude one another".into()),
            (Some(file), None) => config.secret_key = keyring::KeySource::File(file.into()),
            (None, Some(text)) => config.secret_key = keyring::KeySource::Variable(text),
            (None, None) => {}
        }
        Ok(())
    }
}

/// How scripts run, and how schedules fire.
#[derive(Debug, Default, Args)]
pub(super) struct RunDefaultArgs {
    /// Zone of scripts that name none [default: UTC]
    #[arg(long, value_name = "ZONE", env = "CRONBOX_TIMEZONE", hide_env_values = true, help_heading = "Runs")]
    timezone: Option<String>,
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
    /// The largest limits that can be granted, such as memory=512MiB,timeout=10m
    #[arg(long, value_name = "LIMITS", env = "CRONBOX_CEILING", hide_env_values = true, help_heading = "Runs")]
    ceiling: Option<String>,
    /// Policies of schedules that name none, such as misfire_grace_time=5m,max_instances=3
    #[arg(long, value_name = "POLICIES", env = "CRONBOX_JOB_DEFAULTS", hide_env_values = true, help_heading = "Runs")]
    job_defaults: Option<String>,
    /// Start with all schedules paused
    #[arg(long, env = "CRONBOX_PAUSED", hide_env_values = true, help_heading = "Runs")]
    paused: bool,
    /// A directory of compiled time zones instead of the built-in release
    #[arg(long, value_name = "DIR", env = "CRONBOX_TZDATA", hide_env_values = true, help_heading = "Runs")]
    tzdata: Option<String>,
}

impl RunDefaultArgs {
    pub(super) fn apply(self, settings: &Settings, config: &mut Config) -> Result<(), String> {
        if let Some(processes) = settings.parsed("sandbox-processes", self.sandbox_processes, count)? {
            config.pool.max_processes = config.pool.max_processes.max(processes);
            config.pool.processes = processes;
        }
        if let Some(budget) = settings.parsed("memory-budget", self.memory_budget, quantity::parse_bytes)? {
            config.pool.memory_budget = budget;
        }
        if let Some(most) = settings.parsed("max-running", self.max_running, count)? {
            config.max_running = most;
        }
        if let Some(most) = settings.parsed("max-queued", self.max_queued, count)? {
            config.queue_bound = most as u64;
        }
        let asked = settings.parsed("ceiling", self.ceiling, limits_of)?.unwrap_or_default();
        config.ceiling = asked.in_force(&asked, &CEILING, &CEILING).0;
        let ceiling = config.ceiling.check(0);
        ceiling.map_err(|error| format!("--ceiling: {}", limits::sentence(&error, |name| format!("{name:?}"))))?;
        if let Some(policies) = settings.parsed("job-defaults", self.job_defaults, policies_of)? {
            config.job_defaults = policies;
        }
        config.paused = settings.flag("paused", self.paused)?;
        if let Some(folder) = settings.one("tzdata", self.tzdata)? {
            let zones = zone::Zones::from_dir(Path::new(&folder)).map_err(|error| format!("--tzdata: {error}"))?;
            zone::install(zones);
        }
        if let Some(timezone) = settings.one("timezone", self.timezone)? {
            config.timezone = timezone;
        }
        zone::installed().get(&config.timezone).map_err(|why| format!("--timezone: {why}"))?;
        Ok(())
    }
}

/// What the node does, and for how long it is waited for.
#[derive(Debug, Default, Args)]
pub(super) struct NodeArgs {
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
    /// How long runs can go on when the server stops; 0s: not at all [default: 30s]
    #[arg(long, value_name = "TIME", env = "CRONBOX_DRAIN", hide_env_values = true, help_heading = "Node")]
    drain: Option<String>,
    /// How long a node may be silent before others take its runs [default: 15s]
    #[arg(long, value_name = "TIME", env = "CRONBOX_LEASE", hide_env_values = true, help_heading = "Node")]
    lease: Option<String>,
    /// Requests a second of all callers, and of each token: N or N,N [default: 5000,1000]
    #[arg(long, value_name = "N,N", env = "CRONBOX_RATE_LIMIT", hide_env_values = true, help_heading = "Node")]
    rate_limit: Option<String>,
    /// The node's name, for people [default: the machine's]
    #[arg(long, value_name = "NAME", env = "CRONBOX_NODE_NAME", hide_env_values = true, help_heading = "Node")]
    node_name: Option<String>,
    /// Refuse to start when the kernel lacks a measure of hardening
    #[arg(long, env = "CRONBOX_REQUIRE_HARDENING", hide_env_values = true, help_heading = "Node")]
    require_hardening: bool,
}

impl NodeArgs {
    pub(super) fn apply(self, settings: &Settings, config: &mut Config) -> Result<(), String> {
        config.roles = roles_of(&settings.many("roles", self.roles))?;
        if let Some(time) = settings.parsed("drain", self.drain, quantity::parse_duration)? {
            config.drain = time;
        }
        if let Some(time) = settings.parsed("lease", self.lease, quantity::parse_duration)? {
            config.lease = time;
        }
        if config.lease < Duration::from_secs(1) {
            return Err("--lease: at least 1s".into());
        }
        if let Some(rates) = settings.parsed("rate-limit", self.rate_limit, rates_of)? {
            config.rate = rates;
        }
        config.name = settings.one("node-name", self.node_name)?.unwrap_or_else(config::host_name);
        config.pool.require_hardening = settings.flag("require-hardening", self.require_hardening)?;
        Ok(())
    }
}

/// How long things are kept.
#[derive(Debug, Default, Args)]
pub(super) struct RetentionArgs {
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
}

impl RetentionArgs {
    pub(super) fn apply(self, settings: &Settings, config: &mut Config) -> Result<(), String> {
        let own = Keep {
            age: settings.parsed("keep-runs", self.keep_runs, age_of)?,
            count: settings.parsed("keep-count", self.keep_count, |text| count(text).map(|count| count as u64))?,
            bytes: settings.parsed("keep-bytes", self.keep_bytes, quantity::parse_bytes)?,
            output: settings.parsed("keep-output", self.keep_output, age_of)?,
        };
        config.retention.keep = own.or(&config.retention.keep);
        if let Some(age) = settings.parsed("keep-events", self.keep_events, age_of)? {
            config.retention.events = age;
        }
        Ok(())
    }
}

/// What is logged, and how.
#[derive(Debug, Default, Args)]
pub(super) struct LogArgs {
    /// What is logged: error, warn, info, debug, trace, or directives [default: info]
    #[arg(long, value_name = "LEVEL", env = "CRONBOX_LOG", hide_env_values = true, help_heading = "Log")]
    log: Option<String>,
    /// How it is logged: text or json [default: text on a terminal]
    #[arg(long, value_name = "FORMAT", env = "CRONBOX_LOG_FORMAT", hide_env_values = true, help_heading = "Log")]
    log_format: Option<String>,
}

impl LogArgs {
    /// What is logged, and whether as JSON.
    pub(super) fn read(self, settings: &Settings) -> Result<(Option<String>, Option<bool>), String> {
        let json = settings.parsed("log-format", self.log_format, |text| match text {
            "json" => Ok(true),
            "text" => Ok(false),
            other => Err(format!("{other:?} is neither text nor json")),
        })?;
        Ok((settings.one("log", self.log)?, json))
    }
}

/// What scripts can be granted to reach.
#[derive(Debug, Default, Args)]
pub(super) struct ConnectionArgs {
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
    #[command(flatten)]
    network: NetworkArgs,
}

impl ConnectionArgs {
    pub(super) fn apply(self, settings: &Settings, config: &mut Config) -> Result<(), String> {
        let network = NetworkArgs {
            allow_network: settings.many("allow-network", self.network.allow_network),
            dns: settings.many("dns", self.network.dns),
            ca_file: settings.one("ca-file", self.network.ca_file)?,
        };
        (config.pool.egress, config.networks) = network.read()?;
        let hosts = match settings.many("host-ceiling", self.host_ceiling) {
            hosts if hosts.is_empty() => Ceiling::parse(["*"]),
            hosts => Ceiling::parse(&hosts),
        };
        config.hosts = hosts.map_err(|why| format!("--host-ceiling: {why}"))?;
        Ok(())
    }
}
