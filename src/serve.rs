//! The node: all rooms put together, started in order and ended in order.

use crate::access::{Scope, TOKEN_PREFIX, Token, hash, new_token};
use crate::blobs::{self, Blobs, S3Access};
use crate::checker::Checker;
use crate::cleaner::{Cleaner, Retention};
use crate::clock::Clock;
use crate::disk_usage::{self, Space};
use crate::heartbeat::Rescuer;
use crate::http::{self, AnonymousAccess, Listener, Readiness, Rules};
use crate::keyring::{self, Keyring};
use crate::links::{Linker, Root};
use crate::live_output::Live;
use crate::metrics::Metrics;
use crate::packages::{Resolver, ResolverConfig};
use crate::peer_signals;
use crate::plan;
use crate::publish::{Keeper, Recent};
use crate::run::new_id;
use crate::schedule::Policies;
use crate::scheduler::Scheduler;
use crate::signals::Signals;
use crate::store::{self, Store, StoreError};
use crate::supervise::Supervisor;
use crate::worker::{self, Worker};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use cronbox_runtime::network::{Ceiling, Networks};
use cronbox_runtime::{CompiledInterpreter, Limits, Pool, PoolConfig};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a start waits for a database that is not there yet.
const DATABASE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a node that goes down waits for requests whose clients have gone.
const CHANGES_PATIENCE: Duration = Duration::from_secs(10);

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// It answers requests.
    pub api: bool,
    /// It fires schedules.
    pub scheduler: bool,
    /// It runs scripts.
    pub worker: bool,
}

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// `HOST:PORT` or `unix:PATH`.
    pub listen: String,
    /// What every address begins with, `/cronbox`, where a proxy gives the server a part of its own; empty: nothing.
    pub base_path: String,
    /// Where SQLite and the blobs are, unless they are elsewhere.
    pub data_dir: PathBuf,
    /// The database.
    pub database: store::DatabaseUrl,
    /// The blobs.
    pub blobs: blobs::BlobLocation,
    /// How buckets are reached.
    pub s3: S3Access,
    /// Where scripts may be read from.
    pub script_sources: Vec<String>,
    /// The zone of scripts that name none.
    pub timezone: String,
    /// What the node does.
    pub roles: Roles,
    /// The pool of sandbox processes.
    pub pool: PoolConfig,
    /// Where the compiled interpreter is kept.
    pub interpreter_cache: PathBuf,
    /// How packages are resolved.
    pub packages: ResolverConfig,
    /// Runs of this node at once.
    pub max_running: usize,
    /// How many runs may wait that were asked for by request.
    pub queue_bound: u64,
    /// How long runs under way may go on when the node goes down.
    pub drain: Duration,
    /// How long a node's count may stand still before others take over.
    pub lease: Duration,
    /// The limits of a run that asks for none.
    pub defaults: Limits,
    /// The largest limits.
    pub ceiling: Limits,
    /// The hosts that can be granted at most.
    pub hosts: Ceiling,
    /// Addresses that are not everybody's, and by which names they may be reached.
    pub networks: Networks,
    /// Requests a second, of all and of each token.
    pub rate: (u32, u32),
    /// Policies of schedules that name none.
    pub job_defaults: Policies,
    /// Whether all schedules are paused at the start.
    pub paused: bool,
    /// How long things are kept.
    pub retention: Retention,
    /// The size of the data directory from which on there are warnings.
    pub max_data: u64,
    /// Where the keys of secrets are.
    pub secret_key: keyring::KeySource,
    /// Holds, or is to hold, the first token.
    pub admin_token_file: Option<PathBuf>,
    /// The node's name, for people.
    pub name: String,
    /// What time it is; none: the database's time where it has one, else the system's.
    pub clock: Option<Clock>,
}

/// Why a node did not start, or ended: a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ServeError(pub String);

fn failed(what: impl std::fmt::Display) -> ServeError {
    ServeError(what.to_string())
}

/// What is told when the node is up, line by line.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// The directory of a node, its own as long as this lives.
struct DataDir {
    _lock: File,
    /// Whether it was made just now.
    is_new: bool,
    path: PathBuf,
}

impl DataDir {
    fn open(path: &Path) -> Result<Self, ServeError> {
        let is_new = !path.exists();
        let shown = path.display();
        std::fs::create_dir_all(path)
            .map_err(|error| failed(format_args!("the data directory {shown} cannot be made: {error}")))?;
        if is_new {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
        let path = path.canonicalize().map_err(failed)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(|error| failed(format_args!("the data directory {shown} cannot be written to: {error}")))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            failed(format_args!(
                "another server is using the data directory {shown}; stop it, or name another with --data-dir"
            ))
        })?;
        Ok(DataDir { _lock: lock, is_new, path })
    }
}

