//! Scripts as they are told: one, a page of them, their versions and sources.

use crate::access::{Caller, Scope};
use crate::api::{self, LeftOutBody, Page, ScriptBody, VersionBody};
use crate::http::body::{Query, bad_cursor};
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::{App, Part, PathParts, pieces, precondition};
use crate::publication::ScriptFilter;
use crate::run::Activity;
use crate::script::{Name, Script};
use crate::service;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(list_scripts))
        .add(Need::Scope(Scope::Read), routes!(get_script))
        .add(Need::Server(Scope::Read), routes!(list_source_problems))
        .add(Need::Scope(Scope::Read), routes!(list_versions))
        .add(Need::Scope(Scope::Read), routes!(get_source))
}

/// Scripts of a list that are fetched at once.
const TOGETHER: usize = 100;
/// Most characters that are searched for.
const MOST_SEARCHED: usize = 200;

/// List scripts
#[utoipa::path(
    get, path = "/v1/scripts", tag = "scripts", operation_id = "list_scripts",
    params(
        ("label" = Option<String>, Query, description = "Only those with this label: key=value"),
        ("q" = Option<String>, Query, description = "Only those that have each of these words in name, title or labels"),
        ("limit" = Option<usize>, Query, description = "How many; 100 by default, at most 1000"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
    ),
    responses(
        (status = 200, description = "Scripts by name", body = Page<ScriptBody>),
    )
)]
pub(crate) async fn list_scripts(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Response, Problem> {
    let limit = query.limit(100, 1000)?;
    let label = query.parse("label", |text| {
        let (key, value) = text.split_once('=').ok_or("write key=value")?;
        Ok((key.to_owned(), value.to_owned()))
    })?;
    let words = query.parse("q", |text| match text.chars().count() {
        0..=MOST_SEARCHED => Ok(text.to_lowercase().split_whitespace().map(str::to_owned).collect()),
        _ => Err(format!("at most {MOST_SEARCHED} characters are searched for")),
    })?;
    let words = words.unwrap_or_default();
    let after =
        query.parse("cursor", |text| Name::parse(text).map(|name| name.key().to_owned()).map_err(|_| bad_cursor()))?;
    let (mut rows, mut filter) = (app.answers.page(), ScriptFilter { label, words, after, limit: TOGETHER });
    // Where the next part begins: after the last one that was shown.
    let mut shown = None;
    loop {
        let page = app.store.scripts(filter.clone()).await?;
        let whole = page.len() < TOGETHER;
        filter.after = page.last().map(|script| script.key.clone());
        let mut seen = page;
        seen.retain(|script| caller.reaches(&script.key, &script.in_force().labels));
        seen.truncate(limit - rows.count() + 1);
        let (activity, idle) = (app.store.activity(&seen).await?, Activity::default());
        for script in &seen {
            if rows.count() >= limit {
                return Ok(rows.answer(shown.as_deref()));
            }
            let image = app.linker.keeper().image_of(&script.key, script.version.number);
            let body = ScriptBody::new(script, activity.get(&script.key).unwrap_or(&idle), image);
            if !rows.push(&body).await? {
                return Ok(rows.answer(shown.as_deref()));
            }
            shown = Some(script.key.clone());
        }
        if whole {
            return Ok(rows.answer(None));
        }
    }
}

/// Look at a script
#[utoipa::path(
    get, path = "/v1/scripts/{name}", tag = "scripts", operation_id = "get_script",
    params(("name" = String, Path, description = "The script")),
    responses(
        (status = 200, description = "The script", body = ScriptBody),
    )
)]
pub(crate) async fn get_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
) -> Result<Response, Problem> {
    let script = app.script_for(&caller, &name).await?;
    let body = app.script_body(&script).await?;
    Ok(precondition::tagged(Json(body).into_response(), &script.tag()))
}

