//! The rooms of the house: who may use whom, and which line belongs where.

mod circles;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room of the program may use of the others, `*` for a room that may use nothing.
const PROGRAM: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "audit",
            "access",
            "api",
            "backup",
            "blobs",
            "chart",
            "cleaner",
            "clock",
            "config",
            "crontab",
            "exact",
            "http",
            "keyring",
            "limits",
            "log",
            "metadata",
            "misfit",
            "suggest",
            "packages",
            // Only in tests: the list of all readers of foreign text.
            "readers",
            "quantity",
            "readers",
            "requirement",
            "heartbeat",
            "run",
            "schedule",
            "script",
            "secret",
            "serve",
            "source_files",
            "disk_usage",
            "stdin",
            "store",
            "supervise",
            "trigger",
            "zone",
        ],
    ),
    (
        "serve",
        &[
            "trace",
            "audit",
            "watcher",
            "access",
            "address",
            "backup",
            "deliverer",
            "monitor",
            "api",
            "blobs",
            "checker",
            "cleaner",
            "clock",
            "config",
            "http",
            "publish",
            "keyring",
            "limits",
            "links",
            "live_output",
            "metrics",
            "misfit",
            "peer_signals",
            "plan",
            "packages",
            "heartbeat",
            "quantity",
            "run",
            "schedule",
            "scheduler",
            "script",
            "service",
            "disk_usage",
            "store",
            "suggest",
            "supervise",
            "signals",
            "worker",
            "zone",
        ],
    ),
    ("crontab", &["access", "quantity", "script"]),
    // Only in tests: the list of all readers of foreign text.
    (
        "readers",
        &[
            "alert",
            "access",
            "backup",
            "blobs",
            "channel",
            "cli",
            "clock",
            "config",
            "crontab",
            "event",
            "exact",
            "http",
            "keyring",
            "limits",
            "links",
            "metadata",
            "packages",
            "peer_signals",
            "quantity",
            "requirement",
            "schedule",
            "script",
            "secret",
            "source_encoding",
            "source_files",
            "stdin",
            "store",
            "trace",
            "trigger",
            "zone",
        ],
    ),
    ("log", &["clock"]),
    ("config", &[]),
    // The rooms of a node: they meet in the store and send one another signals.
    (
        "http",
        &[
            "trace",
            "audit",
            "alert",
            "access",
            "channel",
            "api",
            "blobs",
            "checker",
            "clock",
            "disk_usage",
            "event",
            "exact",
            "fullness",
            "hosts",
            "limits",
            "live_output",
            "metrics",
            "misfit",
            "packages",
            "panics",
            "publication",
            "publish",
            "quantity",
            "readers",
            "run",
            "schedule",
            "script",
            "secret",
            "service",
            "source_files",
            "stdin",
            "store",
            "suggest",
            "supervise",
            "trigger",
            "chart",
            "precondition",
        ],
    ),
    // What the program does for a caller, without HTTP.
    (
        "service",
        &[
            "trace",
            "audit",
            "alert",
            "access",
            "deliverer",
            "channel",
            "blobs",
            "checker",
            "clock",
            "computations",
            "exact",
            "keyring",
            "limits",
            "links",
            "live_output",
            "metadata",
            "misfit",
            "packages",
            "panics",
            "plan",
            "publication",
            "publish",
            "quantity",
            "run",
            "schedule",
            "script",
            "secret",
            "signals",
            "source_files",
            "stdin",
            "store",
            "suggest",
            "trigger",
            "zone",
            "chart",
            "precondition",
        ],
    ),
    (
        "worker",
        &[
            "trace",
            "blobs",
            "clock",
            "publish",
            "keyring",
            "live_output",
            "metrics",
            "run",
            "script",
            "secret",
            "source_files",
            "ping",
            "stdin",
            "store",
            "supervise",
            "signals",
        ],
    ),
    (
        "scheduler",
        &[
            "blobs", "clock", "exact", "panics", "publish", "limits", "plan", "run", "schedule", "script", "store",
            "trigger", "signals", "zone",
        ],
    ),
    ("deliverer", &["channel", "clock", "keyring", "metrics", "notice", "run", "signals", "store"]),
    (
        "monitor",
        &[
            "address",
            "channel",
            "clock",
            "deliverer",
            "metrics",
            "ping",
            "signals",
            "store",
            "supervise",
            // Only in tests: a script that has grants.
            "precondition",
            "publication",
            "script",
        ],
    ),
    ("heartbeat", &["clock", "metrics", "run", "store", "signals"]),
    ("watcher", &["alert", "clock", "precondition", "script", "signals", "store"]),
    ("peer_signals", &["readers", "store", "signals"]),
    ("backup", &["blobs", "clock", "durable", "metrics", "readers", "store"]),
    ("cleaner", &["blobs", "clock", "run", "script", "store"]),
    ("disk_usage", &["quantity"]),
    (
        "api",
        &[
            "audit",
            "quantity",
            "alert",
            "access",
            "channel",
            "notice",
            "clock",
            "event",
            "exact",
            "limits",
            "publication",
            "requirement",
            "run",
            "schedule",
            "script",
            "secret",
            "trigger",
            "chart",
        ],
    ),
    ("links", &["audit", "blobs", "clock", "panics", "publish", "readers", "script", "source_files", "store"]),
    (
        "publish",
        &[
            "alert",
            "publication",
            "access",
            "blobs",
            "checker",
            "clock",
            "computations",
            "metadata",
            "packages",
            "requirement",
            "run",
            "schedule",
            "script",
            "source_files",
            "store",
            "trigger",
            "precondition",
        ],
    ),
    ("plan", &["clock", "limits", "run", "schedule", "script"]),
    ("checker", &["script", "source_files"]),
    ("computations", &["panics"]),
    ("packages", &["access", "config", "panics", "readers", "requirement"]),
    ("source_files", &["blobs", "panics"]),
    ("metrics", &["run"]),
    ("trace", &["clock", "config", "metrics"]),
    ("live_output", &[]),
    ("fullness", &[]),
    ("durable", &[]),
    ("supervise", &["panics", "metrics"]),
    ("signals", &["ping", "run"]),
    (
        "store",
        &[
            "audit",
            "panics",
            "publication",
            "access",
            "clock",
            "event",
            "exact",
            "fullness",
            "durable",
            "channel",
            "alert",
            "notice",
            "panics",
            "limits",
            "requirement",
            "run",
            "schedule",
            "script",
            "secret",
            "chart",
            "precondition",
        ],
    ),
    ("blobs", &["access", "clock", "fullness"]),
    ("publication", &["alert", "requirement", "schedule", "script", "precondition"]),
    ("access", &["clock", "script"]),
    ("audit", &["clock"]),
    ("secret", &["access", "clock", "hosts", "script"]),
    ("keyring", &["access", "channel", "durable", "secret"]),
    ("source_encoding", &[]),
    ("metadata", &["misfit", "source_encoding", "panics", "suggest", "script"]),
    (
        "schedule",
        &[
            "access",
            "clock",
            "exact",
            "misfit",
            "panics",
            "limits",
            "quantity",
            "run",
            "script",
            "suggest",
            "trigger",
            "zone",
            "precondition",
        ],
    ),
    ("chart", &["clock", "precondition"]),
    ("precondition", &["clock"]),
    ("run", &["clock", "limits", "quantity", "script", "stdin"]),
    ("stdin", &[]),
    ("event", &["clock", "run"]),
    ("notice", &[]),
    ("ping", &["address", "run"]),
    ("address", &[]),
    ("channel", &["address", "clock", "misfit", "notice", "precondition", "readers", "suggest", "zone"]),
    ("alert", &["quantity", "clock", "exact", "precondition", "run", "script", "suggest"]),
    ("limits", &["suggest", "quantity"]),
    ("script", &["address", "clock", "exact", "hosts", "limits", "quantity", "requirement", "zone", "precondition"]),
    ("requirement", &["panics"]),
    ("trigger", &["clock", "suggest", "zone"]),
    ("zone", &["clock", "suggest"]),
    ("panics", &[]),
    ("hosts", &[]),
    ("quantity", &[]),
    ("misfit", &["suggest"]),
    ("suggest", &[]),
    ("clock", &[]),
    ("exact", &[]),
];

