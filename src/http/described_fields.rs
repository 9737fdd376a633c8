//! Which fields a request has: those that the description of the API tells, and no others.

use std::any::TypeId;
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
        let of_source = SETTINGS
            .iter()
            .copied()
            .filter(|field| !["concurrency", "validate_args", "heartbeat"].contains(field))
            .chain(["source", "name"]);
        assert_eq!(fields::<SourceRequest>(), sorted(of_runs.chain(of_source)));
        assert_eq!(fields::<ScheduleRequest>(), sorted(crate::schedule::request::names()));
    }
}
