//! The words of closed sets in the description of the API. Each set is one schema with a name, so that a generated client has one
//! type for it, wherever it is.

use crate::channel::{DeliveryState, KINDS};
use crate::event::TYPES;
use crate::run::{CAUSES, STATUSES};
use crate::schedule::STATES;
use serde_json::{Map, Value, json};

/// A closed set of words.
struct Set {
    /// The name of its schema.
    name: &'static str,
    description: &'static str,
    words: fn() -> Vec<&'static str>,
    /// The properties that are such words: the name of the schema (as clients see it; `*` for any) and of the property.
    properties: &'static [(&'static str, &'static str)],
    /// The parameters that are such words.
    parameters: &'static [&'static str],
}

/// Every set.
const SETS: &[Set] = &[
    Set {
        name: "RunStatus",
        description: "How a run is, or how it ended.",
        words: || STATUSES.iter().map(|status| status.as_str()).collect(),
        properties: &[("Run", "status"), ("LastRun", "status"), ("RecentRun", "status")],
        parameters: &["status"],
    },
    Set {
        name: "AttemptOutcome",
        description: "How an attempt ended: a final status, `lost` with its node, or `handed_back` by a node that was shut down.",
        words: || {
            let statuses = STATUSES.iter().filter(|status| status.is_final()).map(|status| status.as_str());
            statuses.chain(["lost", "handed_back"]).collect()
        },
        properties: &[("Attempt", "outcome")],
        parameters: &[],
    },
    Set {
        name: "Cause",
        description: "Why a run was made.",
        words: || CAUSES.iter().map(|cause| cause.as_str()).collect(),
        properties: &[("*", "cause")],
        parameters: &["cause"],
    },
    Set {
        name: "ScheduleState",
        description: "Whether a schedule fires.",
        words: || STATES.iter().map(|state| state.as_str()).collect(),
        properties: &[("Schedule", "state")],
        parameters: &["state"],
    },
    Set {
        name: "EventType",
        description: "What happened.",
        words: || TYPES.to_vec(),
        properties: &[("Event", "type")],
        parameters: &["type"],
    },
    Set {
        name: "GrantKind",
        description: "What is granted.",
        words: || vec!["limit", "host", "secret"],
        properties: &[("Grant", "kind")],
        parameters: &["kind"],
    },
    Set {
        name: "Mode",
        description: "Whether a function of a script is called, or its file is run from top to bottom.",
        words: || vec!["function", "script"],
        properties: &[("*", "mode")],
        parameters: &[],
    },
    Set {
        name: "ResultKind",
        description: "What a result is.",
        words: || vec!["json", "text", "none"],
        properties: &[("*", "result_kind"), ("*", "result")],
        parameters: &[],
    },
    Set {
        name: "Coalesce",
        description: "Which of several fire times that are due at once get a run.",
        words: || vec!["latest", "earliest", "all"],
        properties: &[("Schedule", "coalesce")],
        parameters: &[],
    },
    Set {
        name: "Overlap",
        description: "What happens at a fire time while a run of the schedule has not ended.",
        words: || vec!["skip", "queue_one", "queue_all", "cancel_running", "allow"],
        properties: &[("*", "overlap")],
        parameters: &[],
    },
    Set {
        name: "ScheduleOrigin",
        description: "Whether a request made a schedule, or the metadata of a script.",
        words: || vec!["request", "metadata"],
        properties: &[("Schedule", "origin")],
        parameters: &[],
    },
    Set {
        name: "AlertOrigin",
        description: "Whether a request made an alert, or the metadata of a script.",
        words: || vec!["request", "metadata"],
        properties: &[("Alert", "origin")],
        parameters: &[],
    },
    Set {
        name: "AlertState",
        description: "Whether an alert fires.",
        words: || vec!["ok", "firing"],
        properties: &[("Alert", "state")],
        parameters: &[],
    },
    Set {
        name: "ChannelType",
        description: "What a channel is.",
        words: || KINDS.to_vec(),
        properties: &[("Channel", "type"), ("ChannelRequest", "type")],
        parameters: &[],
    },
    Set {
        name: "DeliveryState",
        description: "How far a message is.",
        words: || DeliveryState::WORDS.to_vec(),
        properties: &[("Delivery", "state")],
        parameters: &[],
    },
    Set {
        name: "DeliveryKind",
        description: "What a message tells: that an alert fires, that it still does, that it is over; or how many messages were held back.",
        words: || vec!["firing", "repeated", "ok", "summary"],
        properties: &[("Delivery", "kind")],
        parameters: &[],
    },
    Set {
        name: "ChangeKind",
        description: "What a script's upload did to a schedule.",
        words: || vec!["created", "changed", "removed"],
        properties: &[("ScheduleChange", "change")],
        parameters: &[],
    },
    Set {
        name: "OnLost",
        description: "What happens to a run whose node went away.",
        words: || vec!["retry", "abandon"],
        properties: &[("*", "on_lost")],
        parameters: &[],
    },
    Set {
        name: "Failure",
        description: "How a run can fail.",
        words: || vec!["failed", "timed_out", "out_of_fuel", "out_of_memory", "crashed"],
        properties: &[("*", "retry_on")],
        parameters: &[],
    },
    Set {
        name: "BackfillWhich",
        description: "Which fire times get a run.",
        words: || vec!["missing", "all"],
        properties: &[("BackfillRequest", "which")],
        parameters: &[],
    },
    Set {
        name: "SecretPlace",
        description: "Where in a request a secret is placed.",
        words: || vec!["headers", "query", "body"],
        properties: &[("Secret", "in"), ("SecretRequest", "in")],
        parameters: &[],
    },
];

