//! What a node says of itself while it starts and when it is up.

use super::bound::BoundAddress;
use super::places::DataDir;
use super::{Config, Say, Setup};
use crate::blobs::BlobLocation;
use crate::http::{self, AnonymousAccess, Readiness};
use crate::store::DatabaseUrl;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use cronbox_runtime::Pool;
use std::path::Path;
use tokio::sync::watch;

/// What answers while the node starts: the page, and that the node starts.
pub(super) fn starting(ready: watch::Receiver<Readiness>, base_path: &str) -> Router {
    let not_yet = move |Extension(base): Extension<http::Base>, method: Method, uri: Uri, headers: HeaderMap| {
        let page = http::EarlyPage::answer(&base, &method, uri.path(), &headers);
        let early = page.or_else(|| http::EarlyPage::refusal(uri.path()));
        let parts = ready.borrow().clone();
        let body = crate::api::ReadyBody { ready: false, parts, warnings: Vec::new() };
        async move {
            if let Some(page) = early {
                return page;
            }
            (
                StatusCode::SERVICE_UNAVAILABLE,
                [(header::RETRY_AFTER, "1"), (header::CONNECTION, "close")],
                axum::Json(body),
            )
                .into_response()
        }
    };
    http::below(base_path, Router::new().route("/healthz", get(async || "ok\n")).fallback(not_yet))
}

/// Tells where the node is, what it found, and who can reach it.
pub(super) fn announce(
    (config, setup): (&Config, &Setup),
    say: &Say,
    addresses: &[BoundAddress],
    directory: Option<&DataDir>,
    scripts: u64,
    pool: &Pool,
    who: &str,
) {
    let mut urls = addresses.iter().map(|address| format!("{}{}", address.url, config.listening.base_path));
    let url = urls.next().unwrap_or_default();
    say(&format!("cronbox {} at {url} (docs: {url}/docs)", env!("CARGO_PKG_VERSION")));
    urls.for_each(|url| say(&format!("also at {url}")));
    let found = match scripts {
        1 => "1 script".to_owned(),
        count => format!("{count} scripts"),
    };
    if let Some(file) = &config.file {
        let file = file.canonicalize().unwrap_or_else(|_| file.clone());
        say(&format!("settings from {}", file.display()));
    }
    data_lines((&setup.database, &setup.blobs), &config.storage.data_dir, directory, &found)
        .iter()
        .for_each(|line| say(line));
    let hardening = pool.hardening();
    let missing: Vec<&str> = hardening.missing().map(|measure| measure.name.as_str()).collect();
    let measures =
        if missing.is_empty() { "all measures in force".to_owned() } else { format!("without {}", missing.join(", ")) };
    say(&format!(
        "zone {} (tzdata {}) · {} sandbox processes, at most {} runs at once · hardening: {measures}",
        config.runs.timezone,
        crate::zone::installed().release(),
        setup.pool.processes,
        config.runs.max_running
    ));
    say(who);
}

/// Where the data are: one line where all of them are in the data directory, else where the database and the blobs are.
fn data_lines(
    (database, blobs): (&DatabaseUrl, &BlobLocation),
    own: &Path,
    directory: Option<&DataDir>,
    found: &str,
) -> Vec<String> {
    let is_own = |path: &Path| path.parent() == Some(own);
    let database = match database {
        DatabaseUrl::Memory => return vec!["data in memory: everything is gone when this ends".into()],
        DatabaseUrl::Sqlite(path) if is_own(path) => None,
        DatabaseUrl::Sqlite(path) => Some(path.display().to_string()),
        DatabaseUrl::Postgres(url) => Some(without_password(url)),
    };
    let blobs = match blobs {
        BlobLocation::Memory => Some("memory".to_owned()),
        BlobLocation::Disk(path) if is_own(path) => None,
        BlobLocation::Disk(path) => Some(path.display().to_string()),
        BlobLocation::S3 { bucket, prefix } => Some(format!("s3://{bucket}/{prefix}")),
    };
    let folder = directory.map(|directory| directory.path.display().to_string()).unwrap_or_default();
    let is_new = directory.is_some_and(|directory| directory.is_new);
    let mut lines = match &database {
        None if is_new => vec![format!("data in {folder} (new)")],
        None => vec![format!("data in {folder} (found, with {found})")],
        Some(database) => vec![format!("database {database} ({found})")],
    };
    match (blobs, &database) {
        (Some(blobs), _) => lines.push(format!("blobs in {blobs}")),
        (None, Some(_)) => lines.push(format!("blobs in {folder}/blobs")),
        (None, None) => {}
    }
    lines
}

/// The address of a database as it can be shown.
fn without_password(url: &str) -> String {
    let Ok(mut shown) = reqwest::Url::parse(url) else { return "PostgreSQL".into() };
    // Neither can fail for an address with a host.
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.to_string()
}

/// Who can use the server, as it is told at its start.
pub(super) fn who_can_use_it(anonymous_access: AnonymousAccess, has_tokens: bool) -> &'static str {
    match anonymous_access {
        _ if has_tokens => "callers need a token",
        AnonymousAccess::Loopback => {
            "every user of this machine can use it until the first token is made (cronbox token create)"
        }
        AnonymousAccess::Unix => "only this user can use it until the first token is made",
        AnonymousAccess::Nobody => "callers need a token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the data are is told as it is, and no password with it.
    #[test]
    fn where_the_data_are_is_told() {
        let lines = |database: &str, blobs: &str| {
            let database = DatabaseUrl::parse(database).expect("a database");
            let blobs = BlobLocation::parse(blobs).expect("a place");
            data_lines((&database, &blobs), Path::new("/srv/data"), None, "4 scripts")
        };
        let own = "sqlite:/srv/data/cronbox.db";
        assert_eq!(
            lines("postgres://cron:pa%20ss@db:5432/box?password=pass", "s3://keep/here"),
            ["database postgres://cron@db:5432/box (4 scripts)", "blobs in s3://keep/here"]
        );
        assert_eq!(lines("postgres://u:pass@a:1,b:2/box", "/mnt/blobs")[0], "database PostgreSQL (4 scripts)");
        assert_eq!(lines("sqlite:/db/a.db", "/srv/data/blobs")[0], "database /db/a.db (4 scripts)");
        assert_eq!(lines(own, "/mnt/blobs")[1], "blobs in /mnt/blobs");
        assert_eq!(lines(own, "/srv/data/blobs").len(), 1);
    }

    #[test]
    fn a_server_with_a_token_says_that_it_wants_one() {
        for anonymous_access in [AnonymousAccess::Loopback, AnonymousAccess::Unix, AnonymousAccess::Nobody] {
            assert_eq!(who_can_use_it(anonymous_access, true), "callers need a token");
        }
        assert!(who_can_use_it(AnonymousAccess::Loopback, false).contains("every user of this machine"));
    }
}
