//! What functions take, as the check of an upload finds it in their signatures.

use crate::support;
use crate::support::server::{Server, answer};
use cronbox::checker::Checker;
use cronbox::exact::{self, Exact};
use cronbox::source_files::Sources;
use reqwest::Method;
use serde_json::{Value, json};

/// Sources, each with the schema of what its `run` takes.
const SIGNATURES: &str = include_str!("parameters/signatures.txt");

/// Without white space between the parts.
fn compact(schema: &Exact) -> String {
    schema.compact(100).expect("can be passed on").get().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_have_schemas() {
    let checker = Checker::new(support::pool().await);
    let (mut wrong, mut cases) = (Vec::new(), 0);
    for case in SIGNATURES.split("\n--- ").skip(1) {
        cases += 1;
        let (name, case) = case.split_once('\n').expect("a name");
        let (source, right) = case.rsplit_once("\n=> ").expect("a schema");
        let sources = Sources::one("script", format!("{source}\n").into_bytes().into()).expect("a source");
        let checked = checker.check("script", &sources, None, &[]).await.unwrap_or_else(|why| panic!("{name}: {why}"));
        let functions = checked.functions.expect("was checked");
        let (_, function) = functions.named(None, "script").expect(name);
        let found = compact(function.parameters.as_ref().expect(name));
        let right = compact(&Exact::parse(right.trim()).expect(name));
        if found != right {
            wrong.push(format!("{name}:\n  {found}\n  and not\n  {right}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 60, "{cases} cases");
}

async fn checked(source: String) -> cronbox::checker::Checked {
    let checker = Checker::new(support::pool().await);
    let sources = Sources::one("script", source.into_bytes().into()).expect("a source");
    checker.check("script", &sources, None, &[]).await.expect("is checked")
}

/// Sources whose schemas would cost much, or be much, have none; the upload is not refused.
#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_bounded() {
    let aliases: String = (0..60).map(|n| format!("A{}=tuple[A{n},A{n}]\n", n + 1)).collect();
    let found = checked(format!("A0=int\n{aliases}def run(n: A60, m: A3): pass\n")).await.functions.expect("some");
    assert!(found.named(None, "script").is_some(), "{found:?}");
    let nested = format!("def run(n: {}int{}, m: int): pass\n", "list[".repeat(80), "]".repeat(80));
    assert!(checked(nested).await.functions.expect("some").named(None, "script").is_some());
    let large = format!("def run(n='{}'): pass\n", "x".repeat(100_000));
    let found = checked(large).await.functions.expect("some");
    assert!(found.named(None, "script").expect("there").1.parameters.is_none(), "too large");
    let line = format!("def run(n):\n    '''Sum.\n\n    :param {}'''\n", "a ".repeat(200_000));
    let found = checked(line).await.functions.expect("some");
    assert!(found.named(None, "script").expect("there").1.parameters.is_some());
    let many: String = (0..500).map(|n| format!("def f{n}(a: int): pass\n")).collect();
    let found = checked(format!("{many}def run(z: int): pass\n")).await.functions.expect("some");
    assert_eq!(found.0.len(), 51, "the entry and fifty others");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_told_wherever_a_script_is() {
    let (_folder, server) = Server::ephemeral();
    let source = "def run(symbol: str, n=1):\n    return n\n\ndef other(day: 'date' = None):\n    return 1\n\ndef _own(): pass\n";
    let schema = json!({"type": "object", "properties": {"symbol": {"type": "string"}, "n": {"type": "integer", "default": 1}},
        "required": ["symbol"], "additionalProperties": false});
    let day = json!({"type": "object", "properties": {"day": {"type": ["string", "null"], "format": "date", "default": null}},
        "required": [], "additionalProperties": false});
    let check = server.request(Method::POST, "/v1/scripts/price/check").body(source);
    let (status, found) = answer(check.send().await.expect("answers")).await;
    assert_eq!((status, &found["mode"], &found["signature"]), (200, &json!("function"), &json!("(symbol: str, n=1)")));
    let entries = json!({"other": {"signature": "(day: 'date'=None)", "parameters": day}});
    assert_eq!((&found["parameters"], &found["entries"]), (&schema, &entries), "{found}");
    assert_eq!(server.get("/v1/scripts/price").await.0, 404, "nothing is kept");
    let refused = server.request(Method::POST, "/v1/scripts/price/check").body("def run(:\n");
    let (status, refused) = answer(refused.send().await.expect("answers")).await;
    assert_eq!((status, &refused["code"], &refused["line"]), (422, &json!("syntax_error"), &json!(1)), "{refused}");
    let (_, made) = server.put("price", source).await;
    let (_, shown) = server.get("/v1/scripts/price").await;
    let (_, list) = server.get("/v1/scripts").await;
    let (_, versions) = server.get("/v1/scripts/price/versions").await;
    for body in [&made, &shown, &list["items"][0], &versions["items"][0]] {
        assert_eq!((&body["parameters"], &body["entries"]), (&schema, &entries), "{body}");
    }
    // In the order of the signature.
    let text =
        server.request(Method::GET, "/v1/scripts/price").send().await.expect("answers").text().await.expect("text");
    let whole = exact::pointer(&text, "/parameters/properties").expect("there");
    let names: Vec<String> = exact::entries(whole).expect("JSON").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["symbol", "n"]);
    // Another entry that is set by request has its own.
    let patch = server.request(Method::PATCH, "/v1/scripts/price").json(&json!({"entry": "other"}));
    let (_, changed) = server.json(patch).await;
    assert_eq!((&changed["parameters"], &changed["signature"]), (&day, &json!("(day: 'date'=None)")), "{changed}");
    assert_eq!(changed["entries"]["run"]["parameters"], schema);
    // What is not checked has none.
    let unchecked = server.request(Method::PUT, "/v1/scripts/none?check=false").body("def run(n): pass\n");
    let (_, unchecked) = server.json(unchecked).await;
    assert_eq!((&unchecked["parameters"], &unchecked["entries"]), (&Value::Null, &json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_checked_where_a_script_asks_for_that() {
    let (_folder, server) = Server::ephemeral();
    let source = "# /// script\n# [tool.cronbox]\n# validate_args = true\n# ///\n\
        def run(symbol: str, n: int = 1):\n    return [symbol, n]\n\ndef other(day: 'date'):\n    return day\n";
    let (status, made) = server.put("price", source).await;
    assert_eq!((status, &made["settings"]["validate_args"]), (201, &json!(true)), "{made}");
    assert_eq!(server.run("price", &json!({"args": {"symbol": "A", "n": 2}})).await["result"], json!(["A", 2]));
    assert_eq!(server.run("price", &json!({"args": ["A"]})).await["result"], json!(["A", 1]));
    for (body, field, detail) in [
        (json!({}), "args.symbol", "the argument symbol is missing: the script takes run(symbol: str, n: int=1)"),
        (json!({"args": {"symbol": "A", "n": "2"}}), "args.n", "args.n is a whole number, and not \"2\""),
        (
            json!({"args": {"symbol": "A", "more": 2}}),
            "args.more",
            "run has no parameter \"more\": there are symbol, n",
        ),
        (json!({"args": {"day": "x"}, "entry": "other"}), "args.day", "args.day is a date (2026-01-31), and not \"x\""),
    ] {
        let (status, refused) = server.post("/v1/scripts/price/runs", &body).await;
        let found = (status, &refused["code"], &refused["field"], &refused["detail"]);
        assert_eq!(found, (422, &json!("invalid_args"), &json!(field), &json!(detail)), "{body}");
    }
    let schedule = json!({"id": "daily", "script": "price", "trigger": "0 9 * * *", "args": {"symbol": 1}});
    assert_eq!(server.post("/v1/schedules", &schedule).await.0, 201);
    let (status, refused) = server.post("/v1/schedules/daily/trigger", &json!({})).await;
    assert_eq!((status, &refused["field"]), (422, &json!("args.symbol")), "{refused}");
    let (status, run) = server.post("/v1/schedules/daily/trigger?wait=60s", &json!({"args": {"symbol": "B"}})).await;
    assert_eq!((status, &run["result"]), (200, &json!(["B", 1])), "{run}");
    // Without it nothing is checked: Python decides.
    let patch = server.request(Method::PATCH, "/v1/scripts/price").json(&json!({"validate_args": false}));
    assert_eq!(server.json(patch).await.0, 200);
    assert_eq!(server.run("price", &json!({"args": {"symbol": 1}})).await["result"], json!([1, 1]));
    assert_eq!(server.run("price", &json!({"args": {"m": 1}})).await["status"], "failed");
}
