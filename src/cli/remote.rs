//! `cronbox run --remote`: the server runs it, this shows it.

use super::client::{Refusal, Server, say};
use super::logs::{follow, write_error};
use super::runs::write;
use super::show_run::exit_code;
use super::{Exit, complain};
use crate::api::{ProblemBody, RunBody};
use crate::quantity;
use crate::run::Status;
use reqwest::Method;
use serde::Serialize;
use std::time::Duration;

/// How long after Ctrl-C another one cancels the run; then it goes on alone.
const SECOND_THOUGHT: Duration = Duration::from_secs(5);

/// Starts a run and shows it to its end. Ctrl-C leaves it to the server, twice cancels it.
pub(super) async fn run_remote(
    server: &Server,
    path: &str,
    request: &impl Serialize,
    as_json: bool,
    quiet: bool,
) -> Result<Exit, Refusal> {
    let (_, run): (_, RunBody) = server.ask(server.request(Method::POST, path).json(request)).await?;
    for refused in &run.not_granted {
        complain(&format!(
            "note: {} {} was asked for and is not granted ({}); `cronbox grant` allows it",
            refused.what, refused.asked, refused.in_force
        ));
    }
    tokio::select! {
        shown = show(server, &run.id, as_json, quiet) => shown,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(Refusal::unavailable)?;
            leave(server, &run.id).await
        }
    }
}

async fn show(server: &Server, id: &str, as_json: bool, quiet: bool) -> Result<Exit, Refusal> {
    if !as_json && !quiet {
        follow(server, id, false).await?;
    }
    let run = loop {
        let (text, now): (String, RunBody) =
            server.ask(server.request(Method::GET, &format!("/v1/runs/{id}?wait=60s"))).await?;
        if now.status().is_some_and(Status::is_final) {
            if as_json {
                say(&text)?;
                return Ok(Exit::of_run(now.status()));
            }
            break (text, now);
        }
    };
    let (text, run) = run;
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
        quantity::duration(Duration::from_secs_f64(usage.wall_ms / 1e3)),
        quantity::fuel(usage.fuel),
        quantity::bytes(usage.peak_memory_bytes),
        run.id
    );
    write("stderr", line.as_bytes())?;
    Ok(Exit::of_run(run.status()))
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
