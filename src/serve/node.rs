//! A node from its start to its end: opened, started, at work, ended.

mod backups;

use super::announce::{announce, starting, who_can_use_it};
use super::bound::{BoundAddress, reach};
use super::config::{ListenConfig, Role};
use super::delivering::Delivering;
use super::places::{DataDir, Places, clock_of, load_interpreter, open_store};
use super::secrets::{first_token, unreadable_secrets};
use super::{Config, Say, ServeError, Setup, Shutdown, audit_file, failed};
use crate::blobs::Blobs;
use crate::checker::Checker;
use crate::cleaner::Cleaner;
use crate::clock::Clock;
use crate::disk_usage::Space;
use crate::heartbeat::Rescuer;
use crate::http::{self, AnonymousAccess, Listener, Readiness};
use crate::keyring::{self, Keyring};
use crate::limits;
use crate::links::Linker;
use crate::live_output::Live;
use crate::metrics::Metrics;
use crate::packages::Resolver;
use crate::peer_signals;
use crate::plan;
use crate::publish::{Keeper, Recent};
use crate::run::new_id;
use crate::scheduler::Scheduler;
use crate::service::Service;
use crate::signals::{PeerSignal, Signals};
use crate::store::Store;
use crate::supervise::Supervisor;
use crate::watcher::{self, Watcher};
use crate::worker::{self, Worker};
use axum::Router;
use cronbox_runtime::limits::LimitError;
use cronbox_runtime::{Limits, Pool};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a node that goes down waits for requests whose clients have gone.
const CHANGES_PATIENCE: Duration = Duration::from_secs(10);

/// What answers requests: first that the node is starting, later everything.
pub(super) struct Front {
    /// How the node's parts are.
    ready: watch::Sender<Readiness>,
    readiness: watch::Receiver<Readiness>,
    router: Arc<RwLock<Router>>,
    /// Where it listens.
    addresses: Vec<BoundAddress>,
    /// Ends it.
    stop: CancellationToken,
    tasks: TaskTracker,
    metrics: Arc<Metrics>,
    supervisor: Arc<Supervisor>,
}

impl Front {
    /// Answers from now on.
    pub(super) fn open(listeners: Vec<Listener>, config: &ListenConfig) -> Self {
        let addresses = listeners.iter().map(BoundAddress::of).collect();
        let (ready, readiness) = watch::channel(state("database", "being opened"));
        let router = Arc::new(RwLock::new(starting(readiness.clone(), &config.base_path)));
        let (stop, tasks, metrics) = (CancellationToken::new(), TaskTracker::new(), Arc::new(Metrics::default()));
        let supervisor = Supervisor::new(metrics.clone());
        supervisor.watch_all();
        tasks.spawn(http::serve(listeners, router.clone(), config.trusted(), supervisor.clone(), stop.clone()));
        Front { ready, readiness, router, addresses, stop, tasks, metrics, supervisor }
    }
}

/// Where the keys of secrets are. A node without a directory has none of its own.
fn key_source(setup: &Setup, directory: Option<&DataDir>) -> keyring::KeySource {
    match &setup.keys {
        keyring::KeySource::Own(_) if directory.is_none() => keyring::KeySource::Nowhere,
        place => place.clone(),
    }
}

/// Refuses a start after which no run could have the memory that the interpreter itself needs.
fn check_room(config: &Config, setup: &Setup, needed: u64) -> Result<(), ServeError> {
    let options = [("--memory-budget", setup.pool.memory_budget), ("--ceiling, memory", config.runs.ceiling.memory)];
    match options.into_iter().find(|(_, asked)| *asked < needed) {
        Some((option, asked)) => {
            let error = LimitError::BelowInterpreter { asked, needed };
            let why = limits::sentence(&error, |_| option.to_owned());
            Err(failed(format!("{why}, so no run can start: give it more")))
        }
        None => Ok(()),
    }
}

/// What is in force for runs.
fn policy(config: &Config, ceiling: Limits, pool: &Pool) -> plan::RunPolicy {
    plan::RunPolicy {
        defaults: Limits::default(),
        ceiling,
        hosts: config.hosts.ceiling(),
        interpreter_memory: pool.interpreter_memory(),
        timezone: config.runs.timezone.clone(),
        job_defaults: config.runs.job_defaults.clone(),
    }
}

