//! Backups: what is saved of a server that runs, and what comes back. Rows are compared with the tools of the engines, not with
//! what makes backups.

mod damaged;
mod interrupted;
mod scheduled;

use crate::support::postgres::cluster;
use crate::support::s3::Bucket;
use crate::support::server::{Folder, Server};
use crate::support::{self, PROGRAM};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Tables that are no part of a backup.
const NOT_SAVED: [&str; 3] = ["_sqlx_migrations", "backups", "nodes"];
/// Columns that one engine has and the other has not, or uses and the other does not.
const OF_ONE_ENGINE: [(&str, &str); 6] = [
    ("events", "place"),
    ("feed", "base"),
    ("feed", "gone_place"),
    ("attempts", "token"),
    ("blobs", "size"),
    ("blobs", "created_at"),
];

/// The rows of all tables, each as JSON, in one order.
type Rows = BTreeMap<String, Vec<String>>;

/// The rows of a file of SQLite's. One that a server uses can be read meanwhile.
fn rows_of_file(path: &Path) -> Rows {
    let database =
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opens");
    database.busy_timeout(Duration::from_secs(10)).expect("waits");
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
    let mut names = database.prepare(names).expect("a question");
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).expect("answers").map(|name| name.expect("text")).collect();
    let rows = |name: &String| {
        let mut all = database.prepare(&format!("SELECT * FROM {name}")).expect("a question");
        let columns: Vec<String> = all.column_names().into_iter().map(str::to_owned).collect();
        let mut answers = all.query([]).expect("answers");
        let mut rows = Vec::new();
        while let Some(row) = answers.next().expect("a row") {
            let value = |(at, column): (usize, &String)| {
                let value = match row.get_ref(at).expect("a value") {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => json!(number),
                    ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                    ValueRef::Blob(bytes) => json!(format!("\\x{}", hex::encode(bytes))),
                    ValueRef::Real(_) => panic!("{name}.{column}"),
                };
                (column.clone(), value)
            };
            rows.push(columns.iter().enumerate().map(value).collect::<Map<_, _>>());
        }
        rows
    };
    compared(names.iter().map(|name| (name.clone(), rows(name))))
}

/// The rows of a database of PostgreSQL's.
fn rows_of_postgres(url: &str) -> Rows {
    let database = url.rsplit('/').next().expect("a name");
    let names = cluster().sql(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    let rows = |name: &str| {
        let rows = cluster().sql(database, &format!("SELECT row_to_json(t) FROM {name} t"));
        rows.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect::<Vec<Map<_, _>>>()
    };
    compared(names.lines().map(|name| (name.to_owned(), rows(name))))
}

fn compared(tables: impl Iterator<Item = (String, Vec<Map<String, Value>>)>) -> Rows {
    let rows = |(name, rows): (String, Vec<Map<String, Value>>)| {
        let row = |row: Map<String, Value>| {
            let row: BTreeMap<_, _> = row.into_iter().collect();
            serde_json::to_string(&row).expect("JSON")
        };
        let mut rows: Vec<String> = rows.into_iter().map(row).collect();
        rows.sort();
        (name, rows)
    };
    tables.filter(|(name, _)| !NOT_SAVED.contains(&name.as_str())).map(rows).collect()
}

/// Rows without what only one engine has.
fn of_both_engines(rows: &Rows) -> Rows {
    let read = |row: &String| serde_json::from_str::<Map<String, Value>>(row).expect("JSON");
    let table = |(name, rows): (&String, &Vec<String>)| {
        let row = |row: &String| {
            let mut row = read(row);
            row.retain(|column, _| !OF_ONE_ENGINE.contains(&(name, column)));
            row
        };
        (name.clone(), rows.iter().map(row).collect())
    };
    compared(rows.iter().map(table))
}

/// Fails with the rows that are only in one of two databases.
fn assert_same(saved: &Rows, restored: &Rows) {
    assert_eq!(saved.keys().collect::<Vec<_>>(), restored.keys().collect::<Vec<_>>());
    for (table, rows) in saved {
        let (one, other): (BTreeSet<_>, BTreeSet<_>) = (rows.iter().collect(), restored[table].iter().collect());
        let differ: Vec<_> = one.symmetric_difference(&other).take(4).collect();
        assert!(differ.is_empty() && rows.len() == restored[table].len(), "{table}: {differ:#?}");
    }
}

/// All files below a folder, by their names from there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").to_str().expect("text").to_owned();
                found.insert(name, std::fs::read(path).expect("reads"));
            }
        }
    }
    found
}

