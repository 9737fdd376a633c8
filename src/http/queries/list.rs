//! Runs by the page, as JSON or CSV.

use super::filter::{MOST_READ, cell, wants_csv};
use crate::access::{Caller, Scope};
use crate::api::{Page, RunBody};
use crate::exact::Exact;
use crate::http::App;
use crate::http::answers::Rows;
use crate::http::body::Query;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::run::{Run, Value};
use crate::service::stored_json;
use crate::store::queries::{ResultTest, RunFilter};
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default().add(Need::Scope(Scope::Read), routes!(list_runs))
}

/// Runs of a list fetched at first at once, and at most; and how many bytes they should come to.
const RUNS_AT_FIRST: usize = 50;
const MOST_RUNS: usize = 200;
const RUNS_BYTES: usize = 1 << 20;
/// A run as a list shows it: large values are left out.
fn listed(run: &Run) -> Result<RunBody, Problem> {
    let small = |value: Option<&Value>| match value {
        Some(Value::Inline(text)) => stored_json(text.as_bytes()),
        _ => Ok(Exact::default()),
    };
    Ok(RunBody::new(run, small(Some(&run.args))?, small(run.result.as_ref())?))
}

const RUN_COLUMNS: [&str; 13] = [
    "id",
    "script",
    "version",
    "cause",
    "status",
    "created_at",
    "started_at",
    "finished_at",
    "wall_ms",
    "fuel",
    "attempt",
    "result",
    "error",
];

/// A run as a line of CSV.
fn run_line(run: RunBody) -> Vec<String> {
    let usage = run.usage.as_ref();
    vec![
        run.id.clone(),
        run.script.clone(),
        run.version.map(|version| version.to_string()).unwrap_or_default(),
        run.cause.clone(),
        run.status.clone(),
        run.created_at.clone(),
        run.started_at.clone().unwrap_or_default(),
        run.finished_at.clone().unwrap_or_default(),
        usage.map(|usage| usage.wall_ms.to_string()).unwrap_or_default(),
        usage.map(|usage| usage.fuel.to_string()).unwrap_or_default(),
        run.attempt.to_string(),
        cell(&run.result),
        run.error.as_ref().map(|error| format!("{}: {}", error.kind, error.message)).unwrap_or_default(),
    ]
}

impl App {
    /// Whether a run passes a test of its result, which the store has not made where the result is large.
    async fn passes(&self, run: &Run, test: Option<&ResultTest>, read: &mut u64) -> Result<bool, Problem> {
        let (Some(test), Some(Value::Blob(key))) = (test, &run.result) else { return Ok(true) };
        let (bytes, test) = (run.result_bytes.unwrap_or_default(), test.clone());
        *read += bytes;
        self.answers.look_into(&self.blobs, key, bytes, move |text| test.passes(text)).await
    }

    /// Fills an answer with at most `limit` runs, a few at a time; and where the next part begins.
    async fn list(
        &self,
        mut filter: RunFilter,
        limit: usize,
        as_csv: bool,
        rows: &mut Rows,
    ) -> Result<Option<String>, Problem> {
        let (test, mut read, mut stride, mut last) = (filter.result.clone(), 0, RUNS_AT_FIRST, None);
        loop {
            let wanted = stride.min(limit - rows.count());
            let page = self.store.runs(filter.clone(), wanted).await?;
            let found = page.runs.len();
            for run in page.runs {
                if read >= MOST_READ && last.is_some() {
                    return Ok(last);
                }
                if self.passes(&run, test.as_ref(), &mut read).await? {
                    let body = listed(&run)?;
                    let has_room =
                        if as_csv { rows.push_line(run_line(body)).await? } else { rows.push(&body).await? };
                    if !has_room {
                        return Ok(last);
                    }
                }
                last = Some(run.id);
            }
            match page.next {
                None => return Ok(None),
                // A filter that no index helps with gave up for now, or the page is full.
                Some(next) if found < wanted || rows.count() >= limit => return Ok(Some(next)),
                next => filter.before = next,
            }
            stride = (RUNS_BYTES / (rows.bytes() / rows.count().max(1)).max(1)).clamp(1, MOST_RUNS);
        }
    }
}

/// List runs
///
/// Newest first. With min_duration, error_contains or result a page may hold fewer than asked for and still not be the last:
/// go on while next_cursor is there.
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs", operation_id = "list_runs",
    params(
        ("id" = Option<String>, Query, description = "Whose id begins so"),
        ("script" = Option<String>, Query, description = "Of these scripts, or of source in requests under these names"),
        ("schedule" = Option<String>, Query, description = "Made by this schedule"),
        ("status" = Option<String>, Query, description = "In one of these statuses, with commas between"),
        ("cause" = Option<String>, Query, description = "Made for this cause"),
        ("label" = Option<String>, Query, description = "With this label: key=value"),
        ("since" = Option<String>, Query, description = "Made then or later: RFC 3339, or 24h, 7d ago"),
        ("until" = Option<String>, Query, description = "Made before: RFC 3339, or 24h, 7d ago"),
        ("min_duration" = Option<String>, Query, description = "That took so long at least: 10s"),
        ("error_contains" = Option<String>, Query, description = "Whose error holds this text, whatever its case"),
        ("result" = Option<String>, Query, description = "Whose result passes: a JSON Pointer, a comparison, a value: /price>100"),
        ("limit" = Option<usize>, Query, description = "How many; 50 by default, at most 500"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
        ("format" = Option<String>, Query, description = "json or csv; with csv, the header X-Next-Cursor goes on"),
    ),
    responses(
        (status = 200, description = "Runs", content((Page<RunBody> = "application/json"), (String = "text/csv"))),
    )
)]
pub(crate) async fn list_runs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let limit = query.limit(50, 500)?;
    let as_csv = wants_csv(&query, request.headers())?;
    let filter = app.filter(&caller, &query).await?;
    let mut rows = if as_csv { app.answers.table(&RUN_COLUMNS)? } else { app.answers.page() };
    let next = app.list(filter, limit, as_csv, &mut rows).await?;
    Ok(rows.answer(next.as_deref()))
}
