//! Numbers are whole: what is sent and what is returned goes through digit by digit, on every way there is.

use crate::support::dice::Dice;
use crate::support::interpreter_cache;
use crate::support::server::Server;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const LARGE: &str = "12345678901234567890123";

/// A run, its values as they were written.
#[derive(Debug, Deserialize)]
struct Run {
    id: String,
    status: String,
    args: Box<RawValue>,
    result: Box<RawValue>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Point {
    value: Box<RawValue>,
}

#[derive(Deserialize)]
struct Schedule {
    args: Box<RawValue>,
}

async fn text(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("text"))
}

async fn read<T: for<'de> Deserialize<'de>>(request: RequestBuilder) -> T {
    let (status, text) = text(request).await;
    assert!((200..300).contains(&status), "{status} {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn post(server: &Server, path: &str, body: &str) -> RequestBuilder {
    server.request(Method::POST, path).header("content-type", "application/json").body(body.to_owned())
}

async fn run(server: &Server, script: &str, body: &str) -> Run {
    let run: Run = read(post(server, &format!("/v1/scripts/{script}/runs?wait=60s"), body)).await;
    assert_eq!(run.status, "succeeded", "{:?}", run.error);
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_any_size_is_shown_listed_charted_and_found() {
    let (_folder, server) = Server::ephemeral();
    server.put("ints", "def run(n): return 10**n\n").await;
    for n in [18, 19, 25, 308, 309] {
        let run = run(&server, "ints", &json!({"args": {"n": n}}).to_string()).await;
        assert_eq!(run.result.get(), format!("1{}", "0".repeat(n)));
    }
    server.put("half", "def run(): return {'ok': True, 'n': 10**400, 'rows': [1, 2.5, 1e-7]}\n").await;
    let huge = format!("1{}", "0".repeat(400));
    let whole = format!(r#"{{"ok":true,"n":{huge},"rows":[1,2.5,1e-07]}}"#);
    let id = run(&server, "half", "{}").await.id;
    let get = |path: &str| server.request(Method::GET, path);
    assert_eq!(read::<Run>(get(&format!("/v1/runs/{id}"))).await.result.get(), whole);
    let list: List<Run> = read(get("/v1/runs?script=half")).await;
    assert_eq!(list.items[0].result.get(), whole);
    for (path, value) in [("/ok", "true"), ("/n", &*huge), ("/rows/2", "1e-07"), ("", &*whole)] {
        let series: List<Point> = read(get(&format!("/v1/scripts/half/series?path={path}"))).await;
        assert_eq!(series.items[0].value.get(), value, "{path}");
    }
    for (test, found) in [
        ("/ok=true", 1),
        (&*format!("/n={huge}"), 1),
        ("/n>1e399", 1),
        ("/n<1e400", 0),
        ("/n>1e401", 0),
        ("/rows/1=2.50", 1),
    ] {
        let request = get("/v1/runs").query(&[("script", "half"), ("result", test)]);
        assert_eq!(read::<List<Run>>(request).await.items.len(), found, "{test}");
    }
    let (_, csv) = text(get("/v1/scripts/half/series?path=/n&format=csv")).await;
    assert!(csv.contains(&format!(",{huge}\r\n")), "{csv}");
    let (_, csv) = text(get("/v1/runs?script=half&format=csv")).await;
    assert!(csv.contains(&huge), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn integers_that_are_one_float_are_told_apart() {
    let (_folder, server) = Server::ephemeral();
    server.put("wei", "def run(n): return {'wei': n}\n").await;
    for n in ["9007199254740992", "9007199254740993"] {
        run(&server, "wei", &format!(r#"{{"args":{{"n":{n}}}}}"#)).await;
    }
    for (test, found) in [("/wei=9007199254740993", 1), ("/wei>9007199254740992", 1), ("/wei>=9007199254740992", 2)] {
        let request = server.request(Method::GET, "/v1/runs").query(&[("script", "wei"), ("result", test)]);
        assert_eq!(read::<List<Run>>(request).await.items.len(), found, "{test}");
    }
    for (aggregate, value) in
        [("max", "9007199254740993"), ("min", "9007199254740992"), ("sum", "18014398509481985"), ("count", "2")]
    {
        let path = format!("/v1/scripts/wei/series?path=/wei&bucket=365d&agg={aggregate}");
        let series: List<Point> = read(server.request(Method::GET, &path)).await;
        assert_eq!(series.items[0].value.get(), value, "{aggregate}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_arrive_as_they_were_written() {
    let (_folder, server) = Server::ephemeral();
    server.put("echo", "def run(n): return repr(n)\n").await;
    for (sent, arrives) in [
        (LARGE, LARGE),
        ("-98765432109876543210", "-98765432109876543210"),
        ("1.0", "1.0"),
        ("0.1", "0.1"),
        ("1e2", "100.0"),
        ("1E+2", "100.0"),
        ("-0.0", "-0.0"),
        ("-0", "0"),
        ("123456789.123456789012345", "123456789.12345679"),
    ] {
        let run = run(&server, "echo", &format!(r#"{{"args": {{"n": {sent}}}}}"#)).await;
        assert_eq!(run.result.get(), format!("\"{arrives}\""), "{sent}");
        assert_eq!(run.args.get(), format!(r#"{{"n":{sent}}}"#));
    }
    server.put("kinds", "def run(*values): return [type(value).__name__ for value in values]\n").await;
    let run = run(&server, "kinds", &format!(r#"{{"args": [{LARGE}, 1.0, 1e2, 7]}}"#)).await;
    assert_eq!(run.result.get(), r#"["int","float","float","int"]"#);
    assert_eq!(run.args.get(), format!("[{LARGE},1.0,1e2,7]"));
    let digits = "9".repeat(4301);
    for (body, status, says) in [
        (r#"{"args":{"n":1e999}}"#, 422, "1e999"),
        (&*format!(r#"{{"args":{{"n":{digits}}}}}"#), 422, "4301 digits"),
        (r#"{"args":{"n":"\ud800"}}"#, 422, "surrogate"),
        (&*format!(r#"{{"args":{}1{}}}"#, "[".repeat(110), "]".repeat(110)), 422, "nested deeper"),
        (&*format!(r#"{{"args":{}1{}}}"#, "[".repeat(200), "]".repeat(200)), 400, "nested deeper"),
        (r#"{"args":{"n":1},"args":{"n":2}}"#, 400, "there twice"),
        (r#"{"args":{"n":1}"#, 400, "not JSON"),
        (r#"{"args":{"n":1},"limits":{"timeout":1e999}}"#, 400, "limits"),
    ] {
        let (got, text) = text(post(&server, "/v1/scripts/echo/runs", body)).await;
        assert!(got == status && text.contains(says), "{body:.60}: {got} {text}");
    }
}

/// Numbers by chance, always the same ones.
struct Chance(Dice);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0.roll(most)
    }

    /// JSON as `json.dumps` writes it.
    fn json(&mut self, depth: u64) -> String {
        let floats = ["0.1", "-0.0", "1e+300", "1e-07", "123456.789", "5e-324", "1.7976931348623157e+308", "2.0"];
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => ["null", "true", "false"][self.below(3) as usize].to_owned(),
            1 => floats[self.below(floats.len() as u64) as usize].to_owned(),
            2 => {
                let digits: String = (0..1 + self.below(60)).map(|_| char::from(b'1' + self.below(9) as u8)).collect();
                if self.below(2) == 0 { digits } else { format!("-{digits}") }
            }
            3 => format!("\"{}é\\n\\\"{}\"", self.below(1000), self.below(1000)),
            4 => self.below(1 << 30).to_string(),
            5 => {
                let items: Vec<String> = (0..self.below(5)).map(|_| self.json(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: u64) -> String {
        let count = 1 + self.below(5);
        let first = self.below(1000);
        // Keys that differ, in no order.
        let entries: Vec<String> =
            (0..count).map(|n| format!("\"k{}\":{}", (first + n * 7919) % 10_007, self.json(depth))).collect();
        format!("{{{}}}", entries.join(","))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_in_comes_out() {
    let (_folder, server) = Server::ephemeral();
    server.put("same", "def run(**kw): return kw\n").await;
    let mut chance = Chance(Dice::new(7));
    for _ in 0..60 {
        let depth = 1 + chance.below(12);
        let args = chance.object(depth);
        let run = run(&server, "same", &format!("{{\"args\": {args}}}")).await;
        assert_eq!(run.args.get(), args);
        assert_eq!(run.result.get(), args);
    }
    // As deep as it may be, and with white space, which goes.
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(98), "]".repeat(98));
    assert_eq!(run(&server, "same", &format!("{{\"args\": {deep}}}")).await.result.get(), deep);
    let spaced = run(&server, "same", "{\"args\": { \"b\" : [ 1 , 2.0 ] ,\n\t\"a\" : \" x \" }}").await;
    assert_eq!(spaced.args.get(), r#"{"b":[1,2.0],"a":" x "}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_and_retries_pass_numbers_on() {
    let (folder, server) = Server::ephemeral();
    server.put("same", "def run(**kw): return kw\n").await;
    let args = format!(r#"{{"z":{LARGE},"a":[1.0,1e2]}}"#);
    let back = format!(r#"{{"z":{LARGE},"a":[1.0,100.0]}}"#);
    let body = format!(r#"{{"source": "def run(**kw): return kw\n", "args": {args}}}"#);
    let sent: Run = read(post(&server, "/v1/runs?wait=60s", &body)).await;
    assert_eq!((sent.args.get(), sent.result.get()), (&*args, &*back));
    let again: Run = read(post(&server, &format!("/v1/runs/{}/retry?wait=60s", sent.id), "")).await;
    assert_eq!((again.args.get(), again.result.get()), (&*args, &*back));

    // A schedule: made, shown, changed in another field, triggered, exported and imported.
    let body = format!(r#"{{"id": "s", "script": "same", "trigger": "every 1h", "paused": true, "args": {args}}}"#);
    assert_eq!(read::<Schedule>(post(&server, "/v1/schedules", &body)).await.args.get(), args);
    let patch = server.request(Method::PATCH, "/v1/schedules/s").json(&json!({"title": "t"}));
    assert_eq!(read::<Schedule>(patch).await.args.get(), args);
    let list: List<Schedule> = read(server.request(Method::GET, "/v1/schedules")).await;
    assert_eq!(list.items[0].args.get(), args);
    let manual: Run = read(post(&server, "/v1/schedules/s/trigger?wait=60s", "")).await;
    assert_eq!((manual.args.get(), manual.result.get()), (&*args, &*back));
    let (code, shown, _) = server.cronbox(&["schedule", "export"]);
    assert!(code == Some(0) && shown.contains(LARGE) && shown.contains("1e2"), "{shown}");
    std::fs::write(folder.0.join("export.json"), &shown).expect("writes");
    let (code, told, error) = server.cronbox(&["schedule", "import", "export.json"]);
    assert!(code == Some(0) && told.contains("as it was"), "{told}{error}");
    let bad = post(&server, "/v1/schedules", r#"{"script":"same","trigger":"every 1h","args":{"n":1e999}}"#);
    let bad = server.json(bad).await;
    assert_eq!((bad.0, &bad.1["field"]), (422, &json!("args")));
    let infinite = "# /// script\n# [[tool.cronbox.schedules]]\n# trigger = \"every 1h\"\n# args = {n = inf}\n# ///\ndef run(n): pass\n";
    let (status, refused) = server.put("infinite", infinite).await;
    assert!(status == 422 && refused["detail"].as_str().is_some_and(|why| why.contains("inf")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_and_states_pass_numbers_on() {
    let (_folder, server) = Server::ephemeral();
    server.put("same", "def run(**kw): return kw\n").await;
    server.put("first", &format!("def run(): return {{'n': {LARGE}, 'h': 10**400}}\n")).await;
    let body = r#"{"id": "c", "script": "same", "trigger": "after first"}"#;
    let (status, made) = server.json(post(&server, "/v1/schedules", body)).await;
    assert_eq!(status, 201, "{made}");
    run(&server, "first", "{}").await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let chained = loop {
        let list: List<Run> = read(server.request(Method::GET, "/v1/runs?cause=chain&status=succeeded")).await;
        if let Some(run) = list.items.into_iter().next() {
            break run;
        }
        assert!(std::time::Instant::now() < deadline, "no run comes after the first one");
        tokio::task::yield_now().await;
    };
    let upstream = format!(r#"{{"upstream":{{"n":{LARGE},"h":1{}}}}}"#, "0".repeat(400));
    assert_eq!((chained.args.get(), chained.result.get()), (&*upstream, &*upstream));

    server.put("count", "def run(context):\n    context.state['n'] += 1\n    return context.state['n']\n").await;
    let put = server.request(Method::PUT, "/v1/scripts/count/state").header("content-type", "application/json");
    let (status, shown) = text(put.body(format!(r#"{{"n": {LARGE}, "b": 1.0}}"#))).await;
    assert!(status == 200 && shown.contains(&format!(r#""state":{{"n":{LARGE},"b":1.0}}"#)), "{shown}");
    assert_eq!(run(&server, "count", "{}").await.result.get(), "12345678901234567890124");
    let (_, shown) = text(server.request(Method::GET, "/v1/scripts/count/state")).await;
    assert!(shown.contains(r#""n":12345678901234567890124"#), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_prints_numbers_whole() {
    let (folder, server) = Server::ephemeral();
    let source = "def run(n, m=0): return {'n': n, 'p': 10**400, 'm': m}\n";
    std::fs::write(folder.0.join("power.py"), source).expect("writes");
    let args = format!(r#"{{"n": {LARGE}}}"#);
    let whole = format!(r#"{{"n":{LARGE},"p":1{},"m":"#, "0".repeat(400));
    let typed = format!("m:={LARGE}");
    let cache = interpreter_cache().display().to_string();
    for words in [
        &["run", "power.py", "--interpreter-cache", &cache, "--json", "--args", &args][..],
        &["run", "power.py", "--interpreter-cache", &cache, "--args", &args, "--arg", &typed],
        &["run", "power.py", "--remote", "--json", "--args", &args, "--arg", &typed],
        &["runs", "--json"],
    ] {
        let (code, out, error) = server.cronbox(words);
        assert!(code == Some(0) && out.contains(&whole), "{words:?}: {out}{error}");
        assert!(!words.contains(&"--arg") || out.contains(&format!("{whole}{LARGE}")), "{words:?}: {out}");
    }
}
