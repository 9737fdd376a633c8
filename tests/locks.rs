//! The second wall: a locked process can do none of what it must not.

use crate::support;
use cronbox_runtime::hardening::{ProbeResult, probes};
use cronbox_runtime::testing::Inspect as _;
use std::process::Command;

#[test]
fn every_forbidden_call_is_stopped() {
    for probe in probes() {
        let mut command = Command::new(support::PROGRAM);
        command.arg("sandbox-probe");
        let result = probe.run(command);
        assert!(matches!(result, ProbeResult::Killed | ProbeResult::Refused), "{}: {result:?}", probe.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_process_owns_nothing() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| config.processes = 1).await;
    assert!(!pool.hardening().measures.is_empty());
    for pid in pool.process_ids() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.strip_prefix(':')).expect("the field").trim().to_owned()
        };
        assert_eq!(field("NoNewPrivs"), "1");
        assert_eq!(field("Seccomp"), "2");
        assert_eq!(field("CapEff"), "0000000000000000");
        assert_eq!(field("CapPrm"), "0000000000000000");
        assert_eq!(field("Threads"), "1");
        assert!(!field("Uid").split_whitespace().any(|uid| uid == "0"), "it runs as root");
        let score = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("its score");
        assert_eq!(score.trim(), "1000");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn required_hardening_is_refused_where_it_lacks() {
    let _shared = support::beside_others().await;
    let mut config = support::config();
    config.processes = 1;
    config.require_hardening = true;
    let missing = support::pool_with(|config| config.processes = 1).await.hardening().missing().count();
    let started = cronbox_runtime::Pool::start(config, support::interpreter()).await;
    assert_eq!(started.is_err(), missing > 0);
}