/// The same for the crate that runs Python.
const RUNTIME: &[(&str, &[&str])] = &[
    ("readers", &["bundle", "crypto", "egress", "files", "frame", "policy", "pool", "process"]),
    (
        "pool",
        &[
            "faults",
            "bundle",
            "children",
            "egress",
            "engine",
            "faults",
            "frame",
            "harden",
            "holder",
            "images",
            "interpreter",
            "limits",
            "machine",
            "outcome",
            "output",
            "prepared",
            "process",
        ],
    ),
    (
        "process",
        &[
            "faults",
            "bundle",
            "engine",
            "files",
            "frame",
            "panics",
            "guest",
            "harden",
            "heap",
            "holder",
            "limits",
            "channels",
            "outcome",
            "output",
            "memory",
            "prepared",
            "sandbox",
            "stop_location",
            "fair_share",
        ],
    ),
    ("children", &["egress", "harden", "process"]),
    ("images", &["bundle", "frame", "interpreter", "prepared", "trusted_file"]),
    ("sandbox", &["budget", "files", "frame", "guest", "guest_description", "limits", "memory", "outcome", "prepared"]),
    (
        "guest",
        &[
            "budget",
            "bundle",
            "clock",
            "crypto",
            "egress",
            "faults",
            "files",
            "frame",
            "guest_description",
            "limits",
            "meter",
            "channels",
            "output",
        ],
    ),
    ("channels", &["budget", "egress", "frame", "policy"]),
    ("egress", &["frame", "harden", "outcome", "policy", "readers"]),
    ("crypto", &["panics"]),
    ("policy", &[]),
    ("guest_component", &["guest_description"]),
    ("guest_description", &[]),
    ("python", &["guest_description"]),
    ("interpreter", &["engine", "frame", "guest_component", "guest_description", "processor", "trusted_file"]),
    ("output", &["frame", "meter", "outcome"]),
    ("frame", &["guest_description", "harden", "limits", "outcome", "policy", "prepared"]),
    ("files", &["budget", "bundle", "limits", "meter", "readers"]),
    ("bundle", &["limits", "sealed"]),
    ("engine", &["memory"]),
    ("budget", &[]),
    ("clock", &[]),
    ("faults", &[]),
    ("panics", &[]),
    ("harden", &[]),
    ("heap", &[]),
    ("holder", &["frame"]),
    ("limits", &[]),
    ("machine", &[]),
    ("memory", &[]),
    ("meter", &["limits"]),
    ("outcome", &["limits"]),
    ("prepared", &[]),
    ("processor", &[]),
    ("sealed", &[]),
    ("trusted_file", &[]),
    ("stop_location", &["guest_description", "outcome"]),
    ("fair_share", &[]),
];

