//! Settings of the server as they are written: on the line, in the environment, in the file.

use crate::config::{self, Setting};
use crate::limits::{RequestedLimits, WrittenLimits};
use crate::misfit;
use crate::quantity::{self, Quantity};
use crate::schedule::{POLICIES, Policies};
use crate::serve::Roles;
use crate::suggest::nearest;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What holds: flags and variables, then the file.
pub(super) struct Settings {
    file: BTreeMap<String, Setting>,
}

impl Settings {
    /// Reads the file. `names` are the flags that can also be in it.
    pub(super) fn read(file: Option<&Path>, names: &[String]) -> Result<Self, String> {
        let file = config::file(file)?;
        if let Some(name) = file.keys().find(|name| !names.contains(name)) {
            let near = nearest(name, names.iter().map(String::as_str));
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            return Err(format!("the configuration file has a setting {name:?} that does not exist{near}"));
        }
        Ok(Settings { file })
    }

    pub(super) fn one(&self, name: &str, typed: Option<String>) -> Result<Option<String>, String> {
        match (typed, self.file.get(name).map(Setting::texts)) {
            (Some(typed), _) => Ok(Some(typed)),
            (None, None) => Ok(None),
            (None, Some(texts)) => match <[String; 1]>::try_from(texts) {
                Ok([text]) => Ok(Some(text)),
                Err(_) => Err(format!("{name} is one value, and not several")),
            },
        }
    }

    pub(super) fn many(&self, name: &str, typed: Vec<String>) -> Vec<String> {
        if typed.is_empty() { self.file.get(name).map(Setting::texts).unwrap_or_default() } else { typed }
    }

    pub(super) fn parsed<T>(
        &self,
        name: &str,
        typed: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let text = self.one(name, typed)?;
        text.as_deref().map(parse).transpose().map_err(|why| format!("--{name}: {why}"))
    }

    pub(super) fn flag(&self, name: &str, typed: bool) -> Result<bool, String> {
        let from_file = self.parsed(name, None, |text| text.parse::<bool>().map_err(|_| "true or false".to_owned()))?;
        Ok(typed || from_file.unwrap_or(false))
    }
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{text:?} is no number greater than 0")),
    }
}

/// `7d`. A number alone would be seconds, which people who write 7 for days do not mean.
pub(super) fn age_of(text: &str) -> Result<Duration, String> {
    match text.trim() {
        number if number.parse::<f64>().is_ok() => {
            Err(format!("{number} has no unit: write {number}d for days, or {number}s for seconds"))
        }
        text => quantity::parse_duration(text),
    }
}

/// `memory=512MiB,timeout=10m`
pub(super) fn limits_of(text: &str) -> Result<RequestedLimits, String> {
    let mut table = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=').ok_or("write NAME=VALUE, with commas between")?;
        table.push((name.trim().to_owned(), Quantity::Text(value.trim().to_owned())));
    }
    WrittenLimits::from_iter(table).asked().map_err(|error| error.to_string())
}

/// `127.0.0.1:8080`, `unix:PATH`. Whether it can be listened at is seen when it is.
pub(super) fn listen_of(text: &str) -> Result<String, String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let why = match text.rsplit_once(':') {
        _ if text.strip_prefix("unix:").is_some_and(|path| !path.is_empty()) => return Ok(text.to_owned()),
        _ if text.contains("://") => "write HOST:PORT, without http://".to_owned(),
        Some(("", port)) if is_port(port) => format!("it has no host: write 127.0.0.1:{port}"),
        Some((_, port)) if is_port(port) => return Ok(text.to_owned()),
        None if is_port(text) => format!("it has no host: write 127.0.0.1:{text}"),
        None if !text.is_empty() => format!("it has no port: write {text}:8080"),
        _ => "write HOST:PORT or unix:PATH, such as 127.0.0.1:8080".to_owned(),
    };
    Err(format!("{text:?} cannot be listened at: {why}"))
}

/// `/cronbox`; a slash at its end says nothing.
pub(super) fn base_path_of(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    match path.strip_prefix('/') {
        _ if path.is_empty() => Ok(String::new()),
        Some(rest) if rest.split('/').all(plain) => Ok(path.to_owned()),
        _ => Err("a path such as /cronbox: a slash, then letters, digits and - . _ ~".into()),
    }
}

