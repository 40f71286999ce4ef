//! What the commands about users and tokens share: who is at the command line, and what projects are called.

use domain::access::Grant;
use domain::access::Role;
use domain::list::MAX_LIMIT;
use domain::{Actor, ActorKind, AuditEntry, Subject, SubjectKind};
use store::{PageRequest, Store, StoreError};
use uuid::Uuid;

use crate::failure::Failure;

/// A handle whose first change is written to the audit log as done at the command line, by the system's user.
pub fn acting(store: &Store, action: &str, kind: SubjectKind) -> Store {
    let user = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(user).ok().flatten().map_or_else(|| user.to_string(), |user| user.name);
    store.acting(AuditEntry::new(Actor::named(ActorKind::CommandLine, name), action, Subject::of(kind, None)))
}

/// A role for everything, or for the project of this name.
pub fn grant_of(store: &Store, role: Role, project: Option<&str>) -> Result<Grant, Failure> {
    let project_id = project.map(|name| project_named(store, name)).transpose()?;
    Ok(Grant { role, project_id })
}

fn project_named(store: &Store, name: &str) -> Result<Uuid, Failure> {
    let mut page = PageRequest { limit: MAX_LIMIT, cursor: None };
    loop {
        let found = store.project_list(None, &page).map_err(failed)?;
        if let Some(project) = found.items.iter().find(|project| project.name == name) {
            return Ok(project.id);
        }
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            return Err(Failure::configuration(format!("There is no project {name:?}."), "Check its name."));
        }
    }
}

/// What the store answered, for people.
pub fn failed(error: StoreError) -> Failure {
    match &error {
        StoreError::NotFound { .. } | StoreError::NameTaken { .. } | StoreError::LastAdministrator => {
            Failure::configuration(format!("It can't be done: {error}."), "See the list of what there is.")
        }
        _ => Failure::other("asking the control database", error),
    }
}
