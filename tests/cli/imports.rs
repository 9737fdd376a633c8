//! Schedules out of a crontab, and from one server to another.

use crate::support::server::Server;
use serde_json::{Value, json};

async fn scripts(server: &Server) -> Vec<String> {
    let (_, page) = server.get("/v1/scripts").await;
    page["items"].as_array().expect("items").iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
}

/// E4, E5: a dry run says what the import says, which leaves nothing behind of a refused line; TZ moves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_crontab_is_its_import() {
    let (folder, server) = Server::ephemeral();
    for file in ["b", "e", "f", "g"] {
        folder.write(&format!("{file}.py"), "print(1)\n");
    }
    folder.write("u.py", "import helper\nprint(helper.X)\n");
    folder.write("helper.py", "X = 1\n");
    folder.write("s.py", "def run(:\n");
    let n = folder.0.display();
    let crontab = format!(
        "20 9 * * * env TZ=Asia/Shanghai python3 {n}/b.py\n0 0 30 2 * python3 {n}/e.py\n61 * * * * python3 {n}/f.py\n\
         0 1/2 * * * python3 {n}/g.py\n5 9 * * * cd {n} && python3 u.py\n6 9 * * * python3 {n}/s.py\n"
    );
    folder.write("ct2", &crontab);
    let verdicts = |words: &[&str]| {
        let (code, said, why) = server.cronbox_with(&[words, &["--json"]].concat(), &[("TZ", "UTC")]);
        assert_eq!(code, Some(1), "{said}{why}");
        let document: Value = serde_json::from_str(&said).expect("JSON");
        let whats: Vec<String> =
            document["not_imported"].as_array().expect("a list").iter().map(|one| one.to_string()).collect();
        let ids: Vec<Value> =
            document["schedules"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
        (whats, ids, document["notes"].to_string())
    };
    let dry = verdicts(&["schedule", "import", "--crontab", "ct2", "--dry-run"]);
    assert!(scripts(&server).await.is_empty(), "a dry run keeps nothing");
    let real = verdicts(&["schedule", "import", "--crontab", "ct2"]);
    assert_eq!((&dry.0, &dry.1), (&real.0, &real.1));
    assert_eq!((real.0.len(), real.1.len()), (4, 2), "{real:?}");
    assert!(
        real.2.contains("line 1: TZ=Asia/Shanghai has no effect") && real.2.contains("helper.py came along"),
        "{}",
        real.2
    );
    assert_eq!(scripts(&server).await, ["b", "u"], "nothing is left of the lines that were refused");
    let (_, list) = server.get("/v1/schedules?script=b").await;
    assert_eq!(list["items"][0]["text"], "cron: 20 9 * * * @ UTC");
    assert_eq!(server.run("u", &json!({})).await["status"], "succeeded");
}

/// cron fires in the zone of its machine: so do lines that name none, and the zone is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_crontab_fires_in_the_zone_of_this_machine() {
    let (folder, server) = Server::ephemeral();
    for file in ["a", "b"] {
        folder.write(&format!("{file}.py"), "print(1)\n");
    }
    let n = folder.0.display();
    folder.write("ct", &format!("0 9 * * * python3 {n}/a.py\nCRON_TZ=Europe/Berlin\n0 9 * * * python3 {n}/b.py\n"));
    let import = |zone: &str, words: &[&str]| {
        let words = [&["schedule", "import", "--crontab", "ct", "--dry-run"], words].concat();
        server.cronbox_with(&words, &[("TZ", zone)]).1
    };
    let said = import("Asia/Shanghai", &[]);
    assert!(said.contains("0 9 * * * @ Asia/Shanghai") && said.contains("0 9 * * * @ Europe/Berlin"), "{said}");
    assert!(said.contains("fire in the zone Asia/Shanghai, which is this machine's"), "{said}");
    let said = import("Asia/Shanghai", &["--timezone", "America/New_York"]);
    assert!(said.contains("@ America/New_York") && !said.contains("this machine's"), "{said}");
    let said = import("XYZ-8", &[]);
    assert!(said.contains("@ UTC") && said.contains("this machine's time zone is not known"), "{said}");
}

