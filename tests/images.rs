//! Images of package sets: sandboxes that begin with a script's packages imported.

use crate::support;
use cronbox_runtime::{Bundle, ENVIRONMENT, ImageStatus, Job, Limits, Outcome, Pool, Report};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A pool of one process, which compares each memory with its image after every run.
async fn pool() -> Pool {
    support::pool_with(|config| {
        (config.processes, config.max_processes) = (1, 1);
        config.command.push("faults=check every reset".into());
    })
    .await
}

fn env(more: &[(&str, &str)]) -> Vec<(String, String)> {
    ENVIRONMENT.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A set of packages that was never used before: images are kept from one run of the tests to the next.
fn packages(files: &[(&str, &str)]) -> Option<Arc<Bundle>> {
    static SETS: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos();
    let mark = format!("{now} {} {}", std::process::id(), SETS.fetch_add(1, Ordering::Relaxed));
    let mut files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    files.push(("mark.txt", mark.as_bytes()));
    Some(Arc::new(Bundle::of_files(&files).expect("a bundle")))
}

fn job(source: &str, set: &Option<Arc<Bundle>>) -> Job {
    support::job(source).with_packages(set.clone()).with_env(env(&[]))
}

/// Runs a job, and waits for the image that is made after it.
async fn run(pool: &Pool, job: &Job) -> Report {
    let report = support::finish(pool, job.clone()).await;
    pool.images_made().await;
    report
}

async fn succeeds(pool: &Pool, job: &Job) -> String {
    let report = run(pool, job).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
    support::result(&report).to_owned()
}

/// Runs a job until its image is there, and returns what the last run without it reports.
async fn make(pool: &Pool, job: &Job) -> Report {
    assert_eq!(pool.image_status(job), ImageStatus::Pending);
    let report = run(pool, job).await;
    assert!(matches!(pool.image_status(job), ImageStatus::Ready { .. }), "{:?}", pool.image_status(job));
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_begins_with_its_packages_imported() {
    let pool = pool().await;
    let set = packages(&[
        ("heavy/__init__.py", "from . import part\nSUM = sum(range(2_000_000))\nSEEN = []\n"),
        ("heavy/part.py", "import decimal\nTHIRD = decimal.Decimal(1) / 3\n"),
        ("other.py", "NAME = __name__\n"),
    ]);
    let source = "import heavy.part as part, sys, random, uuid, os, time\nfrom other import NAME\n\
        def run(context, n=1):\n    heavy.SEEN.append(n) if 'heavy' in globals() else sys.modules['heavy'].SEEN.append(n)\n    \
        return {'sum': sys.modules['heavy'].SUM, 'third': str(part.THIRD), 'seen': sys.modules['heavy'].SEEN, 'name': NAME,\n        \
        'argv': sys.argv, 'env': dict(os.environ), 'id': context.run_id, 'young': time.monotonic() < 30,\n        \
        'files': os.listdir('/app') + os.listdir('/tmp')}\n";
    let with = |n: u32| {
        let context = format!(r#"{{"run_id": "run {n}"}}"#);
        let env = env(&[("WHO", &n.to_string())]);
        job(source, &set).with_args(format!(r#"{{"n": {n}}}"#)).with_context(context).with_env(env)
    };
    let first = make(&pool, &with(0)).await;
    assert!(first.usage.import_fuel > 20_000_000, "{:?}", first.usage);
    for n in 1..5 {
        let report = run(&pool, &with(n)).await;
        assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
        let result: serde_json::Value = serde_json::from_str(support::result(&report)).expect("JSON");
        assert_eq!(result["sum"], 1_999_999_000_000_u64);
        assert_eq!((&result["third"], &result["name"]), (&"0.3333333333333333333333333333".into(), &"other".into()));
        assert_eq!(result["seen"], serde_json::json!([n]), "what another run left is there");
        assert_eq!(result["env"]["WHO"], n.to_string());
        assert_eq!(result["env"].as_object().expect("an object").len(), ENVIRONMENT.len() + 1);
        assert_eq!(result["id"], format!("run {n}"));
        assert_eq!((&result["young"], &result["files"]), (&true.into(), &serde_json::json!(["script.py"])));
        // What the imports take is told, and neither run pays for it.
        let (told, took) = (report.usage.import_fuel as f64, first.usage.import_fuel as f64);
        assert!((0.95..1.05).contains(&(told / took)), "{told} and {took}");
        let (with, without) = (report.usage.fuel as f64, first.usage.fuel as f64);
        assert!((0.9..1.1).contains(&(with / without)), "{with} and {without}");
        assert!(report.usage.fuel < 10_000_000, "{:?}", report.usage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_has_random_numbers_of_its_own() {
    let pool = pool().await;
    let set = packages(&[(
        "dice.py",
        "import random, sqlite3, uuid, secrets, tempfile\nkept = sqlite3.connect(':memory:')\n\
            def roll():\n    return random.random()\n",
    )]);
    let source = "import dice, random, uuid, secrets, os, tempfile\ndef run():\n    \
        return [dice.roll(), random.getrandbits(64), str(uuid.uuid4()), str(uuid.uuid1()), secrets.token_hex(8), \
        os.urandom(8).hex(), tempfile.mktemp(), random.Random().random(), \
        dice.kept.execute('SELECT random()').fetchone()[0]]\n";
    make(&pool, &job(source, &set)).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let values: Vec<serde_json::Value> =
            serde_json::from_str(&succeeds(&pool, &job(source, &set)).await).expect("JSON");
        for value in values {
            assert!(seen.insert(value.to_string()), "{value} came twice");
        }
    }
}

/// Packages of which no image can be made, what is said of them, and what a run of `import bad` with them returns.
const BAD: &[(&str, &str, &str)] = &[
    ("import random\nX = random.random() < 2\n", "draws random numbers", "true"),
    ("import os\nX = len(os.urandom(4))\n", "draws random bytes", "4"),
    ("import random\nR = random.Random()\nX = R.random() < 2\n", "draws random bytes", "true"),
    ("import uuid\nX = len(str(uuid.uuid4()))\n", "draws random bytes", "36"),
    (
        "import sqlite3\nX = len(sqlite3.connect(':memory:').execute('SELECT randomblob(4)').fetchone()[0])\n",
        "draws random bytes",
        "4",
    ),
    ("import time\nX = time.time() > 9\n", "reads a clock", "true"),
    ("import datetime\nX = datetime.datetime.now().year > 2000\n", "reads a clock", "true"),
    ("import asyncio\nL = asyncio.new_event_loop()\nX = L.time() >= 0\n", "reads a clock", "true"),
    ("F = open(__file__)\nX = F.readline()\n", "leaves a file open", "\"F = open(__file__)\\n\""),
    ("print('hello')\nX = 1\n", "writes to standard output", "1"),
    ("import sys\nsys.stderr.write('hello')\nX = 1\n", "writes to standard output or standard error", "1"),
    ("open('/tmp/x', 'w').write('x')\nX = 1\n", "writes files", "1"),
    ("import sys\nX = len(sys.argv)\n", "reads the arguments", "1"),
    ("import sys\nV = sys.argv\nX = 1\n", "reads the arguments", "1"),
    ("import os\nX = os.path.exists('cfg.txt')\n", "files of the script", "false"),
    (
        "import socket\ntry:\n    socket.create_connection(('example.com', 80))\nexcept OSError as error:\n    X = type(error).__name__\n",
        "uses the network",
        "\"NetworkDenied\"",
    ),
    ("import time\nX = time.process_time() >= 0\n", "reads a clock", "true"),
    (
        "import os\nclass C:\n    def __del__(self):\n        os.urandom(4)\nc = C()\nc.me = c\ndel c\nX = 1\n",
        "draws random bytes",
        "1",
    ),
    ("import sys\nsys.setprofile(lambda *a: None)\nsys.setprofile(sys.getprofile())\nX = 1\n", "for tracing", "1"),
    ("import os\nos.chdir('/tmp')\nX = os.getcwd()\n", "working directory", "\"/tmp\""),
    ("BIG = bytearray(b'7') * (120 << 20)\nX = len(BIG)\n", "MiB of memory", "125829120"),
];

#[tokio::test(flavor = "multi_thread")]
async fn of_some_packages_there_is_no_image_and_they_work() {
    let pool = pool().await;
    for (module, reason, result) in BAD {
        let set = packages(&[("bad.py", module)]);
        let job = job("import bad\ndef run():\n    return bad.X\n", &set);
        for round in 0..3 {
            assert_eq!(succeeds(&pool, &job).await, *result, "{module}, round {round}");
            match pool.image_status(&job) {
                ImageStatus::None { reason: said } => assert!(said.contains(reason), "{module}: {said}"),
                status => panic!("{module}: {status:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_less_memory_than_an_image_imports_for_itself() {
    let pool = pool().await;
    let set = packages(&[("large.py", "BIG = bytearray(b'7' * (20 << 20))\nX = len(BIG)\n")]);
    let large = job("import large\ndef run():\n    return large.X\n", &set);
    make(&pool, &large).await;
    assert_eq!(succeeds(&pool, &large).await, "20971520");
    let small = large.with_limits(Limits { memory: 48 << 20, ..Limits::default() });
    let report = run(&pool, &small).await;
    assert_eq!(report.outcome, Outcome::OutOfMemory, "{:?}", report.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_a_package_looks_for_is_the_scripts_own() {
    let pool = pool().await;
    let set =
        packages(&[("asks.py", "try:\n    from local_settings import X\nexcept ImportError:\n    X = 'default'\n")]);
    let plain = job("import asks\ndef run():\n    return asks.X\n", &set);
    make(&pool, &plain).await;
    assert_eq!(succeeds(&pool, &plain).await, "\"default\"");
    let bundle = Bundle::of_files(&[
        ("test.py", b"import asks\ndef run():\n    return asks.X\n"),
        ("local_settings.py", b"X = 'own'\n"),
    ]);
    let own = Job::new(bundle.expect("a bundle"), "test.py").with_packages(set.clone()).with_env(env(&[]));
    for _ in 0..2 {
        assert_eq!(succeeds(&pool, &own).await, "\"own\"");
    }
}

/// As urllib3 2.8 does, which asks for `compression.zstd`.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_can_look_for_what_the_library_does_not_have() {
    let pool = pool().await;
    let set = packages(&[(
        "asks.py",
        "import importlib.util, os\n\
         FOUND = [bool(importlib.util.find_spec('xml.nothing')), os.path.exists('')]\n\
         try:\n    from compression import zstd\n\
         except ImportError as error:\n    FOUND.append(str(error).partition(' (')[0])\n\
         try:\n    import email.nothing\n\
         except ImportError as error:\n    FOUND.append(str(error))\n",
    )]);
    let plain = job("import asks\ndef run():\n    return asks.FOUND\n", &set);
    make(&pool, &plain).await;
    let found = r#"[false,false,"cannot import name 'zstd' from 'compression'","No module named 'email.nothing'"]"#;
    assert_eq!(succeeds(&pool, &plain).await, found);
}

#[tokio::test(flavor = "multi_thread")]
async fn local_time_at_import_is_that_of_the_run() {
    let pool = pool().await;
    let set = packages(&[("zone.py", "import datetime\nX = datetime.datetime.fromtimestamp(0).isoformat()\n")]);
    let universal = job("import zone\ndef run():\n    return zone.X\n", &set);
    make(&pool, &universal).await;
    assert_eq!(succeeds(&pool, &universal).await, "\"1970-01-01T00:00:00\"");
    let tokyo = universal.with_env(env(&[("TZ", "Asia/Tokyo")]));
    assert_eq!(succeeds(&pool, &tokyo).await, "\"1970-01-01T09:00:00\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_fails_is_tried_once() {
    let pool = pool().await;
    let set = packages(&[
        ("needs.py", "print('needs q')\nimport q\n"),
        (
            "once.py",
            "import sys\nif not hasattr(sys, 'tried'):\n    sys.tried = 1\n    raise ImportError('the first time')\n",
        ),
        ("leaves.py", "import sys\nsys.exit(3)\n"),
        (
            "lists.py",
            "import os\nclass L:\n    def __iter__(self):\n        os.environ['K'] = '1'\n        return iter(())\nL = L()\n",
        ),
        ("reads.py", "import os\nX = os.environ.get('K')\n"),
    ]);
    for _ in 0..2 {
        let needs = job("import needs\ndef run():\n    return 1\n", &set);
        let ended = support::start(&pool, needs).finish().await;
        let message = ended.report.error.expect("an error").message;
        assert!(message.contains("No module named 'q'"), "{message}");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "needs q\n");
        let once = run(&pool, &job("import once\ndef run():\n    return 1\n", &set)).await;
        assert_eq!(once.error.expect("an error").message, "the first time");
        let caught =
            "try:\n    import once\nexcept ImportError as error:\n    once = str(error)\ndef run():\n    return once\n";
        assert_eq!(succeeds(&pool, &job(caught, &set)).await, "\"the first time\"");
        let left = run(&pool, &job("import leaves\ndef run():\n    return 1\n", &set)).await;
        assert_eq!(left.error.expect("an error").exit_code, Some(3));
        let lists = job("from lists import L\nX = [*L]\nimport reads\ndef run():\n    return reads.X\n", &set);
        assert_eq!(succeeds(&pool, &lists).await, "\"1\"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_at_import_names_the_line_that_imports() {
    let pool = pool().await;
    let set = packages(&[
        ("warns.py", "import warnings\nwarnings.warn('it is old', stacklevel=2)\nX = 1\n"),
        ("fails.py", "def f():\n    raise ValueError('no')\nf()\n"),
    ]);
    let warned = "/app/script.py:3: UserWarning: it is old\n  import warns\n";
    for _ in 0..2 {
        let source = "import json\n\nimport warns\ndef run():\n    return warns.X\n";
        let ended = support::start(&pool, job(source, &set)).finish().await;
        assert_eq!(ended.report.outcome, Outcome::Succeeded, "{:?}", ended.report.error);
        assert_eq!(String::from_utf8_lossy(&ended.stderr), warned);
        let ended = support::start(&pool, job("import fails\ndef run():\n    return 1\n", &set)).finish().await;
        let trace = ended.report.error.expect("an error").traceback;
        assert_eq!(trace.matches("/app/script.py").count(), 1, "{trace}");
        pool.images_made().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_that_fail_or_never_end_are_told_by_the_run() {
    let pool = pool().await;
    let cases = [
        ("raise ValueError('no')\n", Outcome::Failed, "fails: ValueError: no"),
        ("import os\nos._exit(3)\n", Outcome::Crashed, "end the interpreter"),
        ("while True:\n    pass\n", Outcome::OutOfFuel, "G of fuel"),
        ("X = [bytearray(1 << 20) for _ in range(9999)]\n", Outcome::OutOfMemory, "fails: MemoryError"),
    ];
    for (module, outcome, reason) in cases {
        // Filling the memory is the script's own when its import of the package comes, which fails once more.
        let fuel = if outcome == Outcome::OutOfMemory { 20_000_000_000 } else { 100_000_000 };
        let set = packages(&[("bad.py", module)]);
        let job = job("import bad\ndef run():\n    return 1\n", &set).with_limits(Limits {
            fuel,
            wall: Duration::from_secs(120),
            ..Limits::default()
        });
        for _ in 0..2 {
            let report = run(&pool, &job).await;
            assert_eq!(report.outcome, outcome, "{module}: {:?}", report.error);
            if outcome == Outcome::OutOfFuel {
                assert_eq!(report.usage.fuel, 0, "the imports are not the script's own");
                assert!(report.usage.import_fuel > 1_000_000_000, "{:?}", report.usage);
            }
        }
        match pool.image_status(&job) {
            ImageStatus::None { reason: said } => assert!(said.contains(reason), "{module}: {said}"),
            status => panic!("{module}: {status:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_imports_ask_for_is_the_runs_own() {
    let pool = pool().await;
    let set = packages(&[
        ("mode.py", "import os\nMODE = os.environ.get('MODE', 'none')\nos.environ['SET'] = 'by mode'\n"),
        ("whole.py", "import os\nALL = sorted(os.environ)\n"),
    ]);
    let mode = job(
        "import mode, os\ndef run():\n    return [mode.MODE, os.environ.get('SET'), os.environ.get('REST')]\n",
        &set,
    );
    make(&pool, &mode).await;
    for _ in 0..2 {
        assert_eq!(succeeds(&pool, &mode).await, r#"["none","by mode",null]"#);
        let set_otherwise = mode.clone().with_env(env(&[("MODE", "fast"), ("REST", "x")]));
        assert_eq!(succeeds(&pool, &set_otherwise).await, r#"["fast","by mode","x"]"#);
        let overwritten = mode.clone().with_env(env(&[("SET", "by the run")]));
        assert_eq!(succeeds(&pool, &overwritten).await, r#"["none","by mode",null]"#);
        let beside = mode.clone().with_env(env(&[("REST", "y")]));
        assert_eq!(succeeds(&pool, &beside).await, r#"["none","by mode","y"]"#);
    }
    let whole = job("import whole\ndef run():\n    return whole.ALL\n", &set);
    make(&pool, &whole).await;
    assert_eq!(succeeds(&pool, &whole).await, r#"["HOME","LOGNAME","TMPDIR","USER"]"#);
    let more = whole.clone().with_env(env(&[("MORE", "1")]));
    assert_eq!(succeeds(&pool, &more).await, r#"["HOME","LOGNAME","MORE","TMPDIR","USER"]"#);
    let fewer = whole.with_env(Vec::new());
    assert_eq!(succeeds(&pool, &fewer).await, "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_before_an_import_is_before_it() {
    let pool = pool().await;
    let set = packages(&[("mode.py", "import os\nMODE = os.environ.get('MODE', 'none')\n"), ("plain.py", "X = 1\n")]);
    // The variable is set first; and the package is not imported ahead of it.
    let late = job(
        "import os\nimport plain\nos.environ['MODE'] = 'late'\nimport mode\ndef run():\n    return mode.MODE\n",
        &set,
    );
    make(&pool, &late).await;
    assert_eq!(succeeds(&pool, &late).await, "\"late\"");
    let never = job("import os\nos.environ['MODE'] = 'first'\nimport mode\ndef run():\n    return mode.MODE\n", &set);
    assert_eq!(succeeds(&pool, &never).await, "\"first\"");
    assert!(matches!(pool.image_status(&never), ImageStatus::None { .. }));
    let tried = job(
        "\"\"\"Doc.\"\"\"\nfrom __future__ import annotations\nLIMIT = 3\ndef helper():\n    return 1\n\
        try:\n    import missing_one\nexcept ImportError:\n    missing_one = None\ntry:\n    import plain\nexcept ImportError:\n    \
        plain = None\ndef run():\n    return [plain.X, missing_one]\n",
        &set,
    );
    assert_eq!(succeeds(&pool, &tried).await, "[1,null]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_with_a_module_of_the_same_name_has_its_own() {
    let pool = pool().await;
    let set = packages(&[("user.py", "import helper\nX = helper.X\n"), ("helper.py", "X = 'of the package'\n")]);
    let bundle = Bundle::of_files(&[
        ("test.py", b"import user\ndef run():\n    return user.X\n"),
        ("helper.py", b"X = 'of the script'\n"),
    ]);
    let own = Job::new(bundle.expect("a bundle"), "test.py").with_packages(set.clone()).with_env(env(&[]));
    for _ in 0..2 {
        assert_eq!(succeeds(&pool, &own).await, "\"of the script\"");
    }
    match pool.image_status(&own) {
        ImageStatus::None { reason } => assert!(reason.contains("helper.py"), "{reason}"),
        status => panic!("{status:?}"),
    }
    let plain = job("import user\ndef run():\n    return user.X\n", &set);
    // The image is there already; this script has not been seen.
    assert_eq!(pool.image_status(&plain), ImageStatus::Pending);
    for _ in 0..2 {
        assert_eq!(succeeds(&pool, &plain).await, "\"of the package\"");
    }
    assert!(matches!(pool.image_status(&plain), ImageStatus::Ready { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_that_change_the_interpreter_do_so_in_each_run() {
    let pool = pool().await;
    let set = packages(&[(
        "patch.py",
        "import builtins, sys, atexit, gc\nbuiltins.answer = 42\nbuiltins.isinstance = None\nsys.setrecursionlimit(777)\n\
         atexit.register(lambda: print('bye'))\nclass Loop:\n    pass\na = Loop()\na.me = a\nGENERATOR = (n * n for n in range(9))\n\
         next(GENERATOR)\n",
    )]);
    let source = "import patch, sys\ndef run():\n    print('in')\n    return [answer, sys.getrecursionlimit(), next(patch.GENERATOR)]\n";
    make(&pool, &job(source, &set)).await;
    for _ in 0..3 {
        let ended = support::start(&pool, job(source, &set)).finish().await;
        assert_eq!(ended.report.outcome, Outcome::Succeeded, "{:?}", ended.report.error);
        assert_eq!(support::result(&ended.report), "[42,777,1]");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "in\nbye\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_many_sets_are_beside_each_other() {
    let pool = pool().await;
    let sets: Vec<_> =
        (0..20).map(|n| packages(&[("which.py", &format!("X = {n}\nBIG = 'x' * 100_000 + '{n}'\n"))])).collect();
    let source = "import which\ndef run():\n    return which.X\n";
    for set in &sets {
        make(&pool, &job(source, set)).await;
    }
    for round in 0..3 {
        let runs: Vec<_> = sets.iter().map(|set| support::start(&pool, job(source, set))).collect();
        for (n, run) in runs.into_iter().enumerate() {
            let report = run.finish().await.report;
            assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
            assert_eq!(support::result(&report), n.to_string(), "round {round}");
            assert!(report.usage.import_fuel > 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_images_there_are_none() {
    let pool = support::pool_with(|config| config.images = 0).await;
    let set = packages(&[("plain.py", "X = 1\n")]);
    let job = job("import plain\ndef run():\n    return plain.X\n", &set);
    for _ in 0..2 {
        assert_eq!(succeeds(&pool, &job).await, "1");
    }
    assert!(matches!(pool.image_status(&job), ImageStatus::None { .. }));
}
