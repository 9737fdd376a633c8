//! Alerts: made, changed, shown, muted, deleted.

use super::text::quoted;
use super::{Service, ServiceError};
use crate::access::Caller;
use crate::alert::{
    About, Alert, Condition, ConditionError, LEAST_REPEAT, MAX_NOTIFY, MAX_OWN, NewAlert, REPEAT, Test,
};
use crate::clock::Time;
use crate::exact;
use crate::precondition::Precondition;
use crate::quantity::{self, Quantity};
use crate::script::{Name, Script, has_label};
use crate::store::alerts::{AlertFilter, KeptAlert};
use crate::suggest::nearest;
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest time for which an alert is muted.
const LONGEST_MUTE: Duration = Duration::from_hours(24 * 366);
/// Longest name of a channel.
const LONGEST_NAME: usize = 100;
/// Places of results that are named in a warning.
const MOST_PLACES: usize = 10;
/// Alerts that are fetched at once.
const TOGETHER: usize = 100;

/// What is asked of an alert.
#[derive(Clone, Debug, Default)]
pub struct AlertRequest {
    /// What it is about; none is an error.
    pub about: Option<About>,
    /// The condition.
    pub text: Option<String>,
    /// The channels that are told.
    pub notify: Vec<String>,
    /// After how long it is said again: a time, or `never`.
    pub repeat: Option<Quantity>,
    /// Whether it is said that it is over.
    pub recovered: Option<bool>,
}

/// An alert, as a caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertView {
    /// The alert.
    pub alert: Alert,
    /// What can keep it from being useful, in sentences.
    pub warnings: Vec<String>,
}

impl From<ConditionError> for ServiceError {
    fn from(error: ConditionError) -> Self {
        let column = error.text.get(..error.at).map(|before| before.chars().count() + 1);
        let refused = ServiceError::invalid("text", error.to_string()).code("bad_condition");
        ServiceError { column: column.and_then(|column| u32::try_from(column).ok()), ..refused }
    }
}

fn no_such_alert(id: &Name) -> ServiceError {
    ServiceError::not_found("no_such_alert", format!("there is no alert {id}"))
}

/// An alert that is not what a change was to be made to.
fn other(id: &Name, asked: &Precondition, tag: Option<&str>) -> ServiceError {
    ServiceError::changed(&format!("the alert {id}"), "revision", asked, tag)
}

fn of_block(id: &Name, script: &str) -> ServiceError {
    let detail = format!("the alert {id} is made by the block of the script {script}: change it there (alerts = […])");
    ServiceError::conflict("alert_of_script", detail)
}

/// After how long an alert says again that it fires.
fn repeat_of(repeat: Option<Quantity>) -> Result<Option<Duration>, ServiceError> {
    let Some(repeat) = repeat else { return Ok(Some(REPEAT)) };
    let text = repeat.to_string();
    if text == "never" {
        return Ok(None);
    }
    match quantity::parse_duration(&text) {
        Ok(time) if time >= LEAST_REPEAT => Ok(Some(time)),
        Ok(_) => Err(ServiceError::invalid("repeat", "repeat is 1m at least, or never")),
        Err(why) => Err(ServiceError::invalid("repeat", format!("repeat: {why}, or never"))),
    }
}

/// Refuses names of channels that cannot be, and more than an alert tells.
fn check_notify(notify: &[String]) -> Result<(), String> {
    let distinct: BTreeSet<&String> = notify.iter().collect();
    if notify.len() > MAX_NOTIFY || distinct.len() < notify.len() {
        return Err(format!("an alert tells at most {MAX_NOTIFY} channels, each once"));
    }
    let bad = |name: &&String| name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control);
    match notify.iter().find(bad) {
        Some(name) => Err(format!("{:?} is not the name of a channel", quoted(name))),
        None => Ok(()),
    }
}

impl Service {
    /// Makes or changes an alert; whether it is new.
    ///
    /// # Errors
    /// A field cannot be; what it is about is not within the caller's reach; the alert is not what was asked for, or is made by
    /// the block of a script.
    pub async fn put_alert(
        &self,
        caller: &Caller,
        id: &str,
        request: AlertRequest,
        asked: &Precondition,
    ) -> Result<(AlertView, bool), ServiceError> {
        let id = Name::parse(id).map_err(|error| ServiceError::from(error).field("id"))?;
        if let Some(existing) = self.store.alert(id.key()).await? {
            self.check_about(caller, &existing.asked.about).await?;
        }
        let missing = "about says what is watched: {\"script\": …}, {\"schedule\": …}, {\"label\": \"team=data\"} or {\"everything\": true}";
        let about = request.about.ok_or_else(|| ServiceError::invalid("about", missing))?;
        self.check_about(caller, &about).await?;
        let missing = "text is the condition, such as failed, late 5m, or /price > 100";
        let text = request.text.ok_or_else(|| ServiceError::invalid("text", missing))?;
        let condition: Condition = text.parse().map_err(ServiceError::from)?;
        check_notify(&request.notify).map_err(|why| ServiceError::invalid("notify", why))?;
        let repeat = repeat_of(request.repeat)?;
        let new =
            NewAlert { about, condition, notify: request.notify, repeat, recovered: request.recovered.unwrap_or(true) };
        match self.store.keep_alert(&id, new, asked, caller.id(), self.clock.now()).await? {
            KeptAlert::Kept(alert, is_new) => Ok((self.view_of(*alert).await?, is_new)),
            KeptAlert::OfBlock(script) => Err(of_block(&id, &script)),
            KeptAlert::Other(tag) => Err(other(&id, asked, tag.as_deref())),
            KeptAlert::Deleted => Err(no_such_alert(&id)),
        }
    }

