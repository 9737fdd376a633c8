//! Runs: asking for one, looking at it, cancelling it, trying it again.

use super::App;
use super::Part;
use super::body::{self, Fields, Query, settings_of};
use super::described_fields::fields;
use super::endpoints::{Endpoints, Need};
use super::options::{RunOptions, idempotency, output_of, wait_of};
use super::problem::Problem;
use super::requests::{RunRequest, SourceRequest};
use super::submit::Shown;
use super::upload::{is_stripped_form, json_as_source, kind_of, line_breaks_stripped, looks_like_json};
use crate::access::{Caller, Scope};
use crate::api::RunBody;
use crate::blobs::Kind;
use crate::clock::Clock;
use crate::metadata;
use crate::plan::RunFiles;
use crate::run::{Cancelled, Cause, INLINE, NewRun, Run, Spec, Status, new_id};
use crate::script::{Name, Script, Settings, Version};
use crate::source_files::{Sources, is_archive};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::time::Duration;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Run), routes!(run_script))
        .add(Need::Scope(Scope::Exec), routes!(run_source))
        .add(Need::Scope(Scope::Read), routes!(get_run))
        .add(Need::Scope(Scope::Write), routes!(delete_run))
        .add(Need::Scope(Scope::Run), routes!(cancel_run))
        .add(Need::Scope(Scope::Run), routes!(retry_run))
}

/// The largest request for a run of source that comes with it: arguments, and source written as JSON.
const MOST: usize = 4 << 20;
/// The largest request for a run of a script: arguments, written with white space.
const MOST_ARGS: usize = 1 << 20;
/// How long a request to cancel waits for the run's end.
const CANCEL_WAIT: Duration = Duration::from_secs(1);

impl App {
    /// The script of that name, if the caller may touch it.
    pub(super) async fn script_for(&self, caller: &Caller, name: &str) -> Result<Script, Problem> {
        let name = Name::parse(name)?;
        let script = self.store.script(name.key()).await?;
        self.check_reach(caller, name.key(), script.as_ref())?;
        match script {
            Some(script) => Ok(script),
            None => Err(self.no_such_script(caller, &name).await),
        }
    }

    /// The version that is asked for, or the one in force.
    pub(super) async fn version_of(&self, script: &Script, number: Option<i64>) -> Result<Version, Problem> {
        let found = self.store.version_or_in_force(script, number).await?;
        found.ok_or_else(|| Problem::no_such_version(script, number.unwrap_or_default()))
    }

    async fn no_such_script(&self, caller: &Caller, name: &Name) -> Problem {
        let filter = crate::publication::ScriptFilter { label: None, after: None, limit: 1000 };
        let known = self.store.scripts(filter).await.unwrap_or_default();
        let seen = known.iter().filter(|script| caller.reaches(&script.key, &script.in_force().labels));
        let near = crate::suggest::nearest(name.as_str(), seen.map(|script| script.name.as_str()));
        let meant = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Problem::not_found("no_such_script", format!("there is no script {name}{meant}"))
    }

    /// The run of that id, if the caller may see it.
    pub(super) async fn run_for(&self, caller: &Caller, id: &str) -> Result<Run, Problem> {
        let not_found = || Problem::not_found("no_such_run", format!("there is no run {:?}", body::short(id)));
        if uuid::Uuid::parse_str(id).is_err() {
            let detail = if id.bytes().all(|byte| byte.is_ascii_digit()) {
                format!(
                    "there is no run {:?}: runs are named by UUIDs, such as 0198c2a4-…, and not by numbers",
                    body::short(id)
                )
            } else {
                format!("{:?} is no run's id: those are UUIDs", body::short(id))
            };
            return Err(Problem::not_found("no_such_run", detail).field("id"));
        }
        let run = self.store.run(&id.to_ascii_lowercase()).await?.ok_or_else(not_found)?;
        if caller.is_limited() {
            let own = run.created_by.is_some() && run.created_by.as_deref() == caller.id();
            let script = match &run.script {
                Some(key) => self.store.script(key).await?,
                None => None,
            };
            // One's own runs of source that was sent along, or of a script that is gone by now, belong to no other script.
            let is_seen = Self::reaches_run(caller, &run, script.as_ref()) || own && script.is_none();
            if !is_seen {
                return Err(if run.script.is_some() { Problem::out_of_reach(caller) } else { not_found() });
            }
        }
        Ok(run)
    }
}

