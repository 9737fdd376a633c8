//! Runs a Python script in a sandbox: `embed SCRIPT ARGUMENTS CACHE`, with the arguments as a JSON object or array and
//! a directory for the compiled interpreter.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that shows what it does")]

use cronbox_runtime::{Bundle, CompiledInterpreter, Job, Pool, PoolConfig, dispatch_child};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    // The pool starts this program again for each of its processes.
    if let Some(status) = dispatch_child() {
        return status;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [script, args, cache] = &words[..] else { return Err("usage: embed SCRIPT ARGUMENTS CACHE".into()) };
    let interpreter = CompiledInterpreter::open(Path::new(cache), || eprintln!("compiling the interpreter, once"))?;
    let pool = Pool::start(PoolConfig::for_this_program(), Arc::new(interpreter)).await?;

    let bundle = Bundle::of_files(&[("script.py", &std::fs::read(script)?)])?;
    let output = pool.run(Job::new(bundle, "script.py").with_args(args))?.finish().await;

    let report = &output.report;
    println!("outcome: {}", report.outcome.as_str());
    println!("result: {}", report.result.as_ref().map_or("none", |result| result.get()));
    println!("error: {}", report.error.as_ref().map_or("none", |error| &error.message));
    println!("output: {}", String::from_utf8_lossy(&output.stdout).trim_end());
    println!("usage: {} fuel, {} bytes, {:?}", report.usage.fuel, report.usage.peak_memory_bytes, report.usage.wall);
    pool.close(true).await;
    Ok(())
}
