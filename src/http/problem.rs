//! What a request gets that is not carried out: a problem document (RFC 9457), written in one place.

use crate::access::Caller;
use crate::api::ProblemBody;
use crate::blobs::BlobError;
use crate::checker;
use crate::limits::BadLimit;
use crate::plan::BadPlan;
use crate::publish::{OUT_OF_REACH, UpstreamError};
use crate::schedule::request::BadSchedule;
use crate::script::{BadName, Script};
use crate::source_files::SourceError;
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A request that is not carried out, and why.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) field: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
    pub(crate) retry_after: Option<u64>,
    /// Where to look instead. In a box: problems are dispatched on everywhere.
    pub(crate) location: Option<Box<HeaderValue>>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Problem {
            status,
            code: code.into(),
            detail: detail.into(),
            field: None,
            line: None,
            column: None,
            retry_after: None,
            location: None,
        }
    }

    /// A request that cannot be meant as it came.
    pub(crate) fn bad(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// A request that was understood, and whose content cannot be.
    pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", detail).field(field)
    }

    pub(crate) fn not_found(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// A token that reaches other scripts only; it says which.
    pub(crate) fn out_of_reach(caller: &Caller) -> Self {
        Self::forbidden(OUT_OF_REACH, format!("this token is limited to {}", caller.reach()))
    }

    /// A script that a token would not reach as it is to be.
    pub(crate) fn out_of_reach_then(caller: &Caller) -> Self {
        let reach = caller.reach();
        let how = match &reach.labels {
            Some(labels) => format!("give it the label {}, in its block or by request", labels.join(" or ")),
            None => "give it such a name".to_owned(),
        };
        Self::forbidden(OUT_OF_REACH, format!("this token is limited to {reach}: {how}"))
    }

    /// Scripts that would start one another in a circle: their names, to callers who may see all of them.
    pub(crate) fn chain_circle(error: &StoreError, caller: &Caller) -> Self {
        let detail = if caller.is_limited() {
            "this schedule would close a circle of scripts that start one another".to_owned()
        } else {
            error.to_string()
        };
        Self::invalid("schedules.trigger", detail).code("chain_circle")
    }

    /// A mistake of ours, of which nothing more is known here.
    pub(crate) fn mistake() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server made a mistake")
    }

    /// A script that somebody deleted between two looks at it.
    pub(crate) fn script_gone() -> Self {
        Self::not_found("no_such_script", "the script was deleted meanwhile")
    }

    /// A version that was asked for in a request.
    pub(crate) fn no_such_version(script: &Script, number: i64) -> Self {
        let detail = format!("{} has no version {number}; the last one is {}", script.name, script.latest);
        Problem::invalid("version", detail).code("no_such_version")
    }

    pub(crate) fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    pub(crate) fn forbidden(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    pub(crate) fn code(mut self, code: &str) -> Self {
        self.code = code.into();
        self
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// A run whose end cannot be kept now, for want of room on a disk.
    pub(crate) fn no_room_for_end(id: &str) -> Self {
        let detail = format!(
            "the server's disk is full, so the end of the run {id} cannot be kept now; it is kept when there is room: look at \
             /v1/runs/{id} then"
        );
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "disk_full", detail).retry_after(60);
        let location = HeaderValue::from_str(&format!("/v1/runs/{id}")).ok().map(Box::new);
        Problem { location, ..problem }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: "about:blank".into(),
            title: self.status.canonical_reason().unwrap_or("Error").into(),
            status: self.status.as_u16(),
            code: self.code.clone(),
            detail: self.detail.clone(),
            field: self.field.clone(),
            line: self.line,
            column: self.column,
            request_id: None,
        };
        let mut response = (self.status, axum::Json(&body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(place) = self.location {
            response.headers_mut().insert(header::LOCATION, *place);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The middleware writes the request's id into it.
        response.extensions_mut().insert(body);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "the database is away");
                Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "database_unavailable",
                    "the database cannot be reached; nothing was changed that this answer does not tell of, try again",
                )
                .retry_after(1)
            }
            StoreError::Full => full("database"),
            StoreError::BadText => Problem::bad("bad_text", error.to_string()),
            StoreError::BlobGone(_) => {
                tracing::warn!(%error, "a blob is to be written again");
                let detail = "what was sent was deleted as old while it was kept; try again";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "blobs_unavailable", detail).retry_after(1)
            }
            StoreError::Circle(_) => Problem::invalid("schedules.trigger", error.to_string()).code("chain_circle"),
            other => internal(&other),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match &error {
            BlobError::Unavailable(_) => {
                tracing::warn!(%error, "the blob store is away");
                let detail = "the store of sources and large values cannot be reached; try again";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "blobs_unavailable", detail).retry_after(1)
            }
            BlobError::Full => full("blob store"),
            BlobError::Corrupt(_) => {
                tracing::error!(%error, "a blob is corrupt");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "blob_corrupt", error.to_string())
            }
            BlobError::Missing(_) => {
                tracing::error!(%error, "a blob is missing");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "blob_missing", error.to_string())
            }
            BlobError::BadPlace(_) => internal(&error),
        }
    }
}

