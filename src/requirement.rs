//! Packages that a script asks for, by name, extras, version and marker and nothing else, and those that it got.

use crate::panics;
use pep508_rs::pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder, VerbatimUrl, VersionOrUrl};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::str::FromStr;

/// The version of Python in the sandbox.
pub const PYTHON: &str = "3.14";
/// The same with a micro version, for `requires-python`.
const PYTHON_FULL: &str = "3.14.0";
/// Most requirements of a script.
const MOST: usize = 100;
/// Most characters of one.
const LONGEST: usize = 500;
/// The file in a bundle that lists requirements.
pub const REQUIREMENTS: &str = "requirements.txt";

/// A requirement, as Python's packaging standard writes it (PEP 508), without an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requirement {
    /// `requests[socks]>=2 ; python_version > "3"`
    pub text: String,
    /// The normalised name.
    pub name: String,
    /// Digests (SHA-256, hexadecimal) of the files that may be taken for it; none: any of the version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<String>,
}

/// Everything that a script asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// In order, each once.
    pub requirements: Vec<Requirement>,
}

/// A package in the version that was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Locked {
    /// The normalised name.
    pub name: String,
    /// The version.
    pub version: String,
}

/// The packages that a version of a script got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packages {
    /// What was asked for.
    pub request: Request,
    /// The blob of the files.
    pub blob: String,
    /// What was chosen.
    pub locked: Vec<Locked>,
    /// What can be imported, by its first name.
    pub modules: Vec<String>,
}

/// A requirement that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct BadRequirement {
    /// `dependencies`, `requires-python` or `requirements.txt:3`.
    pub place: String,
    /// A sentence.
    pub why: String,
}

impl Request {
    /// What a script asks for in its metadata and in its bundle's `requirements.txt`. None: it asks for no packages.
    pub fn of(
        dependencies: &[String],
        requires_python: Option<&str>,
        file: Option<&[u8]>,
    ) -> Result<Option<Self>, BadRequirement> {
        if let Some(wanted) = requires_python {
            check_python(wanted)?;
        }
        let bad = |place: &str| {
            let place = place.to_owned();
            move |why: String| BadRequirement { place, why }
        };
        let mut requirements = BTreeSet::new();
        for text in dependencies {
            requirements.insert(Requirement::parse(text).map_err(bad("dependencies"))?);
        }
        if let Some(content) = file {
            for (line, text) in logical_lines(&decoded(content)) {
                requirements.insert(Requirement::of_line(&text).map_err(bad(&format!("{REQUIREMENTS}:{line}")))?);
            }
        }
        if requirements.len() > MOST {
            return Err(bad("dependencies")(format!("there are {}; at most {MOST} are taken", requirements.len())));
        }
        let request = Request { requirements: requirements.into_iter().collect() };
        Ok((!request.requirements.is_empty()).then_some(request))
    }

    /// Names, for people.
    pub fn names(&self) -> String {
        self.requirements.iter().map(|requirement| &*requirement.name).collect::<Vec<_>>().join(", ")
    }
}

/// Most levels of nested parentheses in a marker: the parser of markers is recursive, and more would overflow the stack.
const DEEPEST: usize = 50;

/// Returns whether the parentheses of a text are nested too deep for the parser of markers.
pub fn is_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    text.bytes().any(|byte| {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEEPEST
    })
}

