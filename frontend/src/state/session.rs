//! Who is at the page, and what they may do. Pages are drawn once that is known; when the service no longer knows who it
//! is, the sign-in page stands in their place and leads back to where one was.

use std::cell::Cell;

use domain::access::{AuthOptions, Decision, Me, MeKind, Permission, Place, Reach, Role, decide, role_on};
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;

use super::failure::Failure;
use super::service::service;
use crate::router::{Router, encode};

/// Where one signs in.
pub const SIGN_IN: &str = "/sign-in";
/// Where a one-time link leads.
pub const SETUP: &str = "/setup";
/// The query parameter that names the page to go to afterwards.
pub const RETURN_TO: &str = "return_to";

thread_local! {
    /// For what hears of a lost session outside of any component.
    static CURRENT: Cell<Option<Session>> = const { Cell::new(None) };
}

/// The session of this page.
#[derive(Clone, Copy)]
pub struct Session {
    pub me: RwSignal<Option<Me>>,
    /// Why it is not known who is there.
    pub failure: RwSignal<Option<Failure>>,
    /// What the service says to everybody.
    pub options: RwSignal<Option<AuthOptions>>,
    /// Whether that is known, or can't be: pages wait for it, so that a warning moves nothing that is there already.
    pub asked: RwSignal<bool>,
    router: Router,
}

impl Session {
    /// Asks the service what it says to everybody.
    pub fn start(router: Router) -> Self {
        let session = Self {
            me: RwSignal::new(None),
            failure: RwSignal::new(None),
            options: RwSignal::new(None),
            asked: RwSignal::new(false),
            router,
        };
        CURRENT.set(Some(session));
        session.read_options();
        session
    }

    /// Asks the service who is there.
    pub fn read(self) {
        spawn_local(async move {
            match service().auth_me().await {
                Ok(me) => self.known(me),
                // Without a session the sign-in page is there by now.
                Err(error) => {
                    let failure = Failure::from(error);
                    self.failure.set((!failure.is_signed_out()).then_some(failure));
                }
            }
        });
    }

    /// Reads anew what the service warns of.
    pub fn read_options(self) {
        spawn_local(async move {
            if let Ok(options) = service().auth_options().await {
                self.options.set(Some(options));
            }
            self.asked.set(true);
        });
    }

    /// Somebody is known to be there.
    pub fn known(self, me: Me) {
        self.failure.set(None);
        if self.me.with_untracked(|old| old.as_ref() != Some(&me)) {
            self.me.set(Some(me));
        }
    }

    /// Somebody has signed in: shows the page that they came for.
    pub fn entered(self, me: Me) {
        let back = self.router.parameter_untracked(RETURN_TO).filter(|path| is_own_page(path));
        self.known(me);
        self.read_options();
        self.router.replace(back.as_deref().unwrap_or("/"));
    }

    /// Ends the session.
    pub fn sign_out(self) {
        spawn_local(async move {
            // Whatever the answer is, the page is left: a session that could not be ended expires.
            let _ = service().auth_logout().await;
            self.me.set(None);
            self.router.go(SIGN_IN);
        });
    }

    /// The service does not know who is there.
    fn lost(self) {
        let here = self.router.here();
        if is_public(&here) {
            return;
        }
        self.me.set(None);
        self.router.replace(&format!("{SIGN_IN}?{RETURN_TO}={}", encode(&here)));
    }

    /// The person who is signed in.
    pub fn user_id(self) -> Option<Uuid> {
        self.me.with(|me| me.as_ref()?.user.as_ref().map(|user| user.id))
    }

    /// What the person is called.
    pub fn name(self) -> Option<String> {
        self.me.with(|me| {
            let me = me.as_ref()?;
            match me.kind {
                MeKind::Unclaimed => None,
                MeKind::User => me.user.as_ref().map(|user| user.username.clone()),
                MeKind::Token => me.token_name.clone(),
            }
        })
    }

    /// Why something is not offered on a datastore of this project, or at all where it concerns everything; nothing when
    /// it is.
    pub fn lacks(self, permission: Permission, project: Option<Uuid>) -> Option<String> {
        let place = Place::of_project(project);
        let decision = self.me.with(|me| decide(me.as_ref().map_or(&[], |me| &me.grants), permission, place));
        (decision != Decision::Allowed).then(|| needs(permission))
    }

    /// The projects that one may add datastores to; none for who may add them anywhere.
    pub fn own_projects(self) -> Vec<Uuid> {
        let grants = self.me.with(|me| me.as_ref().map(|me| me.grants.clone()).unwrap_or_default());
        if role_on(&grants, Place::Everything) == Some(Role::Administrator) {
            return Vec::new();
        }
        grants
            .into_iter()
            .filter(|grant| grant.role == Role::Administrator)
            .filter_map(|grant| grant.project_id)
            .collect()
    }

    /// The same of what belongs to a datastore whose project is not known here: offered to those who have the role
    /// anywhere; the service has the last word.
    pub fn lacks_anywhere(self, permission: Permission) -> Option<String> {
        let role = self.me.with(|me| role_on(me.as_ref().map_or(&[], |me| &me.grants), Place::Somewhere));
        (role < Some(permission.least_role())).then(|| needs(permission))
    }
}

/// `Needs the role operator.`
fn needs(permission: Permission) -> String {
    let reach = if permission.reach() == Reach::Everything { " for everything" } else { "" };
    format!("Needs the role {}{reach}.", permission.least_role())
}

/// The app's session.
pub fn session() -> Session {
    expect_context::<Session>()
}

/// Called by the client when an answer says that nobody is signed in.
pub fn lost() {
    if let Some(session) = CURRENT.get() {
        session.lost();
    }
}

/// Whether a page is for those who are not signed in.
pub fn is_public(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path);
    path == SIGN_IN || path == SETUP
}

/// Whether an address that somebody may have made up leads to a page of this service, and not back to the sign-in.
fn is_own_page(path: &str) -> bool {
    let plain = !path.contains(['\\', '\r', '\n', '\t']);
    path.starts_with('/') && !path.starts_with("//") && plain && !is_public(path)
}
