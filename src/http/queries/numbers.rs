//! The numbers that a script's results have: what can be charted.

use super::filter::inline;
use super::values::made_since;
use crate::access::{Caller, Scope};
use crate::api::{NumberBody, Page};
use crate::clock::rfc3339;
use crate::exact;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::{App, Part};
use crate::run::Value;
use axum::extract::State;
use axum::{Extension, Json};
use std::collections::HashMap;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default().add(Need::Scope(Scope::Read), routes!(list_numbers))
}

/// How many results are looked at.
const RESULTS: usize = 50;
/// Most places that are told.
const MOST: usize = 100;
/// Larger results are not looked at, in bytes.
const LARGEST: u64 = 1 << 20;

/// List the numbers of a script's results
///
/// Every place that has a number in one of the last 50 results, those of the newest result first: in objects, and in lists of at
/// most three items. At most 100 places; results above 1 MiB are not looked at.
#[utoipa::path(
    get, path = "/v1/scripts/{name}/numbers", tag = "scripts", operation_id = "list_numbers",
    params(("name" = String, Path, description = "The script")),
    responses(
        (status = 200, description = "Places, each with its newest number", body = Page<NumberBody>),
    )
)]
pub(crate) async fn list_numbers(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
) -> Result<Json<Page<NumberBody>>, Problem> {
    let script = app.script_for(&caller, &name).await?;
    let entries = app.store.last_results(&script.key, made_since(&caller, &script), RESULTS).await?;
    let small: Vec<String> = entries.iter().map(inline).collect();
    let look = move || small.iter().map(|text| exact::numbers(text, MOST)).collect::<Vec<_>>();
    let looked = app.answers.think(look).await?;
    let (mut items, mut places): (Vec<NumberBody>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for (entry, mut numbers) in entries.into_iter().zip(looked) {
        if let Value::Blob(key) = &entry.result
            && entry.bytes <= LARGEST
        {
            numbers = app.answers.look_into(&app.blobs, key, entry.bytes, |text| exact::numbers(text, MOST)).await?;
        }
        for (path, last) in numbers {
            if let Some(item) = places.get(&path).and_then(|place| items.get_mut(*place)) {
                item.count += 1;
            } else if items.len() < MOST {
                places.insert(path.clone(), items.len());
                items.push(NumberBody { path, count: 1, last, last_at: rfc3339(entry.at) });
            }
        }
    }
    Ok(Json(Page { items, next_cursor: None }))
}