/// How a part of the node is.
fn state(part: &str, how: &str) -> Readiness {
    Readiness::from([(part.to_owned(), how.to_owned())])
}

/// A node that is open.
pub(super) struct Node {
    config: Config,
    setup: Setup,
    shutdown: Shutdown,
    front: Front,
    directory: Option<DataDir>,
    id: String,
    store: Store,
    blobs: Blobs,
    clock: Clock,
    pool: Pool,
    signals: Arc<Signals>,
    peer_signals: Arc<Mutex<mpsc::UnboundedReceiver<PeerSignal>>>,
    live: Arc<Live>,
    checker: Checker,
    linker: Linker,
    keyring: Arc<Keyring>,
    rules: Arc<plan::RunPolicy>,
    worker: Arc<Worker>,
    delivering: Delivering,
    /// How much room the data has; none where it is on another machine.
    space: Option<Space>,
    has_tokens: bool,
    anonymous_access: AnonymousAccess,
    /// What is to be said when there are secrets that this node has no key for.
    lost_key: Option<String>,
    /// Requests that are carried out whether their clients stay or not.
    changes: TaskTracker,
    /// Ends what goes on until nothing runs any more.
    background: CancellationToken,
}

impl Node {
    /// Opens what a node needs; none when it is to end before that.
    pub(super) async fn open(
        config: Config,
        setup: Setup,
        places: Places,
        front: Front,
        say: &Say,
        shutdown: Shutdown,
    ) -> Result<Option<Self>, ServeError> {
        let Places { directory, blobs, roots } = places;
        let Some(store) = open_store(&setup.database, &front.ready, &shutdown.stop).await? else { return Ok(None) };
        let clock = clock_of(&config, &store).await?;
        let has_tokens = first_token(&store, &config, &clock).await?;
        let anonymous_access = reach(&front.addresses, has_tokens)?;
        front.ready.send_replace(state("interpreter", "being loaded"));

        let interpreter = load_interpreter(&setup.interpreter_cache, say).await?;
        let pool = Pool::start(setup.pool.clone(), Arc::new(interpreter)).await.map_err(failed)?;
        check_room(&config, &setup, pool.interpreter_memory())?;
        let (signals, inbox, peer_signals) =
            Signals::new(if config.node.does(Role::Worker) { config.runs.max_running } else { 0 });
        let checker = Checker::new(pool.clone());
        let keeper = Keeper {
            store: store.clone(),
            blobs: blobs.clone(),
            checker: checker.clone(),
            resolver: Resolver::new(setup.packages.clone()),
            timezone: config.runs.timezone.clone(),
            recent: Recent::default(),
        };
        audit_file::keep(&store, &config.retention)?;
        let keyring = Arc::new(Keyring::new(key_source(&setup, directory.as_ref())));
        let lost_key = unreadable_secrets(&store, &keyring, &setup.keys, &config.storage.data_dir).await?;
        let ceiling =
            Limits { memory: config.runs.ceiling.memory.min(setup.pool.memory_budget), ..config.runs.ceiling };
        let (id, live) = (new_id(clock.now()), Arc::new(Live::default()));
        let tools = worker::Tools {
            store: store.clone(),
            blobs: blobs.clone(),
            pool: pool.clone(),
            clock: clock.clone(),
            signals: signals.clone(),
            live: live.clone(),
            metrics: front.metrics.clone(),
            supervisor: front.supervisor.clone(),
            node: id.clone(),
            ceiling,
            hosts: config.hosts.ceiling(),
            networks: config.network.networks(),
            keyring: keyring.clone(),
            traces: config.tracing.traces(&id, &front.metrics).map_err(failed)?,
        };
        let (rules, delivering) = (Arc::new(policy(&config, ceiling, &pool)), Delivering::new(&tools, &config));
        Ok(Some(Node {
            space: directory.as_ref().map(|directory| Space::new(directory.path.clone(), config.storage.max_data)),
            worker: Worker::new(tools, inbox),
            linker: Linker::new(keeper, roots),
            delivering,
            peer_signals: Arc::new(Mutex::new(peer_signals)),
            changes: TaskTracker::new(),
            background: CancellationToken::new(),
            config,
            setup,
            shutdown,
            front,
            directory,
            id,
            store,
            blobs,
            clock,
            pool,
            signals,
            live,
            checker,
            keyring,
            rules,
            has_tokens,
            anonymous_access,
            lost_key,
        }))
    }

