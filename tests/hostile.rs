//! The hostile scripts: each ends as its first line says, inside its limits; an honest script beside it and one after it
//! do not notice; and the processes are afterwards what they were before.

use crate::support::{self, expect};
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Outcome, Pool, RunOutput};
use std::time::{Duration, Instant};

const HONEST: &str = "import json, random\ndef run(n):\n    return {'n': n, 'sum': sum(range(n)), 'json': json.dumps([1, {'a': None}])}\n";
const RIGHT: &str = r#"{"n":1000,"sum":499500,"json":"[1, {\"a\": null}]"}"#;

async fn honest(pool: &Pool) -> Result<(), String> {
    let mut job = support::job(HONEST);
    job.args = r#"{"n": 1000}"#.into();
    let report = support::finish(pool, job).await;
    let same = |a: &str, b: &str| -> bool {
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        parse(a).is_some() && parse(a) == parse(b)
    };
    if report.outcome == Outcome::Succeeded && same(support::result(&report), RIGHT) {
        return Ok(());
    }
    Err(format!("an honest run ended {:?} with {} {:?}", report.outcome, support::result(&report), report.error))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_ends_as_it_must() {
    let _alone = support::alone().await;
    let pool = support::pool().await;
    support::all_up(&pool, support::config().processes).await;
    for _ in 0..4 {
        honest(&pool).await.expect("an honest run before");
    }
    let processes = pool.process_ids();
    let own_descriptors = support::descriptors(std::process::id());
    let before: Vec<(usize, u64)> =
        processes.iter().map(|pid| (support::descriptors(*pid), support::private_memory(*pid))).collect();

    let scripts = expect::scripts(&support::tests_folder().join("hostile"));
    assert!(scripts.len() >= 50, "only {} scripts were found", scripts.len());
    let mut wrong = Vec::new();
    for script in &scripts {
        let attack = support::start(&pool, script.job.clone());
        let beside = honest(&pool);
        let (RunOutput { report, stdout, stderr }, beside) = tokio::join!(attack.finish(), beside);
        let mut differences = script.differences(&report, &stdout, &stderr);
        differences.extend(beside.err().map(|why| format!("beside it {why}")));
        differences.extend(honest(&pool).await.err().map(|why| format!("after it {why}")));
        if !differences.is_empty() {
            wrong.push(format!("{}:\n    {}", script.path.display(), differences.join("\n    ")));
        }
    }
    let attacks = scripts.len();
    // Each holds a descriptor of its bundle.
    drop(scripts);
    assert!(wrong.is_empty(), "{} of {} attacks:\n{}", wrong.len(), attacks, wrong.join("\n"));

    // Busy runs may have made the pool grow; the processes it began with are all there, so nothing brought one down.
    let now = pool.process_ids();
    assert!(processes.iter().all(|pid| now.contains(pid)), "processes {processes:?} became {now:?}");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let differences: Vec<String> = processes
            .iter()
            .zip(&before)
            .filter_map(|(pid, (descriptors, memory))| {
                let now = (support::descriptors(*pid), support::private_memory(*pid));
                // Each sandbox slot that was used keeps some pages of its own bookkeeping.
                let same = now.0 == *descriptors && now.1 <= memory + (24 << 20);
                (!same).then(|| format!("process {pid} had {:?}, has {now:?}", (descriptors, memory)))
            })
            .collect();
        let own = support::descriptors(std::process::id());
        // A process that came and went meanwhile may still hold its link.
        if differences.is_empty() && own <= own_descriptors + 3 * (pool.process_ids().len() - processes.len()) {
            break;
        }
        assert!(Instant::now() < deadline, "{differences:?}; the node had {own_descriptors} descriptors, has {own}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