/// The keys of the blobs that rows refer to.
fn referred(rows: &Rows) -> BTreeSet<String> {
    let key = |row: &String| {
        let row: Value = serde_json::from_str(row).expect("JSON");
        row["blob"].as_str().expect("a key").to_owned()
    };
    rows["blob_references"].iter().map(key).collect()
}

/// Fails unless these are the blobs, each with the content that its key names.
fn assert_blobs(folder: &Path, keys: &BTreeSet<String>) {
    let found = files(folder);
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), *keys);
    for (key, content) in found {
        let name = key.rsplit('/').next().expect("a name").split('.').next().expect("a hash").to_owned();
        assert_eq!(hex::encode(Sha256::digest(&content)), name, "{key}");
    }
}

/// Runs `cronbox` in a folder: exit code, and what it says.
fn cronbox(folder: &Path, words: &[&str], env: &[(String, String)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(PROGRAM);
    let done = command.args(words).current_dir(folder).envs(env.iter().cloned()).output().expect("starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

/// The same, which must work; what it says.
fn works(folder: &Path, words: &[&str], env: &[(String, String)]) -> (String, String) {
    let (code, out, err) = cronbox(folder, words, env);
    assert_eq!(code, Some(0), "{words:?}: {out}{err}");
    (out, err)
}

/// The same, which must fail with this exit code; what it says.
fn fails(folder: &Path, words: &[&str], code: i32) -> String {
    let (found, out, err) = cronbox(folder, words, &[]);
    assert_eq!(found, Some(code), "{words:?}: {out}{err}");
    err
}

fn key(byte: u8) -> String {
    BASE64_STANDARD.encode([byte; 32])
}

const SCRIPT: &str = "# /// script
# [tool.cronbox]
# labels = {team = 'a'}
# schedule = '0 0 1 1 *'
# ///
import os
def run(n=0, pad='', context=None):
    print('line ü' * n)
    with open('/output/found.txt', 'w') as file:
        file.write(f'file {n}' * 10)
    context.state['last'] = n
    if n == 3:
        raise ValueError('no')
    return {'n': n, 'pad': 'x' * (n * 20_000), 'given': len(pad)}
";

/// Gives a server something of every kind; the token that it asks for from now on.
async fn fill(server: &Server) -> String {
    let put = |path: &str, body: &Value| server.request(reqwest::Method::PUT, path).json(body);
    assert_eq!(server.put("first", "def run():\n    return 1\n").await.0, 201);
    assert_eq!(server.put("first", SCRIPT).await.0, 201);
    assert_eq!(server.put("second", "def run():\n    return 2\n").await.0, 201);
    for n in 0..6 {
        let body = json!({"args": {"n": n, "pad": "ö".repeat(n * 5_000)}, "labels": {"n": n.to_string()}});
        server.run("first", &body).await;
    }
    let later = chrono::Utc::now() + chrono::TimeDelta::days(365);
    let (status, made) = server.post("/v1/scripts/second/runs", &json!({"run_at": later.to_rfc3339()})).await;
    assert_eq!(status, 201, "{made}");
    let secret = json!({"value": "the value", "hosts": ["example.com"], "scripts": ["first"]});
    assert!(server.json(put("/v1/secrets/KEY", &secret)).await.0 < 300);
    let alert = json!({"about": {"script": "first"}, "text": "failed", "notify": ["ops"]});
    let (status, made) = server.json(put("/v1/alerts/failing", &alert)).await;
    assert!(status < 300, "{made}");
    let chart = json!({"title": "n", "lines": [{"script": "first", "path": "/n"}]});
    assert!(server.json(put("/v1/charts/n", &chart)).await.0 < 300);
    let (_, token) = server.post("/v1/tokens", &json!({"name": "admin", "scopes": ["admin"]})).await;
    token["token"].as_str().expect("a token").to_owned()
}

/// What a server that was stopped has, and the words that start it again or restore to it.
struct Kept {
    rows: Rows,
    blobs: std::path::PathBuf,
}

/// A database and a place of blobs of one kind, in a folder of its own.
struct Setting {
    folder: Folder,
    bucket: Option<(Bucket, String)>,
    words: Vec<String>,
    env: Vec<(String, String)>,
    database: Option<String>,
}

impl Setting {
    async fn new(is_shared: bool) -> Self {
        let folder = Folder::new();
        let env = vec![("CRONBOX_SECRET_KEY".to_owned(), key(7))];
        if !is_shared {
            let words = ["--data-dir", "data"].map(str::to_owned).into();
            return Setting { folder, bucket: None, words, env, database: None };
        }
        let (bucket, database) = (Bucket::start(&folder.0).await, cluster().database());
        let words = ["--database", &database, "--blobs", "s3://jobs/cronbox", "--data-dir", "none"];
        let words = words.map(str::to_owned).into();
        let env = [env, bucket.env()].concat();
        Setting { folder, bucket: Some((bucket, "cronbox".into())), words, env, database: Some(database) }
    }

    fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    fn start(&self) -> Server {
        let env: Vec<(&str, &str)> = self.env.iter().map(|(name, value)| (&**name, &**value)).collect();
        Server::start_with(&self.folder.0, &self.words(), &env)
    }

    fn kept(&self) -> Kept {
        let data = self.folder.0.join("data");
        let rows = match &self.database {
            Some(url) => rows_of_postgres(url),
            None => rows_of_file(&data.join("cronbox.db")),
        };
        let blobs = match &self.bucket {
            Some((bucket, prefix)) => bucket.path(prefix),
            None => data.join("blobs"),
        };
        Kept { rows, blobs }
    }

    fn backup(&self, to: &str, more: &[&str]) -> (String, String) {
        works(&self.folder.0, &[&["backup", to][..], more, &self.words()].concat(), &self.env)
    }
}

/// Saves what a server has while it runs, restores it in another setting, and compares everything.
async fn comes_back(from: bool, to: bool, place: &str) {
    let source = Setting::new(from).await;
    let mut server = source.start();
    let token = fill(&server).await;
    let place = match place.strip_prefix("s3://") {
        Some(_) => place.to_owned(),
        None => source.folder.0.join(place).display().to_string(),
    };
    let (said, told) = source.backup(&place, &[]);
    assert!(said.contains("2 scripts, 7 runs, ") && told.contains("is not in the backup"), "{said}{told}");
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(60)).success());
    let kept = source.kept();
    let (said, _) = works(&source.folder.0, &["backup", "--verify", &place], &source.env);
    assert!(said.contains(" is whole: 2 scripts, 7 runs, "), "{said}");

    let target = Setting::new(to).await;
    // The place of the backup is the source's: both buckets are reached by the same variables, so one is copied.
    let place = match (&source.bucket, place.strip_prefix("s3://jobs/")) {
        (Some((bucket, _)), Some(prefix)) => {
            let there = target.folder.0.join("fetched");
            for (name, content) in files(&bucket.path(prefix)) {
                let path = there.join(name);
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                std::fs::write(path, content).expect("written");
            }
            there.display().to_string()
        }
        _ => place,
    };
    let restore = [&["restore", &place][..], &target.words()].concat();
    let (said, told) = works(&target.folder.0, &restore, &target.env);
    assert!(said.contains(" was restored: 2 scripts, 7 runs, ") && told.is_empty(), "{said}{told}");
    let restored = target.kept();
    match from == to {
        true => assert_same(&kept.rows, &restored.rows),
        false => assert_same(&of_both_engines(&kept.rows), &of_both_engines(&restored.rows)),
    }
    assert_blobs(&restored.blobs, &referred(&kept.rows));
    if !to {
        let data = files(&target.folder.0.join("data"));
        let others: Vec<_> = data.keys().filter(|name| !name.starts_with("blobs/")).collect();
        assert_eq!(others, ["cronbox.db", "lock"]);
    }
    goes_on(&target, &token).await;
}

/// A server on what was restored does everything that it did.
async fn goes_on(target: &Setting, token: &str) {
    let mut server = target.start();
    assert!(!server.log().contains("no key that is here opens"), "{}", server.log());
    assert_eq!(server.get("/v1/scripts").await.0, 401);
    server.token = Some(token.to_owned());
    let run = server.run("first", &json!({"args": {"n": 2}})).await;
    assert_eq!((&run["status"], &run["result"]["n"]), (&json!("succeeded"), &json!(2)), "{run}");
    let (_, scheduled) = server.get("/v1/runs?status=scheduled").await;
    assert_eq!(scheduled["items"].as_array().map(Vec::len), Some(1), "{scheduled}");
    let (_, runs) = server.get("/v1/runs?script=first&status=failed").await;
    let id = runs["items"][0]["id"].as_str().expect("a run");
    let output =
        server.request(reqwest::Method::GET, &format!("/v1/runs/{id}/output/stdout")).send().await.expect("answers");
    assert!(output.text().await.expect("text").contains("line ü"), "its output is there");
    let succeeded = |items: &[Value]| items.iter().filter(|event| event["type"] == "run_succeeded").count();
    server.items_when("/v1/events", |items| succeeded(items) == 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_comes_back_from_a_directory() {
    comes_back(false, false, "backups").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_comes_back_from_a_bucket() {
    comes_back(true, true, "s3://jobs/backups").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_comes_back_as_postgres() {
    comes_back(false, true, "all.tar").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_comes_back_as_sqlite() {
    comes_back(true, false, "all.tar").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_new_blobs_are_copied_and_old_ones_go() {
    let setting = Setting::new(false).await;
    let server = setting.start();
    let script = |n: usize| format!("def run():\n    return 'x' * 20_000 + '{n}'\n");
    let json = |said: &(String, String)| serde_json::from_str::<Value>(&said.0).expect("JSON");
    let backup = |more: &[&str]| json(&setting.backup("saved", &[&["--json"][..], more].concat()));
    server.put("a", &script(1)).await;
    server.run("a", &json!({})).await;
    let first = backup(&[]);
    let blobs = first["backup"]["blobs"].as_u64().expect("a number");
    assert_eq!(first["copied_blobs"], blobs, "{first}");
    let again = backup(&[]);
    assert_eq!((&again["copied_blobs"], &again["copied_bytes"]), (&json!(0), &json!(0)), "{again}");
    let run = server.run("a", &json!({})).await;
    server.put("b", &script(2)).await;
    let second = server.run("b", &json!({})).await;
    let third = backup(&[]);
    let new = third["backup"]["blobs"].as_u64().expect("a number") - blobs;
    assert!(new >= 2 && third["copied_blobs"] == new, "{third}");
    let place = setting.folder.0.join("saved");
    let at_place = || files(&place.join("blobs")).into_keys().collect::<BTreeSet<_>>();
    let all = at_place();
    // A blob that is there and cut short is copied again.
    let one = place.join("blobs").join(all.iter().next().expect("one"));
    std::fs::write(&one, b"x").expect("written");
    assert_eq!(backup(&[])["copied_blobs"], 1);
    // What goes from the server stays in the backups that have it, and goes with the last of them.
    for run in [&run, &second] {
        let path = format!("/v1/runs/{}", run["id"].as_str().expect("an id"));
        assert_eq!(server.json(server.request(reqwest::Method::DELETE, &path)).await.0, 204);
    }
    assert_eq!(server.json(server.request(reqwest::Method::DELETE, "/v1/scripts/b")).await.0, 204);
    let kept = backup(&["--keep", "2"]);
    assert_eq!((&kept["deleted_backups"], &kept["deleted_blobs"]), (&json!(3), &json!(0)), "{kept}");
    assert_eq!(at_place(), all);
    let last = backup(&["--keep", "1"]);
    assert_eq!((&last["deleted_backups"], &last["deleted_blobs"]), (&json!(2), &json!(new)), "{last}");
    assert_eq!(at_place(), referred(&setting.kept().rows));
    let (listed, _) = works(&setting.folder.0, &["backup", "--list", "--json", "saved"], &[]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed["backups"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["backups"][0]["id"], last["backup"]["id"]);
    let (table, _) = works(&setting.folder.0, &["backup", "--list", "saved"], &[]);
    assert!(table.contains(last["backup"]["id"].as_str().expect("an id")), "{table}");
    works(&setting.folder.0, &["backup", "--verify", "saved"], &[]);
}

/// Runs that are made as fast as the server takes them, until told to stop.
fn load(server: &Server, stop: &Arc<AtomicBool>, made: &Arc<AtomicUsize>) -> Vec<tokio::task::JoinHandle<()>> {
    let client = |n: usize| {
        let (url, stop, made) = (server.url.clone(), stop.clone(), made.clone());
        tokio::spawn(async move {
            let client = reqwest::Client::new();
            while !stop.load(Ordering::Relaxed) {
                let pad = if n == 0 { 20_000 } else { 10 };
                let body = json!({"args": {"n": made.load(Ordering::Relaxed), "pad": pad}});
                let sent = client.post(format!("{url}/v1/scripts/quick/runs?wait=10s")).json(&body).send().await;
                if sent.is_ok_and(|answer| answer.status().is_success()) {
                    made.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    };
    (0..6).map(client).collect()
}

/// Backups under load are of one moment: each run in them is as the server has it, and fits to the queue and to the feed.
async fn is_of_one_moment(is_shared: bool) {
    let _alone = support::alone().await;
    let setting = Setting::new(is_shared).await;
    let mut server = setting.start();
    server.put("quick", "def run(n, pad):\n    print('x' * pad)\n    return [n, 'y' * pad]\n").await;
    server.run("quick", &json!({"args": {"n": 0, "pad": 1}})).await;
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients = load(&server, &stop, &made);
    server.until("runs are made", async || made.load(Ordering::Relaxed) > 50).await;
    let (began, before) = (Instant::now(), made.load(Ordering::Relaxed));
    let mut took = Duration::ZERO;
    for n in 0..3 {
        let since = Instant::now();
        let place = format!("saved-{n}");
        let (setting_words, env, folder) = (setting.words.clone(), setting.env.clone(), setting.folder.0.clone());
        tokio::task::spawn_blocking(move || {
            let words: Vec<&str> =
                ["backup", &place].into_iter().chain(setting_words.iter().map(String::as_str)).collect();
            works(&folder, &words, &env)
        })
        .await
        .expect("a backup");
        took += since.elapsed();
    }
    let rate = (made.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    // Runs go on meanwhile. How fast depends on the machine.
    let each = took / 3;
    assert!(rate > 0.0, "no run was made beside three backups, each of {each:?}");
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("ends");
    }
    server.items_when("/v1/runs?status=queued,running&limit=1", <[Value]>::is_empty).await;
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(60)).success());
    let now = setting.kept();
    let ended = |rows: &Rows| -> BTreeMap<String, (bool, String)> {
        let run = |row: &String| {
            let run: Value = serde_json::from_str(row).expect("JSON");
            let is_final = !["scheduled", "queued", "running"].contains(&run["status"].as_str().expect("text"));
            (run["id"].as_str().expect("an id").to_owned(), (is_final, row.clone()))
        };
        rows["runs"].iter().map(run).collect()
    };
    let all = ended(&now.rows);
    let mut counts = Vec::new();
    for n in 0..3 {
        let target = Setting::new(false).await;
        let place = setting.folder.0.join(format!("saved-{n}")).display().to_string();
        works(&target.folder.0, &["restore", &place, "--data-dir", "data"], &target.env);
        let restored = target.kept();
        let runs = ended(&restored.rows);
        counts.push(runs.len());
        for (id, (is_final, row)) in &runs {
            assert!(!is_final || all[id].1 == *row, "{row}\n{}", all[id].1);
        }
        let column = |table: &str, name: &str| -> BTreeSet<String> {
            let value =
                |row: &String| serde_json::from_str::<Value>(row).expect("JSON")[name].as_str().map(str::to_owned);
            restored.rows[table].iter().filter_map(value).collect()
        };
        let these = |is_final: bool| -> BTreeSet<String> {
            runs.iter().filter(|(_, run)| run.0 == is_final).map(|(id, _)| id.clone()).collect()
        };
        assert_eq!(column("queue", "run"), these(false));
        assert_eq!(column("events", "run"), these(true));
        assert_blobs(&restored.blobs, &referred(&restored.rows));
    }
    assert!(counts[0] > 50 && counts.is_sorted(), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_sqlite_under_load_is_of_one_moment() {
    is_of_one_moment(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgres_under_load_is_of_one_moment() {
    is_of_one_moment(true).await;
}

/// Starts a command and kills it after a while; whether it ended by itself before.
fn killed(folder: &Path, words: &[&str], env: &[(String, String)], after: Duration) -> bool {
    let mut command = Command::new(PROGRAM);
    command.args(words).current_dir(folder).envs(env.iter().cloned()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("starts");
    std::thread::park_timeout(after);
    let has_ended = child.try_wait().expect("waits").is_some();
    let _ = child.kill();
    let _ = child.wait();
    has_ended
}
