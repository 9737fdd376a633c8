//! Why a list is empty: what it was asked of is not there.

use super::client::{Refusal, Server, part};
use super::complain;
use reqwest::Method;

/// Says on standard error that there is nothing, and which script or schedule the server does not know, with the name
/// that is nearest.
pub(super) async fn tell_why_empty(
    server: &Server,
    things: &str,
    scripts: &[String],
    schedule: Option<&str>,
) -> Result<(), Refusal> {
    let scripts = scripts.iter().map(|name| format!("/v1/scripts/{}", part(name)));
    let asked: Vec<String> = scripts.chain(schedule.map(|id| format!("/v1/schedules/{}", part(id)))).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let mut is_explained = false;
    for path in asked {
        if let Err(problem) = server.attempt(server.request(Method::GET, &path)).await?
            && matches!(problem.status, 400 | 404 | 422)
        {
            complain(&format!("no {things}: {}", problem.detail));
            is_explained = true;
        }
    }
    if !is_explained {
        complain(&format!("no {things}"));
    }
    Ok(())
}
