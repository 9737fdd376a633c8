//! What one guest can reach, and nothing else: every capability is a line here, and what it costs.

mod paid;
mod settle;

use self::paid::{MAX_RANDOM, PaidEnvironment, PaidPoll, PaidRandom};
use self::settle::Slice;
pub(crate) use self::settle::{fill, settle};
use crate::budget::{Budget, HeldMemory, Limiter};
use crate::bundle::Bundle;
use crate::clock::{CoarseClock, PresentTime};
use crate::crypto::Work;
use crate::egress::messages::{self, Failed, StartTls};
use crate::files::{File, Files, FilesView, HasFiles, Packages};
use crate::frame::{self, Call, FrameKind, RunNumber, Sender};
use crate::meter::{self, Meter};
pub use crate::network::Channel;
use crate::network::RunNetwork;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, Resource, ResourceTable, ResourceType, WasmList};
use wasmtime::{Engine, StoreContextMut, Trap};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::cli::{WasiCli, WasiCliCtxView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode as SocketError, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sync::filesystem as file_bindings;
use wasmtime_wasi::p2::bindings::{cli, clocks, io, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomCtx};

wasmtime::component::bindgen!({
    path: "../python-wasm/wit",
    world: "sandbox",
    imports: {
        "cronbox:guest/host.wait": async | trappable,
        "cronbox:guest/host.call": async | trappable,
        "cronbox:guest/host.crypto": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: { "cronbox:guest/host.channel": Channel },
});

use self::cronbox::guest::host;

/// Handles (files, streams, timers) a guest may hold at once.
const MAX_HANDLES: usize = 1_000;
/// Most things that are waited for at once, far more than both directions of all the channels there can be.
const MAX_INTERESTS: usize = 1_024;
/// Most protocols of one TLS handshake, and the longest name of a server.
const MAX_PROTOCOLS: usize = 32;
const MAX_SERVER_NAME: usize = 255;
/// What it costs to decide on a name, in things that are looked up.
const NAME_THINGS: usize = 20;
/// What a connection costs of a run's memory, in bytes: what may wait in this process, on either way.
const CHANNEL_COST: u64 = 2 * messages::WINDOW as u64;
/// Most bytes of one request to the node.
const MAX_REQUEST: usize = 256 << 10;

/// A store's data: one guest's whole world.
pub(crate) struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    files: Option<Files>,
    pub(crate) limiter: Limiter,
    pub(crate) meter: Arc<Meter>,
    slice: Slice,
    node_calls: Option<NodeCalls>,
    network: Option<RunNetwork>,
    /// Fuel for the script itself, from the moment it is loaded.
    script_fuel: u64,
    /// Where its memory is, once the script has begun: the address of a byte in it.
    pub(crate) mark: Option<usize>,
}

/// A guest's way to ask the node.
#[derive(Clone)]
pub(crate) struct NodeCalls {
    run: RunNumber,
    node: Sender,
    pending: Arc<Mutex<Pending>>,
}

#[derive(Default)]
struct Pending {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<String, String>>>,
}

impl NodeCalls {
    pub(crate) fn new(run: RunNumber, node: Sender) -> Self {
        NodeCalls { run, node, pending: Arc::default() }
    }

    /// The node's answer has come; one that nobody waits for is dropped.
    pub(crate) fn answer(&self, reply: frame::Reply) {
        let waiting = self.pending.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&reply.number);
        if let Some(waiting) = waiting {
            // The run may have ended meanwhile.
            let _ = waiting.send(reply.answer);
        }
    }

    fn ask(&self, verb: String, request: String) -> oneshot::Receiver<Result<String, String>> {
        let (sender, receiver) = oneshot::channel();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.last += 1;
        let number = pending.last;
        pending.waiting.insert(number, sender);
        drop(pending);
        self.node.send(FrameKind::Call, self.run, &frame::to_json(&Call { number, verb, request }));
        receiver
    }
}

/// What a run brings into a sandbox that stood ready.
pub(crate) struct RunInput<'a> {
    pub(crate) bundle: &'a Arc<Bundle>,
    pub(crate) packages: Option<&'a Packages>,
    pub(crate) start: &'a frame::Start,
    pub(crate) stdout: crate::output::Output,
    pub(crate) stderr: crate::output::Output,
    pub(crate) node_calls: NodeCalls,
    pub(crate) network: RunNetwork,
}

