//! Runs: asking for one, looking at it, cancelling it, trying it again.

use super::body::{self, Fields, Query, settings_of};
use super::carry_out::client;
use super::described_fields::fields as known_fields;
use super::endpoints::{Endpoints, Need};
use super::options::{idempotency, options_of, output_of, wait_of};
use super::problem::Problem;
use super::request_body;
use super::requests::{RunRequest, SourceRequest};
use super::submit::Shown;
use super::upload::{is_stripped_form, json_as_source, kind_of, line_breaks_stripped, looks_like_json};
use super::{App, Part};
use crate::access::{Caller, Scope};
use crate::api::RunBody;
use crate::script::Name;
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
    let options = options_of(request_body::read(&sent)?)?;
    let script = app.script_for(&caller, &name).await?;
    let idempotency = idempotency(&parts.headers, &caller, &format!("scripts/{}/runs", script.key), &sent, now)?;
    // The room that its body has is for others while this waits.
    drop(sent);
    let (new, refused) = app.run_of_script(&caller, script, options, now).await?;
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
    request_body(content((SourceRequest = "application/json"), (String = "text/x-python"))),
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
    let known = known_fields::<SourceRequest>();
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
    let source = Bytes::from(fields.take::<String>("source")?.unwrap_or_default());
    let name: Option<String> = fields.take("name")?;
    let name = Name::parse(name.as_deref().or(query.one("name")?).unwrap_or("script"))?;
    let mut options = options_of(request_body::from_fields(fields.part(known_fields::<RunRequest>()))?)?;
    options.entry = match options.entry {
        None => query.one("entry")?.map(str::to_owned),
        entry => entry,
    };
    let asked = settings_of(fields)?;
    let idempotency = idempotency(&parts.headers, &caller, "runs", &sent, now)?;
    // The room that its body has is for others while this waits.
    drop(sent);
    let (new, refused) = app.run_of_source(&caller, (&name, source), asked, options, now).await?;
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
        Some(wait) => {
            let run = app.wait_for_end(&run.id, wait, &client()).await?;
            app.answer_as_it_is(&run, Shown::output(output)).await
        }
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
    app.delete_run(&caller, &id).await?;
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
    let run = app.cancel_run(&caller, &id, CANCEL_WAIT, &client()).await?;
    app.answer_as_it_is(&run, Shown::default()).await
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
    let now = app.clock.now();
    let new = app.run_again(&caller, &id, now).await?;
    app.launch(new, Shown::output(output), None, wait, now).await
}
