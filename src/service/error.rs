//! Why something is not done for a caller: a code for programs, the field at fault, and a sentence for people.

mod from;

use crate::access::Caller;
use crate::precondition::{self, Precondition};
use crate::publish::OUT_OF_REACH;
use crate::script::Script;
use crate::store::StoreError;
use std::borrow::Cow;

/// The kinds of errors, by what a caller can do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It cannot be read as it was written.
    Malformed,
    /// It was read, and a value of it cannot be.
    Invalid,
    /// What it is about is not there, or not for this caller to see.
    NotFound,
    /// It does not fit what is there.
    Conflict,
    /// It is not made to what is there now, which it was to be made to alone.
    Changed,
    /// Who calls is not known: it needs a token, or a login.
    Unauthorized,
    /// The caller needs another scope, or another script.
    Forbidden,
    /// It is larger than what is taken.
    TooLarge,
    /// There is too much of this already: try again later.
    TooMany,
    /// Something that it needs is not available: try again later.
    Unavailable,
    /// The program made a mistake; its log says more.
    Internal,
}

/// What is not done, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct ServiceError {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// What happened, in one word for programs: `no_such_script`.
    pub code: Cow<'static, str>,
    /// What happened, in a sentence for people.
    pub detail: String,
    /// The field at fault.
    pub field: Option<Cow<'static, str>>,
    /// The line of the source at fault, from 1 on.
    pub line: Option<u32>,
    /// The column at fault, from 1 on.
    pub column: Option<u32>,
    /// After how many seconds it can be tried again, where that helps.
    pub retry_after: Option<u32>,
    /// The run to look at instead.
    pub run: Option<Box<str>>,
}

impl ServiceError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        ServiceError {
            kind,
            code: code.into(),
            detail: detail.into(),
            field: None,
            line: None,
            column: None,
            retry_after: None,
            run: None,
        }
    }

    /// Something that cannot be read as it was written.
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, code, detail)
    }

    /// Something that was read, and whose value in a field cannot be.
    pub fn invalid(field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, "invalid_value", detail).field(field)
    }

    /// Something that is not there, or that the caller cannot see.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, code, detail)
    }

    /// Something that does not fit what is there.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, code, detail)
    }

    /// A caller who is not known.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthorized, "unauthorized", detail)
    }

    /// Something that the caller cannot do.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, code, detail)
    }

    /// Something larger than what is taken.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, "too_large", detail)
    }

    /// Something that can be tried again after so many seconds.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, seconds: u32) -> Self {
        Self::new(ErrorKind::Unavailable, code, detail).retry_after(seconds)
    }

    /// The same with another code.
    pub fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = code.into();
        self
    }

    /// The same about a field.
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same, to be tried again after so many seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A token that is limited to other scripts; it says to which.
    pub fn out_of_reach(caller: &Caller) -> Self {
        Self::forbidden(OUT_OF_REACH, format!("this token is limited to {}", caller.reach()))
    }

    /// A script that a token would not reach as it is to be.
    pub fn out_of_reach_then(caller: &Caller) -> Self {
        let reach = caller.reach();
        let how = match &reach.labels {
            Some(labels) => format!("give it the label {}, in its block or by request", labels.join(" or ")),
            None => "give it such a name".to_owned(),
        };
        Self::forbidden(OUT_OF_REACH, format!("this token is limited to {reach}: {how}"))
    }

    /// Scripts that would start one another in a circle: their names, to callers who can see all of them.
    pub fn chain_circle(error: &StoreError, caller: &Caller) -> Self {
        let detail = if caller.is_limited() {
            "this schedule would close a circle of scripts that start one another".to_owned()
        } else {
            error.to_string()
        };
        Self::invalid("schedules.trigger", detail).code("chain_circle")
    }

    /// A change of something (`the script price`) that is not what the change was to be made to; `word` is what its changes are
    /// counted as.
    pub fn changed(what: &str, word: &str, asked: &Precondition, tag: Option<&str>) -> Self {
        let now = tag.and_then(precondition::number_of).map_or_else(String::new, |number| format!("{word} {number}"));
        let detail = match (asked, tag) {
            (_, None) => format!("there is no {}: it was deleted meanwhile", what.trim_start_matches("the ")),
            (Precondition::Absent, Some(_)) => {
                format!("{what} is there already, at {now}; to change it, send its ETag as If-Match")
            }
            (_, Some(tag)) => match asked.number() {
                Some(number) if precondition::number_of(tag) == Some(number) => {
                    format!("{what} was changed meanwhile: its settings, at {now} as before; look at it and try again")
                }
                Some(number) => format!(
                    "{what} was changed meanwhile: it is at {now}, and this change was made to {word} {number}; look at it and \
                     try again"
                ),
                None => format!("{what} was changed meanwhile: it is at {now}; look at it and try again"),
            },
        };
        Self::new(ErrorKind::Changed, "precondition_failed", detail)
    }

    /// A mistake of the program, of which nothing more is known here.
    pub fn mistake() -> Self {
        Self::new(ErrorKind::Internal, "internal", "the server made a mistake")
    }

    /// A script that was deleted between two looks at it.
    pub fn script_gone() -> Self {
        Self::not_found("no_such_script", "the script was deleted meanwhile")
    }

    /// A run that was deleted between two looks at it.
    pub fn run_gone() -> Self {
        Self::not_found("no_such_run", "the run is gone")
    }

    /// A version that the script does not have.
    pub fn no_such_version(script: &Script, number: i64) -> Self {
        let detail = format!("{} has no version {number}; the last one is {}", script.name, script.latest);
        Self::invalid("version", detail).code("no_such_version")
    }

    /// A run whose end cannot be kept now, for want of room on a disk.
    pub fn no_room_for_end(id: &str) -> Self {
        let detail = format!(
            "the server's disk is full, so the end of the run {id} cannot be kept now; it is kept when there is room: look at \
             /v1/runs/{id} then"
        );
        ServiceError { run: Some(id.into()), ..Self::unavailable("disk_full", detail, 60) }
    }
}
