//! A run on this machine, shown while it runs or as one document at its end.

use crate::cli::Exit;
use crate::cli::bundle::lies_beside;
use crate::cli::input::Input;
use crate::cli::terminal::Sink;
use crate::quantity;
use crate::run::explain::{LimitContext, cut_mark};
use bytes::Bytes;
use cronbox_runtime::report::StreamUsage;
use cronbox_runtime::{Event, HostCall, Report, Run, Stream};
use futures_util::future::OptionFuture;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::path::Path;
use std::pin::Pin;

/// What a run came to.
#[derive(Serialize)]
struct Document<'a> {
    result: Option<&'a RawValue>,
    #[serde(flatten)]
    rest: Value,
}

/// Runs and collects; prints one document at the end.
pub(super) async fn whole(mut run: Run, input: Input, terms: &LimitContext, files: &mut Vec<(String, Bytes)>) -> Exit {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let Some(report) = follow(&mut run, input, files, |stream, bytes| {
        match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => stderr.extend_from_slice(bytes),
        }
        true
    })
    .await
    else {
        return Exit::Unavailable;
    };
    let text = |bytes: &[u8], usage: &StreamUsage, limit: u64| {
        String::from_utf8_lossy(bytes).into_owned() + &cut_mark(usage, limit)
    };
    let document = Document {
        // As Python wrote it: a number of any size stays as it is.
        result: report.result.as_deref(),
        rest: json!({
            "status": report.outcome.as_str(),
            "stdout": text(&stdout, &report.stdout, terms.limits.stdout),
            "stderr": text(&stderr, &report.stderr, terms.limits.stderr),
            "error": terms.error(&report),
            "usage": {
                "fuel": report.usage.fuel,
                "import_fuel": report.usage.import_fuel,
                "peak_memory_bytes": report.usage.peak_memory_bytes,
                "wall_ms": (report.usage.wall.as_secs_f64() * 1e6).round() / 1e3,
                "network": report.network,
            },
        }),
    };
    let mut out = Sink::new(std::io::stdout());
    let written = serde_json::to_string(&document).map_err(std::io::Error::other).and_then(|text| out.line(&text));
    if written.is_err() {
        return Exit::Unavailable;
    }
    Exit::of_outcome(report.outcome)
}

/// Runs and passes on what the script writes while it writes.
pub(super) async fn live(
    mut run: Run,
    input: Input,
    terms: &LimitContext,
    quiet: bool,
    script: &Path,
    files: &mut Vec<(String, Bytes)>,
) -> Exit {
    let (mut out, mut err) = (Sink::new(std::io::stdout()), Sink::new(std::io::stderr()));
    let report = follow(&mut run, input, files, |stream, bytes| match stream {
        Stream::Stdout if quiet => true,
        Stream::Stdout => out.write(bytes).is_ok(),
        Stream::Stderr => err.write(bytes).is_ok(),
    })
    .await;
    // A reader that went away (`| head`) wanted no more.
    let Some(report) = report else { return Exit::Succeeded };
    let mut say = || {
        if !quiet && report.stdout.dropped > 0 {
            out.line(cut_mark(&report.stdout, terms.limits.stdout).trim())?;
        }
        if report.stderr.dropped > 0 {
            err.line(cut_mark(&report.stderr, terms.limits.stderr).trim())?;
        }
        // None is what a script returns that returns nothing.
        if let Some(result) = report.result.as_ref().filter(|result| result.get() != "null") {
            out.line(result.get())?;
        }
        if let Some(error) = report.error.as_ref().filter(|error| !error.traceback.is_empty()) {
            err.line(&error.traceback)?;
        }
        for note in &report.notes {
            err.line(&format!("note: {note}"))?;
        }
        if let Some(hint) = report.error.as_ref().and_then(|error| hint(script, &error.message)) {
            err.line(&hint)?;
        }
        err.line(&summary(&report, terms))
    };
    match say() {
        Ok(()) => Exit::of_outcome(report.outcome),
        Err(_) => Exit::Unavailable,
    }
}

/// What to type when a file that lies beside the script was not found.
fn hint(script: &Path, message: &str) -> Option<String> {
    let beside = lies_beside(script, message).filter(|_| script.is_file())?;
    let folder = script.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (main, folder) = (script.file_name()?.to_string_lossy().into_owned(), folder.display());
    Some(format!(
        "note: {} lies beside {}, and a file is run alone: `cronbox run {folder} --main {main}` takes the folder",
        beside.file_name()?.to_string_lossy(),
        script.display()
    ))
}

/// A question of the script, by its number, and what is answered.
type Answer = (u64, Result<String, String>);

/// Follows a run to its end; an interrupt cancels it. None when `output` wants no more.
async fn follow(
    run: &mut Run,
    input: Input,
    files: &mut Vec<(String, Bytes)>,
    mut output: impl FnMut(Stream, &[u8]) -> bool,
) -> Option<Report> {
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut asked = false;
    let mut reading: Option<Pin<Box<dyn Future<Output = Answer>>>> = None;
    loop {
        tokio::select! {
            event = run.next() => match event? {
                Event::Output { stream, bytes } => {
                    if !output(stream, &bytes) {
                        return None;
                    }
                }
                Event::File { path, content } => files.push((path, content)),
                // There is one attempt here; a lost one is reported.
                Event::Restarted => {}
                // A script has one thread: it waits for this answer before it asks for anything else.
                Event::Call { number, call: HostCall::Stdin, request } => {
                    let part = input.clone().answer(request);
                    reading = Some(Box::pin(async move { (number, part.await) }));
                }
                Event::Call { number, call, .. } => run.reply(number, answer(&call)),
                Event::Done(report) => return Some(*report),
            },
            Some((number, part)) = OptionFuture::from(reading.as_mut()) => {
                reading = None;
                run.reply(number, part);
            }
            _ = &mut interrupted, if !asked => {
                asked = true;
                run.cancel();
            }
        }
    }
}

/// What a script without a server gets: no result before it, an empty state that is not kept.
fn answer(call: &HostCall) -> Result<String, String> {
    match call {
        HostCall::PreviousResult | HostCall::Upstream => Ok("null".into()),
        HostCall::State => Ok("{}".into()),
        HostCall::SetState => Ok(json!("context.state was changed, and is not kept: that needs a server").to_string()),
        HostCall::Stdin | HostCall::Other(_) => Err(format!("{call} needs a server; this script was run by itself")),
    }
}

/// `succeeded in 3 ms · 0.31 G fuel · 21 MiB`, and what stopped the run, if anything did.
fn summary(report: &Report, terms: &LimitContext) -> String {
    let usage = &report.usage;
    let (fuel, memory) = (quantity::fuel(usage.fuel), quantity::bytes(usage.peak_memory_bytes));
    let line = format!("{} in {} · {fuel} · {memory}", report.outcome.as_str(), quantity::duration(usage.wall));
    match terms.stop_sentence(report) {
        Some(sentence) => format!("{line}\n{sentence}"),
        None => line,
    }
}