impl App {
    /// A script as an answer.
    pub(super) async fn script_body(&self, script: &Script) -> Result<ScriptBody, Problem> {
        let activity = self.store.activity(std::slice::from_ref(script)).await?.remove(&script.key);
        let image = self.linker.keeper().image_of(&script.key, script.version.number);
        Ok(ScriptBody::new(script, &activity.unwrap_or_default(), image))
    }
}

/// List what script sources have that is not taken
#[utoipa::path(
    get, path = "/v1/script-sources/problems", tag = "scripts", operation_id = "list_source_problems",
    responses(
        (status = 200, description = "Files, each with why it is left out, as this node saw them last", body = Page<LeftOutBody>),
    )
)]
pub(crate) async fn list_source_problems(State(app): State<App>) -> Json<Page<LeftOutBody>> {
    let items = app.linker.left_out().into_iter().map(|(source, file, why)| LeftOutBody { source, file, why });
    Json(Page { items: items.collect(), next_cursor: None })
}

/// List a script's versions
#[utoipa::path(
    get, path = "/v1/scripts/{name}/versions", tag = "scripts", operation_id = "list_versions",
    params(
        ("name" = String, Path, description = "The script"),
        ("limit" = Option<usize>, Query, description = "How many; 100 by default, at most 1000"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
    ),
    responses(
        (status = 200, description = "Versions, newest first", body = Page<VersionBody>),
    )
)]
pub(crate) async fn list_versions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    query: Query,
) -> Result<Json<Page<VersionBody>>, Problem> {
    let limit = query.limit(100, 1000)?;
    let before = query.parse("cursor", |text| text.parse::<i64>().map_err(|_| bad_cursor()))?;
    let script = app.script_for(&caller, &name).await?;
    let mut versions = app.store.versions(&script.key, before, limit + 1).await?;
    let more = versions.len() > limit;
    versions.truncate(limit);
    let next_cursor = if more { versions.last().map(|version| version.number.to_string()) } else { None };
    let items = versions.iter().map(|version| VersionBody::new(version, &script)).collect();
    Ok(Json(Page { items, next_cursor }))
}

/// Get the source of a version
///
/// One file as it was uploaded; several as a zip archive.
#[utoipa::path(
    get, path = "/v1/scripts/{name}/versions/{number}/source", tag = "scripts", operation_id = "get_source",
    params(
        ("name" = String, Path, description = "The script"),
        ("number" = i64, Path, description = "The version"),
    ),
    responses(
        (status = 200, description = "The source", content((String = "text/x-python"), (Vec<u8> = "application/zip"), (Vec<u8> = "application/octet-stream"))),
    )
)]
pub(crate) async fn get_source(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    PathParts(parts): PathParts,
) -> Result<Response, Problem> {
    let (name, number) = match parts.as_slice() {
        [name, number] => (name, number),
        _ => return Err(Problem::not_found("no_such_version", "there is no such version")),
    };
    let script = app.script_for(&caller, name).await?;
    let missing = || {
        let detail =
            format!("{} has no version {:?}; the last one is {}", script.name, service::quoted(number), script.latest);
        Problem::not_found("no_such_version", detail)
    };
    let number: i64 = number.parse().map_err(|_| missing())?;
    let version = app.store.version(&script.key, number).await?.ok_or_else(missing)?;
    let content = pieces::of_blob(&app.blobs, &version.blob, 0).await?;
    let (kind, ending) = if version.blob.ends_with(".zip") {
        ("application/zip", "zip")
    } else if version.main.ends_with(".pyc") {
        ("application/octet-stream", "pyc")
    } else {
        ("text/x-python; charset=utf-8", "py")
    };
    // Names of other letters than ASCII's have a field of their own (RFC 6266).
    let plain: String = script.name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let whole = api::part(&script.name);
    let disposition = format!("attachment; filename=\"{plain}.{ending}\"; filename*=UTF-8''{whole}.{ending}");
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, pieces::with_length(content)).into_response())
}
