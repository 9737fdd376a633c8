//! The links of chains: what starts when another run has ended.

use super::deciding::parse;
use super::{Scheduler, Unfired};
use crate::clock::Time;
use crate::exact;
use crate::limits::RequestedLimits;
use crate::plan::ScheduleStart;
use crate::publish::keep_value;
use crate::run::{Cause, NewRun, Run, Status, Value, upstream_body};
use crate::schedule::{Link, Schedule, State};
use crate::script::Script;
use crate::store::StoreError;
use crate::store::fire::{Followed, LinkRules};
use serde_json::json;
use std::collections::HashMap;

/// The largest result, as JSON, that is passed on along a chain.
const MOST_PASSED: u64 = 256 << 10;

impl Scheduler {
    /// Follows the links of chains that ended runs have made due. Whether there were any.
    pub(super) async fn follow_links(&self, now: Time) -> Result<bool, StoreError> {
        let links = self.store.due_links().await?;
        if links.is_empty() || self.store.scheduler().await?.paused {
            return Ok(false);
        }
        let mut scripts = HashMap::new();
        for link in links {
            let (Some(schedule), Some(upstream)) =
                (self.store.schedule(&link.schedule).await?, self.store.run(&link.upstream).await?)
            else {
                // Either went meanwhile, and the link with it.
                continue;
            };
            if schedule.state != State::Active {
                // While a schedule is paused, nothing is kept for it.
                self.store.drop_link(link).await?;
                continue;
            }
            if !self.may_follow(&schedule, &upstream).await? {
                self.store.drop_link(link).await?;
                continue;
            }
            let depth = upstream.spec.chain_depth + 1;
            let made = match self.next_in_chain(&schedule, &upstream, depth, now, &mut scripts).await {
                Ok(made) => made,
                Err(Unfired::Broken(why)) => {
                    tracing::error!(schedule = %schedule.id, why, "a schedule cannot be fired and is paused");
                    self.store.pause_schedule(&schedule.key, Some(why), now).await?;
                    continue;
                }
                Err(Unfired::Away(why)) => {
                    tracing::warn!(schedule = %schedule.id, why, "a schedule cannot be fired now; trying again");
                    return Ok(false);
                }
            };
            let rules = LinkRules {
                overlap: schedule.settings.policies.overlap_in_force(&self.rules.job_defaults),
                too_deep: depth > Link::DEEPEST,
                max_runs: schedule.trigger.parsed().ok().and_then(|trigger| trigger.max_runs()),
                bound: self.queue_bound,
            };
            if let Followed::Started(room) = self.store.follow_link(link, made, rules, now).await? {
                self.signals.notify_queued();
                self.tell(&room);
            }
        }
        Ok(true)
    }

    /// Whether a schedule's runs may be dispatched what this run leaves: whoever made the schedule could touch the run's script,
    /// as its labels are now.
    async fn may_follow(&self, schedule: &Schedule, upstream: &Run) -> Result<bool, StoreError> {
        if schedule.reach.is_all() {
            return Ok(true);
        }
        let Some(key) = &upstream.script else { return Ok(false) };
        let script = self.store.script(key).await?;
        let is_of_script = |script: &Script| upstream.created_at >= script.created_at;
        let labels = script.filter(is_of_script).map(|script| script.in_force().labels).unwrap_or_default();
        Ok(schedule.reach.covers(key, &labels))
    }

    /// The run that comes after another. A function that takes `upstream` gets what that returned, or its id when it is
    /// large; of one that did not succeed, what it was and how it ended.
    async fn next_in_chain(
        &self,
        schedule: &Schedule,
        upstream: &Run,
        depth: u32,
        now: Time,
        scripts: &mut HashMap<String, (Script, RequestedLimits)>,
    ) -> Result<NewRun, Unfired> {
        parse(schedule).await.map_err(Unfired::Broken)?;
        let (script, granted) = self.script_of(schedule, scripts).await?;
        let version = self.version_of(schedule, script).await?;
        let takes =
            version.facts.signature.as_deref().is_some_and(|text| text.contains("upstream") || text.contains("**"));
        let args = schedule.settings.args.as_ref();
        let mut text = args.map_or_else(|| "{}".to_owned(), ToString::to_string);
        if takes && text.starts_with('{') {
            let by_id = || json!({"run_id": upstream.id}).to_string();
            let failed = (upstream.status != Status::Succeeded).then(|| upstream_body(upstream).to_string());
            let result = match &upstream.result {
                Some(Value::Inline(text)) => Some(text.clone()),
                Some(Value::Blob(key)) if upstream.result_bytes.is_some_and(|bytes| bytes <= MOST_PASSED) => {
                    let content = self.blobs.get(key).await.map_err(|error| Unfired::Away(error.to_string()))?;
                    Some(String::from_utf8_lossy(&content).into_owned())
                }
                _ => None,
            };
            // As it was written: a number of any size goes on as it is.
            let passed = match (failed, result, &upstream.result) {
                (Some(failed), ..) => failed,
                (None, Some(result), _) => result,
                (None, None, None) => "null".to_owned(),
                (None, None, Some(_)) => by_id(),
            };
            let broken = |error: serde_json::Error| Unfired::Broken(format!("its arguments cannot be read: {error}"));
            let entries = exact::entries(&text).map_err(broken)?;
            if !entries.iter().any(|(name, _)| name == "upstream") {
                let own = entries.iter().map(|(name, value)| (name.as_str(), value.get()));
                text = exact::object(own.chain([("upstream", passed.as_str())]));
            }
        }
        let args = keep_value(&self.store, &self.blobs, text, now).await?;
        let start = ScheduleStart { schedule, script, version: &version, granted };
        let mut new = self.rules.run_of_schedule(start, args, Cause::Chain, now)?;
        new.upstream = Some(upstream.id.clone());
        new.spec.chain_depth = depth;
        new.spec.chain_cause = Some(upstream.spec.chain_cause.clone().unwrap_or_else(|| upstream.id.clone()));
        new.bounded = true;
        Ok(new)
    }
}
