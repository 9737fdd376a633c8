//! How connections are made for scripts, for every command that runs some.

use super::this_program;
use clap::Args;
use cronbox_runtime::EGRESS_PROCESS;
use cronbox_runtime::network::{EgressConfig, Networks};
use std::net::{IpAddr, SocketAddr};

/// The flags about connections that scripts may be granted.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct NetworkArgs {
    /// Addresses that are not everybody's, by the names that scripts may reach them with: NAME=RANGE, such as
    /// db.internal=10.1.0.0/16; repeatable
    #[arg(
        long,
        value_name = "NAME=RANGE",
        env = "CRONBOX_ALLOW_NETWORK",
        hide_env_values = true,
        help_heading = "Network and secrets",
        value_delimiter = ','
    )]
    pub(super) allow_network: Vec<String>,
    /// A name server instead of the system's: ADDRESS or ADDRESS:PORT; repeatable
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CRONBOX_DNS",
        hide_env_values = true,
        help_heading = "Network and secrets",
        value_delimiter = ','
    )]
    pub(super) dns: Vec<String>,
    /// Certificates of authorities (PEM) that are believed beside the system's
    #[arg(
        long,
        value_name = "FILE",
        env = "CRONBOX_CA_FILE",
        hide_env_values = true,
        help_heading = "Network and secrets"
    )]
    pub(super) ca_file: Option<String>,
}

impl NetworkArgs {
    /// What the egress process is set up with, and the addresses that are not everybody's.
    pub(super) fn read(&self) -> Result<(EgressConfig, Networks), String> {
        let networks = Networks::parse(&self.allow_network).map_err(|error| format!("--allow-network: {error}"))?;
        let dns = self.dns.iter().map(|text| name_server(text)).collect::<Result<_, _>>()?;
        let authorities = match &self.ca_file {
            None => String::new(),
            Some(file) => std::fs::read_to_string(file).map_err(|error| format!("--ca-file {file}: {error}"))?,
        };
        if self.ca_file.is_some() && !authorities.contains("-----BEGIN CERTIFICATE-----") {
            return Err("--ca-file: there is no certificate (PEM) in it".into());
        }
        Ok((EgressConfig { command: vec![this_program(), EGRESS_PROCESS.into()], dns, authorities }, networks))
    }
}

fn name_server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().ok();
    let address = address.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53)));
    address.ok_or_else(|| format!("--dns: {text:?} is no address, such as 192.0.2.1 or 192.0.2.1:5353"))
}
