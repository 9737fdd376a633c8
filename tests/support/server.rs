//! A server of the tests' own: the real program on a free port, with a data directory of its own, ended with the test.

use super::wait::{self, Look};
use super::{PROGRAM, interpreter_cache};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A folder that goes with the test.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new, empty one.
    pub fn new() -> Self {
        super::statements::record();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("server-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    /// Writes a file below it, and the folders above that.
    pub fn write(&self, name: &str, content: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server.
#[derive(Debug)]
pub struct Server {
    /// What it is started with.
    pub words: Vec<String>,
    /// Variables that are set for it.
    pub env: Vec<(String, String)>,
    /// Where it is started.
    pub folder: PathBuf,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// The lines that it has written at its start, to the one that says who can use it.
    pub said: Vec<String>,
    /// What requests carry.
    pub token: Option<String>,
    /// A command that starts it, instead of it being started itself.
    through: Vec<String>,
    child: Option<Child>,
    client: Client,
}

impl Server {
    /// One whose data are in memory, and its folder.
    pub fn ephemeral() -> (Folder, Self) {
        let folder = Folder::new();
        let server = Server::start(&folder.0, &["--ephemeral"]);
        (folder, server)
    }

    /// Starts one with these words after `serve`, its data in `folder`.
    pub fn start(folder: &Path, words: &[&str]) -> Self {
        Self::start_with(folder, words, &[])
    }

    /// The same with variables.
    pub fn start_with(folder: &Path, words: &[&str], env: &[(&str, &str)]) -> Self {
        let mut server = Self::down(folder, words, env);
        server.up();
        server
    }

    /// Starts one through another command, whose last words are the program and its own.
    pub fn start_through(through: &[&str], folder: &Path, words: &[&str]) -> Self {
        let mut server = Self::down(folder, words, &[]);
        server.through = through.iter().map(|word| (*word).to_owned()).collect();
        server.up();
        server
    }

    fn down(folder: &Path, words: &[&str], env: &[(&str, &str)]) -> Self {
        // Clients cannot be made without; whoever comes second finds it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Server {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            folder: folder.to_owned(),
            url: String::new(),
            said: Vec::new(),
            token: None,
            through: Vec::new(),
            child: None,
            client: Client::new(),
        }
    }

    fn command(&self) -> Command {
        let mut words = self.through.iter().map(String::as_str).chain([PROGRAM]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).arg("serve").args(&self.words).current_dir(&self.folder);
        if !self.words.iter().any(|word| word == "--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.env("CRONBOX_INTERPRETER_CACHE", interpreter_cache()).env("CRONBOX_SANDBOX_PROCESSES", "1");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it again after it ended.
    pub fn up(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let started = self.command().stdout(Stdio::piped()).stderr(log).spawn().expect("starts");
        let child = self.child.insert(started);
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        self.said.clear();
        for line in lines {
            let line = line.expect("text");
            let is_last = line.starts_with("callers need") || line.contains("can use it until the first token is made");
            let is_up = self.said.iter().any(|line| line.contains(" at http") || line.contains(" at unix:"));
            if let Some(url) = line.strip_prefix("cronbox ").and_then(|rest| rest.split(' ').nth(2))
                && url.starts_with("http")
            {
                self.url = url.to_owned();
            }
            self.said.push(line);
            if is_up && is_last {
                return;
            }
        }
        panic!("the server does not start: {}", self.log());
    }

    /// Tries to start it and waits for its end: the status and what it says.
    pub fn refused(folder: &Path, words: &[&str], env: &[(&str, &str)]) -> (ExitStatus, String) {
        let server = Self::down(folder, words, env);
        let done = server.command().output().expect("starts");
        (done.status, String::from_utf8_lossy(&done.stderr).into_owned())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("up").id()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.pid().to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    /// Kills it, as a machine that loses its power would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits for its end.
    pub fn ended(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        let mut child = self.child.take().expect("up");
        loop {
            if let Some(status) = child.try_wait().expect("waits") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end: {}", self.log());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// A request to it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// The answer to a request: status and JSON.
    pub async fn json(&self, request: RequestBuilder) -> (u16, Value) {
        answer(request.send().await.expect("an answer")).await
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.json(self.request(Method::GET, path)).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    /// Uploads a source as `curl -T` does.
    pub async fn put(&self, name: &str, source: &str) -> (u16, Value) {
        self.json(self.request(Method::PUT, &format!("/v1/scripts/{name}")).body(source.to_owned())).await
    }

    /// Runs a script and waits for its end.
    pub async fn run(&self, name: &str, body: &Value) -> Value {
        let (status, run) = self.post(&format!("/v1/scripts/{name}/runs?wait=60s"), body).await;
        assert_eq!(status, 200, "{run}");
        run
    }

    /// The program's command line, talking to this server, where the server was started: exit code and what it says.
    pub fn cronbox(&self, words: &[&str]) -> (Option<i32>, String, String) {
        self.cronbox_with(words, &[])
    }

    /// The same with variables.
    pub fn cronbox_with(&self, words: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut command = Command::new(PROGRAM);
        command.args(words).current_dir(&self.folder).env("CRONBOX_URL", &self.url);
        command.envs(env.iter().copied());
        let done = command.output().expect("starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    }

    /// A run, when it has come to a state that `reached` knows.
    pub async fn run_when(&self, id: &str, reached: impl Fn(&Value) -> bool) -> Value {
        self.until("the run comes that far", async || {
            let (_, run) = self.get(&format!("/v1/runs/{id}")).await;
            if reached(&run) { Ok(run) } else { Err(run) }
        })
        .await
    }

    /// Looks until a condition holds; fails with the log.
    pub async fn until<L: Look>(&self, what: &str, look: impl AsyncFnMut() -> L) -> L::Found {
        match wait::within(wait::PATIENCE, look).await {
            Ok(found) => found,
            Err(instead) => panic!("waited in vain: {what}; {instead}\n{}", self.log()),
        }
    }

    /// The items of a list, when `enough` is true of them.
    pub async fn items_when(&self, path: &str, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.until(path, async || {
            let (_, page) = self.get(path).await;
            let items = page["items"].as_array().cloned().unwrap_or_default();
            if enough(&items) { Ok(items) } else { Err(page) }
        })
        .await
    }

    /// Waits until a path answers with a status.
    pub async fn answers(&self, path: &str, status: u16) {
        self.until(path, async || self.get(path).await.0 == status).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Status and JSON of an answer; text that is no JSON as a text.
pub async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::from(text)))
}
