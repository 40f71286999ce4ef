//! Datastores: registered servers. Whatever a worker finds wrong with one is saved with it as findings; only a server
//! that can never work (`refusal`) is not saved at all.

use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use domain::access::{Place, Role};
use domain::assignment::DatastoreAccess;
use domain::list::MAX_LIMIT;
use domain::name::validate_name;
use domain::{
    Datastore, DatastoreCreate, DatastorePatch, DatastoreStatus, Engine, ErrorCode, FieldError, Inspection, Page,
    Problem, ScheduleDraft, Service,
};
use serde::Deserialize;
use store::{DatastoreFilter, PageRequest, Store, StoreError};
use utoipa::IntoParams;
use uuid::Uuid;

use super::storages::storage_of_field;
use crate::access::{Allowed, operation};
use crate::extract::{Body, Id, Query};
use crate::idempotency::{Answer, answer_once};
use crate::inspection::{inspect_draft, inspect_registered};
use crate::paging::page_of;
use crate::problem::ApiProblem;
use crate::state::{State, now};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DatastoreQuery {
    /// How many items a page has.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only datastores of this engine.
    engine: Option<Engine>,
    /// Only datastores in this state.
    status: Option<DatastoreStatus>,
}

/// List the datastores
///
/// Newest first, each with an overview of its backups and the job that runs on it.
#[utoipa::path(tag = "datastores", params(DatastoreQuery), responses((status = 200, description = "The datastores", body = Page<Datastore>)))]
#[get("/datastores")]
pub(crate) async fn datastore_list(
    access: Allowed<operation::DatastoreList>,
    state: State,
    query: Query<DatastoreQuery>,
) -> Result<Json<Page<Datastore>>, ApiProblem> {
    let DatastoreQuery { limit, cursor, engine, status } = query.0;
    let page = page_of(limit, cursor)?;
    let filter = DatastoreFilter { engine, status, projects: access.visible() };
    Ok(Json(state.read(move |store| store.datastore_list(&filter, &page, now())).await?))
}

