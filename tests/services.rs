//! The service that Cronbox replaces, in its Cronbox form.

use crate::support::server::{Folder, Server};
use crate::support::tests_folder;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_old_service_in_its_new_form() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral", "--timezone", "Asia/Shanghai"]);
    for file in ["123.py", "no_value.py", "any_value.py"] {
        let source = std::fs::read_to_string(tests_folder().join("services").join(file)).expect("text");
        assert_eq!(server.put(file, &source).await.0, 201, "{file}");
    }
    assert_eq!(server.run("123", &json!({})).await["result"], json!({"value": 2}));
    let run = server.run("123", &json!({"entry": "run_task", "args": {"arg1": 123}})).await;
    assert_eq!((&run["result"], &run["entry"]), (&json!({"value": 246}), &json!("run_task")));
    let failed = server.run("123", &json!({"entry": "run_task", "args": {"arg1": -1}})).await;
    assert_eq!((&failed["status"], &failed["error"]["message"]), (&json!("failed"), &json!("arg1 is -1")));
    let (_, log) = server.get("/v1/runs?script=123").await;
    let log: Vec<_> = log["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|run| (run["status"].clone(), run["result"].clone()))
        .collect();
    let expected = [
        (json!("failed"), json!(null)),
        (json!("succeeded"), json!({"value": 246})),
        (json!("succeeded"), json!({"value": 2})),
    ];
    assert_eq!(log, expected);
    let (_, series) = server.get("/v1/scripts/123/series?path=/value").await;
    let values: Vec<_> =
        series["items"].as_array().expect("items").iter().map(|point| point["value"].clone()).collect();
    assert_eq!(values, [2, 246]);
    let run = server.run("no_value", &json!({})).await;
    assert_eq!(
        (&run["status"], &run["result"], &run["result_kind"]),
        (&json!("succeeded"), &json!(null), &json!("none"))
    );
    let run = server.run("any_value", &json!({})).await;
    assert_eq!((&run["status"], &run["result_kind"]), (&json!("succeeded"), &json!("text")));
    assert!(run["result"].as_str().expect("text").contains("(1+2j)"), "{run}");
}

/// The jobs of an APScheduler 3 process, handed over by the script of docs/from-apscheduler.md; each next time is the same.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_apscheduler_come_over() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    server.put("tick", "def run(n=1):\n    return n\n").await;
    let program = r#"
import json, sys
sys.path.insert(0, sys.argv[1])
import apscheduler_export
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

def tick(n=1):
    pass

scheduler = BackgroundScheduler(timezone="Asia/Shanghai")
scheduler.start(paused=True)
scheduler.add_job(tick, "cron", hour=9, id="daily", kwargs={"n": 3}, misfire_grace_time=60)
scheduler.add_job(tick, "cron", day_of_week="mon-fri", hour="8-18/2", minute=30, id="office", max_instances=2)
scheduler.add_job(tick, "cron", day="last fri", hour=7, id="month-end", coalesce=False)
scheduler.add_job(tick, "cron", second="*/5", id="0")
scheduler.add_job(tick, "interval", minutes=2, id="1", start_date="2030-01-01 00:00:00")
scheduler.add_job(tick, "date", run_date="2030-12-24 18:00:00", id="eve")
scheduler.add_job(tick, OrTrigger([CronTrigger(hour=1, timezone="UTC"), CronTrigger(hour=13, timezone="UTC")]), id="both")
scheduler.add_job(tick, "cron", hour=4, id="stopped", next_run_time=None)
apscheduler_export.hand_over(scheduler, sys.argv[2], lambda job: job.func.__name__)
print(json.dumps({job.id: job.next_run_time and job.next_run_time.timestamp() for job in scheduler.get_jobs()}))
"#;
    let python =
        std::path::Path::new(&std::env::var("CRONBOX_TEST_VENV").expect("`make test` sets it")).join("bin/python");
    let done = std::process::Command::new(python)
        .args(["-c", program])
        .arg(tests_folder().join("services"))
        .arg(&server.url)
        .output()
        .expect("starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8_lossy(&done.stdout);
    let theirs: Value = serde_json::from_str(said.lines().last().expect("a line")).expect("JSON");
    let (_, list) = server.get("/v1/schedules").await;
    let list = list["items"].as_array().expect("items");
    assert_eq!(list.len(), 8, "{said}");
    for one in list {
        let id = one["id"].as_str().expect("an id");
        let ours = one["next_fire_at"]
            .as_str()
            .map(|at| chrono::DateTime::parse_from_rfc3339(at).expect("a time").timestamp());
        match theirs[id].as_f64() {
            // It may have fired in between.
            Some(at) if id == "0" => assert!((ours.expect("a time") - at as i64).abs() <= 10, "{id}"),
            Some(at) => assert_eq!(ours, Some(at as i64), "{id}: {}", one["text"]),
            None => assert_eq!(one["state"], "paused", "{id}"),
        }
    }
    let of = |id: &str| list.iter().find(|one| one["id"] == id).expect("there");
    assert_eq!((&of("daily")["args"], &of("daily")["misfire_grace_time"]), (&json!({"n": 3}), &json!(60.0)));
    assert_eq!((&of("office")["max_instances"], &of("month-end")["coalesce"]), (&json!(2), &json!("all")));
}

