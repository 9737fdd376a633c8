//! Sizes, times and fuel, as people write and read them.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};
use std::time::Duration;

pub use cronbox_runtime::limits::FUEL_PER_SECOND;

/// A number, or a number with its unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quantity {
    /// `2000000000`
    Whole(u64),
    /// `2e9`
    Real(f64),
    /// `"256MiB"`
    Text(String),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantity::Whole(number) => number.fmt(f),
            Quantity::Real(number) => number.fmt(f),
            Quantity::Text(text) => f.write_str(text),
        }
    }
}

/// Parses bytes: a number with an optional unit (`k`, `KiB`, `kB`, `M`, `MiB`, `G`, …). Letters alone and `…iB` are
/// powers of 1024, `…B` with a prefix powers of 1000.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "ki" | "kib" => 1024.0,
        "m" | "mi" | "mib" => 1024.0 * 1024.0,
        "g" | "gi" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "ti" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(format!("{unit:?} is no unit of size; write 256MiB, 64KiB or bytes")),
    };
    whole(number * factor)
}

/// Parses a time: `500ms`, `30s`, `2m`, `1h`, `1h30m`, `7d`, `2w`; a number alone is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("a time is needed, such as 30s".into());
    }
    let mut seconds = 0.0;
    let mut first = true;
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .skip_while(|(_, c)| !c.is_ascii_alphabetic())
            .find(|(_, c)| !c.is_ascii_alphabetic())
            .map_or(rest.len(), |(at, _)| at);
        let (part, after) = rest.split_at(end);
        let (number, unit) = split(part)?;
        seconds += match unit {
            "" if first && after.is_empty() => number,
            "ms" => number / 1e3,
            "s" => number,
            "m" | "min" => number * 60.0,
            "h" => number * 3600.0,
            "d" => number * 86_400.0,
            "w" => number * 604_800.0,
            _ => return Err(format!("{part:?} is no time; write 500ms, 30s, 2m or 1h")),
        };
        rest = after;
        first = false;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text:?} is too long a time"))
}

/// Parses fuel: a whole number, or one such as `2e9`, with an optional `k`, `M`, `G` or `T` (powers of 1000).
pub fn parse_fuel(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        _ => return Err(format!("{unit:?} is no unit of fuel; write 2e9 or 2G")),
    };
    whole(number * factor)
}

/// The fuel for a time of CPU.
pub fn fuel_for(cpu: Duration) -> Result<u64, String> {
    whole(cpu.as_secs_f64() * FUEL_PER_SECOND)
}

/// The number at the start of a text, and what follows it.
fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let exponent = matches!(byte, b'e' | b'E')
            && matches!(bytes.get(end + 1..), Some([b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..]));
        let sign = matches!(byte, b'+' | b'-') && (end == 0 || matches!(bytes[end - 1], b'e' | b'E'));
        if !(byte.is_ascii_digit() || *byte == b'.' || exponent || sign) {
            break;
        }
        end += 1;
    }
    let (number, unit) = text.split_at(end);
    let parsed: f64 = number.parse().map_err(|_| format!("{text:?} does not begin with a number"))?;
    if parsed < 0.0 {
        return Err(format!("{text:?} is negative"));
    }
    Ok((parsed, unit.trim()))
}

fn whole(number: f64) -> Result<u64, String> {
    // 2^63 is far above every limit; the comparison also refuses infinities.
    if number.is_finite() && number < 9.2e18 { Ok(number.round() as u64) } else { Err("that is too large".into()) }
}

/// `21 MiB`, `1.5 KiB`, `12 bytes`.
pub fn bytes(size: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in units {
        if size >= unit {
            return format!("{} {name}", short(size as f64 / unit as f64));
        }
    }
    format!("{size} bytes")
}

/// `1 package`, `3 packages`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// `3 ms`, `1.9 s`, `60 s`, `2 min 5 s`, `1 h`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        return format!("{} ms", short(seconds * 1e3));
    }
    // A limit of 60 s is read as it was typed.
    if seconds < 120.0 {
        return format!("{} s", short(seconds));
    }
    let whole = time.as_secs();
    let mut text = String::new();
    for (unit, name) in [(3600, "h"), (60, "min"), (1, "s")] {
        let count = whole / unit % if unit == 3600 { u64::MAX } else { 60 };
        if count > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{count} {name}", if text.is_empty() { "" } else { " " });
        }
    }
    text
}

