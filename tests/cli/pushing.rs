//! What `cronbox push` says that it did.

use crate::support::server::Server;

/// C4: what was made, changed and removed is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_says_what_it_made_and_changed() {
    let (folder, server) = Server::ephemeral();
    let source = |block: &str| format!("# /// script\n# tool.cronbox = {{ {block} }}\n# ///\ndef run(): return 1\n");
    folder.write(
        "tea.py",
        &source("allow = [\"shop.example.com\"], secrets = [\"KEY_OF_SHOP\"], schedule = \"0 9 * * *\""),
    );
    let (code, said, why) = server.cronbox(&["push", "tea.py"]);
    assert_eq!(code, Some(0), "{why}");
    for part in [
        "tea version 1 · calls run()",
        "schedule  + tea · cron: 0 9 * * *",
        "next 2",
        "host      ✓ shop.example.com is granted",
        "KEY_OF_SHOP is not granted",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    folder.write("tea.py", &source("schedule = \"0 10 * * *\""));
    let said = server.cronbox(&["push", "tea.py"]).1;
    assert!(
        said.contains("tea version 2 (was 1)") && said.contains("schedule  ~ tea (changed) · cron: 0 10"),
        "{said}"
    );
    folder.write("tea.py", &source("entry = \"run\""));
    let said = server.cronbox(&["push", "tea.py"]).1;
    assert!(said.contains("schedule  - tea · cron: 0 10 * * * @ UTC · removed"), "{said}");
    let said = server.cronbox(&["push", "tea.py"]).1;
    assert!(said.contains("tea version 3 (as it was)"), "{said}");
}

/// C17: a syntax error is shown as CPython shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_syntax_error_has_its_caret() {
    let (folder, server) = Server::ephemeral();
    folder.write("typo.py", "x = 1\nif x:\n    名 = (1 +\n");
    folder.write("colon.py", "def f():\n    if x\n        pass\n");
    let (code, _, why) = server.cronbox(&["push", "colon.py"]);
    assert_eq!(code, Some(2));
    assert!(why.contains("  File \"colon.py\", line 2\n    if x\n        ^\nSyntaxError: expected ':'"), "{why}");
    let why = server.cronbox(&["push", "typo.py"]).2;
    assert!(why.contains("\n    名 = (1 +\n         ^\nSyntaxError: '(' was never closed"), "{why}");
}

/// C16: a refusal names the flag.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_flag() {
    let (_folder, server) = Server::ephemeral();
    server.put("a", "# /// script\n# tool.cronbox = {schedule = \"0 9 * * *\"}\n# ///\n").await;
    let (code, _, why) = server.cronbox(&["script", "rm", "a"]);
    assert!(code == Some(2) && why.contains("--schedules") && !why.contains("?schedules"), "{why}");
    assert_eq!(server.cronbox(&["script", "rm", "a", "--schedules"]).0, Some(0));
}

/// C19: what is left out of a folder is told; --hidden takes it. Modules that are imported come along.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_folder_leaves_out_is_told() {
    let (folder, server) = Server::ephemeral();
    folder.write("p18/.env", "TOKEN=abc");
    folder.write("p18/main.py", "def run(): return open('.env').read()\n");
    let (code, _, why) = server.cronbox(&["push", "p18"]);
    assert!(code == Some(0) && why.contains("left out: .env") && why.contains("--hidden"), "{why}");
    let (code, _, why) = server.cronbox(&["push", "p18", "--hidden"]);
    assert!(code == Some(0) && !why.contains("left out"), "{why}");
    assert_eq!(server.cronbox(&["run", "--remote", "p18", "-q"]).1, "\"TOKEN=abc\"\n");
    folder.write("x.py", "import helper\ndef run(): return helper.N\n");
    folder.write("helper.py", "N = 7\n");
    let (code, _, why) = server.cronbox(&["push", "x.py", "--name", "other"]);
    assert!(code == Some(0) && why.contains("helper.py came along"), "{why}");
    assert_eq!(server.cronbox(&["run", "--remote", "other", "-q"]).1, "7\n");
    std::fs::write(folder.0.join("p18/picture.png"), [0x89, b'P', 0xff, 0]).expect("written");
    assert_eq!(server.cronbox(&["push", "p18"]).0, Some(0), "a folder with a file that is not text");
}

