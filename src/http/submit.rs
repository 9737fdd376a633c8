//! From a request to a run: what holds for it, and waiting for its end.

use super::carry_out::client_gone;
use super::options::RunOptions;
use super::problem::Problem;
use super::{App, body};
use crate::access::Caller;
use crate::api::RunBody;
use crate::blobs::{Blobs, Kind};
use crate::clock::Time;
use crate::exact::Exact;
use crate::limits::{self, NotGranted, RequestedLimits};
use crate::plan::RunFiles;
use crate::publish::{keep_blob, keep_value};
use crate::run::{Claim, GivenUp, Idempotency, Made, NewRun, Run, Status, Value};
use crate::script::Settings;
use crate::signals::Dispatched;
use crate::store::output::Found;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use cronbox_runtime::limits::LimitName;
use cronbox_runtime::{Limits, Stream};
use std::time::Duration;
use tokio::sync::watch;

/// How soon a run is looked at without a signal, and how often when that goes on: a signal that was lost costs time, and
/// many who wait cost the database little.
const LOOK: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(2);

impl App {
    /// The run that was asked for, and what was asked for and not granted.
    pub(super) async fn new_run(
        &self,
        caller: &Caller,
        options: RunOptions,
        files: RunFiles,
        settings: &Settings,
        now: Time,
    ) -> Result<(NewRun, Vec<NotGranted>), Problem> {
        Self::check_priority(caller, Some(options.priority), None)?;
        let asked = options.limits.or(&settings.limits.asked()?);
        let granted = self.granted(caller, files.script.as_deref(), &asked, &self.rules.runs.defaults).await?;
        let defaults = self.rules.runs.defaults;
        let (mut new, mut refused) = self.rules.runs.run(files, settings, asked, &granted, &defaults, now);
        self.check_limits(&new.spec.limits)?;
        if new.script.is_none() && Self::grants_itself(caller) {
            new.spec.allowed = new.spec.allow.clone();
        }
        if new.script.is_none() {
            refused.extend(self.rules.runs.hosts_refused(&new.spec.allow, &new.spec.allowed));
            refused.extend(new.spec.secrets.iter().flatten().map(|name| NotGranted {
                what: "secrets".into(),
                asked: name.clone(),
                in_force: "not there: only scripts that are saved have secrets".into(),
            }));
        }
        new.labels.extend(options.labels);
        new.labels = body::labels(Some(new.labels))?;
        new.args = keep_value(&self.store, &self.blobs, options.args, now).await?;
        new.spec.entry = options.entry.or(new.spec.entry);
        (new.spec.text_args, new.spec.argv) = (options.text_args, options.argv);
        new.spec.stdin = options.stdin;
        (new.run_at, new.priority) = (options.run_at, options.priority);
        (new.created_by, new.bounded) = (caller.id().map(str::to_owned), true);
        Ok((new, refused))
    }

    /// What of these limits above the defaults a caller, or whoever granted it to the script, allows.
    pub(super) async fn granted(
        &self,
        caller: &Caller,
        script: Option<&str>,
        asked: &RequestedLimits,
        defaults: &Limits,
    ) -> Result<RequestedLimits, Problem> {
        let above = asked.above(defaults);
        if above == RequestedLimits::default() {
            return Ok(above);
        }
        if Self::grants_itself(caller) {
            return Ok(above);
        }
        match script {
            Some(key) => Ok(self.store.granted_limits(key).await?),
            None => Ok(RequestedLimits::default()),
        }
    }

    pub(super) fn check_limits(&self, limits: &Limits) -> Result<(), Problem> {
        let field = |name: LimitName| match name {
            LimitName::Fuel => "limits.fuel",
            LimitName::Memory => "limits.memory",
            LimitName::Timeout => "limits.timeout",
            LimitName::Output => "limits.output",
            LimitName::Result | LimitName::Files => "limits",
        };
        limits.check(self.rules.runs.interpreter_memory).map_err(|error| {
            use cronbox_runtime::limits::LimitError::{AboveCeiling, BelowInterpreter, Zero};
            let at = match error {
                Zero(name) | AboveCeiling { name, .. } => field(name),
                BelowInterpreter { .. } => "limits.memory",
            };
            Problem::invalid(at, limits::sentence(&error, |name| field(name).to_owned()))
        })
    }

    /// Keeps content as a blob; its key.
    pub(super) async fn put_blob(&self, kind: Kind, content: Bytes, now: Time) -> Result<String, Problem> {
        let (key, _) = Blobs::name(kind, &content);
        keep_blob(&self.store, &self.blobs, &key, content, now).await?;
        Ok(key)
    }

