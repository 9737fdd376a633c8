//! Which fields and parameters a request has: those that the description of the API tells, and no others.

use serde_json::Value;
use std::any::TypeId;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

type Names = &'static [&'static str];

/// The fields at the top of a request, sorted.
pub(super) fn fields<T: ToSchema + 'static>() -> Names {
    static KNOWN: Mutex<BTreeMap<TypeId, Names>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let &mut names = known.entry(TypeId::of::<T>()).or_insert_with(|| {
        let (mut schemas, mut names) = (Vec::new(), BTreeSet::new());
        T::schemas(&mut schemas);
        collect(&T::schema(), &schemas, &mut names);
        // Once for each type of the program, and these are few.
        Vec::leak(names.into_iter().map(|name| -> &'static str { name.leak() }).collect())
    });
    names
}

/// Adds the properties of a schema, also of those that it takes into itself.
fn collect(schema: &RefOr<Schema>, schemas: &[(String, RefOr<Schema>)], names: &mut BTreeSet<String>) {
    match schema {
        RefOr::T(Schema::Object(object)) => names.extend(object.properties.keys().cloned()),
        RefOr::T(Schema::AllOf(all)) => all.items.iter().for_each(|part| collect(part, schemas, names)),
        RefOr::T(_) => {}
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next();
            let found = schemas.iter().find(|(known, _)| Some(known.as_str()) == name);
            if let Some((_, schema)) = found {
                collect(schema, schemas, names);
            }
        }
    }
}

/// The parameters after the question mark of each operation, by its path and method.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, BTreeMap<String, Vec<String>>>);

impl Parameters {
    /// Those of a description.
    pub(super) fn of(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let mut found: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let queries = parameters.filter(|parameter| parameter["in"] == "query");
                let names = queries.filter_map(|parameter| Some(parameter["name"].as_str()?.to_owned()));
                found.entry(path.clone()).or_default().insert(method.to_uppercase(), names.collect());
            }
        }
        Parameters(found)
    }

    /// Those of one operation.
    pub(super) fn find(&self, method: &str, route: &str) -> &[String] {
        // The description knows no part of a path that has slashes.
        let route = if route.contains("{*") { Cow::Owned(route.replace("{*", "{")) } else { Cow::Borrowed(route) };
        self.0.get(&*route).and_then(|operations| operations.get(method)).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::requests::{
        RunRequest, ScheduleRequest, ScriptForm, ScriptRequest, SettingsRequest, SourceRequest,
    };
    use crate::script::SETTINGS;

    fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        names.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
    }

    #[test]
    fn settings_are_described() {
        assert_eq!(fields::<SettingsRequest>(), sorted(SETTINGS.iter().copied()));
        let content = ["source", "files", "main", "from", "name"];
        assert_eq!(fields::<ScriptRequest>(), sorted(SETTINGS.iter().copied().chain(content)));
        let form = ["source", "file", "settings", "from", "name"];
        assert_eq!(fields::<ScriptForm>(), sorted(SETTINGS.iter().copied().chain(form)));
        let of_runs = fields::<RunRequest>().iter().copied().filter(|field| *field != "version");
        let of_source = SETTINGS.iter().copied().filter(|field| *field != "concurrency").chain(["source", "name"]);
        assert_eq!(fields::<SourceRequest>(), sorted(of_runs.chain(of_source)));
        assert_eq!(fields::<ScheduleRequest>(), sorted(crate::schedule::request::names()));
    }

    #[test]
    fn parameters_are_those_of_the_operation() {
        let parameters = Parameters::of(crate::http::document());
        assert_eq!(parameters.find("POST", "/v1/schedules/{id}/backfill"), ["dry_run"]);
        assert_eq!(parameters.find("GET", "/v1/runs/{id}"), ["wait", "output"]);
        assert!(parameters.find("GET", "/v1/runs/{id}/files/{*path}").is_empty());
    }
}
