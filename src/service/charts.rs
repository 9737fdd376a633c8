//! Charts that are kept: made, changed, shown, deleted.

use super::text::{aggregate, quoted};
use super::{Reached, Service, ServiceError};
use crate::access::Caller;
use crate::chart::{AUTO, Chart, ChartLine, MAX_CHART_LABELS, MAX_LINES, SINCE};
use crate::precondition::Precondition;
use crate::quantity;
use crate::script::{MAX_LABEL, MAX_TITLE, Name};
use crate::store::StoreError;
use crate::store::charts::KeptChart;
use crate::store::queries::check_pointer;
use std::collections::BTreeSet;

/// Charts that are fetched at once.
const TOGETHER: usize = 100;

/// What is asked of a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChartRequest {
    /// For people; none: its id.
    pub title: Option<String>,
    /// Words to find it by.
    pub labels: Vec<String>,
    /// What it shows.
    pub lines: Vec<ChartLine>,
    /// From when on: so long ago, or an instant.
    pub since: Option<String>,
    /// The width of a slot.
    pub bucket: Option<String>,
}

/// A chart that does not fit what a change was made to, or that is not there.
fn other(id: &Name, asked: &Precondition, tag: Option<&str>) -> ServiceError {
    ServiceError::changed(&format!("the chart {id}"), "revision", asked, tag)
}

fn no_such_chart(id: &Name) -> ServiceError {
    ServiceError::not_found("no_such_chart", format!("there is no chart {id}"))
}

