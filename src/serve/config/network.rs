//! How connections are made for scripts, and the hosts that these can be granted.

use super::BadSetting;
use super::values::name_server;
use clap::Args;
use cronbox_runtime::EGRESS_PROCESS;
use cronbox_runtime::network::{Ceiling, EgressConfig, HostPattern, Network, Networks};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What scripts can be granted to reach.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Network and secrets")]
pub struct HostConfig {
    /// The hosts that scripts can be granted at most: patterns such as *.example.org:443; *: every one
    #[arg(
        long,
        value_name = "HOSTS",
        env = "CRONBOX_HOST_CEILING",
        default_value = "*",
        value_delimiter = ',',
        value_parser = HostPattern::parse_operator
    )]
    pub host_ceiling: Vec<HostPattern>,
}

impl HostConfig {
    pub(in crate::serve) fn ceiling(&self) -> Ceiling {
        self.host_ceiling.iter().cloned().collect()
    }
}

/// How connections are made that scripts were granted.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Network and secrets")]
pub struct NetworkConfig {
    /// Addresses that are not everybody's, by the names that scripts may reach them with: NAME=RANGE, such as
    /// db.internal=10.1.0.0/16; repeatable
    #[arg(long, value_name = "NAME=RANGE", env = "CRONBOX_ALLOW_NETWORK", value_delimiter = ',')]
    pub allow_network: Vec<Network>,
    /// A name server instead of the system's: ADDRESS or ADDRESS:PORT; repeatable
    #[arg(long, value_name = "ADDRESS", env = "CRONBOX_DNS", value_delimiter = ',', value_parser = name_server)]
    pub dns: Vec<SocketAddr>,
    /// Certificates of authorities (PEM) that are believed beside the system's
    #[arg(long, value_name = "FILE", env = "CRONBOX_CA_FILE")]
    pub ca_file: Option<PathBuf>,
}

impl NetworkConfig {
    /// What the egress process, which is this program's, is set up with.
    pub fn egress(&self, program: &Path) -> Result<EgressConfig, BadSetting> {
        let bad = |why: String| BadSetting::new("ca-file", why);
        let authorities = match &self.ca_file {
            None => String::new(),
            Some(file) => std::fs::read_to_string(file).map_err(|error| bad(format!("{}: {error}", file.display())))?,
        };
        if self.ca_file.is_some() && !authorities.contains("-----BEGIN CERTIFICATE-----") {
            return Err(bad("there is no certificate (PEM) in it".into()));
        }
        Ok(EgressConfig { command: vec![program.into(), EGRESS_PROCESS.into()], dns: self.dns.clone(), authorities })
    }

    /// The addresses that are not everybody's.
    pub fn networks(&self) -> Networks {
        self.allow_network.iter().cloned().collect()
    }
}
