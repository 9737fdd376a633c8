//! A run to be made, and what becomes of it.

use super::{Cause, Gate, OutputTotals, Run, Spec, Status, Value, Written};
use crate::clock::Time;
use crate::script::Labels;

/// A run to be made.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// UUIDv7.
    pub id: String,
    /// Its script's key; none for source sent along.
    pub script: Option<String>,
    /// Its script's name.
    pub name: String,
    /// Its script's version.
    pub version: Option<i64>,
    /// Why it is made.
    pub cause: Cause,
    /// When it may start; not before it was made.
    pub run_at: Option<Time>,
    /// Runs of a higher one start first.
    pub priority: i64,
    /// What is fixed.
    pub spec: Spec,
    /// The source itself, when it was sent along and is small.
    pub source: Option<Vec<u8>>,
    /// The arguments.
    pub args: Value,
    /// Words to find it by.
    pub labels: Labels,
    /// The run it is a new try of.
    pub retry_of: Option<String>,
    /// The token that asked for it.
    pub created_by: Option<String>,
    /// Whether it counts towards the bound of the queue.
    pub bounded: bool,
    /// The schedule that makes it, by key.
    pub schedule: Option<String>,
    /// The instant that says it is due.
    pub fire_time: Option<Time>,
    /// The same in the schedule's zone, with its offset.
    pub fire_local: Option<String>,
    /// The backfill it is part of.
    pub backfill: Option<String>,
    /// The run whose end makes it due.
    pub upstream: Option<String>,
    /// What it stands before, beside its script's limit.
    pub gate: Option<Gate>,
}

impl NewRun {
    /// A run of source that was sent along, that somebody asked for by request, without arguments, and that may start at once.
    pub fn new(id: String, name: String, spec: Spec) -> Self {
        NewRun {
            id,
            script: None,
            name,
            version: None,
            cause: Cause::Api,
            run_at: None,
            priority: 0,
            spec,
            source: None,
            args: Value::Inline("{}".into()),
            labels: Labels::new(),
            retry_of: None,
            created_by: None,
            bounded: false,
            schedule: None,
            fire_time: None,
            fire_local: None,
            backfill: None,
            upstream: None,
            gate: None,
        }
    }

    /// The run as it is when a node takes it while it is made.
    pub fn as_begun(&self, now: Time) -> Run {
        Run {
            id: self.id.clone(),
            script: self.script.clone(),
            name: self.name.clone(),
            version: self.version,
            schedule: self.schedule.clone(),
            cause: self.cause,
            fire_time: self.fire_time,
            fire_local: self.fire_local.clone(),
            fire_until: None,
            stood_in: None,
            upstream: self.upstream.clone(),
            status: Status::Running,
            reason: None,
            attempt: 1,
            lost: 0,
            priority: self.priority,
            created_at: now,
            run_at: now,
            started_at: Some(now),
            finished_at: None,
            spec: self.spec.clone(),
            source: self.source.clone(),
            args: self.args.clone(),
            mode: None,
            result: None,
            result_bytes: None,
            result_kind: None,
            error: None,
            notes: Vec::new(),
            fuel: None,
            import_fuel: 0,
            memory: None,
            wall: None,
            network: Vec::new(),
            labels: self.labels.clone(),
            stdout: Written::default(),
            stderr: Written::default(),
            left: OutputTotals::default(),
            retry_of: self.retry_of.clone(),
            created_by: self.created_by.clone(),
        }
    }
}

/// A client's name for a request, so that the same sent twice makes one run.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Token, endpoint and the client's key.
    pub key: String,
    /// SHA-256 of the request.
    pub body: String,
    /// Since when names count.
    pub since: Time,
}

/// What became of a run that was to be made.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// It is there and waits.
    Waits,
    /// It is there, and the node that offered to take it has it.
    Claimed {
        /// False when its script had been granted no secrets at that moment, so that nobody need ask for them.
        may_have_secrets: bool,
    },
    /// The same request made this run before.
    Again(String),
    /// Another request had the same key.
    KeyReused,
    /// So many wait already.
    QueueFull,
    /// Its script is gone.
    NoScript,
}
