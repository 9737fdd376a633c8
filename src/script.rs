//! Scripts: their names, their settings, and what a version is.

use crate::clock::Time;
use crate::hosts::WrittenHosts;
use crate::limits::{BadLimit, WrittenLimits};
use crate::precondition;
use crate::quantity::{self, Quantity};
use crate::requirement::Packages;
use cronbox_runtime::Outcome;
use cronbox_runtime::network::HostPattern;
use cronbox_runtime::report::{Mode, ResultKind};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

mod functions;
mod monitor;
mod name;
mod retry;
mod state;

pub use functions::{Function, Functions};
pub use name::{BadName, MAX_NAME, Name, key_of};
pub(crate) use retry::retries;
pub use retry::{Backoff, MAX_RETRIES, MAX_RETRY_DELAY, OnLost, Retries};
pub use state::{MAX_STATE, NewState, ScriptState, check_state};

/// Most labels of a script or a run.
pub const MAX_LABELS: usize = 32;
/// Most hosts that a script asks for.
const MAX_HOSTS: usize = 100;
/// Most secrets that a script asks for.
const MAX_SECRETS: usize = 100;
/// Longest title, in characters.
pub const MAX_TITLE: usize = 200;
/// Longest key or value of a label, in characters.
pub const MAX_LABEL: usize = 100;

/// Words to find scripts and runs by.
pub type Labels = BTreeMap<String, String>;

/// Whether a label that is written `key=value` is one of these.
pub fn has_label(labels: &Labels, label: &str) -> bool {
    label.split_once('=').is_some_and(|(key, value)| labels.get(key).is_some_and(|has| has == value))
}

/// What is wrong with labels, as a sentence; none when nothing is.
pub fn bad_labels(labels: &Labels) -> Option<String> {
    if labels.len() > MAX_LABELS {
        return Some(format!("there are {} labels; at most {MAX_LABELS} are kept", labels.len()));
    }
    labels.iter().find_map(|(key, value)| {
        let fine = |text: &str| text.chars().count() <= MAX_LABEL && !text.contains(char::is_control);
        (key.is_empty() || key.contains('=') || !fine(key) || !fine(value)).then(|| {
            let shown: String = key.chars().take(40).collect();
            format!("the label {shown:?}: keys and values have at most {MAX_LABEL} characters without control characters, and a key has no =")
        })
    })
}

/// How much of a script's history is kept. What says nothing is as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// Runs younger than this. A number is seconds.
    #[serde(skip_serializing_if = "Option::is_none", with = "optional_duration_text")]
    pub age: Option<Duration>,
    /// So many of the newest runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The newest runs whose arguments, results and output have so many bytes together.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "bytes_text")]
    pub bytes: Option<u64>,
    /// The output of runs younger than this.
    #[serde(skip_serializing_if = "Option::is_none", with = "optional_duration_text")]
    pub output: Option<Duration>,
}

impl Keep {
    /// This, and where it says nothing, the other.
    pub fn or(&self, other: &Keep) -> Keep {
        Keep {
            age: self.age.or(other.age),
            count: self.count.or(other.count),
            bytes: self.bytes.or(other.bytes),
            output: self.output.or(other.output),
        }
    }
}

fn bytes_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<Quantity>::deserialize(from)?.map(|quantity| quantity.to_string());
    text.map(|text| quantity::parse_bytes(&text)).transpose().map_err(serde::de::Error::custom)
}

mod optional_duration_text {
    use super::{Quantity, quantity};
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::duration_text::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<Quantity>::deserialize(from)?.map(|quantity| quantity.to_string());
        text.map(|text| quantity::parse_duration(&text)).transpose().map_err(serde::de::Error::custom)
    }
}

mod duration_text {
    use super::{Quantity, quantity};
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(value.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = Quantity::deserialize(from)?.to_string();
        quantity::parse_duration(&text).map_err(serde::de::Error::custom)
    }
}

/// What a script asks for itself, or somebody sets for it. Nothing here grants anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// A title for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `function` or `module:function`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// What becomes of the return value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<ResultKind>,
    /// An IANA zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Words to find the script and its runs by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    /// Whether a run is refused whose arguments do not fit the entry's parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_args: Option<bool>,
    /// Limits: `fuel`, `memory`, `timeout`, `output`.
    #[serde(skip_serializing_if = "WrittenLimits::is_empty")]
    pub limits: WrittenLimits,
    /// The environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Hosts the script wants to reach.
    #[serde(skip_serializing_if = "WrittenHosts::is_empty")]
    pub allow: WrittenHosts,
    /// Secrets the script wants, by name. One that names none gets those that are set for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// How many of its runs may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How often a run that failed is tried again.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "retries")]
    pub retries: Option<Retries>,
    /// After which outcomes it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<Outcome>>,
    /// What happens to an attempt that was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
    /// How much of its history is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// The address of the monitor that is told of its runs. Whoever knows it can use it: it is shown as [`Settings::shown`] has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<String>,
}