/// Runs a node until `stop` is cancelled and everything has ended in order; `at_once` shortens that.
pub async fn serve(
    config: Config,
    say: Say,
    stop: CancellationToken,
    at_once: CancellationToken,
) -> Result<(), ServeError> {
    let needs_directory = matches!(config.database, store::DatabaseUrl::Sqlite(_))
        || matches!(config.blobs, blobs::BlobLocation::Disk(_));
    let directory = if needs_directory { Some(DataDir::open(&config.data_dir)?) } else { None };
    let blobs = Blobs::open(&config.blobs, &config.s3).map_err(failed)?;
    let roots: Vec<Root> = config
        .script_sources
        .iter()
        .map(|source| Root::open(source, &config.s3))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let listener = Listener::bind(&config.listen).await.map_err(|error| taken(&config.listen, &error))?;
    let (place, of_machine) = (listener.tcp(), listener.address());

    // From here on the port answers: first that the node is starting, later everything.
    let (ready, readiness) = watch::channel(Readiness::from([("database".to_owned(), "being opened".to_owned())]));
    let router = Arc::new(RwLock::new(starting(readiness.clone(), &config.base_path)));
    let http_stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let metrics = Arc::new(Metrics::default());
    let supervisor = Supervisor::new(metrics.clone());
    supervisor.watch_all();
    tasks.spawn(http::serve(listener, router.clone(), supervisor.clone(), http_stop.clone()));

    let Some(store) = open_store(&config.database, &ready, &stop).await? else { return Ok(()) };
    let clock = match (&config.clock, store.time().await.map_err(failed)?) {
        (Some(clock), _) => clock.clone(),
        (None, Some(now)) => Clock::database(now),
        (None, None) => Clock::system(),
    };
    let has_tokens = first_token(&store, &config, &clock).await?;
    let anonymous_access = anonymous_access(place, has_tokens)?;
    ready.send_replace(Readiness::from([("interpreter".to_owned(), "being loaded".to_owned())]));

    let interpreter = load_interpreter(&config.interpreter_cache, &say).await?;
    let pool = Pool::start(config.pool.clone(), Arc::new(interpreter)).await.map_err(failed)?;
    let (signals, inbox, peer_signals) = Signals::new(if config.roles.worker { config.max_running } else { 0 });
    let live = Arc::new(Live::default());
    let checker = Checker::new(pool.clone());
    let keeper = Keeper {
        store: store.clone(),
        blobs: blobs.clone(),
        checker: checker.clone(),
        resolver: Resolver::new(config.packages.clone()),
        timezone: config.timezone.clone(),
        recent: Recent::default(),
    };
    let linker = Linker::new(keeper, roots);
    let keyring = Arc::new(Keyring::new(match &config.secret_key {
        keyring::KeySource::Own(_) if directory.is_none() => keyring::KeySource::Nowhere,
        place => place.clone(),
    }));
    let lost_key = unreadable_secrets(&store, &keyring, &config).await?;
    let node = new_id(clock.now());
    let ceiling = Limits { memory: config.ceiling.memory.min(config.pool.memory_budget), ..config.ceiling };
    let worker_tools = worker::Tools {
        store: store.clone(),
        blobs: blobs.clone(),
        pool: pool.clone(),
        clock: clock.clone(),
        signals: signals.clone(),
        live: live.clone(),
        metrics: metrics.clone(),
        supervisor: supervisor.clone(),
        node: node.clone(),
        ceiling,
        hosts: config.hosts.clone(),
        networks: config.networks.clone(),
        keyring: keyring.clone(),
    };
    let worker = Worker::new(worker_tools, inbox);
    let lost = worker.clone();
    let rescuer = Rescuer {
        store: store.clone(),
        clock: clock.clone(),
        signals: signals.clone(),
        node: node.clone(),
        name: config.name.clone(),
        roles: roles_text(config.roles),
        lease: config.lease,
        on_lost: Box::new(move || lost.abandon_all()),
    };
    rescuer.join().await.map_err(failed)?;
    let (background, changes) = (CancellationToken::new(), TaskTracker::new());
    let rules = Arc::new(plan::RunPolicy {
        defaults: config.defaults,
        ceiling,
        hosts: config.hosts.clone(),
        interpreter_memory: pool.interpreter_memory(),
        timezone: config.timezone.clone(),
        job_defaults: config.job_defaults.clone(),
    });
    if config.paused {
        store.pause_scheduler(clock.now()).await.map_err(failed)?;
    }
    if config.roles.scheduler {
        let scheduler = Scheduler {
            store: store.clone(),
            blobs: blobs.clone(),
            clock: clock.clone(),
            signals: signals.clone(),
            rules: rules.clone(),
            queue_bound: config.queue_bound,
            read: Arc::default(),
        };
        let work = again((scheduler, stop.clone()), |room| async move { room.0.run(room.1.clone()).await });
        tasks.spawn(supervisor.clone().keep_going("scheduler", work));
    }
    let room = (rescuer, background.clone());
    let work = again(room, |room| async move { room.0.run(room.1.clone()).await });
    tasks.spawn(supervisor.clone().keep_going("rescuer", work));
    let room = (store.clone(), tokio::sync::Mutex::new(peer_signals), background.clone());
    let work = again(room, |room| async move { peer_signals::tell(&room.0, &room.1, &room.2).await });
    tasks.spawn(supervisor.clone().keep_going("notifier", work));
    let room = (store.clone(), signals.clone(), background.clone());
    let work = again(room, |room| async move { peer_signals::hear(&room.0, &room.1, &room.2).await });
    tasks.spawn(supervisor.clone().keep_going("hearer", work));
    let cleaner = Cleaner {
        store: store.clone(),
        blobs: blobs.clone(),
        clock: clock.clone(),
        retention: config.retention.clone(),
    };
    let work = again((cleaner, background.clone()), |room| async move { room.0.run(room.1.clone()).await });
    tasks.spawn(supervisor.clone().keep_going("cleaner", work));
    let space = directory.as_ref().map(|directory| Space::new(directory.path.clone(), config.max_data));
    if let Some(space) = space.clone() {
        space.look().await;
        let work = again((space, background.clone()), |room| async move { room.0.run(room.1.clone()).await });
        tasks.spawn(supervisor.clone().keep_going("disk_usage", work));
    }
    let room = (linker.clone(), clock.clone(), background.clone());
    let work = again(room, |room| async move { room.0.run(room.2.clone(), || room.1.now()).await });
    tasks.spawn(supervisor.clone().keep_going("linker", work));

    let scripts = store.count_scripts().await.map_err(failed)?;
    let tools = http::Tools {
        store: store.clone(),
        blobs,
        checker,
        linker,
        keyring,
        clock: clock.clone(),
        signals: signals.clone(),
        live,
        metrics,
        supervisor: supervisor.clone(),
        changes: changes.clone(),
        node: config.roles.worker.then(|| node.clone()),
        rules: Rules { runs: rules.clone(), queue_bound: config.queue_bound, rate: config.rate },
        ready: readiness,
        space: space.clone(),
        anonymous_access,
        stop: stop.clone(),
        down: http_stop.clone(),
    };
    if config.roles.api {
        let api = http::router(tools, &config.base_path);
        *router.write().unwrap_or_else(std::sync::PoisonError::into_inner) = api;
    }
    ready.send_replace(Readiness::from([("interpreter".to_owned(), "ok".to_owned())]));
    announce(
        &config,
        &say,
        &of_machine,
        directory.as_ref(),
        scripts,
        &pool,
        who_can_use_it(anonymous_access, has_tokens),
    );
    for warning in lost_key.into_iter().chain(space.as_ref().and_then(Space::warning)) {
        say(&format!("warning: {warning}"));
    }

    if config.roles.worker {
        let room = (worker.clone(), stop.clone());
        let timing = again(room.clone(), |room| async move { room.0.watch_times(&room.1).await });
        tasks.spawn(supervisor.clone().keep_going("timer", timing));
        supervisor.keep_going("worker", again(room, |room| async move { room.0.run(&room.1).await })).await;
    }
    stop.cancelled().await;

    tracing::info!(runs = worker.aboard(), "going down");
    ready.send_replace(Readiness::from([("node".to_owned(), "going down".to_owned())]));
    signals.slots.close();
    worker.drain(config.drain, at_once.clone()).await;
    http_stop.cancel();
    changes.close();
    tokio::select! {
        () = changes.wait() => {}
        () = tokio::time::sleep(CHANGES_PATIENCE) => {}
        () = at_once.cancelled() => {}
    }
    pool.close(false).await;
    background.cancel();
    tasks.close();
    tokio::select! {
        () = tasks.wait() => {}
        () = at_once.cancelled() => {}
    }
    if let Err(error) = store.leave(&node).await {
        tracing::warn!(%error, "this node cannot say that it is gone; the others will find out");
    }
    store.close().await;
    Ok(())
}

