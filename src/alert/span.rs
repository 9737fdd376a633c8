//! Spans of time, as conditions write them.

use std::time::Duration;

/// Longest span.
pub(super) const LONGEST: Duration = Duration::from_hours(24 * 3650);

/// Letters, seconds, and words of the units, the largest first.
const UNITS: [(char, u64, &str); 5] =
    [('w', 604_800, "week"), ('d', 86_400, "day"), ('h', 3_600, "hour"), ('m', 60, "minute"), ('s', 1, "second")];

/// Reads a span such as `1h30m`. The error is the place in the text, in bytes, and a sentence.
pub(super) fn parse(text: &str) -> Result<Duration, (usize, String)> {
    const EXAMPLE: &str = "a time such as 5m or 1h30m";
    let (mut rest, mut total, mut least) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number) = rest[..digits].parse::<u64>() else {
            return Err((at, if digits == 0 { format!("expected {EXAMPLE}") } else { "that is too long".into() }));
        };
        let Some(letter) = rest[digits..].chars().next() else {
            return Err((text.len(), "expected a unit: w, d, h, m or s".into()));
        };
        let Some((_, unit, _)) = UNITS.iter().find(|(known, ..)| *known == letter) else {
            return Err((at + digits, "expected a unit: w, d, h, m or s".into()));
        };
        if *unit >= least {
            return Err((at, format!("the larger unit comes first, and each once: {EXAMPLE}")));
        }
        least = *unit;
        total = total.saturating_add(number.saturating_mul(*unit));
        rest = &rest[digits + letter.len_utf8()..];
    }
    match Duration::from_secs(total) {
        _ if text.is_empty() => Err((0, format!("expected {EXAMPLE}"))),
        Duration::ZERO => Err((0, "a time of 0 is always over: the shortest is 1s".into())),
        span if span > LONGEST => Err((0, "that is too long: the longest is 3650d".into())),
        span => Ok(span),
    }
}

/// The parts of a span: whole days where it is made of these, hours otherwise.
fn parts(span: Duration) -> impl Iterator<Item = (u64, &'static str)> {
    let mut rest = span.as_secs();
    let in_days = rest.is_multiple_of(86_400);
    UNITS
        .into_iter()
        .filter(move |(letter, ..)| match letter {
            'w' => false,
            'd' => in_days,
            _ => true,
        })
        .filter_map(move |(_, unit, word)| {
            let number = rest / unit;
            rest %= unit;
            (number > 0).then_some((number, word))
        })
}

/// For people: `1 hour 30 minutes`.
pub(super) fn words(span: Duration) -> String {
    let part = |(number, word): (u64, &str)| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    parts(span).map(part).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::written;

    #[test]
    fn spans_print_back() {
        for (text, printed, in_words) in [
            ("5m", "5m", "5 minutes"),
            ("90m", "1h30m", "1 hour 30 minutes"),
            ("26h", "26h", "26 hours"),
            ("1d2h", "26h", "26 hours"),
            ("24h", "1d", "1 day"),
            ("1w", "7d", "7 days"),
            ("61s", "1m1s", "1 minute 1 second"),
        ] {
            let span = parse(text).expect(text);
            assert_eq!((written(span).as_str(), words(span).as_str()), (printed, in_words), "{text}");
            assert_eq!(parse(printed), Ok(span));
        }
    }

    #[test]
    fn what_is_no_span_is_refused_at_its_place() {
        for (bad, at) in
            [("", 0), ("m", 0), ("5", 1), ("5x", 1), ("5m1h", 2), ("5m5m", 2), ("0s", 0), ("5m x", 2), ("4000d", 0)]
        {
            assert_eq!(parse(bad).expect_err(bad).0, at, "{bad}");
        }
    }
}
