//! What lists show to a caller: the filter of a query, narrowed to the caller's reach.

use super::{Reached, Service, ServiceError};
use crate::access::Caller;
use crate::store::queries::{RunFilter, Sent};

impl Service {
    /// Of the scripts that are asked for by key, those that the caller can see; none asked for: all of them. No list where
    /// nothing narrows it.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn scripts_within_reach(
        &self,
        caller: &Caller,
        asked: Vec<String>,
    ) -> Result<Option<Vec<String>>, ServiceError> {
        Ok(narrowed(asked, self.reach_of(caller).await?))
    }

    /// A filter of runs, of the scripts that are asked for by key, narrowed to what the caller can see. Runs of source in a
    /// request are found by their name.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn runs_within_reach(
        &self,
        caller: &Caller,
        asked: Vec<String>,
        filter: RunFilter,
    ) -> Result<RunFilter, ServiceError> {
        let by = caller.id().filter(|_| caller.is_limited()).map(str::to_owned);
        let sent = Some(Sent { names: asked.clone(), by });
        let reach = self.reach_of(caller).await?;
        let current_but = reach.as_ref().map(Reached::whole);
        Ok(RunFilter { scripts: narrowed(asked, reach), sent, current_but, ..filter })
    }
}

fn narrowed(asked: Vec<String>, reach: Option<Reached>) -> Option<Vec<String>> {
    match (asked.is_empty(), reach) {
        (true, reach) => reach.map(Reached::into_keys),
        (false, None) => Some(asked),
        (false, Some(reach)) => Some(asked.into_iter().filter(|script| reach.contains(script)).collect()),
    }
}
