//! Names of scripts of any language, from the command line to the store.

use crate::support::PROGRAM;
use crate::support::server::{Folder, Server};
use reqwest::Method;
use serde_json::{Value, json};

/// C1: two files are two scripts; each schedule runs its own.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_other_scripts_than_latin_are_kept_apart() {
    let (folder, server) = Server::ephemeral();
    folder.write("签到.py", "def run(): return 'A'\n");
    folder.write("天气.py", "def run(): return 'B'\n");
    folder.write("日报/main.py", "def run(): return 'C'\n");
    folder.write("月报/main.py", "def run(): return 'D'\n");
    folder.write("cafe\u{301}.py", "def run(): return 'E'\n");
    for what in ["签到.py", "天气.py", "日报", "月报", "cafe\u{301}.py"] {
        let (code, said, why) = server.cronbox(&["push", what]);
        assert!(code == Some(0) && said.contains("version 1 ·"), "{said}{why}");
    }
    for (name, result) in [("签到", "A"), ("天气", "B"), ("日报", "C"), ("月报", "D"), ("caf\u{e9}", "E")] {
        let (code, said, why) = server.cronbox(&["run", "--remote", name, "-q"]);
        assert_eq!((code, said), (Some(0), format!("\"{result}\"\n")), "{name}: {why}");
    }
    // By address, in percent; schedules, chains, and what names a script.
    let path = "/v1/scripts/%E7%AD%BE%E5%88%B0";
    assert_eq!(server.get(path).await.1["name"], "签到");
    let (status, made) = server.post("/v1/schedules", &json!({"script": "签到", "trigger": "every 1h"})).await;
    assert_eq!((status, &made["script"]), (201, &json!("签到")), "{made}");
    let (status, chain) =
        server.post("/v1/schedules", &json!({"script": "天气", "trigger": "after 签到", "id": "链"})).await;
    assert_eq!(status, 201, "{chain}");
    server.run("%E7%AD%BE%E5%88%B0", &json!({})).await;
    let followed = |items: &[Value]| items.first().is_some_and(|run| run["script"] == "天气");
    server.items_when("/v1/runs?cause=chain&status=succeeded", followed).await;
    let sent = server.request(Method::PUT, path).body("def run(): return 'A2'\n").send().await.expect("answers");
    assert_eq!(sent.headers()["location"], path);
    let source = server.request(Method::GET, &format!("{path}/versions/1/source")).send().await.expect("answers");
    let named = source.headers()["content-disposition"].to_str().expect("text").to_owned();
    assert!(named.ends_with("filename*=UTF-8''%E7%AD%BE%E5%88%B0.py"), "{named}");
    assert_eq!(source.text().await.expect("text"), "def run(): return 'A'\n");
    let (code, listed, _) = server.cronbox(&["runs", "--script", "签到", "--json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert!(code == Some(0) && listed["items"].as_array().is_some_and(|items| items.len() >= 2), "{listed}");
    assert_eq!(server.cronbox(&["script", "rm", "签到", "--schedules"]).0, Some(0));
    assert_eq!(server.get(path).await.0, 404);
    assert_eq!(server.cronbox(&["schedule", "show", "链"]).0, Some(0));
}

/// C1: what cannot be a name is refused, with one that can; nothing becomes a version of another script.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_gives_no_name_is_refused() {
    let (folder, server) = Server::ephemeral();
    for (file, near) in
        [("my script.py", "--name my_script"), ("签到（新）.py", "--name 签到_新_"), ("x.py.py", "--name x")]
    {
        folder.write(file, "print(1)\n");
        let (code, _, why) = server.cronbox(&["push", file]);
        assert!(code == Some(2) && why.contains(near), "{file}: {why}");
    }
    folder.write("my_script.py", "print(2)\n");
    folder.write("Price.py", "print(1)\n");
    folder.write("price.py", "print(2)\n");
    assert_eq!(server.cronbox(&["push", "Price.py"]).0, Some(0));
    let (code, _, why) = server.cronbox(&["push", "price.py"]);
    assert!(code == Some(2) && why.contains("differs in case only"), "{why}");
    let (code, said, _) = server.cronbox(&["push", "price.py", "--name", "Price"]);
    assert!(code == Some(0) && said.contains("Price version 2 (was 1)"), "{said}");
    let (_, listed) = server.get("/v1/scripts").await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
}

