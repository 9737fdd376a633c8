//! Many runs at once: small ones beside endless loops, and cancelling at any moment.

use crate::support;
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Event, Job, Load, Outcome, Pool};
use std::time::{Duration, Instant};

const LOOP: &str = "def run():\n    while True:\n        pass\n";
const TINY: &str = "def run(n):\n    return {'n': n}\n";

/// Starts 200 runs at once; the time until 99 % of them had ended. The best of three: other tenants of the machine only
/// ever add to it.
async fn all_at_once(pool: &Pool, job: &Job) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        best = best.min(once_all_at_once(pool, job).await);
    }
    best
}

async fn once_all_at_once(pool: &Pool, job: &Job) -> Duration {
    let began = Instant::now();
    let runs: Vec<_> = (0..200).map(|_| support::start(pool, job.clone())).collect();
    let mut times = tokio::task::JoinSet::new();
    for run in runs {
        times.spawn(async move { (run.finish().await.report.outcome, began.elapsed()) });
    }
    let mut took: Vec<Duration> = Vec::new();
    while let Some(ended) = times.join_next().await {
        let (outcome, time) = ended.unwrap();
        assert_eq!(outcome, Outcome::Succeeded);
        took.push(time);
    }
    took.sort();
    took[197]
}

#[tokio::test(flavor = "multi_thread")]
async fn small_runs_are_quick_beside_endless_loops() {
    let _alone = support::alone().await;
    let pool = support::pool().await;
    let tiny = {
        let mut job = support::job(TINY);
        job.args = "{\"n\": 1}".into();
        job
    };
    // Every process has run something before: what is measured is not the first page fault of the machine code.
    for _ in 0..20 {
        support::finish(&pool, tiny.clone()).await;
    }
    let undisturbed = all_at_once(&pool, &tiny).await;

    let mut endless = support::job(LOOP);
    endless.limits.fuel = 2_000_000_000_000;
    endless.limits.wall = Duration::from_secs(120);
    let loops: Vec<_> = (0..16).map(|_| support::start(&pool, endless.clone())).collect();
    support::wait::until("the loops are seen to be loops", async || pool.load().busy >= 16).await;

    let beside_loops = all_at_once(&pool, &tiny).await;

    // The same, one after the other, as a queue of clients would.
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        assert_eq!(support::finish(&pool, tiny.clone()).await.outcome, Outcome::Succeeded);
        took.push(began.elapsed());
    }
    took.sort();
    let in_turn = took[197];

    for run in loops {
        let began = Instant::now();
        run.cancel();
        let report = run.finish().await.report;
        let seen = began.elapsed();
        // Cancelled, and not ended before by any limit.
        assert_eq!(report.outcome, Outcome::Cancelled);
        assert!(seen < Duration::from_millis(100), "a cancel was seen after {seen:?}");
    }
    assert!(in_turn < Duration::from_millis(100), "p99 in turn {in_turn:?}");
    // Two hundred runs are some 150 ms of CPU on a quick machine. Where they take longer than 100 ms by themselves, the
    // loops may not make it much longer.
    let bound = Duration::from_millis(100).max(undisturbed * 2);
    assert!(beside_loops < bound, "p99 all at once {beside_loops:?}, without loops {undisturbed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_end_by_their_own_limits() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let mut runs = Vec::new();
    for n in 0..6u64 {
        let mut job = support::job(LOOP);
        job.limits.fuel = 500_000_000 * (n + 1);
        runs.push((job.limits.fuel, support::start(&pool, job)));
    }
    for (fuel, run) in runs {
        let report = run.finish().await.report;
        assert_eq!((report.outcome, report.usage.fuel), (Outcome::OutOfFuel, fuel));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_at_any_moment_harms_nobody() {
    let _shared = support::beside_others().await;
    let rounds = if std::env::var_os("CRONBOX_SOAK").is_some() { 10_000 } else { 1_000 };
    let pool = support::pool().await;
    support::all_up(&pool, support::config().processes).await;
    let processes = pool.process_ids();
    let sources = [
        "import asyncio, json\nasync def run():\n    await asyncio.gather(*(asyncio.sleep(.001) for _ in range(5)))\n    return json.dumps(list(range(1000)))\n",
        "def run():\n    with open('/tmp/x', 'wb') as f:\n        for n in range(200):\n            f.write(b'x' * 1000)\n    print('y' * 5000)\n    return sum(range(20000))\n",
        "import sqlite3\ndef run():\n    c = sqlite3.connect(':memory:')\n    c.execute('create table t (n)')\n    c.executemany('insert into t values (?)', [(n,) for n in range(500)])\n    return c.execute('select sum(n) from t').fetchone()[0]\n",
    ];
    let jobs: Vec<_> = sources.iter().map(|source| support::job(source)).collect();
    let (mut cancelled, mut succeeded) = (0, 0);
    // Moments that are spread over a run's life and the same in every run of the test.
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    for round in 0..rounds {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let moment = Duration::from_micros(seed % 12_000);
        let mut run = support::start(&pool, jobs[round % jobs.len()].clone());
        let at = tokio::time::Instant::now() + moment;
        let mut asked = false;
        let report = loop {
            tokio::select! {
                event = run.next() => if let Some(Event::Done(report)) = event { break report },
                () = spin_until(at), if !asked => {
                    asked = true;
                    run.cancel();
                }
            }
        };
        match report.outcome {
            Outcome::Cancelled => cancelled += 1,
            Outcome::Succeeded => succeeded += 1,
            other => panic!("round {round}: {other:?} {:?}", report.error),
        }
    }
    assert!(cancelled > rounds / 10 && succeeded > rounds / 50, "{cancelled} cancelled, {succeeded} succeeded");
    assert_eq!(pool.process_ids(), processes, "a process died");
    assert_eq!(pool.load(), Load::default());
}

/// Timers tick in milliseconds; moments here are finer.
pub(crate) async fn spin_until(at: tokio::time::Instant) {
    while tokio::time::Instant::now() < at {
        tokio::task::yield_now().await;
    }
}
