//! What a script makes the host do is paid for, counts towards its limits, and delays nobody: neither a neighbour in the
//! same sandbox process nor the process itself.

use crate::support;
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Event, Job, OnLost, Outcome, Pool, Report, Run, RunOutput, Stream};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const TINY: &str = "def run():\n    return 1\n";
const SLEEPER: &str = "import time\ndef run():\n    time.sleep(4)\n    return 'slept'\n";

/// Attacks that make the host work, each without end.
const HOST_WORK: &[(&str, &str)] = &[
    (
        "a file made large and empty in turn",
        "import os\nfd = os.open('/tmp/x', os.O_RDWR | os.O_CREAT)\nwhile True:\n    os.ftruncate(fd, 63 << 20)\n    os.ftruncate(fd, 0)\n",
    ),
    (
        "a file filled and emptied in turn",
        "import os\nb = b'x' * (1 << 20)\nfd = os.open('/tmp/x', os.O_RDWR | os.O_CREAT)\nwhile True:\n    os.lseek(fd, 0, 0)\n    for _ in range(60):\n        os.write(fd, b)\n    os.ftruncate(fd, 0)\n",
    ),
    (
        "a large file read again and again",
        "import os\nfd = os.open('/tmp/x', os.O_RDWR | os.O_CREAT)\nos.ftruncate(fd, 63 << 20)\nwhile True:\n    os.pread(fd, 60 << 20, 0)\n",
    ),
    (
        "a directory of long names opened and listed",
        "import os\nos.mkdir('/tmp/d')\nfor n in range(3000):\n    os.close(os.open(f\"/tmp/d/{'n' * 240}{n:06}\", os.O_CREAT | os.O_WRONLY))\nwhile True:\n    its = None\n    its = [os.scandir('/tmp/d') for _ in range(200)]\n    [next(i) for i in its]\n    os.listdir('/tmp/d')\n",
    ),
    ("entropy", "import os\nwhile True:\n    os.urandom(1 << 20)\n"),
    ("paths of many steps", "import os\np = '/tmp' + '/../tmp' * 500\nwhile True:\n    os.stat(p)\n"),
    ("output", "import os\nb = b'x' * (1 << 20)\nwhile True:\n    os.write(1, b)\n"),
    (
        "files opened and closed",
        "import os\nwhile True:\n    fds = [os.open('/tmp/x', os.O_RDWR | os.O_CREAT) for _ in range(100)]\n    [os.close(fd) for fd in fds]\n",
    ),
    ("the time", "import time\nwhile True:\n    time.time()\n"),
    ("sleeps of no time", "import time\nwhile True:\n    time.sleep(0)\n"),
];

/// Work that one instruction of Python makes the interpreter's C code do, again and again.
const GUEST_WORK: &[(&str, &str)] = &[
    ("bytes counted and searched", "b = bytes(60_000_000)\nwhile True:\n    b.count(1), b.find(b'x'), b.isalpha()\n"),
    ("the largest byte", "b = bytes(60_000_000)\nwhile True:\n    max(b)\n"),
    ("bytes copied and cleared", "while True:\n    b = bytearray(60_000_000)\n    b[:] = bytes(b)\n"),
    ("large numbers", "a = 7 ** 200_000\nwhile True:\n    a * a, a // 3 ** 20_000\n"),
    ("a number of many digits times one", "a = 1 << 600_000_000\nwhile True:\n    a * 3\n"),
    ("numbers as text", "import sys\nsys.set_int_max_str_digits(0)\na = 3 ** 60_000\nwhile True:\n    str(a)\n"),
    ("compression", "import zlib\nb = bytes(20_000_000)\nwhile True:\n    zlib.compress(b, 9), zlib.crc32(b)\n"),
    ("sets", "s = set(range(500_000))\nt = frozenset(s)\nwhile True:\n    len(s & t), s == t\n"),
    ("lists repeated", "while True:\n    [0] * 20_000_000\n"),
    ("arguments", "a = [0] * 10_000_000\ndef f(*a):\n    pass\nwhile True:\n    f(*a)\n"),
    ("sorting", "a = [float(n * 7919 % 1000003) for n in range(300_000)]\nwhile True:\n    sorted(a)\n"),
    ("a text searched", "a = 'a' * 400_000\nwhile True:\n    a.find('a' * 3000 + 'b' + 'a' * 3000)\n"),
    ("a pattern that goes back", "import re\nwhile True:\n    re.match(r'(a+)+$', 'a' * 25 + 'b')\n"),
    ("a pattern over a long text", "import re\na = 'a' * 60_000_000\nwhile True:\n    re.match(r'a*b', a)\n"),
];