/// A name that does not exist is told as such, with the nearest that does: no bare table, and exit code 0 as for any list.
#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_name_leads_to_the_right_one() {
    let (_folder, server) = Server::ephemeral();
    server.put("price", "def run(): return 1\n").await;
    server.put("tea", "def run(): return 1\n").await;
    for (id, script) in [("two", "price"), ("three", "price")] {
        assert_eq!(server.cronbox(&["schedule", "add", script, "0 0 1 1 *", "--id", id]).0, Some(0));
    }
    for (words, code, part) in [
        (&["runs", "--script", "prise"][..], 0, "no runs: there is no script prise; did you mean price?"),
        (&["runs", "--schedule", "tow"], 0, "no runs: there is no schedule tow; did you mean two?"),
        (&["runs", "--script", "price"], 0, "no runs\n"),
        (&["schedules", "--script", "prise"], 0, "no schedules: there is no script prise; did you mean price?"),
        (&["events", "--script", "prise"], 0, "no events: there is no script prise; did you mean price?"),
        (&["logs", "prise"], 2, "and no run of a script prise: there is no script prise; did you mean price?"),
        (&["logs", "price"], 2, "no run of a script price\n"),
        (&["schedule", "show", "tow"], 2, "there is no schedule tow; did you mean two?"),
        (&["schedule", "rm", "price"], 2, "the schedules of the script price are three and two"),
        (&["schedule", "show", "tea"], 2, "the script tea has no schedules"),
    ] {
        let (status, said, why) = server.cronbox(words);
        assert!(status == Some(code) && why.contains(part), "{words:?}: {status:?} {said}{why}");
    }
    let (_, made) = server.post("/v1/tokens", &json!({"name": "t", "scopes": ["read"], "scripts": ["tea"]})).await;
    let token = made["token"].as_str().expect("a token");
    let why = server.cronbox(&["schedule", "show", "tow", "--token", token]).2;
    assert!(
        why.contains("there is no schedule tow (") && !why.contains("two"),
        "what is out of reach stays unsaid: {why}"
    );
}

/// A token is removed by its name where only one has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_removed_by_its_name() {
    let (_folder, mut server) = Server::ephemeral();
    let mut ids = Vec::new();
    for name in ["boss", "ci", "twin", "twin"] {
        let (_, made) = server.post("/v1/tokens", &json!({"name": name, "scopes": ["admin"]})).await;
        ids.push(made["id"].as_str().expect("an id").to_owned());
        server.token = server.token.take().or(made["token"].as_str().map(str::to_owned));
    }
    let token = server.token.clone().expect("a token");
    let remove = |name: &str| server.cronbox(&["token", "rm", name, "--token", &token]);
    assert_eq!(remove("ci").0, Some(0));
    let (code, _, why) = remove("twin");
    assert!(code == Some(2) && why.contains(&format!("{}, {}", ids[2], ids[3])), "{why}");
    let (code, _, why) = remove("ci");
    assert!(code == Some(2) && why.contains("no token"), "{why}");
    assert_eq!(remove(&ids[2]).0, Some(0));
    assert_eq!(remove("twin").0, Some(0), "only one is left");
}

/// Commands and files that do not exist lead to those that do.
#[test]
fn a_mistyped_command_leads_to_the_right_one() {
    let folder = Folder::new();
    folder.write("price.py", "print(1)\n");
    let cronbox = |words: &[&str]| {
        let done = std::process::Command::new(PROGRAM).args(words).current_dir(&folder.0).output().expect("starts");
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    for (words, part) in [
        (&["price.py"][..], "to run this script: cronbox run price.py"),
        (&["schedule", "list"], "to list schedules: cronbox schedules"),
        (&["run", "pric.py"], "there is no such file; did you mean price.py?"),
        (&["push", "pric.py", "--url", "http://127.0.0.1:9"], "there is no such file; did you mean price.py?"),
        (&["serve", "--listen", "18421"], "write 127.0.0.1:18421"),
    ] {
        let (code, why) = cronbox(words);
        assert!(code == Some(2) && why.contains(part), "{words:?}: {code:?} {why}");
    }
    folder.write("cronbox.toml", "[server]\nlisten = \"127.0.0.1:0\"\n");
    let (code, why) = cronbox(&["serve", "--ephemeral"]);
    assert!(code == Some(2) && why.contains("cronbox.toml: line 1: [server] is a table"), "{why}");
}

/// A value that is refused is told with where it is from: the variable, or the line of the file.
#[test]
fn a_refused_setting_names_its_place() {
    let folder = Folder::new();
    folder.write("cronbox.toml", "listen = \"127.0.0.1:0\"\ntimezone = \"Europe/Berln\"\n");
    let refused = |words: &[&str], env: &[(&str, &str)]| {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(["serve", "--ephemeral"]).args(words).envs(env.iter().copied()).current_dir(&folder.0);
        let output = command.output().expect("starts");
        assert_eq!(output.status.code(), Some(2), "{words:?} {env:?}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let zone = "there is no time zone \"Europe/Berln\"; did you mean Europe/Berlin?";
    assert!(refused(&[], &[]).contains(&format!("cronbox.toml: line 2: --timezone: {zone}")));
    assert!(refused(&["--timezone=Europe/Berln"], &[]).contains(&format!("cronbox: --timezone: {zone}")));
    let told = refused(&[], &[("CRONBOX_KEEP_RUNS", "7"), ("CRONBOX_LISTEN", "")]);
    assert!(told.contains("7 has no unit") && told.contains("that of the variable CRONBOX_KEEP_RUNS"), "{told}");
    let told = refused(&["--keep-runs=7"], &[("CRONBOX_KEEP_RUNS", "8")]);
    assert!(told.contains("7 has no unit") && !told.contains("variable"), "{told}");
}