    /// Starts everything but the worker, answers requests, and says so.
    pub(super) async fn start(&self, say: &Say) -> Result<(), ServeError> {
        let rescuer = self.rescuer();
        rescuer.join().await.map_err(failed)?;
        if self.config.runs.paused {
            self.store.pause_scheduler(self.clock.now()).await.map_err(failed)?;
        }
        if self.config.node.does(Role::Scheduler) {
            self.start_scheduler();
        }
        let work = again((rescuer, self.background.clone()), |room| async move { room.0.run(room.1.clone()).await });
        self.keep_going("rescuer", work);
        self.start_background().await;

        let scripts = self.store.count_scripts().await.map_err(failed)?;
        if self.config.node.does(Role::Api) {
            let api = http::router(self.api(), &self.config.listening.base_path);
            *self.front.router.write().unwrap_or_else(std::sync::PoisonError::into_inner) = api;
        }
        self.front.ready.send_replace(state("interpreter", "ok"));
        let who = who_can_use_it(self.anonymous_access, self.has_tokens);
        let (configured, directory) = ((&self.config, &self.setup), self.directory.as_ref());
        announce(configured, say, &self.front.addresses, directory, scripts, &self.pool, who);
        let certificate = self.setup.tls.as_ref().and_then(|tls| tls.warning(self.clock.now()));
        let space = self.space.as_ref().and_then(Space::warning);
        for warning in self.lost_key.iter().cloned().chain(space).chain(certificate) {
            say(&format!("warning: {warning}"));
        }
        Ok(())
    }

