//! What each request is called in the audit log. The operations are read off the OpenAPI document, so that none can be
//! forgotten: a request that changes something leaves a row in the transaction of its first change
//! ([`crate::state::AppState::change`]), and one that was refused leaves a row here. What workers say is not audited: the
//! ends of their jobs are, by the store.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;
use domain::{Actor, AuditEntry, ErrorCode, Subject, SubjectKind};
use utoipa::openapi::{OpenApi, PathItem};
use uuid::Uuid;

use crate::connection::Connection;
use crate::problem::{ApiProblem, Chain};
use crate::request_context;
use crate::state::{AppState, now};

/// The operations whose callers show who they are: that they could not is worth a row.
const SIGN_INS: [&str; 3] = ["auth_login", "auth_setup", "auth_oidc_callback"];
/// The operations that change something although they are read with `GET`.
const CHANGING_GETS: [&str; 1] = ["auth_oidc_callback"];

/// All operations of the document.
pub(crate) struct Operations(Vec<Operation>);

struct Operation {
    method: Method,
    segments: Vec<String>,
    id: String,
}

impl Operations {
    /// Reads them off the document.
    pub(crate) fn of(document: &OpenApi) -> Self {
        Self(document.paths.paths.iter().flat_map(|(path, item)| of_path(path, item)).collect())
    }

    /// The entry of a request; null when it is for no operation, or for one of the workers' protocol.
    pub(crate) fn entry(&self, method: &Method, path: &str) -> Option<AuditEntry> {
        let given: Vec<&str> = path.split('/').collect();
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let fits = |operation: &&Operation| operation.method == *method && operation.fits(&given);
        // A word beats an id: `/schedules/preview` is not the schedule "preview".
        let operation = self.0.iter().filter(fits).max_by_key(|operation| operation.words())?;
        if operation.segments.iter().any(|segment| segment == "worker") {
            return None;
        }
        let (subject, datastore) = operation.subject(&given);
        let entry = AuditEntry::new(Actor::unclaimed(), operation.id.clone(), subject);
        Some(AuditEntry { datastore_id: datastore, ..entry })
    }
}

fn of_path(path: &str, item: &PathItem) -> Vec<Operation> {
    let methods = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    let operation = |(method, operation): (Method, &Option<utoipa::openapi::path::Operation>)| {
        let id = operation.as_ref()?.operation_id.clone()?;
        Some(Operation { method, segments: path.split('/').map(str::to_owned).collect(), id })
    };
    methods.into_iter().filter_map(operation).collect()
}

impl Operation {
    fn fits(&self, given: &[&str]) -> bool {
        self.segments.len() == given.len()
            && self.segments.iter().zip(given).all(|(own, given)| own == given || own.starts_with('{'))
    }

    fn words(&self) -> usize {
        self.segments.iter().filter(|segment| !segment.starts_with('{')).count()
    }

    /// The innermost thing that the path names, and the datastore that it is in where the path names that.
    fn subject(&self, given: &[&str]) -> (Subject, Option<Uuid>) {
        let mut subject = Subject::of(SubjectKind::Service, None);
        let mut datastore = None;
        for (index, segment) in self.segments.iter().enumerate() {
            let Some(kind) = kind_of(segment) else { continue };
            let has_id = self.segments.get(index + 1).is_some_and(|next| next.starts_with('{'));
            let id = given.get(index + 1).filter(|_| has_id).and_then(|id| id.parse().ok());
            if kind == SubjectKind::Datastore {
                datastore = id;
            }
            subject = Subject::of(kind, id);
        }
        (subject, datastore)
    }
}

/// The thing that a word of a path stands for.
fn kind_of(segment: &str) -> Option<SubjectKind> {
    Some(match segment {
        "datastores" => SubjectKind::Datastore,
        "backups" => SubjectKind::Backup,
        "restores" => SubjectKind::Restore,
        "schedules" => SubjectKind::Schedule,
        "storages" => SubjectKind::Storage,
        "jobs" => SubjectKind::Job,
        "workers" => SubjectKind::Worker,
        "users" | "auth" => SubjectKind::User,
        "sessions" => SubjectKind::Session,
        "tokens" => SubjectKind::Token,
        "projects" => SubjectKind::Project,
        _ => return None,
    })
}

/// The middleware: says what the request is before a handler sees it, and writes down that it was refused.
pub(crate) async fn record(
    state: Data<AppState>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let operations = request.app_data::<Data<Operations>>().cloned();
    if let Some(entry) = operations.and_then(|operations| operations.entry(request.method(), request.path())) {
        let is_change =
            !matches!(*request.method(), Method::GET | Method::HEAD) || CHANGING_GETS.contains(&entry.action.as_str());
        let from_address = Some(Connection::of_service(&request).client.to_string());
        request_context::begin_audit(
            AuditEntry { from_address, request_id: request_context::id(), ..entry },
            is_change,
        );
    }
    let response = next.call(request).await?.map_into_boxed_body();
    let refusal = response.response().error().and_then(|error| error.as_error::<ApiProblem>()).and_then(refusal);
    if let Some(entry) = refusal {
        // The answer is the same whether or not the row could be written.
        if let Err(error) = write(&state, entry).await {
            tracing::warn!(error = %Chain(&error), "a refusal could not be written to the audit log");
        }
    }
    Ok(response)
}

/// The row about an answer that is a refusal: of somebody known who may not do this, or of somebody who tried to sign in.
/// Requests of strangers are not written down, or anybody could fill the log.
fn refusal(problem: &ApiProblem) -> Option<AuditEntry> {
    let entry = request_context::audit_entry()?;
    let is_refused = match problem.code() {
        ErrorCode::Forbidden => true,
        code => code.as_str() == "invalid_credentials" && SIGN_INS.contains(&entry.action.as_str()),
    };
    is_refused.then(|| entry.refused(problem.code().as_str()))
}

async fn write(state: &Data<AppState>, entry: AuditEntry) -> Result<(), ApiProblem> {
    state.read(move |store| store.audit_append(&entry, now())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_an_entry_that_names_it() {
        let document = crate::openapi();
        let operations = Operations::of(&document);
        let mut count = 0;
        for operation in &operations.0 {
            let path = operation.segments.join("/").replace("{id}", &Uuid::nil().to_string());
            let entry = operations.entry(&operation.method, &path);
            if path.starts_with("/api/v1/worker/") {
                assert_eq!(entry, None, "{path}");
                continue;
            }
            assert_eq!(entry.unwrap().action, operation.id, "{path}");
            count += 1;
        }
        assert!(count > 40, "{count}");
    }

    #[test]
    fn the_subject_is_the_innermost_thing_of_the_path() {
        let operations = Operations::of(&crate::openapi());
        let id = Uuid::from_u128(5);
        let subject = |method: Method, path: &str| {
            let entry = operations.entry(&method, &path.replace("ID", &id.to_string())).unwrap();
            (entry.subject.kind, entry.subject.id, entry.datastore_id)
        };
        let of = |path| subject(Method::POST, path);
        assert_eq!(of("/api/v1/datastores"), (SubjectKind::Datastore, None, None));
        assert_eq!(of("/api/v1/datastores/ID/backups"), (SubjectKind::Backup, None, Some(id)));
        assert_eq!(of("/api/v1/backups/ID/restore"), (SubjectKind::Backup, Some(id), None));
        assert_eq!(of("/api/v1/schedules/preview"), (SubjectKind::Schedule, None, None));
        let deleted = subject(Method::DELETE, "/api/v1/datastores/ID");
        assert_eq!(deleted, (SubjectKind::Datastore, Some(id), Some(id)));
    }
}
