//! Uploading a script in every form.

use crate::access::{Caller, Scope};
use crate::api::{self, ScriptBody, UploadedBody};
use crate::http::access::warn;
use crate::http::before::Before;
use crate::http::body::{self, Query};
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::upload::{self, Content, Upload, is_stripped_form, line_breaks_stripped};
use crate::http::{App, Part, progress};
use crate::publish::{KeepError, PublishOptions};
use crate::script::{LinkState, Name};
use crate::service::ServiceError;
use crate::source_files::{MAX_BUNDLE, Sources};
use crate::store::StoreError;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Write), routes!(put_script))
        .add(Need::Scope(Scope::Write), routes!(create_script))
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
    let how = (wanted(&query, &caller)?, query.flag("dry_run", false)?);
    upload_told(app, caller, Some(Name::parse(&name)?), how, request).await
}

/// Uploads; tells how far it is if the client asks for it.
async fn upload_told(
    app: App,
    caller: Caller,
    name: Option<Name>,
    (wanted, is_dry): (PublishOptions, bool),
    request: Request,
) -> Result<Response, Problem> {
    if !progress::is_wanted(&request) {
        return upload(&app, &caller, name, (wanted, is_dry), request).await;
    }
    let work = |app: App, request, progress| async move {
        upload(&app, &caller, name, (PublishOptions { progress, ..wanted }, is_dry), request).await
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
    let wanted = wanted(&query, &caller)?;
    upload_told(app, caller, name, (wanted, false), request).await
}

/// How an upload is to be kept, as far as its query says it.
fn wanted(query: &Query, caller: &Caller) -> Result<PublishOptions, Problem> {
    let (unchecked, upgrade) = (!query.flag("check", true)?, query.flag("upgrade", false)?);
    Ok(PublishOptions { unchecked, upgrade, reach: caller.reach(), ..PublishOptions::default() })
}

/// The sources that are sent, or those at the link that is: its address, and what tells whether they changed since.
async fn read_content(
    app: &App,
    caller: &Caller,
    name: &Name,
    sent: Content,
) -> Result<(Sources, Option<(String, String)>), Problem> {
    match sent {
        Content::Sources(sources) => Ok((sources, None)),
        // A link names a file of the server's, whosever script that is.
        Content::Link(_) if caller.is_limited() => {
            let detail = "a token that is limited to scripts links none: it could read others' files; send the source, or use \
                          a token that is not limited";
            Err(Problem::forbidden("link_out_of_reach", detail).field("from"))
        }
        Content::Link(from) => {
            let url = app.linker.normal(&from)?;
            let (content, tag) = app.linker.read(&url).await?;
            Ok((Sources::of_bytes(name.as_str(), content)?, Some((url, tag))))
        }
    }
}

async fn upload(
    app: &App,
    caller: &Caller,
    name: Option<Name>,
    (wanted, is_dry): (PublishOptions, bool),
    request: Request,
) -> Result<Response, Problem> {
    let (parts, stream) = request.into_parts();
    let content = body::read(stream, MOST).await?;
    let stripped = is_stripped_form(&parts.headers, &content);
    let Upload { name, content: sent, settings } = upload::read(parts, content, name).await?;
    let name = &name;
    let known = app.store.script(name.key()).await?;
    // A script that is new has the labels that this brings: the keeper asks whether they are within reach.
    if known.is_some() {
        app.check_reach(caller, name.key(), known.as_ref())?;
    }
    let now = app.clock.now();
    let (sources, link) = read_content(app, caller, name, sent).await?;
    if stripped && sources.source().trim_ascii_start().starts_with(b"#") {
        return Err(line_breaks_stripped());
    }
    let before = match &known {
        Some(known) => app.before_upload(&known.key).await?,
        None => Before::default(),
    };
    let set = settings.clone();
    let link_url = link.as_ref().map(|(url, _)| url.clone());
    let (only_new, without_priority) = (known.is_none() && caller.is_limited(), !caller.grants_itself());
    let wanted = PublishOptions { settings, link: link_url, only_new, without_priority, ..wanted };
    if is_dry {
        app.linker.keeper().try_out(name, &sources, wanted, now).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let kept = match app.linker.keeper().keep(name, &sources, wanted, now).await {
        Err(KeepError::OutOfReach) => return Err(ServiceError::out_of_reach_then(caller).into()),
        Err(KeepError::Refused(refused)) if stripped && refused.code == "syntax_error" => {
            return Err(line_breaks_stripped());
        }
        Err(KeepError::Store(StoreError::Conflict)) if known.is_none() => {
            let detail =
                format!("a script {name} was made by another request in this moment; look at it and try again");
            return Err(Problem::conflict("changed_meanwhile", detail).retry_after(1));
        }
        Err(KeepError::Store(error @ StoreError::Circle(_))) => {
            return Err(ServiceError::chain_circle(&error, caller).into());
        }
        kept => kept?,
    };
    let mut script = kept.script;
    if let Some((_, tag)) = link {
        script.link_state = LinkState { tag: Some(tag), checked_at: Some(now), error: None };
        app.store.set_link_state(name.key(), &script.link_state).await?;
    }
    let said = set.unwrap_or_default().or(&script.version.table);
    let not_granted = app.grant_what_is_asked(caller, &script, &said, now).await?;
    let schedules = app.schedules_of(&script).await?;
    let (schedule_changes, warnings) = before.changes(&schedules);
    let body = UploadedBody {
        script: script.name.clone(),
        body: ScriptBody::from(&script),
        schedules,
        schedule_changes,
        not_granted,
    };
    app.signals.schedules.notify_one();
    let status = if kept.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(body)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/scripts/{}", api::part(&script.name))) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    warnings.iter().for_each(|warning| warn(&mut response, Some(warning)));
    Ok(response)
}
