//! What runs that wait cost: memory, time to wake, and CPU.

use super::*;

const SLEEPER: &str = "import time\ndef run(until):\n    due = time.time() + until\n    time.sleep(until)\n    return time.time() - due\n";

/// Figures of a process from /proc, in KiB.
fn kib(pid: u32, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

async fn pool(interpreter: &Arc<CompiledInterpreter>) -> Pool {
    let mut config = PoolConfig::for_machine(vec![PROGRAM.into(), "sandbox-process".into()]);
    (config.processes, config.max_processes, config.memory_budget) = (2, 2, 4 << 30);
    config.recycle_after = u64::MAX;
    let pool = Pool::start(config, interpreter.clone()).await.unwrap();
    support::all_up(&pool, 2).await;
    pool
}

/// Starts runs that sleep between `least` and twice as long, and returns how late each was.
async fn asleep(pool: &Pool, count: usize, least: f64) -> tokio::task::JoinSet<f64> {
    let mut lateness = tokio::task::JoinSet::new();
    for n in 0..count {
        let until = least * (1.0 + n as f64 / count as f64);
        let mut job = job("sleeper", SLEEPER).with_args(format!("{{\"until\": {until}}}"));
        (job.limits.wall, job.limits.memory) = (Duration::from_secs(600), 64 << 20);
        let run = pool.run(job).unwrap();
        lateness.spawn(async move {
            let report = run.finish().await.report;
            assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
            support::result(&report).parse::<f64>().unwrap()
        });
    }
    lateness
}

/// A thousand and ten thousand runs that wait, in two processes with 4 GiB for runs. Fewer take what the first ones have set up.
pub async fn costs() {
    println!("\n| runs that wait | memory of each | of that page tables | of the node | late p50 | p99 | started in |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let interpreter = interpreter();
    for count in [1_000, 10_000] {
        let pool = pool(&interpreter).await;
        let pids = pool.process_ids();
        // What the first ones set up is there from then on.
        drop(asleep(&pool, 40, 0.2).await.join_all().await);
        let all = |name: &str, file: &str| pids.iter().map(|pid| kib(*pid, file, name)).sum::<u64>() as f64;
        let memory = || all("Private_", "smaps_rollup");
        let own = || kib(std::process::id(), "smaps_rollup", "Private_") as f64;
        let (before, tables, node) = (memory(), all("VmPTE", "status"), own());
        let began = Instant::now();
        let least = 3.0 + count as f64 * 0.0025;
        let runs = asleep(&pool, count, least).await;
        support::wait::until("all are parked", async || pool.load().parked == count).await;
        let started = began.elapsed();
        let each = |now: f64, then: f64| format!("{:.0} KiB", (now - then) / count as f64);
        let (memory, tables, node) = (each(memory(), before), each(all("VmPTE", "status"), tables), each(own(), node));
        let mut late: Vec<f64> = runs.join_all().await;
        late.sort_by(f64::total_cmp);
        let at = |part: f64| format!("{:.1} ms", late[((count - 1) as f64 * part) as usize] * 1e3);
        let (p50, p99) = (at(0.5), at(0.99));
        println!("| {count} | {memory} | {tables} | {node} | {p50} | {p99} | {:.1} s |", started.as_secs_f64());
        pool.close(false).await;
    }
    cpu_of_parking(&interpreter).await;
}

/// CPU that parking takes: runs that sleep for less than it needs, and for longer, in alternation.
async fn cpu_of_parking(interpreter: &Arc<CompiledInterpreter>) {
    let pool = pool(interpreter).await;
    let pids = pool.process_ids();
    // In microseconds.
    let used = || pids.iter().map(|pid| support::computed(*pid) as f64 * 1e4).sum::<f64>();
    let (mut short, mut long) = (0.0, 0.0);
    for _ in 0..10 {
        for (seconds, sum) in [(0.045, &mut short), (2.0, &mut long)] {
            let before = used();
            let job = job("sleeper", SLEEPER).with_args(format!("{{\"until\": {seconds}}}"));
            let runs: Vec<_> = (0..100).map(|_| pool.run(job.clone()).unwrap()).collect();
            for run in runs {
                assert_eq!(run.finish().await.report.outcome, Outcome::Succeeded);
            }
            *sum += used() - before;
        }
    }
    println!(
        "\nA run that waits without being parked takes {:.0} us of CPU, one that is parked {:.0}.",
        short / 1e3,
        long / 1e3
    );
}
