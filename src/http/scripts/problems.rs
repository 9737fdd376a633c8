//! Why a script is not taken, as answers.

use crate::http::problem::Problem;
use crate::links::LinkError;
use crate::packages::PackageError;
use crate::publish::{KeepError, OUT_OF_REACH};
use axum::http::StatusCode;

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Source(error) => error.into(),
            KeepError::Refused(refused) => refused.into(),
            KeepError::Metadata(why) => Problem::invalid("source", why).code("bad_metadata"),
            KeepError::Setting(setting, why) => {
                Problem::invalid(&setting, format!("the script's metadata, {setting}: {why}"))
            }
            KeepError::Schedule(error) => error.into(),
            KeepError::OutOfReach => Problem::forbidden(OUT_OF_REACH, error.to_string()),
            KeepError::Computing(error) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string()).retry_after(1)
            }
            KeepError::NotAllowed(why) => Problem::forbidden("missing_scope", why).field("schedules.priority"),
            KeepError::Requirement(error) => {
                Problem::invalid("dependencies", error.to_string()).code("bad_requirement")
            }
            KeepError::Packages(error) => error.into(),
            KeepError::Blob(error) => error.into(),
            KeepError::Store(error) => error.into(),
        }
    }
}

impl From<PackageError> for Problem {
    fn from(error: PackageError) -> Self {
        let detail = error.to_string();
        let invalid = |code| Problem::invalid("dependencies", detail.clone()).code(code);
        let unavailable = |code| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail.clone()).retry_after(30);
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

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotAllowed(why) => Problem::invalid("from", why).code("link_not_allowed"),
            LinkError::Blob(crate::blobs::BlobError::Missing(url)) => {
                Problem::invalid("from", format!("there is nothing at {url}")).code("link_broken")
            }
            LinkError::LeftOut(..) => Problem::invalid("from", error.to_string()).code("link_not_allowed"),
            LinkError::Slow(why) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "link_unavailable", why).field("from").retry_after(30)
            }
            LinkError::Blob(error) => error.into(),
            LinkError::Keep(error) => error.into(),
        }
    }
}
