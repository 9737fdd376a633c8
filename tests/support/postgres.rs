//! A PostgreSQL of the tests' own: Debian's binaries, a cluster in a temporary directory, run by an unprivileged user, on a
//! free port of this machine. Nothing of the system's is touched.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, OnceLock, mpsc};
use std::time::{Duration, Instant};

/// What the folders of clusters are called, before the number of the process that made them.
const FOLDER: &str = "cronbox-postgres-";

/// The user that the server runs as when the tests run as root, which PostgreSQL refuses.
const USER: &str = "nobody";

/// A cluster. Ends with the process that started it, or when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    server: Mutex<Option<Child>>,
}

/// Removes the clusters of processes that have ended: the one that all tests of a process share is never dropped.
fn remove_left() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(FOLDER)).and_then(|rest| rest.split('-').next());
        let is_left = process.is_some_and(|process| {
            // An earlier process can have had this number.
            process == std::process::id().to_string() || !Path::new("/proc").join(process).exists()
        });
        if is_left {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Cluster {
    /// Makes a cluster and starts it. `durable` makes it wait for the disk, as one in use does.
    pub fn start(durable: bool) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("{FOLDER}{}-{number}", std::process::id()));
        static LEFT: Once = Once::new();
        LEFT.call_once(remove_left);
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("permissions");
        let made = unprivileged(&binary("initdb"))
            .args(["--auth=trust", "--username=cronbox", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(folder.join("data"))
            .current_dir(&folder)
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut settings =
            String::from("listen_addresses = '127.0.0.1'\nmax_connections = 200\nlogging_collector = off\n");
        settings.push_str(&format!("unix_socket_directories = '{}'\n", folder.display()));
        if !durable {
            settings.push_str("fsync = off\nfull_page_writes = off\n");
        }
        let configuration = folder.join("data/postgresql.conf");
        let mut text = fs::read_to_string(&configuration).expect("a configuration");
        text.push_str(&settings);
        fs::write(&configuration, text).expect("written");
        // One user has to prove itself, for tests of that.
        let rules = folder.join("data/pg_hba.conf");
        let text = fs::read_to_string(&rules).expect("rules");
        fs::write(&rules, format!("host all with_password all scram-sha-256\n{text}")).expect("written");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let cluster = Cluster { folder, port, server: Mutex::new(None) };
        cluster.up();
        cluster
    }

    /// Starts the server again after [`Cluster::down`].
    pub fn up(&self) {
        let mut command = unprivileged(&binary("postgres"));
        command.arg("-D").arg(self.folder.join("data")).args(["-p", &self.port.to_string()]);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        let log = fs::File::create(self.folder.join("log")).expect("a log");
        command.stderr(log);
        *self.server.lock().expect("unpoisoned") = Some(spawn_for_life(command));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.answers() {
            assert!(Instant::now() < deadline, "PostgreSQL does not start: {}", self.log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Kills the server, as a machine that loses its power would.
    pub fn down(&self) {
        let server = self.server.lock().expect("unpoisoned").take();
        let Some(mut server) = server else { return };
        // SIGQUIT to the postmaster takes its children with it, without a word to the clients or the disk.
        let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
        let _ = server.wait();
    }

    fn answers(&self) -> bool {
        let ready =
            Command::new(binary("pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status();
        ready.is_ok_and(|status| status.success())
    }

    fn log(&self) -> String {
        let mut text = String::new();
        let _ = fs::File::open(self.folder.join("log")).and_then(|mut file| file.read_to_string(&mut text));
        text
    }

    /// Makes an empty database; its address.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The address of a database.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://cronbox@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs a statement.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let done = Command::new(binary("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", statement])
            .output()
            .expect("psql starts");
        assert!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.down();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The cluster that tests share, each with databases of its own.
pub fn cluster() -> &'static Cluster {
    super::statements::record();
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(false))
}

/// Where Debian keeps the server's programs: the newest version's.
pub fn binary(name: &str) -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            let version = |entry: fs::DirEntry| {
                let number = entry.file_name().to_string_lossy().parse().ok()?;
                let path = entry.path().join("bin").join(name);
                path.exists().then_some((number, path))
            };
            versions.flatten().filter_map(version).collect()
        })
        .unwrap_or_default();
    found.sort();
    found.pop().map(|(_, path)| path).expect("PostgreSQL is not installed: apt-get install postgresql")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// A command that runs without root's rights, and ends with the thread that starts it.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        let group = Command::new("id").args(["-gn", USER]).output().expect("id");
        let group = String::from_utf8_lossy(&group.stdout).trim().to_owned();
        command.args([&format!("--reuid={USER}"), &format!("--regid={group}"), "--clear-groups"]);
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
    command
}

/// Starts a command from a thread that lives as long as this process: the signal that its parent's death sends is the
/// death of the thread that started it.
fn spawn_for_life(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<Child>);
    static STARTER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, waiting) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in waiting {
                let _ = reply.send(command.spawn().expect("starts"));
            }
        });
        Mutex::new(orders)
    });
    let (reply, child) = mpsc::channel();
    starter.lock().expect("unpoisoned").send((command, reply)).expect("a starter");
    child.recv().expect("started")
}