impl Guest {
    /// A guest for nobody yet: no files, no environment, output to nowhere.
    pub(crate) fn waiting(memory: u64) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Guest {
            wasi: WasiCtx::builder().build(),
            table,
            files: None,
            limiter: Limiter { budget: Arc::new(Budget::new(memory)), tables_fixed: false },
            meter: Arc::default(),
            slice: Slice::default(),
            node_calls: None,
            network: None,
            script_fuel: 0,
            mark: None,
        }
    }

    /// Gives the guest its run. Nothing of the guest has been executed for anybody else.
    pub(crate) fn begin(&mut self, input: RunInput<'_>, origin: Instant) {
        let limits = input.start.limits;
        self.limiter.tables_fixed = true;
        self.limiter.budget.set_limit(limits.memory);
        let mut wasi = WasiCtx::builder();
        for (name, value) in &input.start.env {
            wasi.env(name, value);
        }
        wasi.stdout(input.stdout.paid_in(&self.meter))
            .stderr(input.stderr.paid_in(&self.meter))
            .initial_cwd("/app")
            .max_random_size(MAX_RANDOM)
            .wall_clock(PresentTime)
            .monotonic_clock(CoarseClock::since(origin))
            .allow_tcp(false)
            .allow_udp(false);
        self.wasi = wasi.build();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let account = (self.limiter.budget.clone(), self.meter.clone());
        self.files = Some(Files::new(input.bundle, input.packages, limits.files, account, now));
        self.node_calls = Some(input.node_calls);
        self.network = Some(input.network);
        self.script_fuel = limits.fuel;
    }

    /// Ends what the run still has open: what it wrote goes out, and nothing more.
    pub(crate) fn leave_network(&self) {
        if let Some(network) = &self.network {
            network.close();
        }
    }

    /// The files under `/output`, by their paths below it.
    pub(crate) fn kept(&self) -> Vec<(String, Arc<File>)> {
        self.files.as_ref().map(Files::kept).unwrap_or_default()
    }

    /// A name is parsed and held against each pattern of a grant.
    fn pay_for_name(&self, name: &str) {
        self.meter.things(NAME_THINGS);
        self.meter.bytes(name.len());
    }

    /// The positions of what is ready.
    fn ready(&self, interests: &[host::Interest]) -> wasmtime::Result<Vec<u32>> {
        let mut ready = Vec::new();
        for (at, interest) in (0..).zip(interests) {
            let (readable, writable) = self.table.get(&interest.channel)?.ready();
            if readable && interest.readable || writable && interest.writable {
                ready.push(at);
            }
        }
        Ok(ready)
    }

    // Every host function finds what it works on through one of these, and so pays for the call.

    fn files(&mut self) -> FilesView<'_> {
        self.meter.call();
        let (budget, meter) = (&self.limiter.budget, &self.meter);
        // A guest that stands ready has no files; the first access comes with its run.
        let files = self.files.get_or_insert_with(|| Files::empty((budget.clone(), meter.clone())));
        FilesView { files, table: &mut self.table }
    }

    fn table(&mut self) -> &mut ResourceTable {
        self.meter.call();
        &mut self.table
    }

    fn clocks(&mut self) -> WasiClocksCtxView<'_> {
        self.meter.call();
        WasiClocksCtxView { ctx: self.wasi.clocks(), table: &mut self.table }
    }

    fn random(&mut self) -> &mut WasiRandomCtx {
        self.meter.call();
        self.wasi.random()
    }

    fn cli(&mut self) -> WasiCliCtxView<'_> {
        self.meter.call();
        WasiCliCtxView { ctx: self.wasi.cli(), table: &mut self.table }
    }

    fn host(&mut self) -> &mut Self {
        self.meter.call();
        self
    }
}