/// Work that can be begun again after a panic, on what it shares with its next beginning.
fn again<T, W: Future<Output = ()>>(room: T, work: impl Fn(Arc<T>) -> W) -> impl FnMut() -> W {
    let room = Arc::new(room);
    move || work(room.clone())
}

/// What is to be said when there are secrets that this node has no key for. Keys that cannot be read are an error.
async fn unreadable_secrets(store: &Store, keyring: &Keyring, config: &Config) -> Result<Option<String>, ServeError> {
    let keys = keyring.keys().map_err(|error| match &config.secret_key {
        keyring::KeySource::File(path) => failed(format_args!("--secret-key-file {}: {error}", path.display())),
        _ => failed(error),
    })?;
    let secrets = store.secrets().await.map_err(failed)?;
    let lost: Vec<String> =
        secrets.into_iter().filter(|secret| !keys.has_key_of(secret)).map(|secret| secret.name).collect();
    if lost.is_empty() {
        return Ok(None);
    }
    let own = config.data_dir.join(keyring::OWN_FILE);
    let there = if !matches!(config.secret_key, keyring::KeySource::Own(_)) && own.exists() {
        format!(" (there is also {}, which is not read beside the operator's)", own.display())
    } else {
        String::new()
    };
    let warning = format!(
        "no key that is here opens these secrets, and runs that need them will fail: {}. Give the key back with \
         --secret-key-file or CRONBOX_SECRET_KEY{there}; if it is lost, remove the secrets and set them again",
        lost.join(", ")
    );
    tracing::warn!("{warning}");
    Ok(Some(warning))
}

