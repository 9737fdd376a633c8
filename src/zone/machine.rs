//! The zone of this machine.

use super::installed;
use std::path::Path;

/// The zone of this machine by its name in the database: what `TZ` says (`variable`), else `/etc/localtime` or
/// `/etc/timezone`. None when neither names a zone that this program knows: a rule such as `CET-1CEST`, a copied file.
pub fn of_machine(variable: Option<&str>) -> Option<String> {
    let named = match variable.map(|zone| zone.strip_prefix(':').unwrap_or(zone)) {
        Some(zone) if !zone.is_empty() => name_in(zone).to_owned(),
        _ => iana_time_zone::get_timezone().ok().or_else(linked)?,
    };
    let zone = installed().get(&named).ok()?;
    // Machines in UTC have it under this name.
    Some(if zone.name() == "Etc/UTC" { "UTC".to_owned() } else { zone.name().to_owned() })
}

/// The zone's name in what may be the path of its file.
fn name_in(zone: &str) -> &str {
    zone.rsplit_once("zoneinfo/").map_or(zone, |(_, name)| name)
}

/// What `/etc/localtime` comes to, where it is a link to a link.
fn linked() -> Option<String> {
    let file = Path::new("/etc/localtime").canonicalize().ok()?;
    let (_, name) = file.to_str()?.rsplit_once("zoneinfo/")?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_names_the_zone_of_this_machine() {
        for (said, zone) in [
            ("Asia/Shanghai", Some("Asia/Shanghai")),
            ("Etc/UTC", Some("UTC")),
            (":Europe/Berlin", Some("Europe/Berlin")),
            (":/usr/share/zoneinfo/America/New_York", Some("America/New_York")),
            ("CET-1CEST,M3.5.0,M10.5.0/3", None),
            ("Mars/Olympus", None),
        ] {
            assert_eq!(of_machine(Some(said)).as_deref(), zone, "{said}");
        }
    }
}