/// One process and no second, so that whoever runs beside an attack runs in its process.
async fn one_process() -> Pool {
    let pool = support::pool_with(|config| (config.processes, config.max_processes) = (1, 1)).await;
    for _ in 0..5 {
        assert_eq!(support::finish(&pool, support::job(TINY)).await.outcome, Outcome::Succeeded);
    }
    pool
}

fn endless(source: &str) -> Job {
    let mut job = support::job(source);
    job.limits.fuel = 2_000_000_000_000;
    job.limits.wall = Duration::from_secs(120);
    job.on_lost = OnLost::Report;
    job
}

/// How long tiny runs take, one after the other: the time that half of them stay below, and that of the slowest.
async fn latency(pool: &Pool) -> (Duration, Duration) {
    let mut took = Vec::new();
    for _ in 0..30 {
        let began = Instant::now();
        assert_eq!(support::finish(pool, support::job(TINY)).await.outcome, Outcome::Succeeded);
        took.push(began.elapsed());
    }
    took.sort();
    (took[15], took[29])
}

/// Whether tiny runs are as quick beside others as they `usually` are; otherwise how slow they are. A tiny run goes first: what
/// it waits for is one slice of another, now and then two.
async fn beside(pool: &Pool, usually: Duration) -> Result<(), String> {
    let (usual, slowest) = latency(pool).await;
    let is_quick = usual < usually * 3 + Duration::from_millis(12) && slowest < Duration::from_millis(250);
    if is_quick { Ok(()) } else { Err(format!("{usual:?}, at most {slowest:?}; usually {usually:?}")) }
}

/// How often tiny runs are timed, alone and beside others. These delay them each time; what else this machine does, now and then.
const ROUNDS: usize = 3;

async fn busy(pool: &Pool, runs: usize) {
    support::wait::until("they are seen to be busy", async || pool.load().busy >= runs).await;
}

/// Waits until a run is aboard and has done its work among twenty others: one that mostly waits is never seen to be busy.
async fn under_way(pool: &Pool) {
    support::wait::until("it begins", async || pool.load().active > 0).await;
    for _ in 0..20 {
        assert_eq!(support::finish(pool, support::job(TINY)).await.outcome, Outcome::Succeeded);
    }
}

