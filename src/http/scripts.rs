//! Scripts: uploading in every form, looking, changing, deleting.

use super::access::warn;
use super::before::Before;
use super::body::{self, Fields, Query, bad_cursor, settings_of};
use super::problem::Problem;
use super::progress;
use super::upload::{self, Content, Upload, is_stripped_form, line_breaks_stripped};
use super::{App, Part, PathParts, pieces};
use crate::access::Caller;
use crate::api::{self, LeftOutBody, Page, ProblemBody, ScriptBody, UploadedBody, VersionBody};
use crate::clock::Time;
use crate::limits::{NotGranted, RequestedLimits};
use crate::links::LinkError;
use crate::packages::PackageError;
use crate::publication::{Deleted, ScriptFilter};
use crate::publish::{KeepError, OUT_OF_REACH, PublishOptions};
use crate::schedule::request::BadSchedule;
use crate::script::{LinkState, Name, SETTINGS, Script, Settings};
use crate::source_files::{MAX_BUNDLE, Sources};
use crate::store::StoreError;
use crate::store::grants::GrantedHosts;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Map, Value};

/// Scripts of a list that are fetched at once.
const TOGETHER: usize = 100;
/// The largest upload: a bundle, and what the form around it takes; in JSON a source may take six times its size.
const MOST: usize = MAX_BUNDLE + (1 << 20);
/// The largest change of settings.
const MOST_SETTINGS: usize = 1 << 20;

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Source(error) => error.into(),
            KeepError::Refused(refused) => refused.into(),
            KeepError::Metadata(why) => Problem::invalid("source", why).code("bad_metadata"),
            KeepError::Setting(setting, why) => {
                Problem::invalid(setting, format!("the script's metadata, {setting}: {why}"))
            }
            KeepError::Schedule(error) => error.into(),
            KeepError::OutOfReach => Problem::forbidden(OUT_OF_REACH, error.to_string()),
            KeepError::Computing(error) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string()).retry_after(1)
            }
            KeepError::NotAllowed(why) => Problem::forbidden("missing_scope", why).field("schedules.priority"),
            KeepError::Requirement(error) => {
                Problem::invalid("dependencies", error.to_string()).code("bad_requirement")
            }
            KeepError::Packages(error) => error.into(),
            KeepError::Blob(error) => error.into(),
            KeepError::Store(error) => error.into(),
        }
    }
}