/// Run a saved script
///
/// Without a body it runs with no arguments. With `?wait=30s` the answer comes when the run has ended, whatever its outcome.
#[utoipa::path(
    post, path = "/v1/scripts/{name}/runs", tag = "runs", operation_id = "run_script",
    params(
        ("name" = String, Path, description = "The script"),
        ("wait" = Option<String>, Query, description = "Wait so long for the end: 30s; at most 300s"),
        ("output" = Option<String>, Query, description = "How much of what it wrote is shown: 8KiB, which it is by itself with wait; false for nothing"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one run in 24 hours"),
    ),
    request_body(content = Option<RunRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "It has ended, or the same request made it before", body = RunBody),
        (status = 201, description = "It was accepted", body = RunBody),
        (status = 202, description = "It has not ended yet", body = RunBody),
    )
)]
pub(super) async fn run_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, stream) = request.into_parts();
    let wait = wait_of(&query)?;
    let output = output_of(&query, wait)?;
    let sent = body::read(stream, MOST_ARGS).await?;
    let now = app.clock.now();
    let mut fields = Fields::read(&sent, fields::<RunRequest>())?;
    let options = RunOptions::read(&mut fields, now)?;
    let script = app.script_for(&caller, &name).await?;
    let script = app.linker.fresh(script, now).await?;
    let version = app.version_of(&script, options.version).await?;
    let settings = script.settings.or(&version.table);
    let files = RunFiles::of(&script, &version);
    let idempotency = idempotency(&parts.headers, &caller, &format!("scripts/{}/runs", script.key), &sent, now)?;
    // The room that its body has is for others while this waits.
    drop(sent);
    let (new, refused) = app.new_run(&caller, options, files, &settings, now).await?;
    app.launch(new, Shown { refused, output }, idempotency, wait, now).await
}