/// C10: every command has --json.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_can_answer_in_json() {
    let (_folder, server) = Server::ephemeral();
    server.put("a", "def run(): print('x')\n").await;
    let run = server.run("a", &serde_json::json!({})).await;
    let id = run["id"].as_str().expect("an id");
    for words in [
        &["grant", "a", "--host", "a.example", "--json"][..],
        &["grants", "--json"],
        &["revoke", "a", "--host", "a.example", "--json"],
        &["logs", id, "--json"],
        &["schedule", "add", "a", "every 1h", "--id", "x", "--json"],
        &["schedule", "rm", "x", "--json"],
    ] {
        let (code, said, why) = server.cronbox(words);
        assert_eq!(code, Some(0), "{words:?}: {why}");
        assert!(serde_json::from_str::<serde_json::Value>(&said).is_ok(), "{words:?}: {said}");
    }
}

/// A folder with a file that is not UTF-8 begins where `--main` says, whatever the script is called.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_other_encodings_begins_where_it_is_told() {
    let (folder, server) = Server::ephemeral();
    folder.write("prices/price.py", "def run(): return open('/app/list.csv', encoding='gbk').read()\n");
    std::fs::write(folder.0.join("prices/list.csv"), [0xbc, 0xdb, 0xb8, 0xf1]).expect("written");
    let (code, _, why) = server.cronbox(&["push", "prices", "--main", "price.py"]);
    assert_eq!(code, Some(0), "{why}");
    assert_eq!(server.cronbox(&["run", "--remote", "prices", "-q"]).1, "\"价格\"\n");
}

/// The command that a push suggests grants exactly what the script asks for, and can be pasted.
#[tokio::test(flavor = "multi_thread")]
async fn the_suggested_grant_can_be_pasted() {
    let (folder, server) = Server::ephemeral();
    let (_, admin) = server.post("/v1/tokens", &serde_json::json!({"name": "a", "scopes": ["admin"]})).await;
    let mut server = server;
    server.token = admin["token"].as_str().map(str::to_owned);
    let (_, made) = server.post("/v1/tokens", &serde_json::json!({"name": "w", "scopes": ["write", "read"]})).await;
    let token = made["token"].as_str().expect("a token");
    folder.write(
        "bb.py",
        "# /// script\n# [tool.cronbox]\n# limits = {memory = \"300 MiB\", fuel = 201e9, timeout = \"1 m 1 s\"}\n# ///\n",
    );
    let (code, said, why) = server.cronbox(&["push", "bb.py", "--token", token]);
    assert_eq!(code, Some(0), "{why}");
    for limit in ["memory=300MiB", "fuel=201000000000", "timeout=1m1s"] {
        assert!(said.contains(&format!("`cronbox grant bb --limit {limit}` allows it")), "{limit}: {said}");
    }
}

/// A limit above the ceiling is not granted, and no command is told that cannot grant it.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_above_the_ceiling_is_not_to_be_granted() {
    let (folder, server) = Server::ephemeral();
    let file = folder.0.join("big.py");
    let source = "# /// script\n# [tool.cronbox]\n# limits = {memory = \"5GiB\"}\n# ///\ndef run(): return 1\n";
    std::fs::write(&file, source).expect("writes");
    let (code, told, why) = server.cronbox(&["push", &file.display().to_string()]);
    assert!(code == Some(0) && told.contains("5 GiB is not granted"), "{told}{why}");
    assert!(told.contains("1 GiB; more is beyond what this server can grant"), "{told}");
    assert!(!told.contains("cronbox grant"), "{told}");
    let (code, _, why) = server.cronbox(&["grant", "big", "--limit", "memory=5GiB"]);
    let expected = "5 GiB is above this server's ceiling of 1 GiB (--ceiling and --memory-budget of cronbox serve)";
    assert!(code == Some(2) && why.contains(expected), "{why}");
    let (_, grants, _) = server.cronbox(&["grants"]);
    assert!(grants.contains("1 GiB") && !grants.contains("5 GiB"), "{grants}");
}