    /// Keeps a task going beside everything else.
    fn keep_going<W: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnMut() -> W + Send + 'static,
    ) {
        let supervisor = &self.front.supervisor;
        self.front.tasks.spawn(supervisor.clone().keep_going(name, work));
    }

    fn rescuer(&self) -> Rescuer {
        let lost = self.worker.clone();
        Rescuer {
            store: self.store.clone(),
            clock: self.clock.clone(),
            signals: self.signals.clone(),
            node: self.id.clone(),
            name: self.config.node.name(),
            roles: self.config.node.roles_text(),
            lease: self.config.node.lease,
            metrics: self.front.metrics.clone(),
            on_lost: Box::new(move || lost.abandon_all()),
        }
    }

    fn start_scheduler(&self) {
        let scheduler = Scheduler {
            store: self.store.clone(),
            blobs: self.blobs.clone(),
            clock: self.clock.clone(),
            signals: self.signals.clone(),
            rules: self.rules.clone(),
            queue_bound: self.config.runs.max_queued,
            memory: Arc::default(),
        };
        let room = (scheduler, self.shutdown.stop.clone());
        self.keep_going("scheduler", again(room, |room| async move { room.0.run(room.1.clone()).await }));
        let watcher = Watcher { store: self.store.clone(), clock: self.clock.clone() };
        let room = (watcher, self.shutdown.stop.clone());
        self.keep_going("watcher", again(room, |room| async move { room.0.run(room.1.clone()).await }));
    }

    /// Starts what every node does, whatever its roles.
    async fn start_background(&self) {
        let (store, background) = (&self.store, &self.background);
        let room = (store.clone(), self.peer_signals.clone(), background.clone());
        let work = again(room, |room| async move { peer_signals::tell(&room.0, &room.1, &room.2).await });
        self.keep_going("notifier", work);
        let room = (store.clone(), self.signals.clone(), background.clone());
        let work = again(room, |room| async move { peer_signals::hear(&room.0, &room.1, &room.2).await });
        self.keep_going("hearer", work);
        let room = (store.clone(), self.signals.clone(), background.clone());
        let work = again(room, |room| async move { watcher::pass_on(&room.0, &room.1, &room.2).await });
        self.keep_going("teller", work);
        let cleaner = Cleaner {
            store: store.clone(),
            blobs: self.blobs.clone(),
            clock: self.clock.clone(),
            retention: self.config.retention.retention(),
        };
        let work = again((cleaner, background.clone()), |room| async move { room.0.run(room.1.clone()).await });
        self.keep_going("cleaner", work);
        if let Some(tls) = self.setup.tls.clone() {
            let room = (tls, self.front.metrics.clone(), self.clock.clone(), background.clone());
            let work = again(room, |room| async move { room.0.watch(&room.1, &room.2, &room.3).await });
            self.keep_going("certificate", work);
        }
        self.delivering.start(&self.front.supervisor);
        self.start_backups();
        if let Some(space) = self.space.clone() {
            space.look().await;
            let work = again((space, background.clone()), |room| async move { room.0.run(room.1.clone()).await });
            self.keep_going("disk_usage", work);
        }
        let room = (self.linker.clone(), self.clock.clone(), background.clone());
        let work = again(room, |room| async move { room.0.run(room.2.clone(), || room.1.now()).await });
        self.keep_going("linker", work);
    }

    /// What requests are answered with.
    fn api(&self) -> http::Tools {
        let service = Service {
            store: self.store.clone(),
            blobs: self.blobs.clone(),
            linker: self.linker.clone(),
            keyring: self.keyring.clone(),
            clock: self.clock.clone(),
            signals: self.signals.clone(),
            live: self.live.clone(),
            policy: self.rules.clone(),
            queue_bound: self.config.runs.max_queued,
            node: self.config.node.does(Role::Worker).then(|| self.id.clone()),
            sealing: Mutex::default(),
            deliverer: self.delivering.deliverer.clone(),
        };
        http::Tools {
            service: Arc::new(service),
            metrics: self.front.metrics.clone(),
            supervisor: self.front.supervisor.clone(),
            changes: self.changes.clone(),
            checker: self.checker.clone(),
            rate: self.config.node.rate_limit,
            ready: self.front.readiness.clone(),
            space: self.space.clone(),
            traces: self.delivering.traces.clone(),
            tls: self.setup.tls.clone(),
            stop: self.shutdown.stop.clone(),
            down: self.front.stop.clone(),
        }
    }

    /// Runs scripts, when the node does that, until it is to end.
    pub(super) async fn work(&self) {
        let stop = &self.shutdown.stop;
        if self.config.node.does(Role::Worker) {
            let room = (self.worker.clone(), stop.clone());
            let timing = again(room.clone(), |room| async move { room.0.watch_times(&room.1).await });
            self.keep_going("timer", timing);
            let work = again(room, |room| async move { room.0.run(&room.1).await });
            self.front.supervisor.clone().keep_going("worker", work).await;
        }
        stop.cancelled().await;
    }

    /// Ends everything in order.
    pub(super) async fn end(self) {
        let Node { config, shutdown, front, store, pool, changes, .. } = &self;
        tracing::info!(runs = self.worker.aboard(), "going down");
        front.ready.send_replace(state("node", "going down"));
        self.signals.slots.close();
        self.worker.drain(config.node.drain, shutdown.at_once.clone()).await;
        front.stop.cancel();
        changes.close();
        tokio::select! {
            () = changes.wait() => {}
            () = tokio::time::sleep(CHANGES_PATIENCE) => {}
            () = shutdown.at_once.cancelled() => {}
        }
        self.delivering.end(&shutdown.at_once).await;
        pool.close(false).await;
        self.background.cancel();
        front.tasks.close();
        tokio::select! {
            () = front.tasks.wait() => {}
            () = shutdown.at_once.cancelled() => {}
        }
        if let Err(error) = store.leave(&self.id).await {
            tracing::warn!(%error, "this node cannot say that it is gone; the others will find out");
        }
        store.close().await;
    }
}

/// Work that can be begun again after a panic, on what it shares with its next beginning.
fn again<T, W: Future<Output = ()>>(room: T, work: impl Fn(Arc<T>) -> W) -> impl FnMut() -> W {
    let room = Arc::new(room);
    move || work(room.clone())
}
