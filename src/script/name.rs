//! Names of scripts and schedules: letters of any language, in one spelling.
//!
//! Two files never become one name without the user's doing: a file whose name cannot be a name as it is written is refused
//! with a name that can be typed instead.

use std::fmt;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript};

/// Longest name, in characters.
pub const MAX_NAME: usize = 100;
/// Longest name, in bytes of UTF-8: with its ending it is a file's name, which has at most 255.
const MAX_BYTES: usize = 240;
/// Scripts whose letters look like one another's. A word has letters of one of them.
const ALIKE: &[Script] =
    &[Script::Latin, Script::Cyrillic, Script::Greek, Script::Armenian, Script::Cherokee, Script::Coptic];

/// The name of a script or a schedule: letters and digits of any language, `.`, `_` and `-`, in Unicode's composed form
/// (NFC); unique without regard to case. A trailing `.py` is dropped.
#[derive(Clone, Debug)]
pub struct Name {
    text: String,
    key: String,
}

/// Why something is not a name. Says what a name may be, and one that is near.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{shown:?} is not a name: {why}. A name has 1 to {MAX_NAME} letters or digits, of any language, or . _ - and begins \
     with a letter, a digit or _"
)]
pub struct BadName {
    shown: String,
    why: String,
    near: Option<String>,
}

impl BadName {
    /// A name that is near and can be one.
    pub fn near(&self) -> Option<&str> {
        self.near.as_deref()
    }
}

impl Name {
    /// Reads a name as a user wrote it.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let name: String = text.strip_suffix(".py").unwrap_or(text).nfc().take(MAX_NAME + 1).collect();
        match why_not(&name) {
            None => Ok(Name { key: key_of(&name), text: name }),
            Some(why) => {
                let near = near(&name);
                let near = (why_not(&near).is_none()).then_some(near);
                Err(BadName { shown: text.chars().take(40).collect(), why, near })
            }
        }
    }

    /// The name that a file gives its script: its own, without `.py` or `.pyc`.
    pub fn of_file(file: &str) -> Result<Self, BadName> {
        Self::parse(file.strip_suffix(".pyc").unwrap_or(file))
    }

    /// A name that is near a file's, for what is run once and not kept.
    pub fn near_file(file: &str) -> Self {
        let stem = file.strip_suffix(".py").or_else(|| file.strip_suffix(".pyc")).unwrap_or(file);
        let text = without_mixed(&near(&stem.nfc().collect::<String>()));
        Name { key: key_of(&text), text }
    }

    /// The name of a script that is kept already.
    pub fn kept(text: &str, key: &str) -> Self {
        Name { text: text.to_owned(), key: key.to_owned() }
    }

    /// The name of something of a script's: the script's, cut so that it fits, and a part that tells it from others.
    pub fn with_ending(script: &str, ending: &str) -> String {
        let mut stem: String = script.chars().take(MAX_NAME.saturating_sub(ending.chars().count() + 1)).collect();
        while stem.len() + 1 + ending.len() > MAX_BYTES && stem.pop().is_some() {}
        format!("{stem}-{ending}")
    }

    /// As its owner writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// By which it is found: in lower case.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// By what a name is found. Letter by letter, so that it does not depend on what comes next (a sigma at the end of a word).
