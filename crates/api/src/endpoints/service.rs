//! What the service tells about itself: whether it lives and is ready, its numbers, its document, its error codes.

use std::fmt::Write as _;

use actix_web::http::header::{CONTENT_TYPE, ContentType};
use actix_web::web::{Data, Json, Redirect};
use actix_web::{HttpResponse, get};
use chrono::TimeDelta;
use domain::error_code::registry;
use domain::{JobStatus, Problem};
use serde::Serialize;
use store::PageRequest;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use crate::access::{Allowed, operation};
use crate::metrics::Inventory;
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// That the service answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`
    status: &'static str,
    version: &'static str,
}

/// Whether the process lives
#[utoipa::path(tag = "service", responses((status = 200, description = "It does", body = Health)))]
#[get("/healthz")]
pub(crate) async fn healthz(state: State) -> Json<Health> {
    Json(Health { status: "ok", version: state.version })
}

/// Whether the service can do its work
#[utoipa::path(
    tag = "service",
    responses(
        (status = 200, description = "The control database answers", body = Health),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json")
    )
)]
#[get("/readyz")]
pub(crate) async fn readyz(state: State) -> Result<Json<Health>, ApiProblem> {
    // F-20
    state.read(|store| store.ping()).await?;
    Ok(Json(Health { status: "ok", version: state.version }))
}

/// Numbers for Prometheus
#[utoipa::path(
    tag = "service",
    responses((status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain"))
)]
#[get("/metrics")]
pub(crate) async fn metrics(_: Allowed<operation::Metrics>, state: State) -> Result<HttpResponse, ApiProblem> {
    let inventory = state.read(count).await?;
    let text = state.metrics.render(state.version, &inventory);
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")).body(text))
}

fn count(store: &store::Store) -> Result<Inventory, store::StoreError> {
    let mut inventory = Inventory {
        jobs: Vec::new(),
        datastores: 0,
        backups: 0,
        stored_bytes: 0,
        workers_online: 0,
        schedule_run_failures: Vec::new(),
    };
    let one = PageRequest { limit: 1, cursor: None };
    for &status in JobStatus::ALL {
        let filter = store::JobFilter { status: Some(status), ..store::JobFilter::default() };
        inventory.jobs.push((status.as_str(), store.job_list(&filter, &one)?.total));
    }
    let mut page = PageRequest { limit: domain::list::MAX_LIMIT, cursor: None };
    loop {
        let datastores = store.datastore_list(&store::DatastoreFilter::default(), &page, now())?;
        inventory.datastores = datastores.total;
        for datastore in &datastores.items {
            inventory.backups += datastore.overview.backup_count;
            inventory.stored_bytes += datastore.overview.stored_bytes;
        }
        page.cursor = datastores.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    inventory.workers_online = store.worker_list(now())?.items.iter().filter(|worker| worker.online).map(|_| 1).sum();
    let failures = store.schedule_run_failures(now() - TimeDelta::hours(24))?;
    inventory.schedule_run_failures = failures.into_iter().map(|(status, count)| (status.as_str(), count)).collect();
    Ok(inventory)
}

/// The API's OpenAPI document
#[utoipa::path(
    tag = "service",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value, content_type = "application/json"))
)]
#[get("/openapi.json")]
pub(crate) async fn openapi_json(document: Data<OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(document.get_ref())
}

/// The documentation lives one level deeper, so that its own files are found.
#[get("/docs")]
pub(crate) async fn docs() -> Redirect {
    Redirect::to("/docs/").permanent()
}

/// The page that the `type` of every problem points to.
#[get("/docs/errors")]
pub(crate) async fn docs_errors() -> HttpResponse {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Error codes of Holdfast</title>\
         <link rel=\"icon\" href=\"data:,\"><style>body{font-family:system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}\
         :target{background:#fff3bf}dt{font-weight:600;margin-top:1rem}</style></head><body><h1>Error codes</h1><dl>",
    );
    for entry in registry() {
        let _ = write!(
            page,
            "<dt id=\"{code}\"><code>{code}</code> · {title}</dt><dd>{help} HTTP {status}; trying again: {retry}.</dd>",
            code = entry.code,
            title = entry.title,
            help = escape(&entry.help),
            status = entry.http_status,
            retry = entry.retry.replace('_', " "),
        );
    }
    page.push_str("</dl></body></html>");
    HttpResponse::Ok().insert_header(ContentType::html()).body(page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
