//! The memory of a sandbox is as the image again after every run, whatever the run did. Here the process compares the two
//! after each run, and ends when they differ.

use crate::crowds::spin_until;
use crate::support::{self, dice::Dice, expect};
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Limits, Outcome, Pool};
use std::time::Duration;

/// Runs that change much memory, or end in the middle of something, with the outcome of each.
const RUNS: &[(&str, Outcome)] = &[
    (
        "def run():\n    x = [bytearray(b'\\x55') * (1 << 20) for _ in range(150)]\n    return len(x)\n",
        Outcome::Succeeded,
    ),
    ("def run():\n    return [bytes(1 << 20) for _ in range(5000)]\n", Outcome::OutOfMemory),
    (
        "import gc, sys\ndef run():\n    for name in list(sys.stdlib_module_names):\n        \
         if name not in ('antigravity', 'this', 'idlelib'):\n            try:\n                __import__(name)\n            \
         except BaseException:\n                pass\n    gc.collect()\n",
        Outcome::Succeeded,
    ),
    (
        "import sys\nsys.setrecursionlimit(100000)\ndef f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\ndef run():\n    \
         return f(20000)\n",
        Outcome::Succeeded,
    ),
    ("def run():\n    while True:\n        pass\n", Outcome::OutOfFuel),
    ("import time\ndef run():\n    x = bytearray(b'7') * (20 << 20)\n    time.sleep(100)\n", Outcome::TimedOut),
    ("import os\ndef run():\n    x = bytearray(b'7') * (5 << 20)\n    os._exit(3)\n", Outcome::Crashed),
    ("import os\ndef run():\n    os.abort()\n", Outcome::Crashed),
    (
        "import sqlite3, zlib\ndef run():\n    db = sqlite3.connect(':memory:')\n    db.execute('create table t (x)')\n    \
         db.executemany('insert into t values (?)', [(zlib.compress(bytes(9999)),)] * 500)\n    \
         return db.execute('select count(*) from t').fetchone()[0]\n",
        Outcome::Succeeded,
    ),
    (
        "import gc\ndef run():\n    [o for o in gc.get_objects() if isinstance(o, dict) and o.setdefault(None, 1)]\n",
        Outcome::Succeeded,
    ),
    ("def run():\n    raise MemoryError\n", Outcome::Failed),
];

async fn pool(checks: &str) -> Pool {
    support::pool_with(|config| {
        (config.processes, config.max_processes) = (1, 1);
        config.recycle_after = u64::MAX;
        config.command.push(format!("faults={checks}").into());
    })
    .await
}

async fn resets_are_whole(checks: &str) {
    let _shared = support::beside_others().await;
    let pool = pool(checks).await;
    let processes = pool.process_ids();
    let limits = Limits { fuel: 20_000_000_000, wall: Duration::from_secs(60), ..Limits::default() };
    for (source, outcome) in RUNS {
        let limits = match outcome {
            Outcome::OutOfFuel => Limits { fuel: 500_000_000, ..limits },
            Outcome::TimedOut => Limits { wall: Duration::from_millis(300), ..limits },
            _ => limits,
        };
        let report = support::finish(&pool, support::job(source).with_limits(limits)).await;
        assert_eq!(report.outcome, *outcome, "{source}\n{:?}", report.error);
    }
    // What users were promised, some runs at once: more would be late for what they say about time.
    for scripts in expect::scripts(&support::tests_folder().join("scripts")).chunks(3) {
        let runs: Vec<_> = scripts.iter().map(|script| support::start(&pool, script.job.clone())).collect();
        for (run, script) in runs.into_iter().zip(scripts) {
            let ended = run.finish().await;
            let differences = script.differences(&ended.report, &ended.stdout, &ended.stderr);
            assert!(differences.is_empty(), "{}: {differences:?}", script.path.display());
        }
    }
    // Cancelled while they are made ready, run, print, import and end.
    let source = "import random\ndef run():\n    print('x' * 1000)\n    import xml.dom.minidom\n    \
        return sum(range(random.randrange(200000)))\n";
    let mut dice = Dice::new(7);
    for _ in 0..200 {
        let run = support::start(&pool, support::job(source));
        spin_until(tokio::time::Instant::now() + Duration::from_micros(dice.roll(20_000))).await;
        run.cancel();
        let outcome = run.finish().await.report.outcome;
        assert!(matches!(outcome, Outcome::Cancelled | Outcome::Succeeded), "{outcome:?}");
    }
    let small = support::finish(&pool, support::job("def run(): return 7\n")).await;
    assert_eq!((support::result(&small), pool.process_ids()), ("7", processes), "the process has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_is_as_the_image_after_every_run() {
    resets_are_whole("check every reset").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_on_a_kernel_that_shows_no_pages() {
    resets_are_whole("no pagemap").await;
}

/// One reset in a thousand is compared, as on a node; a million runs in a soak test.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_stays_as_it_is_over_many_runs() {
    let _shared = support::beside_others().await;
    let rounds = if std::env::var_os("CRONBOX_SOAK").is_some() { 1_000_000 } else { 4_000 };
    let pool = support::pool_with(|config| {
        (config.processes, config.max_processes) = (1, 1);
        config.recycle_after = u64::MAX;
    })
    .await;
    let process = pool.process_ids()[0];
    // Other words in each script, so that other pages are written; now and then much memory.
    let script = |round: usize| {
        let size = if round.is_multiple_of(50) { 3 << 20 } else { 10 };
        format!(
            "import json\ndef run():\n    word_{round} = 'w{round}' * {size}\n    return json.dumps(word_{round}[:5])\n"
        )
    };
    let mut early = 0;
    for round in (0..rounds).step_by(8) {
        let runs: Vec<_> =
            (round..round + 8).map(|round| support::start(&pool, support::job(&script(round)))).collect();
        for run in runs {
            let report = run.finish().await.report;
            assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
        }
        if round == rounds / 32 * 8 {
            early = support::private_memory(process);
        }
    }
    assert_eq!(pool.process_ids(), [process], "the process has ended");
    let late = support::private_memory(process);
    assert!(late < early + (16 << 20), "{early} bytes became {late}");
}
