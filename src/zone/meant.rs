//! What zone was meant by a name that no zone has: a city without a zone of its own, an offset, an abbreviation. Where
//! several could be meant, none is guessed.

/// Cities that people name, and the zone that holds there.
const CITIES: &[(&str, &str)] = &[
    ("abu_dhabi", "Asia/Dubai"),
    ("ankara", "Europe/Istanbul"),
    ("atlanta", "America/New_York"),
    ("austin", "America/Chicago"),
    ("bangalore", "Asia/Kolkata"),
    ("barcelona", "Europe/Madrid"),
    ("beijing", "Asia/Shanghai"),
    ("bengaluru", "Asia/Kolkata"),
    ("boston", "America/New_York"),
    ("brasilia", "America/Sao_Paulo"),
    ("busan", "Asia/Seoul"),
    ("cape_town", "Africa/Johannesburg"),
    ("chengdu", "Asia/Shanghai"),
    ("chennai", "Asia/Kolkata"),
    ("cologne", "Europe/Berlin"),
    ("dallas", "America/Chicago"),
    ("delhi", "Asia/Kolkata"),
    ("edinburgh", "Europe/London"),
    ("frankfurt", "Europe/Berlin"),
    ("geneva", "Europe/Zurich"),
    ("guangzhou", "Asia/Shanghai"),
    ("hamburg", "Europe/Berlin"),
    ("hangzhou", "Asia/Shanghai"),
    ("hanoi", "Asia/Ho_Chi_Minh"),
    ("houston", "America/Chicago"),
    ("hyderabad", "Asia/Kolkata"),
    ("islamabad", "Asia/Karachi"),
    ("kyoto", "Asia/Tokyo"),
    ("lahore", "Asia/Karachi"),
    ("las_vegas", "America/Los_Angeles"),
    ("lyon", "Europe/Paris"),
    ("manchester", "Europe/London"),
    ("miami", "America/New_York"),
    ("milan", "Europe/Rome"),
    ("mumbai", "Asia/Kolkata"),
    ("munich", "Europe/Berlin"),
    ("nanjing", "Asia/Shanghai"),
    ("new_delhi", "Asia/Kolkata"),
    ("osaka", "Asia/Tokyo"),
    ("ottawa", "America/Toronto"),
    ("philadelphia", "America/New_York"),
    ("pretoria", "Africa/Johannesburg"),
    ("rio_de_janeiro", "America/Sao_Paulo"),
    ("san_diego", "America/Los_Angeles"),
    ("san_francisco", "America/Los_Angeles"),
    ("seattle", "America/Los_Angeles"),
    ("shenzhen", "Asia/Shanghai"),
    ("st_petersburg", "Europe/Moscow"),
    ("tianjin", "Asia/Shanghai"),
    ("washington", "America/New_York"),
    ("wellington", "Pacific/Auckland"),
    ("wuhan", "Asia/Shanghai"),
];

/// Abbreviations, and the zones whose clocks go by them. More than one: which is meant is not certain.
const ABBREVIATIONS: &[(&str, &[&str])] = &[
    ("ACST", &["Australia/Darwin", "Australia/Adelaide"]),
    ("AEDT", &["Australia/Sydney"]),
    ("AEST", &["Australia/Sydney", "Australia/Brisbane"]),
    ("AST", &["America/Halifax", "Asia/Riyadh"]),
    ("AWST", &["Australia/Perth"]),
    ("BRT", &["America/Sao_Paulo"]),
    ("BST", &["Europe/London", "Asia/Dhaka"]),
    ("CDT", &["America/Chicago", "America/Havana"]),
    ("CEST", &["Europe/Berlin"]),
    ("CST", &["America/Chicago", "Asia/Shanghai", "America/Havana"]),
    ("EAT", &["Africa/Nairobi"]),
    ("ECT", &["America/Guayaquil", "Europe/Paris"]),
    ("EDT", &["America/New_York"]),
    ("EEST", &["Europe/Athens", "Europe/Kyiv"]),
    ("GST", &["Asia/Dubai", "Atlantic/South_Georgia"]),
    ("HKT", &["Asia/Hong_Kong"]),
    ("ICT", &["Asia/Bangkok"]),
    ("IST", &["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"]),
    ("JST", &["Asia/Tokyo"]),
    ("KST", &["Asia/Seoul"]),
    ("MDT", &["America/Denver"]),
    ("MSK", &["Europe/Moscow"]),
    ("NZDT", &["Pacific/Auckland"]),
    ("NZST", &["Pacific/Auckland"]),
    ("PDT", &["America/Los_Angeles"]),
    ("PKT", &["Asia/Karachi"]),
    ("PST", &["America/Los_Angeles", "Asia/Manila"]),
    ("SGT", &["Asia/Singapore"]),
    ("SST", &["Pacific/Pago_Pago", "Asia/Singapore"]),
    ("WEST", &["Europe/Lisbon"]),
    ("WIB", &["Asia/Jakarta"]),
];

