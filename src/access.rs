//! Who may do what: scopes, tokens, and what somebody who calls is allowed.

use crate::clock::Time;
use crate::script::{BadName, Labels, Name, has_label};
use sha2::{Digest, Sha256};
use std::fmt;

/// What every token begins with, so that people and scanners recognise one.
pub const TOKEN_PREFIX: &str = "cbx_";
/// What the value of every session's cookie begins with.
pub const SESSION_PREFIX: &str = "cbs_";

/// What a token allows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at scripts, runs and results.
    Read,
    /// Start, cancel and retry saved scripts.
    Run,
    /// Upload scripts and change settings.
    Write,
    /// Run source that is sent along.
    Exec,
    /// Allow scripts more than the default.
    Grant,
    /// Read what is counted (`/metrics`), and nothing else; `read` has it too.
    Metrics,
    /// Tokens, and everything else.
    Admin,
}

/// All scopes.
pub const SCOPES: [Scope; 7] =
    [Scope::Read, Scope::Run, Scope::Write, Scope::Exec, Scope::Grant, Scope::Metrics, Scope::Admin];

impl Scope {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Run => "run",
            Scope::Write => "write",
            Scope::Exec => "exec",
            Scope::Grant => "grant",
            Scope::Metrics => "metrics",
            Scope::Admin => "admin",
        }
    }

    /// The scope of a word.
    pub fn parse(word: &str) -> Option<Self> {
        SCOPES.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// Why a priority has to be allowed by somebody with the scope `grant`, when it has: it is above the default, and above what was
/// there before.
pub fn needs_grant(priority: Option<i64>, had: Option<i64>) -> Option<String> {
    let priority = priority.unwrap_or_default();
    (priority > had.unwrap_or_default().max(0)).then(|| {
        format!("the priority {priority} goes before the runs of others: above 0 it needs the scope grant; 0 and less are free")
    })
}

/// A token as it is kept: what it allows, not what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Names it.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Only these scripts, by key.
    pub scripts: Option<Vec<String>>,
    /// Only scripts with one of these labels, `key=value`.
    pub labels: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was used last, to a minute.
    pub last_used_at: Option<Time>,
}

/// A login of a browser with a token, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Of the cookie's value.
    pub hash: String,
    /// When it ends.
    pub expires_at: Time,
}

/// The scripts that somebody may touch: by default all. Kept with what they leave behind, so that it is asked again when
/// that is acted upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reach {
    /// These, by key or by pattern ([`script_pattern`]); with `labels` none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Vec<String>>,
    /// Those with one of these labels, `key=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}

impl Reach {
    /// Whether it is all scripts, and all runs that belong to none.
    pub fn is_all(&self) -> bool {
        self.scripts.is_none() && self.labels.is_none()
    }

    /// Whether it names a script of this key, whatever its labels.
    pub fn names(&self, key: &str) -> bool {
        self.scripts.as_ref().is_some_and(|scripts| scripts.iter().any(|script| matches(script, key)))
    }

    /// Whether a script of this key and these labels is in it.
    pub fn covers(&self, key: &str, labels: &Labels) -> bool {
        let has_one = |wanted: &Vec<String>| wanted.iter().any(|label| has_label(labels, label));
        self.is_all() || self.names(key) || self.labels.as_ref().is_some_and(has_one)
    }
}

impl fmt::Display for Reach {
    /// `scripts named a, team-* and scripts with a label team=data`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.scripts.as_ref().map(|scripts| format!("scripts named {}", scripts.join(", ")));
        let labelled = self.labels.as_ref().map(|labels| format!("scripts with the label {}", labels.join(", ")));
        match (named, labelled) {
            (Some(named), Some(labelled)) => write!(f, "{named} and {labelled}"),
            (Some(one), None) | (None, Some(one)) => f.write_str(&one),
            (None, None) => f.write_str("all scripts"),
        }
    }
}

/// What a pattern for names may hold for any characters, none too.
const ANY: char = '*';

/// Reads the name of a script, or a pattern for names in which `*` stands for any characters, none too: as it is compared, in
/// lower case.
pub fn script_pattern(text: &str) -> Result<String, BadName> {
    if !text.contains(ANY) {
        return Ok(Name::parse(text)?.key().to_owned());
    }
    // With a letter for each of them it is a name, or no name matches it.
    Name::parse(&text.replace(ANY, "x"))?;
    Ok(text.strip_suffix(".py").unwrap_or(text).to_lowercase())
}

