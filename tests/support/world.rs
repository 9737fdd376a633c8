//! Servers on loopback for tests of the network, with an authority and a name server of their own.

use super::server::Folder;
use super::{PROGRAM, tests_folder};
use cronbox_runtime::Pool;
use cronbox_runtime::network::{EgressConfig, NetworkGrant, Networks, Policy};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The servers of `network/servers.py`; they end with this process, whose end of their standard input closes then.
pub struct World {
    _servers: Child,
    _folder: Folder,
    /// Where they are.
    pub told: Value,
}

/// The one of this process.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let scratch = Folder::new();
        let mut servers = Command::new("python3")
            .arg(tests_folder().join("network/servers.py"))
            .arg(&scratch.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        BufReader::new(servers.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        World { _servers: servers, _folder: scratch, told }
    })
}

impl World {
    /// Where a server of that name listens.
    pub fn port(&self, name: &str) -> u16 {
        self.told["ports"][name].as_u64().unwrap_or_else(|| panic!("no server {name}")) as u16
    }

    /// The certificate of the authority of all of them.
    pub fn ca(&self) -> &str {
        self.told["ca"].as_str().expect("a file")
    }

    /// How an egress process finds them and believes them.
    pub fn egress(&self) -> EgressConfig {
        EgressConfig {
            command: vec![PROGRAM.into(), "egress-process".into()],
            dns: vec![([127, 0, 0, 1], self.port("dns")).into()],
            authorities: std::fs::read_to_string(self.ca()).expect("a certificate"),
        }
    }

    /// Everything on loopback, and a name that does not exist.
    pub fn grant(&self) -> NetworkGrant {
        let ports = self.told["ports"].as_object().expect("ports").values();
        let mut allow: Vec<_> = ports.map(|port| format!("localhost:{port}").parse().expect("a pattern")).collect();
        for name in ["nowhere.invalid", "example.com", "[::1]"] {
            allow.push(name.parse().expect("a pattern"));
        }
        let unverified =
            ["other", "tls_greet"].map(|name| format!("localhost:{}", self.port(name)).parse().expect("a pattern"));
        NetworkGrant {
            policy: Policy { allow, ..Policy::default() },
            networks: Networks::parse(["localhost=127.0.0.0/8"]).expect("a network"),
            unverified: unverified.to_vec(),
            ..NetworkGrant::default()
        }
    }

    /// A pool whose runs may reach them.
    pub async fn pool(&self) -> Pool {
        super::pool_with(|config| {
            config.processes = 1;
            config.egress = self.egress();
        })
        .await
    }
}
