//! Runs that wait: their memory is away meanwhile, and they do not notice.

use crate::support::{self, wait::until};
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Event, Job, Limits, Load, Outcome, Pool, PoolConfig, Run};
use std::time::Duration;

const SLEEPER: &str = "import time\ndef run():\n    print('waits')\n    time.sleep(600)\n";

/// A pool of one process, which compares every memory with its image when its run has ended.
async fn pool_with(change: impl FnOnce(&mut PoolConfig)) -> Pool {
    support::pool_with(|config| {
        (config.processes, config.max_processes, config.memory_budget) = (1, 1, 64 << 30);
        config.command.push("faults=check every reset".into());
        change(config);
    })
    .await
}

fn long(source: &str) -> Job {
    support::job(source).with_limits(Limits { wall: Duration::from_secs(600), ..Limits::default() })
}

fn start(pool: &Pool, count: usize, source: &str) -> Vec<Run> {
    let job = long(source);
    (0..count).map(|_| support::start(pool, job.clone())).collect()
}

async fn all_parked(pool: &Pool, count: usize) {
    until("all of them are parked", async || pool.load().parked == count).await;
}

async fn cancel_all(pool: &Pool, runs: Vec<Run>) {
    for run in &runs {
        run.cancel();
    }
    for run in runs {
        assert_eq!(run.finish().await.report.outcome, Outcome::Cancelled);
    }
    assert_eq!(pool.load(), Load::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_takes_little_memory() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|config| config.ready = 1).await;
    let process = pool.process_ids()[0];
    // What the first ones set up is there from then on.
    let first = start(&pool, 20, SLEEPER);
    all_parked(&pool, 20).await;
    let before = support::private_memory(process);
    let asleep =
        "import asyncio\nasync def run():\n    await asyncio.gather(*(asyncio.sleep(600) for _ in range(5)))\n";
    let more = [start(&pool, 50, SLEEPER), start(&pool, 50, asleep)];
    all_parked(&pool, 120).await;
    let each = (support::private_memory(process).saturating_sub(before)) / 100;
    assert!(each < 300 << 10, "{each} bytes each");
    cancel_all(&pool, first.into_iter().chain(more.into_iter().flatten()).collect()).await;
    assert_eq!(pool.process_ids(), [process]);
}

