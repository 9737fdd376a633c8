//! What users of the API and operators of the server ran into, each with the end that it has to have: one module for each theme.
//! The numbers (`D20`) are those of the list of cases.

mod alerts;
mod changed_by_two;
mod charts;
mod edited;
mod formats;
mod limited;
mod meant;
mod operated;
mod values;

use crate::support::server::Server;
use crate::support::wait::until;
use reqwest::{Method, Response};
use serde_json::Value;

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

/// An answer as it came.
async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Response {
    let request =
        headers.iter().fold(server.request(Method::GET, path), |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

/// A header of an answer.
fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The newest run of a schedule that has ended.
async fn ended(server: &Server, schedule: &str) -> Value {
    until(&format!("a run of {schedule}"), async || {
        let (_, page) = server.get(&format!("/v1/runs?schedule={schedule}")).await;
        let items = page["items"].as_array().expect("items").clone();
        items.into_iter().find(|run| run["finished_at"].is_string() && run["cause"] == "chain")
    })
    .await
}
