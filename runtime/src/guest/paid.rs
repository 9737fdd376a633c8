//! Interfaces of WASI whose work grows with their arguments: the functions of wasmtime-wasi with a limit and a price.

use super::{Guest, Waits};
use crate::meter::Meter;
use std::sync::Arc;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::cli::environment;
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi::p2::bindings::random::{insecure, random};
use wasmtime_wasi::random::WasiRandomCtx;

/// Most random bytes of one call.
pub(super) const MAX_RANDOM: u64 = 64 << 10;
/// Most objects that one call waits for. wasi-libc waits for each handle of a guest once.
const MAX_POLLED: usize = 4_096;

/// A view of wasmtime-wasi on a guest, with the meter for its calls.
pub(super) struct Paid<'a, V> {
    view: V,
    meter: &'a Meter,
}

/// Selects the guest's random generators, paid.
pub(super) struct PaidRandom;
/// Selects the guest's handles for waiting, paid.
pub(super) struct PaidPoll;
/// Selects the guest's environment, paid.
pub(super) struct PaidEnvironment;

impl HasData for PaidRandom {
    type Data<'a> = Paid<'a, &'a mut WasiRandomCtx>;
}

impl HasData for PaidPoll {
    type Data<'a> = Paid<'a, Polled<'a>>;
}

/// The handles of a guest, of which it waits for some.
pub(super) struct Polled<'a> {
    table: &'a mut ResourceTable,
    waits: &'a Arc<Waits>,
}

impl HasData for PaidEnvironment {
    type Data<'a> = Paid<'a, WasiCliCtxView<'a>>;
}

impl Guest {
    pub(super) fn paid_random(&mut self) -> Paid<'_, &mut WasiRandomCtx> {
        self.meter.call();
        self.note_drawn(|drawn| drawn.random = true);
        Paid { view: self.wasi.random(), meter: &self.meter }
    }

    pub(super) fn paid_poll(&mut self) -> Paid<'_, Polled<'_>> {
        self.meter.call();
        Paid { view: Polled { table: &mut self.table, waits: &self.waits }, meter: &self.meter }
    }

    pub(super) fn paid_environment(&mut self) -> Paid<'_, WasiCliCtxView<'_>> {
        self.meter.call();
        Paid { view: WasiCliCtxView { ctx: self.wasi.cli(), table: &mut self.table }, meter: &self.meter }
    }
}

impl random::Host for Paid<'_, &mut WasiRandomCtx> {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.meter.random(length.min(MAX_RANDOM));
        random::Host::get_random_bytes(self.view, length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        random::Host::get_random_u64(self.view)
    }
}

impl insecure::Host for Paid<'_, &mut WasiRandomCtx> {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.meter.random(length.min(MAX_RANDOM));
        insecure::Host::get_insecure_random_bytes(self.view, length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        insecure::Host::get_insecure_random_u64(self.view)
    }
}

impl poll::Host for Paid<'_, Polled<'_>> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.meter.wait(pollables.len());
        if pollables.len() > MAX_POLLED {
            wasmtime::bail!("more things to wait for than a guest can have");
        }
        let _waiting = self.view.waits.begin(self.view.table);
        poll::Host::poll(self.view.table, pollables).await
    }
}

impl poll::HostPollable for Paid<'_, Polled<'_>> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.meter.wait(1);
        let _waiting = self.view.waits.begin(self.view.table);
        poll::HostPollable::block(self.view.table, pollable).await
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        poll::HostPollable::ready(self.view.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(self.view.table, pollable)
    }
}

impl environment::Host for Paid<'_, WasiCliCtxView<'_>> {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let environment = environment::Host::get_environment(&mut self.view)?;
        self.meter.things(environment.len());
        self.meter.bytes(environment.iter().map(|(name, value)| name.len() + value.len()).sum());
        Ok(environment)
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        let arguments = environment::Host::get_arguments(&mut self.view)?;
        self.meter.things(arguments.len());
        self.meter.bytes(arguments.iter().map(String::len).sum());
        Ok(arguments)
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        environment::Host::initial_cwd(&mut self.view)
    }
}
