//! Sandbox processes that die: the runs aboard do not notice more than they must.

use crate::support::{self, wait::until};
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{OnLost, Outcome, Pool, RunOutput};

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill");
    assert!(status.success());
}

/// A run that waits long enough for its process to be killed under it.
const SLEEPER: &str = "import time\ndef run(n):\n    print('began')\n    time.sleep(1.5)\n    return n\n";

#[tokio::test(flavor = "multi_thread")]
async fn fifty_runs_survive_the_death_of_a_process() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| (config.processes, config.memory_budget) = (2, 64 << 30)).await;
    support::all_up(&pool, 2).await;
    let mut runs = Vec::new();
    for n in 0..50 {
        let mut job = support::job(SLEEPER);
        job.args = format!("{{\"n\": {n}}}");
        runs.push((n, support::start(&pool, job)));
    }
    until("all are aboard", async || pool.load().active == 50).await;
    let victim = pool.process_ids()[0];
    kill(victim);
    let mut again = 0;
    for (n, run) in runs {
        let RunOutput { report, stdout, .. } = run.finish().await;
        assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
        assert_eq!(support::result(&report), n.to_string());
        assert_eq!(stdout, b"began\n", "output of the attempt that was lost is void");
        again += usize::from(report.lost_attempts > 0);
    }
    assert!(again > 0, "no run was aboard the process that died");
    until("another process is up", async || pool.process_ids().len() >= 2).await;
    assert!(!pool.process_ids().contains(&victim));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_given_up_after_three_processes() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| (config.processes, config.max_processes) = (1, 1)).await;
    let mut job = support::job(SLEEPER);
    job.args = "{\"n\": 1}".into();
    let run = support::start(&pool, job);
    for _ in 0..3 {
        until("it is aboard", async || pool.load().active == 1).await;
        let pids = pool.process_ids();
        kill(pids[0]);
        until("the process is gone", async || pool.process_ids() != pids).await;
    }
    let report = run.finish().await.report;
    assert_eq!((report.outcome, report.lost_attempts), (Outcome::Crashed, 2));
    assert!(report.error.expect("an error").message.contains("killed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_must_not_start_twice_is_reported() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| config.processes = 1).await;
    let mut job = support::job(SLEEPER);
    job.args = "{\"n\": 1}".into();
    job.on_lost = OnLost::Report;
    let run = support::start(&pool, job);
    until("it is aboard", async || pool.load().active == 1).await;
    kill(pool.process_ids()[0]);
    assert_eq!(run.finish().await.report.outcome, Outcome::Crashed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_answer_is_ended() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| config.processes = 1).await;
    let mut job = support::job(SLEEPER);
    job.args = "{\"n\": 5}".into();
    let run = support::start(&pool, job);
    until("it is aboard", async || pool.load().active == 1).await;
    let pid = pool.process_ids()[0];
    let stop = std::process::Command::new("kill").args(["-STOP", &pid.to_string()]).status().expect("kill");
    assert!(stop.success());
    let report = run.finish().await.report;
    assert_eq!((report.outcome, support::result(&report)), (Outcome::Succeeded, "5"));
    assert_eq!(report.lost_attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_a_sandbox_process_is_no_pool() {
    let _shared = support::beside_others().await;
    let mut config = support::config();
    config.command = vec!["/bin/false".into()];
    let error = Pool::start(config, support::interpreter()).await.err().expect("an error");
    assert!(error.to_string().starts_with("no sandbox process can be started"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_replaced_after_enough_runs() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| (config.processes, config.recycle_after) = (1, 5)).await;
    let first = pool.process_ids();
    for _ in 0..12 {
        let report = support::finish(&pool, support::job("def run(): return 1\n")).await;
        assert_eq!(report.outcome, Outcome::Succeeded);
    }
    until("the first process is gone", async || !pool.process_ids().contains(&first[0])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_end_with_their_pool() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let pids = pool.process_ids();
    drop(pool);
    until("they are gone", async || pids.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()))
        .await;
}