/// Opens the database, when it is there; none when the node is to end before that.
async fn open_store(
    place: &store::DatabaseUrl,
    ready: &watch::Sender<Readiness>,
    stop: &CancellationToken,
) -> Result<Option<Store>, ServeError> {
    let until = Instant::now() + DATABASE_PATIENCE;
    loop {
        let opened = Store::open(place).await.map_err(|error| match error {
            // SQLite has several words for a full disk while it is opened.
            StoreError::Unavailable(_) if is_full(place) => StoreError::Full,
            other => other,
        });
        match opened {
            // A disk that is full may have room again at any time: the node says so meanwhile, and needs no restart.
            Err(error)
                if matches!(error, StoreError::Full)
                    || matches!(error, StoreError::Unavailable(_)) && Instant::now() < until =>
            {
                tracing::warn!(%error, "waiting for the database");
                ready.send_replace(Readiness::from([("database".to_owned(), error.to_string())]));
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(Duration::from_millis(500)) => {}
                }
            }
            opened => return opened.map(Some).map_err(failed),
        }
    }
}

/// Whether the disk of a database in a file has no room left.
fn is_full(place: &store::DatabaseUrl) -> bool {
    matches!(place, store::DatabaseUrl::Sqlite(path) if path.parent().is_some_and(disk_usage::is_full))
}

/// Makes the first token when a file is named for it; whether there are tokens then.
async fn first_token(store: &Store, config: &Config, clock: &Clock) -> Result<bool, ServeError> {
    let tokens = store.tokens().await.map_err(failed)?;
    let Some(path) = &config.admin_token_file else { return Ok(!tokens.is_empty()) };
    let shown = path.display();
    let secret = match File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(1000)
                .read_to_string(&mut text)
                .map_err(|error| failed(format_args!("{shown} cannot be read: {error}")))?;
            text.trim().to_owned()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = new_token().map_err(failed)?;
            write_secret(path, &secret).map_err(|error| failed(format_args!("{shown} cannot be written: {error}")))?;
            secret
        }
        Err(error) => return Err(failed(format_args!("{shown} cannot be read: {error}"))),
    };
    if !secret.starts_with(TOKEN_PREFIX) || secret.len() < 36 || secret.len() > 190 || !secret.is_ascii() {
        return Err(failed(format_args!(
            "{shown} holds no token: write {TOKEN_PREFIX} and at least 32 random letters and digits, or remove the file to have one made"
        )));
    }
    if store.token(&hash(&secret)).await.map_err(failed)?.is_none() {
        let now = clock.now();
        let token = Token {
            id: new_id(now),
            name: "admin".into(),
            scopes: vec![Scope::Admin],
            scripts: None,
            labels: None,
            created_at: now,
            expires_at: None,
            last_used_at: None,
        };
        match store.add_token(&token, &hash(&secret)).await {
            // Another node that starts from the same file was first.
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(true)
}

/// Writes a file that only its owner may read.
fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")
}

