//! Talking to a server: one request at a time, and what its problems come to here.

use super::{Exit, address, complain, fail};
pub(super) use crate::api::part;
use crate::api::{Page, ProblemBody, ScheduleBody, WARNING};
use crate::config;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sse_stream::{Sse, SseByteStream};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often in a row a connection may break that is listened to, and how long until the next try.
const BREAKS: u32 = 20;
const AGAIN: Duration = Duration::from_millis(500);

/// Which server, and as whom.
#[derive(Clone, Debug, Args)]
pub(super) struct ServerArgs {
    /// The server: http://HOST:PORT, https://HOST or unix:PATH
    #[arg(
        long, value_name = "URL", env = config::URL, global = true, default_value = "http://127.0.0.1:8080",
        help_heading = "Server"
    )]
    url: String,
    /// A token; other users of this machine do not see it in CRONBOX_TOKEN. An empty one counts as none
    #[arg(
        long, value_name = "TOKEN", env = config::TOKEN, hide_env_values = true, global = true,
        help_heading = "Server"
    )]
    token: Option<String>,
}

/// Why a command came to nothing: the exit code and a sentence.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Exit, pub(super) String);

impl Refusal {
    pub(super) fn usage(why: impl Into<String>) -> Self {
        Refusal(Exit::Usage, why.into())
    }

    pub(super) fn unavailable(why: impl ToString) -> Self {
        Refusal(Exit::Unavailable, why.to_string())
    }

    /// A problem of the server's: its words, and the exit code that its status comes to.
    pub(super) fn of(problem: &ProblemBody) -> Self {
        Refusal(Exit::of_answer(problem.status), told(problem))
    }
}

/// A server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    client: Client,
    base: String,
    shown: String,
    token: Option<String>,
    warned: Arc<Mutex<BTreeSet<String>>>,
}

impl Server {
    pub(super) fn new(args: &ServerArgs) -> Result<Self, Refusal> {
        // The client brings no implementation of TLS of its own; another may have been set already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("cronbox/", env!("CARGO_PKG_VERSION")));
        let (builder, base) = match args.url.strip_prefix("unix:") {
            Some(path) => (builder.unix_socket(path), "http://localhost".to_owned()),
            None => (builder, address::checked(&args.url).map_err(Refusal::usage)?),
        };
        let client = builder.build().map_err(Refusal::unavailable)?;
        Ok(Server {
            client,
            base,
            shown: args.url.clone(),
            token: args.token.clone().filter(|token| !token.is_empty()),
            warned: Arc::default(),
        })
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request; a problem is a refusal with the server's words.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Refusal> {
        self.attempt(request).await?.map_err(|problem| self.refused(&problem))
    }

    /// Sends a request that may well be refused: the inner error is the server's.
    pub(super) async fn attempt(&self, request: RequestBuilder) -> Result<Result<Response, ProblemBody>, Refusal> {
        let response = request.send().await.map_err(|error| {
            Refusal::unavailable(format!("{}: {}", self.shown, address::trouble(&error, &self.shown)))
        })?;
        for warning in response.headers().get_all(WARNING) {
            let warning = String::from_utf8_lossy(warning.as_bytes()).into_owned();
            // Each once, however many requests a command makes.
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.insert(warning.clone()) {
                complain(&format!("warning: {}", plain(&warning, 1000)));
            }
        }
        let status = response.status();
        if status.is_success() {
            return Ok(Ok(response));
        }
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<ProblemBody>(&text) {
            Ok(problem) => Ok(Err(problem)),
            Err(_) => {
                let why = format!(
                    "{} answered {status}, and not as a Cronbox server does: is the address right?",
                    self.shown
                );
                Err(Refusal(Exit::of_answer(status.as_u16()), why))
            }
        }
    }

    /// What a problem of the server's comes to, with what to type where that is known.
    pub(super) fn refused(&self, problem: &ProblemBody) -> Refusal {
        match (problem.status, &self.token) {
            (401, None) => {
                let next = "set CRONBOX_TOKEN to a token of this server, or give one with --token; \
                            `cronbox token create` makes one";
                Refusal(Exit::Forbidden, format!("{} wants a token: {next} ({})", self.shown, problem.code))
            }
            (401, Some(_)) => {
                Refusal(Exit::Forbidden, format!("{}; it came from CRONBOX_TOKEN or --token", told(problem)))
            }
            _ => Refusal::of(problem),
        }
    }

    /// Sends a request, and reads the answer as JSON: as it is, and as what it is meant to be.
    pub(super) async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<(String, T), Refusal> {
        let response = self.send(request).await?;
        let text = response.text().await.map_err(Refusal::unavailable)?;
        let value = serde_json::from_str(&text).map_err(|error| {
            Refusal::unavailable(format!("{} answered what this program does not understand: {error}", self.shown))
        })?;
        Ok((text, value))
    }
}

/// An event that a server sent.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What it is.
    pub(super) name: String,
    /// What it says.
    pub(super) data: Value,
    /// Where to go on after it, when it says so.
    id: Option<String>,
}

impl From<Sse> for Told {
    fn from(sent: Sse) -> Self {
        let data = sent.data.and_then(|data| serde_json::from_str(&data).ok()).unwrap_or_default();
        Told { name: sent.event.unwrap_or_default(), data, id: sent.id }
    }
}

