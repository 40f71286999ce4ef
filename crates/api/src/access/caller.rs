//! Who asks: what the credentials of a request stand for.

use domain::access::{Decision, Reach};
use domain::access::{Grant, Permission, Place, Role, Token, User, decide, decide_at, role_on};
use domain::audit::{Actor, ActorKind};
use domain::{ErrorCode, Secret};
use uuid::Uuid;

use crate::problem::ApiProblem;

/// What a request shows for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A session's cookie; whether it came from this very machine.
    Cookie {
        secret: Secret,
        is_local: bool,
    },
    Bearer(Secret),
    /// Nothing, from this very machine.
    Local,
    /// Nothing, from elsewhere.
    None,
}

/// What kind of caller it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallerKind {
    /// Somebody on this machine, before the service has any credential.
    Unclaimed,
    User {
        user: Box<User>,
        session_id: Uuid,
    },
    /// A program; the user who owns its token, where one does.
    Token {
        token: Box<Token>,
        owner: Option<Uuid>,
    },
    /// A worker, with a token of its own or with the shared one.
    Worker {
        token_id: Option<Uuid>,
        name: String,
    },
}

/// Who asks, and what he may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) kind: CallerKind,
    pub(crate) grants: Vec<Grant>,
}

impl Caller {
    /// Somebody on this machine, before the service has any credential: its administrator.
    pub(crate) fn unclaimed() -> Self {
        Self { kind: CallerKind::Unclaimed, grants: vec![Grant::everywhere(Role::Administrator)] }
    }

    /// The caller as the audit log has it.
    pub(crate) fn actor(&self) -> Actor {
        match &self.kind {
            CallerKind::Unclaimed => Actor::unclaimed(),
            CallerKind::User { user, .. } => Actor::known(ActorKind::User, user.id, &user.username),
            CallerKind::Token { token, .. } => Actor::known(ActorKind::Token, token.id, &token.name),
            CallerKind::Worker { token_id, name } => {
                Actor { kind: ActorKind::Worker, id: *token_id, name: name.clone() }
            }
        }
    }

    /// The user behind the caller: the one who signed in, or who owns the token.
    pub(crate) fn user_id(&self) -> Option<Uuid> {
        match &self.kind {
            CallerKind::User { user, .. } => Some(user.id),
            CallerKind::Token { owner, .. } => *owner,
            CallerKind::Unclaimed | CallerKind::Worker { .. } => None,
        }
    }

    /// Tells callers apart, for what is remembered of each.
    pub(crate) fn key(&self) -> String {
        match &self.kind {
            CallerKind::Unclaimed => String::new(),
            CallerKind::User { user, .. } => format!("user {}", user.id),
            CallerKind::Token { token, .. } => format!("token {}", token.id),
            CallerKind::Worker { token_id, .. } => format!("worker {}", token_id.unwrap_or_default()),
        }
    }

    /// The projects whose datastores the caller may see; null for all.
    pub(crate) fn visible(&self) -> Option<Vec<Uuid>> {
        match role_on(&self.grants, Place::Everything) {
            Some(_) => None,
            None => Some(self.grants.iter().filter_map(|grant| grant.project_id).collect()),
        }
    }

    /// Decides about an operation.
    ///
    /// # Errors
    /// What the caller is answered when it may not.
    pub(crate) fn require(&self, permission: Permission, place: Place) -> Result<(), ApiProblem> {
        // Whoever watches the service with a token need not be trusted with anything else.
        if permission == Permission::Metrics && matches!(self.kind, CallerKind::Token { .. }) {
            return Ok(());
        }
        let is_global = permission.reach() == Reach::Everything;
        answer(decide(&self.grants, permission, place), is_global, noun(permission.reach()))
    }

    /// Decides whether the caller has a role at a place that everybody may know of.
    ///
    /// # Errors
    /// What the caller is answered when it has not.
    pub(crate) fn require_role(&self, least: Role, place: Place) -> Result<(), ApiProblem> {
        answer(decide_at(&self.grants, least, place, true), place == Place::Everything, "resource")
    }
}

fn answer(decision: Decision, is_global: bool, what: &str) -> Result<(), ApiProblem> {
    match decision {
        Decision::Allowed => Ok(()),
        Decision::Hidden => Err(ApiProblem::not_found(what)),
        Decision::Forbidden { needed } => {
            let extent = if is_global { " for everything" } else { "" };
            let detail = format!("This needs the role {needed}{extent}. Ask an administrator for it.");
            Err(ApiProblem::new(ErrorCode::Forbidden, detail))
        }
    }
}

/// What an id is of: the word that the store, too, calls it by, so that a hidden thing is answered like none.
const fn noun(reach: Reach) -> &'static str {
    match reach {
        Reach::Datastore => "datastore",
        Reach::Backup => "backup",
        Reach::Restore => "restore",
        Reach::Schedule => "schedule",
        Reach::Job => "job",
        Reach::Project => "project",
        Reach::Somewhere | Reach::Everything => "resource",
    }
}
