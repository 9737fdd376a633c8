//! One run after the other: determinism, freshness, output while it is written, the door.

use crate::support;
use cronbox_runtime::{Event, HostCall, JobError, Limits, Outcome, RunOutput, Stream};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_deterministic_script_uses_the_same_fuel_every_time() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let source = "def run():\n    d = {}\n    for n in range(20_000):\n        d[str(n)] = [n, {n: 'x' * (n % 7)}]\n    return len(d)\n";
    let mut fuel = Vec::new();
    for _ in 0..20 {
        let report = support::finish(&pool, support::job(source)).await;
        assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
        fuel.push(report.usage.fuel);
    }
    assert!(fuel.iter().all(|one| *one == fuel[0]), "{fuel:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_finds_nothing_of_another() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let pattern = "cronbox-freshness-0123456789abcdef";
    let leave = format!(
        "import builtins, json, os, random, sys, tempfile\n\
         def run():\n    builtins.mark = '{pattern}'\n    sys.modules['mark'] = json\n    json.dumps = None\n    \
         os.environ['MARK'] = '{pattern}'\n    random.seed(1)\n    \
         open('/tmp/mark', 'w').write('{pattern}' * 1000)\n    \
         builtins.kept = ['{pattern}' * 50 + str(n) for n in range(300)]\n    return 'left'\n"
    );
    // The searched text is put together at run time, so that the search does not find itself.
    let look = "import builtins, os, random, sys, uuid\n\
         def run():\n    text = 'cronbox-freshness-' + '0123456789' + 'abcdef'\n    \
         blocks = [bytearray(1 << 16) for _ in range(16)]\n    \
         assert not any(any(block) for block in blocks)\n    \
         assert not hasattr(builtins, 'mark') and 'mark' not in sys.modules and 'MARK' not in os.environ\n    \
         assert not os.path.exists('/tmp/mark') and os.listdir('/tmp') == []\n    \
         return [random.random(), str(uuid.uuid4()), os.urandom(8).hex(), text]\n";
    let look = support::job(look);
    let leave = support::job(&leave);
    let mut seen = std::collections::HashSet::new();
    for round in 0..1_000 {
        let left = support::finish(&pool, leave.clone()).await;
        assert_eq!(left.outcome, Outcome::Succeeded, "round {round}: {:?}", left.error);
        let looked = support::finish(&pool, look.clone()).await;
        assert_eq!(looked.outcome, Outcome::Succeeded, "round {round}: {:?}", looked.error);
        assert!(
            seen.insert(support::result(&looked).to_owned()),
            "two runs drew the same: {}",
            support::result(&looked)
        );
    }
}

/// All that draws at random in the standard library, also where the state of a generator could be part of the image that every
/// run begins as.
const DRAWS: &str = "\
import email.mime.multipart, email.utils, multiprocessing, os, random, secrets, sqlite3, ssl, statistics, tempfile, urllib.request, uuid
def run():
    database = sqlite3.connect(':memory:')
    sql = lambda what: database.execute('SELECT ' + what).fetchone()[0]
    message = email.mime.multipart.MIMEMultipart()
    message.as_string()
    with open('/dev/urandom', 'rb') as file:
        device = file.read(8).hex()
    return {
        'random': random.random(), 'gauss': random.gauss(), 'Random': random.Random().random(),
        'SystemRandom': random.SystemRandom().random(), 'secrets': secrets.token_hex(8), 'urandom': os.urandom(8).hex(),
        '/dev/urandom': device, 'RAND_bytes': ssl.RAND_bytes(8).hex(), 'uuid1': str(uuid.uuid1()),
        'uuid4': str(uuid.uuid4()), 'getnode': uuid.getnode(), 'mktemp': tempfile.mktemp(),
        'sqlite random': sql('random()'), 'sqlite randomblob': sql('hex(randomblob(8))'),
        'make_msgid': email.utils.make_msgid(), 'boundary': message.get_boundary(),
        'cnonce': urllib.request.AbstractDigestAuthHandler().get_cnonce('x'),
        'samples': statistics.NormalDist().samples(1), 'authkey': multiprocessing.current_process().authkey.hex(),
    }
