//! Uploading a script in every form.

use crate::access::{Caller, Scope};
use crate::api::{self, CheckedBody, ScheduleChangeBody, UploadedBody};
use crate::http::access::warn;
use crate::http::below::placed;
use crate::http::body::{self, Query};
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::upload::{self, Upload, is_stripped_form, line_breaks_stripped};
use crate::http::{App, Part, precondition, progress};
use crate::publish::Progress;
use crate::script::Name;
use crate::service::{PublishRequest, ScriptChange, ScriptContent};
use crate::source_files::MAX_BUNDLE;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Write), routes!(put_script))
        .add(Need::Scope(Scope::Write), routes!(create_script))
        .add(Need::Scope(Scope::Write), routes!(check_script))
}

/// The largest upload: a bundle, and what the form around it takes; in JSON a source may take six times its size.
const MOST: usize = MAX_BUNDLE + (1 << 20);

/// Upload a script
///
/// The body is the source (with any type that curl sends), a zip archive, a multipart form with one or more files, or JSON.
/// The same content again makes no new version. With `Accept: text/event-stream` the answer is a stream of events:
/// `progress` while its packages are got, and `answer` with `status` and `body` at the end.
#[utoipa::path(
    put, path = "/v1/scripts/{name}", tag = "scripts", operation_id = "put_script",
    params(
        ("name" = String, Path, description = "Its name; a trailing .py is dropped"),
        ("check" = Option<bool>, Query, description = "false keeps source that is no valid Python"),
        ("upgrade" = Option<bool>, Query, description = "true resolves its packages again, although it asks for the same as before"),
        ("main" = Option<String>, Query, description = "Of several files or an archive: the file where a run begins; main.py by default"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the script that is changed: 412 when it was changed meanwhile"),
        ("If-None-Match" = Option<String>, Header, description = "*: 412 when there is one"),
        ("dry_run" = Option<bool>, Query, description = "true keeps nothing: the answer is 204, or why it would not be taken"),
    ),
    request_body(content(
        (crate::http::requests::ScriptRequest = "application/json"),
        (String = "text/x-python"),
        (Vec<u8> = "application/zip"),
        (crate::http::requests::ScriptForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "It had this content already", body = UploadedBody),
        (status = 201, description = "This is a new version", body = UploadedBody),
        (status = 204, description = "It would be taken"),
    )
)]
pub(crate) async fn put_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let how = How { is_dry: query.flag("dry_run", false)?, ..How::read(&query)? };
    upload_told(app, caller, Some(Name::parse(&name)?), how, request).await
}

/// How an upload is to be kept, as far as its query says it.
#[derive(Default)]
struct How {
    unchecked: bool,
    upgrade: bool,
    /// The file where a run begins.
    main: Option<String>,
    /// Whether nothing is kept.
    is_dry: bool,
    progress: Progress,
}

impl How {
    fn read(query: &Query) -> Result<Self, Problem> {
        let (unchecked, upgrade) = (!query.flag("check", true)?, query.flag("upgrade", false)?);
        let main = query.one("main")?.map(str::to_owned);
        Ok(How { unchecked, upgrade, main, ..How::default() })
    }
}

/// Uploads; tells how far it is if the client asks for it.
async fn upload_told(
    app: App,
    caller: Caller,
    name: Option<Name>,
    how: How,
    request: Request,
) -> Result<Response, Problem> {
    if !progress::is_wanted(&request) {
        return upload(&app, &caller, name, how, request).await;
    }
    let work = |app: App, request, progress| async move {
        upload(&app, &caller, name, How { progress, ..how }, request).await
    };
    progress::told(app, request, MOST, work).await
}

