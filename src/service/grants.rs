//! Grants: what scripts are allowed beyond the default.

use super::secrets::secrets_asked;
use super::{Service, ServiceError};
use crate::access::Caller;
use crate::clock::Time;
use crate::limits::{self, NotGranted, RequestedLimits};
use crate::script::{Name, Script, Settings};
use crate::secret::Secret;
use crate::store::grants::{Grant, GrantedHosts, How, NewGrants};
use cronbox_runtime::Limits;
use cronbox_runtime::limits::LimitName;
use cronbox_runtime::network::HostPattern;

/// What is to be granted to a script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GrantRequest {
    /// Limits above the defaults.
    pub limits: RequestedLimits,
    /// Hosts that it can reach when it asks for them.
    pub hosts: GrantedHosts,
    /// Secrets, by name.
    pub secrets: Vec<String>,
}

impl Service {
    /// The grants of scripts that the caller can see.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn grants(&self, caller: &Caller) -> Result<Vec<Grant>, ServiceError> {
        let reach = self.reach_of(caller).await?;
        let grants = self.store.grants().await?;
        let is_seen = |grant: &Grant| reach.as_ref().is_none_or(|reach| reach.contains(&grant.script));
        Ok(grants.into_iter().filter(is_seen).collect())
    }

    /// Grants a script more than the default.
    ///
    /// # Errors
    /// It is beyond the operator's ceiling, or there is nothing to grant; the script or a secret is not there, or not within
    /// the caller's reach.
    pub async fn grant(&self, caller: &Caller, script: &str, asked: GrantRequest) -> Result<(), ServiceError> {
        if asked == GrantRequest::default() {
            return Err(ServiceError::invalid("limits", "there is nothing to grant"));
        }
        let GrantRequest { limits, hosts, secrets } = asked;
        let all: Vec<HostPattern> = hosts.hosts.iter().chain(&hosts.unverified).cloned().collect();
        self.check_grantable(&all)?;
        if let Some((name, why)) = limits.beyond(&self.policy.ceiling) {
            return Err(ServiceError::invalid(format!("limits.{name}"), why));
        }
        let script = self.script_for(caller, script).await?;
        let (by, now) = (caller.id().map(str::to_owned), self.clock.now());
        self.check_secrets_for(caller, &script, &secrets).await?;
        let secrets = secrets.into_iter().map(|name| (name, How::ByName)).collect();
        if !self.store.grant(&script.key, NewGrants { limits, hosts, secrets }, by, now).await? {
            return Err(ServiceError::script_gone());
        }
        Ok(())
    }

    /// Takes a grant back: a limit for runs that are made from now on, a host or a secret from their next attempt on.
    ///
    /// # Errors
    /// It is not there, or its script is not within the caller's reach.
    pub async fn revoke(&self, caller: &Caller, script: &str, kind: &str, name: &str) -> Result<(), ServiceError> {
        let key = match Name::parse(script) {
            // A secret can be granted to a script that is not there yet.
            Ok(name) if kind == "secret" && self.store.script(name.key()).await?.is_none() => {
                self.check_reach(caller, name.key(), None)?;
                name.key().to_owned()
            }
            _ => self.script_for(caller, script).await?.key,
        };
        match self.store.revoke(&key, kind, name).await? {
            true => Ok(()),
            false => Err(ServiceError::not_found("no_such_grant", "there is no such grant")),
        }
    }

    /// Refuses hosts beyond the operator's ceiling.
    pub(super) fn check_grantable(&self, hosts: &[HostPattern]) -> Result<(), ServiceError> {
        let possible = self.policy.grantable(hosts);
        match hosts.iter().find(|host| !possible.covers(host)) {
            Some(beyond) => Err(ServiceError::invalid("hosts", format!("{beyond} is {}", limits::BEYOND))),
            None => Ok(()),
        }
    }

    /// Refuses limits that no run can have.
    pub(crate) fn check_limits(&self, limits: &Limits) -> Result<(), ServiceError> {
        let field = |name: LimitName| match name {
            LimitName::Fuel => "limits.fuel",
            LimitName::Memory => "limits.memory",
            LimitName::Timeout => "limits.timeout",
            LimitName::Output => "limits.output",
            LimitName::Result | LimitName::Files => "limits",
        };
        limits.check(self.policy.interpreter_memory).map_err(|error| {
            use cronbox_runtime::limits::LimitError::{AboveCeiling, BelowInterpreter, Zero};
            let at = match error {
                Zero(name) | AboveCeiling { name, .. } => field(name),
                BelowInterpreter { .. } => "limits.memory",
            };
            ServiceError::invalid(at, limits::sentence(&error, |name| field(name).to_owned()))
        })
    }

    /// Grants what the caller asks for with `asked_now`, all of it or nothing, when they can; and says what of all that the
    /// script asks for is not granted. What others have asked for before is not granted by the way.
    pub(crate) async fn grant_what_is_asked(
        &self,
        caller: &Caller,
        script: &Script,
        asked_now: &Settings,
        now: Time,
    ) -> Result<Vec<NotGranted>, ServiceError> {
        let settings = script.in_force();
        let limits = settings.limits.asked()?;
        let hosts = settings.hosts_to_grant().map_err(|why| ServiceError::invalid("allow", why))?;
        let secrets = self.store.secrets().await?;
        if caller.grants_itself() {
            let asked = self.grants_asked(caller, script, asked_now, &secrets)?;
            if asked != NewGrants::default() {
                self.store.grant(&script.key, asked, caller.id().map(str::to_owned), now).await?;
            }
        }
        let granted = self.store.granted_limits(&script.key).await?;
        let (_, mut refused) = limits.in_force(&granted, &self.policy.defaults, &self.policy.ceiling);
        if !hosts.is_empty() {
            let granted = self.store.granted_hosts(&script.key).await?.hosts;
            refused.extend(self.policy.hosts_refused(&hosts, &granted));
        }
        refused.extend(self.secrets_refused(script, &settings, &secrets).await?);
        Ok(refused)
    }

    /// What a caller who grants asks for with these settings. No more than can be in force now: a ceiling that is raised
    /// later grants nothing by itself.
    fn grants_asked(
        &self,
        caller: &Caller,
        script: &Script,
        asked: &Settings,
        secrets: &[Secret],
    ) -> Result<NewGrants, ServiceError> {
        let limits = asked.limits.asked()?.above(&self.policy.defaults).within(&self.policy.ceiling);
        let mut hosts = asked.hosts_to_grant().map_err(|why| ServiceError::invalid("allow", why))?;
        let possible = self.policy.grantable(&hosts);
        hosts.retain(|host| possible.covers(host));
        let hosts = GrantedHosts { hosts, unverified: Vec::new() };
        Ok(NewGrants { limits, hosts, secrets: secrets_asked(caller, script, asked, secrets) })
    }

    /// What of these limits above the defaults a caller, or an earlier grant to the script, allows.
    pub(super) async fn granted(
        &self,
        caller: &Caller,
        script: Option<&str>,
        asked: &RequestedLimits,
        defaults: &Limits,
    ) -> Result<RequestedLimits, ServiceError> {
        let above = asked.above(defaults);
        if above == RequestedLimits::default() || caller.grants_itself() {
            return Ok(above);
        }
        match script {
            Some(key) => Ok(self.store.granted_limits(key).await?),
            None => Ok(RequestedLimits::default()),
        }
    }
}
