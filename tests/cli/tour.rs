//! `make run`, without the building.

use crate::support::{PROGRAM, interpreter, interpreter_cache, tests_folder};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// C20, C2: it follows the server to where that listens, and Ctrl-C reaches the server once.
#[test]
fn the_tour_talks_to_the_server_that_it_started() {
    interpreter();
    let script = tests_folder().join("tour/serve.sh");
    let mut tour = Command::new("sh")
        .arg(script)
        .args([PROGRAM, "--ephemeral", "--log", "error"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CRONBOX_LISTEN", "127.0.0.1:0")
        .env("CRONBOX_INTERPRETER_CACHE", interpreter_cache())
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut said = BufReader::new(tour.stdout.take().expect("piped"));
    let (mut all, mut line) = (String::new(), String::new());
    while !line.contains("curl -X POST") {
        line.clear();
        assert!(said.read_line(&mut line).expect("reads") > 0, "it ended: {all}");
        all.push_str(&line);
    }
    assert!(all.contains("3 prices of INIT") && !line.contains("127.0.0.1:8080"), "{all}");
    let group = format!("-{}", tour.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().expect("kill").success());
    let mut why = String::new();
    tour.stderr.take().expect("piped").read_to_string(&mut why).expect("reads");
    assert!(tour.wait().is_ok());
    assert_eq!((why.matches("going down when").count(), why.matches("at once\n").count()), (1, 1), "{why}");
}