    /// Makes the run, and answers: at once, or when it has ended.
    pub(super) async fn launch(
        &self,
        new: NewRun,
        shown: Shown,
        request: Option<Idempotency>,
        wait: Option<Duration>,
        now: Time,
    ) -> Result<Response, Problem> {
        let id = new.id.clone();
        let end = wait.map(|_| self.signals.watch_end(&id));
        // Registered before the run is made: its end cannot be missed.
        let mut notified = std::pin::pin!(end.as_ref().map(crate::signals::EndWatch::notified));
        if let Some(notified) = notified.as_mut().as_pin_mut() {
            notified.enable();
        }
        // From here to the hand-over the run is this code's alone. What ends it in between, a panic or a database whose answer
        // is lost, closes the claim: the worker then gives the run back.
        let slot = match &self.node {
            Some(node) if new.run_at.is_none_or(|at| at <= now) => {
                let slot = self.signals.slots.clone().try_acquire_owned().ok();
                slot.map(|slot| (slot, self.signals.open_claim(), node.clone()))
            }
            _ => None,
        };
        let claim = slot.as_ref().map(|(_, open, node)| Claim { node: node.clone(), token: open.token().to_owned() });
        let timed = new.run_at.is_some_and(|at| at > now);
        let dispatched = claim.is_some().then(|| Box::new(new.as_begun(now)));
        let made = self.store.make_run(new, request, claim, self.rules.queue_bound, now).await?;
        match made {
            Made::Claimed => {
                if let (Some((slot, claim, _)), Some(run)) = (slot, dispatched)
                    && let Err(unsent) = self.signals.dispatch(Dispatched { run, claim, slot })
                {
                    // The worker ended meanwhile: the run waits for another, or for this node's next start.
                    let token = unsent.claim.token();
                    self.store.give_up(&id, token, GivenUp::HandedBack, self.clock.now()).await?;
                }
            }
            Made::Waits if timed => self.signals.timed.notify_one(),
            Made::Waits => {
                drop(slot);
                self.signals.notify_queued();
            }
            Made::Again(earlier) => {
                drop(slot);
                let mut response = match wait {
                    Some(wait) => self.wait_for(&earlier, wait, shown.output).await?,
                    None => self.answer(&earlier, StatusCode::OK, Shown::output(shown.output)).await?,
                };
                response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
                return Ok(response);
            }
            Made::KeyReused => {
                let detail = "this Idempotency-Key came with another request in the last 24 hours";
                return Err(Problem::conflict("idempotency_key_reused", detail));
            }
            Made::QueueFull => {
                let detail = format!("{} runs are waiting, and no more are taken", self.rules.queue_bound);
                return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", detail).retry_after(5));
            }
            Made::NoScript => return Err(Problem::script_gone()),
        }
        let Some(wait) = wait else { return self.answer(&id, StatusCode::CREATED, shown).await };
        let mut no_room = self.no_room();
        let deadline = tokio::time::Instant::now() + wait;
        if let Some(notified) = notified.as_pin_mut() {
            tokio::select! {
                () = notified => {}
                () = client_gone() => {}
                () = no_room.changed() => {}
                () = tokio::time::sleep_until(deadline.min(tokio::time::Instant::now() + LOOK)) => {}
            }
        }
        if let Some(run) = end.as_ref().and_then(crate::signals::EndWatch::run) {
            return self.answer_run(run, StatusCode::OK, shown).await;
        }
        self.wait_until(&id, deadline, no_room, shown).await
    }

    /// Waits for a run's end.
    pub(super) async fn wait_for(&self, id: &str, wait: Duration, output: u64) -> Result<Response, Problem> {
        self.wait_until(id, tokio::time::Instant::now() + wait, self.no_room(), Shown::output(output)).await
    }

    async fn wait_until(
        &self,
        id: &str,
        deadline: tokio::time::Instant,
        mut no_room: NoRoom,
        shown: Shown,
    ) -> Result<Response, Problem> {
        let end = self.signals.watch_end(id);
        let (mut is_gone, mut look) = (false, LOOK);
        loop {
            let mut notified = std::pin::pin!(end.notified());
            notified.as_mut().enable();
            let Some(run) = self.store.run(id).await? else {
                return Err(Problem::not_found("no_such_run", "the run is gone"));
            };
            let now = tokio::time::Instant::now();
            if run.status.is_final() || now >= deadline || is_gone {
                let status = if run.status.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
                return self.answer_run(&run, status, shown).await;
            }
            if no_room.found {
                return Err(Problem::no_room_for_end(id));
            }
            tokio::select! {
                () = notified => {}
                () = client_gone() => is_gone = true,
                () = no_room.changed() => {}
                () = tokio::time::sleep_until(deadline.min(now + look)) => {}
            }
            look = (look * 2).min(LATER);
        }
    }