impl Server {
    /// Hears what a server sends at an address until `hear` has heard enough. Goes on where a connection broke.
    pub(super) async fn follow(
        &self,
        request: impl Fn() -> RequestBuilder,
        mut hear: impl FnMut(Told) -> Result<Option<Exit>, Refusal>,
    ) -> Result<Exit, Refusal> {
        let (mut last, mut failures) = (String::new(), 0);
        loop {
            let mut request = request();
            if !last.is_empty() {
                request = request.header("last-event-id", &last);
            }
            match self.send(request).await {
                Ok(response) => {
                    // A connection on which anything came was up, even if that was no event.
                    let came = Cell::new(false);
                    let pieces = response.bytes_stream().inspect_ok(|_| came.set(true));
                    let mut events = SseByteStream::new(pieces);
                    while let Some(Ok(event)) = events.next().await {
                        let mut told = Told::from(event);
                        last = told.id.take().unwrap_or(last);
                        if let Some(exit) = hear(told)? {
                            return Ok(exit);
                        }
                    }
                    if came.get() {
                        failures = 0;
                    }
                }
                Err(refusal) if last.is_empty() || failures >= BREAKS => return Err(refusal),
                Err(_) => {}
            }
            failures += 1;
            if failures > BREAKS {
                return Err(Refusal::unavailable("the connection breaks again and again"));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// What the server names in the words of its API, and the flag that does the same here.
const AS_FLAGS: [(&str, &str); 3] =
    [("?schedules=delete", "--schedules"), ("?schedules=keep", "--keep-schedules"), ("?since=", "--since")];

/// A problem in the server's words, with flags for what the API calls otherwise.
pub(super) fn told(problem: &ProblemBody) -> String {
    let detail = match problem.code.as_str() {
        "schedule_exists" => {
            let said = problem.detail.split(';').next().unwrap_or_default();
            format!("{said}: --replace changes it, --id gives the new one another name")
        }
        _ => AS_FLAGS.iter().fold(problem.detail.clone(), |detail, (api, flag)| detail.replace(api, flag)),
    };
    format!("{detail} ({})", problem.code)
}

/// Does a command that talks to a server.
pub(super) fn talk(command: impl AsyncFnOnce() -> Result<Exit, Refusal>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return Exit::Unavailable;
        }
    };
    match runtime.block_on(command()) {
        Ok(exit) => exit,
        Err(Refusal(exit, why)) => {
            if !why.is_empty() {
                fail(&why);
            }
            exit
        }
    }
}

/// A line on standard output. A reader that went away wanted no more.
pub(super) fn say(line: &str) -> Result<(), Refusal> {
    let line = harmless(line);
    #[cfg(test)]
    if super::readers::hears(&line) {
        return Ok(());
    }
    writeln!(std::io::stdout().lock(), "{line}").map_err(|_| Refusal(Exit::Succeeded, String::new()))
}

/// A line without what makes a terminal do things. Line ends, tabs and colours stay. What a server says can have anything
/// in it, and so can a script that it shows.
pub(super) fn harmless(line: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| c.is_ascii_control() && !matches!(c, '\n' | '\t');
    if !line.contains(is_harmful) {
        return Cow::Borrowed(line);
    }
    let mut clean = String::with_capacity(line.len());
    for (at, c) in line.char_indices() {
        let is_colour = c == '\u{1b}' && line.get(at + 1..).is_some_and(begins_with_colour);
        clean.push(if is_harmful(c) && !is_colour { ' ' } else { c });
    }
    Cow::Owned(clean)
}

/// Whether text goes on as a sequence that sets a colour does after its first character: `[1;31m`.
fn begins_with_colour(text: &str) -> bool {
    let Some(numbers) = text.strip_prefix('[') else { return false };
    numbers.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
}

/// Text that a terminal shows as it is: control characters would do things to it.
pub(super) fn plain(text: &str, most: usize) -> String {
    let shown = |c: char| if c.is_control() || turns_text(c) { ' ' } else { c };
    let clean: String = text.chars().map(shown).take(most + 1).collect();
    if clean.chars().count() > most {
        clean.chars().take(most.saturating_sub(1)).collect::<String>() + "…"
    } else {
        clean
    }
}

/// Whether a character changes the direction of text.
pub(super) fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// All items of a list of the server's, page by page.
pub(super) async fn all_pages<T: DeserializeOwned>(
    server: &Server,
    path: &str,
    filter: &[(&str, String)],
) -> Result<Vec<T>, Refusal> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", "1000".to_owned())];
        query.extend(filter.iter().cloned());
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let (_, page): (_, Page<T>) = server.ask(server.request(Method::GET, path).query(&query)).await?;
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

/// All schedules that pass.
pub(super) async fn all_of(server: &Server, filter: &[(&str, String)]) -> Result<Vec<ScheduleBody>, Refusal> {
    all_pages(server, "/v1/schedules", filter).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_leaves_a_terminal_as_it_is() {
        assert_eq!(harmless("a\tb\nc é"), "a\tb\nc é");
        assert_eq!(harmless("\u{1b}[1;31mred\u{1b}[0m"), "\u{1b}[1;31mred\u{1b}[0m");
        assert_eq!(harmless("\u{1b}[2J\u{1b}]0;title\u{7}\r\u{8}x\u{1b}"), " [2J ]0;title   x ");
    }
}