impl host::Host for Guest {
    async fn wait(&mut self, interests: Vec<host::Interest>, timeout: Option<u64>) -> wasmtime::Result<Vec<u32>> {
        // A time further ahead than this clock reaches is for ever; the run's own wall clock ends it.
        let until = timeout.and_then(|nanos| tokio::time::Instant::now().checked_add(Duration::from_nanos(nanos)));
        self.meter.wait(interests.len());
        let interests = &interests[..interests.len().min(MAX_INTERESTS)];
        let mut over = false;
        loop {
            let ready = self.ready(interests)?;
            if !ready.is_empty() || over {
                return Ok(ready);
            }
            let changed = async {
                match &self.network {
                    Some(network) if !interests.is_empty() => network.changed().await,
                    _ => std::future::pending().await,
                }
            };
            match until {
                Some(_) if timeout == Some(0) => {
                    tokio::task::yield_now().await;
                    over = true;
                }
                Some(until) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(until) => over = true,
                },
                None => changed.await,
            }
            // All of them are looked at again.
            self.meter.things(interests.len());
        }
    }

    fn allowed(&mut self, name: String, port: u16) -> wasmtime::Result<Result<(), String>> {
        self.pay_for_name(&name);
        let Some(network) = &self.network else { wasmtime::bail!("a guest without a run asked for the network") };
        Ok(network.allowed(&name, port))
    }

    async fn call(&mut self, verb: String, request: String) -> wasmtime::Result<Result<String, String>> {
        self.meter.bytes(verb.len() + request.len());
        self.meter.question();
        if verb.len() > 64 || request.len() > MAX_REQUEST {
            return Ok(Err(format!("a request may have {MAX_REQUEST} bytes")));
        }
        let Some(node_calls) = &self.node_calls else { wasmtime::bail!("a guest without a run called the node") };
        match node_calls.ask(verb, request).await {
            Ok(answer) => {
                self.meter.bytes(answer.as_ref().map_or_else(String::len, String::len));
                Ok(answer)
            }
            Err(_) => Ok(Err("the node does not answer".into())),
        }
    }

    async fn crypto(&mut self, _: String, _: Vec<Vec<u8>>, _: Vec<u64>) -> wasmtime::Result<Result<Vec<u8>, String>> {
        wasmtime::bail!("linked to `encryption` below, which can see the store's fuel")
    }

    fn loaded(&mut self, _mark: Vec<u8>) -> wasmtime::Result<()> {
        wasmtime::bail!("linked to `loaded` below, which can set the store's fuel")
    }

    fn cpu_time(&mut self) -> wasmtime::Result<u64> {
        wasmtime::bail!("linked to `cpu_time` below, which can see the store's fuel")
    }
}

impl host::HostChannel for Guest {
    fn open(&mut self, name: String, port: u16) -> wasmtime::Result<Result<Resource<Channel>, host::ChannelError>> {
        self.pay_for_name(&name);
        let Some(network) = &self.network else { wasmtime::bail!("a guest without a run asked for the network") };
        let Some(held) = HeldMemory::take(&self.limiter.budget, CHANNEL_COST) else {
            let text = "the memory limit leaves no room for one more connection";
            return Ok(Err(Failed::new(messages::Failure::Unreachable, text).into()));
        };
        match network.open(&name, port, held) {
            Ok(channel) => Ok(Ok(self.table.push(channel)?)),
            Err(failed) => Ok(Err(failed.into())),
        }
    }

    fn established(&mut self, channel: Resource<Channel>) -> wasmtime::Result<Result<bool, host::ChannelError>> {
        Ok(self.table.get(&channel)?.established().map_err(Into::into))
    }

    fn start_tls(
        &mut self,
        channel: Resource<Channel>,
        name: String,
        verify: bool,
        protocols: Vec<String>,
    ) -> wasmtime::Result<Result<(), host::ChannelError>> {
        self.pay_for_name(&name);
        self.meter.things(protocols.len());
        self.meter.bytes(protocols.iter().map(String::len).sum());
        // RFC 7301: a protocol's name has 1 to 255 bytes, and the list of all of them 65,535.
        let fits = protocols.len() <= MAX_PROTOCOLS && protocols.iter().all(|name| (1..=255).contains(&name.len()));
        if !fits || name.len() > MAX_SERVER_NAME {
            let text = "a list of protocols, or a name, that TLS cannot have";
            return Ok(Err(Failed::new(messages::Failure::Tls, text).into()));
        }
        Ok(self.table.get(&channel)?.start_tls(StartTls { name, verify, protocols }).map_err(Into::into))
    }

