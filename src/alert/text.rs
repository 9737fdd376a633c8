//! Conditions, read: the grammar of the room above, understood to the end of the text or refused at the place that is wrong.

use super::condition::{Condition, Cost, FAILURES, Failing, Test};
use super::error::{ConditionError, short, unknown};
use super::show::WHOLE;
use super::{MAX_CONDITION, span};
use crate::exact::{Exact, check_pointer, order};
use crate::run::Status;
use std::cmp::Ordering;
use std::str::FromStr;

/// The words that a condition can begin with.
const WORDS: [&str; 11] =
    ["failed", "recovered", "missed", "skipped", "late", "running", "stale", "queued", "fuel", "memory", "duration"];
/// The tests of a value.
const TESTS: [&str; 8] = [">", "<", "=", "!=", "changed", "outside", "missing", "outlier"];
/// Most runs in a row that can be counted.
const MOST_IN_A_ROW: u32 = 1_000;
/// The largest factor, and the largest number of percent.
const MOST_TIMES: f64 = 1e9;
/// Deepest that a value of a condition can be nested.
const DEEPEST: usize = 20;

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MAX_CONDITION {
            let message = format!("a condition has at most {MAX_CONDITION} bytes");
            return Err(ConditionError { message, at: 0, text: text.chars().take(MAX_CONDITION / 4).collect() });
        }
        let mut reader = Reader { text, words: words(text)?, next: 0 };
        let condition = reader.condition()?;
        match reader.peek() {
            None => Ok(condition),
            Some(word) => Err(reader.error(word.at, format!("expected the end, found `{}`", short(word.text)))),
        }
    }
}

/// A part of the text, and how many bytes are before it.
#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    at: usize,
}

/// Splits a text at white space; what is in quotes stays together.
fn words(text: &str) -> Result<Vec<Word<'_>>, ConditionError> {
    let (mut words, mut at) = (Vec::new(), 0);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.is_empty() {
            return Ok(words);
        }
        let size = if trimmed.starts_with('"') {
            quoted(trimmed)
        } else {
            trimmed.find(char::is_whitespace).or(Some(trimmed.len()))
        };
        let Some(size) = size else {
            return Err(ConditionError { message: "this quote is not closed".into(), at, text: text.to_owned() });
        };
        words.push(Word { text: &trimmed[..size], at });
        at += size;
    }
}

/// The size of the quoted text at the beginning of another; none when the quote is not closed.
fn quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        is_end
    });
    end.map(|(at, _)| at + 1)
}

