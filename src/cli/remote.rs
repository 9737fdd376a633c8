//! `cronbox run --remote`: the server runs it, this shows it.
//!
//! A token that starts runs cannot always read them. Such a caller gets the result as the answer to the request that started
//! the run: the request is sent again under the same key, which makes no second run, and waits for the end.

use super::client::{Refusal, Server, say};
use super::logs::{follow, write_error};
use super::runs::write;
use super::show_run::exit_code;
use super::times::millis;
use super::{Exit, complain};
use crate::api::{ProblemBody, RunBody, StreamBody};
use crate::quantity;
use crate::run::Status;
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use std::time::Duration;

/// How long after Ctrl-C another one cancels the run; then it goes on alone.
const SECOND_THOUGHT: Duration = Duration::from_secs(5);

/// How the request that started a run asks for its result.
const WAIT_FOR_IT: &str = "?wait=60s&output=1MiB";

/// Starts a run and shows it to its end. Ctrl-C leaves it to the server, twice cancels it.
pub(super) async fn run_remote(
    server: &Server,
    path: &str,
    request: &impl Serialize,
    as_json: bool,
    quiet: bool,
) -> Result<Exit, Refusal> {
    let key = uuid::Uuid::now_v7().to_string();
    let start = |query: &str| {
        server.request(Method::POST, &format!("{path}{query}")).header("idempotency-key", &key).json(request)
    };
    let (_, run): (_, RunBody) = server.ask(start("")).await?;
    for refused in &run.not_granted {
        let next = if refused.grantable { "; `cronbox grant` allows it" } else { "" };
        complain(&format!(
            "note: {} {} was asked for and is not granted ({}){next}",
            refused.what, refused.asked, refused.in_force
        ));
    }
    tokio::select! {
        shown = show(server, &run.id, || start(WAIT_FOR_IT), as_json, quiet) => shown,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(Refusal::unavailable)?;
            leave(server, &run.id).await
        }
    }
}

async fn show(
    server: &Server,
    id: &str,
    start_again: impl Fn() -> RequestBuilder,
    as_json: bool,
    quiet: bool,
) -> Result<Exit, Refusal> {
    let look = || server.request(Method::GET, &format!("/v1/runs/{id}?wait=60s"));
    let can_read = match server.attempt(server.request(Method::GET, &format!("/v1/runs/{id}"))).await? {
        Err(problem) => problem.status != 403,
        Ok(_) => true,
    };
    if can_read && !as_json && !quiet {
        follow(server, id, false).await?;
    }
    let run = loop {
        let (text, now): (String, RunBody) = match can_read {
            true => server.ask(look()).await?,
            false => server.ask(start_again()).await.map_err(|Refusal(exit, why)| {
                Refusal(exit, format!("the run {id} is started, and its result cannot be read: {why}"))
            })?,
        };
        if now.status().is_some_and(Status::is_final) {
            if as_json {
                say(&text)?;
                return Ok(Exit::of_run(now.status()));
            }
            break (text, now);
        }
    };
    let (text, run) = run;
    if !can_read && !quiet {
        write_output("stdout", &run.stdout)?;
        write_output("stderr", &run.stderr)?;
    }
    if !run.result.is_null() {
        say(&run.result.to_string())?;
    }
    run.error.as_ref().map_or(Ok(()), write_error)?;
    for note in &run.notes {
        write("stderr", format!("note: {note}\n").as_bytes())?;
    }
    let usage = run.usage.clone().unwrap_or_default();
    let line = format!(
        "{}{} in {} · {} · {} · run {}\n",
        run.status,
        exit_code(&text).map(|code| format!(" (exit code {code})")).unwrap_or_default(),
        millis(usage.wall_ms),
        quantity::fuel(usage.fuel),
        quantity::bytes(usage.peak_memory_bytes),
        run.id
    );
    write("stderr", line.as_bytes())?;
    Ok(Exit::of_run(run.status()))
}

/// What a run wrote, as far as the answer to its caller has it.
fn write_output(stream: &str, output: &StreamBody) -> Result<(), Refusal> {
    let text = output.text.as_deref().unwrap_or_default();
    write(stream, text.as_bytes())?;
    if output.bytes > text.len() as u64 {
        complain(&format!(
            "note: only the beginning of {stream} is shown; all of it needs a token with the scope read"
        ));
    }
    Ok(())
}

/// Says how the run goes on; cancels it when Ctrl-C comes once more.
async fn leave(server: &Server, id: &str) -> Result<Exit, Refusal> {
    complain(&format!(
        "the run goes on as {id}: `cronbox logs -f {id}` shows it, `cronbox runs cancel {id}` ends it; Ctrl-C now cancels it"
    ));
    if tokio::time::timeout(SECOND_THOUGHT, tokio::signal::ctrl_c()).await.is_err() {
        return Ok(Exit::Interrupted);
    }
    match server.attempt(server.request(Method::POST, &format!("/v1/runs/{id}/cancel"))).await? {
        Ok(_) => complain(&format!("the run {id} is cancelled")),
        // It ended meanwhile.
        Err(ProblemBody { status: 409, detail, .. }) => complain(&detail),
        Err(problem) => return Err(server.refused(&problem)),
    }
    Ok(Exit::Interrupted)
}