impl Requirement {
    /// Reads one requirement. The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(80).collect();
        if text.chars().count() > LONGEST {
            return Err(format!("{shown}… is too long: a requirement has at most {LONGEST} characters"));
        }
        // A tab is white space here as anywhere.
        let text = &text.replace('\t', " ");
        if let Some(strange) = text.chars().find(|c| c.is_control() || matches!(c, '#' | '\\' | '$' | '`')) {
            return Err(format!("{shown:?} holds {strange:?}, which no requirement has"));
        }
        let text = text.trim();
        if text.starts_with('-') {
            return Err(format!(
                "{shown:?} is an option: the index and all else about it are the server's to choose; list names and versions"
            ));
        }
        let has_address = text.contains("://") || text.contains(" @") || text.contains("git+");
        let is_path = text.starts_with(['.', '/', '~']) || text.ends_with(".whl") || text.ends_with(".tar.gz");
        if has_address || is_path {
            return Err(format!(
                "{shown:?} names a place: packages come from the server's index alone; write a name and a version, such as requests>=2"
            ));
        }
        if is_deep(text) {
            return Err(format!("{shown:?} has more than {DEEPEST} levels of parentheses"));
        }
        let text = &spaced(text);
        if let Some(marker) = uncomparable(text) {
            return Err(format!(
                "{shown:?} compares {marker}: ~= is for versions alone (python_version, python_full_version, implementation_version)"
            ));
        }
        let read = || {
            let parsed = pep508_rs::Requirement::<VerbatimUrl>::from_str(text)
                .map_err(|error| format!("{shown:?} is no requirement: {}", first_line(&error.message.to_string())))?;
            if let Some(VersionOrUrl::Url(_)) = parsed.version_or_url {
                return Err(format!("{shown:?} names a place: packages come from the server's index alone"));
            }
            Ok(Requirement { name: parsed.name.to_string(), text: parsed.to_string(), hashes: Vec::new() })
        };
        panics::caught("the requirement", read).map_err(|panicked| format!("{shown:?}: {panicked}"))?
    }

    /// Reads a line of a `requirements.txt`, which may end in `--hash=sha256:…`.
    fn of_line(line: &str) -> Result<Self, String> {
        let line = &line.replace('\t', " ");
        let (text, options) = match line.find(" --") {
            Some(at) => line.split_at(at),
            None => (line.as_str(), ""),
        };
        let mut hashes = Vec::new();
        for option in options.split_whitespace() {
            let digest = option.strip_prefix("--hash=sha256:");
            let digest = digest.filter(|digest| digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()));
            hashes.push(
                digest.ok_or_else(|| format!("{option:?} is not taken: only --hash=sha256:… is"))?.to_lowercase(),
            );
        }
        Ok(Requirement { hashes, ..Self::parse(text)? })
    }
}

/// A requirement whose marker has white space around its parentheses and quoted texts, which the reader needs and Python's
/// packaging tools do not: `os_name == 'a'and(extra == 'b')`.
fn spaced(text: &str) -> String {
    let Some(at) = text.find(';') else { return text.to_owned() };
    let (before, marker) = text.split_at(at);
    let mut spaced = before.to_owned();
    let mut quote = None;
    for c in marker.chars() {
        let opens = quote.is_none() && matches!(c, '"' | '\'');
        let closes = quote == Some(c);
        let bracket = quote.is_none() && matches!(c, '(' | ')');
        let is_apart = spaced.ends_with(' ');
        if (opens || bracket) && !is_apart {
            spaced.push(' ');
        }
        if quote.is_some() || c != ' ' || !is_apart {
            spaced.push(c);
        }
        if closes || bracket {
            spaced.push(' ');
        }
        quote = if opens { Some(c) } else { quote.filter(|_| !closes) };
    }
    spaced
}

/// The text of a file: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes what it is to put into a file.
fn decoded(content: &[u8]) -> String {
    let units = |read: fn([u8; 2]) -> u16| {
        let units = content.chunks_exact(2).skip(1).map(|two| read(two.try_into().unwrap_or_default()));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match content {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        _ => String::from_utf8_lossy(content).into_owned(),
    }
}

/// A comparison in a requirement's marker that no reader can make sense of: a quoted text, `~=`, and what is not a version.
fn uncomparable(text: &str) -> Option<&str> {
    let mut from = text.find(';')? + 1;
    loop {
        let open = from + text.get(from..)?.find(['"', '\''])?;
        let quote = text.get(open..)?.chars().next()?;
        let close = open + 1 + text.get(open + 1..)?.find(quote)?;
        from = close + 1;
        let rest = text.get(from..)?;
        let Some(right) = rest.trim_start().strip_prefix("~=") else { continue };
        let right = right.trim_start();
        let name = right.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))).next()?;
        if !["python_version", "python_full_version", "implementation_version"].contains(&name) {
            return text.get(open..text.len() - right.len() + name.len());
        }
    }
}

/// Lines with their numbers: without comments and empty ones, those that end in a backslash joined with the next.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let (mut joined, mut first) = (String::new(), None);
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim_end();
        // A comment begins a line or stands after white space.
        let comment = line.match_indices('#').find(|(at, _)| {
            line.get(..*at).is_none_or(|before| before.is_empty() || before.ends_with(char::is_whitespace))
        });
        let content = comment.map_or(line, |(at, _)| line.get(..at).unwrap_or_default());
        let (content, goes_on) = match content.strip_suffix('\\') {
            Some(content) => (content, true),
            None => (content, false),
        };
        let begun = *first.get_or_insert(number);
        joined.push_str(content);
        if !goes_on {
            if !joined.trim().is_empty() {
                lines.push((begun, joined.trim().to_owned()));
            }
            (joined, first) = (String::new(), None);
        }
    }
    if !joined.trim().is_empty() {
        lines.push((first.unwrap_or(1), joined.trim().to_owned()));
    }
    lines
}

