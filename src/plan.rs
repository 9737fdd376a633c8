//! From a script and what is asked of it to a run that can be made: whoever asks, request, schedule or another run.

use crate::clock::Time;
use crate::limits::{BEYOND, BadLimit, NotGranted, RequestedLimits};
use crate::run::{Cause, NewRun, RETRY_ON, Spec, Value, new_id};
use crate::schedule::{Policies, Schedule};
use crate::script::{Script, Settings, Version};
use cronbox_runtime::Limits;
use cronbox_runtime::network::{Ceiling, HostPattern, Policy};
use std::time::Duration;

/// Wall-clock time of runs that a schedule starts and that ask for none: nobody waits for them.
pub const SCHEDULED_WALL: Duration = Duration::from_secs(15 * 60);

/// What the operator decides about runs.
#[derive(Clone, Debug)]
pub struct RunPolicy {
    /// The limits of a run that asks for none.
    pub defaults: Limits,
    /// The largest limits.
    pub ceiling: Limits,
    /// The hosts that can be granted at most.
    pub hosts: Ceiling,
    /// The least memory a run can have, in bytes.
    pub interpreter_memory: u64,
    /// The zone of scripts that name none.
    pub timezone: String,
    /// The policies of schedules that name none.
    pub job_defaults: Policies,
}

/// Why a schedule can start no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// A limit that it or its script asks for cannot be read.
    #[error("limits.{0}")]
    Limit(#[from] BadLimit),
    /// Its trigger cannot be read: a sentence.
    #[error("{0}")]
    Trigger(String),
}

/// Where a run's source is.
#[derive(Clone, Debug)]
pub struct RunFiles {
    /// Its script's key; none for source that was sent along.
    pub script: Option<String>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<i64>,
    /// The blob; none when the source stands in the run's row.
    pub blob: Option<String>,
    /// The blob of its code object.
    pub code: Option<String>,
    /// The blob of its packages.
    pub packages: Option<String>,
    /// The source's path.
    pub main: String,
    /// The source itself, when it is small and was sent along.
    pub source: Option<Vec<u8>>,
}

impl RunFiles {
    /// Those of a script's version.
    pub fn of(script: &Script, version: &Version) -> Self {
        RunFiles {
            script: Some(script.key.clone()),
            name: script.name.clone(),
            version: Some(version.number),
            blob: Some(version.blob.clone()),
            code: version.usable_code().map(str::to_owned),
            packages: version.packages.as_ref().map(|packages| packages.blob.clone()),
            main: version.main.clone(),
            source: None,
        }
    }
}

/// What a schedule starts.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleStart<'a> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// Its script.
    pub script: &'a Script,
    /// The version of that which it starts.
    pub version: &'a Version,
    /// The limits that the script was granted.
    pub granted: &'a RequestedLimits,
}

impl RunPolicy {
    /// The limits of runs that a schedule starts.
    pub fn scheduled_defaults(&self) -> Limits {
        Limits { wall: SCHEDULED_WALL.max(self.defaults.wall).min(self.ceiling.wall), ..self.defaults }
    }

    /// What of these hosts can be granted at most.
    pub fn grantable(&self, hosts: &[HostPattern]) -> Policy {
        Policy::in_force(hosts, hosts, &self.hosts)
    }

    /// What of the hosts that somebody asks for is not granted, and why it cannot be where it cannot.
    pub fn hosts_refused(&self, asked: &[HostPattern], granted: &[HostPattern]) -> Vec<NotGranted> {
        let in_force = Policy::in_force(asked, granted, &self.hosts);
        let possible = self.grantable(asked);
        let refused = asked.iter().filter(|host| !in_force.covers(host));
        let told = |host: &HostPattern| {
            let grantable = possible.covers(host);
            let in_force = if grantable { "not reachable" } else { BEYOND }.into();
            NotGranted { what: "allow".into(), asked: host.to_string(), in_force, grantable }
        };
        refused.map(told).collect()
    }

    /// A run with limits that are decided, and what of them was asked for.
    pub fn run(
        &self,
        files: RunFiles,
        settings: &Settings,
        (limits, asked): (Limits, RequestedLimits),
        now: Time,
    ) -> NewRun {
        let spec = Spec {
            blob: files.blob,
            packages: files.packages,
            code: files.code,
            main: files.main,
            entry: settings.entry.clone(),
            text_args: Vec::new(),
            argv: Vec::new(),
            stdin: None,
            env: settings.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            // Settings are checked before they are kept: a host that cannot be read is in none.
            allow: settings.hosts().unwrap_or_default(),
            allowed: Vec::new(),
            secrets: settings.secrets.clone(),
            result: settings.result.unwrap_or_default(),
            limits,
            asked,
            timezone: settings.timezone.clone().unwrap_or_else(|| self.timezone.clone()),
            retries: settings.retries.clone().filter(|retries| retries.count > 0),
            retry_on: settings.retry_on.clone().unwrap_or_else(|| RETRY_ON.to_vec()),
            on_lost: settings.on_lost.unwrap_or_default(),
            concurrency: settings.concurrency,
            heartbeat: settings.heartbeat.clone(),
            traceparent: None,
            gated: false,
            schedule: None,
            pause_after: None,
            chain_depth: 0,
            chain_cause: None,
        };
        NewRun {
            script: files.script,
            version: files.version,
            source: files.source,
            labels: settings.labels.clone(),
            ..NewRun::new(new_id(now), files.name, spec)
        }
    }

    /// A run that a schedule starts; `args` is what its settings say, as text or blob.
    pub fn run_of_schedule(
        &self,
        ScheduleStart { schedule, script, version, granted }: ScheduleStart<'_>,
        args: Value,
        cause: Cause,
        now: Time,
    ) -> Result<NewRun, BadPlan> {
        let own = &schedule.settings;
        let settings = script.settings.or(&version.table);
        let asked = own.limits.asked()?.or(&settings.limits.asked()?);
        let trigger = schedule.trigger.parsed().map_err(BadPlan::Trigger)?;
        let (limits, _) = asked.in_force(granted, &self.scheduled_defaults(), &self.ceiling);
        let mut new = self.run(RunFiles::of(script, version), &settings, (limits, asked), now);
        new.cause = cause;
        new.args = args;
        new.labels.extend(own.labels.clone());
        new.priority = own.priority.unwrap_or_default();
        new.schedule = Some(schedule.key.clone());
        let spec = &mut new.spec;
        spec.entry = own.entry.clone().or(spec.entry.take());
        spec.argv.clone_from(&own.argv);
        trigger.zone().name().clone_into(&mut spec.timezone);
        spec.retries = own.retries.clone().or(spec.retries.take()).filter(|retries| retries.count > 0);
        if let Some(retry_on) = &own.retry_on {
            spec.retry_on.clone_from(retry_on);
        }
        spec.on_lost = own.on_lost.unwrap_or(spec.on_lost);
        spec.schedule = Some(schedule.id.clone());
        let policies = own.policies.in_force(&self.job_defaults);
        spec.pause_after = policies.pause_on_failure.filter(|most| *most > 0 && cause == Cause::Fire);
        Ok(new)
    }
}