    fn session(&mut self, channel: Resource<Channel>) -> wasmtime::Result<Option<host::TlsSession>> {
        Ok(self.table.get(&channel)?.session().map(|session| host::TlsSession {
            version: session.version,
            cipher: session.cipher,
            protocol: session.protocol,
            certificate: session.certificate,
        }))
    }

    fn read(
        &mut self,
        channel: Resource<Channel>,
        max: u32,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, host::ChannelError>> {
        let read = self.table.get(&channel)?.read(max as usize);
        if let Ok(Some(bytes)) = &read {
            self.meter.bytes(bytes.len());
        }
        Ok(read.map_err(Into::into))
    }

    fn write(
        &mut self,
        channel: Resource<Channel>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<u32, host::ChannelError>> {
        self.meter.bytes(bytes.len());
        Ok(self.table.get(&channel)?.write(&bytes).map_err(Into::into))
    }

    fn shutdown(&mut self, channel: Resource<Channel>) -> wasmtime::Result<Result<(), host::ChannelError>> {
        Ok(self.table.get(&channel)?.shutdown().map_err(Into::into))
    }

    fn drop(&mut self, channel: Resource<Channel>) -> wasmtime::Result<()> {
        self.table.delete(channel)?;
        Ok(())
    }
}

impl From<Failed> for host::ChannelError {
    fn from(failed: Failed) -> Self {
        let kind = match failed.failure {
            messages::Failure::Denied => return host::ChannelError::Denied(failed.text),
            messages::Failure::NoName => host::Failure::NoName,
            messages::Failure::Refused => host::Failure::Refused,
            messages::Failure::Unreachable => host::Failure::Unreachable,
            messages::Failure::TimedOut => host::Failure::TimedOut,
            messages::Failure::Reset => host::Failure::Reset,
            messages::Failure::Tls => host::Failure::Tls,
            messages::Failure::Certificate => host::Failure::Certificate,
        };
        host::ChannelError::Failed((kind, failed.text))
    }
}

/// The script is compiled: what is counted as its fuel starts now, so that a script that was compiled beforehand costs
/// the same. Only the first call counts, or a script could refill its own tank.
fn loaded(mut store: StoreContextMut<'_, Guest>, (mark,): (WasmList<u8>,)) -> wasmtime::Result<()> {
    if store.data().mark.is_none() {
        let mark = mark.as_le_slice(&store).as_ptr().addr();
        store.data_mut().mark = Some(mark);
        let fuel = store.data().script_fuel;
        fill(&mut store, fuel)?;
    } else {
        store.data_mut().host();
    }
    Ok(())
}

/// The fuel that the script has used, as time.
fn cpu_time(mut store: StoreContextMut<'_, Guest>, (): ()) -> wasmtime::Result<(u64,)> {
    let left = store.get_fuel()?;
    let used = store.data_mut().host().script_fuel.saturating_sub(left);
    Ok((meter::nanoseconds_of(used),))
}

/// Encryption for the script. Its price is known before it is done; a run that cannot pay it has no fuel left.
async fn encryption(
    mut store: StoreContextMut<'_, Guest>,
    (what, parts, numbers): (String, Vec<Vec<u8>>, Vec<u64>),
) -> wasmtime::Result<(Result<Vec<u8>, String>,)> {
    let bytes = parts.iter().map(Vec::len).sum::<usize>();
    let meter = &store.data_mut().host().meter;
    meter.bytes(what.len() + bytes);
    meter.things(parts.len() + numbers.len());
    let work = match Work::read(&what, parts, numbers) {
        Ok(work) => work,
        Err(why) => return Ok((Err(why),)),
    };
    if work.price >= store.get_fuel()? {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    }
    store.data().meter.work(work.price);
    let Some(_held) = HeldMemory::take(&store.data().limiter.budget, work.memory + bytes as u64) else {
        return Ok((Err("the memory limit leaves no room for this".into()),));
    };
    let result = work.run().await;
    store.data().meter.bytes(result.as_ref().map_or_else(String::len, Vec::len));
    Ok((result,))
}

/// Links everything the component imports; what is not named here does not exist or only ever refuses.
pub(crate) fn linker(engine: &Engine, component: &Component) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::<Guest>::new(engine);
    let l = &mut linker;
    io::error::add_to_linker::<Guest, HasSelf<ResourceTable>>(l, Guest::table)?;
    io::poll::add_to_linker::<Guest, PaidPoll>(l, Guest::paid_poll)?;
    io::streams::add_to_linker::<Guest, HasSelf<ResourceTable>>(l, Guest::table)?;
    clocks::wall_clock::add_to_linker::<Guest, WasiClocks>(l, Guest::clocks)?;
    clocks::monotonic_clock::add_to_linker::<Guest, WasiClocks>(l, Guest::clocks)?;
    random::random::add_to_linker::<Guest, PaidRandom>(l, Guest::paid_random)?;
    random::insecure::add_to_linker::<Guest, PaidRandom>(l, Guest::paid_random)?;
    random::insecure_seed::add_to_linker::<Guest, WasiRandom>(l, Guest::random)?;
    cli::exit::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::environment::add_to_linker::<Guest, PaidEnvironment>(l, Guest::paid_environment)?;
    cli::stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_input::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_output::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    file_bindings::preopens::add_to_linker::<Guest, HasFiles>(l, Guest::files)?;
    file_bindings::types::add_to_linker::<Guest, HasFiles>(l, Guest::files)?;
    host::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::host)?;
    l.allow_shadowing(true);
    l.instance("cronbox:guest/host@0.1.0")?.func_wrap("loaded", loaded)?;
    l.instance("cronbox:guest/host@0.1.0")?.func_wrap("cpu-time", cpu_time)?;
    l.instance("cronbox:guest/host@0.1.0")?
        .func_wrap_async("crypto", |store, given| Box::new(encryption(store, given)))?;
    l.allow_shadowing(false);
    refuse_sockets(l, component)?;
    Ok(linker)
}