";

#[tokio::test(flavor = "multi_thread")]
async fn no_two_runs_draw_the_same() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        let report = support::finish(&pool, support::job(DRAWS)).await;
        assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
        let drawn: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(support::result(&report)).expect("an object");
        assert_eq!(drawn.len(), 19);
        for (source, value) in drawn {
            assert!(seen.insert(format!("{source} {value}")), "two runs drew the same: {source} {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_arrives_while_the_script_writes() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let job = support::job("import time\nprint('first')\ntime.sleep(30)\n");
    let mut run = support::start(&pool, job);
    let began = Instant::now();
    match run.next().await {
        Some(Event::Output { stream: Stream::Stdout, bytes }) => assert_eq!(&bytes[..], b"first\n"),
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    run.cancel();
    let report = run.finish().await.report;
    assert_eq!(report.outcome, Outcome::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_costs_the_script_time_and_the_node_no_memory() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let mut job = support::job("for _ in range(64):\n    print('x' * (1 << 20))\n");
    job.limits.stdout = 64 << 20;
    job.limits.wall = Duration::from_secs(1);
    let run = support::start(&pool, job);
    // Nobody reads until the script's time is over.
    let RunOutput { report, stdout, .. } = {
        support::wait::until("the run ends", async || pool.load().active == 0).await;
        run.finish().await
    };
    assert_eq!(report.outcome, Outcome::TimedOut);
    assert!(stdout.len() < 2 << 20, "{} bytes waited for the reader", stdout.len());
    assert_eq!(report.stdout.bytes - report.stdout.dropped, stdout.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_answers_what_a_script_asks() {
    let _shared = support::beside_others().await;
    let pool = support::pool().await;
    let mut run = support::start(&pool, support::job("def run(context):\n    return context.previous_result\n"));
    let mut asked = Vec::new();
    loop {
        match run.next().await {
            Some(Event::Call { number, call, .. }) => {
                asked.push(call);
                run.reply(number, Ok("{\"price\": 7}".into()));
            }
            Some(Event::Done(report)) => {
                assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
                assert_eq!(asked, [HostCall::PreviousResult]);
                let value: serde_json::Value = serde_json::from_str(support::result(&report)).unwrap();
                assert_eq!(value, serde_json::json!({"price": 7}));
                return;
            }
            Some(_) => {}
            None => panic!("no end"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_cannot_be_are_refused() {
    let _shared = support::beside_others().await;
    let pool = support::pool_with(|config| (config.processes, config.memory_budget) = (1, 300 << 20)).await;
    let refuse = |change: &dyn Fn(&mut cronbox_runtime::Job)| {
        let mut job = support::job("pass");
        change(&mut job);
        pool.run(job).err().expect("a refusal")
    };
    assert!(matches!(refuse(&|job| job.limits.fuel = 0), JobError::Limit(_)));
    assert!(matches!(refuse(&|job| job.limits.memory = 1 << 20), JobError::Limit(_)));
    assert!(matches!(refuse(&|job| job.limits.memory = 512 << 20), JobError::OverBudget { .. }));
    assert!(matches!(refuse(&|job| job.args = "[".repeat(100_000)), JobError::BadArgs(_)));
    assert!(matches!(refuse(&|job| job.args = format!("[{}]", "1,".repeat(200_000))), JobError::ArgsTooLarge { .. }));
    assert!(matches!(refuse(&|job| job.args = "3".into()), JobError::BadArgs(_)));
    assert!(matches!(refuse(&|job| job.path = "other.py".into()), JobError::NoSource(_)));
    let mut smallest = support::job("pass");
    smallest.limits = Limits { memory: pool.interpreter_memory(), files: 1 << 20, ..Limits::default() };
    let report = support::finish(&pool, smallest).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{:?}", report.error);
    let mut thirsty = support::job("pass");
    thirsty.limits.fuel = 1;
    assert_eq!(support::finish(&pool, thirsty).await.outcome, Outcome::OutOfFuel);
}
