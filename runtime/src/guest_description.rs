//! What is known of a guest beside its machine code and its image: how it is entered, what it can call, and what it says.
//! Which interpreter a guest is, is said in its description alone (CPython's is in [`crate::python`]).

use serde::{Deserialize, Serialize};

/// Describes a guest to a pool and its processes.
///
/// It is kept beside the compiled guest, and is trusted like that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GuestDescription {
    /// Its name: jobs choose a guest by it, and the names of its files begin with it.
    pub name: String,
    /// The functions that the host calls.
    pub entry: Entry,
    /// The interfaces of the host that it can import: `cronbox:guest/host`, or all of a package (`wasi:clocks`). Every guest
    /// imports `cronbox:meter/fuel`, which is not named here.
    pub imports: Vec<String>,
    /// The scripts that run before the first job; none: a guest that has nothing to set up.
    pub rehearsal: Option<Rehearsal>,
    /// How the line is found at which a script was stopped; none: it is not.
    pub stop_lines: Option<StopLines>,
    /// Its words, in what users are told.
    pub words: Words,
}

/// The functions of a guest that the host calls, by the names under which it exports them. Their types are those of
/// `wit/sandbox.wit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// Carries out a run (`run`).
    pub run: String,
    /// What images of packages are made with; none: there are none of this guest.
    pub images: Option<ImageEntry>,
}

/// The functions with which an image of packages is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageEntry {
    /// Returns what a script imports first (`first-imports`).
    pub first_imports: String,
    /// Imports modules (`prepare`).
    pub prepare: String,
    /// Gives back all handles after that. A guest without it keeps none.
    pub rest: String,
}

/// Scripts of this program's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The end of the names of script files (`.py`).
    pub suffix: String,
    /// Uses everything that is set up at first use.
    pub warm_up: String,
    /// A script like those that users write, with `{word}` and `{number}` in its names. Which pages most runs write is found
    /// with many of these.
    pub typical: String,
}

impl Rehearsal {
    /// Returns a typical script with these words in its names.
    pub(crate) fn typical(&self, word: &str, number: usize) -> String {
        self.typical.replace("{word}", word).replace("{number}", &number.to_string())
    }
}

/// The ways to find the line at which a script was stopped, in the memory of its sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StopLines {
    /// CPython describes its own structures.
    CPython,
}

/// What a guest calls things.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// The type of the error that a script gets when there is no more memory; empty: none.
    pub memory_error: String,
    /// How a script ends the interpreter itself.
    pub own_exit: String,
    /// What exhausts the interpreter's stack.
    pub deep: String,
}

impl GuestDescription {
    /// A guest that exports its function for a run under the name `run`, imports nothing beside its meter, and says
    /// nothing of its own.
    pub fn new(name: impl Into<String>, run: impl Into<String>) -> Self {
        GuestDescription {
            name: name.into(),
            entry: Entry { run: run.into(), images: None },
            imports: Vec::new(),
            rehearsal: None,
            stop_lines: None,
            words: Words::default(),
        }
    }

    /// Whether the guest can import an interface, which is named with its version.
    pub(crate) fn can_import(&self, interface: &str) -> bool {
        self.imports.iter().any(|named| {
            interface.strip_prefix(&**named).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '@']))
        })
    }

    /// Whether its name can be the beginning of a file's name.
    pub(crate) fn has_plain_name(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        (1..=32).contains(&self.name.len()) && self.name.bytes().all(is_plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_or_a_whole_package_is_named() {
        let mut guest = GuestDescription::new("x", "run");
        assert!(!guest.can_import("wasi:cli/exit@0.2.6"));
        guest.imports = vec!["wasi:cli".into(), "cronbox:guest/host".into()];
        let can = ["wasi:cli/exit@0.2.6", "wasi:cli/exit", "cronbox:guest/host@0.1.0", "cronbox:guest/host"];
        assert!(can.iter().all(|name| guest.can_import(name)));
        let cannot = ["wasi:clocks/wall-clock@0.2.6", "wasi:cli2/exit", "cronbox:guest/host2@0.1.0", "cronbox:guest"];
        assert!(!cannot.iter().any(|name| guest.can_import(name)));
    }

    #[test]
    fn a_name_is_the_beginning_of_a_files_name() {
        let is_plain = |name: &str| GuestDescription::new(name, "run").has_plain_name();
        assert!(["python", "py3_14"].iter().all(|name| is_plain(name)));
        assert!(!["", "../x", "a-b", "Python", "a.b", &"x".repeat(33)].iter().any(|name| is_plain(name)));
    }
}
