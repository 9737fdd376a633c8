//! `cronbox logs`: what a run wrote, and why it failed.

use super::client::{Refusal, Server, ServerArgs, Told, part, say, talk};
use super::runs::{find, write};
use super::{Exit, complain};
use crate::api::{ErrorBody, RunBody};
use crate::run::Status;
use clap::Args;
use reqwest::Method;
use serde_json::json;

/// What `cronbox logs` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cronbox logs price              what the newest run of the script price wrote
  cronbox logs -f 01a1fd70-6a2b   a run by the beginning of its id, while it runs")]
pub(super) struct LogsArgs {
    /// A run's id, the beginning of it, or a script's name for its newest run
    #[arg(value_name = "RUN|SCRIPT")]
    run: String,
    /// Go on while it runs
    #[arg(short, long)]
    follow: bool,
    /// Print one JSON document; with --follow, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl LogsArgs {
    pub(super) fn execute(self) -> Exit {
        talk(async || {
            let server = Server::new(&self.server)?;
            let run = find(&server, &self.run).await?;
            if self.follow {
                let exit = follow(&server, &run.id, self.json).await?;
                if !self.json {
                    let (_, run): (_, RunBody) =
                        server.ask(server.request(Method::GET, &format!("/v1/runs/{}", run.id))).await?;
                    run.error.as_ref().map_or(Ok(()), write_error)?;
                }
                return Ok(exit);
            }
            let mut streams = Vec::new();
            for stream in ["stdout", "stderr"] {
                let path = format!("/v1/runs/{}/output/{stream}", part(&run.id));
                let response = server.send(server.request(Method::GET, &path)).await?;
                streams.push(response.bytes().await.map_err(Refusal::unavailable)?);
            }
            let text = |at: usize| streams.get(at).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
            if self.json {
                let document = json!({
                    "id": run.id, "script": run.script, "status": run.status, "reason": run.reason,
                    "stdout": text(0), "stderr": text(1), "error": run.error, "notes": run.notes,
                });
                say(&document.to_string())?;
                return Ok(Exit::Succeeded);
            }
            for (stream, bytes) in ["stdout", "stderr"].iter().zip(&streams) {
                write(stream, bytes)?;
            }
            run.error.as_ref().map_or(Ok(()), write_error)?;
            for note in &run.notes {
                complain(&format!("note: {note}"));
            }
            if !run.status().is_some_and(Status::is_final) {
                complain(&format!("the run {} is {}: `cronbox logs -f {}` goes on", run.id, run.status, run.id));
            } else if streams.iter().all(|bytes| bytes.is_empty()) && run.error.is_none() {
                let reason = run.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                complain(&format!("the run {} wrote nothing; it is {}{reason}", run.id, run.status));
            }
            Ok(Exit::Succeeded)
        })
    }
}

/// What went wrong, as the script's own terminal would show it: on standard error.
pub(super) fn write_error(error: &ErrorBody) -> Result<(), Refusal> {
    let text = match error.traceback.trim_end() {
        "" => format!("{}: {}", error.kind, error.message),
        // Python had no message for it, and this program has.
        traceback if traceback.lines().last() == Some(&*error.kind) && !error.message.is_empty() => {
            format!("{traceback}\n{}", error.message)
        }
        traceback => traceback.to_owned(),
    };
    write("stderr", format!("{text}\n").as_bytes())
}

/// Shows what a run writes until its end; the exit code is its status's.
pub(super) async fn follow(server: &Server, id: &str, as_json: bool) -> Result<Exit, Refusal> {
    let path = format!("/v1/runs/{}/events", part(id));
    let hear = |Told { name, data, .. }: Told| {
        if as_json && !data.is_null() {
            say(&json!({"event": name, "data": data}).to_string())?;
        }
        match &*name {
            "output" if !as_json => write(
                data["stream"].as_str().unwrap_or_default(),
                data["text"].as_str().unwrap_or_default().as_bytes(),
            )?,
            "end" => return Ok(Some(Exit::of_run(data["status"].as_str().and_then(Status::parse)))),
            _ => {}
        }
        Ok(None)
    };
    server.follow(|| server.request(Method::GET, &path), hear).await
}
