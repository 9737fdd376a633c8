//! Why something is not done for a caller: a code for programs, the field at fault, and a sentence for people.

use crate::access::Caller;
use crate::blobs::BlobError;
use crate::checker;
use crate::computations::ComputeError;
use crate::keyring::KeyError;
use crate::limits::BadLimit;
use crate::links::LinkError;
use crate::metadata::BadBlock;
use crate::packages::PackageError;
use crate::plan::BadPlan;
use crate::precondition::{self, Precondition};
use crate::publish::{KeepError, OUT_OF_REACH, UpstreamError};
use crate::schedule::request::BadSchedule;
use crate::script::{BadName, Script};
use crate::secret::BadSecret;
use crate::source_files::SourceError;
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

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "the database is away");
                let detail =
                    "the database cannot be reached; nothing was changed that this answer does not tell of, try again";
                Self::unavailable("database_unavailable", detail, 1)
            }
            StoreError::Full => full("database"),
            StoreError::BadText => Self::malformed("bad_text", error.to_string()),
            StoreError::BlobGone(_) => {
                tracing::warn!(%error, "a blob is to be written again");
                let detail = "what was sent was deleted as old while it was kept; try again";
                Self::unavailable("blobs_unavailable", detail, 1)
            }
            StoreError::Circle(_) => Self::invalid("schedules.trigger", error.to_string()).code("chain_circle"),
            other => internal(&other),
        }
    }
}

impl From<BlobError> for ServiceError {
    fn from(error: BlobError) -> Self {
        match &error {
            BlobError::Unavailable(_) => {
                tracing::warn!(%error, "the blob store is away");
                let detail = "the store of sources and large values cannot be reached; try again";
                Self::unavailable("blobs_unavailable", detail, 1)
            }
            BlobError::Full => full("blob store"),
            BlobError::Corrupt(_) => {
                tracing::error!(%error, "a blob is corrupt");
                Self::new(ErrorKind::Internal, "blob_corrupt", error.to_string())
            }
            BlobError::Missing(_) => {
                tracing::error!(%error, "a blob is missing");
                Self::new(ErrorKind::Internal, "blob_missing", error.to_string())
            }
            BlobError::BadPlace(_) => internal(&error),
        }
    }
}

fn full(what: &str) -> ServiceError {
    tracing::error!("the disk of the {what} is full");
    ServiceError::unavailable("disk_full", format!("the disk of the {what} is full; nothing was kept"), 60)
}

/// Something that should not be: its text goes to the log, not to the caller.
fn internal(error: &dyn std::error::Error) -> ServiceError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    tracing::error!(error = text, "a request failed");
    let detail = "the server made a mistake; its log says more under this request's id";
    ServiceError::new(ErrorKind::Internal, "internal", detail)
}

impl From<UpstreamError> for ServiceError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::OutOfReach(error) => error.into(),
            UpstreamError::Store(error) => error.into(),
        }
    }
}

impl From<BadName> for ServiceError {
    fn from(error: BadName) -> Self {
        Self::malformed("bad_name", error.to_string()).field("name")
    }
}

impl From<BadLimit> for ServiceError {
    fn from(error: BadLimit) -> Self {
        let field = format!("limits.{}", error.name);
        let detail = format!("{field}: {}", error.why);
        Self::invalid(field, detail)
    }
}

impl From<BadPlan> for ServiceError {
    fn from(error: BadPlan) -> Self {
        match error {
            BadPlan::Limit(error) => error.into(),
            BadPlan::Trigger(why) => Self::invalid("trigger", why),
        }
    }
}

impl From<BadSchedule> for ServiceError {
    fn from(error: BadSchedule) -> Self {
        let detail = error.to_string();
        let mut refused = Self::invalid(error.field, detail).code(error.code);
        if error.code == OUT_OF_REACH {
            refused.kind = ErrorKind::Forbidden;
        }
        refused.line = error.line;
        // In a line of a script the trigger begins somewhere.
        refused.column = error.at.filter(|_| error.line.is_none()).and_then(|at| u32::try_from(at + 1).ok());
        refused
    }
}

impl From<BadSecret> for ServiceError {
    fn from(bad: BadSecret) -> Self {
        Self::invalid(bad.part, bad.why)
    }
}

impl From<KeyError> for ServiceError {
    fn from(error: KeyError) -> Self {
        tracing::warn!("{error}");
        Self::new(ErrorKind::Unavailable, "no_secret_key", error.to_string())
    }
}

