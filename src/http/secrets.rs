//! Secrets: set, listed without their values, removed; and what scripts get of them.

use super::body::{self, Fields};
use super::described_fields::fields;
use super::endpoints::{Endpoints, Need};
use super::problem::Problem;
use super::requests::SecretRequest;
use super::{App, Part};
use crate::access::{Caller, Scope};
use crate::api::{Page, ResealedBody, SecretBody};
use crate::clock::Time;
use crate::keyring::KeyError;
use crate::limits::NotGranted;
use crate::publication::ScriptFilter;
use crate::script::{Labels, Script, Settings};
use crate::secret::{self, BadSecret, Secret, SecretTerms};
use crate::store::grants::How;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use cronbox_runtime::secrets::RequestParts;
use utoipa_axum::routes;
use zeroize::Zeroizing;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default()
        .add(Need::Scope(Scope::Read), routes!(list_secrets))
        .add(Need::Scope(Scope::Read), routes!(get_secret))
        .add(Need::Scope(Scope::Grant), routes!(put_secret))
        .add(Need::Scope(Scope::Grant), routes!(delete_secret))
        .add(Need::Server(Scope::Admin), routes!(rotate_keys))
}

const MOST: usize = 256 << 10;

impl From<BadSecret> for Problem {
    fn from(bad: BadSecret) -> Self {
        Problem::invalid(bad.part, bad.why)
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        tracing::warn!("{error}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_secret_key", error.to_string())
    }
}

/// List secrets
///
/// Without their values: no answer contains those.
#[utoipa::path(
    get, path = "/v1/secrets", tag = "access", operation_id = "list_secrets",
    responses(
        (status = 200, description = "Secrets, and what they may be used for", body = Page<SecretBody>),
    )
)]
pub(super) async fn list_secrets(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Page<SecretBody>>, Problem> {
    let mut seen = Vec::new();
    for secret in app.store.secrets().await? {
        if app.reaches_some(&caller, &secret.terms).await? {
            seen.push(secret);
        }
    }
    Ok(Json(Page { items: app.secret_bodies(&caller, seen).await?, next_cursor: None }))
}

/// Show a secret
///
/// Without its value.
#[utoipa::path(
    get, path = "/v1/secrets/{name}", tag = "access", operation_id = "get_secret",
    params(("name" = String, Path, description = "The secret")),
    responses(
        (status = 200, description = "What it may be used for", body = SecretBody),
    )
)]
pub(super) async fn get_secret(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
) -> Result<Json<SecretBody>, Problem> {
    let secret = app.store.secret(&name).await?.ok_or_else(|| no_such_secret(&name))?;
    if !app.reaches_some(&caller, &secret.terms).await? {
        return Err(no_such_secret(&name));
    }
    app.secret_body(&caller, secret).await.map(Json)
}

/// Set a secret
///
/// In place of one of that name, if there is one: its value, the hosts that may get it, and the scripts that it is set for,
/// by name or by label. Scripts find a placeholder in the environment variable of that name. A script that has the label
/// already is granted the secret by this; one that gets it later is when a token with the scope `grant` uploads it.
#[utoipa::path(
    put, path = "/v1/secrets/{name}", tag = "access", operation_id = "put_secret",
    params(("name" = String, Path, description = "The environment variable in which scripts find its placeholder")),
    request_body(content = SecretRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "It is set, in place of another value", body = SecretBody),
        (status = 201, description = "It is set", body = SecretBody),
    )
)]
pub(super) async fn put_secret(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
    request: Request,
) -> Result<Response, Problem> {
    secret::check_name(&name)?;
    let content = body::read(request.into_body(), MOST).await?;
    let mut fields = Fields::read(&content, fields::<SecretRequest>())?;
    let value: Option<String> = fields.take("value")?;
    let value = Zeroizing::new(value.ok_or_else(|| Problem::invalid("value", "a secret has a value"))?);
    secret::check_value(&value)?;
    let terms = terms_of(&mut fields)?;
    app.check_grantable(&terms.patterns()?)?;
    let now = app.clock.now();
    let (is_new, body) = app.set_secret(&caller, name, terms, value, now).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(body)).into_response())
}