/// Register a datastore
///
/// A worker looks at the server first, for at most 20 s. A server that can't be reached, refuses the password or lacks a
/// grant is registered all the same, and its `findings` tell what to mend; one that can never be backed up is refused.
/// It gets a daily schedule of full backups, unless the installation has turned that off.
#[utoipa::path(
    tag = "datastores",
    request_body = DatastoreCreate,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 hours return the first answer")),
    responses(
        (status = 201, description = "The datastore", body = Datastore, headers(("Location" = String, description = "Its address"))),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`, `unsupported_engine`, `engine_mismatch`, `tablespaces_unsupported`: nothing was saved", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/datastores")]
pub(crate) async fn datastore_create(
    access: Allowed<operation::DatastoreCreate>,
    state: State,
    request: HttpRequest,
    body: Body<DatastoreCreate>,
) -> Result<HttpResponse, ApiProblem> {
    let (inner, Body { value, digest }) = (state.clone(), body);
    access.require_role(Role::Administrator, Place::of_project(value.project_id))?;
    require_service(&access, value.service.as_ref())?;
    answer_once(&state, &request, &digest, async move {
        let state = inner;
        let draft = value;
        require_project(&state, draft.project_id).await?;
        check_fields(draft.validate(), draft.worker.as_deref())?;
        let storage = check_references(&state, Some(draft.name.clone()), None, draft.storage_id).await?;
        let inspection = inspect_draft(&state, &draft).await?;
        refuse_if_told(&inspection)?;
        let settings = state.schedule_settings;
        let schedule = ScheduleDraft::of_new_datastore(draft.engine, &inspection.capabilities)
            .filter(|_| settings.default_schedule);
        let create = move |store: &Store| {
            let schedule = schedule.as_ref().map(|draft| (draft, &settings));
            store.datastore_create(&draft, storage, Some(&inspection), schedule, now())
        };
        let datastore = state.change(create).await?;
        Answer::created(format!("/api/v1/datastores/{}", datastore.id), &datastore)
    })
    .await
}

/// Who says how a server is started says what a worker runs, as root perhaps: a project's administrator may not.
///
/// # Errors
/// What the caller is answered when it may not.
pub(crate) fn require_service<O>(access: &Allowed<O>, service: Option<&Service>) -> Result<(), ApiProblem> {
    match service {
        None | Some(Service::None) => Ok(()),
        Some(_) => access.require_role(Role::Administrator, Place::Everything),
    }
}

/// Test a server before it is registered
///
/// Nothing is saved. Waits at most 20 s for a worker.
#[utoipa::path(
    tag = "datastores",
    request_body = DatastoreCreate,
    responses((status = 200, description = "What a worker found, one finding a line", body = Inspection))
)]
#[post("/datastores/test")]
pub(crate) async fn datastore_test_draft(
    access: Allowed<operation::DatastoreTestDraft>,
    state: State,
    body: Body<DatastoreCreate>,
) -> Result<Json<Inspection>, ApiProblem> {
    let draft = body.value;
    require_service(&access, draft.service.as_ref())?;
    check_fields(draft.validate(), draft.worker.as_deref())?;
    state.leave_trace().await?;
    Ok(Json(inspect_draft(&state, &draft).await?))
}

/// Read a datastore
#[utoipa::path(
    tag = "datastores",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    responses((status = 200, description = "The datastore, without its password", body = Datastore))
)]
#[get("/datastores/{id}")]
pub(crate) async fn datastore_get(
    _: Allowed<operation::DatastoreGet>,
    state: State,
    id: Id,
) -> Result<Json<Datastore>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.read(move |store| store.datastore_get(id, now())).await?))
}

/// Change a datastore
///
/// What is left out stays. When the way to the server changes, a worker looks at it first, as when it was registered.
#[utoipa::path(
    tag = "datastores",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    request_body = DatastorePatch,
    responses(
        (status = 200, description = "The datastore as it is now", body = Datastore),
        (status = 409, description = "`name_taken`, `server_identity_changed`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`, `engine_mismatch`, `tablespaces_unsupported`: nothing was changed", body = Problem, content_type = "application/problem+json")
    )
)]
#[patch("/datastores/{id}")]
pub(crate) async fn datastore_patch(
    access: Allowed<operation::DatastorePatch>,
    state: State,
    id: Id,
    body: Body<DatastorePatch>,
) -> Result<Json<Datastore>, ApiProblem> {
    let (id, change) = (id.into_inner(), body.value);
    check_fields(change.validate(), change.worker.as_deref())?;
    let before = state.read(move |store| store.datastore_get(id, now())).await?;
    if let Some(project) = change.project_id.filter(|project| *project != before.project_id) {
        access.require_role(Role::Administrator, Place::of_project(project))?;
        require_project(&state, project).await?;
    }
    check_references(&state, change.name.clone(), Some(id), change.storage_id).await?;
    if !changes_connection(&change) {
        return Ok(Json(state.change(move |store| store.datastore_update(id, &change, now())).await?));
    }
    // The password that is kept goes wherever a worker is sent with it, and a service is what a worker runs.
    access.require_role(Role::Administrator, Place::Everything)?;
    let saved = state.read(move |store| store.datastore_access(id)).await?;
    let identity = saved.server_identity.clone();
    // The draft's test records nothing by itself: what it finds is saved together with the change, or not at all.
    let inspection = inspect_draft(&state, &as_draft(saved, before.worker, &change)).await?;
    refuse_if_told(&inspection)?;
    refuse_another_server(identity.as_deref(), &inspection)?;
    let datastore = state
        .change(move |store| {
            store.datastore_update(id, &change, now())?;
            store.datastore_record_inspection(id, &inspection, now())
        })
        .await?;
    Ok(Json(datastore))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DatastoreDeleteQuery {
    /// Remove the catalog's entries of its backups too; the stored files stay.
    #[param(default = false)]
    forget_backups: Option<bool>,
}

/// Remove a datastore
///
/// Refused while it has backups, unless they are to be forgotten. Nothing happens to the server or to stored files.
#[utoipa::path(
    tag = "datastores",
    params(("id" = Uuid, Path, description = "The datastore's id"), DatastoreDeleteQuery),
    responses(
        (status = 204, description = "It is gone"),
        (status = 409, description = "`datastore_has_backups`, `datastore_busy`", body = Problem, content_type = "application/problem+json")
    )
)]
#[delete("/datastores/{id}")]
pub(crate) async fn datastore_delete(
    _: Allowed<operation::DatastoreDelete>,
    state: State,
    id: Id,
    query: Query<DatastoreDeleteQuery>,
) -> Result<HttpResponse, ApiProblem> {
    let (id, forget) = (id.into_inner(), query.0.forget_backups.unwrap_or(false));
    state.change(move |store| store.datastore_delete(id, forget, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Test a datastore
///
/// A worker connects, detects the version, and reports what is missing for backup and restore. What it finds is saved;
/// when no worker could look, nothing is.
#[utoipa::path(
    tag = "datastores",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    responses((status = 200, description = "What a worker found, one finding a line", body = Inspection))
)]
#[post("/datastores/{id}/test")]
pub(crate) async fn datastore_test(
    _: Allowed<operation::DatastoreTest>,
    state: State,
    id: Id,
) -> Result<Json<Inspection>, ApiProblem> {
    let id = id.into_inner();
    let datastore = state.read(move |store| store.datastore_get(id, now())).await?;
    state.leave_trace().await?;
    Ok(Json(inspect_registered(&state, id, datastore.worker.as_deref()).await?))
}

fn check_fields(mut errors: Vec<FieldError>, worker: Option<&str>) -> Result<(), ApiProblem> {
    if let Some(Err(error)) = worker.map(validate_name) {
        errors.push(FieldError::new("/worker", error.to_string()));
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiProblem::invalid(errors)) }
}