pub fn key_of(name: &str) -> String {
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// Whether a name may have this character.
fn may_have(c: char) -> bool {
    (c.is_alphanumeric() || is_combining_mark(c) || matches!(c, '.' | '_' | '-')) && !is_invisible(c)
}

/// Letters and marks that show nothing: fillers, joiners, variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Why this, in composed form, is not a name; none when it is one.
fn why_not(name: &str) -> Option<String> {
    let first = name.chars().next();
    if let Some(strange) = name.chars().find(|c| !may_have(*c)) {
        return Some(match strange {
            '/' | '\\' => "it has a slash in it".into(),
            c if c.is_control() => format!("it has the control character U+{:04X} in it", c as u32),
            c if is_invisible(c) => format!("it has a character in it that is not shown (U+{:04X})", c as u32),
            c if c.is_ascii() => format!("it has {c:?} in it"),
            c => format!("it has {c:?} (U+{:04X}) in it", c as u32),
        });
    }
    let Some(first) = first else { return Some("it is empty".into()) };
    if name.chars().count() > MAX_NAME || name.len() > MAX_BYTES {
        return Some(format!("it is longer than {MAX_NAME} characters or {MAX_BYTES} bytes"));
    }
    if matches!(first, '.' | '-') || is_combining_mark(first) {
        return Some(format!("it begins with {first:?}"));
    }
    if name.ends_with(".py") {
        return Some("it ends with .py twice, and .py is dropped".into());
    }
    name.split(|c: char| !c.is_alphabetic() && !is_combining_mark(c)).find_map(mixed)
}

/// Why a word has letters that pass for one another's; none when it has not.
fn mixed(word: &str) -> Option<String> {
    let script = |c: char| Some((c.script(), c)).filter(|(script, _)| ALIKE.contains(script));
    let mut letters = word.chars().filter_map(script);
    let (script, first) = letters.next()?;
    let (other, odd) = letters.find(|(other, _)| *other != script)?;
    Some(format!(
        "{word:?} mixes letters that look alike: {first:?} is {}, {odd:?} (U+{:04X}) is {}",
        script.full_name(),
        odd as u32,
        other.full_name()
    ))
}

/// Replaces letters that look like those of another script in the same word.
fn without_mixed(name: &str) -> String {
    let mut of_word = None;
    let kept = |c: char| {
        if !c.is_alphabetic() && !is_combining_mark(c) {
            of_word = None;
        } else if ALIKE.contains(&c.script()) && *of_word.get_or_insert(c.script()) != c.script() {
            of_word = None;
            return '_';
        }
        c
    };
    name.chars().map(kept).collect()
}

/// The nearest that has only what a name may have.
fn near(stem: &str) -> String {
    let begins_well = |c: char| !matches!(c, '.' | '-') && !is_combining_mark(c);
    let stem = stem.trim_end_matches(".py");
    let name: String = stem.chars().map(|c| if may_have(c) { c } else { '_' }).take(MAX_NAME - 1).collect();
    let mut text = if name.starts_with(begins_well) { name } else { format!("_{name}") };
    while text.len() > MAX_BYTES || text.ends_with(".py") {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(bad: &str) -> String {
        Name::parse(bad).expect_err(bad).to_string()
    }

    /// C1: what a name may be.
    #[test]
    fn names_of_any_language_are_names_of_their_own() {
        let good = [
            "price",
            "price.py",
            "a",
            "_x",
            "0",
            "A-b.c_d",
            "签到",
            "天气.py",
            "日報_daily",
            "отчёт",
            "отчёт_daily",
            "ä",
            "naïve-2024",
            "ΟΔΟΣ",
            "हिन्दी",
            "ภาษาไทย",
            "한국어",
            "تقرير",
            "A股",
            "签到v2",
            "１２",
            "ﬁle",
        ];
        let keys: std::collections::BTreeSet<String> =
            good.iter().map(|name| Name::parse(name).expect(name).key().to_owned()).collect();
        assert_eq!(keys.len(), good.len() - 1, "price and price.py are the same: {keys:?}");
        assert_eq!(Name::parse("Price.py"), Name::parse("price"));
        assert_eq!(Name::parse("Price.py").expect("parses").as_str(), "Price");
        assert_eq!(Name::parse("ОТЧЁТ"), Name::parse("отчёт"));
        // The same word in both of its spellings; macOS writes the second.
        assert_eq!(Name::parse("caf\u{e9}"), Name::parse("cafe\u{301}"));
        assert_eq!(Name::parse("cafe\u{301}").expect("parses").as_str(), "caf\u{e9}");
        assert_eq!(Name::parse("n".repeat(100).as_str()).expect("parses").as_str().len(), 100);
        assert!(Name::parse(&"签".repeat(80)).is_ok());
        // Folding stops at case: these are two.
        assert_ne!(Name::parse("straße"), Name::parse("strasse"));
        assert_ne!(Name::parse("ﬁle"), Name::parse("file"));
    }

    #[test]
    fn what_is_named_after_a_script_has_a_name_too() {
        for script in ["price", &"n".repeat(100), &"签".repeat(80)] {
            let name = Name::with_ending(script, "0123abcd");
            assert!(Name::parse(&name).is_ok() && name.ends_with("-0123abcd"), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_a_name_says_why() {
        for (bad, says) in [
            ("", "is empty"),
            (".py", "is empty"),
            ("..", "begins with '.'"),
            (".x", "begins with '.'"),
            ("-x", "begins with '-'"),
            ("\u{301}x", "begins with"),
            ("a/b", "a slash"),
            ("a b", "' '"),
            ("a\nb", "U+000A"),
            ("a\0", "U+0000"),
            ("a%2fb", "'%'"),
            ("签到（新）", "U+FF08"),
            ("🚀", "U+1F680"),
            ("a\u{200d}b", "not shown (U+200D)"),
            ("a\u{fe0f}b", "not shown (U+FE0F)"),
            ("a\u{3164}b", "not shown (U+3164)"),
            ("a\u{202e}b", "U+202E"),
            ("prіce", "U+0456"),
            ("раypal", "look alike"),
            ("x.py.py", ".py twice"),
            (&"n".repeat(101), "longer than 100"),
            (&"签".repeat(81), "240 bytes"),
        ] {
            assert!(why(bad).contains(says), "{bad:?}: {}", why(bad));
        }
        assert!(why("🚀").contains("of any language"));
    }

    /// C1: a file gives its own name, or none and a near one to type.
    #[test]
    fn files_give_their_own_name_or_none() {
        for (file, name) in [("price.py", "price"), ("price.pyc", "price"), ("签到.py", "签到"), ("日报", "日报")]
        {
            assert_eq!(Name::of_file(file).expect(file).as_str(), name);
        }
        for (file, near) in [("my script.py", "my_script"), ("签到（新）.py", "签到_新_"), ("-x.py", "_-x")] {
            assert_eq!(Name::of_file(file).expect_err(file).near(), Some(near));
            assert_eq!(Name::near_file(file).as_str(), near);
        }
        assert_eq!(Name::of_file("x.py.py").expect_err("twice").near(), Some("x"));
        assert_eq!(Name::near_file(".py").as_str(), "_");
        assert_eq!(Name::of_file("prіce.py").expect_err("mixed").near(), None);
    }
}
