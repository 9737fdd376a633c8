//! The feed of events: by the page, and as they come (server-sent events).

use super::App;
use super::body::{self, Query};
use super::endpoints::{Endpoints, Need};
use super::feed::News;
use super::problem::Problem;
use crate::access::{Caller, Scope};
use crate::api::{EventBody, FeedBody, ProblemBody};
use crate::event::{Event, EventPosition, TYPES};
use crate::script::key_of;
use crate::service;
use crate::store::events::STRIDE;
use crate::store::queries::MOST_LOOKED_AT;
use crate::suggest::nearest;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::stream::unfold;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use utoipa_axum::routes;

/// The endpoints of this file.
pub(super) fn endpoints() -> Endpoints {
    Endpoints::default().add(Need::Scope(Scope::Read), routes!(list_events))
}

/// How often it is seen to that somebody looks.
const LOOK_ON: Duration = Duration::from_secs(5);
/// The time before another look when the database is away.
const AGAIN: Duration = Duration::from_secs(1);

/// What a reader wants to hear of.
struct EventFilter {
    caller: Caller,
    /// Keys of scripts; empty: of all.
    scripts: Vec<String>,
    schedule: Option<String>,
    types: Vec<String>,
}

impl EventFilter {
    fn read(caller: Caller, query: &Query) -> Result<Self, Problem> {
        let mut types = Vec::new();
        for word in query.many("type") {
            if !TYPES.contains(&word) {
                let near =
                    nearest(word, TYPES.into_iter()).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
                let detail =
                    format!("type: {:?} is no event; {near}there are {}", service::quoted(word), TYPES.join(", "));
                return Err(Problem::bad("bad_parameter", detail).field("type"));
            }
            types.push(word.to_owned());
        }
        let schedule = query.one("schedule")?.map(key_of);
        Ok(EventFilter { caller, scripts: body::scripts_of(query)?, schedule, types })
    }

    /// Whether the reader asked for it.
    fn asks_for(&self, event: &Event) -> bool {
        let schedule = event.schedule.as_deref();
        let of_schedule = self.schedule.as_deref().is_none_or(|id| schedule.is_some_and(|it| key_of(it) == *id));
        // Source that was sent along has a name only.
        let key = event.script.clone().or_else(|| event.name.as_deref().map(key_of));
        let of_script = self.scripts.is_empty() || key.is_some_and(|key| self.scripts.contains(&key));
        of_schedule && of_script && (self.types.is_empty() || self.types.contains(&event.type_name))
    }

    /// Leaves those that the reader asked for and may hear of.
    async fn of(&self, app: &App, events: &[Event]) -> Result<Vec<Event>, Problem> {
        let mut events: Vec<Event> = events.iter().filter(|event| self.asks_for(event)).cloned().collect();
        if !events.is_empty()
            && let Some(reach) = app.reach_of(&self.caller).await?
        {
            events.retain(|event| event.script.as_ref().is_some_and(|key| reach.holds(key, event.at)));
        }
        Ok(events)
    }
}

/// What was found from a place on.
struct Found {
    events: Vec<Event>,
    /// Where looking ended.
    end: EventPosition,
    /// Whether there may be more already.
    more: bool,
}

impl App {
    async fn feed(&self, filter: &EventFilter, from: EventPosition, limit: usize) -> Result<Found, Problem> {
        let (mut end, mut events, mut looked_at) = (from, Vec::new(), 0);
        loop {
            let some = self.store.events(end).await?.ok_or_else(gone)?;
            let (count, last) = (some.len(), some.last().map(|event| event.place));
            looked_at += count;
            events.extend(filter.of(self, &some).await?);
            if events.len() > limit {
                events.truncate(limit);
                let end = events.last().map_or(end, |event| event.place);
                return Ok(Found { events, end, more: true });
            }
            end = last.unwrap_or(end);
            if count < STRIDE || events.len() == limit || looked_at >= MOST_LOOKED_AT {
                return Ok(Found { events, end, more: count == STRIDE });
            }
        }
    }

    /// Where a reader begins.
    async fn beginning(&self, query: &Query, headers: &HeaderMap, follows: bool) -> Result<EventPosition, Problem> {
        let since = query.time("since", self.clock.now())?;
        let heard = headers.get("last-event-id").filter(|id| follows && !id.is_empty());
        let (field, text) = match heard {
            Some(id) => ("Last-Event-ID", Some(id.to_str().unwrap_or_default())),
            None => ("cursor", query.one("cursor")?),
        };
        let Some(text) = text else {
            return Ok(match since {
                Some(since) => self.store.newest_event(Some(since)).await?,
                None if follows => self.store.newest_event(None).await?,
                None => self.store.oldest_event().await?,
            });
        };
        let place: EventPosition =
            text.parse().map_err(|error| Problem::bad("bad_cursor", format!("{field}: {error}")).field(field))?;
        if place < self.store.oldest_event().await? || place > self.store.newest_event(None).await? {
            return Err(gone());
        }
        Ok(place)
    }
}