fn anonymous_access(address: Option<SocketAddr>, has_tokens: bool) -> Result<AnonymousAccess, ServeError> {
    match address {
        None => Ok(AnonymousAccess::Unix),
        Some(address) if address.ip().is_loopback() => Ok(AnonymousAccess::Loopback),
        Some(_) if has_tokens => Ok(AnonymousAccess::Nobody),
        Some(address) => Err(failed(format_args!(
            "{address} can be reached from other machines, and there is no token yet: make one with `cronbox token create`, or name a \
             file for the first with CRONBOX_ADMIN_TOKEN_FILE; or listen on 127.0.0.1"
        ))),
    }
}

/// What is said when the address cannot be listened at.
fn taken(address: &str, error: &std::io::Error) -> ServeError {
    if error.kind() == std::io::ErrorKind::AddrInUse
        && let Some((host, port)) = address.rsplit_once(':')
        && let Ok(port) = port.parse::<u16>()
    {
        let free = (port.saturating_add(1)..port.saturating_add(50))
            .find(|port| std::net::TcpListener::bind(format!("{host}:{port}")).is_ok());
        let next = free.map(|port| format!("; {host}:{port} is free: --listen {host}:{port}")).unwrap_or_default();
        return failed(format_args!("{address} is taken by another program{next}"));
    }
    failed(format_args!("cannot listen at {address}: {error}"))
}

/// What answers while the node starts.
fn starting(ready: watch::Receiver<Readiness>, base_path: &str) -> Router {
    let not_yet = move || {
        let parts = ready.borrow().clone();
        let body = crate::api::ReadyBody { ready: false, parts, warnings: Vec::new() };
        async move {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                [(header::RETRY_AFTER, "1"), (header::CONNECTION, "close")],
                axum::Json(body),
            )
                .into_response()
        }
    };
    http::below(base_path, Router::new().route("/healthz", get(async || "ok\n")).fallback(not_yet))
}

async fn load_interpreter(cache: &Path, say: &Say) -> Result<CompiledInterpreter, ServeError> {
    let (cache, say) = (cache.to_owned(), say.clone());
    let load = move || {
        let progress = || say("compiling the interpreter to machine code, once; this takes about ten seconds …");
        CompiledInterpreter::open(&cache, progress)
    };
    tokio::task::spawn_blocking(load).await.map_err(failed)?.map_err(failed)
}

fn roles_text(roles: Roles) -> String {
    let names = [(roles.api, "api"), (roles.scheduler, "scheduler"), (roles.worker, "worker")];
    names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

/// Tells where the node is, what it found, and who can reach it.
fn announce(
    config: &Config,
    say: &Say,
    address: &str,
    directory: Option<&DataDir>,
    scripts: u64,
    pool: &Pool,
    who: &str,
) {
    let scheme = if address.starts_with("unix:") { "" } else { "http://" };
    let url = format!("{scheme}{address}{}", config.base_path);
    say(&format!("cronbox {} at {url} (docs: {url}/docs)", env!("CARGO_PKG_VERSION")));
    let found = match scripts {
        1 => "1 script".to_owned(),
        count => format!("{count} scripts"),
    };
    match directory {
        Some(directory) if directory.is_new => say(&format!("data in {} (new)", directory.path.display())),
        Some(directory) => say(&format!("data in {} (found, with {found})", directory.path.display())),
        None if config.database == store::DatabaseUrl::Memory => {
            say("data in memory: everything is gone when this ends")
        }
        None => say(&format!("data in the database and the bucket ({found})")),
    }
    let hardening = pool.hardening();
    let missing: Vec<&str> = hardening.missing().map(|measure| measure.name.as_str()).collect();
    let measures =
        if missing.is_empty() { "all measures in force".to_owned() } else { format!("without {}", missing.join(", ")) };
    say(&format!(
        "zone {} (tzdata {}) · {} sandbox processes, at most {} runs at once · hardening: {measures}",
        config.timezone,
        crate::zone::installed().release(),
        config.pool.processes,
        config.max_running
    ));
    say(who);
}

/// Who can use the server, as it is told at its start.
fn who_can_use_it(anonymous_access: AnonymousAccess, has_tokens: bool) -> &'static str {
    match anonymous_access {
        _ if has_tokens => "callers need a token",
        AnonymousAccess::Loopback => {
            "every user of this machine can use it until the first token is made (cronbox token create)"
        }
        AnonymousAccess::Unix => "only this user can use it until the first token is made",
        AnonymousAccess::Nobody => "callers need a token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_a_token_says_that_it_wants_one() {
        for anonymous_access in [AnonymousAccess::Loopback, AnonymousAccess::Unix, AnonymousAccess::Nobody] {
            assert_eq!(who_can_use_it(anonymous_access, true), "callers need a token");
        }
        assert!(who_can_use_it(AnonymousAccess::Loopback, false).contains("every user of this machine"));
    }
}