/// Checks name and storage before anybody waits for a worker; they are checked again when the row is written. Gives the
/// storage to use.
async fn check_references(
    state: &State,
    name: Option<String>,
    own: Option<Uuid>,
    storage: Option<Uuid>,
) -> Result<Uuid, ApiProblem> {
    if let Some(name) = name {
        state.read(move |store| refuse_taken(store, name, own)).await?;
    }
    let found = match storage {
        None => state.read(|store| store.storage_default()).await?,
        Some(id) => storage_of_field(state, id).await?,
    };
    Ok(found.id)
}

/// Makes sure that a field `project_id` names a project.
async fn require_project(state: &State, id: Option<Uuid>) -> Result<(), ApiProblem> {
    let Some(id) = id else { return Ok(()) };
    let find = move |store: &Store| match store.project_get(id) {
        Err(StoreError::NotFound { .. }) => Ok(None),
        found => found.map(Some),
    };
    let missing = || ApiProblem::invalid_field("/project_id", "there is no such project");
    state.read(find).await?.map(|_| ()).ok_or_else(missing)
}

fn refuse_taken(store: &Store, name: String, own: Option<Uuid>) -> Result<(), StoreError> {
    let mut page = PageRequest { limit: MAX_LIMIT, cursor: None };
    loop {
        let datastores = store.datastore_list(&DatastoreFilter::default(), &page, now())?;
        if datastores.items.iter().any(|other| other.name == name && Some(other.id) != own) {
            return Err(StoreError::NameTaken { name });
        }
        page.cursor = datastores.next_cursor;
        if page.cursor.is_none() {
            return Ok(());
        }
    }
}

fn changes_connection(change: &DatastorePatch) -> bool {
    let DatastorePatch {
        name: _,
        host,
        port,
        username,
        password,
        data_directory,
        shared_directory,
        shared_storage_id,
        service,
        worker,
        storage_id: _,
        project_id: _,
        restore_guard: _,
    } = change;
    host.is_some()
        || port.is_some()
        || username.is_some()
        || password.is_some()
        || data_directory.is_some()
        || shared_directory.is_some()
        || shared_storage_id.is_some()
        || service.is_some()
        || worker.is_some()
}

/// The server as it will be reached after the change.
fn as_draft(saved: DatastoreAccess, worker: Option<String>, change: &DatastorePatch) -> DatastoreCreate {
    // What was found at the old address says nothing of the new one.
    let moved = change.host.is_some() || change.port.is_some();
    let shared_storage_id = saved.shared_storage.map(|storage| storage.id);
    let (shared_directory, shared_storage_id) = change.shared_place(saved.shared_directory, shared_storage_id);
    DatastoreCreate {
        name: change.name.clone().unwrap_or(saved.name),
        engine: saved.engine,
        host: change.host.clone().unwrap_or(saved.host),
        port: change.port.or(Some(saved.port)),
        username: change.username.clone().or(saved.username),
        password: change.password.clone().or(saved.password),
        data_directory: change.data_directory.clone().or(saved.data_directory.filter(|_| !moved)),
        shared_directory,
        shared_storage_id,
        service: change.service.clone().or(Some(saved.service)),
        worker: change.worker.clone().or(worker),
        storage_id: None,
        project_id: None,
    }
}

/// The backups of a datastore are of one server; another at the same name would get the wrong data restored. // F-54
fn refuse_another_server(known: Option<&str>, inspection: &Inspection) -> Result<(), ApiProblem> {
    match (known, inspection.server_identity.as_deref()) {
        (Some(known), Some(found)) if known != found => Err(ApiProblem::new(
            ErrorCode::ServerIdentityChanged,
            format!("The server there is {found}; the backups are of {known}. Register it as a new datastore."),
        )),
        _ => Ok(()),
    }
}

fn refuse_if_told(inspection: &Inspection) -> Result<(), ApiProblem> {
    match &inspection.refusal {
        Some(refusal) => Err(ApiProblem::new(refusal.code, refusal.detail.clone())),
        None => Ok(()),
    }
}