/// `misfire_grace_time=5m,coalesce=false`
pub(super) fn policies_of(text: &str) -> Result<Policies, String> {
    let mut table = serde_json::Map::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=').ok_or("write NAME=VALUE, with commas between")?;
        let (name, value) = (name.trim(), value.trim());
        if !POLICIES.contains(&name) {
            let near = nearest(name, POLICIES.iter().copied()).map(|near| format!("did you mean {near}? "));
            return Err(format!("{}there are {}", near.unwrap_or_default(), POLICIES.join(", ")));
        }
        let value: serde_json::Value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        let alone = serde_json::Map::from_iter([(name.to_owned(), value.clone())]);
        serde_json::from_value::<Policies>(serde_json::Value::Object(alone))
            .map_err(|error| misfit::sentence(name, &misfit::shown(&value), &error.to_string()))?;
        table.insert(name.into(), value);
    }
    let policies: Policies =
        serde_json::from_value(serde_json::Value::Object(table)).map_err(|error| error.to_string())?;
    policies.check().map_err(|(_, why)| why)?;
    Ok(policies)
}

pub(super) fn roles_of(names: &[String]) -> Result<Roles, String> {
    if names.is_empty() {
        return Ok(Roles { api: true, scheduler: true, worker: true });
    }
    let mut roles = Roles { api: false, scheduler: false, worker: false };
    for name in names {
        match name.trim() {
            "api" => roles.api = true,
            "scheduler" => roles.scheduler = true,
            "worker" => roles.worker = true,
            other => return Err(format!("--roles: {other:?} is none of api, scheduler, worker")),
        }
    }
    Ok(roles)
}

/// `5000,1000`: of all callers, and of each token.
pub(super) fn rates_of(text: &str) -> Result<(u32, u32), String> {
    let (all, each) = text.split_once(',').unwrap_or((text, text));
    let number = |text: &str| count(text.trim()).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    Ok((number(all)?, number(each)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_host_or_a_port_says_what_to_write() {
        for good in ["127.0.0.1:8080", "[::1]:0", "localhost:80", "unix:/run/cronbox.sock"] {
            assert_eq!(listen_of(good).as_deref(), Ok(good));
        }
        for (bad, part) in [
            ("18421", "write 127.0.0.1:18421"),
            (":18421", "write 127.0.0.1:18421"),
            ("localhost", "write localhost:8080"),
            ("http://127.0.0.1:80", "without http://"),
            ("127.0.0.1:99999", "write HOST:PORT"),
            ("", "write HOST:PORT"),
            ("unix:", "write HOST:PORT"),
        ] {
            assert!(listen_of(bad).is_err_and(|why| why.ends_with(part) || why.contains(part)), "{bad}");
        }
    }

    #[test]
    fn settings_come_from_the_line_then_the_file() {
        let file = [
            ("listen".to_owned(), Setting::Text("a:1".into())),
            ("roles".to_owned(), Setting::Texts(vec!["api".into()])),
        ];
        let settings = Settings { file: file.into() };
        assert_eq!(settings.one("listen", None), Ok(Some("a:1".into())));
        assert_eq!(settings.one("listen", Some("b:2".into())), Ok(Some("b:2".into())));
        assert_eq!(
            roles_of(&settings.many("roles", Vec::new())),
            Ok(Roles { api: true, scheduler: false, worker: false })
        );
        assert!(roles_of(&["cook".into()]).is_err());
        assert!(settings.parsed("listen", None, count).is_err());
        assert_eq!(limits_of("memory=1MiB, timeout=5s").map(|asked| asked.memory), Ok(Some(1 << 20)));
        assert!(limits_of("memory").is_err());
        for (text, path) in [("/cronbox/", "/cronbox"), ("/", ""), ("", ""), ("/a/b-c", "/a/b-c")] {
            assert_eq!(base_path_of(text).as_deref(), Ok(path));
        }
        for bad in ["cronbox", "//", "/a//b", "/a b", "/../a", "http://host/a"] {
            assert_eq!(base_path_of(bad).is_err(), bad != "//", "{bad}");
        }
    }
}
