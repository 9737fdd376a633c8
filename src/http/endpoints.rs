//! Endpoints: each is declared once, beside its handler.
//!
//! A file of handlers has a function that lists them, each with what it asks of a caller. `#[utoipa::path]` of the handler
//! gives the method, the path, and the description. The router, the description of the API, and the list that the guard reads
//! are all made from that.

use super::App;
use crate::access::Scope;
use axum::Router;
use axum::handler::Handler;
use axum::routing::get;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// What an endpoint asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing about scripts.
    Nothing,
    /// A scope. What the endpoint tells and changes is about the scripts that the caller may touch.
    Scope(Scope),
    /// A scope, of a caller who may touch all scripts: the endpoint concerns the whole server.
    Server(Scope),
}

/// A method of a path, and what it asks of its caller.
#[derive(Debug)]
pub struct Endpoint {
    /// The method. A `GET` answers `HEAD`, too.
    pub method: &'static str,
    /// The path as the router reads it: `{id}` is one part, and `{*path}` is the rest.
    pub path: String,
    /// What it asks of its caller.
    pub need: Need,
    /// The name of its operation: `put_script`; of a page its path.
    pub(super) operation: String,
    /// The parameters that it knows after the question mark.
    pub(super) parameters: Vec<String>,
}

/// Endpoints with their handlers and their description. An endpoint without a [`Need`] cannot be added.
#[derive(Default)]
pub(super) struct Endpoints {
    router: OpenApiRouter<App>,
    list: Vec<Endpoint>,
}

impl Endpoints {
    /// These, and what `routes!` makes of a handler.
    pub(super) fn add(mut self, need: Need, handler: UtoipaMethodRouter<App>) -> Self {
        for (path, item) in &handler.1.paths {
            for (method, operation) in operations(item) {
                let parameters = parameters(operation);
                let name = operation.operation_id.clone().unwrap_or_else(|| format!("{method} {path}"));
                self.list.push(Endpoint { method, path: path.clone(), need, operation: name, parameters });
            }
        }
        self.router = self.router.routes(handler);
        self
    }

    /// These, and a page, which the description of the API leaves out.
    pub(super) fn add_page<T: 'static>(mut self, need: Need, path: &str, page: impl Handler<T, App>) -> Self {
        let operation = path.to_owned();
        self.list.push(Endpoint { method: "GET", path: path.into(), need, operation, parameters: Vec::new() });
        self.router = self.router.route(path, get(page));
        self
    }

    /// These and others.
    pub(super) fn merge(mut self, others: Endpoints) -> Self {
        self.router = self.router.merge(others.router);
        self.list.extend(others.list);
        self
    }

    pub(super) fn list(&self) -> &[Endpoint] {
        &self.list
    }

    /// The endpoint of a method and a path as the router reads it.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<&Endpoint> {
        self.list.iter().find(|endpoint| endpoint.method == method && endpoint.path == path)
    }

    /// Whether a path has an endpoint of any method.
    pub(super) fn has(&self, path: &str) -> bool {
        self.list.iter().any(|endpoint| endpoint.path == path)
    }

    pub(super) fn router(&self) -> Router<App> {
        self.router.clone().into()
    }

    pub(super) fn description(&self) -> &OpenApi {
        self.router.get_openapi()
    }
}

/// The operations of a path, by method.
fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
        ("HEAD", &item.head),
        ("OPTIONS", &item.options),
        ("TRACE", &item.trace),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// The names of the parameters after the question mark.
fn parameters(operation: &Operation) -> Vec<String> {
    let query = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Query) => Some(parameter.name.clone()),
        _ => None,
    };
    operation.parameters.iter().flatten().filter_map(query).collect()
}

#[cfg(test)]
mod tests {
    use crate::http::declared;

    #[test]
    fn parameters_are_those_of_the_operation() {
        let of = |method, path| declared().find(method, path).expect("an endpoint").parameters.as_slice();
        assert_eq!(of("POST", "/v1/schedules/{id}/backfill"), ["dry_run"]);
        assert_eq!(of("GET", "/v1/runs/{id}"), ["wait", "output"]);
        assert!(of("GET", "/v1/runs/{id}/files/{*path}").is_empty());
    }
}
