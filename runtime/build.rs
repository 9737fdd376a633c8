//! Finds the guest that is to be built in, and names this build.
//!
//! `CRONBOX_GUEST` is the path of the guest, with its facts in a `.json` of the same name beside it. Where it is not set,
//! the crate is built without a guest, and the program gives one when it runs.

use std::path::{Path, PathBuf};
use std::{env, fs};

const VARIABLE: &str = "CRONBOX_GUEST";

fn main() -> Result<(), String> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let (guest, facts) = match env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => built_in(&here, Path::new(&path))?,
        None => {
            let nothing = PathBuf::from(variable("OUT_DIR")?).join("no-guest.wasm");
            fs::write(&nothing, "").map_err(|error| format!("{}: {error}", nothing.display()))?;
            (nothing, String::new())
        }
    };
    println!("cargo::rustc-env=CRONBOX_GUEST_WASM={}", guest.display());
    println!("cargo::rustc-env=CRONBOX_GUEST_FACTS={}", facts.replace('\n', " "));
    // Machine code is made of the guest, by wasmtime and its settings: all three name the build. The facts of the guest
    // have its digest.
    let settings = read(&here.join("src/engine.rs"))?;
    let manifest = read(&here.join("Cargo.toml"))?;
    let wasmtime = manifest
        .lines()
        .find(|line| line.starts_with("wasmtime = ") && line.contains("\"="))
        .ok_or("Cargo.toml does not name one version of wasmtime")?;
    for input in [here.join("src/engine.rs"), here.join("Cargo.toml")] {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    println!("cargo::rustc-env=CRONBOX_BUILD_INPUTS={:016x}", fnv(&[&facts, &settings, wasmtime].concat()));
    Ok(())
}

/// Returns the guest's absolute path and its facts.
fn built_in(here: &Path, path: &Path) -> Result<(PathBuf, String), String> {
    let wasm = here.join(path);
    let facts = wasm.with_extension("json");
    for input in [&wasm, &facts] {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    if !wasm.exists() {
        return Err(format!("{VARIABLE}={} does not exist; `make guest` builds it", path.display()));
    }
    Ok((wasm, read(&facts)?))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// FNV-1a: enough to tell one build from another, and needs no dependency.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
