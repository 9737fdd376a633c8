//! How scripts run, and how schedules fire.

use super::BadSetting;
use super::values::{ceiling, count, policies, switch};
use crate::quantity::parse_bytes;
use crate::schedule::Policies;
use crate::zone;
use clap::Args;
use cronbox_runtime::Limits;
use std::path::PathBuf;

/// How scripts run, and how schedules fire.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Runs")]
pub struct RunConfig {
    /// Zone of scripts that name none
    #[arg(long, value_name = "ZONE", env = "CRONBOX_TIMEZONE", default_value = "UTC")]
    pub timezone: String,
    /// Sandbox processes that stand ready [default: one a core]
    #[arg(long, value_name = "N", env = "CRONBOX_SANDBOX_PROCESSES", value_parser = count::<usize>)]
    pub sandbox_processes: Option<usize>,
    /// Runs of this node at once, those that sleep included
    #[arg(long, value_name = "N", env = "CRONBOX_MAX_RUNNING", default_value = "64", value_parser = count::<usize>)]
    pub max_running: usize,
    /// Bytes that the memory limits of running runs may add up to [default: half of the machine's]
    #[arg(long, value_name = "SIZE", env = "CRONBOX_MEMORY_BUDGET", value_parser = parse_bytes)]
    pub memory_budget: Option<u64>,
    /// Runs that may wait before further requests are refused
    #[arg(long, value_name = "N", env = "CRONBOX_MAX_QUEUED", default_value = "10000", value_parser = count::<u64>)]
    pub max_queued: u64,
    /// The largest limits that can be granted, such as memory=512MiB,timeout=10m
    #[arg(
        long,
        value_name = "LIMITS",
        env = "CRONBOX_CEILING",
        default_value = "",
        hide_default_value = true,
        value_parser = ceiling
    )]
    pub ceiling: Limits,
    /// Policies of schedules that name none, such as misfire_grace_time=5m,max_instances=3
    #[arg(
        long,
        value_name = "POLICIES",
        env = "CRONBOX_JOB_DEFAULTS",
        default_value = "",
        hide_default_value = true,
        value_parser = policies
    )]
    pub job_defaults: Policies,
    /// Start with all schedules paused
    #[arg(long, env = "CRONBOX_PAUSED", value_parser = switch)]
    pub paused: bool,
    /// A directory of compiled time zones instead of the built-in release
    #[arg(long, value_name = "DIR", env = "CRONBOX_TZDATA")]
    pub tzdata: Option<PathBuf>,
}

impl RunConfig {
    /// Goes by the release of time zones that is wanted; the zone of scripts must be in it.
    pub(in crate::serve) fn install_zones(&self) -> Result<(), BadSetting> {
        if let Some(folder) = &self.tzdata {
            zone::install(zone::Zones::from_dir(folder).map_err(|error| BadSetting::new("tzdata", error))?);
        }
        zone::installed().get(&self.timezone).map_err(|why| BadSetting::new("timezone", why))?;
        Ok(())
    }
}