async fn cancelled(run: Run) -> Report {
    run.cancel();
    run.finish().await.report
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_the_host_delays_no_neighbour() {
    delay_no_neighbour(HOST_WORK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_the_interpreter_delays_no_neighbour() {
    delay_no_neighbour(GUEST_WORK).await;
}

async fn delay_no_neighbour(attacks: &[(&str, &str)]) {
    let _alone = support::alone().await;
    let pool = one_process().await;
    let process = pool.process_ids();
    let mut wrong = Vec::new();
    for (what, source) in attacks {
        let mut quick = Err(String::new());
        for _ in 0..ROUNDS {
            let (alone, _) = latency(&pool).await;
            let attack = support::start(&pool, endless(source));
            under_way(&pool).await;
            quick = beside(&pool, alone).await;
            let report = cancelled(attack).await;
            assert_eq!((report.outcome, report.lost_attempts), (Outcome::Cancelled, 0), "{what}: {:?}", report.error);
            if quick.is_ok() {
                break;
            }
        }
        if let Err(figures) = quick {
            wrong.push(format!("{what}: {figures}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(pool.process_ids(), process, "the process was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_the_host_is_paid_for() {
    let _alone = support::alone().await;
    let pool = one_process().await;
    // What a second of computing costs here.
    let rate = |report: &Report| report.usage.fuel as f64 / report.usage.wall.as_secs_f64();
    let mut computing = support::job("def run():\n    while True:\n        pass\n");
    computing.limits.fuel = 5_000_000_000;
    let computing = support::finish(&pool, computing).await;
    assert_eq!(computing.outcome, Outcome::OutOfFuel);
    let mut wrong = Vec::new();
    for (what, source) in HOST_WORK {
        let mut job = endless(source);
        job.limits.fuel = 5_000_000_000;
        let report = support::finish(&pool, job).await;
        assert_eq!((report.outcome, report.usage.fuel), (Outcome::OutOfFuel, 5_000_000_000), "{what}");
        // Code of all kinds differs by a factor of seven in what a second of it costs.
        if rate(&report) < rate(&computing) / 7.0 {
            wrong.push(format!("{what}: {:.2e} fuel a second; computing {:.2e}", rate(&report), rate(&computing)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn host_calls_cost_the_same_every_time() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let source = "import os, random\ndef run():\n    os.mkdir('/tmp/d')\n    for n in range(300):\n        \
        with open(f'/tmp/d/{n}', 'wb') as file:\n            file.write(b'x' * (n * 700))\n            file.truncate(n * 900)\n    \
        os.urandom(100_000)\n    for n in os.listdir('/tmp/d'):\n        open('/tmp/d/' + n, 'rb').read()\n        os.unlink('/tmp/d/' + n)\n    \
        return len(os.listdir('/tmp/d'))\n";
    let mut fuel = Vec::new();
    for _ in 0..12 {
        let report = support::finish(&pool, support::job(source)).await;
        assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
        fuel.push(report.usage.fuel);
    }
    assert!(fuel.iter().all(|one| *one == fuel[0]), "{fuel:?}");
}

/// Wherever the fuel ends: in the script, in a host call, or in the memory that the host asks the guest for.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_out_of_fuel_wherever_its_fuel_ends() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let source = "import os\ndef run():\n    while True:\n        os.urandom(50_000)\n        os.listdir('/app')\n";
    for number in 0..100 {
        let mut job = support::job(source);
        job.limits.fuel = 3_000_000 + number * 9_973;
        let fuel = job.limits.fuel;
        let report = support::finish(&pool, job).await;
        assert_eq!((report.outcome, report.usage.fuel), (Outcome::OutOfFuel, fuel), "{:?}", report.error);
        assert!(report.stopped_at.is_some());
    }
}

/// Also beside another run, which has the thread in turn with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_fuel_stops_at_the_same_place_in_each_process() {
    let _shared = support::beside_others().await;
    let source = "import sys\ndef run():\n    n = 0\n    while True:\n        n += 1\n        sys.stdout.write(f'{n}\\n')\n        sum(range(n % 1000))\n";
    let mut ends = Vec::new();
    for _ in 0..3 {
        let pool = one_process().await;
        let mut job = support::job(source);
        job.limits.fuel = 150_000_000;
        let (one, other) = (support::start(&pool, job.clone()), support::start(&pool, job));
        for run in [one, other] {
            let ended = run.finish().await;
            assert_eq!(ended.report.outcome, Outcome::OutOfFuel);
            ends.push((ended.report.stdout.bytes, ended.report.stopped_at.map(|place| place.line)));
        }
    }
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
}

/// The run that holds the thread, or tries to, is stopped; those beside it do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn neighbours_that_may_not_start_twice_survive() {
    let _shared = support::beside_others().await;
    let pool = one_process().await;
    let mut neighbours = Vec::new();
    for on_lost in [OnLost::Report, OnLost::Report, OnLost::Retry, OnLost::Retry] {
        let mut job = support::job(SLEEPER);
        job.on_lost = on_lost;
        neighbours.push(support::start(&pool, job));
    }
    let mut attacks = Vec::new();
    for (what, source) in &HOST_WORK[..4] {
        let mut job = endless(source);
        job.limits.wall = Duration::from_secs(3);
        attacks.push((what, support::start(&pool, job)));
    }
    for (what, attack) in attacks {
        let report = attack.finish().await.report;
        assert_eq!((report.outcome, report.lost_attempts), (Outcome::TimedOut, 0), "{what}: {:?}", report.error);
        assert!(report.usage.wall < Duration::from_millis(3_500), "{what}: ended after {:?}", report.usage.wall);
    }
    for neighbour in neighbours {
        let report = neighbour.finish().await.report;
        assert_eq!((report.outcome, report.lost_attempts), (Outcome::Succeeded, 0), "{:?}", report.error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_runs_leave_delay_no_neighbour() {
    let _alone = support::alone().await;
    let pool = one_process().await;
    // The same work, with a file that is left and one that is not. They all end, also where other programs leave them little time.
    let job = |path: &str| {
        let mut job = support::job(&format!(
            "import os\ndef run():\n    with open('{path}', 'wb') as f:\n        for _ in range(15):\n            \
             f.write(os.urandom(1 << 16) * 16)\n"
        ));
        job.limits.wall = Duration::from_secs(600);
        job
    };
    let runs = |path: &str| (0..8).map(|_| tokio::spawn(support::start(&pool, job(path)).finish())).collect::<Vec<_>>();
    let all_succeed = async |runs: Vec<JoinHandle<RunOutput>>| {
        for run in runs {
            let report = run.await.expect("ends").report;
            assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
        }
    };
    let mut quick = Err(String::new());
    for _ in 0..ROUNDS {
        let others = runs("/tmp/big.bin");
        let (usually, _) = latency(&pool).await;
        all_succeed(others).await;
        let others = runs("/output/big.bin");
        quick = beside(&pool, usually).await;
        all_succeed(others).await;
        if quick.is_ok() {
            break;
        }
    }
    assert!(quick.is_ok(), "{quick:?}");
}

/// Scripts that make the host keep things for them, print `held` and wait.
const HOARDS: &[(&str, &str)] = &[
    (
        "directories being read",
        "import os, time\nos.mkdir('/tmp/d')\nfor n in range(16_000):\n    os.close(os.open(f\"/tmp/d/{'n' * 240}{n:06}\", os.O_CREAT | os.O_WRONLY))\nits = []\ntry:\n    for _ in range(230):\n        its.append(os.scandir('/tmp/d'))\nexcept OSError:\n    pass\nfor i in its:\n    next(i)\n",
    ),
    (
        "files cut to half",
        "import os\nfds = []\ntry:\n    for n in range(200):\n        fd = os.open(f'/tmp/{n}', os.O_RDWR | os.O_CREAT)\n        fds.append(fd)\n        os.write(fd, b'x' * 250_000)\n        os.ftruncate(fd, 130_000)\nexcept OSError:\n    pass\n",
    ),
    (
        "files of one byte far out",
        "import os\ntry:\n    for n in range(16_000):\n        fd = os.open(f'/tmp/{n}', os.O_RDWR | os.O_CREAT)\n        os.pwrite(fd, b'x', 1)\n        os.close(fd)\nexcept OSError:\n    pass\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_keeps_for_a_run_counts_as_its_memory() {
    let _alone = support::alone().await;
    const LIMIT: u64 = 64 << 20;
    for (what, source) in HOARDS {
        let pool = one_process().await;
        let process = pool.process_ids()[0];
        let before = support::private_memory(process);
        let mut job = endless(&format!("{source}import time\nprint('held', flush=True)\ntime.sleep(60)\n"));
        job.limits.memory = LIMIT;
        job.limits.files = LIMIT;
        let mut run = support::start(&pool, job);
        loop {
            match run.next().await {
                Some(Event::Output { stream: Stream::Stdout, bytes }) if &bytes[..] == b"held\n" => break,
                Some(Event::Done(report)) => panic!("{what}: {report:?}"),
                Some(_) => {}
                None => panic!("{what}: the run is gone"),
            }
        }
        let grew = support::private_memory(process).saturating_sub(before);
        assert!(grew < LIMIT + (24 << 20), "{what}: the process grew by {} MiB", grew >> 20);
        let report = cancelled(run).await;
        assert!(report.usage.peak_memory_bytes <= LIMIT);
        assert!(report.usage.peak_memory_bytes + (24 << 20) > grew, "{what}: {report:?}, {} MiB", grew >> 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_with_a_run_is_bounded() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let patched = |code: &str| {
        format!(
            "import sys\ndef run():\n    f = sys._getframe()\n    while f is not None:\n        s = f.f_locals.get('self')\n        \
             if type(s).__name__ == '_Run':\n            {code}\n            return 'patched'\n        f = f.f_back\n"
        )
    };
    let source = patched("s.notes.extend(['A' * (1 << 20)] * 2 + ['a\\0b'] * 300)");
    let report = support::finish(&pool, support::job(&source)).await;
    assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "\"patched\""));
    assert_eq!(report.notes.len(), 16);
    assert!(report.notes.iter().all(|note| note.len() <= 1_024 && !note.contains('\0')));
    assert!(report.notes[0].starts_with("AAAA") && report.notes[0].ends_with("(cut)"), "{}", report.notes[0]);
    assert!(report.notes[15].ends_with("more notes were left out"), "{}", report.notes[15]);

    let error = "def run():\n    raise type('E' * 500_000, (ValueError,), {})('m' * 3_000_000)\n";
    let report = support::finish(&pool, support::job(error)).await;
    assert_eq!(report.outcome, Outcome::Failed);
    let error = report.error.expect("an error");
    let sizes = [error.type_name.len(), error.message.len(), error.traceback.len()];
    assert!(sizes[0] <= 1 << 10 && sizes[1] <= 16 << 10 && sizes[2] <= 64 << 10, "{sizes:?}");
}

const HONEST: &str = "def run():\n    n = 0\n    for i in range(1_000_000):\n        n += i & 7\n    return n\n";

/// How long an honest computation takes beside six of something.
async fn beside_six(pool: &Pool, source: &str) -> Duration {
    let hogs: Vec<_> = (0..6).map(|_| support::start(pool, endless(source))).collect();
    busy(pool, 6).await;
    let mut took = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(support::finish(pool, support::job(HONEST)).await.outcome, Outcome::Succeeded);
        took.push(began.elapsed());
    }
    for hog in hogs {
        assert_eq!(cancelled(hog).await.outcome, Outcome::Cancelled);
    }
    took.sort();
    took[1]
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_of_next_to_no_time_win_nothing() {
    let _alone = support::alone().await;
    let pool = one_process().await;
    let honest = beside_six(&pool, "def run():\n    while True:\n        pass\n").await;
    for (computes, waits) in [("0.016", "0"), ("0.002", "0"), ("0.018", "0.001")] {
        let source = format!(
            "import time\ndef run():\n    while True:\n        t = time.monotonic()\n        \
             while time.monotonic() - t < {computes}: pass\n        time.sleep({waits})\n"
        );
        let beside = beside_six(&pool, &source).await;
        assert!(
            beside < honest * 2,
            "{beside:?} beside six that sleep for {waits}; beside six that do not: {honest:?}"
        );
    }
}

/// What `frame` calls its protocol; the process that stands for a sandbox process speaks it.
const PROTOCOL: &str = "9";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_holds_the_thread_ends_alone() {
    let _shared = support::beside_others().await;
    // As it is called whatever the environment, which a sandbox process has none of.
    let python =
        std::process::Command::new("python3").args(["-c", "import sys; print(sys.executable, end='')"]).output();
    let python = String::from_utf8(python.expect("python3").stdout).expect("a path");
    let script = support::tests_folder().join("attacks/held_process.py");
    let command = [python.as_str(), script.to_str().expect("a path"), PROTOCOL, cronbox_runtime::BUILD];
    for (limit, ending) in [(Duration::from_secs(60), Outcome::Crashed), (Duration::from_secs(1), Outcome::TimedOut)] {
        let pool = support::pool_with(|config| {
            (config.processes, config.max_processes) = (1, 1);
            config.command = command.iter().map(Into::into).collect();
        })
        .await;
        let named = |name: &str, on_lost: OnLost| {
            let mut job = support::job(TINY);
            job.name = name.into();
            job.on_lost = on_lost;
            support::start(&pool, job)
        };
        let neighbours: Vec<_> = (0..5).map(|_| named("neighbour", OnLost::Retry)).collect();
        let fragile = named("neighbour", OnLost::Report);
        let mut job = support::job(TINY);
        job.name = "holder".into();
        job.limits.wall = limit;
        let holder = support::start(&pool, job).finish().await.report;
        assert_eq!((holder.outcome, holder.lost_attempts), (ending, 0), "{:?}", holder.error);
        let words = holder.error.map(|error| error.message).unwrap_or_default();
        assert_eq!(words.contains("held its sandbox process"), ending == Outcome::Crashed, "{words}");
        for neighbour in neighbours {
            let report = neighbour.finish().await.report;
            assert_eq!((report.outcome, report.lost_attempts), (Outcome::Succeeded, 0), "{:?}", report.error);
        }
        // It must not start twice, so it cannot be saved.
        assert_eq!(fragile.finish().await.report.outcome, Outcome::Crashed);
    }
}
