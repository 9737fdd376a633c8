//! Changing the settings of a script, going back to a version, and deleting it.

use crate::access::{Caller, Scope};
use crate::api::{ScriptBody, UploadedBody};
use crate::http::access::warn;
use crate::http::body::{self, Fields, Query, settings_of};
use crate::http::described_fields::fields;
use crate::http::endpoints::{Endpoints, Need};
use crate::http::problem::Problem;
use crate::http::requests::{RollbackRequest, SettingsRequest};
use crate::http::{App, Part};
use crate::publication::Deleted;
use crate::publish::KeepError;
use crate::schedule::request::BadSchedule;
use crate::script::{SETTINGS, Script};
use crate::service::ServiceError;
use crate::store::StoreError;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Map, Value};
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Write), routes!(patch_script))
        .add(Need::Scope(Scope::Write), routes!(delete_script))
        .add(Need::Scope(Scope::Write), routes!(roll_back_script))
}

/// The largest change of settings.
const MOST_SETTINGS: usize = 1 << 20;

/// The same without what is null in the objects in it: what is taken away asks for nothing.
fn without_nulls(mut changes: Map<String, Value>) -> Map<String, Value> {
    for value in changes.values_mut() {
        if let Value::Object(object) = value {
            object.retain(|_, value| !value.is_null());
        }
    }
    changes
}

/// Change a script's settings
///
/// What is not there stays; null takes away what was set, so that what the source says holds again.
#[utoipa::path(
    patch, path = "/v1/scripts/{name}", tag = "scripts", operation_id = "patch_script",
    params(("name" = String, Path, description = "The script")),
    request_body(content = SettingsRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The script as it is now", body = UploadedBody),
    )
)]
pub(crate) async fn patch_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Json<UploadedBody>, Problem> {
    let content = body::read(request.into_body(), MOST_SETTINGS).await?;
    let fields = Fields::read(&content, fields::<SettingsRequest>())?;
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
    // A token that reaches scripts by label could otherwise label itself out of its bounds, or into others'.
    let changed = Script { settings: settings.clone(), ..script.clone() };
    if app.check_reach(&caller, &script.key, Some(&changed)).is_err() {
        return Err(ServiceError::out_of_reach_then(&caller).into());
    }
    let now = app.clock.now();
    let script = app.store.set_settings(&script.key, settings, now).await?.ok_or_else(ServiceError::script_gone)?;
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
    )
)]
pub(crate) async fn delete_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    query: Query,
) -> Result<StatusCode, Problem> {
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
        Deleted::Unknown => Err(ServiceError::script_gone().into()),
        Deleted::Done { cancelled, running } => {
            cancelled.iter().for_each(|id| app.signals.notify_ended(id));
            running.iter().for_each(|id| app.signals.notify_cancel(id));
            Ok(StatusCode::NO_CONTENT)
        }
    }
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
    request_body(content = Option<RollbackRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The script as it is now", body = ScriptBody),
    )
)]
pub(crate) async fn roll_back_script(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let keep_schedules = query.word("schedules", "keep")?;
    let content = body::read(request.into_body(), MOST_SETTINGS).await?;
    let wanted: Option<i64> = Fields::read(&content, fields::<RollbackRequest>())?.take("version")?;
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
    let version = version.ok_or_else(|| ServiceError::no_such_version(&script, wanted.unwrap_or_default()))?;
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
        KeepError::Store(error @ StoreError::Circle(_)) => ServiceError::chain_circle(&error, &caller),
        error => ServiceError::from(error),
    })?;
    let script = set.ok_or_else(ServiceError::script_gone)?;
    app.signals.schedules.notify_one();
    let (_, warnings) = before.changes(&app.schedules_of(&script).await?);
    let mut response = Json(ScriptBody::from(&script)).into_response();
    warnings.iter().for_each(|warning| warn(&mut response, Some(warning)));
    Ok(response)
}
