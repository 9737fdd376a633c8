//! A guest: everything that one sandbox can reach.

mod host_functions;
mod linker;
mod node_calls;
mod paid;
mod settle;

pub(crate) use self::linker::linker;
pub(crate) use self::node_calls::NodeCalls;
use self::paid::MAX_RANDOM;
use self::settle::Slice;
pub(crate) use self::settle::{fill, settle};
use crate::budget::{Budget, Limiter};
use crate::bundle::Bundle;
pub use crate::channels::Channel;
use crate::channels::RunNetwork;
use crate::clock::{CoarseClock, PresentTime};
use crate::files::{Files, FilesView, Kept, Packages};
use crate::frame;
use crate::meter::Meter;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::random::WasiRandomCtx;

wasmtime::component::bindgen!({
    path: "wit",
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

/// Most handles (files, streams, timers) of a guest at one time.
const MAX_HANDLES: usize = 1_000;

/// The data of a store: everything of one guest.
pub(crate) struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    files: Option<Files>,
    pub(crate) limiter: Limiter,
    pub(crate) meter: Arc<Meter>,
    slice: Slice,
    node_calls: Option<NodeCalls>,
    network: Option<RunNetwork>,
    /// The fuel of the script itself, from the moment when it is loaded.
    script_fuel: u64,
    /// The address of a byte in its memory, once the script has started.
    pub(crate) mark: Option<usize>,
}

/// The input of a run, for a ready sandbox.
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
    /// Makes a guest without a run: no files, no environment, no output.
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

    /// Gives the guest its run. It has not executed anything for another run.
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

    /// Closes the connections of the run. Bytes that were written are still sent.
    pub(crate) fn leave_network(&self) {
        if let Some(network) = &self.network {
            network.close();
        }
    }

    /// Returns what is kept of `/output`.
    pub(crate) fn kept(&self) -> Kept {
        self.files.as_ref().map(Files::kept).unwrap_or_default()
    }

    // Every host function gets its state from one of these, which charges the call.

    fn files(&mut self) -> FilesView<'_> {
        self.meter.call();
        let (budget, meter) = (&self.limiter.budget, &self.meter);
        // A guest without a run has no files.
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
