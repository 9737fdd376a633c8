//! An attempt's end, written to the database.

use super::output::{AttemptOutput, media_type};
use crate::blobs::{Blobs, Kind};
use crate::clock::{Time, after};
use crate::metrics::LostWith;
use crate::ping::Ping;
use crate::publish::{KeepError, keep_blob};
use crate::run::explain::{LimitContext, cut_mark};
use crate::run::{Ended, GivenUp, INLINE, Output, OutputFile, Recorded, Run, Status, Value, Written};
use crate::store::StoreError;
use crate::worker::{Aboard, RETRY, Worker};
use bytes::Bytes;
use cronbox_runtime::report::{ResultKind, ScriptError, StreamUsage};
use cronbox_runtime::{Outcome, Report};
use std::time::Duration;

/// The time before an end is recorded again that could not be; doubled each time.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The time before a run is tried again whose files cannot be had.
const POSTPONED: chrono::TimeDelta = chrono::TimeDelta::seconds(3);

/// Why an end was not recorded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unrecorded {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

impl Unrecorded {
    /// Whether it would be so the next time: the database refuses what the record holds.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Unrecorded::Store(error) | Unrecorded::Keep(KeepError::Store(error)) => error.refuses_content(),
            Unrecorded::Keep(_) => false,
        }
    }
}

/// The name of a run's script, when that is a saved one: source that was sent along has whatever name somebody chose.
fn script_name(run: &Run) -> Option<&str> {
    run.script.is_some().then_some(run.name.as_str())
}

impl Worker {
    /// Records that a run crashed, and nothing else of it: what a database takes that refused everything the run left.
    pub(in crate::worker) async fn record_crash(&self, run: &Run, aboard: &Aboard, why: String) {
        tracing::error!(run.id = %run.id, why, "the end of a run cannot be recorded; it is recorded as crashed");
        let mut pause = FIRST_PAUSE;
        loop {
            let now = self.tools.clock.now();
            match self.tools.store.record_minimal(&run.id, &aboard.token, &why, now).await {
                Ok(recorded) => {
                    if recorded == Recorded::MakesDue {
                        self.tools.signals.schedules.notify_one();
                    }
                    self.tools.metrics.ended(script_name(run), Status::Crashed, Duration::ZERO);
                    let crashed = Ended::crashed(run, ScriptError::new("Crashed", why), false);
                    self.tell_monitor(run, &crashed, now);
                    return self.tools.signals.notify_ended(&run.id);
                }
                Err(error) => {
                    tracing::warn!(run.id = %run.id, %error, "the crash of a run cannot be recorded; trying again");
                }
            }
            if self.is_abandoned_after(aboard, &mut pause).await {
                return;
            }
        }
    }

