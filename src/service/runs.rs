//! Runs: planned for a script or for source in a request, cancelled, made again, deleted.

use super::check_args::check_args;
use super::reach::check_priority;
use super::text::check_labels;
use super::{Service, ServiceError};
use crate::access::{Caller, Scope};
use crate::blobs::{Blobs, Kind};
use crate::clock::Time;
use crate::limits::{NotGranted, RequestedLimits};
use crate::metadata;
use crate::plan::RunFiles;
use crate::publish::{keep_blob, keep_value};
use crate::run::{Cancelled, Cause, INLINE, NewRun, PRIORITIES, Run, Spec, Status, new_id};
use crate::script::{Labels, Name, Script, Settings, check_entry};
use crate::source_files::{Sources, is_archive};
use crate::stdin::Stdin;
use bytes::Bytes;
use chrono::TimeDelta;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The furthest time a run can be put off to.
const FURTHEST: TimeDelta = TimeDelta::days(3660);
/// Most words of `argv`, and most bytes of all of them.
const MOST_ARGV: (usize, usize) = (1000, 64 << 10);

/// What is asked of a run beside the script.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Arguments: a JSON object or array, as [`super::arguments`] leaves it.
    pub args: String,
    /// `sys.argv[1:]`.
    pub argv: Vec<String>,
    /// Which arguments were given as text on a command line.
    pub text_args: Vec<String>,
    /// Another version than the one in force.
    pub version: Option<i64>,
    /// Limits that are asked for.
    pub limits: RequestedLimits,
    /// Runs of a higher one start first; above 0 it needs the scope `grant`.
    pub priority: i64,
    /// Not before this time.
    pub run_at: Option<Time>,
    /// Words to find it by.
    pub labels: Labels,
    /// What to call instead of what the script says.
    pub entry: Option<String>,
    /// Standard input.
    pub stdin: Option<Stdin>,
}

/// Refuses a priority that no run can have.
pub(crate) fn check_priority_range(priority: i64) -> Result<(), ServiceError> {
    if PRIORITIES.contains(&priority) {
        return Ok(());
    }
    let detail = format!("priority is between {} and {}", PRIORITIES.start(), PRIORITIES.end());
    Err(ServiceError::invalid("priority", detail))
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            args: "{}".into(),
            argv: Vec::new(),
            text_args: Vec::new(),
            version: None,
            limits: RequestedLimits::default(),
            priority: 0,
            run_at: None,
            labels: Labels::new(),
            entry: None,
            stdin: None,
        }
    }
}

impl RunOptions {
    /// Refuses what no run can have.
    fn check(&self, now: Time) -> Result<(), ServiceError> {
        let (words, bytes) = MOST_ARGV;
        if self.argv.len() > words || self.argv.iter().map(String::len).sum::<usize>() > bytes {
            let detail = format!("argv has at most {words} words and {} KiB", bytes >> 10);
            return Err(ServiceError::too_large(detail).field("argv"));
        }
        check_priority_range(self.priority)?;
        if self.run_at.is_some_and(|time| time > now + FURTHEST) {
            return Err(ServiceError::invalid("run_at", "run_at is at most ten years ahead"));
        }
        if let Some(entry) = &self.entry {
            check_entry(entry).map_err(|why| ServiceError::invalid("entry", why))?;
        }
        if let Some(stdin) = &self.stdin {
            stdin.check().map_err(|why| ServiceError::invalid("stdin", why.to_string()))?;
        }
        check_labels(&self.labels)
    }
}

/// A run that can be submitted, and what was asked for and not granted.
pub type PlannedRun = (NewRun, Vec<NotGranted>);

impl Service {
    /// A run of a saved script.
    ///
    /// # Errors
    /// An option or a limit cannot be; the script has no such version; its priority needs the scope `grant`; it is linked,
    /// and its origin cannot be read.
    pub async fn run_of_script(
        &self,
        caller: &Caller,
        script: Script,
        options: RunOptions,
        now: Time,
    ) -> Result<PlannedRun, ServiceError> {
        options.check(now)?;
        let script = self.linker.fresh(script, now).await?;
        let version = self.version_of(&script, options.version).await?;
        let settings = script.settings.or(&version.table);
        check_args((&script.name, &version), &settings, options.entry.as_deref(), &options.args)?;
        self.plan_run(caller, options, RunFiles::of(&script, &version), &settings, now).await
    }

    /// A run of source that is not saved: `asked` are the settings that the request names beside those of its block.
    ///
    /// # Errors
    /// The source, its block, an option, a setting or a limit cannot be; its packages are not available.
    pub async fn run_of_source(
        &self,
        caller: &Caller,
        (name, source): (&Name, Bytes),
        asked: Settings,
        options: RunOptions,
        now: Time,
    ) -> Result<PlannedRun, ServiceError> {
        options.check(now)?;
        if source.is_empty() {
            return Err(ServiceError::malformed("empty_source", "there is no source to run").field("source"));
        }
        if is_archive(&source) {
            return Err(ServiceError::invalid("source", "an archive cannot be sent as text; save it as a script"));
        }
        let sources = Sources::one(name.as_str(), source)?;
        let table = metadata::read(sources.source())?.cronbox;
        let settings = asked.or(&table);
        settings.check().map_err(|(field, why)| ServiceError::invalid(field, why))?;
        let (blob, source) = if sources.source().len() <= INLINE {
            (None, Some(sources.source().to_vec()))
        } else {
            (Some(self.put_blob(Kind::Source, sources.source().clone(), now).await?), None)
        };
        let settings = Settings { concurrency: None, heartbeat: None, ..settings };
        let packages = self.linker.keeper().packages_sent(&sources, now).await?.map(|packages| packages.blob);
        let (name, main) = (name.as_str().to_owned(), sources.main.clone());
        let files = RunFiles { script: None, name, version: None, blob, code: None, packages, main, source };
        self.plan_run(caller, options, files, &settings, now).await
    }

