//! A guest: everything that one sandbox can reach.

mod admission;
mod fuel;
mod host_functions;
mod linker;
mod node_calls;
mod paid;
mod waits;

pub(crate) use self::admission::Admission;
pub(crate) use self::fuel::Fuel;
pub(crate) use self::linker::linker;
pub(crate) use self::node_calls::NodeCalls;
use self::paid::MAX_RANDOM;
pub(crate) use self::waits::Waits;
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
    pub(crate) fuel: Fuel,
    node_calls: Option<NodeCalls>,
    network: Option<RunNetwork>,
    /// The waits in which its memory can be put away.
    pub(crate) waits: Arc<Waits>,
    /// The fuel of the script itself, from the moment when it is loaded.
    script_fuel: u64,
    /// The fuel with which the imports of its packages began, while they last.
    imports: Option<u64>,
    /// The fuel that these imports took.
    pub(crate) import_fuel: u64,
    /// What imports asked for that is different in each run, as far as it was noticed.
    drawn: Drawn,
    is_noticed: bool,
    /// The address of a byte in its memory, once the script has started.
    pub(crate) mark: Option<usize>,
}

/// What a guest has asked for, while it imports packages, that is different in each run.
#[derive(Debug, Default)]
struct Drawn {
    random: bool,
    time: bool,
    /// The network, or the node.
    outside: bool,
    /// How often files of the script had been looked for when the imports began.
    app_looks: u64,
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
    /// None: no node has admitted it.
    pub(crate) admission: Option<Arc<Admission>>,
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
            fuel: Fuel::default(),
            node_calls: None,
            network: None,
            waits: Arc::default(),
            script_fuel: 0,
            imports: None,
            import_fuel: 0,
            drawn: Drawn::default(),
            is_noticed: false,
            mark: None,
        }
    }

    /// Gives the guest its run. It has not executed anything for another run.
    pub(crate) fn begin(&mut self, input: RunInput<'_>, origin: Instant) {
        let limits = input.start.limits;
        self.limiter.tables_fixed = true;
        self.limiter.budget.set_limit(limits.memory);
        // The environment is in the request: the runtime would read this one once in each memory, and an image has that
        // behind it.
        let mut wasi = WasiCtx::builder();
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
        self.fill(limits.fuel);
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

    /// Returns the fuel that the script and the imports of its packages have used, when so much is left.
    pub(crate) fn fuel_used(&self, left: u64) -> (u64, u64) {
        match self.imports {
            Some(began) => (0, began.saturating_sub(left)),
            None => (self.script_fuel.saturating_sub(left), self.import_fuel),
        }
    }

    /// Returns why the memory of this guest cannot be an image; none when nothing was drawn and nothing but the memory is
    /// left.
    pub(crate) fn left_behind(&self) -> Option<&'static str> {
        if self.drawn.random {
            return Some("an import draws random bytes, which all runs would share");
        }
        if self.drawn.time {
            return Some("an import reads a clock, and all runs would see this time");
        }
        if self.drawn.outside {
            return Some("an import uses the network, or asks the node, and all runs would have the answer");
        }
        if self.files.as_ref().map_or(0, Files::app_looks) != self.drawn.app_looks {
            return Some("an import looks at the files of the script, which are others for each script");
        }
        if !self.table.is_empty() {
            return Some("an import leaves a file or a connection open");
        }
        let is_untouched = self.files.as_ref().is_none_or(Files::are_untouched);
        (!is_untouched).then_some("an import writes files")
    }

    fn note_drawn(&mut self, note: impl FnOnce(&mut Drawn)) {
        if self.imports.is_some() && self.is_noticed {
            note(&mut self.drawn);
        }
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
        self.note_drawn(|drawn| drawn.time = true);
        WasiClocksCtxView { ctx: self.wasi.clocks(), table: &mut self.table }
    }

    fn random(&mut self) -> &mut WasiRandomCtx {
        self.meter.call();
        self.note_drawn(|drawn| drawn.random = true);
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