/// Run source in the request
///
/// Nothing is kept but the run. The body is JSON with `source`, or the source itself.
#[utoipa::path(
    post, path = "/v1/runs", tag = "runs", operation_id = "run_source",
    params(
        ("wait" = Option<String>, Query, description = "Wait so long for the end: 30s; at most 300s"),
        ("output" = Option<String>, Query, description = "How much of what it wrote is shown: 8KiB, which it is by itself with wait; false for nothing"),
        ("name" = Option<String>, Query, description = "A name for it, when the body is the source itself"),
        ("entry" = Option<String>, Query, description = "What to call, when the body is the source itself"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one run in 24 hours"),
    ),
    request_body(content = SourceRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It has ended, or the same request made it before", body = RunBody),
        (status = 201, description = "It was accepted", body = RunBody),
        (status = 202, description = "It has not ended yet", body = RunBody),
    )
)]
pub(super) async fn run_source(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, stream) = request.into_parts();
    let wait = wait_of(&query)?;
    let output = output_of(&query, wait)?;
    let sent = body::read(stream, MOST).await?;
    let now = app.clock.now();
    let known = fields::<SourceRequest>();
    let mut fields = if is_json(&parts.headers, &sent) {
        Fields::read(&sent, known)?
    } else if kind_of(&parts.headers) == "multipart/form-data" {
        let detail = "a form is not source: send the file as the body, with --data-binary @FILE, or JSON with source";
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_type", detail);
        return Err(problem.field("Content-Type"));
    } else {
        if looks_like_json(&sent) {
            return Err(json_as_source());
        }
        if is_stripped_form(&parts.headers, &sent) && sent.trim_ascii_start().starts_with(b"#") {
            return Err(line_breaks_stripped());
        }
        let text = String::from_utf8(sent.to_vec()).map_err(|_| {
            Problem::invalid("source", "source that is sent as the body is UTF-8; send other encodings as a script")
        })?;
        Fields::of(Map::from_iter([("source".to_owned(), Value::from(text))]), known)?
    };
    let source: Bytes = match fields.take::<String>("source")? {
        Some(source) if !source.is_empty() => Bytes::from(source),
        _ => return Err(Problem::bad("empty_source", "there is no source to run").field("source")),
    };
    let name: Option<String> = fields.take("name")?;
    let name = match name.as_deref().or(query.one("name")?) {
        Some(name) => Name::parse(name)?.as_str().to_owned(),
        None => "script".to_owned(),
    };
    let mut options = RunOptions::read(&mut fields, now)?;
    options.entry = match (options.entry, query.one("entry")?) {
        (None, Some(entry)) => {
            crate::script::check_entry(entry).map_err(|why| Problem::invalid("entry", why))?;
            Some(entry.to_owned())
        }
        (entry, _) => entry,
    };
    let asked = settings_of(fields)?;
    if is_archive(&source) {
        return Err(Problem::invalid("source", "an archive cannot be sent as text; save it as a script"));
    }
    let sources = Sources::one(&name, source)?;
    let table =
        metadata::read(sources.source()).map_err(|why| Problem::invalid("source", why).code("bad_metadata"))?.cronbox;
    let settings = asked.or(&table);
    settings.check().map_err(|(field, why)| Problem::invalid(&field, why))?;
    let (blob, source) = if sources.source().len() <= INLINE {
        (None, Some(sources.source().to_vec()))
    } else {
        (Some(app.put_blob(Kind::Source, sources.source().clone(), now).await?), None)
    };
    let settings = Settings { concurrency: None, ..settings };
    let packages = app.linker.keeper().packages_sent(&sources, now).await?.map(|packages| packages.blob);
    let main = sources.main.clone();
    let files = RunFiles { script: None, name, version: None, blob, code: None, packages, main, source };
    let idempotency = idempotency(&parts.headers, &caller, "runs", &sent, now)?;
    // The room that its body has is for others while this waits.
    drop(sent);
    let (new, refused) = app.new_run(&caller, options, files, &settings, now).await?;
    app.launch(new, Shown { refused, output }, idempotency, wait, now).await
}

/// Whether a body is meant as JSON: it says so, or it looks so and does not say otherwise.
pub(super) fn is_json(headers: &HeaderMap, body: &[u8]) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    said.contains("json") || (!said.starts_with("text/") && body.trim_ascii_start().starts_with(b"{"))
}

/// Look at a run
#[utoipa::path(
    get, path = "/v1/runs/{id}", tag = "runs", operation_id = "get_run",
    params(
        ("id" = String, Path, description = "The run"),
        ("wait" = Option<String>, Query, description = "Wait so long for the end: 30s; at most 300s"),
        ("output" = Option<String>, Query, description = "How much of what it wrote is shown: 8KiB, which it is by itself with wait; false for nothing"),
    ),
    responses(
        (status = 200, description = "The run", body = RunBody),
        (status = 202, description = "It has not ended while this waited", body = RunBody),
    )
)]
pub(super) async fn get_run(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    query: Query,
) -> Result<Response, Problem> {
    let wait = wait_of(&query)?;
    let output = output_of(&query, wait)?;
    let run = app.run_for(&caller, &id).await?;
    match wait {
        Some(wait) => app.wait_for(&run.id, wait, output).await,
        None => app.answer_run(&run, StatusCode::OK, Shown::output(output)).await,
    }
}