impl From<SourceError> for ServiceError {
    fn from(error: SourceError) -> Self {
        let detail = error.to_string();
        match error {
            SourceError::SourceTooLarge { .. } | SourceError::BundleTooLarge | SourceError::TooManyFiles(_) => {
                Self::too_large(detail)
            }
            SourceError::Empty => Self::malformed("empty_source", detail).field("source"),
            SourceError::MachineCode(_) => Self::invalid("source", detail).code("machine_code"),
            SourceError::NoMain => Self::invalid("source", detail).code("no_main"),
            SourceError::BadPath(_) | SourceError::Twice(..) | SourceError::NoFile(_) => {
                Self::invalid("source", detail).code("bad_path")
            }
            SourceError::BadArchive(_) => Self::invalid("source", detail).code("bad_archive"),
        }
    }
}

impl From<checker::Refused> for ServiceError {
    fn from(refused: checker::Refused) -> Self {
        if refused.code == checker::NO_SANDBOX {
            return Self::unavailable(checker::NO_SANDBOX, refused.message, 5);
        }
        let mut detail = refused.to_string();
        if let Some(text) = &refused.text {
            detail.push_str(&format!("\n    {}", text.trim()));
        }
        let mut error = Self::invalid("source", detail).code(refused.code);
        (error.line, error.column) = (refused.line, refused.column);
        error
    }
}

impl From<BadBlock> for ServiceError {
    fn from(bad: BadBlock) -> Self {
        let detail = bad.to_string();
        let error = Self::invalid(bad.field.unwrap_or_else(|| "source".to_owned()), detail).code("bad_metadata");
        ServiceError { line: bad.line, ..error }
    }
}

impl From<KeepError> for ServiceError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Source(error) => error.into(),
            KeepError::Refused(refused) => refused.into(),
            KeepError::Metadata(bad) => bad.into(),
            KeepError::Setting(setting, why) => {
                let detail = format!("the script's metadata, {setting}: {why}");
                Self::invalid(setting, detail)
            }
            KeepError::Schedule(error) => error.into(),
            KeepError::OutOfReach => Self::forbidden(OUT_OF_REACH, error.to_string()),
            KeepError::Computing(error) => Self::unavailable("busy", error.to_string(), 1),
            KeepError::NotAllowed(why) => Self::forbidden("missing_scope", why).field("schedules.priority"),
            KeepError::Requirement(error) => Self::invalid("dependencies", error.to_string()).code("bad_requirement"),
            KeepError::Packages(error) => error.into(),
            KeepError::Blob(error) => error.into(),
            KeepError::Store(error) => error.into(),
        }
    }
}

impl From<PackageError> for ServiceError {
    fn from(error: PackageError) -> Self {
        let detail = error.to_string();
        let invalid = |code: &'static str| Self::invalid("dependencies", detail.clone()).code(code);
        let unavailable = |code| Self::unavailable(code, detail.clone(), 30);
        match error {
            PackageError::Unsatisfiable(_) => invalid("packages_unsatisfiable"),
            PackageError::NotPure(_) => invalid("package_not_pure"),
            PackageError::BadWheel(_) => invalid("bad_wheel"),
            PackageError::IndexAway(_) | PackageError::TimedOut => unavailable("index_unavailable"),
            PackageError::NoResolver(_) | PackageError::Offline(_) => unavailable("no_resolver"),
            PackageError::Failed(_) => unavailable("packages_failed"),
        }
    }
}

impl From<LinkError> for ServiceError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotAllowed(why) => Self::invalid("from", why).code("link_not_allowed"),
            LinkError::Blob(BlobError::Missing(url)) => {
                Self::invalid("from", format!("there is nothing at {url}")).code("link_broken")
            }
            LinkError::LeftOut(..) => Self::invalid("from", error.to_string()).code("link_not_allowed"),
            LinkError::Slow(why) => Self::unavailable("link_unavailable", why, 30).field("from"),
            LinkError::Blob(error) => error.into(),
            LinkError::Keep(error) => error.into(),
        }
    }
}

impl From<ComputeError> for ServiceError {
    fn from(error: ComputeError) -> Self {
        let detail = error.to_string();
        match error {
            ComputeError::TooMany => Self::new(ErrorKind::TooMany, "too_many_computations", detail).retry_after(1),
            ComputeError::Busy | ComputeError::Down => Self::unavailable("busy", detail, 1),
            ComputeError::Panicked(_) => Self::invalid("trigger", detail).code("bad_trigger"),
        }
    }
}
