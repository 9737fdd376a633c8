//! Secrets: sealed, told of without their values, removed, sealed again with another key; and which scripts get them.

use super::text::quoted;
use super::{Service, ServiceError};
use crate::access::Caller;
use crate::keyring::KeyError;
use crate::limits::NotGranted;
use crate::publication::ScriptFilter;
use crate::script::{Labels, Script, Settings};
use crate::secret::{self, Secret, SecretTerms};
use crate::store::grants::How;
use cronbox_runtime::secrets::RequestParts;
use zeroize::Zeroizing;

/// A secret as its callers see it: without its value, scripts and labels outside of their reach left out.
#[derive(Clone, Debug)]
pub struct SecretView {
    /// The secret; its terms name what the caller can see.
    pub secret: Secret,
    /// The scripts that have it.
    pub granted: Vec<String>,
    /// Whether its value can be read here: the key that sealed it is there.
    pub is_readable: bool,
}

/// What came of setting a secret.
#[derive(Clone, Debug)]
pub struct SetSecret {
    /// The secret as it is now.
    pub view: SecretView,
    /// Whether there was none of that name.
    pub is_new: bool,
    /// What whoever runs the server has to know, in a sentence.
    pub warning: Option<String>,
}

/// What came of sealing all secrets with another key.
#[derive(Clone, Debug)]
pub struct Resealed {
    /// The key's name.
    pub key: String,
    /// How many were sealed again.
    pub resealed: u64,
    /// Those that could not be read with any key that is there, by name.
    pub unreadable: Vec<String>,
    /// What whoever runs the server has to know, in a sentence.
    pub warning: Option<String>,
}

fn no_such_secret(name: &str) -> ServiceError {
    ServiceError::not_found("no_such_secret", format!("there is no secret {:?}", quoted(name)))
}

/// The parts of a request that a secret can be placed in, from the words for them.
///
/// # Errors
/// A word is none of `headers`, `query` and `body`.
pub fn request_parts(words: &[String]) -> Result<RequestParts, ServiceError> {
    let mut parts = RequestParts::default();
    for word in words {
        match word.as_str() {
            "headers" => {}
            "query" => parts.query = true,
            "body" => parts.body = true,
            other => {
                return Err(ServiceError::invalid(
                    "in",
                    format!("{:?} is none of headers, query, body", quoted(other)),
                ));
            }
        }
    }
    Ok(parts)
}

/// Whether a caller can grant a secret to a script of this key and these labels: one who is limited to some scripts must
/// be the label's own, or the secret set for the script by name.
fn may_grant(caller: &Caller, terms: &SecretTerms, key: &str, labels: &Labels) -> bool {
    let may = |label: &String| !caller.is_limited() || caller.has_label(label);
    terms.scripts.iter().any(|script| script == key) || terms.labels_of(labels).any(may)
}

/// Which secrets a script gets from a caller who grants, and how, when they ask for it with these settings. A label that
/// another caller put on the script grants nothing by the way.
pub(super) fn secrets_asked(
    caller: &Caller,
    script: &Script,
    asked: &Settings,
    secrets: &[Secret],
) -> Vec<(String, How)> {
    let by_name = |name: &String| asked.secrets.as_ref().is_some_and(|names| names.contains(name));
    let by_label = asked.secrets.is_none() && !asked.labels.is_empty();
    secrets
        .iter()
        .filter(|secret| by_name(&secret.name) || by_label)
        .filter(|secret| may_grant(caller, &secret.terms, &script.key, &asked.labels))
        .map(|secret| {
            let how = if by_name(&secret.name) { How::ByName } else { How::ByLabel };
            (secret.name.clone(), how)
        })
        .collect()
}