fn gone() -> Problem {
    let detail = "events after this place were let go of already, or it is of another database: some may be missing; \
        begin again, with ?since= or without a cursor";
    Problem::new(StatusCode::GONE, "events_gone", detail)
}

/// Read what happened
///
/// How runs ended, what was missed and skipped, what became of schedules: oldest first, from `cursor` on. The order is the
/// same for every reader, and nothing appears before a place that was read: who asks again with `cursor` hears of everything
/// once. With `Accept: text/event-stream` events come as they happen, from now on or from `cursor`, `since` or
/// `Last-Event-ID` on; a connection ends after ten minutes and goes on where it ended.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "list_events",
    params(
        ("type" = Option<String>, Query, description = "Of these types: run_failed,run_missed"),
        ("script" = Option<String>, Query, description = "Of these scripts"),
        ("schedule" = Option<String>, Query, description = "Of this schedule"),
        ("since" = Option<String>, Query, description = "From then on: a time, or 24h, 7d ago"),
        ("cursor" = Option<String>, Query, description = "Where the last part ended"),
        ("limit" = Option<usize>, Query, description = "How many; 100 by default, at most 1000"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came"),
    ),
    responses(
        (status = 200, description = "Events", content((FeedBody = "application/json"), (String = "text/event-stream"))),
        (status = 410, description = "Events after the cursor were let go of", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_events(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.into_parts().0.headers;
    let limit = query.limit(100, 1000)?;
    let filter = EventFilter::read(caller, &query)?;
    let accepts = |kind: &str| {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        accept.is_some_and(|accept| accept.split(',').any(|one| one.split(';').next().map(str::trim) == Some(kind)))
    };
    let follows = accepts("text/event-stream");
    let from = app.beginning(&query, &headers, follows).await?;
    if !follows {
        let found = app.feed(&filter, from, limit).await?;
        let cursor = found.end.to_string();
        let items = found.events.iter().map(EventBody::from).collect();
        let next_cursor = found.more.then(|| cursor.clone());
        return Ok(Json(FeedBody { items, next_cursor, cursor }).into_response());
    }
    let heard = app.hear();
    let follower = Follower { app, filter, at: from, told: from, waiting: VecDeque::new(), heard, is_behind: true };
    let events = unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

struct Follower {
    app: App,
    filter: EventFilter,
    /// Where it has looked.
    at: EventPosition,
    /// What the client knows of that.
    told: EventPosition,
    waiting: VecDeque<sse::Event>,
    /// What all followers hear.
    heard: watch::Receiver<News>,
    /// Whether there may be more than it has heard of.
    is_behind: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            match self.look().await {
                Ok(()) => {}
                // The client comes again, and is told.
                Err(problem) if problem.status == StatusCode::GONE => return None,
                // The database is away for now; the client hears nothing, and goes on when it is back.
                Err(_) => {
                    self.is_behind = true;
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            }
            if !self.waiting.is_empty() || self.is_behind {
                continue;
            }
            tokio::select! {
                () = self.app.tools.down.cancelled() => return None,
                changed = self.heard.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep(LOOK_ON) => self.app.look_on(),
            }
        }
    }

    /// Takes what was found for all, or reads by itself what lies before that.
    async fn look(&mut self) -> Result<(), Problem> {
        let news = self.heard.borrow_and_update().clone();
        if !self.is_behind && news.to <= self.at {
            return Ok(());
        }
        let found = match news.after(self.at) {
            Some(events) => Found { events: self.filter.of(&self.app, &events).await?, end: news.to, more: false },
            None => self.app.feed(&self.filter, self.at, STRIDE).await?,
        };
        self.is_behind = found.more;
        self.take(found);
        Ok(())
    }

    fn take(&mut self, found: Found) {
        for event in &found.events {
            let body = EventBody::from(event);
            let data = serde_json::to_string(&body).unwrap_or_default();
            self.waiting.push_back(sse::Event::default().event(body.type_name).id(body.id).data(data));
            self.told = event.place;
        }
        self.at = found.end;
        // A reader of few types learns from time to time how far it has come, or its next connection would begin far back
        // (an event without data only sets the last id: HTML standard, 9.2.6).
        if found.events.is_empty() && self.at.seq - self.told.seq >= STRIDE as i64 {
            self.told = self.at;
            self.waiting.push_back(sse::Event::default().id(self.at.to_string()));
        }
    }
}