    /// How a condition is read; and what can keep an alert with it from being useful, when what it is about is said.
    ///
    /// # Errors
    /// The condition is not understood; what it is about is not within the caller's reach.
    pub async fn preview_condition(
        &self,
        caller: &Caller,
        text: &str,
        about: Option<About>,
    ) -> Result<(Condition, Vec<String>), ServiceError> {
        let condition: Condition = text.parse().map_err(ServiceError::from)?;
        let Some(about) = about else { return Ok((condition, Vec::new())) };
        self.check_about(caller, &about).await?;
        let warnings = self.about_warnings(&about, &condition).await?;
        Ok((condition, warnings))
    }

    /// The alert of that id.
    ///
    /// # Errors
    /// It is not there, or it is about something that is not within the caller's reach.
    pub async fn alert_for(&self, caller: &Caller, id: &str) -> Result<AlertView, ServiceError> {
        let alert = self.found_alert(caller, id).await?;
        self.view_of(alert).await
    }

    async fn found_alert(&self, caller: &Caller, id: &str) -> Result<Alert, ServiceError> {
        let id = Name::parse(id).map_err(|error| ServiceError::from(error).field("id"))?;
        let alert = self.store.alert(id.key()).await?.ok_or_else(|| no_such_alert(&id))?;
        self.check_about(caller, &alert.asked.about).await?;
        Ok(alert)
    }

