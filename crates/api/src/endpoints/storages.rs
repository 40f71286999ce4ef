//! Storages: where artifacts live.

use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use domain::{Page, Storage, StorageCreate, StoragePatch};

use store::{Store, StoreError};
use uuid::Uuid;

use crate::access::{Allowed, operation};
use crate::extract::{Body, Id, Query};
use crate::idempotency::{Answer, answer_once};
use crate::paging::{PageQuery, page_of};
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// List the storages
#[utoipa::path(tag = "storages", params(PageQuery), responses((status = 200, description = "The storages", body = Page<Storage>)))]
#[get("/storages")]
pub(crate) async fn storage_list(
    _: Allowed<operation::StorageList>,
    state: State,
    query: Query<PageQuery>,
) -> Result<Json<Page<Storage>>, ApiProblem> {
    let page = page_of(query.0.limit, query.0.cursor)?;
    Ok(Json(state.read(move |store| store.storage_list(&page)).await?))
}

/// Add a storage
#[utoipa::path(
    tag = "storages",
    request_body = StorageCreate,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 hours return the first answer")),
    responses(
        (status = 201, description = "The storage", body = Storage, headers(("Location" = String, description = "Its address"))),
        (status = 409, description = "`name_taken`", body = domain::Problem, content_type = "application/problem+json")
    )
)]
#[post("/storages")]
pub(crate) async fn storage_create(
    _: Allowed<operation::StorageCreate>,
    state: State,
    request: HttpRequest,
    body: Body<StorageCreate>,
) -> Result<HttpResponse, ApiProblem> {
    let (inner, Body { value, digest }) = (state.clone(), body);
    answer_once(&state, &request, &digest, async move {
        let state = inner;
        let errors = value.validate();
        if !errors.is_empty() {
            return Err(ApiProblem::invalid(errors));
        }
        let storage = state.change(move |store| store.storage_create(&value, now())).await?;
        Answer::created(format!("/api/v1/storages/{}", storage.id), &storage)
    })
    .await
}

/// Read a storage
#[utoipa::path(
    tag = "storages",
    params(("id" = Uuid, Path, description = "The storage's id")),
    responses((status = 200, description = "The storage, without its secret", body = Storage))
)]
#[get("/storages/{id}")]
pub(crate) async fn storage_get(
    _: Allowed<operation::StorageGet>,
    state: State,
    id: Id,
) -> Result<Json<Storage>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.read(move |store| store.storage_get(id)).await?))
}

/// Change a storage's name or credentials
///
/// Its place stays, since backups are in it.
#[utoipa::path(
    tag = "storages",
    params(("id" = Uuid, Path, description = "The storage's id")),
    request_body = StoragePatch,
    responses((status = 200, description = "The storage as it is now", body = Storage))
)]
#[patch("/storages/{id}")]
pub(crate) async fn storage_patch(
    _: Allowed<operation::StoragePatch>,
    state: State,
    id: Id,
    body: Body<StoragePatch>,
) -> Result<Json<Storage>, ApiProblem> {
    let id = id.into_inner();
    if let Some(Err(error)) = body.value.name.as_deref().map(domain::name::validate_name) {
        return Err(ApiProblem::invalid_field("/name", error.to_string()));
    }
    Ok(Json(state.change(move |store| store.storage_update(id, &body.value, now())).await?))
}

/// Remove a storage
///
/// Refused while datastores or backups use it. Its files stay.
#[utoipa::path(
    tag = "storages",
    params(("id" = Uuid, Path, description = "The storage's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 409, description = "`storage_in_use`", body = domain::Problem, content_type = "application/problem+json")
    )
)]
#[delete("/storages/{id}")]
pub(crate) async fn storage_delete(
    _: Allowed<operation::StorageDelete>,
    state: State,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    state.change(move |store| store.storage_delete(id, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The storage that a field `storage_id` names.
///
/// # Errors
/// The bad field, when there is no such storage.
pub(super) async fn storage_of_field(state: &State, id: Uuid) -> Result<Storage, ApiProblem> {
    let find = move |store: &Store| match store.storage_get(id) {
        Err(StoreError::NotFound { .. }) => Ok(None),
        found => found.map(Some),
    };
    let missing = || ApiProblem::invalid_field("/storage_id", "there is no such storage");
    state.read(find).await?.ok_or_else(missing)
}
