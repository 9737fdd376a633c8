//! Packs what other builds brought: the time zones that scripts see (the guest's), for this program to go by too, and the page
//! (`web`), if it was built.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CRONBOX_GUEST");
    env::var_os("CRONBOX_GUEST").ok_or("CRONBOX_GUEST is not set; .cargo/config.toml sets it inside this folder")?;
    println!("cargo::rerun-if-changed=python-wasm/requirements.txt");
    let source = source().ok_or("the time zones are not there; `make guest` brings them (python-wasm/README.md)")?;
    println!("cargo::rerun-if-changed={}", source.display());
    let release = fs::read_to_string(source.join("tzdata.zi"))?;
    let release = release.lines().next().and_then(|line| line.strip_prefix("# version ")).ok_or("no release")?;
    let (mut files, mut zones) = (BTreeMap::new(), BTreeMap::new());
    list(&source, "", &mut files)?;
    for (name, path) in files {
        let bytes = fs::read(path)?;
        if bytes.starts_with(b"TZif") && name != "Factory" {
            zones.insert(name, bytes);
        }
    }
    // Each distinct file once: many names are aliases.
    let (mut blob, mut places, mut table) = (Vec::new(), HashMap::new(), String::new());
    for (name, bytes) in zones {
        let at = *places.entry(bytes.clone()).or_insert(blob.len());
        if at == blob.len() {
            blob.extend_from_slice(&bytes);
        }
        writeln!(table, "    ({name:?}, {at}, {}),", bytes.len())?;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("zones.bin"), blob)?;
    let head = format!("const RELEASE: &str = {release:?};\nconst TABLE: &[(&str, usize, usize)] = &[\n");
    fs::write(out.join("zones.rs"), format!("{head}{table}];\n"))?;
    pack_page(&out)
}

/// Writes a table of the page's files, which has no rows where the page was not built.
fn pack_page(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web/dist");
    println!("cargo::rerun-if-changed={}", folder.display());
    let folder = folder.join("page");
    let mut files = BTreeMap::new();
    if folder.is_dir() {
        list(&folder, "", &mut files)?;
    }
    // The bytes are copied: the page can be built again, or removed, between this and the compiler.
    let (mut blob, mut table) = (Vec::new(), String::from("&[\n"));
    let mut place = |path: Option<&PathBuf>| -> io::Result<String> {
        let Some(path) = path else { return Ok("None".into()) };
        let from = blob.len();
        blob.extend_from_slice(&fs::read(path)?);
        Ok(format!("Some({from}..{})", blob.len()))
    };
    for (name, path) in files.iter().filter(|(name, _)| !name.ends_with(".br") && !name.ends_with(".gz")) {
        let packed = |ending: &str| files.get(&format!("{name}{ending}"));
        let (plain, brotli, gzip) = (place(Some(path))?, place(packed(".br"))?, place(packed(".gz"))?);
        writeln!(table, "    File {{ name: {name:?}, plain: {plain}, brotli: {brotli}, gzip: {gzip} }},")?;
    }
    table.push_str("]\n");
    fs::write(out.join("page.bin"), blob)?;
    fs::write(out.join("page.rs"), table)?;
    Ok(())
}

/// Every file below a folder, by its path from there.
fn list(folder: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{prefix}{file}");
        if path.is_dir() {
            list(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// Where the guest's build put the pinned release (`tzdata` from PyPI).
fn source() -> Option<PathBuf> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").ok()?);
    let versions = fs::read_dir(here.join("python-wasm/out/venv/lib")).ok()?;
    let folders = versions.flatten().map(|version| version.path().join("site-packages/tzdata/zoneinfo"));
    folders.into_iter().find(|folder| folder.join("tzdata.zi").exists())
}
