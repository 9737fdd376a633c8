//! What a request gets that is not carried out: a problem document (RFC 9457), written in one place.

use super::below::placed;
use crate::api::ProblemBody;
use crate::service::{ErrorKind, ServiceError};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;

/// A request that is not carried out: why, and the status that says so in HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// In a box: problems are dispatched on everywhere.
    pub(crate) error: Box<ServiceError>,
}

impl Problem {
    /// A problem with a status of HTTP itself, such as 415, that no kind of error has. The kind of the error is not read.
    pub(crate) fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        let kind = if status.is_server_error() { ErrorKind::Internal } else { ErrorKind::Malformed };
        Problem { status, error: Box::new(ServiceError::new(kind, code, detail)) }
    }

    /// A request that cannot be meant as it came.
    pub(crate) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        ServiceError::malformed(code, detail).into()
    }

    /// A request that was understood, and whose content cannot be.
    pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        ServiceError::invalid(field.to_owned(), detail).into()
    }

    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        ServiceError::not_found(code, detail).into()
    }

    /// A mistake of ours, of which nothing more is known here.
    pub(crate) fn mistake() -> Self {
        ServiceError::mistake().into()
    }

    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        ServiceError::forbidden(code, detail).into()
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        ServiceError::too_large(detail).into()
    }

    pub(crate) fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.error.code = code.into();
        self
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.error.field = Some(field.to_owned().into());
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.error.retry_after = Some(seconds);
        self
    }
}

fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Malformed => StatusCode::BAD_REQUEST,
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Changed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl<E: Into<ServiceError>> From<E> for Problem {
    fn from(error: E) -> Self {
        let error = Box::new(error.into());
        Problem { status: status_of(error.kind), error }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem { status, error } = self;
        let body = ProblemBody {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            code: error.code.into_owned(),
            detail: error.detail,
            field: error.field.map(Cow::into_owned),
            line: error.line,
            column: error.column,
            request_id: None,
        };
        let mut response = (status, axum::Json(&body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = error.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // Where to look instead.
        if let Some(run) = error.run {
            response = placed(response, &format!("/v1/runs/{run}"));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The middleware writes the request's id into it.
        response.extensions_mut().insert(body);
        response
    }
}
