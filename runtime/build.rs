//! Finds the built guest and gives the build its name.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), String> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(|error| error.to_string())?);
    let out = here.join("../python-wasm/out");
    let wasm = out.join("python.wasm");
    let facts = out.join("python.json");
    for input in [&wasm, &facts, &here.join("src/engine.rs"), &here.join("../Cargo.lock")] {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    let facts = fs::read_to_string(&facts)
        .ok()
        .filter(|_| wasm.exists())
        .ok_or("the guest is not built; `make guest` builds it (python-wasm/README.md)")?;
    println!("cargo::rustc-env=CRONBOX_GUEST_WASM={}", wasm.display());
    println!("cargo::rustc-env=CRONBOX_GUEST_FACTS={}", facts.replace('\n', " "));
    // What machine code is made depends on the guest, on wasmtime and on its settings: all three name the build. The
    // digest of the guest stands in its facts.
    let settings = read(&here.join("src/engine.rs"))?;
    let lock = read(&here.join("../Cargo.lock"))?;
    let wasmtime = lock
        .split("[[package]]")
        .find(|package| package.contains("name = \"wasmtime\"\n"))
        .ok_or("Cargo.lock names no wasmtime")?;
    println!("cargo::rustc-env=CRONBOX_BUILD_INPUTS={:016x}", fnv(&[&facts, &settings, wasmtime].concat()));
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// FNV-1a: enough to tell one build from another, and no dependency.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