/// E3: a script that is there under the file's name is told, and kept unless it is to be replaced. C1: no two files merge.
#[tokio::test(flavor = "multi_thread")]
async fn a_crontab_does_not_overwrite_scripts() {
    let (folder, server) = Server::ephemeral();
    server.put("report", "print('mine')\n").await;
    for file in ["report.py", "签到.py", "天气.py", "x/main.py", "a/x/main.py", "my job.py"] {
        folder.write(file, &format!("print({file:?})\n"));
    }
    let n = folder.0.display();
    let crontab = format!(
        "0 9 * * * python3 {n}/report.py\n1 9 * * * python3 {n}/签到.py\n2 9 * * * python3 {n}/天气.py\n\
         3 9 * * * python3 {n}/x/main.py\n4 9 * * * python3 {n}/a/x/main.py\n5 9 * * * python3 '{n}/my job.py'\n"
    );
    folder.write("ct", &crontab);
    for dry in [true, false] {
        let flag: &[&str] = if dry { &["--dry-run"] } else { &[] };
        let (code, said, why) = server.cronbox(&[&["schedule", "import", "--crontab", "ct"][..], flag].concat());
        assert!(
            code == Some(1) && said.contains("line 1: there is a script report already") && said.contains("--replace"),
            "{said}{why}"
        );
        assert!(said.contains("line 6: ") && said.contains("my_job"), "{said}");
    }
    assert_eq!(server.get("/v1/scripts/report").await.1["version"], 1);
    let names = scripts(&server).await;
    assert!(["签到", "天气"].iter().all(|name| names.contains(&(*name).to_owned())) && names.len() == 5, "{names:?}");
    let (_, said, _) = server.cronbox(&["schedule", "import", "--crontab", "ct", "--replace"]);
    assert!(said.contains("the script report, which was there already, got a new version"), "{said}");
    assert_eq!(server.get("/v1/scripts/report").await.1["version"], 2);
}

/// E9: what was exported imports, each schedule by itself; one that is refused is named.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_exported_is_imported_one_by_one() {
    let (folder, server) = Server::ephemeral();
    server.put("a", "def run(): return 1\n").await;
    let hour = json!({"type": "interval", "hours": 1});
    let past = json!({"type": "or", "triggers": [{"type": "date", "run_date": "2020-01-01T00:00:00Z"}, hour]});
    let document = json!({"version": 1, "schedules": [
        {"id": "both", "script": "a", "trigger": past},
        {"id": "gone", "script": "a", "trigger": {"type": "date", "run_date": "2020-01-01T00:00:00Z"}},
        {"id": "orphan", "script": "none", "trigger": hour},
        {"id": "last", "script": "a", "trigger": hour},
    ]});
    folder.write("all.json", &document.to_string());
    let (code, said, why) = server.cronbox(&["schedule", "import", "all.json"]);
    assert_eq!(code, Some(1), "{why}");
    assert!(
        said.contains("not imported: schedule gone: ") && said.contains("not imported: schedule orphan: "),
        "{said}"
    );
    assert!(said.contains("both") && said.contains("last") && said.matches(" made ").count() == 2, "{said}");
    // What this server exports, another one takes, though one of its times has passed.
    let exported = server.cronbox(&["schedule", "export"]).1;
    let (other_folder, other) = Server::ephemeral();
    other.put("a", "def run(): return 1\n").await;
    other_folder.write("all.json", &exported);
    let (code, said, why) = other.cronbox(&["schedule", "import", "all.json"]);
    assert_eq!(code, Some(0), "{said}{why}");
    assert_eq!(other.cronbox(&["schedule", "export"]).1, exported);
    let block = "# /// script\n# tool.cronbox = {schedule = \"(at 2020-01-01T00:00 or every 1h)\"}\n# ///\n";
    assert_eq!(other.put("b", block).await.0, 201);
    let block = block.replace(" or every 1h", "");
    assert_eq!(other.put("c", &block).await.0, 422, "one that can never fire stays refused");
}
