//! The functions of `cronbox:guest/host`: waiting, questions to the node, connections, encryption.

use super::cronbox::guest::host;
use super::{Channel, Guest};
use crate::budget::HeldMemory;
use crate::crypto::Work;
use crate::egress::messages::{self, Failed, StartTls};
use crate::faults;
use crate::files::Files;
use crate::limits::IMPORT_FUEL;
use crate::meter;
use std::time::Duration;
use wasmtime::component::{Resource, WasmList};
use wasmtime::{StoreContextMut, Trap};

/// Most interests of one wait: far more than both directions of all possible channels.
const MAX_INTERESTS: usize = 1_024;

/// Most protocols of a TLS handshake, and the longest name of a server.
const MAX_PROTOCOLS: usize = 32;

const MAX_SERVER_NAME: usize = 255;

/// The price of a decision on a name, in objects.
const NAME_THINGS: usize = 20;

/// The memory of a connection, in bytes: the most that waits in this process in both directions.
const CHANNEL_COST: u64 = 2 * messages::WINDOW as u64;

/// Most bytes of a request to the node.
const MAX_REQUEST: usize = 256 << 10;

impl Guest {
    /// Charges the parsing of a name and its comparison with each pattern of a grant.
    fn pay_for_name(&self, name: &str) {
        self.meter.things(NAME_THINGS);
        self.meter.bytes(name.len());
    }

    /// Returns the positions of the interests that are ready.
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
}

impl host::Host for Guest {
    async fn wait(&mut self, interests: Vec<host::Interest>, timeout: Option<u64>) -> wasmtime::Result<Vec<u32>> {
        // A time beyond the range of this clock never comes; the run's time limit ends the wait.
        let until = timeout.and_then(|nanos| tokio::time::Instant::now().checked_add(Duration::from_nanos(nanos)));
        self.meter.wait(interests.len());
        let _waiting = self.waits.begin(&mut self.table);
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
            // All of them are checked again.
            self.meter.things(interests.len());
        }
    }

    fn allowed(&mut self, name: String, port: u16) -> wasmtime::Result<Result<(), String>> {
        self.note_drawn(|drawn| drawn.outside = true);
        self.pay_for_name(&name);
        let Some(network) = &self.network else { wasmtime::bail!("a guest without a run asked for the network") };
        Ok(network.allowed(&name, port))
    }

    async fn call(&mut self, verb: String, request: String) -> wasmtime::Result<Result<String, String>> {
        self.meter.bytes(verb.len() + request.len());
        self.meter.question();
        if verb.len() > 64 || request.len() > MAX_REQUEST {
            return Ok(Err(format!("a request can have at most {MAX_REQUEST} bytes")));
        }
        faults::come(&verb);
        if self.imports.is_some() && self.is_noticed {
            self.drawn.outside = true;
            return Ok(Err("the node is not asked while an image is prepared".into()));
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
        wasmtime::bail!("linked to `encryption` below, which does not copy what it is given")
    }

    fn loaded(&mut self, _mark: Vec<u8>) -> wasmtime::Result<()> {
        wasmtime::bail!("linked to `loaded` below, which sees where the guest's memory is")
    }

    /// Starts the fuel of the imports of packages, and says whether what they ask for is noticed. The fuel starts with the
    /// first call, and only before the script begins.
    fn importing(&mut self, is_noticed: bool) -> wasmtime::Result<()> {
        self.is_noticed = is_noticed;
        if self.mark.is_none() && self.imports.is_none() {
            self.drawn.app_looks = self.files.as_ref().map_or(0, Files::app_looks);
            let fuel = self.script_fuel.max(IMPORT_FUEL);
            self.imports = Some(fuel);
            self.fill(fuel);
        }
        Ok(())
    }

    /// Returns the fuel that the script has used, as CPU time.
    fn cpu_time(&mut self) -> wasmtime::Result<u64> {
        self.note_drawn(|drawn| drawn.time = true);
        // What imports took is part of it, as it is CPU time of the same run.
        let (fuel, import_fuel) = self.fuel_used(self.fuel_left());
        let used = fuel.saturating_add(import_fuel);
        Ok(meter::nanoseconds_of(used))
    }
}

impl host::HostChannel for Guest {
    fn open(&mut self, name: String, port: u16) -> wasmtime::Result<Result<Resource<Channel>, host::ChannelError>> {
        self.note_drawn(|drawn| drawn.outside = true);
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
            let text = "a list of protocols, or a name, that is not valid in TLS";
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

/// Starts the fuel of the script, which is compiled now: a script that was compiled before costs the same. Only the
/// first call counts; otherwise a script could refill its fuel.
pub(super) fn loaded(mut store: StoreContextMut<'_, Guest>, (mark,): (WasmList<u8>,)) -> wasmtime::Result<()> {
    if store.data().mark.is_none() {
        if let Some(began) = store.data_mut().imports.take() {
            let left = store.data().fuel_left();
            store.data_mut().import_fuel = began.saturating_sub(left);
        }
        let mark = mark.as_le_slice(&store).as_ptr().addr();
        store.data_mut().mark = Some(mark);
        let guest = store.data_mut();
        guest.fill(guest.script_fuel);
    } else {
        store.data_mut().host();
    }
    Ok(())
}

/// Runs encryption for the script. The price is taken before the work; a run that cannot pay it is out of fuel.
pub(super) async fn encryption(
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
    if work.price >= store.data().fuel_left() {
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
