//! Another program that runs scripts with the runtime: `runtime/examples/embed.rs`.

use crate::support::{self, PROGRAM};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The example, which `cargo test` and `cargo build --examples` put beside the program.
fn example() -> PathBuf {
    let path = Path::new(PROGRAM).with_file_name("examples").join("embed");
    assert!(path.exists(), "{}: run cargo build --release --workspace --examples", path.display());
    path
}

/// Runs a script; the lines of what the example prints.
fn embed(script: &str, args: &str) -> Vec<String> {
    let scratch = support::server::Folder::new();
    let file = scratch.0.join("script.py");
    std::fs::write(&file, script).expect("a script");
    let output = Command::new(example()).arg(file).arg(args).arg(support::interpreter_cache()).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_runs_in_a_program_that_embeds_the_runtime() {
    let _shared = support::beside_others().await;
    let script = "def run(symbol):\n    print('looking up', symbol)\n    return {'symbol': symbol, 'price': 7.5}\n";
    let said = embed(script, r#"{"symbol": "INIT"}"#);
    let result = said[1].strip_prefix("result: ").expect("a result");
    let result: serde_json::Value = serde_json::from_str(result).expect("JSON");
    assert_eq!(result, serde_json::json!({"symbol": "INIT", "price": 7.5}));
    assert_eq!([&said[0], &said[2], &said[3]], ["outcome: succeeded", "error: none", "output: looking up INIT"]);
    let usage = said[4].strip_prefix("usage: ").and_then(|line| line.split_once(" fuel, ")).expect("usage");
    assert!(usage.0.parse::<u64>().expect("a number") > 1_000, "{usage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_is_the_end_of_a_run_and_not_of_the_program() {
    let _shared = support::beside_others().await;
    let said = embed("def run():\n    raise ValueError('no price')\n", "{}");
    assert_eq!(said[..3], ["outcome: failed", "result: none", "error: no price"]);
}