fn check_python(wanted: &str) -> Result<(), BadRequirement> {
    let bad = |why: String| BadRequirement { place: "requires-python".into(), why };
    let shown: String = wanted.chars().take(80).collect();
    let fits = || {
        let specifiers = VersionSpecifiers::from_str(wanted)
            .map_err(|error| format!("{shown:?} says no versions of Python: {}", first_line(&error.to_string())))?;
        let ours = Version::from_str(PYTHON_FULL).map_err(|error| error.to_string())?;
        Ok(specifiers.contains(&ours))
    };
    match panics::caught("the version of Python", fits).map_err(|panicked| bad(panicked.to_string()))? {
        Ok(true) => Ok(()),
        Ok(false) => Err(bad(format!("the script asks for Python {shown}; this server runs {PYTHON}"))),
        Err(why) => Err(bad(why)),
    }
}

/// Whether what a package says about Python's versions lets it run here; what cannot be read does.
pub fn runs_here(requires_python: &str) -> bool {
    let fits = || {
        let specifiers = VersionSpecifiers::from_str(requires_python).ok()?;
        Some(specifiers.contains(&Version::from_str(PYTHON_FULL).ok()?))
    };
    panics::caught("the version of Python", fits).ok().flatten().unwrap_or(true)
}

/// What markers are evaluated for: the interpreter in the sandbox. None only if the texts below are no versions.
pub fn environment() -> Option<MarkerEnvironment> {
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: PYTHON_FULL,
        os_name: "posix",
        platform_machine: "wasm32",
        platform_python_implementation: "CPython",
        platform_release: "0.0.0",
        platform_system: "wasi",
        platform_version: "0.0.0",
        python_full_version: PYTHON_FULL,
        python_version: PYTHON,
        sys_platform: "wasi",
    })
    .ok()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn requirements_are_names_extras_versions_and_markers() {
        for (text, name) in [
            ("requests", "requests"),
            ("Requests[socks] >= 2.8, <3", "requests"),
            ("ruamel.yaml==0.18.*", "ruamel-yaml"),
            ("tomli>=2 ; python_version < '3.11'", "tomli"),
            ("a~=1.0; extra == 'x' or sys_platform == \"wasi\"", "a"),
        ] {
            assert_eq!(Requirement::parse(text).expect(text).name, name);
        }
    }

    #[test]
    fn places_and_options_are_refused_with_a_sentence() {
        for (text, says) in [
            ("requests @ https://example.com/requests.whl", "names a place"),
            ("git+https://example.com/x.git", "names a place"),
            ("x@git+ssh://example.com/x", "names a place"),
            ("./dist/x-1.0-py3-none-any.whl", "names a place"),
            ("/srv/x", "names a place"),
            ("file:///srv/x", "names a place"),
            ("-e .", "is an option"),
            ("--index-url https://example.com", "is an option"),
            ("-r other.txt", "is an option"),
            ("requests>=", "is no requirement"),
            ("", "is no requirement"),
            ("a b", "is no requirement"),
            ("requests; os_nam == 'x'", "is no requirement"),
            ("x\n--index-url y", "which no requirement has"),
            ("${HOME}", "which no requirement has"),
            (&format!("a; {}os_name == 'x'{}", "(".repeat(51), ")".repeat(51)), "more than 50 levels of parentheses"),
        ] {
            let why = Requirement::parse(text).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        }
        assert!(Requirement::parse(&"n".repeat(501)).is_err());
    }

    /// B9: what pip takes is taken.
    #[test]
    fn white_space_and_parentheses_are_as_pip_takes_them() {
        for (text, same) in [
            ("idna\t>=2", "idna>=2"),
            ("idna\t>=2\t,\t<4\t;\tpython_version\t>'3'", "idna>=2,<4 ; python_version > '3'"),
            (
                "idna; os_name == 'posix' and(python_version > '3')",
                "idna ; os_name == 'posix' and (python_version > '3')",
            ),
            (
                "idna;(os_name=='a'or os_name=='b')and(extra=='c')",
                "idna ; (os_name=='a' or os_name=='b') and (extra=='c')",
            ),
            ("idna;'win'not in sys_platform", "idna ; 'win' not in sys_platform"),
            ("idna;sys_platform in'a(b) and(c)'", "idna ; sys_platform in 'a(b) and(c)'"),
        ] {
            let read = Requirement::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(Ok(read), Requirement::parse(same), "{text}");
        }
        let file = "idna\t# a comment\n\t# another\nhttpx[socks]\t#third\nurllib3 --hash=sha256:".to_owned()
            + &"0".repeat(64)
            + "\t# x\n";
        let request = |content: &[u8]| Request::of(&[], None, Some(content));
        let names = request(file.as_bytes()).expect("reads").expect("asks").names();
        assert_eq!(names, "httpx, idna, urllib3");
        let wide: Vec<u8> = "\u{feff}idna\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(request(&wide).expect("reads").expect("asks").names(), "idna");
        assert!(request(b"\xff\xfe\x00").expect("reads").is_none());
    }

    /// Every comparison there can be, with the quoted text on either side.
    #[test]
    fn no_marker_panics_and_what_cannot_be_compared_is_refused_with_its_place() {
        let versions = ["python_version", "python_full_version", "implementation_version"];
        let texts = [
            "os_name",
            "os.name",
            "sys_platform",
            "sys.platform",
            "platform_machine",
            "platform.machine",
            "platform_python_implementation",
            "platform.python_implementation",
            "python_implementation",
            "platform_release",
            "platform_system",
            "platform_version",
            "platform.version",
            "implementation_name",
            "extra",
        ];
        let operators = ["==", "!=", "<", "<=", ">", ">=", "~=", "===", " in ", " not in "];
        let quoted = ["'1.0'", "\"1.0\"", "'1'", "'posix'", "''", "'*'", "'1.0.*'", "'é'", "'a b'"];
        let mut refused = 0;
        for (quoted, operator) in quoted.iter().flat_map(|quoted| operators.iter().map(move |op| (quoted, op))) {
            for (variable, space) in versions.iter().chain(&texts).flat_map(|name| [(name, ""), (name, " ")]) {
                let left = format!("{quoted}{space}{operator}{space}{variable}");
                let right = format!("{variable}{space}{operator}{space}{quoted}");
                for marker in [&left, &right, &format!("{left} or {right}"), &format!("({left}) and os_name == 'x'")] {
                    let _ = Requirement::parse(&format!("name; {marker}"));
                }
                if *operator == "~=" && texts.contains(variable) {
                    let why = Request::of(&[format!("name; {left}")], None, None).expect_err(&left).to_string();
                    assert!(why.starts_with("dependencies: ") && why.contains("~= is for versions alone"), "{why}");
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 9 * 15 * 2);
        assert!(Requirement::parse("name; '3.8' ~= python_version").is_ok());
        let why = Requirement::parse("name; os_name == 'a' and '1.0' ~= os_name").expect_err("refused");
        assert!(why.contains("compares '1.0' ~= os_name:"), "{why}");
    }

    #[test]
    fn no_bytes_panic() {
        let pieces = [
            "name",
            "[a,b]",
            ">=1",
            "~=",
            "==1.*",
            ";",
            "'",
            "\"",
            "os_name",
            "python_version",
            " in ",
            "not",
            "(",
            ")",
            "1.0",
            "!",
            "@",
            " ",
            ",",
            "extra",
            "é",
            "\u{0}",
            "\u{202e}",
            "and",
            "or",
            "~",
            "99999999999999999999",
            ".",
            "-",
            "+local",
            "dev0",
            "*",
        ];
        let mut dice = Dice::new(1);
        let mut roll = |most: usize| dice.index(most);
        for _ in 0..20_000 {
            let text: String = (0..roll(12) + 1).map(|_| pieces[roll(pieces.len())]).collect();
            let _ = Request::of(std::slice::from_ref(&text), Some(&text), Some(text.as_bytes()));
            let bytes: Vec<u8> = (0..roll(40)).map(|_| roll(256) as u8).collect();
            let _ = Request::of(&[], None, Some(&bytes));
        }
    }

    #[test]
    fn a_file_of_requirements_is_read_line_by_line() {
        let digest = "a".repeat(64);
        let text = format!(
            "# what we need\n\nrequests>=2 # http\nidna==3.10 \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{digest}\n"
        );
        let lines = logical_lines(&text);
        assert_eq!(lines.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [3, 4]);
        let read = Requirement::of_line(&lines[1].1).expect("reads");
        assert_eq!((read.name.as_str(), read.hashes.len()), ("idna", 2));
        assert!(Requirement::of_line("idna --hash=md5:abc").is_err());
        assert!(Requirement::of_line("idna --no-binary :all:").is_err());
    }

    #[test]
    fn the_python_that_is_asked_for_must_be_this_one() {
        assert_eq!(check_python(">=3.11"), Ok(()));
        assert_eq!(check_python(">=3.9,<4"), Ok(()));
        assert!(check_python("<3.14").expect_err("refuses").why.contains("this server runs 3.14"));
        assert!(check_python("new").expect_err("refuses").why.contains("no versions"));
        assert!(environment().is_some());
    }
}