/// Words that belong to some rooms only.
const WORDS: &[(&str, &[&str])] = &[
    (
        "wasmtime::",
        &[
            "runtime/engine",
            "runtime/guest",
            "runtime/sandbox",
            "runtime/budget",
            "runtime/process",
            "runtime/interpreter",
            "runtime/files",
            "runtime/memory",
        ],
    ),
    ("wasmtime_wasi::", &["runtime/guest", "runtime/sandbox", "runtime/files", "runtime/output", "runtime/clock"]),
    ("seccompiler::", &["runtime/harden"]),
    ("landlock::", &["runtime/harden"]),
    ("hickory_resolver::", &["runtime/egress"]),
    ("lettre::", &["runtime/egress", "src/channel"]),
    ("rustls::", &["runtime/egress", "src/blobs", "src/packages", "src/cli", "src/http", "src/trace"]),
    ("opentelemetry_otlp::", &["src/trace"]),
    ("opentelemetry_sdk::", &["src/trace"]),
    ("std::env", &["src/config", "runtime/children", "runtime/harden", "runtime/processor"]),
    // The settings of a node are flags too.
    ("clap::", &["src/cli", "src/main", "src/serve"]),
    (
        "unsafe ",
        &[
            "runtime/engine",
            "runtime/sealed",
            "runtime/harden",
            "runtime/heap",
            "runtime/holder",
            "runtime/memory",
            "runtime/process",
        ],
    ),
    ("chacha20poly1305::", &["src/keyring"]),
    ("toml::", &["src/metadata", "src/config", "src/packages"]),
    ("pep508_rs::", &["src/requirement", "src/packages"]),
    ("sqlx::", &["src/store"]),
    ("rusqlite::", &["src/store"]),
    ("object_store::", &["src/blobs", "src/links"]),
    ("StatusCode", &["src/http", "src/serve", "src/cli"]),
    ("zip::", &["src/source_files", "src/packages"]),
    ("jiff::", &["src/zone"]),
    ("cron::Schedule", &["src/trigger"]),
    ("Utc::now", &["src/clock"]),
    ("tracing_subscriber::", &["src/log"]),
    ("pulldown_cmark::", &["src/http"]),
];