struct Reader<'t> {
    text: &'t str,
    words: Vec<Word<'t>>,
    next: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<Word<'t>> {
        self.words.get(self.next).copied()
    }

    fn take(&mut self, what: &str) -> Result<Word<'t>, ConditionError> {
        let word = self
            .peek()
            .ok_or_else(|| self.error(self.text.trim_end().len(), format!("expected {what}, found the end")))?;
        self.next += 1;
        Ok(word)
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ConditionError {
        ConditionError { message: message.into(), at, text: self.text.to_owned() }
    }

    fn condition(&mut self) -> Result<Condition, ConditionError> {
        let first = self.take("a condition, such as failed, late 5m, or /price > 100")?;
        if first.text.starts_with(['/', '"']) || first.text == WHOLE {
            return self.result(first);
        }
        match first.text.to_ascii_lowercase().as_str() {
            "failed" => self.failed(),
            "recovered" => Ok(Condition::Recovered),
            "missed" => Ok(Condition::Missed),
            "skipped" => Ok(Condition::Skipped),
            "late" => Ok(Condition::Late(self.span()?)),
            "running" => Ok(Condition::Running(self.span()?)),
            "stale" => Ok(Condition::Stale(self.span()?)),
            "queued" => Ok(Condition::Queued(self.span()?)),
            word => match Cost::ALL.into_iter().find(|cost| cost.as_str() == word) {
                Some(cost) => self.cost(cost),
                None => Err(self.unknown(first)),
            },
        }
    }

    /// What is wrong with a word that no condition begins with.
    fn unknown(&self, word: Word<'t>) -> ConditionError {
        let is_test = |next: Word<'t>| TESTS.contains(&next.text) || next.text.starts_with(['>', '<', '=', '!']);
        if self.peek().is_some_and(is_test) {
            let place = word.text.trim_start_matches('$').replace('.', "/");
            let meant = short(&format!("/{}", place.trim_start_matches('/')));
            return self.error(word.at, format!("a place in the result is a JSON Pointer: write {meant}"));
        }
        let known = WORDS.iter().copied();
        if crate::suggest::nearest(word.text, known.clone()).is_none() && word.text.contains(['>', '<', '=']) {
            return self
                .error(word.at, "write a place in the result, a test and a value, with blanks between: /price > 100");
        }
        self.error(word.at, unknown("condition", word.text, known))
    }

    fn failed(&mut self) -> Result<Condition, ConditionError> {
        let Some(word) = self.peek() else { return Ok(Condition::Failed(Failing::InARow(1))) };
        self.next += 1;
        if word.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match word.text.parse() {
                Ok(count) if (1..=MOST_IN_A_ROW).contains(&count) => Ok(Condition::Failed(Failing::InARow(count))),
                _ => Err(self.error(word.at, format!("expected a number of runs in a row, from 1 to {MOST_IN_A_ROW}"))),
            };
        }
        let found = FAILURES.into_iter().find(|outcome| outcome.as_str().eq_ignore_ascii_case(word.text));
        found.map(|outcome| Condition::Failed(Failing::As(outcome))).ok_or_else(|| {
            if Status::Succeeded.as_str().eq_ignore_ascii_case(word.text) {
                return self.error(
                    word.at,
                    "a run that succeeded did not fail: the first success after a failure is `recovered`",
                );
            }
            let what = "outcome that a run can fail with:";
            self.error(word.at, unknown(what, word.text, FAILURES.iter().map(|outcome| outcome.as_str())))
        })
    }

    fn span(&mut self) -> Result<std::time::Duration, ConditionError> {
        let word = self.take("a time such as 5m or 1h30m")?;
        span::parse(word.text).map_err(|(at, why)| self.error(word.at + at, why))
    }

    fn cost(&mut self, cost: Cost) -> Result<Condition, ConditionError> {
        let example = format!("how many times the median, such as {} 3x", cost.as_str());
        let word = self.take(&example)?;
        let Some(number) = word.text.strip_suffix(['x', 'X']) else {
            return Err(self.error(word.at, format!("expected {example}, found `{}`", short(word.text))));
        };
        let times = self.factor(Word { text: number, ..word })?;
        if times <= 1.0 {
            return Err(self.error(word.at, "most runs cost more than that: expected more than 1x"));
        }
        Ok(Condition::Cost(cost, times))
    }

    /// A number greater than 0, without an exponent.
    fn factor(&self, word: Word<'t>) -> Result<f64, ConditionError> {
        let plain = !word.text.is_empty() && word.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match word.text.parse::<f64>() {
            Ok(number) if plain && number > 0.0 && number <= MOST_TIMES => Ok(number),
            Ok(_) if plain => Err(self.error(word.at, "expected a number greater than 0 and at most 1000000000")),
            _ => Err(self.error(word.at, format!("expected a number such as 3 or 2.5, found `{}`", short(word.text)))),
        }
    }

    fn result(&mut self, place: Word<'t>) -> Result<Condition, ConditionError> {
        let pointer = if place.text == WHOLE {
            String::new()
        } else if place.text.starts_with('"') {
            serde_json::from_str(place.text).map_err(|_| self.error(place.at, "this is no text as JSON writes it"))?
        } else {
            place.text.to_owned()
        };
        check_pointer(&pointer).map_err(|_| {
            let why = "this is no JSON Pointer: it begins with /, and in it ~ is written ~0";
            self.error(place.at, why)
        })?;
        let what = "a test: > < = != changed outside missing outlier";
        if self.peek().is_none() && pointer.contains(['>', '<', '=', '!']) {
            let at = place.text.find(['>', '<', '=', '!']).unwrap_or_default();
            return Err(self.error(place.at + at, "write a blank before the test and after it: /price > 100"));
        }
        let word = self.take(what)?;
        let test = match word.text.to_ascii_lowercase().as_str() {
            ">" => Test::Greater(self.number("a number to compare with")?),
            "<" => Test::Less(self.number("a number to compare with")?),
            "=" => Test::Equal(self.value()?),
            "!=" => Test::Unequal(self.value()?),
            "changed" => Test::Changed(self.percent()?),
            "outside" => self.outside()?,
            "missing" => Test::Missing,
            "outlier" => {
                let word = self.take("how many times the usual distance from the median, such as outlier 5")?;
                Test::Outlier(self.factor(word)?)
            }
            _ => return Err(self.no_test(word)),
        };
        Ok(Condition::Result(pointer, test))
    }

    fn no_test(&self, word: Word<'t>) -> ConditionError {
        let meant = match word.text {
            ">=" | "=>" => "write > and the number below",
            "<=" | "=<" => "write < and the number above",
            "==" | "is" => "write =",
            "<>" | "!==" => "write !=",
            text if text.starts_with(['>', '<', '=', '!']) => "write a blank between the test and the value: > 100",
            text => return self.error(word.at, unknown("test", text, TESTS.into_iter())),
        };
        self.error(word.at, format!("there is no test {:?}: {meant}", short(word.text)))
    }

    /// A JSON number.
    fn number(&mut self, what: &str) -> Result<Exact, ConditionError> {
        let word = self.take(what)?;
        self.as_number(word, what)
    }

    fn as_number(&self, word: Word<'t>, what: &str) -> Result<Exact, ConditionError> {
        let number = Exact::parse(word.text).ok().filter(Exact::is_number);
        number.ok_or_else(|| {
            self.error(word.at, format!("expected {what}, as JSON writes it, found `{}`", short(word.text)))
        })
    }

    /// A JSON value, or a word, which is a text.
    fn value(&mut self) -> Result<Exact, ConditionError> {
        let first = self.take("a value, such as 5, true or \"ok\"")?;
        let is_json = first.text.starts_with(['{', '[']);
        // Objects and lists can have blanks.
        let text = if is_json { self.text[first.at..].trim_end() } else { first.text };
        if is_json {
            self.next = self.words.len();
        }
        if let Ok(value) = Exact::parse(text) {
            return value
                .compact(DEEPEST)
                .map_err(|flaw| self.error(first.at, format!("this value cannot be: {flaw}")));
        }
        if text.starts_with(['{', '[', '"']) {
            return Err(self.error(first.at, "this is no value as JSON writes it"));
        }
        let lower = text.to_ascii_lowercase();
        for (word, json) in [("true", "true"), ("false", "false"), ("null", "null"), ("none", "null")] {
            if lower == word {
                return Err(self.error(first.at, format!("JSON writes {json}; as a text it is \"{text}\"")));
            }
        }
        Ok(Exact::from(serde_json::Value::from(text)))
    }

    fn percent(&mut self) -> Result<Option<f64>, ConditionError> {
        let Some(word) = self.peek() else { return Ok(None) };
        self.next += 1;
        let Some(number) = word.text.strip_suffix('%') else {
            let why = format!("expected a number of percent, such as 5%, or the end, found `{}`", short(word.text));
            return Err(self.error(word.at, why));
        };
        self.factor(Word { text: number, ..word }).map(Some)
    }

    fn outside(&mut self) -> Result<Test, ConditionError> {
        let what = "two numbers, such as 10..20";
        let word = self.take(what)?;
        let Some((least, most)) = word.text.split_once("..") else {
            return Err(self.error(word.at, format!("expected {what}, found `{}`", short(word.text))));
        };
        let low = self.as_number(Word { text: least, at: word.at }, "a number")?;
        let high = self.as_number(Word { text: most, at: word.at + least.len() + 2 }, "a number")?;
        if order(low.get(), high.get()) == Some(Ordering::Greater) {
            return Err(self.error(word.at, format!("the smaller number comes first: {}..{}", high.get(), low.get())));
        }
        Ok(Test::Outside(low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    fn parsed(text: &str) -> Result<Condition, ConditionError> {
        text.parse()
    }

    #[test]
    fn conditions_print_back_in_one_form() {
        for (text, printed) in [
            ("failed", "failed"),
            ("failed 1", "failed"),
            (" Failed  3 ", "failed 3"),
            ("failed out_of_memory", "failed out_of_memory"),
            ("recovered", "recovered"),
            ("missed", "missed"),
            ("skipped", "skipped"),
            ("late 90m", "late 1h30m"),
            ("running 10m", "running 10m"),
            ("stale 26h", "stale 26h"),
            ("queued 1m", "queued 1m"),
            ("fuel 3x", "fuel 3x"),
            ("memory 1.50X", "memory 1.5x"),
            ("duration 10x", "duration 10x"),
            ("/price > 100", "/price > 100"),
            ("/a/0/b~1c < -1.50e3", "/a/0/b~1c < -1.50e3"),
            ("/state = ok", r#"/state = "ok""#),
            ("/state != \"not ok\"", r#"/state != "not ok""#),
            ("/n = 12345678901234567890123", "/n = 12345678901234567890123"),
            ("/ok = true", "/ok = true"),
            ("/ok = null", "/ok = null"),
            ("/list = [1, 2]", "/list = [1,2]"),
            ("/price changed", "/price changed"),
            ("/price changed 5%", "/price changed 5%"),
            ("/price changed 0.10%", "/price changed 0.1%"),
            ("/price outside 10..20", "/price outside 10..20"),
            ("/t outside -5..-1.5", "/t outside -5..-1.5"),
            ("/price missing", "/price missing"),
            ("/price outlier 5", "/price outlier 5"),
            (r#""/two words" > 1"#, r#""/two words" > 1"#),
            (r#""/price" > 1"#, "/price > 1"),
            ("result > 5", "result > 5"),
            (r#""" > 5"#, "result > 5"),
        ] {
            let condition = parsed(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(condition.to_string(), printed, "{text}");
            assert_eq!(parsed(printed).as_ref(), Ok(&condition), "{printed}");
            assert!(!condition.words().is_empty());
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_at_its_place() {
        for (text, at, said) in [
            ("", 0, "expected a condition"),
            ("faild", 0, "did you mean failed?"),
            ("failed 0", 7, "from 1 to 1000"),
            ("failed 3 times", 9, "expected the end, found `times`"),
            ("failed timeout", 7, "did you mean timed_out?"),
            ("failed succeeded", 7, "`recovered`"),
            ("failed -1", 7, "there is no outcome"),
            ("missed 3", 7, "expected the end"),
            ("late", 4, "expected a time such as 5m or 1h30m, found the end"),
            ("late 5", 6, "expected a unit"),
            ("late 5 m", 6, "expected a unit"),
            ("late 5m1h", 7, "the larger unit comes first"),
            ("stale 0s", 6, "always over"),
            ("stales 26h", 0, "did you mean stale?"),
            ("fuel 3", 5, "such as fuel 3x, found `3`"),
            ("fuel 3 x", 5, "such as fuel 3x"),
            ("fuel 0.5x", 5, "more than 1x"),
            ("fuel nanx", 5, "expected a number such as 3"),
            ("price > 100", 0, "write /price"),
            ("data.price changed", 0, "write /data/price"),
            ("/price", 6, "expected a test"),
            ("/price>100", 6, "blank before the test"),
            ("/price >100", 7, "between the test and the value"),
            ("/price >= 100", 7, "write > and the number below"),
            ("/price == 100", 7, "write ="),
            ("/price > x", 9, "expected a number to compare with"),
            ("/price > 0x10", 9, "as JSON writes it"),
            ("/price chnaged", 7, "did you mean changed?"),
            ("/price changed 5", 15, "expected a number of percent"),
            ("/price changed -5%", 15, "expected a number such as 3"),
            ("/price changed 0%", 15, "greater than 0"),
            ("/price outside 20..10", 15, "the smaller number comes first: 10..20"),
            ("/price outside 20", 15, "two numbers"),
            ("/price outside 1..b", 18, "expected a number"),
            ("/price missing now", 15, "expected the end"),
            ("/price outlier", 14, "found the end"),
            ("/a~2 > 1", 0, "no JSON Pointer"),
            ("/ok = True", 6, "JSON writes true"),
            ("/s = a b", 7, "expected the end, found `b`"),
            ("/s = \"a", 5, "this quote is not closed"),
            ("/s = {\"a\":", 5, "no value as JSON"),
        ] {
            let error = parsed(text).expect_err(text);
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(error.message.contains(said), "{text}: {error}");
            assert!(error.caret().ends_with('^'));
        }
        let error = parsed("/größe >= 1").expect_err("refuses");
        assert_eq!(error.caret(), "/größe >= 1\n       ^", "counted in characters");
        assert!(parsed(&format!("/s = {}", "x".repeat(400))).is_err());
    }

    #[test]
    fn random_text_never_panics() {
        let mut dice = Dice::new(19);
        let parts = [
            "failed", "late", " ", "5m", "/a", ">", "\"", "\\", "3x", "..", "%", "é", "changed", "outside", "1", "-",
            "result", "=", "{",
        ];
        for _ in 0..5_000 {
            let text = dice.joined(&parts, 8);
            if let Ok(condition) = parsed(&text) {
                assert_eq!(parsed(&condition.to_string()), Ok(condition), "{text:?}");
            }
        }
    }
}
