//! `GET /events`: the changes as they happen, as server-sent events (WHATWG HTML, "Server-sent events"). An event names
//! what changed; whoever cares reads it again. `Last-Event-ID` goes on where a broken connection ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, get};
use domain::Event;
use futures::stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access::{Allowed, Credential, operation, resolve};
use crate::problem::{ApiProblem, Chain};
use crate::state::State;

/// A comment is sent after this silence, so that neither proxies nor browsers take the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked whether the credentials are still good.
const CHECK: Duration = Duration::from_secs(10);
/// How many events are read from the database at once.
const BATCH: u32 = 200;

/// Follow all changes
///
/// Server-sent events: `id` grows, `event` is the kind of thing that changed, `data` is an `Event` as JSON. A client that
/// reconnects sends `Last-Event-ID` and misses nothing that happened in between.
#[utoipa::path(
    tag = "events",
    params(("Last-Event-ID" = Option<i64>, Header, description = "Go on after this event; from now on when left out")),
    responses((status = 200, description = "The stream; it ends only when the service stops", body = Event, content_type = "text/event-stream"))
)]
#[get("/events")]
pub(crate) async fn event_stream(
    access: Allowed<operation::EventStream>,
    state: State,
    request: HttpRequest,
) -> Result<HttpResponse, ApiProblem> {
    let changed = state.changes.subscribe();
    let latest = state.read(|store| store.event_latest_id()).await?;
    let after = match request.headers().get("Last-Event-ID").map(|value| value.to_str().ok()?.trim().parse().ok()) {
        None => latest,
        // A number from before the control database was replaced names nothing here.
        Some(Some(after)) => latest.min(after),
        Some(None) => return Err(ApiProblem::invalid_field("/Last-Event-ID", "must be the id of an event")),
    };
    let credential = request.extensions().get::<Arc<Credential>>().map(|found| found.as_ref().clone());
    let credential = credential.unwrap_or(Credential::None);
    let follower = Follower {
        credential,
        visible: access.visible(),
        checked: Instant::now(),
        stop: state.stop.clone(),
        state,
        changed,
        after,
        waiting: VecDeque::new(),
        greeted: false,
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Tells nginx not to hold the stream back.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(stream::unfold(follower, |mut follower| async move {
            let text = follower.next().await?;
            Some((Ok::<_, actix_web::Error>(Bytes::from(text)), follower))
        })))
}

/// One client that follows.
struct Follower {
    state: State,
    changed: watch::Receiver<i64>,
    stop: CancellationToken,
    after: i64,
    waiting: VecDeque<Event>,
    greeted: bool,
    /// What the stream was opened with, and when it was last found to be good. // F-88
    credential: Credential,
    checked: Instant,
    /// The projects whose datastores' events are told; null for all. // F-87
    visible: Option<Vec<Uuid>>,
}

impl Follower {
    /// Looks whether who opened the stream may still see it, and how much of it.
    async fn may_go_on(&mut self) -> bool {
        if self.checked.elapsed() < CHECK {
            return true;
        }
        self.checked = Instant::now();
        match resolve(&self.state, self.credential.clone()).await {
            Ok(caller) => {
                self.visible = caller.visible();
                !caller.grants.is_empty()
            }
            Err(_) => false,
        }
    }

    /// The events after the last one that was told.
    async fn read(&mut self) -> Result<Vec<Event>, ApiProblem> {
        let after = self.after;
        let Some(visible) = self.visible.clone() else {
            return self.state.read(move |store| store.event_list(after, BATCH)).await;
        };
        let look = move |store: &store::Store| {
            let latest = store.event_latest_id()?;
            Ok((latest, store.event_list_of_projects(&visible, after, BATCH)?))
        };
        let (latest, events) = self.state.read(look).await?;
        if events.is_empty() {
            // What others may see need not be looked through again.
            self.after = after.max(latest);
        }
        Ok(events)
    }

    /// The next piece of the stream; `None` ends it.
    async fn next(&mut self) -> Option<String> {
        if !self.greeted {
            self.greeted = true;
            return Some("retry: 2000\n\n".to_owned());
        }
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.after = event.id;
                return Some(render(&event));
            }
            self.changed.mark_unchanged();
            if !self.may_go_on().await {
                return None;
            }
            match self.read().await {
                Ok(events) => self.waiting = events.into(),
                Err(error) => {
                    // The client connects again, and is told then what is the matter.
                    tracing::warn!(error = %Chain(&error), "an event stream ended");
                    return None;
                }
            }
            if !self.waiting.is_empty() {
                continue;
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                changed = self.changed.changed() => changed.ok()?,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(": keep-alive\n\n".to_owned()),
            }
        }
    }
}

fn render(event: &Event) -> String {
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.kind)
}