    /// At most `limit` alerts that the caller can see, by key.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn alerts_for(&self, caller: &Caller, filter: AlertFilter) -> Result<Vec<Alert>, ServiceError> {
        let limit = filter.limit;
        let mut filter = AlertFilter { limit: TOGETHER.max(limit), ..filter };
        let mut found = Vec::new();
        loop {
            let alerts = self.store.alerts(filter.clone()).await?;
            let is_last = alerts.len() < filter.limit;
            filter.after = alerts.last().map(|alert| alert.key.clone());
            for alert in alerts {
                if !caller.is_limited() || self.check_about(caller, &alert.asked.about).await.is_ok() {
                    found.push(alert);
                }
            }
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// Deletes an alert.
    ///
    /// # Errors
    /// Those of [`Service::alert_for`]; it is not what was asked for, or is made by the block of a script.
    pub async fn delete_alert(&self, caller: &Caller, id: &str, asked: &Precondition) -> Result<(), ServiceError> {
        let alert = self.found_alert(caller, id).await?;
        let id = Name::parse(&alert.id)?;
        match self.store.delete_alert(&alert.key, asked).await? {
            KeptAlert::OfBlock(script) => Err(of_block(&id, &script)),
            KeptAlert::Other(tag) => Err(other(&id, asked, tag.as_deref())),
            KeptAlert::Deleted | KeptAlert::Kept(..) => Ok(()),
        }
    }

    /// Mutes an alert until a time, or lets it speak again.
    ///
    /// # Errors
    /// Those of [`Service::alert_for`]; the time is over, or too far ahead.
    pub async fn mute_alert(&self, caller: &Caller, id: &str, until: Option<Time>) -> Result<AlertView, ServiceError> {
        let alert = self.found_alert(caller, id).await?;
        let now = self.check_mute(until)?;
        let muted = self.store.mute_alert(&alert.key, until, now).await?;
        let gone = || ServiceError::not_found("no_such_alert", "the alert was deleted meanwhile");
        self.view_of(muted.ok_or_else(gone)?).await
    }

    /// Mutes all alerts until a time, or lets them speak again: a maintenance window.
    ///
    /// # Errors
    /// The time is over, or too far ahead.
    pub async fn mute_all(&self, until: Option<Time>) -> Result<(), ServiceError> {
        let now = self.check_mute(until)?;
        Ok(self.store.mute_all(until, now).await?)
    }

    fn check_mute(&self, until: Option<Time>) -> Result<Time, ServiceError> {
        let now = self.clock.now();
        match until {
            Some(until) if until <= now => Err(ServiceError::invalid("until", "that time is over")),
            Some(until) if until > crate::clock::after(now, LONGEST_MUTE) => {
                Err(ServiceError::invalid("until", "that is too far ahead: at most 366d"))
            }
            _ => Ok(now),
        }
    }

    /// Refuses a caller who cannot see everything that an alert is about: what it tells is about that.
    async fn check_about(&self, caller: &Caller, about: &About) -> Result<(), ServiceError> {
        if !caller.is_limited() {
            return Ok(());
        }
        match about {
            About::Script(name) => {
                let script = self.store.script(name.key()).await?;
                self.check_reach(caller, name.key(), script.as_ref())
            }
            About::Schedule(name) => match self.schedule_if_any(caller, name).await? {
                Some(_) => Ok(()),
                None => Err(ServiceError::out_of_reach(caller)),
            },
            About::Label(key, value) => {
                let label = [(key.clone(), value.clone())].into();
                let covers = |wanted: &String| has_label(&label, wanted);
                match caller.reach().labels.is_some_and(|labels| labels.iter().any(covers)) {
                    true => Ok(()),
                    false => Err(ServiceError::out_of_reach(caller)),
                }
            }
            About::Everything => Err(ServiceError::out_of_reach(caller)),
        }
    }

    async fn view_of(&self, alert: Alert) -> Result<AlertView, ServiceError> {
        let warnings = self.alert_warnings(&alert.asked).await?;
        Ok(AlertView { alert, warnings })
    }

    /// What can keep the alerts of a script's block from being useful, each once.
    pub(super) async fn warnings_of_own_alerts(&self, script: &Script) -> Result<Vec<String>, ServiceError> {
        let about = Some(format!("script:{}", script.key));
        let filter = AlertFilter { about, limit: MAX_OWN, ..AlertFilter::default() };
        let mut warnings: Vec<String> = Vec::new();
        for alert in self.store.alerts(filter).await? {
            if alert.script.as_deref() == Some(&*script.key) {
                for warning in self.alert_warnings(&alert.asked).await? {
                    let warning = format!("alerts: {warning}");
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
        }
        Ok(warnings)
    }

    /// What can keep an alert from being useful, in sentences.
    async fn alert_warnings(&self, asked: &NewAlert) -> Result<Vec<String>, ServiceError> {
        let mut warnings = Vec::new();
        if asked.notify.is_empty() {
            warnings.push("it tells no channel: notify is empty".to_owned());
        }
        for channel in self.store.unknown_channels(asked.notify.clone()).await? {
            warnings.push(format!("there is no channel {channel} yet"));
        }
        warnings.extend(self.about_warnings(&asked.about, &asked.condition).await?);
        Ok(warnings)
    }

    /// What it is about is not there, or has no result so far that meets the condition.
    async fn about_warnings(&self, about: &About, condition: &Condition) -> Result<Vec<String>, ServiceError> {
        let mut warnings = Vec::new();
        match about {
            About::Script(name) if self.store.script(name.key()).await?.is_none() => {
                warnings.push(format!("there is no script {name} yet"));
            }
            About::Schedule(name) if self.store.schedule(name.key()).await?.is_none() => {
                warnings.push(format!("there is no schedule {name} yet"));
            }
            _ => {}
        }
        if let Condition::Result(pointer, test) = condition {
            let results = self.store.recent_results(about).await?;
            warnings.extend(impossible(pointer, test, &results));
        }
        Ok(warnings)
    }
}

/// Why a condition can be true of none of these results, if it cannot.
fn impossible(pointer: &str, test: &Test, results: &[String]) -> Option<String> {
    if results.is_empty() || matches!(test, Test::Missing) {
        return None;
    }
    let count = results.len();
    let found: Vec<&str> =
        results.iter().filter_map(|result| exact::pointer(result, pointer)).filter(|value| *value != "null").collect();
    let last = if count == 1 { "the last result has".to_owned() } else { format!("the last {count} results have") };
    if found.is_empty() {
        let places = results.first().map(|result| exact::numbers(result, MOST_PLACES)).unwrap_or_default();
        let places: Vec<String> =
            places.into_iter().map(|(place, _)| place).filter(|place| !place.is_empty()).collect();
        let meant = match nearest(pointer, places.iter().map(String::as_str)) {
            Some(near) => format!("; did you mean {near}?"),
            None if places.is_empty() => String::new(),
            None => format!("; there are {}", places.join(", ")),
        };
        return Some(format!("{last} nothing at {pointer}{meant}"));
    }
    let asks_number = !matches!(test, Test::Equal(_) | Test::Unequal(_) | Test::Changed(None));
    let is_number = |value: &&str| value.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    (asks_number && !found.iter().any(is_number)).then(|| format!("{last} no number at {pointer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_no_result_can_meet_is_told() {
        let told = |text: &str, results: &[&str]| {
            let Ok(Condition::Result(pointer, test)) = text.parse() else { panic!("{text}") };
            impossible(&pointer, &test, &results.iter().map(|result| (*result).to_owned()).collect::<Vec<_>>())
        };
        let results = [r#"{"price": 5, "name": "x"}"#, r#"{"price": 6}"#];
        assert_eq!(
            told("/prise > 5", &results).as_deref(),
            Some("the last 2 results have nothing at /prise; did you mean /price?")
        );
        assert_eq!(told("/name > 5", &results[..1]).as_deref(), Some("the last result has no number at /name"));
        for fine in ["/price > 5", "/name = x", "/name changed", "/other missing"] {
            assert_eq!(told(fine, &results), None, "{fine}");
        }
        assert_eq!(told("/prise > 5", &[]), None);
    }
}