/// The names of all settings, for whoever checks what was sent.
pub const SETTINGS: &[&str] = &[
    "title",
    "entry",
    "result",
    "timezone",
    "labels",
    "validate_args",
    "limits",
    "env",
    "allow",
    "secrets",
    "concurrency",
    "retries",
    "retry_on",
    "on_lost",
    "keep",
    "heartbeat",
];

impl Settings {
    /// These settings, and where they say nothing, the others. Labels, limits and the environment are joined name by name.
    pub fn or(&self, other: &Settings) -> Settings {
        fn joined<V: Clone>(first: &BTreeMap<String, V>, second: &BTreeMap<String, V>) -> BTreeMap<String, V> {
            let mut all = second.clone();
            all.extend(first.iter().map(|(name, value)| (name.clone(), value.clone())));
            all
        }
        Settings {
            title: self.title.clone().or_else(|| other.title.clone()),
            entry: self.entry.clone().or_else(|| other.entry.clone()),
            result: self.result.or(other.result),
            timezone: self.timezone.clone().or_else(|| other.timezone.clone()),
            labels: joined(&self.labels, &other.labels),
            validate_args: self.validate_args.or(other.validate_args),
            limits: self.limits.or(&other.limits),
            env: joined(&self.env, &other.env),
            allow: if self.allow.is_empty() { other.allow.clone() } else { self.allow.clone() },
            secrets: self.secrets.clone().or_else(|| other.secrets.clone()),
            concurrency: self.concurrency.or(other.concurrency),
            retries: self.retries.clone().or_else(|| other.retries.clone()),
            retry_on: self.retry_on.clone().or_else(|| other.retry_on.clone()),
            on_lost: self.on_lost.or(other.on_lost),
            keep: match (&self.keep, &other.keep) {
                (Some(keep), Some(other)) => Some(keep.or(other)),
                (keep, other) => keep.clone().or_else(|| other.clone()),
            },
            heartbeat: self.heartbeat.clone().or_else(|| other.heartbeat.clone()),
        }
    }

    /// The same as they are shown: of the address of the monitor, which is a key, only the host.
    pub fn shown(mut self) -> Settings {
        self.heartbeat = self.heartbeat.as_deref().map(monitor::shown);
        self
    }

    /// The hosts that it asks for. The error is a sentence.
    pub fn hosts(&self) -> Result<Vec<HostPattern>, String> {
        if self.allow.len() > MAX_HOSTS {
            return Err(format!("a script asks for at most {MAX_HOSTS} hosts"));
        }
        self.allow.patterns().map_err(|(text, why)| format!("{:?}: {why}", shortened(text)))
    }

    /// The hosts that have to be granted to it: those that it asks for, and that of its monitor. The error is a sentence.
    pub fn hosts_to_grant(&self) -> Result<Vec<HostPattern>, String> {
        let mut hosts = self.hosts()?;
        if let Some(url) = &self.heartbeat {
            hosts.push(monitor::host(url)?);
        }
        Ok(hosts)
    }

    /// What cannot be meant, as the setting's name and a sentence.
    pub fn check(&self) -> Result<(), (String, String)> {
        self.check_but_limits().map_err(|(setting, why)| (setting.to_owned(), why))?;
        let bad = |error: BadLimit| {
            let field = format!("limits.{}", error.name);
            (field.clone(), format!("{field}: {}", error.why))
        };
        self.limits.asked().map(|_| ()).map_err(bad)
    }

