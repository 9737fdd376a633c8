//! The reader of what name servers answer, for [`crate::readers`].

use super::address::{self, Networks};
use super::names::Names;
use crate::policy::Destination;
use crate::readers::Reader;
use futures_util::stream::{self, Stream};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsHandle, NetError};
use hickory_resolver::proto::op::{DnsRequest, DnsResponse};
use hickory_resolver::{ConnectionProvider, PoolContext, Resolver};
use std::future::{self, Ready};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use tokio::runtime::{Builder, Runtime};

pub(crate) const READERS: &[Reader] = &[("answers of name servers", read_answer, seeds_of_answers)];

/// Most addresses that a message of 64 KiB has room for.
const MOST_ADDRESSES: usize = 8_192;
/// Most bytes of a sentence about a name.
const MOST_WORDS: usize = 2_000;

/// A name server that gives the same answer to each question.
#[derive(Clone)]
struct Server {
    answer: Arc<[u8]>,
    provider: TokioRuntimeProvider,
}

impl DnsHandle for Server {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, _request: DnsRequest) -> Self::Response {
        let answer = DnsResponse::from_buffer(self.answer.to_vec()).map_err(NetError::from);
        Box::pin(stream::iter([answer]))
    }
}

impl ConnectionProvider for Server {
    type Conn = Server;
    type FutureConn = Ready<Result<Server, NetError>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        _ip: IpAddr,
        _config: &ConnectionConfig,
        _context: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        Ok(future::ready(Ok(self.clone())))
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.provider
    }
}

static RUNTIME: LazyLock<Option<Runtime>> = LazyLock::new(|| Builder::new_current_thread().enable_all().build().ok());

fn read_answer(bytes: &[u8]) {
    let (Some(runtime), Ok(to)) = (&*RUNTIME, Destination::parse("a.example", 443)) else { return };
    let server = Server { answer: bytes.into(), provider: TokioRuntimeProvider::default() };
    let local = NameServerConfig::new(IpAddr::V4(Ipv4Addr::LOCALHOST), true, vec![ConnectionConfig::udp()]);
    let config = ResolverConfig::from_name_servers(vec![local]);
    let Ok(names) = Names::of(Resolver::builder_with_config(config, server)) else { return };
    match runtime.block_on(names.look_up(&to)) {
        Ok(addresses) => {
            assert!(!addresses.is_empty() && addresses.len() <= MOST_ADDRESSES, "{} addresses", addresses.len());
            let _ = address::check_all(&addresses, &to, &Networks::default());
        }
        Err(failed) => {
            let words = failed.text;
            assert!(words.len() <= MOST_WORDS && !words.contains(char::is_control), "{words:?}");
        }
    }
}

/// A message: its head, the question, and records of type, class, TTL and data, each for the name of the question.
fn message(question: u16, code: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 0x81, 0x80 | code, 0, 1];
    bytes.extend((records.len() as u16).to_be_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend(b"\x01a\x07example\0");
    bytes.extend(question.to_be_bytes());
    bytes.extend([0, 1]);
    for (kind, data) in records {
        bytes.extend([0xc0, 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(*data);
    }
    bytes
}

fn seeds_of_answers() -> Vec<Vec<u8>> {
    let (v4, v6, alias, soa, opt) = (1, 28, 5, 6, 41);
    vec![
        message(v4, 0, &[(v4, &[93, 184, 216, 34]), (v4, &[10, 0, 0, 7])]),
        message(v6, 0, &[(v6, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])]),
        // A circle of aliases, and an alias that points to itself.
        message(v4, 0, &[(alias, b"\x01b\xc0\x0e"), (alias, b"\xc0\x0c"), (v4, &[127, 0, 0, 1])]),
        message(v4, 3, &[(soa, b"\x02ns\xc0\x0e\x05admin\xc0\x0e\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05")]),
        message(v4, 2, &[]),
        message(v4, 0, &[(opt, &[0, 10, 0, 2, 1, 2])]),
    ]
}