    async fn plan_run(
        &self,
        caller: &Caller,
        options: RunOptions,
        files: RunFiles,
        settings: &Settings,
        now: Time,
    ) -> Result<PlannedRun, ServiceError> {
        check_priority(caller, Some(options.priority), None)?;
        let asked = options.limits.or(&settings.limits.asked()?);
        let granted = self.granted(caller, files.script.as_deref(), &asked, &self.policy.defaults).await?;
        let defaults = self.policy.defaults;
        let (limits, mut refused) = asked.in_force(&granted, &defaults, &self.policy.ceiling);
        let mut new = self.policy.run(files, settings, (limits, asked), now);
        self.check_limits(&new.spec.limits)?;
        if new.script.is_none() && caller.grants_itself() {
            new.spec.allowed = new.spec.allow.clone();
        }
        if new.script.is_none() {
            refused.extend(self.policy.hosts_refused(&new.spec.allow, &new.spec.allowed));
            refused.extend(new.spec.secrets.iter().flatten().map(|name| NotGranted {
                what: "secrets".into(),
                asked: name.clone(),
                in_force: "not there: only scripts that are saved have secrets".into(),
                grantable: false,
            }));
        }
        new.labels.extend(options.labels);
        check_labels(&new.labels)?;
        new.args = keep_value(&self.store, &self.blobs, options.args, now).await?;
        new.spec.entry = options.entry.or(new.spec.entry);
        (new.spec.text_args, new.spec.argv) = (options.text_args, options.argv);
        new.spec.stdin = options.stdin;
        (new.run_at, new.priority) = (options.run_at, options.priority);
        (new.created_by, new.bounded) = (caller.id().map(str::to_owned), true);
        Ok((new, refused))
    }

    /// Keeps content as a blob; its key.
    async fn put_blob(&self, kind: Kind, content: Bytes, now: Time) -> Result<String, ServiceError> {
        let (key, _) = Blobs::name(kind, &content);
        keep_blob(&self.store, &self.blobs, &key, content, now).await?;
        Ok(key)
    }

    /// A new run like one that has ended: with the same source, arguments and limits.
    ///
    /// # Errors
    /// The run is not there, the caller cannot see it, or it has not ended; a run of source needs the scope `exec`.
    pub async fn run_again(&self, caller: &Caller, id: &str, now: Time) -> Result<NewRun, ServiceError> {
        let run = self.run_for(caller, id).await?;
        if run.script.is_none() && !caller.has(Scope::Exec) {
            let detail = "source of a request is run again with the scope exec";
            return Err(ServiceError::forbidden("missing_scope", detail));
        }
        if !run.status.is_final() {
            let detail = format!("the run has not ended: it is {}", run.status);
            return Err(ServiceError::conflict("run_is_not_final", detail));
        }
        let source = match (&run.script, &run.spec.blob) {
            (None, None) => self.store.run_source(&run.id).await?,
            _ => None,
        };
        // It is for no fire time, and nothing waits for it.
        let spec = Spec { gated: false, pause_after: None, chain_cause: None, ..run.spec };
        Ok(NewRun {
            script: run.script,
            version: run.version,
            cause: Cause::Retry,
            // What was allowed to whoever asked for the other is not allowed to everybody.
            priority: if caller.grants_itself() { run.priority } else { run.priority.min(0) },
            source,
            args: run.args,
            labels: run.labels,
            retry_of: Some(run.id),
            created_by: caller.id().map(str::to_owned),
            bounded: true,
            ..NewRun::new(new_id(now), run.name, spec)
        })
    }

    /// Cancels a run: one that has not begun never will; one under way is told to stop, and waited for. The run as it is
    /// then.
    ///
    /// # Errors
    /// The run is not there, the caller cannot see it, or it has ended otherwise.
    pub async fn cancel_run(
        &self,
        caller: &Caller,
        id: &str,
        wait: Duration,
        gone: &CancellationToken,
    ) -> Result<Run, ServiceError> {
        let run = self.run_for(caller, id).await?;
        match self.store.cancel(&run.id, "cancelled", self.clock.now()).await? {
            Cancelled::Done => {
                self.signals.notify_ended(&run.id);
                self.signals.notify_queued();
            }
            Cancelled::Asked(_) => {
                self.signals.notify_cancel(&run.id);
                return self.wait_for_end(&run.id, wait, gone).await;
            }
            Cancelled::Final(Status::Cancelled) => {}
            Cancelled::Final(status) => {
                return Err(ServiceError::conflict("run_is_final", format!("the run has ended already: {status}")));
            }
            Cancelled::Unknown => return Err(ServiceError::run_gone()),
        }
        self.store.run(&run.id).await?.ok_or_else(ServiceError::run_gone)
    }

    /// Deletes a run that has ended, with its arguments, result, output and files.
    ///
    /// # Errors
    /// The run is not there, the caller cannot see it, or it has not ended.
    pub async fn delete_run(&self, caller: &Caller, id: &str) -> Result<(), ServiceError> {
        let run = self.run_for(caller, id).await?;
        if !run.status.is_final() {
            let (status, id) = (run.status, &run.id);
            let detail = format!("the run has not ended: it is {status}; cancel it first: POST /v1/runs/{id}/cancel");
            return Err(ServiceError::conflict("run_is_not_final", detail));
        }
        self.store.delete_runs(vec![run.id], self.clock.now()).await?;
        Ok(())
    }
}
