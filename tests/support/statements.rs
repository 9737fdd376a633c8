//! Records the statements that the program asks its databases: `make statements` does so, for the test of later versions.

use std::collections::HashSet;
use std::fmt::Debug;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, Once};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Names the file that the statements are recorded in; without it nothing is.
const WHERE: &str = "CRONBOX_TEST_STATEMENTS";

/// Begins to record what is asked within this process, if that is wished. Called where tests open a database.
pub fn record() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(path) = std::env::var_os(WHERE) else { return };
        let file = File::options().create(true).append(true).open(path).expect("a file for the statements");
        let recorder = Recorder(Mutex::new((file, HashSet::new())));
        let statements = Targets::new().with_target("cronbox::store::statements", Level::TRACE);
        tracing_subscriber::registry().with(recorder.with_filter(statements)).init();
    });
}

/// Writes each statement once, as a line of JSON.
struct Recorder(Mutex<(File, HashSet<String>)>);

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = serde_json::Value::Object(fields.0).to_string();
        let mut seen = self.0.lock().expect("unpoisoned");
        if seen.1.insert(line.clone()) {
            writeln!(seen.0, "{line}").expect("writes");
        }
    }
}

#[derive(Default)]
struct Fields(serde_json::Map<String, serde_json::Value>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}