impl Service {
    /// Makes or changes a chart; whether it is new.
    ///
    /// # Errors
    /// A field cannot be; a script is not there or not within the caller's reach; the chart is not what was asked for.
    pub async fn put_chart(
        &self,
        caller: &Caller,
        id: &str,
        request: ChartRequest,
        asked: &Precondition,
    ) -> Result<(Chart, bool), ServiceError> {
        let id = Name::parse(id).map_err(|error| ServiceError::from(error).field("id"))?;
        if let Some(existing) = self.store.chart(id.key()).await? {
            self.check_chart(caller, &existing).await?;
        }
        let lines = self.checked_lines(caller, request.lines).await?;
        let title = request.title.filter(|title| !title.is_empty());
        check_words(title.as_deref(), &request.labels)?;
        let since = request.since.unwrap_or_else(|| SINCE.to_owned());
        check_since(&since)?;
        check_bucket(request.bucket.as_deref())?;
        let now = self.clock.now();
        let chart = Chart {
            title: title.unwrap_or_else(|| id.as_str().to_owned()),
            id: id.as_str().to_owned(),
            key: id.key().to_owned(),
            labels: request.labels,
            lines,
            since,
            bucket: request.bucket,
            revision: 0,
            created_at: now,
            updated_at: now,
            created_by: caller.id().map(str::to_owned),
        };
        match self.store.keep_chart(chart, asked, now).await {
            Ok(KeptChart::Kept(chart, is_new)) => Ok((*chart, is_new)),
            Ok(KeptChart::Other(tag)) => Err(other(&id, asked, tag.as_deref())),
            Err(StoreError::Conflict) => {
                let detail =
                    format!("a chart {id} was made by another request in this moment; look at it and try again");
                Err(ServiceError::conflict("changed_meanwhile", detail).retry_after(1))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The lines of a chart, with the names of their scripts as these write them.
    async fn checked_lines(&self, caller: &Caller, lines: Vec<ChartLine>) -> Result<Vec<ChartLine>, ServiceError> {
        if lines.is_empty() || lines.len() > MAX_LINES {
            let detail = format!("a chart has 1 to {MAX_LINES} lines: {{\"script\": …, \"path\": …}}");
            return Err(ServiceError::invalid("lines", detail));
        }
        let mut checked = Vec::with_capacity(lines.len());
        for (number, line) in lines.into_iter().enumerate() {
            let field = |name: &str| format!("lines.{number}.{name}");
            let script = self.script_for(caller, &line.script).await.map_err(|error| match &*error.code {
                "no_such_script" => ServiceError::invalid(field("script"), error.detail).code("no_such_script"),
                _ => error.field(field("script")),
            })?;
            check_pointer(&line.path).map_err(|why| ServiceError::invalid(field("path"), why))?;
            let agg = line.agg.as_deref().map(aggregate).transpose();
            agg.map_err(|why| ServiceError::invalid(field("agg"), why))?;
            if line.label.as_deref().is_some_and(|label| !is_short(label)) {
                let detail =
                    format!("the label of a line has at most {MAX_LABEL} characters, without control characters");
                return Err(ServiceError::invalid(field("label"), detail));
            }
            checked.push(ChartLine { script: script.name, ..line });
        }
        Ok(checked)
    }

    /// The chart of that id.
    ///
    /// # Errors
    /// It is not there, or it shows a script that is not within the caller's reach.
    pub async fn chart_for(&self, caller: &Caller, id: &str) -> Result<Chart, ServiceError> {
        let id = Name::parse(id).map_err(|error| ServiceError::from(error).field("id"))?;
        let chart = self.store.chart(id.key()).await?.ok_or_else(|| no_such_chart(&id))?;
        self.check_chart(caller, &chart).await?;
        Ok(chart)
    }

    /// Deletes a chart.
    ///
    /// # Errors
    /// Those of [`Service::chart_for`]; or it is not what was asked for.
    pub async fn delete_chart(&self, caller: &Caller, id: &str, asked: &Precondition) -> Result<(), ServiceError> {
        let chart = self.chart_for(caller, id).await?;
        let id = Name::parse(&chart.id)?;
        let deleted = self.store.delete_chart(&chart.key, asked).await?;
        deleted.map_err(|tag| other(&id, asked, tag.as_deref()))
    }

    /// At most `limit` charts with this label that the caller can see, by key, those after `after`.
    ///
    /// # Errors
    /// The database is not available.
    pub async fn charts_for(
        &self,
        caller: &Caller,
        label: Option<&str>,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Chart>, ServiceError> {
        let reach = self.reach_of(caller).await?;
        let is_asked = |chart: &Chart| {
            label.is_none_or(|label| chart.labels.iter().any(|own| own == label)) && is_within(reach.as_ref(), chart)
        };
        let (mut found, mut after) = (Vec::new(), after.unwrap_or_default());
        loop {
            let charts = self.store.charts(&after, TOGETHER).await?;
            let is_last = charts.len() < TOGETHER;
            if let Some(chart) = charts.last() {
                after.clone_from(&chart.key);
            }
            found.extend(charts.into_iter().filter(is_asked));
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// Refuses a caller who cannot see a script of a chart.
    async fn check_chart(&self, caller: &Caller, chart: &Chart) -> Result<(), ServiceError> {
        let reach = self.reach_of(caller).await?;
        if is_within(reach.as_ref(), chart) { Ok(()) } else { Err(ServiceError::out_of_reach(caller)) }
    }
}

/// Whether all scripts of a chart are among these.
fn is_within(reach: Option<&Reached>, chart: &Chart) -> bool {
    let Some(reach) = reach else { return true };
    chart.lines.iter().all(|line| Name::parse(&line.script).is_ok_and(|name| reach.contains(name.key())))
}

fn is_short(text: &str) -> bool {
    text.chars().count() <= MAX_LABEL && !text.contains(char::is_control)
}

fn check_words(title: Option<&str>, labels: &[String]) -> Result<(), ServiceError> {
    if title.is_some_and(|title| title.chars().count() > MAX_TITLE || title.contains(char::is_control)) {
        let detail = format!("a title has at most {MAX_TITLE} characters, without control characters");
        return Err(ServiceError::invalid("title", detail));
    }
    let distinct: BTreeSet<&String> = labels.iter().collect();
    if labels.len() > MAX_CHART_LABELS || distinct.len() < labels.len() {
        let detail = format!("a chart has at most {MAX_CHART_LABELS} labels, each once");
        return Err(ServiceError::invalid("labels", detail));
    }
    match labels.iter().find(|label| label.is_empty() || !is_short(label)) {
        None => Ok(()),
        Some(label) => {
            let detail = format!(
                "the label {:?}: a label has 1 to {MAX_LABEL} characters, without control characters",
                quoted(label)
            );
            Err(ServiceError::invalid("labels", detail))
        }
    }
}

fn check_since(since: &str) -> Result<(), ServiceError> {
    let is_instant = chrono::DateTime::parse_from_rfc3339(since).is_ok();
    if is_instant || quantity::parse_duration(since).is_ok_and(|time| !time.is_zero()) && since.len() <= 40 {
        return Ok(());
    }
    let detail = format!("{:?} is no time: write 30d for so long ago, or 2026-01-31T09:00:00Z", quoted(since));
    Err(ServiceError::invalid("since", detail))
}

fn check_bucket(bucket: Option<&str>) -> Result<(), ServiceError> {
    let Some(bucket) = bucket.filter(|bucket| *bucket != AUTO) else { return Ok(()) };
    if quantity::parse_duration(bucket).is_ok_and(|time| !time.is_zero()) && bucket.len() <= 40 {
        return Ok(());
    }
    let detail = format!("{:?} is no width of a slot: write 1h, or {AUTO}", quoted(bucket));
    Err(ServiceError::invalid("bucket", detail))
}
