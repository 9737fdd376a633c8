//! Taking values of secrets out of the events of a run.

use super::event::Event;
use crate::egress::{RedactingStream, Redactor};
use crate::frame::Stream;
use crate::outcome::Report;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// The state of the redaction of one run.
pub(super) struct RedactedEvents {
    redactor: Redactor,
    stdout: RedactingStream,
    stderr: RedactingStream,
    /// The paths of its files so far.
    paths: BTreeSet<String>,
}

impl RedactedEvents {
    pub(super) fn new(redactor: Redactor) -> Self {
        let (stdout, stderr) = (redactor.stream(), redactor.stream());
        RedactedEvents { redactor, stdout, stderr, paths: BTreeSet::new() }
    }

    /// Redacts an event. Output can be kept until more is known; at the end the kept output comes first.
    pub(super) fn take(&mut self, event: Event) -> Vec<Event> {
        match event {
            Event::Output { stream, bytes } => {
                let bytes = match stream {
                    Stream::Stdout => self.stdout.push(&bytes),
                    Stream::Stderr => self.stderr.push(&bytes),
                };
                output(stream, bytes).into_iter().collect()
            }
            Event::Restarted => {
                *self = RedactedEvents::new(self.redactor.clone());
                vec![Event::Restarted]
            }
            Event::File { path, content } => {
                let content = self.redactor.mask(&content).into();
                vec![Event::File { path: self.path(&path), content }]
            }
            Event::Call { number, call, request } => {
                vec![Event::Call { number, call, request: self.redactor.redact_json(&request) }]
            }
            Event::Done(report) => {
                let stdout = output(Stream::Stdout, self.stdout.finish(report.stdout.dropped > 0));
                let stderr = output(Stream::Stderr, self.stderr.finish(report.stderr.dropped > 0));
                let done = Event::Done(Box::new(self.report(*report)));
                stdout.into_iter().chain(stderr).chain([done]).collect()
            }
        }
    }

    /// Redacts a file's path, and keeps it different from the others.
    fn path(&mut self, path: &str) -> String {
        let redacted = self.redactor.redact(path);
        let numbered = (2..).map(|number| format!("{redacted}.{number}"));
        // A free number always exists.
        let free = std::iter::once(redacted.clone()).chain(numbered).find(|path| !self.paths.contains(path));
        let path = free.unwrap_or(redacted);
        self.paths.insert(path.clone());
        path
    }

    fn report(&self, mut report: Report) -> Report {
        let redact = |text: &mut String| *text = self.redactor.redact(text);
        if let Some(result) = &report.result {
            // JSON stays JSON when its strings are replaced.
            report.result = RawValue::from_string(self.redactor.redact_json(result.get())).ok();
        }
        if let Some(error) = &mut report.error {
            for text in [&mut error.type_name, &mut error.message, &mut error.traceback] {
                *text = self.redactor.redact_cut(text);
            }
        }
        if let Some(place) = &mut report.stopped_at {
            [&mut place.file, &mut place.function].into_iter().for_each(redact);
        }
        report.notes.iter_mut().for_each(redact);
        report.network.iter_mut().for_each(|used| redact(&mut used.host));
        report.connections.iter_mut().for_each(|used| redact(&mut used.host));
        report
    }
}

fn output(stream: Stream, bytes: Vec<u8>) -> Option<Event> {
    (!bytes.is_empty()).then(|| Event::Output { stream, bytes: bytes.into() })
}