impl From<PackageError> for Problem {
    fn from(error: PackageError) -> Self {
        let detail = error.to_string();
        let invalid = |code| Problem::invalid("dependencies", detail.clone()).code(code);
        let unavailable = |code| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail.clone()).retry_after(30);
        match error {
            PackageError::Unsatisfiable(_) => invalid("packages_unsatisfiable"),
            PackageError::NotPure(_) => invalid("package_not_pure"),
            PackageError::BadWheel(_) => invalid("bad_wheel"),
            PackageError::IndexAway(_) | PackageError::TimedOut => unavailable("index_unavailable"),
            PackageError::NoResolver(_) | PackageError::Offline(_) => unavailable("no_resolver"),
            PackageError::Failed(_) => unavailable("packages_failed"),
        }
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotAllowed(why) => Problem::invalid("from", why).code("link_not_allowed"),
            LinkError::Blob(crate::blobs::BlobError::Missing(url)) => {
                Problem::invalid("from", format!("there is nothing at {url}")).code("link_broken")
            }
            LinkError::LeftOut(..) => Problem::invalid("from", error.to_string()).code("link_not_allowed"),
            LinkError::Slow(why) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "link_unavailable", why).field("from").retry_after(30)
            }
            LinkError::Blob(error) => error.into(),
            LinkError::Keep(error) => error.into(),
        }
    }
}

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
        (super::requests::ScriptRequest = "application/json"),
        (String = "text/x-python"),
        (Vec<u8> = "application/zip"),
        (super::requests::ScriptForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "It had this content already", body = UploadedBody),
        (status = 201, description = "This is a new version", body = UploadedBody),
        (status = 204, description = "It would be taken"),
        (status = "4XX", description = "It was not taken", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The database or the blob store is away", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["check", "upgrade", "dry_run"])?;
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
        (super::requests::ScriptRequest = "application/json"),
        (String = "text/x-python"),
        (Vec<u8> = "application/zip"),
        (super::requests::ScriptForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "It had this content already", body = UploadedBody),
        (status = 201, description = "This is a new version", body = UploadedBody),
        (status = "4XX", description = "It was not taken", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The database or the blob store is away", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["name", "check", "upgrade"])?;
    let name = query.one("name")?.map(Name::parse).transpose()?;
    let wanted = wanted(&query, &caller)?;
    upload_told(app, caller, name, (wanted, false), request).await
}

/// How an upload is to be kept, as far as its query says it.
fn wanted(query: &Query, caller: &Caller) -> Result<PublishOptions, Problem> {
    let (unchecked, upgrade) = (!query.flag("check", true)?, query.flag("upgrade", false)?);
    Ok(PublishOptions { unchecked, upgrade, reach: caller.reach(), ..PublishOptions::default() })
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
    let (sources, link) = match sent {
        Content::Sources(sources) => (sources, None),
        // A link names a file of the server's, whosever script that is.
        Content::Link(_) if caller.is_limited() => {
            let detail = "a token that is limited to scripts links none: it could read others' files; send the source, or use \
                          a token that is not limited";
            return Err(Problem::forbidden("link_out_of_reach", detail).field("from"));
        }
        Content::Link(from) => {
            let url = app.linker.normal(&from)?;
            let (content, tag) = app.linker.read(&url).await?;
            (Sources::of_bytes(name.as_str(), content)?, Some((url, tag)))
        }
    };
    if stripped && sources.source().trim_ascii_start().starts_with(b"#") {
        return Err(line_breaks_stripped());
    }
    let before = match &known {
        Some(known) => app.before_upload(&known.key).await?,
        None => Before::default(),
    };
    let set = settings.clone();
    let link_url = link.as_ref().map(|(url, _)| url.clone());
    let (only_new, without_priority) = (known.is_none() && caller.is_limited(), !App::grants_itself(caller));
    let wanted = PublishOptions { settings, link: link_url, only_new, without_priority, ..wanted };
    if is_dry {
        app.linker.keeper().try_out(name, &sources, wanted, now).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let kept = match app.linker.keeper().keep(name, &sources, wanted, now).await {
        Err(KeepError::OutOfReach) => return Err(Problem::out_of_reach_then(caller)),
        Err(KeepError::Refused(refused)) if stripped && refused.code == "syntax_error" => {
            return Err(line_breaks_stripped());
        }
        Err(KeepError::Store(StoreError::Conflict)) if known.is_none() => {
            let detail =
                format!("a script {name} was made by another request in this moment; look at it and try again");
            return Err(Problem::conflict("changed_meanwhile", detail).retry_after(1));
        }
        Err(KeepError::Store(error @ StoreError::Circle(_))) => return Err(Problem::chain_circle(&error, caller)),
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

impl App {
    /// Grants what the caller asks for with `said`, when it may, and says what of all that the script asks for is not
    /// granted. What others have asked for before is not granted by the way.
    async fn grant_what_is_asked(
        &self,
        caller: &Caller,
        script: &Script,
        said: &Settings,
        now: Time,
    ) -> Result<Vec<NotGranted>, Problem> {
        let settings = script.in_force();
        let asked = RequestedLimits::read(&settings.limits)?;
        let above = RequestedLimits::read(&said.limits)?.above(&self.rules.runs.defaults);
        if above != RequestedLimits::default() && Self::grants_itself(caller) {
            self.store.grant_limits(&script.key, above, caller.id().map(str::to_owned), now).await?;
        }
        let granted = self.store.granted_limits(&script.key).await?;
        let (_, mut refused) = asked.in_force(&granted, &self.rules.runs.defaults, &self.rules.runs.ceiling);
        let hosts = settings.hosts().map_err(|why| Problem::invalid("allow", why))?;
        if !hosts.is_empty() {
            let said = said.hosts().map_err(|why| Problem::invalid("allow", why))?;
            if !said.is_empty() && Self::grants_itself(caller) {
                // No more than can be in force now: a ceiling that is raised later grants nothing by itself.
                let possible = self.rules.runs.grantable(&said);
                let hosts = said.iter().filter(|host| possible.covers(host)).cloned().collect();
                let granted = GrantedHosts { hosts, unverified: Vec::new() };
                self.store.grant_hosts(&script.key, granted, caller.id().map(str::to_owned), now).await?;
            }
            let granted = self.store.granted_hosts(&script.key).await?.hosts;
            refused.extend(self.rules.runs.hosts_refused(&hosts, &granted));
        }
        refused.append(&mut self.grant_secrets(caller, script, said, now).await?);
        Ok(refused)
    }
}

/// The same without what is null in the objects in it: what is taken away asks for nothing.
fn without_nulls(mut changes: Map<String, Value>) -> Map<String, Value> {
    for value in changes.values_mut() {
        if let Value::Object(object) = value {
            object.retain(|_, value| !value.is_null());
        }
    }
    changes
}

/// List scripts
#[utoipa::path(
    get, path = "/v1/scripts", tag = "scripts", operation_id = "list_scripts",
    params(
        ("label" = Option<String>, Query, description = "Only those with this label: key=value"),
        ("limit" = Option<usize>, Query, description = "How many; 100 by default, at most 1000"),
        ("cursor" = Option<String>, Query, description = "Where the last page ended"),
    ),
    responses(
        (status = 200, description = "Scripts by name", body = Page<ScriptBody>),
        (status = "4XX", description = "The list cannot be had so", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_scripts(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["label", "limit", "cursor"])?;
    let limit = query.limit(100, 1000)?;
    let label = query.parse("label", |text| {
        let (key, value) = text.split_once('=').ok_or("write key=value")?;
        Ok((key.to_owned(), value.to_owned()))
    })?;
    let after =
        query.parse("cursor", |text| Name::parse(text).map(|name| name.key().to_owned()).map_err(|_| bad_cursor()))?;
    let (mut rows, mut filter) = (app.answers.page(), ScriptFilter { label, after, limit: TOGETHER });
    // Where the next part begins: after the last one that was shown.
    let mut shown = None;
    loop {
        let page = app.store.scripts(filter.clone()).await?;
        let whole = page.len() < TOGETHER;
        filter.after = page.last().map(|script| script.key.clone());
        for script in page.iter().filter(|script| caller.reaches(&script.key, &script.in_force().labels)) {
            if rows.count() >= limit || !rows.push(&ScriptBody::from(script)).await? {
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
        (status = "4XX", description = "There is none", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
) -> Result<Json<ScriptBody>, Problem> {
    Ok(Json(ScriptBody::from(&app.script_for(&caller, &name).await?)))
}

/// Change a script's settings
///
/// What is not there stays; null takes away what was set, so that what the source says holds again.
#[utoipa::path(
    patch, path = "/v1/scripts/{name}", tag = "scripts", operation_id = "patch_script",
    params(("name" = String, Path, description = "The script")),
    request_body(content = super::requests::SettingsRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The script as it is now", body = UploadedBody),
        (status = "4XX", description = "Nothing was changed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn patch_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Json<UploadedBody>, Problem> {
    let content = body::read(request.into_body(), MOST_SETTINGS).await?;
    let fields = Fields::read(&content, SETTINGS)?;
    let script = app.script_for(&caller, &name).await?;
    let mut merged = match serde_json::to_value(&script.settings) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let changes = fields.rest()?;
    let said: Map<String, Value> = changes
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in changes {
        match (merged.get_mut(&name), value) {
            (_, Value::Null) => {
                merged.remove(&name);
            }
            // Labels, limits and the environment are changed name by name.
            (Some(Value::Object(old)), Value::Object(new)) if name != "retries" => {
                for (key, value) in new {
                    if value.is_null() {
                        old.remove(&key)
                    } else {
                        old.insert(key, value)
                    };
                }
            }
            (_, value) => {
                merged.insert(name, value);
            }
        }
    }
    let said = settings_of(Fields::of(without_nulls(said), SETTINGS)?)?;
    let settings = settings_of(Fields::of(merged, SETTINGS)?)?;
    RequestedLimits::read(&settings.limits)?;
    // A token that reaches scripts by label could otherwise label itself out of its bounds, or into others'.
    let changed = Script { settings: settings.clone(), ..script.clone() };
    if app.check_reach(&caller, &script.key, Some(&changed)).is_err() {
        return Err(Problem::out_of_reach_then(&caller));
    }
    let now = app.clock.now();
    let script = app.store.set_settings(&script.key, settings, now).await?.ok_or_else(Problem::script_gone)?;
    app.signals.notify_queued();
    let not_granted = app.grant_what_is_asked(&caller, &script, &said, now).await?;
    let body = ScriptBody::from(&script);
    Ok(Json(UploadedBody {
        script: script.name.clone(),
        body,
        schedules: app.schedules_of(&script).await?,
        schedule_changes: Vec::new(),
        not_granted,
    }))
}

/// Delete a script
///
/// All its versions go; its runs stay. Those that wait are cancelled, those under way are stopped.
#[utoipa::path(
    delete, path = "/v1/scripts/{name}", tag = "scripts", operation_id = "delete_script",
    params(
        ("name" = String, Path, description = "The script"),
        ("schedules" = Option<String>, Query, description = "delete: its schedules go too; otherwise a script that has some stays"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "There is none, or it has schedules", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<StatusCode, Problem> {
    let query = Query::read(request.uri().query(), &["schedules"])?;
    let with_schedules = query.word("schedules", "delete")?;
    let script = app.script_for(&caller, &name).await?;
    match app.store.delete_script(&script.key, with_schedules, app.clock.now()).await? {
        Deleted::HasSchedules(ids) => {
            let detail = format!(
                "{} is started by {}: delete them first, or all together with ?schedules=delete",
                script.name,
                ids.join(", ")
            );
            Err(Problem::conflict("script_has_schedules", detail))
        }
        Deleted::Unknown => Err(Problem::script_gone()),
        Deleted::Done { cancelled, running } => {
            cancelled.iter().for_each(|id| app.signals.notify_ended(id));
            running.iter().for_each(|id| app.signals.notify_cancel(id));
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

/// List what script sources have that is not taken
#[utoipa::path(
    get, path = "/v1/script-sources/problems", tag = "scripts", operation_id = "list_source_problems",
    responses(
        (status = 200, description = "Files, each with why it is left out, as this node saw them last", body = Page<LeftOutBody>),
        (status = "4XX", description = "Not authorised, or invalid request", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_source_problems(State(app): State<App>) -> Json<Page<LeftOutBody>> {
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
        (status = "4XX", description = "The list cannot be had so", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_versions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Json<Page<VersionBody>>, Problem> {
    let query = Query::read(request.uri().query(), &["limit", "cursor"])?;
    let limit = query.limit(100, 1000)?;
    let before = query.parse("cursor", |text| text.parse::<i64>().map_err(|_| bad_cursor()))?;
    let script = app.script_for(&caller, &name).await?;
    let mut versions = app.store.versions(&script.key, before, limit + 1).await?;
    let more = versions.len() > limit;
    versions.truncate(limit);
    let next_cursor = if more { versions.last().map(|version| version.number.to_string()) } else { None };
    let items = versions.iter().map(|version| VersionBody::new(version, script.version.number)).collect();
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
        (status = "4XX", description = "There is none", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The source is corrupt or missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The blob store is away", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get_source(
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
            format!("{} has no version {:?}; the last one is {}", script.name, body::short(number), script.latest);
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

/// Put an earlier version in force
///
/// Without a body: the one before.
#[utoipa::path(
    post, path = "/v1/scripts/{name}/rollback", tag = "scripts", operation_id = "roll_back_script",
    params(
        ("name" = String, Path, description = "The script"),
        ("schedules" = Option<String>, Query, description = "keep: the script's own schedules stay as they are"),
    ),
    request_body(content = super::requests::RollbackRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The script as it is now", body = ScriptBody),
        (status = "4XX", description = "Nothing was changed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn roll_back_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query(), &["schedules"])?;
    let keep_schedules = query.word("schedules", "keep")?;
    let content = body::read(request.into_body(), MOST_SETTINGS).await?;
    let wanted: Option<i64> = Fields::read(&content, &["version"])?.take("version")?;
    let script = app.script_for(&caller, &name).await?;
    let version = match wanted {
        Some(number) => app.store.version(&script.key, number).await?,
        None => {
            let before = app.store.versions(&script.key, Some(script.version.number), 1).await?;
            let none = || {
                Problem::conflict(
                    "no_earlier_version",
                    format!("{} has no version before {}", script.name, script.version.number),
                )
            };
            Some(before.into_iter().next().ok_or_else(none)?)
        }
    };
    let version = version.ok_or_else(|| Problem::no_such_version(&script, wanted.unwrap_or_default()))?;
    let now = app.clock.now();
    let before = app.before_upload(&script.key).await?;
    let set = app.linker.keeper().roll_back(&script, &version, keep_schedules, &caller.reach(), now).await;
    let set = set.map_err(|error| match error {
        KeepError::Schedule(error) => {
            let why = format!(
                "the schedules of version {} cannot be: {error}; to leave the schedules as they are: ?schedules=keep",
                version.number
            );
            BadSchedule { why, ..error }.into()
        }
        KeepError::Store(error @ StoreError::Circle(_)) => Problem::chain_circle(&error, &caller),
        error => Problem::from(error),
    })?;
    let script = set.ok_or_else(Problem::script_gone)?;
    app.signals.schedules.notify_one();
    let (_, warnings) = before.changes(&app.schedules_of(&script).await?);
    let mut response = Json(ScriptBody::from(&script)).into_response();
    warnings.iter().for_each(|warning| warn(&mut response, Some(warning)));
    Ok(response)
}
