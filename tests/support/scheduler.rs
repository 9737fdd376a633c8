//! A scheduler without anything that runs, on a store.

use cronbox::blobs::{self, Blobs, S3Access};
use cronbox::clock::Clock;
use cronbox::plan::RunPolicy;
use cronbox::schedule::Policies;
use cronbox::scheduler::Scheduler;
use cronbox::signals::{Signals, WorkerInbox};
use cronbox::store::Store;
use cronbox_runtime::Limits;
use std::sync::Arc;

/// A scheduler, and the inbox of the worker that is not there.
pub fn scheduler(store: &Store, clock: &Clock) -> (Scheduler, WorkerInbox) {
    let (signals, inbox, _) = Signals::new(0);
    let rules = RunPolicy {
        defaults: Limits::default(),
        ceiling: cronbox_runtime::limits::CEILING,
        hosts: cronbox_runtime::network::Ceiling::parse(["*"]).expect("reads"),
        interpreter_memory: 0,
        timezone: "UTC".into(),
        job_defaults: Policies::default(),
    };
    let blobs = Blobs::open(&blobs::BlobLocation::Memory, &S3Access::default()).expect("opens");
    let (store, clock) = (store.clone(), clock.clone());
    (
        Scheduler { store, blobs, clock, signals, rules: Arc::new(rules), queue_bound: 10_000, memory: Arc::default() },
        inbox,
    )
}