    /// The same of all but the limits, which others can override.
    pub fn check_but_limits(&self) -> Result<(), (&'static str, String)> {
        let short = |text: &Option<String>, most: usize| text.as_ref().is_none_or(|text| text.chars().count() <= most);
        if !short(&self.title, MAX_TITLE) {
            return Err(("title", format!("a title has at most {MAX_TITLE} characters")));
        }
        if let Some(entry) = &self.entry {
            check_entry(entry).map_err(|why| ("entry", why))?;
        }
        if let Some(zone) = &self.timezone {
            crate::zone::installed().get(zone).map_err(|why| ("timezone", why.to_string()))?;
        }
        if let Some(why) = bad_labels(&self.labels) {
            return Err(("labels", why));
        }
        if let Some((name, _)) = self.env.iter().find(|(name, value)| bad_env(name, value)) {
            let shown: String = name.chars().take(40).collect();
            return Err(("env", format!("the environment variable {shown:?} has a character it cannot have")));
        }
        if self.env.len() > 100
            || self.env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > 64 << 10
        {
            return Err(("env", "the environment has at most 100 variables and 64 KiB".into()));
        }
        self.hosts().map_err(|why| ("allow", why))?;
        let secrets = self.secrets.as_deref().unwrap_or_default();
        if secrets.len() > MAX_SECRETS {
            return Err(("secrets", format!("a script asks for at most {MAX_SECRETS} secrets")));
        }
        if let Some(name) = secrets.iter().find(|name| !is_variable(name)) {
            return Err(("secrets", format!("{:?} is no name of a secret", shortened(name))));
        }
        if let Some(name) = secrets.iter().find(|name| self.env.contains_key(*name)) {
            return Err(("secrets", format!("{:?} is a variable of env too: it is one or the other", shortened(name))));
        }
        if self.concurrency == Some(0) {
            return Err(("concurrency", "a script that may not run at all is no use: at least 1".into()));
        }
        if self.retries.as_ref().is_some_and(|retries| retries.delay.max(retries.max_delay) > MAX_RETRY_DELAY) {
            return Err(("retries", "delay and max_delay are at most 365d".into()));
        }
        let retried = [Outcome::Failed, Outcome::TimedOut, Outcome::Crashed, Outcome::OutOfFuel, Outcome::OutOfMemory];
        if self.retry_on.as_ref().is_some_and(|on| on.iter().any(|outcome| !retried.contains(outcome))) {
            return Err((
                "retry_on",
                "only failed, timed_out, crashed, out_of_fuel and out_of_memory can be retried".into(),
            ));
        }
        if let Some(keep) = &self.keep
            && keep.count == Some(0)
        {
            return Err(("keep", "keep.count is 1 at least".into()));
        }
        self.heartbeat.as_deref().map(monitor::host).transpose().map_err(|why| ("heartbeat", why))?;
        Ok(())
    }
}

/// The beginning of what somebody wrote, to be shown in a sentence.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Whether a name is one that a secret can have: at most 100 of A-Z a-z 0-9 _, not beginning with a digit.
pub fn is_variable(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether a variable has a character that an environment cannot hold.
pub fn bad_env(name: &str, value: &str) -> bool {
    name.is_empty() || name.contains(['\0', '=']) || value.contains('\0')
}

/// Checks an entry: `function`, or `module:function`, of Python's identifiers.
pub fn check_entry(entry: &str) -> Result<(), String> {
    let identifier = |word: &str| {
        let mut chars = word.chars();
        chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
    };
    let (module, function) = match entry.split_once(':') {
        Some((module, function)) => (Some(module), function),
        None => (None, entry),
    };
    let fine =
        entry.len() <= 200 && identifier(function) && module.is_none_or(|module| module.split('.').all(identifier));
    if fine { Ok(()) } else { Err("an entry is the name of a function, or module:function".into()) }
}

/// What the checker says about a source without refusing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Warning {
    /// A word for programs.
    pub code: String,
    /// Counted from 1.
    pub line: u32,
    /// A sentence for people.
    pub message: String,
}

/// What was found out about a version when it was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Whether it has a function `run`; unknown when it was not checked.
    pub mode: Option<Mode>,
    /// The entry's parameters, as Python writes them: `(a, b=1)`.
    pub signature: Option<String>,
    /// Whether it looks at `context.state`.
    pub uses_state: bool,
    /// What may not be meant.
    pub warnings: Vec<Warning>,
}

/// An immutable version of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Counted from 1; never used again.
    pub number: i64,
    /// Of the source, or of the bundle's canonical archive, in hexadecimal.
    pub sha256: String,
    /// Where the content is.
    pub blob: String,
    /// The source's path in it.
    pub main: String,
    /// Bytes of all files.
    pub size: u64,
    /// What the source says about itself.
    pub table: Settings,
    /// What the check found.
    pub facts: Facts,
    /// What a run can call; none when it was not checked.
    pub functions: Option<Functions>,
    /// The blob of its code object, and the interpreter that made it.
    pub code: Option<(String, String)>,
    /// Its packages, when it asks for any.
    pub packages: Option<Packages>,
    /// When it came.
    pub created_at: Time,
}

impl Version {
    /// The blob of its code object, when this program's interpreter made it.
    pub fn usable_code(&self) -> Option<&str> {
        self.code.as_ref().filter(|(_, build)| build == cronbox_runtime::GUEST_FACTS).map(|(key, _)| &**key)
    }
}

/// Where a linked script is read from, and what was found there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// The object's or file's state when it was read last: an ETag, or its time and size.
    pub tag: Option<String>,
    /// When it was looked at last.
    pub checked_at: Option<Time>,
    /// Why it could not be read; the last good version stays in force.
    pub error: Option<String>,
}