/// The network handle that WASI hands out before a name is looked up. It stands for nothing.
enum NoNetwork {}
/// A socket. There are none.
enum NoSocket {}

/// CPython's `socket` module is compiled into the guest and imports `wasi:sockets`. The functions that could begin
/// anything answer access-denied; the others need a socket to be called on, so they are never reached.
fn refuse_sockets(linker: &mut Linker<Guest>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    for (import, item) in component.component_type().imports(&engine) {
        let Some(interface) = import.strip_prefix("wasi:sockets/").and_then(|rest| rest.split('@').next()) else {
            continue;
        };
        let ComponentItem::ComponentInstance(ty) = item.ty else { continue };
        let mut instance = linker.instance(import)?;
        for (name, item) in ty.exports(&engine) {
            match (interface, name, item.ty) {
                (_, "create-tcp-socket" | "create-udp-socket", _) => instance.func_wrap(name, no_socket)?,
                (_, "resolve-addresses", _) => instance.func_wrap(name, no_address)?,
                (_, "instance-network", _) => {
                    instance.func_wrap(name, |mut store: StoreContextMut<'_, Guest>, (): ()| {
                        store.data_mut().meter.call();
                        Ok((Resource::<NoNetwork>::new_own(0),))
                    })?;
                }
                ("network", "network", _) => {
                    instance.resource(name, ResourceType::host::<NoNetwork>(), |_, _| Ok(()))?;
                }
                // Each type in the interface that it belongs to; the others only refer to it.
                ("tcp", "tcp-socket", _)
                | ("udp", "udp-socket" | "incoming-datagram-stream" | "outgoing-datagram-stream", _)
                | ("ip-name-lookup", "resolve-address-stream", _) => {
                    instance.resource(name, ResourceType::host::<NoSocket>(), |_, _| Ok(()))?;
                }
                (_, _, ComponentItem::ComponentFunc(_)) => {
                    instance.func_new(name, |_, _, _, _| wasmtime::bail!("a socket that the guest does not have"))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn no_address(
    mut store: StoreContextMut<'_, Guest>,
    (_, name): (Resource<NoNetwork>, String),
) -> wasmtime::Result<(Result<Resource<NoSocket>, SocketError>,)> {
    store.data_mut().host().meter.bytes(name.len());
    Ok((Err(SocketError::AccessDenied),))
}

fn no_socket(
    mut store: StoreContextMut<'_, Guest>,
    _: (IpAddressFamily,),
) -> wasmtime::Result<(Result<Resource<NoSocket>, SocketError>,)> {
    store.data_mut().host();
    Ok((Err(SocketError::AccessDenied),))
}
