//! The network: the guest's sockets and TLS against real servers, who may reach what, and servers that mean no good.

mod granted;

use crate::support::server::Folder;
use crate::support::world::world;
use crate::support::{self, PROGRAM, beside_others, job, postgres, start};
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Bundle, Event, Job, Limits, Outcome, Pool, Report, RunOutput};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn folder() -> PathBuf {
    support::tests_folder().join("network")
}

/// A script with everything on loopback granted.
fn granted(source: &str, limits: Limits) -> Job {
    let world = world();
    let mut job = job("");
    let helper = std::fs::read(folder().join("world.py")).expect("reads");
    let files: [(&str, &[u8]); 2] = [("main.py", source.as_bytes()), ("world.py", &helper)];
    job.bundle = Arc::new(Bundle::of_files(&files).expect("packs"));
    (job.path, job.name, job.entry) = ("main.py".into(), "main".into(), None);
    job.env.push(("WORLD".into(), world.told.to_string()));
    (job.network, job.limits) = (Some(Arc::new(world.grant())), limits);
    job
}

async fn run(pool: &Pool, source: &str, limits: Limits) -> (Report, String) {
    let RunOutput { report, stderr, .. } = start(pool, granted(source, limits)).finish().await;
    (report, String::from_utf8_lossy(&stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_speaks_to_real_servers() {
    let _shared = beside_others().await;
    let pool = world().pool().await;
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(folder().join("scripts"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 22, "{scripts:?}");
    let mut wrong = Vec::new();
    for script in &scripts {
        let source = std::fs::read_to_string(script).expect("reads");
        let (report, stderr) = run(&pool, &source, Limits::default()).await;
        if report.outcome != Outcome::Succeeded {
            let error = report.error.map(|error| error.traceback).unwrap_or_default();
            wrong.push(format!("{}: {:?} {error} {stderr}", script.display(), report.outcome));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let hardening = pool.egress_hardening().expect("an egress process");
    for name in ["seccomp", "landlock", "rlimits", "no_new_privs", "capabilities"] {
        let measure = hardening.measures.iter().find(|measure| measure.name == name).expect(name);
        assert_eq!(measure.missing, None, "{name}");
    }
}

/// A script that reads everything a server of that name says over HTTP.
fn reading(server: &str) -> String {
    format!(
        "from world import *\nimport urllib.request, gzip\ndef run():\n    answer = \
         urllib.request.urlopen(f'http://localhost:{{ports.{server}}}/')\n    body = answer.read()\n    \
         while answer.headers.get('Content-Encoding') == 'gzip' and body[:2] == b'\\x1f\\x8b':\n        \
         body = gzip.decompress(body)\n    return len(body)\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_mean_no_good_cost_their_run_and_nothing_else() {
    let _shared = beside_others().await;
    let pool = world().pool().await;
    let short = Limits { wall: Duration::from_secs(2), ..Limits::default() };
    let (report, _) = run(&pool, &reading("drip"), short).await;
    assert_eq!(report.outcome, Outcome::TimedOut);
    let egress = pool.egress_id().expect("an egress process");
    assert!(report.network[0].received_bytes < 10_000, "{:?}", report.network);
    // More than memory holds, or than a run may receive.
    let (report, _) = run(&pool, &reading("endless"), Limits::default()).await;
    assert!(matches!(report.outcome, Outcome::Failed | Outcome::OutOfMemory), "{report:?}");
    let dropping = "from world import *\nimport socket\ndef run():\n    sock = socket.create_connection(('localhost', \
                    ports.endless))\n    sock.sendall(b'x')\n    while sock.recv(1 << 18): pass\n";
    let (report, _) = run(&pool, dropping, Limits::default()).await;
    let error = report.error.expect("an error");
    assert_eq!(error.type_name, "ConnectionResetError");
    assert!(error.message.contains("the most that a run can receive"), "{}", error.message);
    assert!(report.network[0].received_bytes < 260 << 20);
    let small = Limits { memory: 128 << 20, ..Limits::default() };
    let (report, _) = run(&pool, &reading("bomb"), small).await;
    assert!(matches!(report.outcome, Outcome::Failed | Outcome::OutOfMemory | Outcome::OutOfFuel), "{report:?}");
    for (server, says) in [("headers", "100 headers"), ("slam", ""), ("reset", ""), ("closed", "refused")] {
        let (report, _) = run(&pool, &reading(server), Limits::default()).await;
        let error = report.error.unwrap_or_else(|| panic!("{server}: {:?}", report.outcome));
        assert!(error.message.contains(says), "{server}: {error:?}");
    }
    let (report, _) = run(&pool, &reading("two_lengths"), Limits::default()).await;
    assert!(matches!(report.outcome, Outcome::Succeeded | Outcome::Failed), "{report:?}");
    // The same egress process serves on.
    let (report, _) = run(&pool, &reading("http"), Limits::default()).await;
    assert_eq!((report.outcome, pool.egress_id()), (Outcome::Succeeded, Some(egress)), "{report:?}");
    // So many at once, and no more; all of them given back with the run.
    let crowd = "from world import *\nimport socket\ndef run():\n    held = []\n    try:\n        while True:\n            \
                 held.append(socket.create_connection(('localhost', ports.silent)))\n    except OSError as \
                 error:\n        return [len(held), str(error)]\n";
    for _ in 0..3 {
        let (report, _) = run(&pool, crowd, Limits::default()).await;
        let (held, why): (usize, String) = serde_json::from_str(support::result(&report)).expect("a result");
        assert_eq!(held, 64);
        assert!(why.contains("the most that it can have at once"), "{why}");
    }
    support::wait::until("its descriptors are closed", async || {
        let open = support::descriptors(egress);
        if open <= 20 { Ok(()) } else { Err(open) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_egress_process_that_dies_breaks_connections_and_is_replaced() {
    let _shared = beside_others().await;
    let pool = world().pool().await;
    // What is open breaks; what the same run opens later is made by the next one.
    let waiting = "from world import *\nimport socket, time, urllib.request\ndef run():\n    sock = \
                   socket.create_connection(('localhost', ports.silent))\n    print('there', flush=True)\n    why = \
                   raised(ConnectionResetError, sock.recv, 1)\n    while True:\n        try:\n            return \
                   [str(why), urllib.request.urlopen(f'http://localhost:{ports.http}/a').read().decode()]\n        \
                   except OSError:\n            time.sleep(0.02)\n";
    let mut running = start(&pool, granted(waiting, Limits::default()));
    let report = loop {
        match running.next().await.expect("an event") {
            Event::Output { .. } => {
                let pid = pool.egress_id().expect("an egress process").to_string();
                assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill").success());
            }
            Event::Done(report) => break report,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    let (why, page): (String, String) = serde_json::from_str(support::result(&report)).expect("a result");
    assert!(why.contains("the process that makes connections has ended") && page == "at /a", "{why} {page}");
    assert_eq!(report.network[0].host, format!("localhost:{}", world().port("http")), "{report:?}");
    let (report, _) = run(&pool, &reading("http"), Limits::default()).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
}

/// `cronbox run` with packages and everything on loopback granted.
fn cronbox_run(scratch: &Folder, source: &str, hosts: &[String]) -> (Option<i32>, String, String) {
    let world = world();
    let file = scratch.0.join("script.py");
    std::fs::write(&file, source).expect("writes");
    let wheels = std::env::var_os("CRONBOX_TEST_WHEELS").expect("CRONBOX_TEST_WHEELS: see make test");
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg(&file).args(["--quiet", "--interpreter-cache"]).arg(support::interpreter_cache());
    command.arg("--index").arg(wheels).arg("--package-cache").arg(scratch.0.join("packages"));
    command.args(["--allow-network", "localhost=127.0.0.0/8", "--ca-file", world.ca()]);
    for host in hosts {
        command.args(["--allow-host", host]);
    }
    let done = command.output().expect("starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

const HTTP_LIBRARIES: &str = r#"
# /// script
# dependencies = ["requests", "httpx"]
# ///
import asyncio, httpx, requests

def run(http, https, ten):
    found = []
    for base in (f"http://localhost:{http}", f"https://localhost:{https}"):
        session = requests.Session()
        found.append(session.get(base + "/a").text)
        found.append(len(session.get(base + "/size/1000000").content))
        found.append(session.post(base + "/", data=b"q" * 300_000).content == b"q" * 300_000)
        found.append(session.get(base + "/to/b").text)
        with httpx.Client(verify=True) as client:
            found.append(client.get(base + "/c").text)
    found.append(asyncio.run(at_once(ten)))
    for get in (requests.get, httpx.get, lambda url: asyncio.run(one(url))):
        try:
            get("https://denied.example/")
        except Exception as error:
            found.append("add --allow-host denied.example" in f"{error} {error.__cause__}")
    return found

async def one(url):
    async with httpx.AsyncClient() as client:
        return await client.get(url)

async def at_once(port):
    # The server answers nobody before ten are there.
    async with httpx.AsyncClient() as client:
        answers = await asyncio.gather(*(client.get(f"https://localhost:{port}/") for _ in range(10)))
    return [answer.text for answer in answers]
"#;

#[test]
fn requests_and_httpx_run_unmodified() {
    let (world, scratch) = (world(), Folder::new());
    let ports = ["http", "https", "tls_ten"].map(|name| world.port(name));
    let source = HTTP_LIBRARIES.replace(
        "def run(http, https, ten)",
        &format!("def run(http={}, https={}, ten={})", ports[0], ports[1], ports[2]),
    );
    let hosts = ports.map(|port| format!("localhost:{port}"));
    let (code, result, why) = cronbox_run(&scratch, &source, &hosts);
    let each = json!(["at /a", 1_000_000, true, "at /b", "at /c"]);
    let each = each.as_array().expect("a list");
    let mut expected = [each.clone(), each.clone()].concat();
    expected.push(json!(vec!["ok"; 10]));
    expected.extend([json!(true), json!(true), json!(true)]);
    assert_eq!((code, serde_json::from_str(&result).ok()), (Some(0), Some(Value::from(expected))), "{result} {why}");
}

/// A Redis server that ends with this.
pub(crate) struct Redis(Child, u16);

impl Redis {
    fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub(crate) fn port(&self) -> u16 {
        self.1
    }

    pub(crate) fn start_with(folder: &Path, words: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder)
            .args(words);
        let child = command.stdout(Stdio::null()).spawn().expect("redis-server: see make test");
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "Redis does not come up");
            std::thread::yield_now();
        }
        Redis(child, port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const REDIS: &str = r#"
# /// script
# dependencies = ["redis"]
# ///
import asyncio, redis, redis.asyncio

def run(port):
    client = redis.Redis(port=port, decode_responses=True)
    with client.pipeline() as pipe:
        pipe.set("a", 1).incr("a").get("a")
        found = pipe.execute()
    client.set("large", "x" * 2_000_000)
    return [found, len(client.get("large")), asyncio.run(later(port))]

async def later(port):
    client = redis.asyncio.Redis(port=port, decode_responses=True)
    taken = [asyncio.create_task(client.blpop(f"list{n}", timeout=10)) for n in range(5)]
    for n in range(5):
        await client.rpush(f"list{n}", f"value{n}")
    values = [(await task)[1] for task in taken]
    await client.aclose()
    return values
"#;

const POSTGRES: &str = r#"
# /// script
# dependencies = ["pg8000"]
# ///
import pg8000.native

def run(port, database):
    with pg8000.native.Connection("cronbox", host="localhost", port=port, database=database) as db:
        db.run("CREATE TABLE prices (name TEXT, price NUMERIC)")
        for n in range(100):
            db.run("INSERT INTO prices VALUES (:name, :price)", name=f"n{n}", price=n / 4)
        return [db.run("SELECT count(*), sum(price) FROM prices")[0][0], str(db.run("SELECT max(price) FROM prices")[0][0])]
"#;

#[test]
fn databases_are_reached_by_their_pure_clients() {
    let scratch = Folder::new();
    let redis = Redis::start(&scratch.0);
    let source = REDIS.replace("def run(port)", &format!("def run(port={})", redis.1));
    let (code, result, why) = cronbox_run(&scratch, &source, &[format!("localhost:{}", redis.1)]);
    let values: Vec<String> = (0..5).map(|n| format!("value{n}")).collect();
    let expected = json!([[true, 2, "2"], 2_000_000, values]);
    assert_eq!((code, serde_json::from_str(&result).ok()), (Some(0), Some(expected)), "{result} {why}");
    let url = postgres::cluster().database();
    let (place, database) = url.rsplit_once('/').expect("a database");
    let (_, port) = place.rsplit_once(':').expect("a port");
    let source =
        POSTGRES.replace("def run(port, database)", &format!("def run(port={port}, database={})", json!(database)));
    let (code, result, why) = cronbox_run(&scratch, &source, &[format!("localhost:{port}")]);
    assert_eq!((code, &*result), (Some(0), "[100,\"24.75\"]"), "{why}");
}

/// Attacks from inside a network of the test's own, whose interfaces have the forbidden addresses: nobody may knock there.
#[test]
fn forbidden_addresses_are_never_knocked_at() {
    let scratch = Folder::new();
    let mut command = Command::new("unshare");
    if support::is_root() {
        command.arg("--net");
    } else {
        command.args(["--net", "--user", "--map-root-user"]);
    }
    command
        .arg("python3")
        .arg(folder().join("walls.py"))
        .arg(PROGRAM)
        .arg(support::interpreter_cache())
        .arg(&scratch.0);
    // The interpreter is compiled once, by whoever comes first.
    support::interpreter();
    let done = command.output().expect("unshare");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    let counted: Value = serde_json::from_str(said.lines().last().unwrap_or_default()).expect("a count");
    assert!(counted["attacks"].as_u64() >= Some(30) && counted["reached"].as_u64() >= Some(3), "{counted}");
}
