//! Projects: groups of datastores that roles are given for.

use actix_web::web::Json;
use actix_web::{HttpResponse, delete, get, patch, post};
use domain::access::{Project, ProjectDraft};
use domain::name::validate_name;
use domain::{Page, Problem};

use crate::access::{Allowed, operation};
use crate::extract::{Body, Id, Query};
use crate::paging::{PageQuery, page_of};
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// List the projects
///
/// Newest first: those for which the caller has a role.
#[utoipa::path(tag = "projects", params(PageQuery), responses((status = 200, description = "The projects", body = Page<Project>)))]
#[get("/projects")]
pub(crate) async fn project_list(
    access: Allowed<operation::ProjectList>,
    state: State,
    query: Query<PageQuery>,
) -> Result<Json<Page<Project>>, ApiProblem> {
    let (page, visible) = (page_of(query.0.limit, query.0.cursor)?, access.visible());
    Ok(Json(state.read(move |store| store.project_list(visible.as_deref(), &page)).await?))
}

/// Add a project
#[utoipa::path(
    tag = "projects",
    request_body = ProjectDraft,
    responses(
        (status = 201, description = "The project", body = Project, headers(("Location" = String, description = "Its address"))),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/projects")]
pub(crate) async fn project_create(
    _: Allowed<operation::ProjectCreate>,
    state: State,
    body: Body<ProjectDraft>,
) -> Result<HttpResponse, ApiProblem> {
    let name = checked(body.value)?;
    let project = state.change(move |store| store.project_create(&name, now())).await?;
    let location = format!("/api/v1/projects/{}", project.id);
    Ok(HttpResponse::Created().insert_header(("Location", location)).json(project))
}

/// Read a project
#[utoipa::path(
    tag = "projects",
    params(("id" = Uuid, Path, description = "The project's id")),
    responses((status = 200, description = "The project", body = Project))
)]
#[get("/projects/{id}")]
pub(crate) async fn project_get(
    _: Allowed<operation::ProjectGet>,
    state: State,
    id: Id,
) -> Result<Json<Project>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.read(move |store| store.project_get(id)).await?))
}

/// Rename a project
#[utoipa::path(
    tag = "projects",
    params(("id" = Uuid, Path, description = "The project's id")),
    request_body = ProjectDraft,
    responses(
        (status = 200, description = "The project as it is now", body = Project),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json")
    )
)]
#[patch("/projects/{id}")]
pub(crate) async fn project_patch(
    _: Allowed<operation::ProjectPatch>,
    state: State,
    id: Id,
    body: Body<ProjectDraft>,
) -> Result<Json<Project>, ApiProblem> {
    let (id, name) = (id.into_inner(), checked(body.value)?);
    Ok(Json(state.change(move |store| store.project_update(id, &name, now())).await?))
}

/// Remove a project
///
/// Refused while it has datastores. Roles and tokens for it go with it.
#[utoipa::path(
    tag = "projects",
    params(("id" = Uuid, Path, description = "The project's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 409, description = "`project_not_empty`", body = Problem, content_type = "application/problem+json")
    )
)]
#[delete("/projects/{id}")]
pub(crate) async fn project_delete(
    _: Allowed<operation::ProjectDelete>,
    state: State,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    state.change(move |store| store.project_delete(id, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn checked(draft: ProjectDraft) -> Result<String, ApiProblem> {
    match validate_name(&draft.name) {
        Ok(()) => Ok(draft.name),
        Err(error) => Err(ApiProblem::invalid_field("/name", error.to_string())),
    }
}