/// Whether a pattern, or the very key, is this key's.
fn matches(pattern: &str, key: &str) -> bool {
    let mut parts = pattern.split(ANY);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = key.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Somebody who calls.
#[derive(Clone, Debug)]
pub enum Caller {
    /// The user of this machine, on a server that has no tokens.
    Local,
    /// Somebody with a token.
    Token(Token),
}

impl Caller {
    /// The token's id.
    pub fn id(&self) -> Option<&str> {
        match self {
            Caller::Local => None,
            Caller::Token(token) => Some(&token.id),
        }
    }

    /// Whether a scope is theirs, whatever the script.
    pub fn has(&self, scope: Scope) -> bool {
        match self {
            Caller::Local => true,
            Caller::Token(token) => {
                let has = |scope| token.scopes.contains(&scope);
                has(scope) || has(Scope::Admin) || scope == Scope::Metrics && has(Scope::Read)
            }
        }
    }

    /// Whether what they ask for is granted by their asking: they have the scope for it.
    pub fn grants_itself(&self) -> bool {
        self.has(Scope::Grant)
    }

    /// Whether their token is limited to labels, and this is one of them. The local caller has every label; a token that is
    /// not limited to labels has none.
    pub fn has_label(&self, label: &str) -> bool {
        match self {
            Caller::Local => true,
            Caller::Token(token) => token.labels.as_ref().is_some_and(|labels| labels.iter().any(|own| own == label)),
        }
    }

    /// The scripts they may touch.
    pub fn reach(&self) -> Reach {
        match self {
            Caller::Local => Reach::default(),
            Caller::Token(token) => Reach { scripts: token.scripts.clone(), labels: token.labels.clone() },
        }
    }

    /// Whether they may touch a script of this key and these labels. A script that is not there yet has none.
    pub fn reaches(&self, key: &str, labels: &Labels) -> bool {
        self.reach().covers(key, labels)
    }

    /// Whether they may touch some scripts only.
    pub fn is_limited(&self) -> bool {
        !self.reach().is_all()
    }
}

/// A new token: 256 random bits.
pub fn new_token() -> Result<String, getrandom::Error> {
    random(TOKEN_PREFIX)
}

/// The value of a new session's cookie: 256 random bits.
pub fn new_session() -> Result<String, getrandom::Error> {
    random(SESSION_PREFIX)
}

fn random(prefix: &str) -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{prefix}{}", hex::encode(bytes)))
}

/// What is kept of a token. A token is random throughout: there is nothing to guess, so nothing to salt or to slow down.
pub fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    fn caller(scopes: &[Scope], scripts: Option<&[&str]>, labels: Option<&[&str]>) -> Caller {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Caller::Token(Token {
            id: "t".into(),
            name: "n".into(),
            scopes: scopes.to_vec(),
            scripts: scripts.map(owned),
            labels: labels.map(owned),
            created_at: from_micros(0),
            expires_at: None,
            last_used_at: None,
        })
    }

    #[test]
    fn scopes_are_apart_and_admin_has_all() {
        let reader = caller(&[Scope::Read], None, None);
        assert!(reader.has(Scope::Read) && !reader.has(Scope::Run) && !reader.has(Scope::Exec));
        let admin = caller(&[Scope::Admin], None, None);
        assert!(SCOPES.into_iter().all(|scope| admin.has(scope) && Caller::Local.has(scope)));
    }

    #[test]
    fn a_limited_token_reaches_its_scripts_only() {
        let labels: Labels = [("team".to_owned(), "data".to_owned())].into();
        let by_name = caller(&[Scope::Run], Some(&["price"]), None);
        assert!(by_name.reaches("price", &Labels::new()) && !by_name.reaches("other", &labels));
        let by_label = caller(&[Scope::Run], None, Some(&["team=data"]));
        assert!(by_label.reaches("other", &labels) && !by_label.reaches("other", &Labels::new()));
        assert!(caller(&[Scope::Run], None, None).reaches("any", &Labels::new()));
    }

    /// D9: what reads metrics reads no sources.
    #[test]
    fn metrics_have_a_scope_of_their_own() {
        let scraper = caller(&[Scope::Metrics], None, None);
        assert!(scraper.has(Scope::Metrics) && !scraper.has(Scope::Read));
        assert!(caller(&[Scope::Read], None, None).has(Scope::Metrics));
        assert!(!caller(&[Scope::Run], None, None).has(Scope::Metrics));
    }

    /// D8: a token can be limited to names by pattern, and its refusals say to which.
    #[test]
    fn patterns_stand_for_names() {
        for (pattern, key, does) in [
            ("team-*", "team-a", true),
            ("team-*", "team-", true),
            ("team-*", "team", false),
            ("*-daily", "a-daily", true),
            ("*-daily", "a-daily-2", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("ab*ab", "ab", false),
            ("ab*ab", "abab", true),
            ("*", "anything", true),
            ("a**b", "ab", true),
            ("price", "price", true),
            ("price", "prices", false),
        ] {
            let reach = Reach { scripts: Some(vec![pattern.into()]), labels: None };
            assert_eq!(reach.names(key), does, "{pattern} {key}");
        }
        assert_eq!(script_pattern("Team-*.py").as_deref(), Ok("team-*"));
        assert_eq!(script_pattern("Price.py").as_deref(), Ok("price"));
        for bad in ["team/*", "", ".*x", "a b*"] {
            assert!(script_pattern(bad).is_err(), "{bad}");
        }
        let reach = Reach { scripts: Some(vec!["a".into(), "b-*".into()]), labels: Some(vec!["team=data".into()]) };
        assert_eq!(reach.to_string(), "scripts named a, b-* and scripts with the label team=data");
    }

    #[test]
    fn a_priority_above_the_default_needs_the_scope_grant() {
        for (priority, had, free) in [
            (None, None, true),
            (Some(-100), None, true),
            (Some(0), Some(-5), true),
            (Some(1), None, false),
            (Some(1), Some(-5), false),
            (Some(7), Some(7), true),
            (Some(6), Some(7), true),
            (Some(8), Some(7), false),
        ] {
            assert_eq!(needs_grant(priority, had).is_none(), free, "{priority:?} {had:?}");
        }
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (one, other) = (new_token().expect("random"), new_token().expect("random"));
        assert_ne!(one, other);
        assert_eq!(one.len(), 68);
        assert_eq!(hash("x").len(), 64);
    }
}
