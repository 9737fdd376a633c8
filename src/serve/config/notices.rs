//! How messages are sent to channels.

use super::values::{address, count, public_url};
use crate::address::Address;
use crate::deliverer::DeliveryRules;
use clap::Args;
use cronbox_runtime::network::{Ceiling, Network};

/// How messages are sent to channels.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Messages")]
pub struct NoticeConfig {
    /// Where people open the page, for the links in messages: https://cronbox.example.com
    #[arg(long, value_name = "URL", env = "CRONBOX_PUBLIC_URL", value_parser = public_url)]
    pub public_url: Option<String>,
    /// The most messages of one channel within an hour; what is beyond that is told in one summary
    #[arg(long, value_name = "N", env = "CRONBOX_NOTIFY_RATE", default_value = "20", value_parser = count::<u64>)]
    pub notify_rate: u64,
    /// Addresses that are not everybody's, by the names that channels may reach them with: NAME=RANGE, such as
    /// mail.internal=10.1.0.0/16; repeatable
    #[arg(long, value_name = "NAME=RANGE", env = "CRONBOX_CHANNEL_NETWORK", value_delimiter = ',')]
    pub channel_network: Vec<Network>,
    /// The address of a monitor that is called every minute while this node is well: the database takes writes, schedules fire,
    /// scripts run
    #[arg(long, value_name = "URL", env = "CRONBOX_HEARTBEAT", value_parser = address)]
    pub heartbeat: Option<Address>,
}

impl NoticeConfig {
    pub(in crate::serve) fn rules(&self, ceiling: Ceiling) -> DeliveryRules {
        DeliveryRules {
            rate: self.notify_rate,
            public_url: self.public_url.clone(),
            ceiling,
            networks: self.channel_network.iter().cloned().collect(),
        }
    }
}
