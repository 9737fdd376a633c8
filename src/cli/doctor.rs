//! `cronbox doctor`: what this installation is, and whether everything works.

use super::{Exit, complain, open_interpreter, pool_config, serve};
use crate::serve::config::{InterpreterConfig, this_program};
use crate::serve::examine::{Finding, Severity, examine};
use clap::Args;
use cronbox_runtime::hardening::{ProbeResult, SANDBOX_PROBE, probes};
use cronbox_runtime::{BUILD, Bundle, CompiledInterpreter, GUEST_FACTS, Job, OnLost, Outcome, Pool};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;

/// Where the known faults of the interpreter are listed.
const FAULTS: &str = "docs/interpreter.md";

/// What `cronbox doctor` takes.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    interpreter: InterpreterConfig,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// The flags that the server is started with, beside its file and its variables
    #[arg(last = true, value_name = "FLAGS OF SERVE", allow_hyphen_values = true)]
    serve: Vec<OsString>,
}

impl DoctorArgs {
    pub(super) fn execute(self) -> Exit {
        let mut findings = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "build": BUILD,
            "interpreter": serde_json::from_str::<Value>(GUEST_FACTS).unwrap_or(Value::Null),
            "interpreter_faults": FAULTS,
            "tzdata": crate::zone::installed().release(),
        });
        let mut problems: Vec<String> = Vec::new();
        match open_interpreter(&self.interpreter) {
            Err(why) => problems.push(why),
            Ok(interpreter) => {
                findings["cache"] = json!(interpreter.path());
                if let Err(error) = interpreter.verify() {
                    problems.push(error.to_string());
                }
                match self_test(interpreter) {
                    Ok(tested) => {
                        findings["hardening"] = tested["hardening"].clone();
                        findings["self_test"] = tested["self_test"].clone();
                    }
                    Err(why) => problems.push(why),
                }
            }
        }
        let (refused, holes) = try_the_locks();
        findings["forbidden_calls"] = json!({"tried": refused + holes.len(), "stopped": refused, "let_through": holes});
        problems.extend(holes.iter().map(|name| format!("the locks do not stop the system call {name}")));
        look_at_server(&self.serve, &mut findings, &mut problems);
        findings["problems"] = json!(problems);
        let text = if self.json { format!("{findings}\n") } else { for_people(&findings) };
        if std::io::stdout().lock().write_all(text.as_bytes()).is_err() {
            complain("standard output is closed");
        }
        if problems.is_empty() { Exit::Succeeded } else { Exit::Failed }
    }
}

/// Looks at what the server would use: problems first, then warnings.
fn look_at_server(flags: &[OsString], findings: &mut Value, problems: &mut Vec<String>) {
    let config = match serve::configured(flags) {
        Ok(config) => config,
        Err(why) => return problems.push(format!("the server's settings cannot be used: {why}")),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let found = match runtime {
        Ok(runtime) => runtime.block_on(examine(&config)),
        Err(error) => return problems.push(format!("no runtime: {error}")),
    };
    let of = |severity: Severity| found.iter().filter(move |finding| finding.severity == severity);
    let sentence = |finding: &Finding| format!("{}: {}", finding.topic, finding.text);
    problems.extend(of(Severity::Problem).map(sentence));
    findings["warnings"] = of(Severity::Warning).map(sentence).collect();
    findings["server"] =
        of(Severity::Fine).map(|finding| json!({"topic": finding.topic, "text": finding.text})).collect();
}

/// Runs a script that touches what scripts touch.
fn self_test(interpreter: CompiledInterpreter) -> Result<Value, String> {
    const SOURCE: &[u8] = b"import json, sys, tempfile, zoneinfo\n\
        def run(n):\n    with tempfile.TemporaryFile() as f:\n        f.write(b'x' * n)\n    \
        import importlib.resources as r\n    \
        return {'n': n, 'python': sys.version.split()[0], 'zone': str(zoneinfo.ZoneInfo('Asia/Shanghai')), \
        'tzdata': r.files('tzdata').joinpath('zones').is_file()}\n";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let mut config = pool_config();
        config.processes = 1;
        let pool = Pool::start(config, Arc::new(interpreter)).await.map_err(|error| error.to_string())?;
        let bundle = Bundle::of_files(&[("doctor.py", SOURCE)]).map_err(|error| error.to_string())?;
        let env = vec![("TMPDIR".into(), "/tmp".into())];
        let job = Job::new(bundle, "doctor.py").with_args("{\"n\": 1000}").with_env(env).with_on_lost(OnLost::Report);
        let report = pool.run(job).map_err(|error| error.to_string())?.finish().await.report;
        if report.outcome != Outcome::Succeeded {
            let said = report.error.map(|error| error.message).unwrap_or_default();
            return Err(format!("the self-test ended {}: {said}", report.outcome.as_str()));
        }
        Ok(json!({"hardening": pool.hardening().measures, "self_test": report.result}))
    })
}

/// Tries every forbidden system call in a locked process; how many were stopped, and the names of those that were not.
fn try_the_locks() -> (usize, Vec<&'static str>) {
    let mut stopped = 0;
    let mut holes = Vec::new();
    for probe in probes() {
        let mut command = Command::new(this_program());
        command.arg(SANDBOX_PROBE);
        match probe.run(command) {
            ProbeResult::Killed | ProbeResult::Refused => stopped += 1,
            ProbeResult::LetThrough | ProbeResult::Broken => holes.push(probe.name),
        }
    }
    (stopped, holes)
}

fn for_people(findings: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines = vec![format!("cronbox {} (build {})", text(&findings["version"]), text(&findings["build"]))];
    let interpreter = findings["interpreter"].as_object().cloned().unwrap_or_default();
    for (name, value) in &interpreter {
        lines.push(format!("interpreter {name}: {}", text(value)));
    }
    lines.push(format!(
        "Python: CPython {}; the faults of this release that scripts can meet: {FAULTS}",
        text(&findings["interpreter"]["versions"]["cpython"])
    ));
    lines.push(format!("time zones of schedules: {}", text(&findings["tzdata"])));
    if let Some(cache) = findings["cache"].as_str() {
        lines.push(format!("compiled interpreter: {cache}"));
    }
    for measure in findings["hardening"].as_array().into_iter().flatten() {
        let state = measure["missing"].as_str().map_or("in force".to_owned(), |why| format!("MISSING: {why}"));
        lines.push(format!("hardening {}: {state}", text(&measure["name"])));
    }
    for finding in findings["server"].as_array().into_iter().flatten() {
        lines.push(format!("server {}: {}", text(&finding["topic"]), text(&finding["text"])));
    }
    let calls = &findings["forbidden_calls"];
    lines.push(format!("forbidden system calls: {} tried, {} stopped", calls["tried"], calls["stopped"]));
    if !findings["self_test"].is_null() {
        lines.push(format!("self-test: {}", findings["self_test"]));
    }
    for warning in findings["warnings"].as_array().into_iter().flatten() {
        lines.push(format!("warning: {}", text(warning)));
    }
    for problem in findings["problems"].as_array().into_iter().flatten() {
        lines.push(format!("PROBLEM: {}", text(problem)));
    }
    lines.push(String::new());
    lines.join("\n")
}