/// Remove a secret
///
/// Attempts that begin from now on do not have it; those under way keep it to their end.
#[utoipa::path(
    delete, path = "/v1/secrets/{name}", tag = "access", operation_id = "delete_secret",
    params(("name" = String, Path, description = "The secret")),
    responses(
        (status = 204, description = "It is gone"),
    )
)]
pub(super) async fn delete_secret(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Part(name): Part,
) -> Result<StatusCode, Problem> {
    let secret = app.store.secret(&name).await?.ok_or_else(|| no_such_secret(&name))?;
    app.check_reach_of_all(&caller, &secret.terms).await?;
    match app.store.remove_secret(&name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_secret(&name)),
    }
}

/// Seal all secrets with another key
///
/// Where the key is the server's own, a new one is made, and the old one is forgotten when nothing needs it any more. Where
/// it is the operator's, it is the first one in their file or variable. Runs go on meanwhile.
#[utoipa::path(
    post, path = "/v1/keys/rotate", tag = "access", operation_id = "rotate_keys",
    responses(
        (status = 200, description = "They are sealed with the first key", body = ResealedBody),
    )
)]
pub(super) async fn rotate_keys(State(app): State<App>) -> Result<Json<ResealedBody>, Problem> {
    app.rotate_keys().await.map(Json)
}

fn no_such_secret(name: &str) -> Problem {
    Problem::not_found("no_such_secret", format!("there is no secret {:?}", body::short(name)))
}

/// What a request says about a secret beside its value.
fn terms_of(fields: &mut Fields) -> Result<SecretTerms, Problem> {
    let mut places = RequestParts::default();
    for word in fields.take::<Vec<String>>("in")?.unwrap_or_default() {
        match word.as_str() {
            "headers" => {}
            "query" => places.query = true,
            "body" => places.body = true,
            other => {
                let detail = format!("{:?} is none of headers, query, body", body::short(other));
                return Err(Problem::invalid("in", detail));
            }
        }
    }
    let methods: Option<Vec<String>> = fields.take("methods")?;
    let terms = SecretTerms {
        hosts: fields.take("hosts")?.unwrap_or_default(),
        scripts: fields.scripts()?.unwrap_or_default(),
        labels: fields.take("labels")?.unwrap_or_default(),
        places,
        methods: methods.map(|methods| methods.iter().map(|method| method.to_ascii_uppercase()).collect()),
        path_prefix: fields.take("path_prefix")?,
        in_clear: fields.take("in_clear")?.unwrap_or_default(),
    };
    terms.check()?;
    Ok(terms)
}

impl App {
    /// Seals a secret and keeps it. Whether it is new, and what is told of it.
    async fn set_secret(
        &self,
        caller: &Caller,
        name: String,
        terms: SecretTerms,
        value: Zeroizing<String>,
        now: Time,
    ) -> Result<(bool, SecretBody), Problem> {
        // One after the other: a key must not be forgotten while something is being sealed with it.
        let _turn = self.sealing.lock().await;
        let others = self.store.secrets().await?;
        self.check_reach_of_all(caller, &terms).await?;
        let known = others.iter().find(|other| other.name == name);
        if let Some(known) = known {
            self.check_reach_of_all(caller, &known.terms).await?;
        }
        let (covered, granted) = self.grants_of(&terms, known.map(|known| &known.terms)).await?;
        let sealed_terms =
            serde_json::to_string(&terms).map_err(|error| Problem::bad("bad_json", error.to_string()))?;
        let (key, sealed) = Default::default();
        let (created_at, updated_at, created_by) = (now, now, caller.id().map(str::to_owned));
        let mut secret =
            Secret { name: name.clone(), terms, sealed_terms, key, sealed, created_at, updated_at, created_by };
        let keys: Vec<String> =
            others.iter().filter(|other| other.name != name).map(|other| other.key.clone()).collect();
        let warning = self.keyring.seal(&mut secret, value.as_bytes(), &keys)?;
        if let Some(warning) = &warning {
            tracing::warn!("{warning}");
        }
        let is_new = self.store.set_secret(secret, covered, granted, now).await?;
        tracing::info!(secret = name, "a secret was set");
        let secret = self.store.secret(&name).await?.ok_or_else(|| no_such_secret(&name))?;
        Ok((is_new, SecretBody { warning, ..self.secret_body(caller, secret).await? }))
    }

