//! One attempt at a run: from its files to its record.

use super::sources::FilesError;
use super::{Aboard, RETRY, Worker};
use crate::blobs::{BlobError, Blobs, Kind};
use crate::clock::{Time, after, rfc3339};
use crate::keyring::KeyError;
use crate::live_output::Writing;
use crate::publish::{KeepError, keep_blob};
use crate::run::explain::{LimitContext, cut_mark};
use crate::run::{
    Cause, Ended, GivenUp, INLINE, Output, OutputFile, Recorded, Run, Status, Value, Written, upstream_body,
};
use crate::script::{Labels, NewState, check_state};
use crate::secret::{AttemptSecrets, Secret};
use crate::stdin;
use crate::store::StoreError;
use crate::store::grants::GrantedHosts;
use crate::store::output::Part;
use bytes::Bytes;
use cronbox_runtime::network::{NetworkGrant, Policy};
use cronbox_runtime::report::{ResultKind, ScriptError, StreamUsage};
use cronbox_runtime::{BundleError, Event, HostCall, Job, JobError, OnLost, Outcome, Report, Stream};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A run shorter than this keeps no parts of its output.
const PARTS_AFTER: Duration = Duration::from_millis(250);
/// The largest part.
const PART: usize = 64 << 10;
/// The time before an end is recorded again that could not be; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The time before a run is tried again whose files cannot be had.
const POSTPONED: chrono::TimeDelta = chrono::TimeDelta::seconds(3);

/// The longest path of a file that is kept, in bytes: databases bound what an index holds (PostgreSQL: 2,704 bytes).
const MAX_PATH: usize = 1_024;

/// What an attempt leaves beside its result.
#[derive(Default)]
struct AttemptOutput {
    /// The revision of the state that it has read.
    read: i64,
    /// The state for the next run.
    state: Option<String>,
    /// Under `/output`, by path.
    files: Vec<(String, Bytes)>,
    /// How many files were not taken, and the beginning of the first one's path.
    refused: Option<(usize, String)>,
}

impl AttemptOutput {
    /// Takes a file, unless no database keeps its path.
    fn take(&mut self, path: String, content: Bytes) {
        if path.len() <= MAX_PATH && !path.contains('\0') {
            return self.files.push((path, content));
        }
        let first = || (0, path.chars().filter(|c| !c.is_control()).take(60).collect());
        self.refused.get_or_insert_with(first).0 += 1;
    }

    /// What the user should know of files that were not taken.
    fn note(&self) -> Option<String> {
        let (count, first) = self.refused.as_ref()?;
        let files = if *count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        Some(format!("{files} under /output not kept: a path has at most {MAX_PATH} bytes; the first begins {first:?}"))
    }

    fn new_state(&self) -> Option<NewState> {
        self.state.clone().map(|value| NewState { value, read: self.read })
    }
}