/// A script with its version in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// By which it is found.
    pub key: String,
    /// What was set by request.
    pub settings: Settings,
    /// The version in force.
    pub version: Version,
    /// The last number given out.
    pub latest: i64,
    /// Where it is read from, when it is linked.
    pub link: Option<String>,
    /// What was found there.
    pub link_state: LinkState,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl Script {
    /// What holds for it: what was set by request, then what its source says.
    pub fn in_force(&self) -> Settings {
        self.settings.or(&self.version.table)
    }

    /// What changes with every change of it.
    pub fn tag(&self) -> String {
        precondition::tag(self.version.number, self.updated_at)
    }

    /// Whether each of these words, in lower case, stands in its name, its title or its labels.
    pub fn mentions(&self, words: &[String]) -> bool {
        if words.is_empty() {
            return true;
        }
        let settings = self.in_force();
        let labels = settings.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let texts: Vec<String> = labels.chain(settings.title).chain([self.name.clone()]).collect();
        let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
        words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_stands_before_what_the_source_says() {
        let set =
            Settings { entry: Some("a".into()), labels: [("x".into(), "1".into())].into(), ..Settings::default() };
        let said = Settings {
            entry: Some("b".into()),
            title: Some("T".into()),
            labels: [("x".into(), "2".into()), ("y".into(), "3".into())].into(),
            ..Settings::default()
        };
        let both = set.or(&said);
        assert_eq!((both.entry.as_deref(), both.title.as_deref()), (Some("a"), Some("T")));
        assert_eq!(both.labels["x"], "1");
        assert_eq!(both.labels["y"], "3");
    }

    #[test]
    fn retries_are_a_number_or_a_table() {
        let settings: Settings = serde_json::from_str(r#"{"retries": 3}"#).expect("reads");
        assert_eq!(settings.retries.expect("there").count, 3);
        let table = r#"{"retries": {"count": 5, "delay": "1s", "backoff": "fixed"}}"#;
        let retries = serde_json::from_str::<Settings>(table).expect("reads").retries.expect("there");
        assert_eq!(retries.delay_before(4, 0.0), Duration::from_secs(1));
        assert!(serde_json::from_str::<Settings>(r#"{"retries": {"count": 1, "dealy": 1}}"#).is_err());
        assert!(serde_json::from_str::<Settings>(r#"{"retries": 1000}"#).is_err());
        let doubled = Retries::count(9);
        assert_eq!(doubled.delay_before(2, 0.0), Duration::from_secs(10));
        assert_eq!(doubled.delay_before(4, 0.0), Duration::from_secs(40));
        assert_eq!(doubled.delay_before(40, 0.0), Duration::from_secs(3600));
        let text = serde_json::to_string(&doubled).expect("writes");
        assert_eq!(serde_json::from_str::<Retries>(&text).expect("reads"), doubled);
    }

    #[test]
    fn entries_and_zones_are_checked() {
        for good in ["run", "main:go", "pkg.mod:f", "größe"] {
            assert_eq!(check_entry(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "1x", ":f", "m:", "a:b:c", "os.system"] {
            assert!(check_entry(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_address_of_a_monitor_is_checked_and_not_shown() {
        let of = |url: &str| Settings { heartbeat: Some(url.into()), ..Settings::default() };
        assert_eq!(of("https://hc-ping.com/5f2a").check(), Ok(()));
        assert_eq!(of("https://hc-ping.com/5f2a").shown().heartbeat.as_deref(), Some("https://hc-ping.com/…"));
        assert_eq!(Settings::default().shown(), Settings::default());
        for bad in ["hc-ping.com/5f2a", "https://hc-ping.com/…", "ftp://hc-ping.com", ""] {
            assert_eq!(of(bad).check().expect_err(bad).0, "heartbeat", "{bad}");
        }
    }

    #[test]
    fn the_list_of_settings_is_complete() {
        let all = Settings {
            title: Some(String::new()),
            entry: Some(String::new()),
            result: Some(ResultKind::Json),
            timezone: Some(String::new()),
            labels: [(String::new(), String::new())].into(),
            validate_args: Some(true),
            limits: [(String::new(), Quantity::Whole(1))].into_iter().collect(),
            env: [(String::new(), String::new())].into(),
            allow: [""].into_iter().collect(),
            secrets: Some(Vec::new()),
            concurrency: Some(1),
            retries: Some(Retries::count(1)),
            retry_on: Some(Vec::new()),
            on_lost: Some(OnLost::Retry),
            keep: Some(Keep::default()),
            heartbeat: Some(String::new()),
        };
        let value = serde_json::to_value(&all).expect("writes");
        let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut listed = SETTINGS.to_vec();
        names.sort_unstable();
        listed.sort_unstable();
        assert_eq!(names, listed);
    }
}
