//! The honest scripts: each ends as its first line says.

use crate::support::{self, expect};
use cronbox_runtime::RunOutput;
use std::sync::Arc;
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_to_scripts_is_kept() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let places = Arc::new(Semaphore::new(4));
    let mut runs = tokio::task::JoinSet::new();
    for script in expect::scripts(&support::tests_folder().join("scripts")) {
        let (pool, places) = (pool.clone(), places.clone());
        runs.spawn(async move {
            let _place = places.acquire().await;
            let RunOutput { report, stdout, stderr } = support::start(&pool, script.job.clone()).finish().await;
            (script.path.clone(), script.differences(&report, &stdout, &stderr))
        });
    }
    let mut wrong = Vec::new();
    let mut count = 0;
    while let Some(run) = runs.join_next().await {
        let (path, differences) = run.expect("the task");
        count += 1;
        if !differences.is_empty() {
            wrong.push(format!("{}:\n    {}", path.display(), differences.join("\n    ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} scripts:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 60, "only {count} scripts were found");
}