/// Parameters that are words of a set of their own.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("format", &["json", "csv"]),
    ("agg", &["avg", "sum", "min", "max", "count", "first", "last"]),
    ("stream", &["stdout", "stderr"]),
];

/// Parameters of which several can be given, with commas between.
const LISTED: [&str; 2] = ["status", "type"];

/// Adds the schemas of all sets.
pub(super) fn add_schemas(schemas: &mut Map<String, Value>) {
    for Set { name, description, words, .. } in SETS {
        let schema = json!({"type": "string", "description": description, "enum": words()});
        schemas.entry(*name).or_insert(schema);
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Says of a property that it is of a set, when it is.
pub(super) fn describe_property(schema: &str, name: &str, property: &mut Value) {
    let is_there = |set: &&Set| set.properties.iter().any(|(of, word)| *word == name && (*of == schema || *of == "*"));
    let Some(set) = SETS.iter().find(is_there) else { return };
    let mut word = reference(set.name);
    if is_of_type(property, "string") {
        word["description"] = property["description"].take();
        *property = match is_of_type(property, "null") {
            true => json!({"oneOf": [word, {"type": "null"}]}),
            false => word,
        };
    } else if is_of_type(property, "array") && property["items"]["type"] == "string" {
        property["items"] = word;
    }
}

/// Says of a parameter of a path that it is of a set, when it is.
pub(super) fn describe_parameter(path: &str, parameter: &mut Value) {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    if name == "schedules" {
        // The one word that each place knows.
        let word = if path.ends_with("/rollback") { "keep" } else { "delete" };
        parameter["schema"]["enum"] = json!([word]);
    } else if path == "/v1/alerts" && name == "state" {
        parameter["schema"] = reference("AlertState");
    } else if path == "/v1/deliveries" && name == "state" {
        parameter["schema"] = reference("DeliveryState");
    } else if let Some((_, words)) = PARAMETERS.iter().find(|(known, _)| *known == name) {
        parameter["schema"]["enum"] = json!(words);
    } else if let Some(set) = SETS.iter().find(|set| set.parameters.contains(&name.as_str())) {
        parameter["schema"] = reference(set.name);
        if LISTED.contains(&name.as_str()) {
            parameter["schema"] = json!({"type": "array", "items": reference(set.name)});
            parameter["style"] = "form".into();
            parameter["explode"] = false.into();
        }
    }
}

/// Whether a schema is of a type, or of that and null.
pub(super) fn is_of_type(schema: &Value, wanted: &str) -> bool {
    match &schema["type"] {
        Value::String(kind) => kind == wanted,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    }
}
