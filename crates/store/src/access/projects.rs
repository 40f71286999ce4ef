//! Projects: groups of datastores that roles are given for.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::access::{Grant, Project};
use domain::{Page, Subject, SubjectKind};
use uuid::Uuid;

use crate::columns::{from_json, micros, new_id, time, to_json, uuid};
use crate::connection::{AnyConnection, MultiBackend};
use crate::page::{PageRequest, time_and_id};
use crate::schema::{datastores, projects, users};
use crate::storages::name_taken;
use crate::transaction::Transaction;
use crate::{Store, StoreError};

#[derive(Queryable, Insertable)]
#[diesel(table_name = projects)]
pub(crate) struct ProjectRow {
    id: String,
    name: String,
    created_at: i64,
}

impl ProjectRow {
    fn into_domain(self, connection: &mut AnyConnection) -> Result<Project, StoreError> {
        let datastores =
            datastores::table.filter(datastores::project_id.eq(&self.id)).count().get_result(connection)?;
        Ok(Project {
            id: uuid("projects.id", &self.id)?,
            name: self.name,
            datastores,
            created_at: time(self.created_at),
        })
    }

    fn is_subject(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        let id = Some(uuid("projects.id", &self.id)?);
        transaction.about(Subject { kind: SubjectKind::Project, id, name: Some(self.name.clone()) });
        Ok(())
    }
}

pub(crate) fn find(connection: &mut AnyConnection, id: &str) -> Result<ProjectRow, StoreError> {
    projects::table.find(id).first(connection).optional()?.ok_or(StoreError::NotFound { what: "project" })
}

/// Refuses grants for a project that is not there.
pub(super) fn require_all(connection: &mut AnyConnection, grants: &[Grant]) -> Result<(), StoreError> {
    grants.iter().filter_map(|grant| grant.project_id).try_for_each(|id| find(connection, &id.to_string()).map(|_| ()))
}

/// Refuses an id of no project.
pub(crate) fn require_project(connection: &mut AnyConnection, id: Option<Uuid>) -> Result<(), StoreError> {
    id.map_or(Ok(()), |id| find(connection, &id.to_string()).map(|_| ()))
}

/// The ids of all datastores of the projects.
pub(crate) fn of_projects(connection: &mut AnyConnection, projects: &[Uuid]) -> Result<Vec<String>, StoreError> {
    let projects = projects.iter().map(|id| Some(id.to_string()));
    Ok(datastores::table.filter(datastores::project_id.eq_any(projects)).select(datastores::id).load(connection)?)
}

impl Store {
    /// Adds a project.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`].
    pub fn project_create(&self, name: &str, now: DateTime<Utc>) -> Result<Project, StoreError> {
        self.write(now, |transaction| {
            let row = ProjectRow { id: new_id(now).to_string(), name: name.to_owned(), created_at: micros(now) };
            let insert = diesel::insert_into(projects::table).values(&row);
            name_taken(name, insert.execute(transaction.connection))?;
            row.is_subject(transaction)?;
            row.into_domain(transaction.connection)
        })
    }

    /// One project.
    pub fn project_get(&self, id: Uuid) -> Result<Project, StoreError> {
        self.read(|connection| find(connection, &id.to_string())?.into_domain(connection))
    }

    /// Projects, newest first: all, or those given.
    pub fn project_list(&self, only: Option<&[Uuid]>, page: &PageRequest) -> Result<Page<Project>, StoreError> {
        let after = page.after_time_and_id()?;
        let filtered = || {
            let mut query = projects::table.into_boxed::<MultiBackend>();
            if let Some(only) = only {
                query = query.filter(projects::id.eq_any(only.iter().map(Uuid::to_string)));
            }
            query
        };
        self.read(|connection| {
            let mut query = filtered().order((projects::created_at.desc(), projects::id.desc())).limit(page.rows());
            if let Some((at, id)) = after {
                query = query
                    .filter(projects::created_at.le(at))
                    .filter(projects::created_at.lt(at).or(projects::id.lt(id)));
            }
            let mut rows: Vec<ProjectRow> = query.load(connection)?;
            let total = filtered().count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| time_and_id(row.created_at, &row.id));
            let items = rows.into_iter().map(|row| row.into_domain(connection)).collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }

    /// Renames a project.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::NameTaken`].
    pub fn project_update(&self, id: Uuid, name: &str, now: DateTime<Utc>) -> Result<Project, StoreError> {
        self.write(now, |transaction| {
            let mut row = find(transaction.connection, &id.to_string())?;
            row.name = name.to_owned();
            let update = diesel::update(projects::table.find(&row.id)).set(projects::name.eq(name));
            name_taken(name, update.execute(transaction.connection))?;
            row.is_subject(transaction)?;
            row.into_domain(transaction.connection)
        })
    }

    /// Forgets a project that has no datastores, and takes back the roles and tokens for it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::ProjectNotEmpty`].
    pub fn project_delete(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(now, |transaction| {
            let text = id.to_string();
            let row = find(transaction.connection, &text)?;
            let count = datastores::table
                .filter(datastores::project_id.eq(&text))
                .count()
                .get_result(transaction.connection)?;
            if count > 0 {
                return Err(StoreError::ProjectNotEmpty { count });
            }
            take_back_grants(transaction.connection, id)?;
            diesel::delete(projects::table.find(&text)).execute(transaction.connection)?;
            row.is_subject(transaction)
        })
    }
}

fn take_back_grants(connection: &mut AnyConnection, project: Uuid) -> Result<(), StoreError> {
    let rows: Vec<(String, String)> = users::table.select((users::id, users::grants)).load(connection)?;
    for (id, text) in rows {
        let mut grants: Vec<Grant> = from_json("users.grants", &text)?;
        let before = grants.len();
        grants.retain(|grant| grant.project_id != Some(project));
        if grants.len() != before {
            diesel::update(users::table.find(id))
                .set(users::grants.eq(to_json("users.grants", &grants)?))
                .execute(connection)?;
        }
    }
    Ok(())
}