/// How long something is ago, in one unit: `7s`, `3m`, `26h`, `3d`.
pub fn age(time: Duration) -> String {
    let whole = time.as_secs();
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let (unit, letter) = units.into_iter().find(|(unit, _)| whole >= unit * 2).unwrap_or((1, 's'));
    format!("{}{letter}", whole / unit)
}

/// As it is typed: `1h30m`, `26h`, `7d`; without what is less than a second.
pub fn written(time: Duration) -> String {
    let whole = time.as_secs();
    if whole == 0 {
        return "0s".into();
    }
    let units: &[(u64, char)] =
        if whole.is_multiple_of(86_400) { &[(86_400, 'd')] } else { &[(3_600, 'h'), (60, 'm'), (1, 's')] };
    let mut rest = whole;
    let mut text = String::new();
    for (unit, letter) in units {
        if rest >= *unit {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{letter}", rest / unit);
        }
        rest %= unit;
    }
    text
}

/// `0.31 G fuel`; units below a million as they are.
pub fn fuel(units: u64) -> String {
    match units {
        0..1_000_000 => format!("{units} fuel"),
        1_000_000..10_000_000 => format!("{:.3} G fuel", units as f64 / 1e9),
        _ => format!("{} G fuel", short(units as f64 / 1e9)),
    }
}

/// `12.4 G fuel (about 1.9 s of CPU)`.
pub fn fuel_and_time(units: u64) -> String {
    let time = Duration::from_secs_f64(units as f64 / FUEL_PER_SECOND);
    format!("{} (about {} of CPU)", fuel(units), duration(time))
}

/// Two or three significant digits, no trailing zeros.
fn short(number: f64) -> String {
    let digits = if number < 1.0 { 2 } else { usize::from(number < 100.0) };
    let text = format!("{number:.digits$}");
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.into(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        let cases =
            [("256MiB", 256 << 20), ("64k", 65_536), ("1.5 KiB", 1536), ("10", 10), ("1e3B", 1000), ("2MB", 2_000_000)];
        for (text, size) in cases {
            assert_eq!(parse_bytes(text), Ok(size), "{text}");
        }
        for bad in ["", "MiB", "-1", "1 parsec", "1e99", "nan", "inf", "1..2"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_as_people_write_them() {
        let cases =
            [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1h30m", 5_400_000), ("1.5s", 1_500), ("7", 7_000)];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "s", "-1s", "1x", "1h30", "1e300h", "5s x"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let cases =
            [(0, "0s"), (119, "119s"), (185, "3m"), (7_199, "119m"), (93_784, "26h"), (259_200, "3d"), (262_805, "3d")];
        for (seconds, text) in cases {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn fuel_as_people_write_it() {
        assert_eq!(parse_fuel("2e9"), Ok(2_000_000_000));
        assert_eq!(parse_fuel("200G"), Ok(200_000_000_000));
        assert_eq!(parse_fuel("0"), Ok(0));
        for bad in ["-1", "x", "1e400", "2 gallons"] {
            assert!(parse_fuel(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quantities_as_people_read_them() {
        assert_eq!(bytes(21 << 20), "21 MiB");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!(duration(Duration::from_micros(3_200)), "3.2 ms");
        assert_eq!(duration(Duration::from_millis(60_000)), "60 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(duration(Duration::from_secs(3_725)), "1 h 2 min 5 s");
        for text in ["1h30m", "26h", "7d", "1m1s", "0s"] {
            assert_eq!(written(parse_duration(text).expect(text)), text);
        }
        assert_eq!(fuel(310_000_000), "0.31 G fuel");
        assert_eq!(fuel(12_400_000_000), "12.4 G fuel");
        assert_eq!(fuel(200_000_000_000), "200 G fuel");
        assert_eq!(fuel(570_642), "570642 fuel");
        assert_eq!(fuel_and_time(13_000_000_000), "13 G fuel (about 2 s of CPU)");
    }
}
