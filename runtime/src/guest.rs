//! What one guest can reach, and nothing else: every capability is a line here, and what it costs.

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
use crate::files::{File, Files, FilesView, Packages};
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

/// Handles (files, streams, timers) a guest may hold at once.
const MAX_HANDLES: usize = 1_000;

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