    /// Waits before another try, longer each time. Whether the node has lost the run meanwhile.
    pub(super) async fn is_abandoned_after(&self, aboard: &Aboard, pause: &mut Duration) -> bool {
        tokio::select! {
            () = aboard.abandon.cancelled() => return true,
            () = tokio::time::sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(Duration::from_secs(2));
        false
    }

    /// Records an end, and tells of it. The end as it was recorded; none when the run is another node's by now.
    pub(super) async fn record(
        &self,
        run: &Run,
        aboard: &Aboard,
        ended: Ended,
        now: Time,
    ) -> Result<Option<Ended>, StoreError> {
        let mut told = ended.clone();
        match self.tools.store.record(&run.id, &aboard.token, ended, now).await? {
            Recorded::Done => {}
            Recorded::Conflict(conflicted) => told = *conflicted,
            Recorded::MakesDue => self.tools.signals.schedules.notify_one(),
            Recorded::Late => {
                tracing::warn!(run.id = %run.id, "another node has this run by now; its end here is not recorded");
                return Ok(None);
            }
        }
        let status = if told.next.is_some() { Status::Scheduled } else { told.status };
        let (outcome, wall) = (told.status, told.wall);
        self.tools.metrics.ended(script_name(run), outcome, wall);
        self.tools.metrics.lost(LostWith::SandboxProcess, told.lost);
        let duration_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(run.id = %run.id, script = %run.name, %status, attempt = run.attempt, duration_ms, "run ended");
        if status == Status::Scheduled {
            self.tools.signals.timed.notify_one();
        } else {
            self.tell_monitor(run, &told, now);
            self.tools.signals.notify_ended_as(|| told.applied_to(run, now), &run.id);
        }
        Ok(Some(told))
    }

    /// Tells the monitor of a script, if it has one, how a run of it has ended.
    fn tell_monitor(&self, run: &Run, ended: &Ended, now: Time) {
        if run.spec.heartbeat.is_some()
            && let Some(ping) = Ping::ended(&ended.applied_to(run, now))
        {
            self.tools.signals.pings.tell(ping);
        }
    }

    /// The record of an attempt; large values are in the blob store when this returns.
    pub(super) async fn compose(
        &self,
        run: &Run,
        report: Option<&Report>,
        refused: Option<ScriptError>,
        (stdout, stderr): (&[u8], &[u8]),
        has_parts: bool,
        now: Time,
    ) -> Result<Ended, Unrecorded> {
        let Some(report) = report else {
            let error = refused.unwrap_or_else(|| ScriptError::new("Crashed", "the attempt ended without a report"));
            return Ok(Ended::crashed(run, error, has_parts));
        };
        let spec = &run.spec;
        let terms = LimitContext { limits: spec.limits, asked: spec.asked, ceiling: self.tools.ceiling };
        let error = terms.error(report);
        let result = match &report.result {
            Some(result) if spec.result != ResultKind::None => {
                let text = result.get();
                Some(if text.len() <= INLINE {
                    Value::Inline(text.to_owned())
                } else {
                    Value::Blob(self.put(Kind::Value, text.as_bytes(), now).await?)
                })
            }
            _ => None,
        };
        let lost = report.lost_attempts;
        let type_name = error.as_ref().map(|error| error.type_name.as_str());
        let chance = f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
        let status = match report.outcome {
            // Its one process died, and it may not start again.
            Outcome::Crashed if lost > 0 && spec.on_lost == crate::script::OnLost::Abandon => Status::Abandoned,
            outcome => outcome.into(),
        };
        let next = spec
            .next_attempt(report.outcome, type_name, run.attempt, run.lost, chance)
            .filter(|_| status != Status::Abandoned);
        Ok(Ended {
            mode: report.mode,
            result_bytes: result.as_ref().and(report.result.as_ref()).map(|result| result.get().len() as u64),
            large_result: match (&result, &report.result) {
                (Some(Value::Blob(_)), Some(result)) => Some(result.get().into()),
                _ => None,
            },
            result,
            result_kind: report.result_kind,
            error,
            notes: report.notes.clone(),
            fuel: report.usage.fuel,
            import_fuel: report.usage.import_fuel,
            memory: report.usage.peak_memory_bytes,
            wall: report.usage.wall,
            network: report.network.clone(),
            stdout: self.output(stdout, &report.stdout, spec.limits.stdout, now).await?,
            stderr: self.output(stderr, &report.stderr, spec.limits.stderr, now).await?,
            lost,
            next: next.map(|delay| after(now, delay)),
            has_parts,
            ..Ended::of(run, status)
        })
    }

    /// The same with what the attempt leaves, which is in the blob store when this returns.
    pub(super) async fn with_left(
        &self,
        mut ended: Ended,
        left: &AttemptOutput,
        now: Time,
    ) -> Result<Ended, Unrecorded> {
        ended.state = left.new_state();
        // What is tried again leaves nothing yet.
        if ended.next.is_none() {
            for (path, content) in &left.files {
                let blob = self.put(Kind::File, content, now).await?;
                let media_type = media_type(path, content).to_owned();
                ended.files.push(OutputFile { path: path.clone(), bytes: content.len() as u64, media_type, blob });
            }
        }
        Ok(ended)
    }

    async fn output(&self, bytes: &[u8], usage: &StreamUsage, limit: u64, now: Time) -> Result<Output, Unrecorded> {
        let mut bytes = bytes.to_vec();
        bytes.extend_from_slice(cut_mark(usage, limit).as_bytes());
        let written = Written { bytes: bytes.len() as u64, dropped: usage.dropped };
        Ok(match bytes.len() {
            0 => Output { inline: None, blob: None, written },
            1..=INLINE => Output { inline: Some(bytes), blob: None, written },
            _ => Output { inline: None, blob: Some(self.put(Kind::Output, &bytes, now).await?), written },
        })
    }

    async fn put(&self, kind: Kind, content: &[u8], now: Time) -> Result<String, Unrecorded> {
        let (key, _) = Blobs::name(kind, content);
        keep_blob(&self.tools.store, &self.tools.blobs, &key, Bytes::copy_from_slice(content), now).await?;
        Ok(key)
    }

    /// Puts a run back that cannot begin now.
    pub(super) async fn postpone(&self, run: &Run, aboard: &Aboard, reason: String) {
        tracing::warn!(run.id = %run.id, reason, "a run is put off");
        loop {
            let until = self.tools.clock.now() + POSTPONED;
            let why = GivenUp::Postponed { until, reason: reason.clone() };
            match self.tools.store.give_up(&run.id, &aboard.token, why, self.tools.clock.now()).await {
                Ok(status) => {
                    if status.is_some_and(Status::is_final) {
                        self.tools.signals.notify_ended(&run.id);
                    }
                    self.tools.signals.timed.notify_one();
                    return;
                }
                Err(error) => tracing::warn!(run.id = %run.id, %error, "a run cannot be put off; trying again"),
            }
            tokio::select! {
                () = aboard.abandon.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}