impl Service {
    /// The secrets that the caller can see, by name.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn secrets(&self, caller: &Caller) -> Result<Vec<SecretView>, ServiceError> {
        let mut seen = Vec::new();
        for secret in self.store.secrets().await? {
            if self.reaches_some(caller, &secret.terms).await? {
                seen.push(secret);
            }
        }
        self.views(caller, seen).await
    }

    /// A secret by its name.
    ///
    /// # Errors
    /// It is not there, or for none of the caller's scripts.
    pub async fn secret(&self, caller: &Caller, name: &str) -> Result<SecretView, ServiceError> {
        let secret = self.store.secret(name).await?.ok_or_else(|| no_such_secret(name))?;
        if !self.reaches_some(caller, &secret.terms).await? {
            return Err(no_such_secret(name));
        }
        self.view(caller, secret).await
    }

    /// Seals a secret and keeps it, in place of one of that name.
    ///
    /// # Errors
    /// The name, the value or the terms cannot be; they are for scripts outside of the caller's reach; or there is no key.
    pub async fn set_secret(
        &self,
        caller: &Caller,
        name: String,
        terms: SecretTerms,
        value: Zeroizing<String>,
    ) -> Result<SetSecret, ServiceError> {
        secret::check_name(&name)?;
        secret::check_value(&value)?;
        terms.check()?;
        self.check_grantable(&terms.patterns()?)?;
        let now = self.clock.now();
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
            serde_json::to_string(&terms).map_err(|error| ServiceError::malformed("bad_json", error.to_string()))?;
        let (key, sealed) = Default::default();
        let (created_at, updated_at, created_by) = (now, now, caller.id().map(str::to_owned));
        let mut secret =
            Secret { name: name.clone(), terms, sealed_terms, key, sealed, created_at, updated_at, created_by };
        let mut keys: Vec<String> =
            others.iter().filter(|other| other.name != name).map(|other| other.key.clone()).collect();
        keys.extend(self.store.channels().await?.into_iter().map(|channel| channel.key));
        let warning = self.keyring.seal(&mut secret, value.as_bytes(), &keys)?;
        if let Some(warning) = &warning {
            tracing::warn!("{warning}");
        }
        let is_new = self.store.set_secret(secret, covered, granted, now).await?;
        tracing::info!(secret = name, "a secret was set");
        let secret = self.store.secret(&name).await?.ok_or_else(|| no_such_secret(&name))?;
        Ok(SetSecret { view: self.view(caller, secret).await?, is_new, warning })
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// It is not there, or for scripts outside of the caller's reach.
    pub async fn remove_secret(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        let secret = self.store.secret(name).await?.ok_or_else(|| no_such_secret(name))?;
        self.check_reach_of_all(caller, &secret.terms).await?;
        match self.store.remove_secret(name).await? {
            true => Ok(()),
            false => Err(no_such_secret(name)),
        }
    }

    /// Seals all secrets with another key. Runs go on meanwhile.
    ///
    /// # Errors
    /// There is no key, or it cannot be written.
    pub async fn rotate_keys(&self) -> Result<Resealed, ServiceError> {
        let _turn = self.sealing.lock().await;
        let secrets = self.store.secrets().await?;
        let channels = self.store.channels().await?;
        let mut used: Vec<String> = secrets.iter().map(|secret| secret.key.clone()).collect();
        used.extend(channels.iter().map(|channel| channel.key.clone()));
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
        let mut resealed = self.store.reseal_secrets(resealed).await?;
        resealed += self.reseal_channels(channels, &keys, &first, &mut unreadable).await?;
        let mut used: Vec<String> = self.store.secrets().await?.into_iter().map(|secret| secret.key).collect();
        used.extend(self.store.channels().await?.into_iter().map(|channel| channel.key));
        self.keyring.forget_old(&used)?;
        Ok(Resealed { key: first, resealed, unreadable, warning })
    }

    /// Says which of the secrets that a script asks for it does not get, and why.
    pub(super) async fn secrets_refused(
        &self,
        script: &Script,
        settings: &Settings,
        secrets: &[Secret],
    ) -> Result<Vec<NotGranted>, ServiceError> {
        let asked = settings.secrets.as_deref().unwrap_or_default();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let granted = self.store.secrets_of(&script.key).await?;
        let refused = |name: &String| -> Option<NotGranted> {
            let (why, grantable) = match secrets.iter().find(|secret| secret.name == *name) {
                None => ("not there: there is no secret of this name", false),
                Some(secret) if !secret.terms.are_for(&script.key, &settings.labels) => {
                    ("not there: it is set for other scripts", false)
                }
                Some(_) if !granted.iter().any(|secret| secret.name == *name) => {
                    ("not there: a token with the scope grant must grant it to this script", true)
                }
                Some(_) => return None,
            };
            Some(NotGranted { what: "secrets".into(), asked: name.clone(), in_force: why.into(), grantable })
        };
        Ok(asked.iter().filter_map(refused).collect())
    }

    /// Checks that a caller can grant these secrets to a script by name: they are there, and set for it.
    pub(super) async fn check_secrets_for(
        &self,
        caller: &Caller,
        script: &Script,
        names: &[String],
    ) -> Result<(), ServiceError> {
        let labels: Labels = script.in_force().labels;
        for name in names {
            let secret = self.store.secret(name).await?;
            let unknown = || ServiceError::invalid("secrets", format!("there is no secret {:?}", quoted(name)));
            let secret = secret.ok_or_else(unknown)?;
            if !secret.terms.are_for(&script.key, &labels) {
                let detail = format!(
                    "the secret {name} is set for other scripts; set it for this one, or for a label that it has"
                );
                return Err(ServiceError::invalid("secrets", detail));
            }
            if !may_grant(caller, &secret.terms, &script.key, &labels) {
                return Err(ServiceError::out_of_reach(caller));
            }
        }
        Ok(())
    }

    /// The scripts that terms are for, and to which of them setting the secret grants it: those that are named, and those
    /// that have a label which the secret was not set for before. Who has had such a label for longer has the secret
    /// already, or put the label there to get it.
    async fn grants_of(
        &self,
        terms: &SecretTerms,
        before: Option<&SecretTerms>,
    ) -> Result<(Vec<String>, Vec<(String, How)>), ServiceError> {
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

    async fn view(&self, caller: &Caller, secret: Secret) -> Result<SecretView, ServiceError> {
        let name = secret.name.clone();
        self.views(caller, vec![secret]).await?.pop().ok_or_else(|| no_such_secret(&name))
    }

    async fn views(&self, caller: &Caller, secrets: Vec<Secret>) -> Result<Vec<SecretView>, ServiceError> {
        let reach = self.reach_of(caller).await?;
        let is_seen = |key: &String| reach.as_ref().is_none_or(|reach| reach.contains(key));
        let keys = self.keyring.keys().ok();
        let grants = self.store.grants().await?;
        let view = |mut secret: Secret| {
            let granted = grants.iter().filter(|grant| grant.kind == "secret" && grant.name == secret.name);
            let granted = granted.map(|grant| grant.script.clone()).filter(is_seen).collect();
            secret.terms.scripts.retain(is_seen);
            secret.terms.labels.retain(|label| !caller.is_limited() || caller.has_label(label));
            let is_readable = keys.as_ref().is_some_and(|keys| keys.has_key_of(&secret));
            SecretView { secret, granted, is_readable }
        };
        Ok(secrets.into_iter().map(view).collect())
    }

    async fn reaches_script(&self, caller: &Caller, key: &str) -> Result<bool, ServiceError> {
        let script = self.store.script(key).await?;
        let labels = script.map(|script| script.in_force().labels).unwrap_or_default();
        Ok(caller.reaches(key, &labels))
    }

    /// Whether a caller can know of a secret: it is for some of their scripts.
    async fn reaches_some(&self, caller: &Caller, terms: &SecretTerms) -> Result<bool, ServiceError> {
        if !caller.is_limited() || terms.labels.iter().any(|label| caller.has_label(label)) {
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
    async fn check_reach_of_all(&self, caller: &Caller, terms: &SecretTerms) -> Result<(), ServiceError> {
        if !caller.is_limited() {
            return Ok(());
        }
        if !terms.labels.iter().all(|label| caller.has_label(label)) {
            return Err(ServiceError::out_of_reach(caller));
        }
        for key in &terms.scripts {
            if !self.reaches_script(caller, key).await? {
                return Err(ServiceError::out_of_reach(caller));
            }
        }
        Ok(())
    }
}
