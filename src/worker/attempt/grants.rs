//! What an attempt is given: the hosts that it can reach, and its secrets.

use crate::keyring::KeyError;
use crate::run::Run;
use crate::script::Labels;
use crate::secret::{AttemptSecrets, Secret};
use crate::store::StoreError;
use crate::store::grants::GrantedHosts;
use crate::worker::Worker;
use cronbox_runtime::network::{NetworkGrant, Policy};

/// Why an attempt cannot be given its secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Worker {
    /// What the run may reach: what it asks for, as far as it is granted now. None: nothing.
    pub(super) async fn network(&self, run: &Run) -> Result<Option<NetworkGrant>, StoreError> {
        let asked = &run.spec.allow;
        if asked.is_empty() {
            return Ok(None);
        }
        let mut granted = match &run.script {
            Some(key) => self.tools.store.granted_hosts(key).await?,
            None => GrantedHosts::default(),
        };
        granted.hosts.extend(run.spec.allowed.iter().cloned());
        Ok(Some(NetworkGrant {
            policy: Policy::in_force(asked, &granted.hosts, &self.tools.hosts),
            networks: self.tools.networks.clone(),
            unverified: granted.unverified,
            ..NetworkGrant::default()
        }))
    }

    /// The secrets that the run asks for, as far as they are granted to its script now; without `any` there are none.
    pub(super) async fn secrets(&self, run: &Run, any: bool) -> Result<AttemptSecrets, SecretsError> {
        let asked = run.spec.secrets.as_deref();
        let mut given = AttemptSecrets::default();
        let granted = match &run.script {
            Some(key) if any && asked.is_none_or(|asked| !asked.is_empty()) => {
                let granted = self.tools.store.secrets_of(key).await?;
                let labels = if granted.iter().all(|secret| secret.terms.are_for(key, &Labels::new())) {
                    Labels::new()
                } else {
                    // Those of the script, and not of the run, which whoever starts it may choose.
                    self.tools.store.script(key).await?.map(|script| script.in_force().labels).unwrap_or_default()
                };
                granted.into_iter().filter(|secret| secret.terms.are_for(key, &labels)).collect()
            }
            _ => Vec::new(),
        };
        let given_now: Vec<&Secret> =
            granted.iter().filter(|secret| asked.is_none_or(|asked| asked.contains(&secret.name))).collect();
        if !given_now.is_empty() {
            let keyring = self.tools.keyring.clone();
            let keys = tokio::task::spawn_blocking(move || keyring.keys()).await;
            let keys = keys.unwrap_or_else(|error| Err(KeyError::File(error.to_string())))?;
            for secret in given_now {
                let value = match keys.open(secret) {
                    // It may have been sealed anew, and its key forgotten, since it was read.
                    Err(KeyError::Lost { .. }) => match self.tools.store.secret(&secret.name).await? {
                        Some(now) if now.terms == secret.terms => self.tools.keyring.keys()?.open(&now)?,
                        _ => continue,
                    },
                    opened => opened?,
                };
                given.add(&secret.name, &secret.terms, value).map_err(|_| KeyError::NoRandomness)?;
            }
        }
        for name in asked.unwrap_or_default().iter().filter(|name| granted.iter().all(|secret| secret.name != **name)) {
            given.notes.push(match (&run.script, self.tools.store.secret(name).await?) {
                (None, _) => format!("the secret {name} is not there: only scripts that are saved have secrets"),
                (Some(_), None) => format!(
                    "the script asks for the secret {name}, which is not there: cronbox secret set {name} --host HOST --script {}",
                    run.name
                ),
                (Some(_), Some(_)) => format!(
                    "the script asks for the secret {name}, which it was not granted: cronbox grant {} --secret {name}",
                    run.name
                ),
            });
        }
        Ok(given)
    }
}