/// Scripts that find out whether everything is as it was after a wait.
const LOOK: &[&str] = &[
    // On the heap, beyond the image, deep in the stack, and in what the interpreter keeps.
    "import hashlib, time\n\
     def run():\n    data = {n: str(n) * 7 for n in range(20000)}\n    block = bytes(range(256)) * 8192\n    \
     before = hashlib.sha256(repr(data).encode() + block).hexdigest()\n    \
     def deep(n):\n        if n == 0:\n            time.sleep(2)\n            return 0\n        return 1 + deep(n - 1)\n    \
     depth = deep(300)\n    after = hashlib.sha256(repr(data).encode() + block).hexdigest()\n    \
     return depth if before == after else 0\n",
    // Several waits, some of them too short.
    "import time\n\
     def run():\n    seen = []\n    for wait in (0.2, 0.01, 0.049, 0.051, 0.15, 0.06):\n        \
     block = bytearray(b'x') * (len(seen) + 1) * 300000\n        began = time.monotonic()\n        time.sleep(wait)\n        \
     took = time.monotonic() - began\n        assert wait <= took + 0.0011, (wait, took)\n        \
     seen.append(bytes(block).count(b'x'))\n    return 300 if seen == [300000 * n for n in range(1, 7)] else 0\n",
    // In an event loop, with more than one thing to wait for.
    "import asyncio\n\
     async def one(n):\n    kept = [n] * 1000\n    await asyncio.sleep(0.1 + n / 100)\n    return sum(kept)\n\
     async def run():\n    found = await asyncio.gather(*(one(n) for n in range(20)))\n    \
     return 300 if found == [1000 * n for n in range(20)] else 0\n",
    // A generator and an exception under way.
    "import time\n\
     def numbers():\n    n = 0\n    while True:\n        n += (yield n) or 1\n\
     def run():\n    it = numbers()\n    next(it)\n    try:\n        raise ValueError('kept')\n    except ValueError as error:\n        \
     time.sleep(2)\n        text = str(error)\n    return 300 if text == 'kept' and it.send(41) == 41 else 0\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_as_it_was() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|_| ()).await;
    let process = pool.process_ids()[0];
    for round in 0..3 {
        let runs: Vec<Run> = LOOK.iter().flat_map(|source| start(&pool, 12, source)).collect();
        until("some are parked", async || pool.load().parked > 5).await;
        for (at, run) in runs.into_iter().enumerate() {
            let report = run.finish().await.report;
            assert_eq!(report.outcome, Outcome::Succeeded, "round {round}, script {}: {:?}", at / 12, report.error);
            assert_eq!(support::result(&report), "300", "round {round}, script {}", at / 12);
        }
    }
    assert_eq!((pool.load(), pool.process_ids()), (Load::default(), vec![process]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_uses_is_the_same() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|_| ()).await;
    let source = |wait: &str| {
        format!("import time\ndef run():\n    x = bytes(10 << 20)\n    time.sleep({wait})\n    return len(x)\n")
    };
    let short = support::finish(&pool, support::job(&source("0.001"))).await;
    let waits = start(&pool, 1, &source("0.500"));
    all_parked(&pool, 1).await;
    for run in waits {
        let report = run.finish().await.report;
        assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
        assert_eq!(
            (report.usage.fuel, report.usage.peak_memory_bytes),
            (short.usage.fuel, short.usage.peak_memory_bytes)
        );
    }
    // And a limit of memory is one after a wait, too.
    let source = "import time\ndef run():\n    time.sleep(0.2)\n    return len(bytes(300 << 20))\n";
    assert_eq!(support::finish(&pool, support::job(source)).await.outcome, Outcome::OutOfMemory);
}

/// Runs that try to make waiting costly.
const HOSTILE: &[(&str, &str)] = &[
    (
        "other memory between the waits",
        "import time\ndef run():\n    kept = []\n    for n in range(12):\n        kept.append(bytearray(n.to_bytes()) * 400000)\n        \
         time.sleep(0.06)\n        for at, block in enumerate(kept):\n            block[n * 1000] = at\n    return len(kept)\n",
    ),
    (
        "random bytes",
        "import os, time, zlib\ndef run():\n    kept = b''.join(os.urandom(65536) for _ in range(160))\n    before = zlib.crc32(kept)\n    \
         for _ in range(4):\n        time.sleep(0.12)\n    return 12 if zlib.crc32(kept) == before else 0\n",
    ),
    (
        "much memory",
        "import time\ndef run():\n    kept = bytearray(100 << 20)\n    time.sleep(0.2)\n    return 12 if len(kept) == 100 << 20 else 0\n",
    ),
    ("waits of 49 ms", "import time\ndef run():\n    for _ in range(20):\n        time.sleep(0.049)\n    return 12\n"),
    ("waits of 51 ms", "import time\ndef run():\n    for _ in range(20):\n        time.sleep(0.051)\n    return 12\n"),
    (
        "waits in a wait",
        "import asyncio\nasync def run():\n    await asyncio.gather(*(asyncio.sleep(n / 1000) for n in range(0, 600, 7)))\n    return 12\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn waiting_cannot_be_made_costly() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|_| ()).await;
    let process = pool.process_ids()[0];
    for (what, source) in HOSTILE {
        for run in start(&pool, 8, source) {
            let report = run.finish().await.report;
            assert_eq!(report.outcome, Outcome::Succeeded, "{what}: {:?}", report.error);
            assert_eq!(support::result(&report), "12", "{what}");
        }
    }
    assert_eq!((pool.load(), pool.process_ids()), (Load::default(), vec![process]));
}

/// A run goes on again and again while its many pages are being packed. That is tried a few times, and not each time.
#[tokio::test(flavor = "multi_thread")]
async fn packing_that_is_interrupted_costs_little() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|config| config.ready = 1).await;
    let process = pool.process_ids()[0];
    let before = support::computed(process);
    let source = "import time\ndef run():\n    kept = bytearray(b'abcdefgh' * 1_700_000)\n    for _ in range(60):\n        \
        time.sleep(0.08)\n    return kept.count(b'a')\n";
    for run in start(&pool, 2, source) {
        let report = run.finish().await.report;
        assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "1700000"), "{:?}", report.error);
    }
    let spent = support::computed(process) - before;
    // Each time it would be some 30 ms, so 3.6 s together.
    assert!(spent < 150, "{spent} hundredths of a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_file_open_keeps_its_memory() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|_| ()).await;
    let source = "import time\ndef run():\n    with open('/tmp/x', 'w') as file:\n        print('open', file=file)\n        \
        print('open', flush=True)\n        time.sleep(0.4)\n    print('closed', flush=True)\n    time.sleep(600)\n";
    let mut run = start(&pool, 1, source).remove(0);
    let mut written = Vec::new();
    while !written.ends_with(b"closed\n") {
        tokio::select! {
            event = run.next() => match event {
                Some(Event::Output { bytes, .. }) => written.extend_from_slice(&bytes),
                other => panic!("{other:?}"),
            },
            // Looked at all the time until it has closed the file.
            () = tokio::time::sleep(Duration::from_millis(5)) => assert_eq!(pool.load().parked, 0),
        }
    }
    all_parked(&pool, 1).await;
    cancel_all(&pool, vec![run]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_run_ends_by_its_time_limit_at_its_line() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|_| ()).await;
    let job = support::job("import time\n\ndef waits():\n    time.sleep(100)\n\ndef run():\n    waits()\n")
        .with_limits(Limits { wall: Duration::from_millis(700), ..Limits::default() });
    let runs: Vec<Run> = (0..20).map(|_| support::start(&pool, job.clone())).collect();
    all_parked(&pool, 20).await;
    for run in runs {
        let report = run.finish().await.report;
        assert_eq!(report.outcome, Outcome::TimedOut);
        let stopped_at = report.stopped_at.expect("it is known where it stood");
        assert_eq!((stopped_at.function.as_str(), stopped_at.line), ("waits", 4));
    }
    assert_eq!(pool.load(), Load::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_runs_begin_again_when_their_process_dies() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|config| (config.processes, config.max_processes) = (2, 2)).await;
    support::all_up(&pool, 2).await;
    let source = "import time\ndef run():\n    print('began')\n    time.sleep(2)\n    return 7\n";
    let runs = start(&pool, 40, source);
    all_parked(&pool, 40).await;
    let victim = pool.process_ids()[0];
    let status = std::process::Command::new("kill").args(["-9", &victim.to_string()]).status().expect("kill");
    assert!(status.success());
    let mut again = 0;
    for run in runs {
        let ended = run.finish().await;
        assert_eq!(ended.report.outcome, Outcome::Succeeded, "{:?}", ended.report.error);
        assert_eq!((support::result(&ended.report), ended.stdout.as_slice()), ("7", &b"began\n"[..]));
        again += usize::from(ended.report.lost_attempts > 0);
    }
    assert!(again > 0, "no run was in the process that died");
    assert_eq!(pool.load(), Load::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn others_have_the_memory_of_runs_that_wait() {
    let _shared = support::beside_others().await;
    // As much as sixteen runs at a time.
    let pool = pool_with(|config| config.memory_budget = 1 << 30).await;
    let sleeper = support::job("import time\ndef run():\n    time.sleep(25)\n    return sum(range(100000))\n")
        .with_limits(Limits { memory: 64 << 20, ..Limits::default() });
    let runs: Vec<Run> = (0..300).map(|_| support::start(&pool, sleeper.clone())).collect();
    all_parked(&pool, 300).await;
    // One that needs nearly the whole budget has to wait for nobody who sleeps.
    let large = support::job("def run():\n    return len(bytes(500 << 20))\n")
        .with_limits(Limits { memory: 900 << 20, ..Limits::default() });
    let report = support::finish(&pool, large).await;
    assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "524288000"));
    // All of them wake at about the same time.
    for run in runs {
        let report = run.finish().await.report;
        assert_eq!(
            (report.outcome, support::result(&report)),
            (Outcome::Succeeded, "4999950000"),
            "{:?}",
            report.error
        );
    }
    assert_eq!(pool.load(), Load::default());
}

