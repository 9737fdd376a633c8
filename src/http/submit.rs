//! Answers about a run: when it was made, when it has ended, as it is.

use super::App;
use super::below::placed;
use super::carry_out::client;
use super::problem::Problem;
use crate::api::RunBody;
use crate::clock::Time;
use crate::limits::NotGranted;
use crate::run::{Idempotency, NewRun, Run, Status};
use crate::service::ServiceError;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use cronbox_runtime::Stream;
use std::time::Duration;

/// What an answer shows of a run beside the run itself.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// What was asked for and not granted.
    pub(super) refused: Vec<NotGranted>,
    /// How many bytes of each stream at most.
    pub(super) output: u64,
}

impl Shown {
    /// So much of what it wrote.
    pub(super) fn output(output: u64) -> Self {
        Shown { refused: Vec::new(), output }
    }
}

impl App {
    /// Makes the run, and answers: at once, or when it has ended.
    pub(super) async fn launch(
        &self,
        new: NewRun,
        shown: Shown,
        request: Option<Idempotency>,
        wait: Option<Duration>,
        now: Time,
    ) -> Result<Response, Problem> {
        let (submitted, run) = match wait {
            Some(wait) => self.submit_and_wait(new, request, (wait, &client()), now).await?,
            None => {
                let submitted = self.submit(new, request, now).await?;
                let run = self.store.run(&submitted.id).await?.ok_or_else(ServiceError::run_gone)?;
                (submitted, run)
            }
        };
        if submitted.is_replayed {
            let shown = Shown::output(shown.output);
            let mut response = match wait {
                Some(_) => self.answer_as_it_is(&run, shown).await?,
                None => self.answer_run(&run, StatusCode::OK, shown).await?,
            };
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
            return Ok(response);
        }
        match wait {
            Some(_) => self.answer_as_it_is(&run, shown).await,
            None => self.answer_run(&run, StatusCode::CREATED, shown).await,
        }
    }

    /// A run as an answer to whoever waits for its end: 200 when it has ended, else 202.
    pub(super) async fn answer_as_it_is(&self, run: &Run, shown: Shown) -> Result<Response, Problem> {
        let status = if run.status.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
        self.answer_run(run, status, shown).await
    }

    /// A run as an answer, with its large values.
    pub(super) async fn answer_run(&self, run: &Run, status: StatusCode, shown: Shown) -> Result<Response, Problem> {
        let mut body = self.run_body(run).await?;
        body.not_granted = shown.refused;
        if shown.output > 0 {
            let (out, err) = (body.stdout.bytes, body.stderr.bytes);
            body.stdout.text = Some(self.first_output(&run.id, Stream::Stdout, out, shown.output).await?);
            body.stderr.text = Some(self.first_output(&run.id, Stream::Stderr, err, shown.output).await?);
        }
        let response = self.answers.run(status, &body).await?;
        Ok(match status {
            StatusCode::CREATED | StatusCode::ACCEPTED => placed(response, &format!("/v1/runs/{}", run.id)),
            _ => response,
        })
    }

    /// A run with all its values.
    pub(super) async fn run_body(&self, run: &Run) -> Result<RunBody, Problem> {
        let args = self.value(Some(&run.args)).await?;
        let result = self.value(run.result.as_ref()).await?;
        let mut body = RunBody::new(run, args, result);
        if run.status == Status::Running
            && let Some(live) = self.live.find(&run.id)
        {
            (body.stdout.bytes, body.stderr.bytes) = live.lengths();
        }
        Ok(body)
    }
}
