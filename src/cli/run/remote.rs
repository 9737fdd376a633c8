//! `cronbox run --remote`: the same on a server.

use super::{RunArgs, read_source, sentence};
use crate::cli::Exit;
use crate::cli::bundle::Files;
use crate::cli::client::{Refusal, Server, part};
use crate::cli::input;
use crate::cli::remote::run_remote;
use crate::exact::Exact;
use crate::quantity;
use crate::script::Name;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::Path;

impl RunArgs {
    /// The same on a server, with everything that was typed.
    pub(super) async fn run_remote(&self) -> Result<Exit, Refusal> {
        let server = Server::new(&self.server)?;
        let saved = self.saved(&server).await?;
        let (file, source) = match &saved {
            Some(_) => (String::new(), Vec::new()),
            None => self.sent_along().await?,
        };
        let source = String::from_utf8(source)
            .map_err(|_| Refusal::usage("a script that is not UTF-8 cannot be sent in a request; push it first"))?;
        let (args, text_args) = self.arguments()?;
        let args = Exact::parse(&args).map_err(|error| Refusal::usage(format!("--args: {error}")))?;
        let mut limits = Map::new();
        if let Some(text) = &self.cpu {
            let fuel = quantity::parse_duration(text).and_then(quantity::fuel_for);
            limits.insert("fuel".into(), fuel.map_err(|error| Refusal::usage(format!("--cpu: {error}")))?.into());
        }
        let typed = [
            ("fuel", &self.fuel),
            ("memory", &self.memory),
            ("timeout", &self.timeout),
            ("output", &self.output_limit),
        ];
        for (name, text) in typed {
            if let Some(text) = text {
                limits.insert(name.into(), text.clone().into());
            }
        }
        let mut env = Map::new();
        for pair in &self.env {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| Refusal::usage(format!("--env {pair}: write NAME=VALUE")))?;
            env.insert(name.into(), value.into());
        }
        let mut request = json!({"text_args": text_args, "argv": self.argv, "limits": limits});
        let stdin = input::whole(self.stdin.as_deref(), self.script == Path::new("-"));
        if let Some(stdin) = stdin.map_err(|error| Refusal::usage(format!("--stdin: {}", sentence(&error))))? {
            request["stdin"] = json!({"base64": BASE64_STANDARD.encode(stdin)});
        }
        if let Some(entry) = &self.entry {
            request["entry"] = entry.clone().into();
        }
        if let Some(name) = saved {
            if !self.env.is_empty() || self.result.is_some() {
                return Err(Refusal::usage(
                    "--env and --result of a saved script are settings: set them with the script",
                ));
            }
            let path = format!("/v1/scripts/{}/runs", part(name.as_str()));
            return run_remote(&server, &path, &ToServer { args, rest: request }, self.json, self.quiet).await;
        }
        request["source"] = source.into();
        request["name"] = Name::near_file(&file).as_str().into();
        request["env"] = env.into();
        if let Some(result) = &self.result {
            request["result"] = result.clone().into();
        }
        run_remote(&server, "/v1/runs", &ToServer { args, rest: request }, self.json, self.quiet).await
    }

    /// The script on the server that is meant. A word that can only be a file's, or that the server does not know and lies
    /// here, is a file.
    async fn saved(&self, server: &Server) -> Result<Option<Name>, Refusal> {
        let typed = self.script.to_str().unwrap_or_default();
        let Ok(name) = Name::parse(typed) else { return Ok(None) };
        let is_here = self.script.exists();
        if is_here && (typed.ends_with(".py") || typed.ends_with(".pyc")) {
            return Ok(None);
        }
        let asked = server.request(Method::GET, &format!("/v1/scripts/{}", part(name.as_str())));
        match server.attempt(asked).await? {
            Ok(_) => Ok(Some(name)),
            Err(problem) if is_here && matches!(problem.status, 403 | 404) => Ok(None),
            // A token that may run it need not be able to look at it.
            Err(problem) if problem.status == 403 => Ok(Some(name)),
            Err(problem) if problem.status == 404 => {
                Err(Refusal::usage(format!("there is no script {name} on the server, and no file {typed} here")))
            }
            Err(problem) => Err(server.refused(&problem)),
        }
    }

    /// The one file that goes to the server with the run.
    async fn sent_along(&self) -> Result<(String, Vec<u8>), Refusal> {
        let shown = self.script.display();
        if self.script.is_dir() {
            return Err(Refusal::usage(format!(
                "{shown} is a folder, and a server is sent one file; push it: cronbox push {shown}"
            )));
        }
        let (file, source) = read_source(&self.script).await?;
        let files = Files::of_file(&self.script, file.clone(), source.clone())?;
        if self.script.exists() && !files.along.is_empty() {
            return Err(Refusal::usage(format!(
                "{shown} imports {}, and a server is sent one file; push it: cronbox push {shown}",
                files.along.join(", ")
            )));
        }
        Ok((file, source))
    }
}

/// What a server is asked for; the arguments go as they were typed.
#[derive(Serialize)]
struct ToServer {
    args: Exact,
    #[serde(flatten)]
    rest: Value,
}