/// A run that sleeps gives its memory to another, and has to wait for it: its time limit ends later by as much.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_its_memory_loses_no_time() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|config| config.memory_budget = 1 << 30).await;
    let limits = Limits { memory: 600 << 20, wall: Duration::from_secs(2), ..Limits::default() };
    let sleeper = "import time\ndef run():\n    time.sleep(1)\n    return 7\n";
    let sleeper = support::start(&pool, support::job(sleeper).with_limits(limits));
    all_parked(&pool, 1).await;
    let limits = Limits { wall: Duration::from_secs(60), fuel: 2_000_000_000_000, ..limits };
    let other = "import time\ndef run():\n    began = time.monotonic()\n    while time.monotonic() - began < 5:\n        pass\n    return 8\n";
    let other = support::start(&pool, support::job(other).with_limits(limits));
    let (slept, other) = tokio::join!(sleeper.finish(), other.finish());
    assert_eq!((other.report.outcome, support::result(&other.report)), (Outcome::Succeeded, "8"));
    let report = slept.report;
    assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "7"), "{:?}", report.error);
    assert!(report.usage.wall < Duration::from_secs(2), "{:?}", report.usage.wall);
    assert_eq!(pool.load(), Load::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_run_that_waits_count() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|config| config.memory_budget = 1 << 30).await;
    let source = "import time\ndef run():\n    with open('/tmp/x', 'wb') as file:\n        for _ in range(350):\n            \
        file.write(bytes(1 << 20))\n    time.sleep(600)\n";
    let job = long(source);
    let limits = Limits { memory: 450 << 20, files: 400 << 20, ..job.limits };
    let job = job.with_limits(limits);
    let mut runs: Vec<Run> = (0..3).map(|_| support::start(&pool, job.clone())).collect();
    until("two are parked", async || pool.load().parked == 2).await;
    // Their files are not packed, so there is no memory for the third.
    assert_eq!((pool.load().queued, pool.load().active), (1, 2));
    runs.remove(0).cancel();
    until("the third is parked as well", async || pool.load() == Load { active: 2, parked: 2, ..Load::default() })
        .await;
    for run in runs {
        run.cancel();
        assert_eq!(run.finish().await.report.outcome, Outcome::Cancelled);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_parked_runs_can_end_at_once() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|_| ()).await;
    let process = pool.process_ids()[0];
    // More than have their memory at one time in a process.
    let runs = start(&pool, 400, SLEEPER);
    all_parked(&pool, 400).await;
    for run in &runs {
        run.cancel();
    }
    // Others start meanwhile.
    let others: Vec<Run> = (0..20).map(|_| support::start(&pool, support::job("def run(): return 7\n"))).collect();
    for run in others {
        let report = run.finish().await.report;
        assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "7"), "{:?}", report.error);
    }
    for run in runs {
        assert_eq!(run.finish().await.report.outcome, Outcome::Cancelled);
    }
    assert_eq!((pool.load(), pool.process_ids()), (Load::default(), vec![process]));
    // By their time limits, each with its line.
    let job = support::job("import time\n\ndef run():\n    time.sleep(100)\n")
        .with_limits(Limits { wall: Duration::from_secs(15), ..Limits::default() });
    let runs: Vec<Run> = (0..200).map(|_| support::start(&pool, job.clone())).collect();
    all_parked(&pool, 200).await;
    for run in runs {
        let report = run.finish().await.report;
        assert_eq!(report.outcome, Outcome::TimedOut);
        assert_eq!(report.stopped_at.map(|at| at.line), Some(4));
    }
    assert_eq!((pool.load(), pool.process_ids()), (Load::default(), vec![process]));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_at_any_moment_of_a_wait_harms_nobody() {
    let _shared = support::beside_others().await;
    let pool = pool_with(|_| ()).await;
    let process = pool.process_ids()[0];
    let source = "import time\ndef run():\n    block = bytearray(b'7') * 3000000\n    print('waits', flush=True)\n    time.sleep(0.07)\n    \
        return block.count(b'7')\n";
    let mut dice = support::dice::Dice::new(18);
    let (mut cancelled, mut succeeded) = (0, 0);
    for round in 0.. {
        if cancelled > 20 && succeeded > 20 && round >= 30 {
            break;
        }
        assert!(round < 200, "{cancelled} cancelled, {succeeded} succeeded");
        let mut runs = start(&pool, 8, source);
        for run in &mut runs {
            assert!(matches!(run.next().await, Some(Event::Output { .. })));
        }
        crate::crowds::spin_until(tokio::time::Instant::now() + Duration::from_micros(30_000 + dice.roll(60_000)))
            .await;
        for run in &runs {
            run.cancel();
        }
        for run in runs {
            match run.finish().await.report.outcome {
                Outcome::Cancelled => cancelled += 1,
                Outcome::Succeeded => succeeded += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    let small = support::finish(&pool, support::job("def run(): return 7\n")).await;
    assert_eq!((support::result(&small), pool.process_ids()), ("7", vec![process]));
    assert_eq!(pool.load(), Load::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_closes_with_runs_that_sleep() {
    let _shared = support::beside_others().await;
    // Those that are running can end.
    let pool = pool_with(|_| ()).await;
    let runs = start(&pool, 20, "import time\ndef run():\n    time.sleep(2)\n    return 7\n");
    all_parked(&pool, 20).await;
    pool.close(true).await;
    for run in runs {
        let report = run.finish().await.report;
        assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "7"), "{:?}", report.error);
    }
    // Or they are not waited for.
    let pool = pool_with(|_| ()).await;
    let runs = start(&pool, 20, SLEEPER);
    all_parked(&pool, 20).await;
    pool.close(false).await;
    for run in runs {
        assert_eq!(run.finish().await.report.outcome, Outcome::Crashed);
    }
    assert_eq!(pool.load(), Load::default());
}