/// Delete a run
///
/// One that has ended, with its arguments, result, output and files. What it did to a schedule or a state stays.
#[utoipa::path(
    delete, path = "/v1/runs/{id}", tag = "runs", operation_id = "delete_run",
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 204, description = "It is gone"),
    )
)]
pub(super) async fn delete_run(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<StatusCode, Problem> {
    let run = app.run_for(&caller, &id).await?;
    if !run.status.is_final() {
        let detail =
            format!("the run has not ended: it is {}; cancel it first: POST /v1/runs/{}/cancel", run.status, run.id);
        return Err(Problem::conflict("run_is_not_final", detail));
    }
    app.store.delete_runs(vec![run.id], app.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Cancel a run
///
/// One that has not begun never will; one under way is stopped.
#[utoipa::path(
    post, path = "/v1/runs/{id}/cancel", tag = "runs", operation_id = "cancel_run",
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "It is cancelled", body = RunBody),
        (status = 202, description = "It was told to stop", body = RunBody),
    )
)]
pub(super) async fn cancel_run(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<Response, Problem> {
    let run = app.run_for(&caller, &id).await?;
    match app.store.cancel(&run.id, "cancelled", app.clock.now()).await? {
        Cancelled::Done => {
            app.signals.notify_ended(&run.id);
            app.signals.notify_queued();
            app.answer(&run.id, StatusCode::OK, Shown::default()).await
        }
        Cancelled::Asked(_) => {
            app.signals.notify_cancel(&run.id);
            app.wait_for(&run.id, CANCEL_WAIT, 0).await
        }
        Cancelled::Final(Status::Cancelled) => app.answer(&run.id, StatusCode::OK, Shown::default()).await,
        Cancelled::Final(status) => {
            Err(Problem::conflict("run_is_final", format!("the run has ended already: {status}")))
        }
        Cancelled::Unknown => Err(Problem::not_found("no_such_run", "the run is gone")),
    }
}

/// Try a run again
///
/// Makes a new run with the same source, arguments and limits.
#[utoipa::path(
    post, path = "/v1/runs/{id}/retry", tag = "runs", operation_id = "retry_run",
    params(
        ("id" = String, Path, description = "The run"),
        ("wait" = Option<String>, Query, description = "Wait so long for the end: 30s; at most 300s"),
        ("output" = Option<String>, Query, description = "How much of what it wrote is shown: 8KiB, which it is by itself with wait; false for nothing"),
    ),
    responses(
        (status = 200, description = "The new run has ended", body = RunBody),
        (status = 201, description = "The new run", body = RunBody),
        (status = 202, description = "The new run has not ended yet", body = RunBody),
    )
)]
pub(super) async fn retry_run(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
    query: Query,
) -> Result<Response, Problem> {
    let wait = wait_of(&query)?;
    let output = output_of(&query, wait)?;
    let run = app.run_for(&caller, &id).await?;
    if run.script.is_none() && !caller.has(Scope::Exec) {
        return Err(Problem::forbidden("missing_scope", "source of a request is run again with the scope exec"));
    }
    if !run.status.is_final() {
        return Err(Problem::conflict("run_is_not_final", format!("the run has not ended: it is {}", run.status)));
    }
    let now = app.clock.now();
    let source = match (&run.script, &run.spec.blob) {
        (None, None) => app.store.run_source(&run.id).await?,
        _ => None,
    };
    let new = again(&run, source, &caller, &app.clock);
    app.launch(new, Shown::output(output), None, wait, now).await
}

/// A run like another.
fn again(run: &Run, source: Option<Vec<u8>>, caller: &Caller, clock: &Clock) -> NewRun {
    // It is nobody's fire time, and nothing waits for it.
    let spec = Spec { gated: false, pause_after: None, chain_cause: None, ..run.spec.clone() };
    NewRun {
        script: run.script.clone(),
        version: run.version,
        cause: Cause::Retry,
        // What was allowed to whoever asked for the other is not allowed to everybody.
        priority: if App::grants_itself(caller) { run.priority } else { run.priority.min(0) },
        source,
        args: run.args.clone(),
        labels: run.labels.clone(),
        retry_of: Some(run.id.clone()),
        created_by: caller.id().map(str::to_owned),
        bounded: true,
        ..NewRun::new(new_id(clock.now()), run.name.clone(), spec)
    }
}
