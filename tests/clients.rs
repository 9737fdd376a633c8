//! Clients that other people's programs generate from the description of the API, used against a real server.

use crate::support::server::{Folder, Server};
use crate::support::tests_folder;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs a program to its end; what it wrote is shown when it fails.
fn run(command: &mut Command) -> Output {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?}\n{out}\n{err}");
    done
}

/// The description as a server serves it, in a file.
async fn description(server: &Server, folder: &Path) -> PathBuf {
    let request = server.request(reqwest::Method::GET, "/openapi.json");
    let text = request.send().await.expect("answers").text().await.expect("text");
    let file = folder.join("openapi.json");
    std::fs::write(&file, text).expect("writes");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn openapi_python_client() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    let file = description(&server, &folder.0).await;
    let venv = PathBuf::from(std::env::var("CRONBOX_TEST_VENV").expect("CRONBOX_TEST_VENV: `make test` sets it"));
    let package = folder.0.join("cronbox_client");
    let config = folder.0.join("config.json");
    // The code is not formatted, which only readers would want.
    std::fs::write(&config, "{\"post_hooks\": []}").expect("writes");
    let made = run(Command::new(venv.join("bin/openapi-python-client"))
        .args(["generate", "--meta", "none", "--path"])
        .arg(file)
        .arg("--output-path")
        .arg(&package)
        .arg("--config")
        .arg(config)
        .current_dir(&folder.0));
    // It has no bodies but JSON, forms and binary ones, and says so for the other ways to send a script: two each of POST, PUT
    // and the check of scripts, one of POST of runs.
    let said = String::from_utf8_lossy(&made.stdout).into_owned() + &String::from_utf8_lossy(&made.stderr);
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("Unsupported") || line.contains("ERROR")).collect();
    let known = |line: &&str| line.contains("text/x-python") || line.contains("application/zip");
    assert!(warnings.iter().all(known) && warnings.len() == 7, "{said}");
    let script = tests_folder().join("clients/client.py");
    run(Command::new(venv.join("bin/python")).arg(script).arg(&folder.0).arg(&server.url));
}

#[tokio::test(flavor = "multi_thread")]
async fn openapi_typescript() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    let file = description(&server, &folder.0).await;
    let installed = PathBuf::from(std::env::var("CRONBOX_TEST_NODE").expect("CRONBOX_TEST_NODE: `make test` sets it"));
    let modules = installed.join("node_modules");
    let node = || {
        let mut node = Command::new(installed.join("node"));
        node.current_dir(&folder.0);
        node
    };
    std::os::unix::fs::symlink(&modules, folder.0.join("node_modules")).expect("links");
    std::fs::write(folder.0.join("package.json"), "{\"type\": \"module\"}").expect("writes");
    std::fs::copy(tests_folder().join("clients/client.ts"), folder.0.join("client.ts")).expect("copies");
    run(node().arg(modules.join("openapi-typescript/bin/cli.js")).arg(file).args(["-o", "cronbox.d.ts"]));
    run(node().arg(modules.join("typescript/bin/tsc")).args(["--strict", "--target", "es2022"]).args([
        "--module",
        "nodenext",
        "--lib",
        "es2022,dom",
        "client.ts",
    ]));
    run(node().arg("client.js").arg(&server.url));
}