    /// Tells of the database or the blobs finding no room from now on.
    fn no_room(&self) -> NoRoom {
        NoRoom { of: [self.store.fullness().watch(), self.blobs.fullness().watch()], found: false }
    }

    /// The run as it is now.
    pub(super) async fn answer(&self, id: &str, status: StatusCode, shown: Shown) -> Result<Response, Problem> {
        match self.store.run(id).await? {
            Some(run) => self.answer_run(&run, status, shown).await,
            None => Err(Problem::not_found("no_such_run", "the run is gone")),
        }
    }

    /// A run as an answer, with its large values.
    pub(super) async fn answer_run(&self, run: &Run, status: StatusCode, shown: Shown) -> Result<Response, Problem> {
        let mut body = self.run_body(run).await?;
        body.not_granted = shown.refused;
        if shown.output > 0 {
            body.stdout.text = self.first_output(&run.id, Stream::Stdout, body.stdout.bytes, shown.output).await?;
            body.stderr.text = self.first_output(&run.id, Stream::Stderr, body.stderr.bytes, shown.output).await?;
        }
        let mut response = self.answers.run(status, &body).await?;
        if matches!(status, StatusCode::CREATED | StatusCode::ACCEPTED)
            && let Ok(place) = HeaderValue::from_str(&format!("/v1/runs/{}", run.id))
        {
            response.headers_mut().insert(header::LOCATION, place);
        }
        Ok(response)
    }

    /// A run with all its values.
    pub(super) async fn run_body(&self, run: &Run) -> Result<RunBody, Problem> {
        let args = self.value(Some(&run.args)).await?;
        let result = self.value(run.result.as_ref()).await?;
        let mut body = RunBody::new(run, args, result);
        if run.status == Status::Running
            && let Some(live) = self.live.find(&run.id)
        {
            (body.stdout.bytes, body.stderr.bytes) = live.lengths();
        }
        Ok(body)
    }

    /// The beginning of what a run wrote, of so many bytes: at most `most` of them.
    async fn first_output(&self, id: &str, stream: Stream, bytes: u64, most: u64) -> Result<Option<String>, Problem> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let content = match self.live.find(id) {
            _ if bytes == 0 => Vec::new(),
            Some(live) => live.piece(stream, 0, most),
            None => match self.store.output(id, stream).await?.map(|found| found.found) {
                None => Vec::new(),
                Some(Found::Bytes(bytes)) => bytes,
                Some(Found::Blob(key)) => self.blobs.get(&key).await?.to_vec(),
            },
        };
        let kept = content.get(..most).unwrap_or(&content);
        let mut text = String::from_utf8_lossy(kept).into_owned();
        if (kept.len() as u64) < bytes && text.ends_with('\u{fffd}') {
            // A character that the bound has cut.
            text.pop();
        }
        Ok(Some(text))
    }

    async fn value(&self, value: Option<&Value>) -> Result<Exact, Problem> {
        match value {
            None => Ok(Exact::default()),
            Some(Value::Inline(text)) => stored(text.as_bytes()),
            Some(Value::Blob(key)) => stored(&self.blobs.get(key).await?),
        }
    }
}

/// JSON that was checked when it was kept: if it is none now, what is kept was damaged, and nothing stands in for it.
pub(super) fn stored(text: &[u8]) -> Result<Exact, Problem> {
    Exact::from_slice(text).map_err(|error| {
        tracing::error!(%error, "a stored value is not JSON");
        let detail = "a value that is stored is damaged: it is not JSON any more; the server's log says more";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "corrupt_value", detail)
    })
}

/// Whether the database or the blobs found no room since somebody waits.
struct NoRoom {
    of: [watch::Receiver<u64>; 2],
    found: bool,
}

impl NoRoom {
    /// Ends when they find none.
    async fn changed(&mut self) {
        let [store, blobs] = &mut self.of;
        // Who would tell of it lives as long as the node.
        tokio::select! {
            _ = store.changed() => {}
            _ = blobs.changed() => {}
        }
        self.found = true;
    }
}

/// What an answer shows of a run beside the run itself.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// What was asked for and not granted.
    pub(super) refused: Vec<NotGranted>,
    /// How many bytes of each stream at most.
    pub(super) output: u64,
}

impl Shown {
    /// So much of what it wrote.
    pub(super) fn output(output: u64) -> Self {
        Shown { refused: Vec::new(), output }
    }
}
