//! Prometheus's own tool, from Debian's package `prometheus`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `promtool` where the source is, with this text on its standard input: what it says. An error where it is not content.
pub fn promtool(words: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new("promtool");
    command.args(words).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.expect("promtool is not installed: apt-get install prometheus");
    let mut pipe = child.stdin.take().expect("piped");
    let input = input.to_owned();
    // One that does not read to the end is no mistake of the test.
    let writing = std::thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    let done = child.wait_with_output().expect("ends");
    writing.join().expect("joins");
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    if done.status.success() { Ok(said) } else { Err(said) }
}
