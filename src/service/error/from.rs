//! What other parts refuse, as errors of the service.

use super::{ErrorKind, ServiceError};
use crate::blobs::BlobError;
use crate::channel::BadChannel;
use crate::checker;
use crate::computations::ComputeError;
use crate::keyring::KeyError;
use crate::limits::BadLimit;
use crate::links::LinkError;
use crate::metadata::BadBlock;
use crate::packages::PackageError;
use crate::plan::BadPlan;
use crate::publish::{KeepError, OUT_OF_REACH, UpstreamError};
use crate::schedule::request::BadSchedule;
use crate::script::BadName;
use crate::secret::BadSecret;
use crate::source_files::SourceError;
use crate::store::StoreError;

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

impl From<BadChannel> for ServiceError {
    fn from(error: BadChannel) -> Self {
        Self::invalid(error.field, error.why)
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