struct File {
    room: String,
    path: PathBuf,
    /// The lines before the tests, without comments.
    code: String,
}

fn files(folder: &Path) -> Vec<File> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<File>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(root).expect("inside");
                let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
                let text = fs::read_to_string(&path).expect("text");
                let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
                let code = lines.collect::<Vec<_>>().join("\n");
                found.push(File { room: first.trim_end_matches(".rs").into(), path, code });
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found
}

/// The rooms named after `crate::` in a file, `crate::{a, b::c}` taken apart.
fn used(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word =
            |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{').and_then(|group| group.split('}').next()) {
            Some(group) => rooms.extend(group.split(',').map(word)),
            None => rooms.push(word(rest)),
        }
    }
    rooms
}

fn check(folder: &str, table: &[(&str, &[&str])]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let allowed: BTreeMap<&str, &[&str]> = table.iter().copied().collect();
    let mut seen = Vec::new();
    for file in files(&root) {
        if file.room == "lib" {
            continue;
        }
        seen.push(file.room.clone());
        let may = allowed
            .get(file.room.as_str())
            .unwrap_or_else(|| panic!("{}: a room that the table lacks", file.path.display()));
        for room in
            used(&file.code).into_iter().filter(|room| allowed.contains_key(room.as_str()) && *room != file.room)
        {
            assert!(may.contains(&room.as_str()), "{} may not use {room}", file.path.display());
        }
    }
    for room in allowed.keys() {
        assert!(seen.iter().any(|seen| seen == room), "{folder}: the table has a room {room} that is not there");
    }
}

#[test]
fn rooms_use_only_what_they_may() {
    check("src", PROGRAM);
    check("runtime/src", RUNTIME);
}

#[test]
fn every_line_is_in_its_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (prefix, folder) in [("src", "src"), ("runtime", "runtime/src")] {
        for file in files(&root.join(folder)) {
            let room = format!("{prefix}/{}", file.room);
            for (word, rooms) in WORDS {
                let has = file.code.contains(word);
                assert!(!has || rooms.contains(&room.as_str()), "{}: {word} does not belong here", file.path.display());
            }
        }
    }
}

/// Rooms of the runtime that name the interpreter. All others know of a guest what its description says.
const NAMES_INTERPRETER: &[&str] = &["guest_component", "guest_description", "lib", "python", "stop_location"];

#[test]
fn the_interpreter_is_named_in_its_description() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtime/src");
    let is_product = |file: &&File| !file.path.ends_with("readers.rs") && !file.path.ends_with("tests.rs");
    for file in files(&folder).iter().filter(is_product).filter(|file| !NAMES_INTERPRETER.contains(&&*file.room)) {
        for word in ["python", ".py\"", "os._exit", "MemoryError"] {
            let has = file.code.to_lowercase().contains(&word.to_lowercase());
            assert!(!has, "{}: {word} belongs to the description of a guest", file.path.display());
        }
    }
}

#[test]
fn the_map_names_every_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("src/lib.rs")).expect("the map");
    for (room, _) in PROGRAM.iter().filter(|(room, _)| *room != "main") {
        assert!(map.contains(&format!("- [`{room}`]")), "src/lib.rs does not describe {room}");
        assert!(map.contains(&format!("pub mod {room};")), "src/lib.rs has no {room}");
    }
}

/// The layers of docs/architecture.md, by room: a room uses those of its own layer and of earlier ones.
#[test]
fn layers_use_earlier_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/architecture.md")).expect("the architecture");
    let table = text.split("| layer | room |").nth(1).expect("the table of rooms");
    let (mut layer, mut layers) = (String::new(), Vec::new());
    let mut of_room = BTreeMap::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if !cells[1].is_empty() {
            cells[1].clone_into(&mut layer);
            layers.push(layer.clone());
        }
        of_room.insert(cells[2].trim_matches('`').to_owned(), layers.len());
    }
    assert!(layers.len() > 5, "{layers:?}");
    let place = |room: &str| *of_room.get(room).unwrap_or_else(|| panic!("docs/architecture.md has no row for {room}"));
    for (room, used) in PROGRAM.iter().filter(|(room, _)| *room != "main") {
        // The list of readers exists only in tests.
        for other in used.iter().filter(|other| **other != "readers") {
            assert!(
                place(other) <= place(room),
                "{room} ({}) uses {other} ({}), which is of a later layer",
                layers[place(room) - 1],
                layers[place(other) - 1]
            );
        }
    }
}