fn full(what: &str) -> Problem {
    tracing::error!("the disk of the {what} is full");
    let detail = format!("the disk of the {what} is full; nothing was kept");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "disk_full", detail).retry_after(60)
}

/// Something that should not be: its text goes to the log, not to the caller.
fn internal(error: &dyn std::error::Error) -> Problem {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    tracing::error!(error = text, "a request failed");
    let detail = "the server made a mistake; its log says more under this request's id";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}

impl From<UpstreamError> for Problem {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::OutOfReach(error) => error.into(),
            UpstreamError::Store(error) => error.into(),
        }
    }
}

impl From<BadName> for Problem {
    fn from(error: BadName) -> Self {
        Problem::bad("bad_name", error.to_string()).field("name")
    }
}

impl From<BadLimit> for Problem {
    fn from(error: BadLimit) -> Self {
        let field = format!("limits.{}", error.name);
        Problem::invalid(&field, format!("{field}: {}", error.why))
    }
}

impl From<BadPlan> for Problem {
    fn from(error: BadPlan) -> Self {
        match error {
            BadPlan::Limit(error) => error.into(),
            BadPlan::Trigger(why) => Problem::invalid("trigger", why),
        }
    }
}

impl From<BadSchedule> for Problem {
    fn from(error: BadSchedule) -> Self {
        let mut problem = Problem::invalid(&error.field, error.why).code(error.code);
        if error.code == OUT_OF_REACH {
            problem.status = StatusCode::FORBIDDEN;
        }
        problem.column = error.at.and_then(|at| u32::try_from(at + 1).ok());
        problem
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        let detail = error.to_string();
        match error {
            SourceError::SourceTooLarge { .. } | SourceError::BundleTooLarge | SourceError::TooManyFiles(_) => {
                Problem::too_large(detail)
            }
            SourceError::Empty => Problem::bad("empty_source", detail).field("source"),
            SourceError::MachineCode(_) => Problem::invalid("source", detail).code("machine_code"),
            SourceError::NoMain => Problem::invalid("source", detail).code("no_main"),
            SourceError::BadPath(_) | SourceError::Twice(..) | SourceError::NoFile(_) => {
                Problem::invalid("source", detail).code("bad_path")
            }
            SourceError::BadArchive(_) => Problem::invalid("source", detail).code("bad_archive"),
        }
    }
}

impl From<checker::Refused> for Problem {
    fn from(refused: checker::Refused) -> Self {
        if refused.code == checker::NO_SANDBOX {
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, &refused.code, refused.message).retry_after(5);
        }
        let mut detail = refused.message.clone();
        if let Some(line) = refused.line {
            let place = refused.column.map(|column| format!(", column {column}")).unwrap_or_default();
            detail = format!("line {line}{place}: {detail}");
        }
        if let Some(text) = &refused.text {
            detail.push_str(&format!("\n    {}", text.trim()));
        }
        let mut problem = Problem::invalid("source", detail).code(&refused.code);
        (problem.line, problem.column) = (refused.line, refused.column);
        problem
    }
}
