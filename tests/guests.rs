//! Guests beside CPython: what is known of one is in its description.

use crate::support;
use cronbox_runtime::{
    CompiledInterpreter, GuestComponent, GuestDescription, ImageStatus, Job, JobError, Outcome, Pool, PoolConfig,
    PoolError, Report,
};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What the runtime offers every guest, and one function of what it offers some.
const HOST: [(&str, &str); 2] = [
    (
        "meter.wit",
        "package cronbox:meter@0.1.0;
        interface fuel { settle: func(left: s64) -> s64; refuel: func(left: s64) -> s64; }",
    ),
    ("host.wit", "package cronbox:guest@0.1.0; interface host { cpu-time: func() -> u64; }"),
];

/// A part of the world in `runtime/wit/sandbox.wit`, with another name for its function.
const WORLD: &str = "package test:echo@0.1.0;
    world echo {
        import cronbox:meter/fuel@0.1.0;
        // more
        enum result-kind { json, text, none }
        enum mode { function, script }
        record request {
            name: string, path: string, source: list<u8>, entry: option<string>, args: string, text-args: list<string>,
            argv: list<string>, env: list<tuple<string, string>>, context: string, result-kind: result-kind,
            result-limit: u32, has-packages: bool,
        }
        record success { mode: mode, kind: result-kind, value: string, notes: list<string> }
        record failure {
            mode: mode, type-name: string, message: string, traceback: string, exit-code: option<s32>,
            notes: list<string>, value: option<tuple<result-kind, string>>,
        }
        export echo: func(request: request) -> result<success, failure>;
    }";

/// An interpreter of a language whose only program is its own result: returns the arguments, with the text at 80 as a note.
/// Without end for the arguments `[]`.
const MODULE: &str = r#"(module
    (import "cronbox:meter/fuel@0.1.0" "settle" (func $settle (param i64) (result i64)))
    (import "cronbox:meter/fuel@0.1.0" "refuel" (func $refuel (param i64) (result i64)))
    ;; more
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $at) (local.get 3)))
        (local.get $at))
    (func (export "echo") (param $request i32) (result i32)
        (local $slice i64)
        (local.set $slice (call $settle (i64.const 0)))
        ;; Another run left this here.
        (if (i32.load (i32.const 16)) (then unreachable))
        (i32.store (i32.const 16) (i32.const 1))
        (if (i32.eq (i32.load offset=40 (local.get $request)) (i32.const 2))
            (then (loop $again (local.set $slice (call $refuel (i64.const -1))) (br $again))))
        (i32.store (i32.const 40) (i32.load offset=36 (local.get $request)))
        (i32.store (i32.const 44) (i32.load offset=40 (local.get $request)))
        (i32.store (i32.const 48) (i32.const 64))
        (i32.store (i32.const 52) (i32.const 1))
        (i32.store (i32.const 64) (i32.const 80))
        (i32.store (i32.const 68) (i32.const 14))
        (drop (call $settle (i64.sub (local.get $slice) (i64.const 1000))))
        (i32.const 32)))"#;

/// The guest with `world` and `module` for what is marked in the two texts, and with an initial memory beside its code.
fn echo(world: &str, module: &str) -> GuestComponent {
    let mut resolve = Resolve::default();
    for (name, text) in HOST {
        resolve.push_source(name, text).expect("a package");
    }
    let package = resolve.push_source("echo.wit", &WORLD.replace("// more", world)).expect("a package");
    let world = resolve.select_world(&[package], Some("echo")).expect("a world");
    let mut module = wat::parse_str(MODULE.replace(";; more", module)).expect("a module");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    let mut encoder = ComponentEncoder::default().validate(true).module(&module).expect("a module");
    let mut component = encoder.encode().expect("a component");
    let mut memory = vec![0; 64 << 10];
    memory[80..94].copy_from_slice(b"from the image");
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&memory).expect("packs");
    let content = [b"\x0dcronbox:image".as_slice(), &packed.finish().expect("packs")].concat();
    assert!(content.len() < 1 << 14, "the size has two bytes below");
    component.extend([0, (content.len() & 0x7f | 0x80) as u8, (content.len() >> 7) as u8]);
    component.extend(content);
    GuestComponent::from_bytes(component)
}

fn description() -> GuestDescription {
    GuestDescription::new("echo", "echo")
}

fn compiled(guest: GuestComponent, description: GuestDescription) -> Arc<CompiledInterpreter> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    Arc::new(CompiledInterpreter::open_guest(&guest.with_description(description), &cache, || ()).expect("it compiles"))
}

/// One process, which compares each memory with its image after every run.
fn config() -> PoolConfig {
    let mut config = support::config();
    (config.processes, config.max_processes) = (1, 1);
    config.command.push("faults=check every reset".into());
    config
}

fn echo_job(args: &str) -> Job {
    support::job_named("any.txt", b"no program").with_guest("echo").with_args(args)
}

