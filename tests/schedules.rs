//! Schedules over HTTP and on the command line, as their users meet them.

use crate::support::clocks::Clocks;
use crate::support::postgres::{Cluster, cluster};
use crate::support::s3::Bucket;
use crate::support::server::{Folder, Server};
use cronbox::store::{DatabaseUrl, Store};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const TICK: &str = "def run(context, n=1):\n    return {'n': n, 'schedule': context.schedule, 'zone': context.timezone, 'fire': context.fire_time}\n";

async fn ephemeral() -> (Folder, Server) {
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--ephemeral"]);
    assert_eq!(server.put("price", TICK).await.0, 201);
    (folder, server)
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

async fn put(server: &Server, id: &str, body: Value) -> (u16, Value) {
    server.json(server.request(Method::PUT, &format!("/v1/schedules/{id}")).json(&body)).await
}

/// The runs of a schedule, newest first.
async fn runs(server: &Server, id: &str) -> Vec<Value> {
    let (status, page) = server.get(&format!("/v1/runs?schedule={id}&limit=500")).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().expect("items").clone()
}

/// Waits until a schedule has at least so many final runs.
async fn runs_when(server: &Server, id: &str, count: usize) -> Vec<Value> {
    let look = async || {
        let all = runs(server, id).await;
        let ended = all.iter().filter(|run| run["finished_at"].is_string()).count();
        if ended >= count { Ok(all) } else { Err(all) }
    };
    server.until("its runs end", look).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_kept_with_its_defaults_and_its_next_fire_time() {
    let (_folder, server) = ephemeral().await;
    let asked = json!({"script": "price", "trigger": "0 9 * * 1-5", "timezone": "Asia/Shanghai", "args": {"n": 4}, "title": "Prices"});
    let (status, made) = put(&server, "Daily", asked.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["text"], "cron: 0 9 * * 1-5 @ Asia/Shanghai");
    for (field, value) in [
        ("id", json!("Daily")),
        ("script", json!("price")),
        ("state", json!("active")),
        ("timezone", json!("Asia/Shanghai")),
        ("misfire_grace_time", Value::Null),
        ("coalesce", json!("latest")),
        ("max_instances", json!(1)),
        ("overlap", json!("skip")),
        ("last_run", Value::Null),
        ("args", json!({"n": 4})),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    assert!(made["next_fire_local"].as_str().expect("a time").ends_with("T09:00:00+08:00"), "{made}");
    let (status, same) = put(&server, "daily", asked).await;
    assert_eq!((status, &same["next_fire_at"]), (200, &made["next_fire_at"]));
    let (_, preview) = server.get("/v1/schedules/DAILY/preview?count=7&from=2026-01-01T00:00:00Z").await;
    let fires: Vec<&str> =
        preview["fires"].as_array().expect("fires").iter().filter_map(|fire| fire["at"].as_str()).collect();
    assert_eq!(fires[..3], ["2026-01-01T01:00:00Z", "2026-01-02T01:00:00Z", "2026-01-05T01:00:00Z"]);
}

/// The schedule `tick` of every second.
async fn ticking(server: &Server) -> Value {
    let tick = json!({"id": "tick", "script": "price", "trigger": "every 1s"});
    let (status, tick) = server.post("/v1/schedules", &tick).await;
    assert_eq!(status, 201, "{tick}");
    tick
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fire_time_is_a_run_with_its_cause() {
    let (_folder, server) = ephemeral().await;
    let first = ticking(&server).await["next_fire_at"].as_str().expect("a time").to_owned();
    let fired = runs_when(&server, "tick", 3).await;
    let oldest = fired.last().expect("a run");
    assert_eq!(
        (&oldest["cause"], &oldest["fire_time"], &oldest["status"]),
        (&json!("fire"), &json!(first), &json!("succeeded"))
    );
    assert_eq!((&oldest["result"]["schedule"], &oldest["schedule"]), (&json!("tick"), &json!("tick")));
    assert!(oldest["lateness_ms"].as_f64().expect("a time") < 1000.0, "{oldest}");
    assert_eq!(oldest["limits"]["timeout"], 900.0, "nobody waits for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_schedule_runs_only_when_it_is_triggered() {
    let (_folder, server) = ephemeral().await;
    ticking(&server).await;
    runs_when(&server, "tick", 1).await;
    let (_, paused) = server.post("/v1/schedules/tick/pause", &json!({})).await;
    assert_eq!(paused["state"], "paused");
    let (status, manual) = server.post("/v1/schedules/tick/trigger?wait=30s", &json!({"args": {"n": 9}})).await;
    assert_eq!((status, &manual["cause"], &manual["result"]["n"]), (200, &json!("manual"), &json!(9)), "{manual}");
    let (_, tick) = server.get("/v1/schedules/tick").await;
    assert_eq!(tick["last_run"]["id"], manual["id"]);
    let count = runs(&server, "tick").await.len();
    let (_, tick) = server.post("/v1/schedules/tick/resume", &json!({})).await;
    assert_eq!(tick["state"], "active");
    runs_when(&server, "tick", count + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_with_schedules_is_deleted_only_with_them_and_runs_stay() {
    let (_folder, server) = ephemeral().await;
    assert_eq!(put(&server, "daily", json!({"script": "price", "trigger": "0 9 * * *"})).await.0, 201);
    ticking(&server).await;
    let count = runs_when(&server, "tick", 1).await.len();
    let (status, list) = server.get("/v1/schedules?script=price&state=active").await;
    assert_eq!((status, list["items"].as_array().map(Vec::len)), (200, Some(2)));
    let refused = server.json(server.request(Method::DELETE, "/v1/scripts/price")).await;
    assert_eq!(code(&refused), (409, "script_has_schedules"));
    assert!(refused.1["detail"].as_str().expect("text").contains("daily, tick"), "{}", refused.1);
    let gone = server.request(Method::DELETE, "/v1/schedules/tick").send().await.expect("answers");
    assert_eq!(gone.status(), 204);
    assert_eq!(code(&server.get("/v1/schedules/tick").await), (404, "no_such_schedule"));
    assert!(runs(&server, "tick").await.len() >= count, "its runs stay");
    let gone = server.request(Method::DELETE, "/v1/scripts/price?schedules=delete").send().await.expect("answers");
    assert_eq!(gone.status(), 204);
    assert_eq!(server.get("/v1/schedules").await.1["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_keep_what_they_do_not_name() {
    let (_folder, server) = ephemeral().await;
    let (_, made) =
        put(&server, "x", json!({"script": "price", "trigger": "every 1h", "max_instances": 3, "labels": {"a": "b"}}))
            .await;
    let patch = |body: Value| server.request(Method::PATCH, "/v1/schedules/x").json(&body);
    let (status, changed) = server.json(patch(json!({"title": "Hourly", "max_instances": null}))).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["not_granted"], Value::Null);
    assert_eq!(
        (&changed["title"], &changed["max_instances"], &changed["labels"]),
        (&json!("Hourly"), &json!(1), &json!({"a": "b"}))
    );
    assert_eq!(changed["trigger"], made["trigger"], "an interval keeps its phase");
    let (_, changed) = server.json(patch(json!({"trigger": "0 9 * * *", "timezone": "Europe/Berlin"}))).await;
    assert_eq!(changed["text"], "cron: 0 9 * * * @ Europe/Berlin");
    let (_, changed) = server.json(patch(json!({"timezone": "Asia/Tokyo"}))).await;
    assert_eq!(changed["text"], "cron: 0 9 * * * @ Asia/Tokyo");
    let (_, dry) = server
        .json(server.request(Method::PATCH, "/v1/schedules/x?dry_run=true").json(&json!({"trigger": "every 5m"})))
        .await;
    assert!(dry["text"].as_str().expect("text").starts_with("every 5m"));
    assert_eq!(server.get("/v1/schedules/x").await.1["text"], "cron: 0 9 * * * @ Asia/Tokyo", "nothing was kept");
    let taken = server.post("/v1/schedules", &json!({"id": "X", "script": "price", "trigger": "every 1h"})).await;
    assert_eq!(code(&taken), (409, "schedule_exists"));
    let detail = taken.1["detail"].as_str().expect("text");
    assert!(detail.contains("PUT /v1/schedules/X") && detail.contains("replace_existing"), "{detail}");
    let (status, replaced) = server
        .post("/v1/schedules?replace_existing=true", &json!({"id": "X", "script": "price", "trigger": "every 2h"}))
        .await;
    assert_eq!((status, &replaced["id"]), (200, &json!("X")));
    let (status, named) = server.post("/v1/schedules", &json!({"script": "price", "trigger": "@daily"})).await;
    assert!(status == 201 && named["id"].as_str().expect("text").starts_with("price-"), "{named}");
    // Who grants what they ask for grants it to the script; above the ceiling nobody does.
    let (_, long) = put(
        &server,
        "long",
        json!({"script": "price", "trigger": "@yearly", "limits": {"timeout": "30m", "memory": "1TiB"}}),
    )
    .await;
    let beyond = "1 GiB; more is beyond what this server can grant";
    assert_eq!(
        long["not_granted"],
        json!([{"what": "limits.memory", "asked": "1024 GiB", "in_force": beyond, "grantable": false}])
    );
    let (_, grants) = server.get("/v1/grants").await;
    let granted = grants["items"].as_array().expect("items").iter().map(|grant| (&grant["name"], &grant["value"]));
    let most = (json!("memory"), json!((1_u64 << 30).to_string()));
    assert!(granted.clone().any(|granted| granted == (&most.0, &most.1)), "no more than the ceiling: {grants}");
    let (_, run) = server.post("/v1/schedules/long/trigger?wait=30s", &json!({})).await;
    assert_eq!((&run["limits"]["timeout"], &run["limits"]["memory"]), (&json!(1800.0), &json!(1_u64 << 30)), "{run}");
    // Without a trigger: once, now.
    let (_, once) = server.post("/v1/schedules", &json!({"id": "once", "script": "price"})).await;
    assert_eq!(once["state"], "active", "{once}");
    assert_eq!(runs_when(&server, "once", 1).await[0]["status"], "succeeded");
    assert_eq!(server.get("/v1/schedules/once").await.1["state"], "finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_words_again_change_nothing() {
    let (_folder, server) = ephemeral().await;
    let words = |every: &str, title: &str| json!({"script": "price", "trigger": every, "title": title});
    let (status, first) = put(&server, "x", words("every 1h", "A")).await;
    assert_eq!(status, 201, "{first}");
    runs_when(&server, "x", 1).await;
    let (_, again) = put(&server, "x", words("every 1h", "B")).await;
    assert_eq!((&again["trigger"], &again["title"]), (&first["trigger"], &json!("B")), "it keeps its phase");
    // Another trigger begins anew; the same words as of that one again change nothing.
    let (_, other) = put(&server, "x", words("every 2h", "B")).await;
    assert_ne!(other["trigger"]["start_date"], first["trigger"]["start_date"]);
    runs_when(&server, "x", 2).await;
    let (_, again) = put(&server, "x", words("every 2h", "C")).await;
    assert_eq!(again["trigger"], other["trigger"]);
    // The same for what a script brings along.
    let own = |returns: u8| {
        format!("# /// script\n# [tool.cronbox]\n# schedule = \"every 3h\"\n# ///\ndef run():\n    return {returns}\n")
    };
    server.put("own", &own(1)).await;
    runs_when(&server, "own", 1).await;
    let (_, before) = server.get("/v1/schedules/own").await;
    assert_eq!(server.put("own", &own(2)).await.0, 201);
    let (_, after) = server.get("/v1/schedules/own").await;
    assert_eq!((&after["trigger"], &after["next_fire_at"]), (&before["trigger"], &before["next_fire_at"]));
    // A look that is due by now would have fired them again.
    put(&server, "later", json!({"script": "price", "trigger": "every 1h"})).await;
    runs_when(&server, "later", 1).await;
    assert_eq!((runs(&server, "x").await.len(), runs(&server, "own").await.len()), (2, 1));
}

/// A file of a zone that always has this offset, as RFC 9636 says.
fn zone_file(hours: i8) -> Vec<u8> {
    let block = || {
        let mut block = b"TZif2".to_vec();
        block.extend([0; 15]);
        for count in [0_u32, 0, 0, 0, 1, 4] {
            block.extend(count.to_be_bytes());
        }
        block.extend((i32::from(hours) * 3600).to_be_bytes());
        block.extend([0, 0]);
        block.extend(b"XXX\0");
        block
    };
    let mut file = block();
    file.extend(block());
    file.extend(format!("\nXXX{}\n", -hours).bytes());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn another_release_of_time_zones_moves_fire_times() {
    let folder = Folder::new();
    let zones = folder.0.join("zones");
    std::fs::create_dir_all(zones.join("Asia")).expect("a folder");
    std::fs::write(zones.join("UTC"), zone_file(0)).expect("writes");
    std::fs::write(zones.join("Asia/Tokyo"), zone_file(5)).expect("writes");
    std::fs::write(zones.join("tzdata.zi"), "# version 2031a\n").expect("writes");
    let zones = zones.to_str().expect("UTF-8");
    let mut server = Server::start(&folder.0, &[]);
    server.put("price", TICK).await;
    put(&server, "tokyo", json!({"script": "price", "trigger": "0 9 * * * @ Asia/Tokyo"})).await;
    put(&server, "paused", json!({"script": "price", "trigger": "0 9 * * * @ Asia/Tokyo", "paused": true})).await;
    put(&server, "utc", json!({"script": "price", "trigger": "0 9 * * *"})).await;
    let next = async |server: &Server, id: &str| {
        let (_, schedule) = server.get(&format!("/v1/schedules/{id}")).await;
        schedule["next_fire_at"].as_str().expect("a time")[11..16].to_owned()
    };
    assert_eq!(next(&server, "tokyo").await, "00:00");
    for (words, wanted) in [(vec!["--tzdata", zones], "04:00"), (vec![], "00:00")] {
        server.signal("-TERM");
        server.ended(Duration::from_secs(20));
        server.words = words.into_iter().map(str::to_owned).collect();
        server.up();
        server.until("the next fire time is new", async || next(&server, "tokyo").await == wanted).await;
        assert_eq!(next(&server, "utc").await, "09:00");
        let (_, shown) = server.get("/v1/schedules/paused").await;
        assert_eq!(shown["state"], "paused");
    }
    let (_, resumed) = server.post("/v1/schedules/paused/resume", &json!({})).await;
    assert_eq!(&resumed["next_fire_at"].as_str().expect("a time")[11..16], "00:00");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_pointed_at() {
    let (_folder, server) = ephemeral().await;
    for (body, field, text) in [
        (json!({"script": "price", "trigger": "0 9 * * fri#2x"}), "trigger", "^"),
        (json!({"script": "price", "trigger": "*/60 * * * *"}), "trigger", "60"),
        (json!({"script": "price", "trigger": "0 9 31 feb *"}), "trigger", "feb"),
        (json!({"script": "price", "trigger": "* * * * * *"}), "trigger", "second"),
        (json!({"script": "price", "trigger": "every 0s"}), "trigger", "0"),
        (json!({"script": "price", "trigger": "at 2020-01-01T00:00"}), "trigger", "POST"),
        (json!({"script": "price", "trigger": "0 9 * * *", "timezone": "Europe/Berln"}), "timezone", "Europe/Berlin"),
        (json!({"script": "price", "trigger": {"type": "interval", "minuts": 2}}), "trigger", "minutes"),
        (json!({"script": "price", "trigger": "every 2m", "max_instance": 2}), "max_instance", "max_instances"),
        (json!({"script": "price", "trigger": "every 2m", "coalesce": "some"}), "coalesce", "latest"),
        (json!({"script": "price", "trigger": "every 2m", "args": 4}), "args", "object"),
        (json!({"script": "nobody", "trigger": "every 2m"}), "script", "no script"),
        (json!({"trigger": "every 2m"}), "script", "name it"),
        (json!({"script": "price", "trigger": "every 2m", "version": 7}), "version", "7"),
        (json!({"script": "price", "trigger": "every 1m jitter 2m"}), "trigger", "jitter"),
    ] {
        let (status, problem) = put(&server, "x", body.clone()).await;
        assert_eq!(status, 422, "{body}: {problem}");
        assert!(problem["field"].as_str().expect("a field").starts_with(field), "{body}: {problem}");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(text), "{body}: {detail}");
    }
    let bad = put(&server, "..", json!({"script": "price", "trigger": "every 2m"})).await;
    assert!(bad.0 == 400 || bad.0 == 404, "{}", bad.1);
    assert_eq!(server.get("/v1/schedules").await.1["items"], json!([]), "nothing was kept");
    let (status, preview) = server
        .post(
            "/v1/triggers/preview",
            &json!({"trigger": "0 2 * * *", "timezone": "Europe/Berlin", "from": "2026-03-28T12:00:00Z", "count": 2}),
        )
        .await;
    assert_eq!(status, 200, "{preview}");
    assert_eq!(preview["fires"][0]["local"], "2026-03-29T03:00:00+02:00");
    assert!(preview["fires"][0]["note"].as_str().expect("a note").contains("does not exist"), "{preview}");
    put(&server, "x", json!({"script": "price", "trigger": "every 1s"})).await;
    let much = server.post("/v1/schedules/x/backfill", &json!({"from": "0001-01-01T00:00:00Z"})).await;
    assert!(much.0 == 422 || much.1["fire_times"].as_array().is_some_and(|times| times.len() <= 1000), "{}", much.1);
    put(&server, "y", json!({"script": "price", "trigger": "* * * * *"})).await;
    let much = server.post("/v1/schedules/y/backfill", &json!({"from": "0001-01-01T00:00:00Z"})).await;
    assert_eq!(code(&much), (422, "too_many_fire_times"), "{}", much.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_brings_its_schedules_along() {
    let (_folder, server) = ephemeral().await;
    put(&server, "by-hand", json!({"script": "price", "trigger": "@yearly"})).await;
    let source = |block: &str| {
        let lines: String = block.lines().map(|line| format!("# {line}\n")).collect();
        format!("# /// script\n# [tool.cronbox]\n{lines}# ///\n{TICK}")
    };
    let (status, kept) = server
        .put(
            "price",
            &source(
                "timezone = \"Asia/Shanghai\"\nschedule = \"cron: 0 9 * * *\"\n[[tool.cronbox.schedules]]\nid = \"weekly\"\ntrigger = \"@weekly\"\nargs = {n = 7}\npaused = true",
            ),
        )
        .await;
    assert_eq!(status, 201, "{kept}");
    let listed = |kept: &Value| -> Vec<(String, String, String)> {
        let text = |schedule: &Value, field: &str| schedule[field].as_str().unwrap_or_default().to_owned();
        let items = kept["schedules"].as_array().expect("schedules");
        items.iter().map(|one| (text(one, "id"), text(one, "text"), text(one, "state"))).collect()
    };
    let of = |id: &str, text: &str, state: &str| (id.to_owned(), text.to_owned(), state.to_owned());
    assert_eq!(
        listed(&kept),
        [
            of("by-hand", "cron: @yearly @ UTC", "active"),
            of("price", "cron: 0 9 * * * @ Asia/Shanghai", "active"),
            of("weekly", "cron: @weekly @ Asia/Shanghai", "paused"),
        ]
    );
    let (_, kept) = server.put("price", &source("schedule = \"cron: 0 10 * * *\"")).await;
    assert_eq!(
        listed(&kept),
        [of("by-hand", "cron: @yearly @ UTC", "active"), of("price", "cron: 0 10 * * * @ UTC", "active")],
        "as the block says, and what was made by hand stays"
    );
    let bad = server.put("price", &source("schedule = \"cron: 0 25 * * *\"")).await;
    assert_eq!(code(&bad), (422, "bad_trigger"), "{}", bad.1);
    assert!(bad.1["field"].as_str().expect("a field").starts_with("schedules.trigger"), "{}", bad.1);
    let taken =
        server.put("price", &source("[[tool.cronbox.schedules]]\nid = \"by-hand\"\ntrigger = \"@daily\"")).await;
    assert_eq!(code(&taken), (422, "bad_schedule"), "{}", taken.1);
    let (_, kept) = server.put("price", TICK).await;
    assert_eq!(listed(&kept), [of("by-hand", "cron: @yearly @ UTC", "active")]);
    // An earlier version comes with its schedules, unless these are to stay as they are.
    let (status, _) = server.post("/v1/scripts/price/rollback?schedules=keep", &json!({"version": 3})).await;
    assert_eq!((status, server.get("/v1/schedules/price").await.0), (200, 404));
    assert_eq!(server.post("/v1/scripts/price/rollback", &json!({"version": 3})).await.0, 200);
    assert_eq!(server.get("/v1/schedules/price").await.1["text"], "cron: 0 10 * * * @ UTC");
    assert_eq!(server.post("/v1/scripts/price/rollback", &json!({"version": 1})).await.0, 200);
    assert_eq!(server.get("/v1/schedules/price").await.0, 404);
    // A name that says nothing is told, and refuses nothing.
    let (status, kept) = server.put("price", &source("schedul = \"@daily\"")).await;
    assert_eq!(
        (status, &kept["warnings"][0]["code"], &kept["warnings"][0]["line"]),
        (201, &json!("unknown_setting"), &json!(3))
    );
    assert!(kept["warnings"][0]["message"].as_str().expect("text").contains("did you mean schedule?"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_brings_schedules_and_takes_them_away() {
    let folder = Folder::new();
    let jobs = folder.0.join("jobs");
    std::fs::create_dir_all(&jobs).expect("a folder");
    std::fs::write(
        jobs.join("job.py"),
        format!("# /// script\n# [tool.cronbox]\n# schedule = \"@hourly\"\n# ///\n{TICK}"),
    )
    .expect("writes");
    let server = Server::start(&folder.0, &["--ephemeral", "--script-source", jobs.to_str().expect("text")]);
    let when = async |state: &str| {
        let look = async || {
            let (_, schedule) = server.get("/v1/schedules/job").await;
            if schedule["state"] == state { Ok(schedule) } else { Err(schedule) }
        };
        server.until(state, look).await
    };
    when("active").await;
    std::fs::remove_file(jobs.join("job.py")).expect("removes");
    let paused = when("paused").await;
    assert!(paused["reason"].as_str().expect("a reason").contains("job.py is gone"), "{paused}");
    // It is told wherever people look, once.
    let told = async || {
        let (_, script) = server.get("/v1/scripts/job").await;
        let is_told = script["link"]["error"].as_str().is_some_and(|error| error.ends_with("job.py is gone"));
        if is_told { Ok(()) } else { Err(script) }
    };
    server.until("the link is gone", told).await;
    let listed = async || {
        let (_, said, why) = server.cronbox(&["scripts", "--problems"]);
        let lines = said.lines().filter(|line| line.contains("job.py")).count();
        if lines == 1 && said.contains("a file that is gone") { Ok(()) } else { Err(said + &why) }
    };
    server.until("it is listed", listed).await;
    let (_, ready) = server.get("/readyz").await;
    assert!(ready["warnings"].to_string().contains("a file that is gone"), "{ready}");
    let (_, shown, _) = server.cronbox(&["script", "show", "job"]);
    assert!(shown.contains("job.py is gone"), "{shown}");
    assert_eq!(server.get("/v1/scripts/job").await.0, 200, "its history stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_server_missed_is_told() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &[]);
    server.put("price", TICK).await;
    put(&server, "all", json!({"script": "price", "trigger": "every 1s", "coalesce": false})).await;
    put(&server, "last", json!({"script": "price", "trigger": "every 1s"})).await;
    put(&server, "none", json!({"script": "price", "trigger": "every 1s", "misfire_grace_time": "500ms"})).await;
    runs_when(&server, "last", 1).await;
    server.kill();
    // For its clock it was down for five seconds.
    let clocks = Clocks::new(&folder.0, 1);
    clocks.set(0, 5);
    server.env.extend(clocks.env(0));
    server.up();
    for id in ["all", "last", "none"] {
        let count = runs(&server, id).await.len();
        let all = runs_when(&server, id, count + 4).await;
        let times: Vec<i64> = all
            .iter()
            .map(|run| {
                chrono::DateTime::parse_from_rfc3339(run["fire_time"].as_str().expect("a time"))
                    .expect("a time")
                    .timestamp()
            })
            .collect();
        assert!(times.windows(2).all(|two| two[0] - two[1] == 1), "{id}: each fire time has one row: {times:?}");
        let reasons: Vec<&str> = all.iter().filter_map(|run| run["reason"].as_str()).collect();
        match id {
            "all" => assert!(all.iter().all(|run| run["status"] == "succeeded"), "{reasons:?}"),
            "last" => assert!(reasons.iter().filter(|reason| **reason == "coalesced").count() >= 2, "{reasons:?}"),
            _ => assert!(reasons.iter().filter(|reason| **reason == "misfire_grace_time").count() >= 2, "{reasons:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_week_is_backfilled() {
    let (_folder, server) = ephemeral().await;
    put(&server, "daily", json!({"script": "price", "trigger": "0 9 * * *", "timezone": "Asia/Shanghai"})).await;
    let (status, dry) = server.post("/v1/schedules/daily/backfill?dry_run=true", &json!({"from": "7d"})).await;
    assert_eq!((status, dry["fire_times"].as_array().map(Vec::len)), (200, Some(7)), "{dry}");
    let (status, made) = server.post("/v1/schedules/daily/backfill", &json!({"from": "7d"})).await;
    assert_eq!((status, made["runs"].as_array().map(Vec::len)), (201, Some(7)), "{made}");
    let all = runs_when(&server, "daily", 7).await;
    assert!(all.iter().all(|run| run["cause"] == "backfill" && run["status"] == "succeeded" && run["priority"] == -10));
    assert!(all[0]["result"]["fire"].as_str().expect("a time").ends_with("T09:00:00+08:00"), "{}", all[0]);
    let (status, again) = server.post("/v1/schedules/daily/backfill", &json!({"from": "7d"})).await;
    assert_eq!((status, &again["left_out"]), (200, &json!(7)), "{again}");
    let (status, all) =
        server.post("/v1/schedules/daily/backfill", &json!({"from": "2d", "which": "all", "concurrency": 2})).await;
    assert_eq!((status, all["runs"].as_array().map(Vec::len)), (201, Some(2)), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_paused_and_goes_on() {
    let folder = Folder::new();
    let server = Server::start(
        &folder.0,
        &["--ephemeral", "--paused", "--timezone", "Europe/Berlin", "--job-defaults", "max_instances=3,coalesce=false"],
    );
    server.put("price", TICK).await;
    let (_, made) = put(&server, "x", json!({"script": "price", "trigger": "every 1s"})).await;
    assert_eq!(
        (&made["timezone"], &made["max_instances"], &made["coalesce"]),
        (&json!("Europe/Berlin"), &json!(3), &json!("all"))
    );
    let (_, whole) = server.get("/v1/scheduler").await;
    assert_eq!((&whole["paused"], &whole["timezone"]), (&json!(true), &json!("Europe/Berlin")), "{whole}");
    let (_, whole) = server.post("/v1/scheduler/resume", &json!({})).await;
    assert_eq!(whole["paused"], false);
    runs_when(&server, "x", 1).await;
    let (_, whole) = server.post("/v1/scheduler/pause", &json!({})).await;
    assert_eq!(whole["paused"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_schedules() {
    let (_folder, server) = ephemeral().await;
    let cronbox = |words: &[&str]| server.cronbox(words);
    let (status, said, why) =
        cronbox(&["schedule", "add", "price", "0 9 * * * @ Asia/Shanghai", "--id", "daily", "--args", "{\"n\": 2}"]);
    assert!(status == Some(0) && said.starts_with("daily starts price · active"), "{said}{why}");
    let (_, list, _) = cronbox(&["schedules"]);
    assert!(list.starts_with("ID") && list.contains("01:00:00"), "{list}");
    let (_, shown, _) = cronbox(&["schedule", "show", "daily", "--count", "3"]);
    assert_eq!(shown.lines().filter(|line| line.contains("09:00:00+08:00")).count(), 3, "{shown}");
    let (_, edited, _) = cronbox(&["schedule", "edit", "daily", "--misfire-grace-time", "5m"]);
    assert!(edited.contains("misfire_grace_time 300 s"), "{edited}");
    let (_, paused, _) = cronbox(&["schedule", "pause", "daily"]);
    assert!(paused.contains("paused"), "{paused}");
    let (status, run, _) = cronbox(&["schedule", "trigger", "daily", "--wait"]);
    assert!(status == Some(0) && run.contains("succeeded"), "{run}");
    let (_, filled, _) = cronbox(&["schedule", "backfill", "daily", "--from", "3d"]);
    assert!(filled.starts_with("3 runs were made"), "{filled}");
    let (_, resumed, _) = cronbox(&["schedule", "resume", "daily", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&resumed).expect("JSON")["state"], "active");
    assert_eq!(cronbox(&["schedule", "rm", "daily"]).0, Some(0));
    let (status, _, why) = cronbox(&["schedule", "show", "daily"]);
    assert!(status == Some(2) && why.contains("no schedule daily"), "{why}");
    // Without a server.
    let (status, json_text, _) = cronbox(&[
        "schedule",
        "preview",
        "0 9 * * 1-5 @ Asia/Shanghai",
        "--from",
        "2026-01-01T02:00:00Z",
        "--count",
        "2",
        "--json",
    ]);
    assert_eq!(status, Some(0));
    assert_eq!(
        serde_json::from_str::<Value>(&json_text).expect("JSON"),
        json!({"fires": [
            {"at": "2026-01-02T01:00:00Z", "local": "2026-01-02T09:00:00+08:00", "note": null},
            {"at": "2026-01-05T01:00:00Z", "local": "2026-01-05T09:00:00+08:00", "note": null},
        ]})
    );
    let (status, _, why) = cronbox(&["schedule", "preview", "lastfoo"]);
    assert!(status == Some(2) && !why.is_empty(), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crontab_comes_over() {
    let (folder, server) = ephemeral().await;
    let jobs = folder.0.join("jobs");
    std::fs::create_dir_all(&jobs).expect("a folder");
    std::fs::write(jobs.join("report.py"), "import sys\nprint(sys.argv[1:])\n").expect("writes");
    let crontab = format!(
        "MAILTO=ann\nCRON_TZ=Asia/Shanghai\n0 9 * * 1-5 cd {0} && timeout 5m /usr/bin/python3 report.py --day 'a b' >> /var/log/x 2>&1\n\
         CRON_TZ=UTC\n@daily python3 {0}/report.py\n*/5 * * * * /usr/bin/backup | gzip\n0 1 * * * python3 {0}/gone.py\n",
        jobs.display()
    );
    std::fs::write(folder.0.join("crontab"), crontab).expect("writes");
    let cronbox = |words: &[&str]| server.cronbox(words);
    let (status, said, why) = cronbox(&["schedule", "import", "--crontab", "crontab", "--dry-run"]);
    assert!(status == Some(1) && said.contains("would be made"), "{said}{why}");
    assert_eq!(server.get("/v1/schedules").await.1["items"], json!([]));
    for what in ["made", "as it was"] {
        let (status, said, why) = cronbox(&["schedule", "import", "--crontab", "crontab"]);
        assert_eq!(status, Some(1), "{said}{why}");
        assert_eq!(said.matches(what).count(), 2, "{said}");
        assert!(said.contains("line 6: its command has a pipe") && said.contains("line 7: "), "{said}");
    }
    let (_, list) = server.get("/v1/schedules").await;
    let mut texts: Vec<&str> =
        list["items"].as_array().expect("items").iter().filter_map(|one| one["text"].as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["cron: 0 9 * * 1-5 @ Asia/Shanghai", "cron: @daily @ UTC"]);
    let daily = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .find(|one| one["argv"] == json!(["--day", "a b"]))
        .expect("there");
    assert_eq!(daily["settings"]["limits"]["timeout"], "5m");
    let (_, run) = server
        .post(&format!("/v1/schedules/{}/trigger?wait=30s", daily["id"].as_str().expect("text")), &json!({}))
        .await;
    assert_eq!((&run["status"], &run["limits"]["timeout"]), (&json!("succeeded"), &json!(300.0)), "{run}");
    // From one server to another.
    let (_, document, _) = cronbox(&["schedule", "export"]);
    std::fs::write(folder.0.join("all.json"), &document).expect("writes");
    let (status, said, why) = cronbox(&["schedule", "import", "all.json"]);
    assert!(status == Some(0) && said.matches("as it was").count() == 2, "{said}{why}");
    for one in list["items"].as_array().expect("items") {
        server
            .request(Method::DELETE, &format!("/v1/schedules/{}", one["id"].as_str().expect("text")))
            .send()
            .await
            .expect("answers");
    }
    let (status, said, why) = cronbox(&["schedule", "import", "all.json"]);
    assert!(status == Some(0) && said.matches("made").count() == 2, "{said}{why}");
    assert_eq!(cronbox(&["schedule", "export"]).1, document, "what comes out went in");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_script_goes_on_after_another() {
    let (_folder, server) = ephemeral().await;
    server.put("load", "def run(n):\n    return {'rows': list(range(n))}\n").await;
    server.put("sum", "def run(context, upstream):\n    return [sum(upstream['rows']), context.cause]\n").await;
    server.put("alarm", "def run():\n    return 'told'\n").await;
    assert_eq!(put(&server, "then", json!({"script": "sum", "trigger": "after load"})).await.0, 201);
    assert_eq!(
        put(
            &server,
            "wrong",
            json!({"script": "alarm", "trigger": {"type": "after", "script": "load", "on": "failed"}})
        )
        .await
        .0,
        201
    );
    let circle = put(&server, "back", json!({"script": "load", "trigger": "after sum"})).await;
    assert_eq!(code(&circle), (422, "chain_circle"), "{}", circle.1);
    let first = server.run("load", &json!({"args": {"n": 5}})).await;
    let next = runs_when(&server, "then", 1).await.remove(0);
    assert_eq!((&next["result"], &next["upstream"]), (&json!([10, "chain"]), &first["id"]), "{next}");
    server.run("load", &json!({"args": {"n": "x"}})).await;
    assert_eq!(runs_when(&server, "wrong", 1).await[0]["result"], "told");
    assert_eq!(runs(&server, "then").await.len(), 1);
    // So many, and no more.
    let twice = json!({"script": "alarm", "trigger": {"type": "after", "script": "load", "max_runs": 2}});
    assert_eq!(put(&server, "twice", twice).await.0, 201);
    for count in [1, 2, 2] {
        server.run("load", &json!({"args": {"n": 1}})).await;
        runs_when(&server, "twice", count).await;
        runs_when(&server, "then", 1).await;
    }
    let (_, shown) = server.get("/v1/schedules/twice").await;
    assert_eq!((&shown["state"], &shown["fired"]), (&json!("finished"), &json!(2)));
    runs_when(&server, "then", 4).await;
    assert_eq!(runs(&server, "twice").await.len(), 2);
}

/// Schedules of the great test, fires a second of all, and seconds.
fn size() -> (usize, usize, u64) {
    if std::env::var_os("CRONBOX_SOAK").is_some() { (1000, 200, 600) } else { (300, 100, 60) }
}

/// Makes the schedules: `schedules` of them, which fire `rate` times a second together.
async fn many(server: &Server, schedules: usize, rate: usize) {
    assert_eq!(server.put("tick", "def run():\n    return 1\n").await.0, 201);
    let seconds = schedules / rate;
    for n in 0..schedules {
        let asked =
            json!({"script": "tick", "trigger": format!("every {seconds}s"), "overlap": "allow", "coalesce": false});
        let (status, made) = put(server, &format!("s{n:04}"), asked).await;
        assert_eq!(status, 201, "{made}");
    }
}

/// Waits for so many more rows of fire times.
async fn fires(server: &Server, more: usize) {
    let count = async || {
        let (_, counts) = server.get("/v1/runs/counts?cause=fire&bucket=1d").await;
        let items = counts["items"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|slot| slot["total"].as_u64()).sum::<u64>()
    };
    let before = count().await;
    server.until("schedules fire", async || count().await >= before + more as u64).await;
}

/// Every fire time of each schedule up to its pause has exactly one row with the cause fire, and every one ended.
async fn check(server: &Server, schedules: usize, rate: usize) -> usize {
    for n in 0..schedules {
        let (status, paused) = server.post(&format!("/v1/schedules/s{n:04}/pause"), &json!({})).await;
        assert_eq!(status, 200, "{paused}");
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let (_, open) = server.get("/v1/runs?status=queued,running,scheduled&limit=1").await;
        if open["items"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
        assert!(Instant::now() < deadline, "runs are left over: {open}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut ended: BTreeSet<(String, String)> = BTreeSet::new();
    let mut seen: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let (_, page) = server.get(&format!("/v1/runs?cause=fire&limit=500{cursor}")).await;
        for run in page["items"].as_array().expect("items") {
            let at = chrono::DateTime::parse_from_rfc3339(run["fire_time"].as_str().expect("a time")).expect("a time");
            seen.entry(run["schedule"].as_str().expect("an id").to_owned()).or_default().push(at.timestamp_micros());
            let word = |field: &str| run[field].as_str().expect("text").to_owned();
            ended.insert((word("id"), format!("run_{}", word("status"))));
            *statuses.entry(run["status"].as_str().expect("a status").to_owned()).or_default() += 1;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), schedules);
    let period = (schedules / rate) as i64 * 1_000_000;
    for (schedule, times) in &mut seen {
        times.sort_unstable();
        let whole = times.windows(2).all(|two| two[1] - two[0] == period);
        assert!(whole, "{schedule}: a fire time is missing or doubled: {times:?}");
    }
    let odd = |status: &str| !matches!(status, "succeeded" | "crashed" | "skipped");
    assert!(!statuses.keys().any(|status| odd(status)), "{statuses:?}");
    let crashed = statuses.get("crashed").copied().unwrap_or_default();
    let all: usize = statuses.values().sum();
    assert!(crashed * 10 < all, "{statuses:?}");
    let told = told(server, all).await;
    assert_eq!(told.len(), all, "the feed tells an end twice, or not at all");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), ended);
    all
}

/// The ends of runs as the feed tells them, when it tells `count` of them.
async fn told(server: &Server, count: usize) -> Vec<(String, String)> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut told, mut cursor) = (Vec::new(), String::new());
    while told.len() < count {
        let (status, page) = server.get(&format!("/v1/events?limit=1000{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        for event in page["items"].as_array().expect("items").iter().filter(|event| event["run"].is_string()) {
            let word = |field: &str| event[field].as_str().expect("text").to_owned();
            told.push((word("run"), word("type")));
        }
        cursor = format!("&cursor={}", page["cursor"].as_str().expect("a cursor"));
        assert!(Instant::now() < deadline, "the feed tells {} ends of {count}", told.len());
    }
    told
}

/// Reads the feed while everything else happens, until it has heard of as many ends of runs as it is told to wait for.
async fn listen(store: Store, mut enough: tokio::sync::watch::Receiver<usize>) -> Vec<(String, String)> {
    let mut place = store.oldest_event().await.expect("asks");
    let mut heard = Vec::new();
    while heard.len() < *enough.borrow_and_update() {
        // The database goes away for a while.
        let Ok(some) = store.events(place).await else { continue };
        let some = some.expect("is kept");
        place = some.last().map_or(place, |event| event.place);
        heard.extend(some.into_iter().filter_map(|event| Some((event.run?, event.type_name))));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_fire_everything_once_whoever_dies() {
    let folder = Folder::new();
    let bucket = Bucket::start(&folder.0).await;
    let own = Cluster::start(true);
    let database = own.database();
    let words = [
        "--database",
        &database,
        "--blobs",
        "s3://jobs/cronbox",
        "--lease",
        "3s",
        "--rate-limit",
        "100000",
        "--log",
        "warn",
    ];
    let env = bucket.env();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut servers: Vec<Server> = (0..3)
        .map(|n| {
            let own = folder.0.join(n.to_string());
            std::fs::create_dir_all(&own).expect("a folder");
            Server::start_with(&own, &words, &env)
        })
        .collect();
    let (schedules, rate, seconds) = size();
    let (enough, until_enough) = tokio::sync::watch::channel(usize::MAX);
    let store = Store::open(&DatabaseUrl::Postgres(database.clone())).await.expect("opens");
    let listener = tokio::spawn(listen(store, until_enough));
    many(&servers[0], schedules, rate).await;
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut round = 0;
    while Instant::now() < until {
        // After the fire times of some seconds another node dies and comes back; once the database does.
        fires(&servers[0], rate * 4).await;
        round += 1;
        if round == 5 {
            own.down();
            own.up();
        } else {
            let victim = round % servers.len();
            servers[victim].kill();
            servers[victim].up();
        }
    }
    let fired = check(&servers[0], schedules, rate).await;
    // Who read along while nodes died has heard the same in the same order.
    enough.send_replace(fired);
    assert_eq!(listener.await.expect("joins"), told(&servers[0], fired).await);
    let least = (seconds as usize * rate) * 8 / 10;
    assert!(fired >= least, "only {fired} fire times in {seconds} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_on_sqlite_fires_everything_once_though_it_dies() {
    let folder = Folder::new();
    let mut server = Server::start(&folder.0, &["--rate-limit", "100000", "--log", "warn"]);
    let (schedules, rate) = (100, 50);
    many(&server, schedules, rate).await;
    for _ in 0..4 {
        fires(&server, rate * 3).await;
        server.kill();
        server.up();
    }
    let fired = check(&server, schedules, rate).await;
    assert!(fired > 400, "only {fired} fire times");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_shared_out() {
    let folder = Folder::new();
    let database = cluster().database();
    let words =
        |roles: &'static str| ["--database", &database, "--blobs", "shared", "--roles", roles].map(str::to_owned);
    let start = |roles: &'static str| {
        let mut words = words(roles);
        words[3] = folder.0.join("blobs").display().to_string();
        let own = folder.0.join(roles);
        std::fs::create_dir_all(&own).expect("a folder");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Server::start(&own, &words)
    };
    let api = start("api");
    let _scheduler = start("scheduler");
    let _worker = start("worker");
    api.put("price", TICK).await;
    put(&api, "x", json!({"script": "price", "trigger": "every 1s"})).await;
    let all = runs_when(&api, "x", 2).await;
    assert!(all.iter().any(|run| run["status"] == "succeeded"), "{all:?}");
}