/// The programs of APScheduler's tutorials: an interval that is changed and removed, with a listener; two jobs that are
/// added and removed by number; an async one; a cron with a switch.
#[tokio::test(flavor = "multi_thread")]
async fn the_tutorials_of_apscheduler() {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    server.put("tick", "def run(text='tick'):\n    print(text)\n    return text\n").await;
    server.put("atick", "import asyncio\nasync def run():\n    await asyncio.sleep(0.01)\n    return 'async'\n").await;
    server.put("listener", "def run(upstream=None):\n    return ['heard', upstream]\n").await;
    let put = async |id: &str, body: Value| {
        let (status, made) =
            server.json(server.request(reqwest::Method::PUT, &format!("/v1/schedules/{id}")).json(&body)).await;
        assert!(status == 200 || status == 201, "{made}");
        made
    };
    let ended = async |id: &str| {
        let ended = |run: &Value| run["finished_at"].is_string();
        let runs = server.items_when(&format!("/v1/runs?schedule={id}"), |items| items.iter().any(ended)).await;
        runs.into_iter().find(ended).expect("one")
    };
    // scheduler.add_job(tick, "interval", minutes=2); a listener; modify, reschedule, remove.
    put("listening", json!({"script": "listener", "trigger": "after tick on any"})).await;
    let made = put("my_job_id", json!({"script": "tick", "trigger": {"type": "interval", "minutes": 2}})).await;
    assert_eq!(made["text"].as_str().expect("text")[..8], *"every 2m");
    assert_eq!(ended("my_job_id").await["result"], "tick", "the first fires at once");
    assert_eq!(ended("listening").await["result"], json!(["heard", "tick"]));
    let patch = |body: Value| server.request(reqwest::Method::PATCH, "/v1/schedules/my_job_id").json(&body);
    let (_, modified) = server.json(patch(json!({"max_instances": 6, "title": "Alternate name"}))).await;
    assert_eq!(
        (&modified["max_instances"], &modified["next_fire_at"]),
        (&json!(6), &server.get("/v1/schedules/my_job_id").await.1["next_fire_at"])
    );
    let (_, moved) = server.json(patch(json!({"trigger": {"type": "cron", "minute": "*/5"}}))).await;
    assert!(moved["text"].as_str().expect("text").starts_with("fields: minute=*/5"), "{moved}");
    let gone = server.request(reqwest::Method::DELETE, "/v1/schedules/my_job_id").send().await.expect("answers");
    assert_eq!(gone.status(), 204);
    // Every five seconds; daily at nine; every ten seconds, async: the ids are numbers there.
    put("0", json!({"script": "tick", "trigger": {"type": "interval", "seconds": 5}, "args": {"text": "zero"}})).await;
    put("1", json!({"script": "atick", "trigger": {"type": "interval", "seconds": 10}})).await;
    assert_eq!(ended("0").await["result"], "zero");
    assert_eq!(ended("1").await["result"], "async");
    for id in ["0", "1"] {
        let gone =
            server.request(reqwest::Method::DELETE, &format!("/v1/schedules/{id}")).send().await.expect("answers");
        assert_eq!(gone.status(), 204);
    }
    // A cron in Shanghai with its switch.
    let daily =
        put("daily", json!({"script": "tick", "trigger": {"type": "cron", "hour": 9}, "timezone": "Asia/Shanghai"}))
            .await;
    assert!(daily["next_fire_local"].as_str().expect("a time").ends_with("T09:00:00+08:00"));
    let (_, off) = server.post("/v1/schedules/daily/pause", &json!({})).await;
    let (_, on) = server.post("/v1/schedules/daily/resume", &json!({})).await;
    assert_eq!(
        (&off["state"], &on["state"], &on["next_fire_at"]),
        (&json!("paused"), &json!("active"), &daily["next_fire_at"])
    );
}
