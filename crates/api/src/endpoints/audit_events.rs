//! The audit log: who did what. Read in pages, or exported whole.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Bytes, Json};
use actix_web::{HttpResponse, get};
use chrono::{DateTime, Utc};
use domain::{AuditEvent, AuditOutcome, Page};
use futures::stream;
use serde::Deserialize;
use store::AuditFilter;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{Allowed, operation};
use crate::audit_export::{Format, header, rows};
use crate::extract::Query;
use crate::paging::page_of;
use crate::problem::{ApiProblem, Chain};
use crate::state::State;

/// How many rows of an export are in memory at once.
const CHUNK: u32 = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// How many items a page has.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only what this one did: a name or an id.
    actor: Option<String>,
    /// Only this operation, such as `backup_create`.
    action: Option<String>,
    /// Only what concerns this datastore.
    datastore_id: Option<Uuid>,
    /// Only what ended so.
    outcome: Option<AuditOutcome>,
    /// Only what was done at this time or later.
    from: Option<DateTime<Utc>>,
    /// Only what was done before this time.
    to: Option<DateTime<Utc>>,
}

/// Read the audit log
///
/// Who did what, on what, from where, when, and with which outcome; newest first. Rows are never changed or deleted.
#[utoipa::path(
    tag = "audit",
    params(AuditQuery),
    responses((status = 200, description = "The rows", body = Page<AuditEvent>))
)]
#[get("/audit-events")]
pub(crate) async fn audit_event_list(
    _: Allowed<operation::AuditEventList>,
    state: State,
    query: Query<AuditQuery>,
) -> Result<Json<Page<AuditEvent>>, ApiProblem> {
    let AuditQuery { limit, cursor, actor, action, datastore_id, outcome, from, to } = query.0;
    let page = page_of(limit, cursor)?;
    let filter = filter(AuditFilter { actor, action, datastore_id, outcome, from, to })?;
    Ok(Json(state.read(move |store| store.audit_list(&filter, &page)).await?))
}

/// The form of an export.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExportFormat {
    Ndjson,
    Csv,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// `ndjson`: an `AuditEvent` a line; `csv`: a table for spreadsheets.
    #[param(inline, default = "ndjson")]
    format: Option<ExportFormat>,
    /// Only what this one did: a name or an id.
    actor: Option<String>,
    /// Only this operation, such as `backup_create`.
    action: Option<String>,
    /// Only what concerns this datastore.
    datastore_id: Option<Uuid>,
    /// Only what ended so.
    outcome: Option<AuditOutcome>,
    /// Only what was done at this time or later.
    from: Option<DateTime<Utc>>,
    /// Only what was done before this time.
    to: Option<DateTime<Utc>>,
}

/// Export the audit log
///
/// Oldest first, all rows that the filters leave, however many. In CSV a text that a spreadsheet would take for a formula has
/// an apostrophe before it. A connection that ends before the stream does has not brought everything.
#[utoipa::path(
    tag = "audit",
    params(ExportQuery),
    responses((status = 200, description = "The rows", content((String = "application/x-ndjson"), (String = "text/csv"))))
)]
#[get("/audit-events/export")]
pub(crate) async fn audit_event_export(
    _: Allowed<operation::AuditEventExport>,
    state: State,
    query: Query<ExportQuery>,
) -> Result<HttpResponse, ApiProblem> {
    let ExportQuery { format, actor, action, datastore_id, outcome, from, to } = query.0;
    let filter = filter(AuditFilter { actor, action, datastore_id, outcome, from, to })?;
    let (format, media_type, name) = match format.unwrap_or(ExportFormat::Ndjson) {
        ExportFormat::Ndjson => (Format::Ndjson, "application/x-ndjson", "audit-events.ndjson"),
        ExportFormat::Csv => (Format::Csv, "text/csv; charset=utf-8", "audit-events.csv"),
    };
    let mut export = Export { state, filter, format, after: 0, has_more: true };
    // Read before the answer begins: a control database that is away is told by a status.
    let first = export.next().await?.unwrap_or_default();
    let beginning = Bytes::from([header(format)?, first].concat());
    let rest = stream::unfold(export, |mut export| async move {
        match export.next().await {
            Ok(chunk) => chunk.map(|chunk| (Ok(Bytes::from(chunk)), export)),
            Err(problem) => {
                tracing::warn!(error = %Chain(&problem), "an export of the audit log broke off");
                export.has_more = false;
                // Ends the connection without the last chunk, so that nobody takes a part for the whole.
                Some((Err(actix_web::Error::from(problem)), export))
            }
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(futures::StreamExt::chain(stream::iter([Ok(beginning)]), rest)))
}

fn filter(filter: AuditFilter) -> Result<AuditFilter, ApiProblem> {
    if filter.from.zip(filter.to).is_some_and(|(from, to)| from > to) {
        return Err(ApiProblem::invalid_field("/to", "must not be before from"));
    }
    Ok(filter)
}

/// An export that is being read.
struct Export {
    state: State,
    filter: AuditFilter,
    format: Format,
    after: i64,
    has_more: bool,
}

impl Export {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiProblem> {
        if !self.has_more {
            return Ok(None);
        }
        let (filter, after) = (self.filter.clone(), self.after);
        let events = self.state.read(move |store| store.audit_after(&filter, after, CHUNK)).await?;
        let Some(last) = events.last() else {
            self.has_more = false;
            return Ok(None);
        };
        self.after = last.id;
        rows(self.format, &events).map(Some)
    }
}