/// Why an attempt cannot be given its secrets.
#[derive(Debug, thiserror::Error)]
enum SecretsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why an end was not recorded.
#[derive(Debug, thiserror::Error)]
enum Unrecorded {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

impl Unrecorded {
    /// Whether it would be so the next time: the database refuses what the record holds.
    fn is_final(&self) -> bool {
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

/// How an attempt came out.
enum End {
    /// It ended.
    Ended(Box<Report>),
    /// It could not begin, and will not the next time.
    Refused(ScriptError),
    /// It could not begin now.
    Postponed(String),
    /// The node no longer has it.
    Abandoned,
}

impl Worker {
    pub(super) async fn attempt(&self, run: &Run, aboard: &Aboard) {
        let writing = self.tools.live.begin(&run.id);
        let started = run.started_at.unwrap_or(run.created_at);
        let lateness = (started - run.run_at).to_std().unwrap_or_default();
        self.tools.metrics.started(lateness);
        let (mut has_parts, mut left) = (false, AttemptOutput::default());
        let end = tokio::select! {
            biased;
            () = aboard.abandon.cancelled() => End::Abandoned,
            end = self.make(run, aboard, &writing, &mut has_parts, &mut left) => end,
        };
        let (report, error) = match end {
            End::Abandoned => return,
            End::Postponed(reason) => return self.postpone(run, aboard, reason).await,
            End::Refused(error) => (None, Some(error)),
            End::Ended(report) => (Some(report), None),
        };
        let written = |stream| writing.from(stream, 0);
        let (stdout, stderr) = (written(Stream::Stdout), written(Stream::Stderr));
        let mut pause = FIRST_PAUSE;
        loop {
            let now = self.tools.clock.now();
            let ended = self.compose(run, report.as_deref(), error.clone(), (&stdout, &stderr), has_parts, now).await;
            let ended = match ended {
                Ok(ended) => self.with_left(ended, &left, now).await,
                Err(error) => Err(error),
            };
            let error = match ended {
                Ok(ended) => match self.record(run, aboard, ended, now).await {
                    Ok(()) => return,
                    Err(error) => Unrecorded::from(error),
                },
                Err(error) => error,
            };
            if error.is_final() {
                return self.record_crash(run, aboard, error.to_string()).await;
            }
            tracing::warn!(run.id = %run.id, %error, "the end of a run cannot be recorded; trying again");
            if self.is_abandoned_after(aboard, &mut pause).await {
                return;
            }
        }
    }

    /// Records that a run crashed, and nothing else of it: what a database takes that refused everything the run left.
    pub(super) async fn record_crash(&self, run: &Run, aboard: &Aboard, why: String) {
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
    async fn is_abandoned_after(&self, aboard: &Aboard, pause: &mut Duration) -> bool {
        tokio::select! {
            () = aboard.abandon.cancelled() => return true,
            () = tokio::time::sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(Duration::from_secs(2));
        false
    }

    /// Records an end, and tells of it.
    async fn record(&self, run: &Run, aboard: &Aboard, ended: Ended, now: Time) -> Result<(), StoreError> {
        let mut told = ended.clone();
        match self.tools.store.record(&run.id, &aboard.token, ended, now).await? {
            Recorded::Done => {}
            Recorded::Conflict(conflicted) => told = *conflicted,
            Recorded::MakesDue => self.tools.signals.schedules.notify_one(),
            Recorded::Late => {
                tracing::warn!(run.id = %run.id, "another node has this run by now; its end here is not recorded");
                return Ok(());
            }
        }
        let status = if told.next.is_some() { Status::Scheduled } else { told.status };
        let (outcome, wall) = (told.status, told.wall);
        self.tools.metrics.ended(script_name(run), outcome, wall);
        let duration_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(run.id = %run.id, script = %run.name, %status, attempt = run.attempt, duration_ms, "run ended");
        if status == Status::Scheduled {
            self.tools.signals.timed.notify_one();
        } else {
            self.tools.signals.notify_ended_as(|| told.applied_to(run, now), &run.id);
        }
        Ok(())
    }

    /// Runs it, and follows it to its end.
    async fn make(
        &self,
        run: &Run,
        aboard: &Aboard,
        writing: &Writing,
        has_parts: &mut bool,
        left: &mut AttemptOutput,
    ) -> End {
        let refused = |type_name: &str, message: String| End::Refused(ScriptError::new(type_name, message));
        let ready = match self.bundles.of(run).await {
            Ok(ready) => ready,
            Err(FilesError::Blob(BlobError::Unavailable(why))) => {
                return End::Postponed(format!("its source cannot be fetched: {why}"));
            }
            // Out of descriptors, say; they come back.
            Err(FilesError::Bundle(error @ BundleError::Memory(_))) => {
                return End::Postponed(format!("its source cannot be made ready: {error}"));
            }
            Err(FilesError::Blob(error @ BlobError::Corrupt(_))) => return refused("SourceCorrupt", error.to_string()),
            Err(FilesError::Blob(error)) => return refused("SourceMissing", error.to_string()),
            Err(error) => return refused("SourceError", error.to_string()),
        };
        let args = match &run.args {
            Value::Inline(text) => text.clone(),
            Value::Blob(key) => match self.tools.blobs.get(key).await {
                Ok(content) => String::from_utf8_lossy(&content).into_owned(),
                Err(BlobError::Unavailable(why)) => {
                    return End::Postponed(format!("its arguments cannot be fetched: {why}"));
                }
                Err(error) => return refused("ArgumentsMissing", error.to_string()),
            },
        };
        let spec = &run.spec;
        let mut network = match self.network(run).await {
            Ok(network) => network,
            Err(error) => return End::Postponed(format!("its grants cannot be read: {error}")),
        };
        let mut given = match self.secrets(run).await {
            Ok(given) => given,
            Err(SecretsError::Store(error)) => return End::Postponed(format!("its secrets cannot be read: {error}")),
            Err(SecretsError::Key(error @ (KeyError::Lost { .. } | KeyError::Tampered(_) | KeyError::None))) => {
                return refused("SecretUnavailable", error.to_string());
            }
            Err(SecretsError::Key(error)) => return End::Postponed(error.to_string()),
        };
        let scrubber = match given.scrubber() {
            Ok(scrubber) => scrubber,
            Err(error) => return refused("SecretUnavailable", error.to_string()),
        };
        if let Some(network) = &mut network {
            network.secrets = std::mem::take(&mut given.placed);
        }
        let mut env = vec![("HOME".to_owned(), "/tmp".to_owned()), ("TMPDIR".to_owned(), "/tmp".to_owned())];
        env.extend(["USER", "LOGNAME"].map(|name| (name.to_owned(), "cronbox".to_owned())));
        env.extend(spec.env.iter().cloned());
        given.put_into(&mut env);
        // A process that dies takes nothing with it, but a run that may start only once.
        let on_lost = match spec.on_lost {
            crate::script::OnLost::Retry => OnLost::Retry,
            crate::script::OnLost::Abandon => OnLost::Report,
        };
        let job = Job::new(ready.bundle, spec.main.clone())
            .with_packages(ready.packages)
            .with_code(ready.code)
            .with_name(run.name.clone())
            .with_entry(spec.entry.clone())
            .with_args(args)
            .with_text_args(spec.text_args.clone())
            .with_argv(spec.argv.clone())
            .with_env(env)
            .with_context(self.context(run))
            .with_result_kind(spec.result)
            .with_network(network.map(Arc::new))
            .with_redactor(scrubber)
            .with_limits(spec.limits)
            .with_on_lost(on_lost);
        let mut running = match self.tools.pool.run(job) {
            Ok(running) => running,
            Err(error @ JobError::OverBudget { .. }) => return refused("OverBudget", error.to_string()),
            Err(error) => return refused("RunRefused", error.to_string()),
        };
        let mut next_part = Instant::now() + PARTS_AFTER;
        let mut kept = BTreeMap::from([("stdout", 0u64), ("stderr", 0u64)]);
        let mut cancelled = false;
        loop {
            tokio::select! {
                event = running.next() => match event {
                    Some(Event::Output { stream, bytes }) => writing.write(stream, &bytes),
                    Some(Event::Restarted) => {
                        writing.restart();
                        *left = AttemptOutput::default();
                        kept.values_mut().for_each(|bytes| *bytes = 0);
                        if *has_parts {
                            let _ = self.tools.store.drop_output(&run.id).await;
                        }
                    }
                    Some(Event::File { path, content }) => left.take(path, content),
                    Some(Event::Call { number, call, request }) => {
                        running.reply(number, self.answer(run, &call, request, left).await);
                    }
                    Some(Event::Done(report)) if report.is_unplaced() => {
                        return End::Postponed(report.error.map(|error| error.message).unwrap_or_default());
                    }
                    Some(Event::Done(mut report)) => {
                        report.notes.append(&mut given.notes);
                        report.notes.extend(left.note());
                        return End::Ended(report);
                    }
                    None => return refused("Crashed", "the pool of sandbox processes ended".into()),
                },
                () = aboard.cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    running.cancel();
                }
                () = tokio::time::sleep_until(next_part) => {
                    *has_parts |= self.keep_parts(run, aboard, writing, &mut kept).await;
                    next_part = Instant::now() + PARTS_AFTER;
                }
            }
        }
    }

    /// Keeps what was written since the last time. Whether anything was.
    async fn keep_parts(
        &self,
        run: &Run,
        aboard: &Aboard,
        writing: &Writing,
        kept: &mut BTreeMap<&'static str, u64>,
    ) -> bool {
        let mut parts = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let start = kept[crate::store::output::word(stream)];
            let bytes = writing.from(stream, start);
            let mut at = start;
            for piece in bytes.chunks(PART) {
                parts.push(Part { stream, start: at, bytes: piece.to_vec() });
                at += piece.len() as u64;
            }
        }
        if parts.is_empty() {
            return false;
        }
        let ends: Vec<_> = parts.iter().map(|part| (part.stream, part.start + part.bytes.len() as u64)).collect();
        // What is not kept now is kept the next time.
        if self.tools.store.keep_output(&run.id, &aboard.token, parts).await.is_ok() {
            for (stream, end) in ends {
                kept.insert(crate::store::output::word(stream), end);
            }
        }
        true
    }

    /// What the script asks of the node.
    async fn answer(
        &self,
        run: &Run,
        call: &HostCall,
        request: String,
        left: &mut AttemptOutput,
    ) -> Result<String, String> {
        let away = |error: StoreError| error.to_string();
        let stateful = run.script.as_ref().filter(|_| run.cause != Cause::Backfill);
        match (call, &run.script) {
            (HostCall::PreviousResult, Some(script)) => {
                match self.tools.store.previous_result(script, run.schedule.as_deref(), &run.id).await.map_err(away)? {
                    None => Ok("null".into()),
                    Some(Value::Inline(text)) => Ok(text),
                    Some(Value::Blob(key)) => {
                        let content = self.tools.blobs.get(&key).await.map_err(|error| error.to_string())?;
                        Ok(String::from_utf8_lossy(&content).into_owned())
                    }
                }
            }
            (HostCall::PreviousResult, None) => Ok("null".into()),
            (HostCall::Upstream, _) => {
                let Some(id) = &run.upstream else { return Ok("null".into()) };
                let upstream = self.tools.store.run(id).await.map_err(away)?;
                Ok(upstream.as_ref().map_or(serde_json::Value::Null, upstream_body).to_string())
            }
            (HostCall::State, _) => {
                let Some(script) = stateful else { return Ok("{}".into()) };
                let state = self.tools.store.state(script).await.map_err(away)?;
                left.read = state.as_ref().map_or(0, |state| state.revision);
                Ok(state.map_or_else(|| "{}".into(), |state| state.value))
            }
            (HostCall::SetState, _) => {
                let state = check_state(&request)?;
                if stateful.is_some() {
                    left.state = Some(state);
                    return Ok("null".into());
                }
                let what = if run.script.is_none() { "source that was sent along" } else { "a backfill" };
                Ok(json!(format!("context.state was changed, and is not kept: {what} reads none and writes none"))
                    .to_string())
            }
            (HostCall::Stdin, _) => {
                run.spec.stdin.as_ref().map_or_else(|| Ok(stdin::nothing()), |stdin| stdin.part(&request))
            }
            (HostCall::Other(word), _) => Err(format!("this server knows no {word}")),
        }
    }

    fn context(&self, run: &Run) -> String {
        let started = run.started_at.unwrap_or_else(|| self.tools.clock.now());
        let deadline = after(started, run.spec.limits.wall);
        json!({
            "run_id": run.id,
            "script": run.name,
            "version": run.version,
            "schedule": run.spec.schedule,
            "cause": run.cause,
            "attempt": run.attempt,
            "lost_attempts": run.lost,
            "fire_time": run.fire_time.map(rfc3339),
            "scheduled_at": rfc3339(run.run_at),
            "started_at": rfc3339(started),
            "deadline": rfc3339(deadline),
            "timezone": run.spec.timezone,
            "labels": run.labels,
        })
        .to_string()
    }

    /// The record of an attempt; large values are in the blob store when this returns.
    async fn compose(
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
            result,
            result_kind: report.result_kind,
            error,
            notes: report.notes.clone(),
            fuel: report.usage.fuel,
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

    /// What the run may reach: what it asks for, as far as it is granted now. None: nothing.
    async fn network(&self, run: &Run) -> Result<Option<NetworkGrant>, StoreError> {
        let asked = &run.spec.allow;
        if asked.is_empty() {
            return Ok(None);
        }
        let mut granted = match &run.script {
            Some(key) => self.tools.store.granted_hosts(key).await?,
            None => GrantedHosts::default(),
        };
        granted.hosts.extend(run.spec.allowed.iter().cloned());
        Ok(Some(NetworkGrant {
            policy: Policy::in_force(asked, &granted.hosts, &self.tools.hosts),
            networks: self.tools.networks.clone(),
            unverified: granted.unverified,
            ..NetworkGrant::default()
        }))
    }

    /// The secrets that the run asks for, as far as they are granted to its script now.
    async fn secrets(&self, run: &Run) -> Result<AttemptSecrets, SecretsError> {
        let asked = run.spec.secrets.as_deref();
        let mut given = AttemptSecrets::default();
        let granted = match &run.script {
            Some(key) if asked.is_none_or(|asked| !asked.is_empty()) => {
                let granted = self.tools.store.secrets_of(key).await?;
                let labels = if granted.iter().all(|secret| secret.terms.are_for(key, &Labels::new())) {
                    Labels::new()
                } else {
                    // Those of the script, and not of the run, which whoever starts it may choose.
                    self.tools.store.script(key).await?.map(|script| script.in_force().labels).unwrap_or_default()
                };
                granted.into_iter().filter(|secret| secret.terms.are_for(key, &labels)).collect()
            }
            _ => Vec::new(),
        };
        let given_now: Vec<&Secret> =
            granted.iter().filter(|secret| asked.is_none_or(|asked| asked.contains(&secret.name))).collect();
        if !given_now.is_empty() {
            let keyring = self.tools.keyring.clone();
            let keys = tokio::task::spawn_blocking(move || keyring.keys()).await;
            let keys = keys.unwrap_or_else(|error| Err(KeyError::File(error.to_string())))?;
            for secret in given_now {
                let value = match keys.open(secret) {
                    // It may have been sealed anew, and its key forgotten, since it was read.
                    Err(KeyError::Lost { .. }) => match self.tools.store.secret(&secret.name).await? {
                        Some(now) if now.terms == secret.terms => self.tools.keyring.keys()?.open(&now)?,
                        _ => continue,
                    },
                    opened => opened?,
                };
                given.add(&secret.name, &secret.terms, value).map_err(|_| KeyError::NoRandomness)?;
            }
        }
        for name in asked.unwrap_or_default().iter().filter(|name| granted.iter().all(|secret| secret.name != **name)) {
            given.notes.push(match (&run.script, self.tools.store.secret(name).await?) {
                (None, _) => format!("the secret {name} is not there: only scripts that are saved have secrets"),
                (Some(_), None) => format!(
                    "the script asks for the secret {name}, which is not there: cronbox secret set {name} --host HOST --script {}",
                    run.name
                ),
                (Some(_), Some(_)) => format!(
                    "the script asks for the secret {name}, which it was not granted: cronbox grant {} --secret {name}",
                    run.name
                ),
            });
        }
        Ok(given)
    }

    /// The same with what the attempt leaves, which is in the blob store when this returns.
    async fn with_left(&self, mut ended: Ended, left: &AttemptOutput, now: Time) -> Result<Ended, Unrecorded> {
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
    async fn postpone(&self, run: &Run, aboard: &Aboard, reason: String) {
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

/// What a file looks like: by its first bytes; text, which has none of its own, by its name.
fn media_type(path: &str, content: &[u8]) -> &'static str {
    if let Some(kind) = infer::get(content) {
        return kind.mime_type();
    }
    if std::str::from_utf8(content).is_err() {
        return "application/octet-stream";
    }
    match path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" | "geojson" => "application/json",
        "md" => "text/markdown",
        "svg" => "image/svg+xml",
        "xml" => "application/xml",
        _ => "text/plain",
    }
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn files_are_known_by_their_content_and_then_by_their_names() {
        for (path, content, wanted) in [
            ("chart.txt", &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            ("a.csv", b"a,b\n1,2\n", "text/csv"),
            ("A.JSON", b"{}", "application/json"),
            ("notes", "Zeit: 5 µs".as_bytes(), "text/plain"),
            ("a.csv", b"\xff\xfe\xfd", "application/octet-stream"),
            ("empty", b"", "text/plain"),
        ] {
            assert_eq!(media_type(path, content), wanted, "{path}");
        }
    }
}
