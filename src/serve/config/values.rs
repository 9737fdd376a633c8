//! Readers of the values of settings. Each error is a sentence without the setting's name.

use crate::address::Address;
use crate::http::is_base;
use crate::limits::{self, RequestedLimits, WrittenLimits};
use crate::misfit;
use crate::quantity::{self, Quantity};
use crate::schedule::{POLICIES, Policies};
use crate::suggest::nearest;
use cronbox_runtime::Limits;
use cronbox_runtime::limits::CEILING;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// The value that a variable or the file gives to a flag without a value.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// A whole number from 1 on.
pub(super) fn count<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(count) if count > T::from(0) => Ok(count),
        _ => Err(format!("{text:?} is not a whole number greater than 0")),
    }
}

/// `7d`. A number alone would be seconds, which people who write 7 for days do not mean.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    match text.trim() {
        number if number.parse::<f64>().is_ok() => {
            Err(format!("{number} has no unit: write {number}d for days, or {number}s for seconds"))
        }
        text => quantity::parse_duration(text),
    }
}

/// A number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("{text:?} is not a number from 0 to 1, such as 0.1")),
    }
}

/// `24h`, at least a second.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    let time = age(text)?;
    if time < Duration::from_secs(1) { Err("at least 1s".into()) } else { Ok(time) }
}

/// A time of at least a second.
pub(super) fn lease(text: &str) -> Result<Duration, String> {
    let time = quantity::parse_duration(text)?;
    if time < Duration::from_secs(1) { Err("at least 1s".into()) } else { Ok(time) }
}

/// `https://cronbox.example.com/path`; a slash at its end says nothing.
pub(super) fn public_url(text: &str) -> Result<String, String> {
    let why = "an URL such as https://cronbox.example.com, without ? and #";
    let url = reqwest::Url::parse(text).map_err(|error| format!("{why}: {error}"))?;
    let is_fine = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    if is_fine && url.username().is_empty() && url.password().is_none() {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(why.into())
}

/// The address of a service.
pub(super) fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|why| why.to_string())
}

/// `memory=512MiB,timeout=10m`: the largest limits; without a value, those that the program can grant at most.
pub(super) fn ceiling(text: &str) -> Result<Limits, String> {
    let asked = limits_of(text)?;
    let (ceiling, _) = asked.in_force(&asked, &CEILING, &CEILING);
    ceiling.check(0).map_err(|error| limits::sentence(&error, |name| format!("{name:?}")))?;
    Ok(ceiling)
}

fn limits_of(text: &str) -> Result<RequestedLimits, String> {
    let mut table = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=').ok_or("write NAME=VALUE, with commas between")?;
        table.push((name.trim().to_owned(), Quantity::Text(value.trim().to_owned())));
    }
    WrittenLimits::from_iter(table).asked().map_err(|error| error.to_string())
}

/// `127.0.0.1:8080`, `plain:127.0.0.1:8080`, `unix:PATH`. Whether it can be listened at is seen when it is.
pub(super) fn listen_address(text: &str) -> Result<String, String> {
    if let Some(address) = text.strip_prefix("plain:").filter(|address| !address.starts_with("unix:")) {
        return listen_address(address).map(|_| text.to_owned());
    }
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
pub(super) fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    if path.is_empty() || is_base(path) {
        return Ok(path.to_owned());
    }
    Err("a path such as /cronbox: a slash, then letters, digits and - . _ ~".into())
}

/// `misfire_grace_time=5m,coalesce=false`
pub(super) fn policies(text: &str) -> Result<Policies, String> {
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

/// `192.0.2.1`, `192.0.2.1:5353`
pub(super) fn name_server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().ok();
    let address = address.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53)));
    address.ok_or_else(|| format!("{text:?} is not an address, such as 192.0.2.1 or 192.0.2.1:5353"))
}

/// `5000,1000`: of all callers, and of each token.
pub(super) fn rates(text: &str) -> Result<(u32, u32), String> {
    let (all, each) = text.split_once(',').unwrap_or((text, text));
    let number = |text: &str| count::<u64>(text.trim()).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    Ok((number(all)?, number(each)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_host_or_a_port_says_what_to_write() {
        for good in ["127.0.0.1:8080", "[::1]:0", "localhost:80", "unix:/run/cronbox.sock", "plain:[::1]:80"] {
            assert_eq!(listen_address(good).as_deref(), Ok(good));
        }
        for (bad, part) in [
            ("18421", "write 127.0.0.1:18421"),
            (":18421", "write 127.0.0.1:18421"),
            ("localhost", "write localhost:8080"),
            ("http://127.0.0.1:80", "without http://"),
            ("127.0.0.1:99999", "write HOST:PORT"),
            ("", "write HOST:PORT"),
            ("unix:", "write HOST:PORT"),
            ("plain:80", "write 127.0.0.1:80"),
            ("plain:unix:/run/a", "write HOST:PORT"),
        ] {
            assert!(listen_address(bad).is_err_and(|why| why.ends_with(part) || why.contains(part)), "{bad}");
        }
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        assert_eq!(limits_of("memory=1MiB, timeout=5s").map(|asked| asked.memory), Ok(Some(1 << 20)));
        assert!(limits_of("memory").is_err());
        assert_eq!(ceiling(""), Ok(CEILING));
        assert!(ceiling("memroy=1").is_err());
        assert_eq!((rates("5"), rates("5,2"), count::<usize>("0").is_err()), (Ok((5, 5)), Ok((5, 2)), true));
        assert_eq!(name_server("192.0.2.1").map(|address| address.port()), Ok(53));
        assert!(lease("999ms").is_err() && lease("1s").is_ok());
        for (text, path) in [("/cronbox/", "/cronbox"), ("/", ""), ("", ""), ("/a/b-c", "/a/b-c")] {
            assert_eq!(base_path(text).as_deref(), Ok(path));
        }
        for bad in ["cronbox", "//", "/a//b", "/a b", "/../a", "http://host/a"] {
            assert_eq!(base_path(bad).is_err(), bad != "//", "{bad}");
        }
    }
}