/// Offsets that are not whole hours, and a zone that has one all year.
const HALVES: &[(i32, &str)] = &[
    (210, "Asia/Tehran"),
    (270, "Asia/Kabul"),
    (330, "Asia/Kolkata"),
    (345, "Asia/Kathmandu"),
    (390, "Asia/Yangon"),
    (525, "Australia/Eucla"),
    (570, "Australia/Darwin"),
];

/// Every zone that is named here, by what it is named for.
#[cfg(test)]
pub(super) fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    let short = ABBREVIATIONS.iter().flat_map(|(word, zones)| zones.iter().map(move |zone| (*word, *zone)));
    CITIES.iter().copied().chain(short).chain(HALVES.iter().map(|(_, zone)| ("", *zone)))
}

/// A sentence about what was meant: what follows `there is no time zone "NAME"; `. None where nothing is known.
pub(super) fn meant<'a>(name: &str, zones: impl Iterator<Item = &'a str>) -> Option<String> {
    if let Some(minutes) = offset(name) {
        return Some(of_offset(minutes));
    }
    let upper = name.to_ascii_uppercase();
    if let Some((_, zones)) = ABBREVIATIONS.iter().find(|(known, _)| *known == upper) {
        return Some(match zones {
            [one] => format!("did you mean {one}?"),
            several => format!("several zones are abbreviated so ({}); write the name of one", several.join(", ")),
        });
    }
    let place = name.rsplit('/').next().unwrap_or_default().trim().to_lowercase().replace([' ', '-'], "_");
    if let Some((_, zone)) = CITIES.iter().find(|(city, _)| *city == place) {
        return Some(format!("did you mean {zone}?"));
    }
    // A city that has a zone, without its continent or with another one.
    let plain = place.replace('_', "");
    let mut same = zones.filter(|zone| {
        zone.rsplit('/').next().is_some_and(|last| zone.contains('/') && last.to_lowercase().replace('_', "") == plain)
    });
    if let Some(zone) = same.next() {
        return Some(format!("did you mean {zone}?"));
    }
    // Letters alone are an abbreviation; what looks like it is another zone.
    let is_short = (2..=5).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase());
    is_short.then(|| "abbreviations are not names of zones; write an IANA name such as Europe/Berlin".to_owned())
}

/// `UTC+8`, `GMT-05:00`, `+0530`, as minutes east of UTC.
fn offset(name: &str) -> Option<i32> {
    let upper = name.trim().to_ascii_uppercase().replace('\u{2212}', "-");
    let rest = upper.strip_prefix("UTC").or_else(|| upper.strip_prefix("GMT")).unwrap_or(&upper).trim_start();
    let (sign, digits) = match rest.as_bytes().first()? {
        b'+' => (1, &rest[1..]),
        b'-' => (-1, &rest[1..]),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes),
        Some(_) => return None,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i32>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 14 && minutes < 60 && digits.len() <= 5).then_some(sign * (hours * 60 + minutes))
}

fn of_offset(minutes: i32) -> String {
    let hours = minutes / 60;
    match (minutes, minutes % 60) {
        (0, _) => "did you mean UTC?".into(),
        // The database counts them the other way round, and has those from -12 to +14.
        (_, 0) if (-12..=14).contains(&hours) => {
            let sign = if hours > 0 { '-' } else { '+' };
            let hours = hours.abs();
            let side = if minutes > 0 { "ahead of" } else { "behind" };
            format!(
                "did you mean Etc/GMT{sign}{hours}? That is {hours} h {side} UTC all year; a place, such as Europe/Berlin, \
                 follows its clocks"
            )
        }
        _ => match HALVES.iter().find(|(known, _)| *known == minutes) {
            Some((_, zone)) => format!("did you mean {zone}?"),
            None => "write the name of a place with this offset, such as Europe/Berlin".into(),
        },
    }
}