/// Upload a script, its name in the query
///
/// Without one, the name in the body holds (`name`), or that of the one file of a form (`curl -F file=@price.py`).
#[utoipa::path(
    post, path = "/v1/scripts", tag = "scripts", operation_id = "create_script",
    params(
        ("name" = Option<String>, Query, description = "Its name; a trailing .py is dropped. Without it: the name in the body, or of its file"),
        ("check" = Option<bool>, Query, description = "false keeps source that is no valid Python"),
        ("upgrade" = Option<bool>, Query, description = "true resolves its packages again, although it asks for the same as before"),
        ("main" = Option<String>, Query, description = "Of several files or an archive: the file where a run begins; main.py by default"),
    ),
    request_body(content(
        (crate::http::requests::ScriptRequest = "application/json"),
        (String = "text/x-python"),
        (Vec<u8> = "application/zip"),
        (crate::http::requests::ScriptForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "It had this content already", body = UploadedBody),
        (status = 201, description = "This is a new version", body = UploadedBody),
    )
)]
pub(crate) async fn create_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let name = query.one("name")?.map(Name::parse).transpose()?;
    let how = How::read(&query)?;
    upload_told(app, caller, name, how, request).await
}

/// Check a script
///
/// The body is the same as of an upload. Nothing is kept: the answer is what the check finds, or why an upload would be refused.
#[utoipa::path(
    post, path = "/v1/scripts/{name}/check", tag = "scripts", operation_id = "check_script",
    params(
        ("name" = String, Path, description = "Its name; a trailing .py is dropped"),
        ("main" = Option<String>, Query, description = "Of several files or an archive: the file where a run begins; main.py by default"),
    ),
    request_body(content(
        (crate::http::requests::ScriptRequest = "application/json"),
        (String = "text/x-python"),
        (Vec<u8> = "application/zip"),
        (crate::http::requests::ScriptForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "What the check finds", body = CheckedBody),
    )
)]
pub(crate) async fn check_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    query: Query,
    request: Request,
) -> Result<Json<CheckedBody>, Problem> {
    let how = How { main: query.one("main")?.map(str::to_owned), ..How::default() };
    let (request, is_stripped) = asked(Some(Name::parse(&name)?), how, request).await?;
    match app.try_publish(&caller, request).await {
        Err(error) if is_stripped && error.code == "syntax_error" => Err(line_breaks_stripped()),
        version => Ok(Json(CheckedBody::from(&version?))),
    }
}

/// What a request asks to be published, and whether it came as a form of curl without its line breaks.
async fn asked(name: Option<Name>, how: How, request: Request) -> Result<(PublishRequest, bool), Problem> {
    let (parts, stream) = request.into_parts();
    let precondition = precondition::read(&parts.headers)?;
    let content = body::read(stream, MOST).await?;
    let is_stripped = is_stripped_form(&parts.headers, &content);
    let Upload { name, content, settings } = upload::read(parts, content, name, how.main).await?;
    if let ScriptContent::Sources(sources) = &content
        && is_stripped
        && sources.source().trim_ascii_start().starts_with(b"#")
    {
        return Err(line_breaks_stripped());
    }
    let How { unchecked, upgrade, progress, .. } = how;
    Ok((PublishRequest { name, content, settings, unchecked, upgrade, precondition, progress }, is_stripped))
}

async fn upload(
    app: &App,
    caller: &Caller,
    name: Option<Name>,
    how: How,
    request: Request,
) -> Result<Response, Problem> {
    let is_dry = how.is_dry;
    let (request, is_stripped) = asked(name, how, request).await?;
    if is_dry {
        app.try_publish(caller, request).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let change = match app.publish(caller, request).await {
        Err(error) if is_stripped && error.code == "syntax_error" => return Err(line_breaks_stripped()),
        change => change?,
    };
    let status = if change.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let (warnings, tag) = (change.warnings.clone(), change.script.tag());
    let body = body_of(app, change).await?;
    let place = format!("/v1/scripts/{}", api::part(&body.script));
    let mut response = placed((status, Json(body)).into_response(), &place);
    warnings.iter().for_each(|warning| warn(&mut response, Some(warning)));
    Ok(precondition::tagged(response, &tag))
}

/// A change of a script, as an answer.
pub(super) async fn body_of(app: &App, change: ScriptChange) -> Result<UploadedBody, Problem> {
    let changes = change.schedule_changes.into_iter().map(|one| ScheduleChangeBody {
        id: one.id,
        change: one.change.to_owned(),
        before: one.before,
        after: one.after,
    });
    Ok(UploadedBody {
        script: change.script.name.clone(),
        body: app.script_body(&change.script).await?,
        schedules: app.show_all(&change.schedules).await,
        schedule_changes: changes.collect(),
        not_granted: change.not_granted,
    })
}
