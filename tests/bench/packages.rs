//! What runs with packages cost: without an image of them, and from one.

use crate::support::result;
use crate::{PROGRAM, at, cache, cost_of, finish, interpreter, ms, pool};
use cronbox_runtime::testing::Inspect as _;
use cronbox_runtime::{Bundle, ImageStatus, Job, Outcome, Pool, environment};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Sets that are used most: what is listed, and what is imported.
const SETS: &[(&str, &str)] = &[
    ("requests", "import requests"),
    ("httpx", "import httpx"),
    ("requests beautifulsoup4", "import requests\nfrom bs4 import BeautifulSoup"),
    ("openpyxl xlsxwriter", "import openpyxl\nimport xlsxwriter"),
    ("slack-sdk", "from slack_sdk import WebClient"),
    ("sqlalchemy pg8000", "import sqlalchemy\nimport pg8000"),
    ("redis", "import redis"),
    ("jinja2 pyyaml", "import jinja2\nimport yaml"),
    ("rich", "from rich.console import Console\nfrom rich.table import Table"),
    ("boto3", "import boto3"),
];
const ROUNDS: usize = 200;

/// Prints a row for each set.
pub async fn costs() {
    println!("\n| packages | run that imports them | run from the image, p50 | p99 | CPU | faults |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let interpreter = interpreter();
    for (names, imports) in SETS {
        let set = match set_of(names, imports) {
            Ok(set) => set,
            Err(why) => {
                println!("| {names} | {why} |");
                continue;
            }
        };
        let pool = pool(&interpreter, 1, 8).await;
        // A script that was never seen: images and what is known of scripts are kept from one benchmark to the next.
        let mark = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let source = format!("{imports}\ndef run(n=1):\n    return n\n# {mark}\n");
        let bundle = Bundle::of_files(&[("it.py", source.as_bytes())]).unwrap();
        let job = Job::new(bundle, "it.py").with_packages(Some(set)).with_env(environment());
        one_set(&pool, &job, names).await;
        pool.close(false).await;
    }
}

async fn one_set(pool: &Pool, job: &Job, names: &str) {
    let first = finish(pool, job).await;
    pool.images_made().await;
    let status = pool.image_status(job);
    let ImageStatus::Ready { .. } = status else {
        println!("| {names} | {} | {status:?} |", ms(first.usage.wall));
        return;
    };
    let pid = pool.process_ids()[0];
    for _ in 0..100 {
        finish(pool, job).await;
    }
    let (faults, cpu) = cost_of(pid);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let report = finish(pool, job).await;
        times.push(began.elapsed());
        assert_eq!((report.outcome, result(&report)), (Outcome::Succeeded, "1"));
    }
    let (faults_after, cpu_after) = cost_of(pid);
    times.sort();
    let each = |total: Duration| total / ROUNDS as u32;
    println!(
        "| {names} | {} | {} | {} | {} | {:.1} |",
        ms(first.usage.wall),
        ms(at(&times, 0.5)),
        ms(at(&times, 0.99)),
        ms(each(cpu_after - cpu)),
        (faults_after - faults) as f64 / ROUNDS as f64,
    );
}

/// Has the program resolve and compile a set, and returns its files.
fn set_of(names: &str, imports: &str) -> Result<Arc<Bundle>, String> {
    let place = cache().join("sets").join(names.replace(' ', "+"));
    std::fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    let script = place.join("it.py");
    let listed: Vec<_> = names.split(' ').map(|name| format!("\"{name}\"")).collect();
    let block = format!("# /// script\n# dependencies = [{}]\n# ///\n", listed.join(", "));
    std::fs::write(&script, format!("{block}{imports}\ndef run():\n    return 1\n"))
        .map_err(|error| error.to_string())?;
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--quiet"]).arg(&script);
    command.arg("--interpreter-cache").arg(cache()).arg("--package-cache").arg(&place);
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("failed").to_owned());
    }
    let path = newest(&place.join("sets")).ok_or("no set was kept")?;
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    // The digest of the bundle is before it.
    Bundle::from_bytes(bytes.get(32..).unwrap_or_default()).map(Arc::new).map_err(|error| error.to_string())
}

fn newest(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let bundles = entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "bundle"));
    bundles.max_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok()).map(|entry| entry.path())
}
