//! One attempt at a run: from its files to its record.

mod grants;
mod output;
mod record;
mod traces;

use super::sources::FilesError;
use super::{Aboard, Worker};
use crate::blobs::BlobError;
use crate::clock::{after, rfc3339};
use crate::keyring::KeyError;
use crate::live_output::Writing;
use crate::ping::Ping;
use crate::publish;
use crate::run::{BLOBS_AWAY, Cause, Run, Value, upstream_body};
use crate::script::{Labels, check_state};
use crate::stdin;
use crate::store::StoreError;
use crate::store::output::Part;
use cronbox_runtime::report::ScriptError;
use cronbox_runtime::{BundleError, Event, HostCall, Job, JobError, OnLost, Report, Stream, environment};
use grants::SecretsError;
use output::AttemptOutput;
use record::{FIRST_PAUSE, Unrecorded};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A run shorter than this keeps no parts of its output.
const PARTS_AFTER: Duration = Duration::from_millis(250);
/// The largest part.
const PART: usize = 64 << 10;

/// What a script finds in `context`, in the order of the names.
#[derive(serde::Serialize)]
struct Context<'a> {
    attempt: u32,
    cause: Cause,
    deadline: String,
    fire_time: Option<String>,
    labels: &'a Labels,
    lost_attempts: u32,
    run_id: &'a str,
    schedule: Option<&'a str>,
    scheduled_at: String,
    script: &'a str,
    started_at: String,
    timezone: &'a str,
    traceparent: Option<String>,
    version: Option<i64>,
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
        let writing = self.tools.live.begin(&run.id, run.attempt);
        let started = run.started_at.unwrap_or(run.created_at);
        let lateness = (started - run.run_at).to_std().unwrap_or_default();
        self.tools.metrics.started(lateness);
        if let Some(ping) = Ping::started(run) {
            self.tools.signals.pings.tell(ping);
        }
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
                    Ok(recorded) => {
                        if let Some(ended) = recorded {
                            self.trace_attempt(run, &ended, report.as_deref(), now);
                        }
                        return;
                    }
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

    /// What the sandbox is given, and what the user should know of it. The error is how the attempt ends instead.
    async fn job(&self, run: &Run, aboard: &Aboard) -> Result<(Job, Vec<String>), End> {
        let refused = |type_name: &str, message: String| End::Refused(ScriptError::new(type_name, message));
        let ready = match self.bundles.of(run).await {
            Ok(ready) => ready,
            Err(FilesError::Blob(BlobError::Unavailable(why))) => {
                return Err(End::Postponed(format!("{}: {why}", BLOBS_AWAY[0])));
            }
            // Out of descriptors, say; they come back.
            Err(FilesError::Bundle(error @ BundleError::Memory(_))) => {
                return Err(End::Postponed(format!("its source cannot be made ready: {error}")));
            }
            Err(FilesError::Blob(error @ BlobError::Corrupt(_))) => {
                return Err(refused("SourceCorrupt", error.to_string()));
            }
            Err(FilesError::Blob(error)) => return Err(refused("SourceMissing", error.to_string())),
            Err(error) => return Err(refused("SourceError", error.to_string())),
        };
        let args = match &run.args {
            Value::Inline(text) => text.clone(),
            Value::Blob(key) => match self.tools.blobs.get(key).await {
                Ok(content) => String::from_utf8_lossy(&content).into_owned(),
                Err(BlobError::Unavailable(why)) => {
                    return Err(End::Postponed(format!("{}: {why}", BLOBS_AWAY[1])));
                }
                Err(error) => return Err(refused("ArgumentsMissing", error.to_string())),
            },
        };
        let spec = &run.spec;
        let mut network = match self.network(run).await {
            Ok(network) => network,
            Err(error) => return Err(End::Postponed(format!("its grants cannot be read: {error}"))),
        };
        let mut given = match self.secrets(run, aboard.may_have_secrets).await {
            Ok(given) => given,
            Err(SecretsError::Store(error)) => {
                return Err(End::Postponed(format!("its secrets cannot be read: {error}")));
            }
            Err(SecretsError::Key(error @ (KeyError::Lost { .. } | KeyError::Tampered(_) | KeyError::None))) => {
                return Err(refused("SecretUnavailable", error.to_string()));
            }
            Err(SecretsError::Key(error)) => return Err(End::Postponed(error.to_string())),
        };
        let scrubber = match given.scrubber() {
            Ok(scrubber) => scrubber,
            Err(error) => return Err(refused("SecretUnavailable", error.to_string())),
        };
        if let Some(network) = &mut network {
            network.secrets = std::mem::take(&mut given.placed);
        }
        let mut env = environment();
        env.extend(spec.env.iter().cloned());
        given.put_into(&mut env);
        // A process that dies takes nothing with it, but a run that may start only once.
        let on_lost = match spec.on_lost {
            crate::script::OnLost::Retry => OnLost::Retry,
            crate::script::OnLost::Abandon => OnLost::Report,
        };
        let job = Job::new(ready.bundle, spec.main.clone())
            .with_packages(ready.packages)
            .with_subject(
                run.script.as_deref().zip(run.version).map(|(script, version)| publish::image_subject(script, version)),
            )
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
        Ok((job, std::mem::take(&mut given.notes)))
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
        let (job, mut notes) = match self.job(run, aboard).await {
            Ok(job) => job,
            Err(end) => return end,
        };
        let mut running = match self.tools.pool.run(job) {
            Ok(running) => running,
            Err(error @ JobError::OverBudget { .. }) => return refused("OverBudget", error.to_string()),
            Err(error) => return refused("RunRefused", error.to_string()),
        };
        // Many runs wait for long and write nothing: they are not looked at.
        let (mut next_part, mut has_written) = (Instant::now() + PARTS_AFTER, false);
        let mut kept = BTreeMap::from([("stdout", 0u64), ("stderr", 0u64)]);
        let mut cancelled = false;
        loop {
            tokio::select! {
                event = running.next() => match event {
                    Some(Event::Output { stream, bytes }) => {
                        writing.write(stream, &bytes);
                        if !std::mem::replace(&mut has_written, true) {
                            next_part = next_part.max(Instant::now() + PARTS_AFTER);
                        }
                    }
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
                        report.notes.append(&mut notes);
                        report.notes.extend(left.note());
                        return End::Ended(report);
                    }
                    None => return refused("Crashed", "the pool of sandbox processes ended".into()),
                },
                () = aboard.cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    running.cancel();
                }
                () = tokio::time::sleep_until(next_part), if has_written => {
                    // What was not kept this time is looked for once more.
                    has_written = self.keep_parts(run, aboard, writing, &mut kept).await;
                    *has_parts |= has_written;
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
        let context = Context {
            attempt: run.attempt,
            cause: run.cause,
            deadline: rfc3339(deadline),
            fire_time: run.fire_time.map(rfc3339),
            labels: &run.labels,
            lost_attempts: run.lost,
            run_id: &run.id,
            schedule: run.spec.schedule.as_deref(),
            scheduled_at: rfc3339(run.run_at),
            script: &run.name,
            started_at: rfc3339(started),
            timezone: &run.spec.timezone,
            traceparent: self.context_of_attempt(run).map(|context| context.to_string()),
            version: run.version,
        };
        // Text and numbers can always be written.
        serde_json::to_string(&context).unwrap_or_default()
    }
}
