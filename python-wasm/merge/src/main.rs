//! Turns the many core modules of a snapshotted Python component into one.
//!
//! A component that componentize-py makes links a dozen libraries when it is instantiated, and its function table cannot
//! be prepared ahead because each library's place in it is an import. This program takes such a component apart so that
//! binaryen can merge and optimise its modules, and makes a component of the result again. `build.py` beside this crate
//! runs the steps in order.
//!
//! # Layout
//!
//! - `component`: reads the wiring of a component: what is instantiated, aliased, lowered and lifted
//! - `resolve`: follows an import of a core module to the definition or host function behind it
//! - `split`: writes the core modules, each import named after what it resolved to
//! - `module`: rewrites single sections of a core module
//! - `trim`, `fold`: what binaryen needs between its two runs
//! - `deepen`: has CPython see how deep it is
//! - `code`: reads the functions of a core module
//! - `meter`: has the module count its own work
//! - `image`: takes the initial memory out of the module
//! - `wrap`: makes the component, with the world of the original and the initial memory beside the module
//! - `check`: what must hold for the result
//! - `audit`: proves that the result is metered

mod audit;
mod check;
mod code;
mod component;
mod deepen;
mod fold;
mod image;
mod meter;
mod module;
mod resolve;
mod split;
mod trim;
mod wrap;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: cronbox-guest-merge COMMAND
  split COMPONENT DIR          write the core modules, relinked by name, and the list DIR/modules.txt
  trim IN OUT                  keep the exports that the component needs
  fold IN OUT                  compute globals that are sums of constants
  deepen IN OUT NAME BYTES     have a function take room on the stack in linear memory
  meter IN OUT                 have the module count its work
  wrap COMPONENT MODULE OUT    make a component of MODULE, its memory beside it, with the world of COMPONENT
  check COMPONENT              say whether the component starts fast and is metered, and count its parts";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, wrote) = match run(&arguments) {
        Ok(report) => (ExitCode::SUCCESS, writeln!(std::io::stdout().lock(), "{report}")),
        Err(error) => (ExitCode::FAILURE, writeln!(std::io::stderr().lock(), "error: {error:#}")),
    };
    // A report that nobody could read is a failure too: the build records it.
    if wrote.is_ok() { code } else { ExitCode::FAILURE }
}

/// Carries out one command and returns the line to print.
fn run(arguments: &[&str]) -> Result<String> {
    match arguments {
        ["split", component, dir] => split::split(&read(component)?, Path::new(dir)),
        ["trim", input, output] => write(output, &trim::trim(&read(input)?)?),
        ["fold", input, output] => {
            let (module, folded) = fold::fold(&read(input)?)?;
            write(output, &module)?;
            Ok(format!("{folded} globals computed"))
        }
        ["deepen", input, output, name, bytes] => {
            write(output, &deepen::deepen(&read(input)?, name, bytes.parse().context("BYTES is a number")?)?)
        }
        ["meter", input, output] => {
            let (module, report) = meter::meter(&read(input)?)?;
            write(output, &module)?;
            Ok(report)
        }
        ["wrap", component, module, output] => write(output, &wrap::wrap(&read(component)?, read(module)?)?),
        ["check", component] => {
            let component = read(component)?;
            let counts = check::check(&component)?;
            let proof = audit::audit(check::core_module(&component)?).context("the meter")?;
            Ok(format!("{counts}\n{proof}"))
        }
        _ => bail!("{USAGE}"),
    }
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {path}"))
}

fn write(path: &str, bytes: &[u8]) -> Result<String> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {path}"))?;
    Ok(format!("{} bytes written", bytes.len()))
}
