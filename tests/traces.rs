//! Traces, as a collector receives them by OTLP over HTTP.

use super::support::server::{Folder, Server};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus};
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// Batches are sent at once, and not after five seconds.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "50");
const TELLS: &str = "def run(context):\n    return context.traceparent\n";

/// What has come: the name of the service, its headers, the spans.
#[derive(Default)]
struct Arrived {
    services: Vec<String>,
    keys: Vec<String>,
    spans: Vec<Span>,
}

/// A collector on loopback.
struct Collector {
    url: String,
    arrived: Arc<Mutex<Arrived>>,
}

async fn take(State(arrived): State<Arc<Mutex<Arrived>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let mut arrived = arrived.lock().expect("unpoisoned");
    arrived.keys.extend(headers.get("x-api-key").map(|key| key.to_str().expect("text").to_owned()));
    for resource in request.resource_spans {
        let about = resource.resource.expect("a resource").attributes;
        let name = about.iter().find(|pair| pair.key == "service.name").and_then(|pair| pair.value.clone());
        if let Some(Attribute::StringValue(name)) = name.and_then(|name| name.value) {
            arrived.services.push(name);
        }
        arrived.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    StatusCode::OK
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let arrived = Arc::<Mutex<Arrived>>::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(arrived.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Collector { url, arrived }
    }

    /// The spans of a trace, when there is one of this name among them.
    async fn trace(&self, server: &Server, id: &str, last: &str) -> Vec<Span> {
        server
            .until(&format!("{last} of the trace {id}"), async || {
                let arrived = self.arrived.lock().expect("unpoisoned");
                let spans = arrived.spans.iter().filter(|span| hex::encode(&span.trace_id) == id);
                let spans: Vec<Span> = spans.cloned().collect();
                let names: Vec<String> = spans.iter().map(|span| span.name.clone()).collect();
                if names.iter().any(|name| name == last) { Ok(spans) } else { Err(Value::from(names)) }
            })
            .await
    }
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    let mut found = spans.iter().filter(|span| span.name.starts_with(name));
    let span = found.next().unwrap_or_else(|| panic!("no {name} in {names:?}"));
    assert!(found.next().is_none(), "{name} twice in {names:?}");
    span
}

fn attribute(span: &Span, key: &str) -> Value {
    let found = span.attributes.iter().find(|pair| pair.key == key);
    match found.and_then(|pair| pair.value.clone()).and_then(|value| value.value) {
        Some(Attribute::StringValue(text)) => text.into(),
        Some(Attribute::IntValue(number)) => number.into(),
        other => panic!("{key} is {other:?} in {span:?}"),
    }
}

async fn run_with(server: &Server, name: &str, traceparent: Option<&str>) -> Value {
    let mut request = server.request(Method::POST, &format!("/v1/scripts/{name}/runs?wait=60s")).json(&json!({}));
    if let Some(value) = traceparent {
        request = request.header("traceparent", value);
    }
    let (status, run) = server.json(request).await;
    assert_eq!(status, 200, "{run}");
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_from_the_request_to_the_connections() {
    let (folder, collector) = (Folder::new(), Collector::start().await);
    let words = ["--otlp-endpoint", &collector.url, "--allow-network", "localhost=127.0.0.0/8"];
    let env = [SOON, ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=k1"), ("OTEL_SERVICE_NAME", "prices")];
    let server = Server::start_with(&folder.0, &words, &env);
    let port = server.url.rsplit(':').next().expect("a port");
    let source = format!(
        "# /// script\n# [tool.cronbox]\n# allow = [\"localhost:{port}\"]\n# ///\nimport urllib.request\n\n\
         def run(context):\n    urllib.request.urlopen('http://localhost:{port}/healthz').read()\n    \
         return context.traceparent\n"
    );
    let (status, kept) = server.put("asks", &source).await;
    assert_eq!(status, 201, "{kept}");
    let run = run_with(&server, "asks", Some(PARENT)).await;
    let id = &PARENT[3..35];
    let route = "POST /v1/scripts/{name}/runs";
    let spans = collector.trace(&server, id, route).await;
    assert_eq!(spans.len(), 5, "{spans:?}");
    let [request, of_run, attempt, sandbox, connection] =
        [route, "run asks", "attempt 1", "sandbox", "connection "].map(|name| named(&spans, name));
    assert_eq!(hex::encode(&request.parent_span_id), &PARENT[36..52]);
    for (part, whole) in [(of_run, request), (attempt, of_run), (sandbox, attempt), (connection, sandbox)] {
        assert_eq!(part.parent_span_id, whole.span_id, "{} in {}", part.name, whole.name);
        assert!(part.start_time_unix_nano >= whole.start_time_unix_nano, "{} in {}", part.name, whole.name);
        assert!(part.start_time_unix_nano <= part.end_time_unix_nano, "{part:?}");
    }
    assert_eq!(connection.name, format!("connection localhost:{port}"));
    assert_eq!((request.kind(), connection.kind()), (SpanKind::Server, SpanKind::Client));
    assert_eq!(attribute(request, "http.response.status_code"), 200);
    assert_eq!(attribute(of_run, "cronbox.run.id"), run["id"]);
    assert_eq!(attribute(of_run, "cronbox.outcome"), "succeeded");
    assert_eq!(attribute(sandbox, "cronbox.fuel"), run["usage"]["fuel"]);
    // What the script sends on makes its requests parts of the attempt.
    let told = format!("00-{id}-{}-01", hex::encode(&attempt.span_id));
    assert_eq!(run["result"], told.as_str());
    let arrived = collector.arrived.lock().expect("unpoisoned");
    assert!(arrived.services.iter().all(|name| name == "prices"), "{:?}", arrived.services);
    assert!(!arrived.keys.is_empty() && arrived.keys.iter().all(|key| key == "k1"), "{:?}", arrived.keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_no_request_made_is_a_trace_of_its_own() {
    let (folder, collector) = (Folder::new(), Collector::start().await);
    let server = Server::start_with(&folder.0, &["--otlp-endpoint", &collector.url], &[SOON]);
    server.put("fails", "# /// script\n# [tool.cronbox]\n# retries = { count = 1, delay = \"1ms\" }\n# ///\ndef run():\n    raise ValueError('no price')\n").await;
    let soon = chrono::Utc::now() + chrono::TimeDelta::seconds(1);
    let schedule = json!({"id": "once", "script": "fails", "trigger": {"type": "date", "run_date": soon.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)}});
    let (status, kept) = server.post("/v1/schedules", &schedule).await;
    assert_eq!(status, 201, "{kept}");
    let ended = |items: &[Value]| items.first().is_some_and(|run| run["status"] == "failed");
    let run = &server.items_when("/v1/runs", ended).await[0];
    let id = run["id"].as_str().expect("an id").replace('-', "");
    let spans = collector.trace(&server, &id, "run fails").await;
    let of_run = named(&spans, "run fails");
    assert!(of_run.parent_span_id.is_empty(), "{of_run:?}");
    assert_eq!(attribute(of_run, "cronbox.schedule"), "once");
    let status = of_run.status.as_ref().expect("a status");
    assert_eq!((status.code(), &*status.message), (SpanStatus::Error, "ValueError: no price"));
    let attempts = [named(&spans, "attempt 1"), named(&spans, "attempt 2")];
    assert!(attempts.iter().all(|attempt| attempt.parent_span_id == of_run.span_id), "{attempts:?}");
    assert!(of_run.start_time_unix_nano <= attempts[0].start_time_unix_nano, "{spans:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_records_nothing_has_nothing_recorded() {
    let (folder, collector) = (Folder::new(), Collector::start().await);
    let words = ["--otlp-endpoint", &collector.url, "--trace-sample", "0"];
    let mut server = Server::start_with(&folder.0, &words, &[SOON]);
    server.put("tells", TELLS).await;
    let told = run_with(&server, "tells", Some(&PARENT.replace("-01", "-00"))).await["result"].clone();
    let told = told.as_str().expect("a context");
    assert!(told.starts_with(&PARENT[..36]) && told.ends_with("-00"), "{told}");
    // No share of what begins here is recorded, and what a request says is.
    let told = run_with(&server, "tells", None).await["result"].clone();
    assert!(told.as_str().is_some_and(|told| told.ends_with("-00")), "{told}");
    run_with(&server, "tells", Some("not a context")).await;
    run_with(&server, "tells", Some(PARENT)).await;
    collector.trace(&server, &PARENT[3..35], "run tells").await;
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(60)).success());
    let arrived = collector.arrived.lock().expect("unpoisoned");
    let traces: Vec<String> = arrived.spans.iter().map(|span| hex::encode(&span.trace_id)).collect();
    assert!(traces.iter().all(|trace| trace == &PARENT[3..35]), "{traces:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_wait_are_sent_when_the_node_ends() {
    let (folder, collector) = (Folder::new(), Collector::start().await);
    let mut server = Server::start(&folder.0, &["--otlp-endpoint", &collector.url]);
    server.put("tells", TELLS).await;
    run_with(&server, "tells", Some(PARENT)).await;
    server.signal("-TERM");
    assert!(server.ended(Duration::from_secs(60)).success());
    let arrived = collector.arrived.lock().expect("unpoisoned");
    let spans = arrived.spans.iter().filter(|span| hex::encode(&span.trace_id) == PARENT[3..35]);
    assert_eq!(spans.count(), 4, "{:?}", arrived.spans);
    assert!(arrived.services.iter().all(|name| name == "cronbox"), "{:?}", arrived.services);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_no_run_anything() {
    let folder = Folder::new();
    // Nobody listens there: port 9 is that of the discard protocol.
    let server = Server::start_with(&folder.0, &["--otlp-endpoint", "http://127.0.0.1:9"], &[SOON]);
    server.put("tells", TELLS).await;
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(run_with(&server, "tells", None).await["status"], "succeeded");
    }
    let time = began.elapsed();
    server
        .until("failures are counted", async || {
            let metrics = server.request(Method::GET, "/metrics").send().await.expect("an answer").text().await;
            let metrics = metrics.expect("text");
            let failed = metrics.lines().find(|line| line.starts_with("cronbox_spans_total{outcome=\"failed\"}"));
            let failed = failed.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
            if failed.is_some_and(|failed| failed > 0) { Ok(()) } else { Err(Value::from(metrics)) }
        })
        .await;
    assert!(server.log().contains("--otlp-endpoint"), "{}", server.log());
    assert!(time < Duration::from_secs(30), "{time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_a_context_is_passed_on() {
    let (_folder, server) = Server::ephemeral();
    server.put("tells", TELLS).await;
    assert_eq!(run_with(&server, "tells", Some(PARENT)).await["result"], PARENT);
    assert_eq!(run_with(&server, "tells", None).await["result"], Value::Null);
}