    /// The scripts that terms are for, and to which of them setting the secret grants it: those that are named, and those
    /// that have a label which the secret was not set for before. Who has had such a label for longer has the secret
    /// already, or put the label there to get it.
    async fn grants_of(
        &self,
        terms: &SecretTerms,
        before: Option<&SecretTerms>,
    ) -> Result<(Vec<String>, Vec<(String, How)>), Problem> {
        let mut covered = terms.scripts.clone();
        let mut granted: Vec<(String, How)> = covered.iter().map(|key| (key.clone(), How::ByName)).collect();
        if !terms.labels.is_empty() {
            let is_new = |label: &String| before.is_none_or(|before| !before.labels.contains(label));
            for script in self.store.scripts(ScriptFilter::all()).await? {
                let labels = script.in_force().labels;
                if terms.labels_of(&labels).any(is_new) {
                    granted.push((script.key.clone(), How::ByLabel));
                }
                if terms.are_for(&script.key, &labels) {
                    covered.push(script.key);
                }
            }
        }
        Ok((covered, granted))
    }

    async fn rotate_keys(&self) -> Result<ResealedBody, Problem> {
        let _turn = self.sealing.lock().await;
        let secrets = self.store.secrets().await?;
        let used: Vec<String> = secrets.iter().map(|secret| secret.key.clone()).collect();
        let warning = self.keyring.renew(&used)?;
        let keys = self.keyring.keys()?;
        let Some(first) = keys.first().map(str::to_owned) else { return Err(KeyError::None.into()) };
        let (mut resealed, mut unreadable) = (Vec::new(), Vec::new());
        for before in secrets.into_iter().filter(|secret| secret.key != first) {
            match keys.open(&before) {
                Ok(value) => {
                    let mut after = before.clone();
                    self.keyring.seal(&mut after, &value, &[])?;
                    resealed.push((before, after));
                }
                Err(error @ (KeyError::Lost { .. } | KeyError::Tampered(_))) => {
                    tracing::warn!("{error}");
                    unreadable.push(before.name);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let resealed = self.store.reseal_secrets(resealed).await?;
        let used: Vec<String> = self.store.secrets().await?.into_iter().map(|secret| secret.key).collect();
        self.keyring.forget_old(&used)?;
        Ok(ResealedBody { key: first, resealed, unreadable, warning })
    }

    async fn secret_body(&self, caller: &Caller, secret: Secret) -> Result<SecretBody, Problem> {
        let name = secret.name.clone();
        self.secret_bodies(caller, vec![secret]).await?.pop().ok_or_else(|| no_such_secret(&name))
    }

    /// What is told of secrets: also which scripts have them, and whether they can be read here. Scripts and labels that are
    /// not within the caller's reach are left out.
    async fn secret_bodies(&self, caller: &Caller, secrets: Vec<Secret>) -> Result<Vec<SecretBody>, Problem> {
        let reach = self.reach_of(caller).await?;
        let is_seen = |key: &String| reach.as_ref().is_none_or(|reach| reach.contains(key));
        let keys = self.keyring.keys().ok();
        let grants = self.store.grants().await?;
        let body = |secret: &Secret| {
            let granted = grants.iter().filter(|grant| grant.kind == "secret" && grant.name == secret.name);
            SecretBody {
                granted: granted.map(|grant| grant.script.clone()).filter(is_seen).collect(),
                readable: keys.as_ref().is_some_and(|keys| keys.has_key_of(secret)),
                ..SecretBody::from(secret)
            }
        };
        let mut bodies: Vec<SecretBody> = secrets.iter().map(body).collect();
        for body in &mut bodies {
            body.scripts.retain(is_seen);
            body.labels.retain(|label| !caller.is_limited() || has_label(caller, label));
        }
        Ok(bodies)
    }

    async fn reaches_script(&self, caller: &Caller, key: &str) -> Result<bool, Problem> {
        let script = self.store.script(key).await?;
        let labels = script.map(|script| script.in_force().labels).unwrap_or_default();
        Ok(caller.reaches(key, &labels))
    }

    /// Whether a caller may know of a secret: it is for some of their scripts.
    async fn reaches_some(&self, caller: &Caller, terms: &SecretTerms) -> Result<bool, Problem> {
        if !caller.is_limited() || terms.labels.iter().any(|label| has_label(caller, label)) {
            return Ok(true);
        }
        for key in &terms.scripts {
            if self.reaches_script(caller, key).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses a caller who is limited to other scripts than a secret is for.
    async fn check_reach_of_all(&self, caller: &Caller, terms: &SecretTerms) -> Result<(), Problem> {
        if !caller.is_limited() {
            return Ok(());
        }
        if !terms.labels.iter().all(|label| has_label(caller, label)) {
            return Err(Problem::out_of_reach(caller));
        }
        for key in &terms.scripts {
            if !self.reaches_script(caller, key).await? {
                return Err(Problem::out_of_reach(caller));
            }
        }
        Ok(())
    }

    /// Grants a script the secrets that the caller asks for with `said`, when it may; and says which of those that the
    /// script asks for it does not get, and why.
    pub(super) async fn grant_secrets(
        &self,
        caller: &Caller,
        script: &Script,
        said: &Settings,
        now: Time,
    ) -> Result<Vec<NotGranted>, Problem> {
        let settings = script.in_force();
        let secrets = self.store.secrets().await?;
        if Self::grants_itself(caller) {
            // A label that somebody else put on the script grants nothing by the way.
            let asked = |name: &String| said.secrets.as_ref().is_some_and(|names| names.contains(name));
            let wanted: Vec<(String, How)> = secrets
                .iter()
                .filter(|secret| asked(&secret.name) || said.secrets.is_none() && !said.labels.is_empty())
                .filter(|secret| may_grant(caller, &secret.terms, &script.key, &said.labels))
                .map(|secret| {
                    let how = if asked(&secret.name) { How::ByName } else { How::ByLabel };
                    (secret.name.clone(), how)
                })
                .collect();
            if !wanted.is_empty() {
                self.store.grant_secrets(&script.key, wanted, caller.id().map(str::to_owned), now).await?;
            }
        }
        let asked = settings.secrets.unwrap_or_default();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let granted = self.store.secrets_of(&script.key).await?;
        let refused = |name: &String| -> Option<NotGranted> {
            let why = match secrets.iter().find(|secret| secret.name == *name) {
                None => "not there: there is no secret of this name",
                Some(secret) if !secret.terms.are_for(&script.key, &settings.labels) => {
                    "not there: it is set for other scripts"
                }
                Some(_) if !granted.iter().any(|secret| secret.name == *name) => {
                    "not there: a token with the scope grant must grant it to this script"
                }
                Some(_) => return None,
            };
            Some(NotGranted { what: "secrets".into(), asked: name.clone(), in_force: why.into() })
        };
        Ok(asked.iter().filter_map(refused).collect())
    }

    /// Checks that a caller can grant these secrets to a script by name: they are there, and set for it.
    pub(super) async fn check_secrets_for(
        &self,
        caller: &Caller,
        script: &Script,
        names: &[String],
    ) -> Result<(), Problem> {
        let labels: Labels = script.in_force().labels;
        for name in names {
            let secret = self.store.secret(name).await?;
            let secret = secret
                .ok_or_else(|| Problem::invalid("secrets", format!("there is no secret {:?}", body::short(name))))?;
            if !secret.terms.are_for(&script.key, &labels) {
                let detail = format!(
                    "the secret {name} is set for other scripts; set it for this one, or for a label that it has"
                );
                return Err(Problem::invalid("secrets", detail));
            }
            if !may_grant(caller, &secret.terms, &script.key, &labels) {
                return Err(Problem::out_of_reach(caller));
            }
        }
        Ok(())
    }
}

/// Whether a caller may grant a secret to a script of this key and these labels: one who is limited to some scripts must
/// be the label's own, or the secret set for the script by name.
fn may_grant(caller: &Caller, terms: &SecretTerms, key: &str, labels: &Labels) -> bool {
    let may = |label: &String| !caller.is_limited() || has_label(caller, label);
    terms.scripts.iter().any(|script| script == key) || terms.labels_of(labels).any(may)
}

fn has_label(caller: &Caller, label: &String) -> bool {
    match caller {
        Caller::Local => true,
        Caller::Token(token) => token.labels.as_ref().is_some_and(|labels| labels.contains(label)),
    }
}