fn assert_echo(report: &Report, args: &str) {
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
    assert_eq!((support::result(report), &*report.notes), (args, &["from the image".to_owned()][..]));
    assert_eq!((report.usage.fuel, report.usage.import_fuel), (1_000, 0));
    assert!(report.usage.peak_memory_bytes < 4 << 20, "{:?}", report.usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_run_beside_one_another() {
    let _shared = support::beside_others().await;
    let echo = compiled(echo("", ""), description());
    let pool = Pool::start_with(config(), vec![support::interpreter(), echo]).await.expect("a pool");
    let python = support::job("def run(n):\n    return {'n': n}\n");
    let mut runs = Vec::new();
    for n in 1..=60 {
        // Sometimes one of them is used more, sometimes the other one.
        let of_python = if n <= 30 { n % 5 > 0 } else { n % 5 == 0 };
        let (args, result) = if of_python {
            (format!("{{\"n\":{n}}}"), format!("{{\"n\":{n}}}"))
        } else {
            (format!("[{n}]"), format!("[{n}]"))
        };
        let job = if of_python { python.clone().with_args(args) } else { echo_job(&args) };
        runs.push((of_python, support::start(&pool, job), result));
        if n % 4 == 0 {
            for (of_python, run, result) in runs.drain(..) {
                let report = run.finish().await.report;
                if of_python {
                    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
                    assert_eq!(support::result(&report), result);
                } else {
                    assert_echo(&report, &result);
                }
            }
        }
    }
    let endless = support::finish(&pool, echo_job("[]")).await;
    assert_eq!((endless.outcome, endless.stopped_at), (Outcome::OutOfFuel, None));
    // Another guest's least memory is not asked of a run.
    let mut small = echo_job("[1]");
    (small.limits.memory, small.limits.files) = (16 << 20, 1 << 20);
    assert!(pool.interpreter_memory() > 16 << 20);
    assert_echo(&support::finish(&pool, small).await, "[1]");
    match pool.run(python.with_guest("perl")).err() {
        Some(JobError::NoGuest(name)) => assert_eq!(name, "perl"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_is_not_the_first_has_images_of_packages() {
    let _shared = support::beside_others().await;
    let echo = compiled(echo("", ""), description());
    let pool = Pool::start_with(config(), vec![echo, support::interpreter()]).await.expect("a pool");
    assert_echo(&support::finish(&pool, echo_job("[2]")).await, "[2]");
    let mark = format!("{:?} {}", std::time::SystemTime::now(), std::process::id());
    let files = [("part.py", "SUM = sum(range(1_000_000))\n"), ("mark.txt", &*mark)];
    let packages =
        cronbox_runtime::Bundle::of_files(&files.map(|(path, text)| (path, text.as_bytes()))).expect("a bundle");
    let job = support::job("import part\ndef run():\n    return part.SUM\n")
        .with_packages(Some(Arc::new(packages)))
        .with_guest("python");
    assert_eq!(pool.image_status(&job), ImageStatus::Pending);
    for round in 0..12 {
        let report = support::finish(&pool, job.clone()).await;
        pool.images_made().await;
        assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
        assert_eq!(support::result(&report), "499999500000");
        assert!(matches!(pool.image_status(&job), ImageStatus::Ready { .. }), "{:?}", pool.image_status(&job));
        assert_echo(&support::finish(&pool, echo_job(&format!("[{round}]"))).await, &format!("[{round}]"));
    }
    // There are none of the other guest.
    let none = pool.image_status(&job.with_guest("echo"));
    assert!(matches!(none, ImageStatus::None { .. }), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_reaches_what_its_description_names() {
    let _shared = support::beside_others().await;
    let curious = || {
        echo(
            "import cronbox:guest/host@0.1.0;",
            r#"(import "cronbox:guest/host@0.1.0" "cpu-time" (func $time (result i64)))"#,
        )
    };
    let start = async |description| Pool::start_with(config(), vec![compiled(curious(), description)]).await;
    match start(description()).await.err() {
        Some(PoolError::Start(why)) => {
            assert!(why.contains("imports cronbox:guest/host@0.1.0, which its description does not name"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    let mut named = description();
    named.imports = vec!["cronbox:guest/host".into()];
    let pool = start(named).await.expect("a pool");
    assert_echo(&support::finish(&pool, echo_job("[3]")).await, "[3]");
    let mut without_entry = description();
    without_entry.entry.run = "run".into();
    without_entry.imports = vec!["cronbox:guest/host".into()];
    match start(without_entry).await.err() {
        Some(PoolError::Start(why)) => assert!(why.contains("does not export the function run"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_guest_of_a_pool_has_a_name_of_its_own() {
    let _shared = support::beside_others().await;
    let guest = || compiled(echo("", ""), description());
    for guests in [vec![], vec![guest(), guest()]] {
        assert!(matches!(Pool::start_with(config(), guests).await.err(), Some(PoolError::Guests(_))));
    }
    let named = echo("", "").with_description(GuestDescription::new("../echo", "echo"));
    let refused = CompiledInterpreter::open_guest(&named, Path::new(env!("CARGO_TARGET_TMPDIR")), || ());
    assert!(refused.is_err_and(|error| error.to_string().contains("cannot have the name")));
}
