//! The frame around every page, and which address shows what.

use leptos::prelude::*;

use crate::pages::access::AccessPage;
use crate::pages::activity::ActivityPage;
use crate::pages::datastore::{DatastorePage, Tab};
use crate::pages::datastores::DatastoresPage;
use crate::pages::new_datastore::NewDatastorePage;
use crate::pages::not_found::NotFoundPage;
use crate::pages::profile::ProfilePage;
use crate::pages::setup::SetupPage;
use crate::pages::sign_in::SignInPage;
use crate::pages::storages::StoragesPage;
use crate::pages::workers::WorkersPage;
use crate::parts::banner::{OfflineBanner, Warnings};
use crate::parts::job_panel::JobPanel;
use crate::parts::problem::Problem;
use crate::parts::show::Show;
use crate::parts::toast_list::ToastList;
use crate::parts::top_bar::TopBar;
use crate::router::Router;
use crate::state::clock::Clock;
use crate::state::live::Live;
use crate::state::session::{SETUP, SIGN_IN, Session, is_public};
use crate::state::toasts::Toasts;

/// What an address shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Datastores,
    NewDatastore,
    Datastore,
    Activity,
    Workers,
    Storages,
    /// Users, tokens, projects, the audit log.
    Access,
    Profile,
    SignIn,
    Setup,
    Nothing,
}

impl Place {
    fn at(path: &str) -> Self {
        match path {
            "/" => Self::Datastores,
            "/datastores/new" => Self::NewDatastore,
            "/activity" => Self::Activity,
            "/workers" => Self::Workers,
            "/storages" => Self::Storages,
            "/access" | "/access/tokens" | "/access/projects" | "/audit" => Self::Access,
            "/profile" => Self::Profile,
            SIGN_IN => Self::SignIn,
            SETUP => Self::Setup,
            path if Tab::at(path).is_some() => Self::Datastore,
            _ => Self::Nothing,
        }
    }

    fn view(self) -> AnyView {
        match self {
            Self::Datastores => view! { <DatastoresPage /> }.into_any(),
            Self::NewDatastore => view! { <NewDatastorePage /> }.into_any(),
            Self::Datastore => view! { <DatastorePage /> }.into_any(),
            Self::Activity => view! { <ActivityPage /> }.into_any(),
            Self::Workers => view! { <WorkersPage /> }.into_any(),
            Self::Storages => view! { <StoragesPage /> }.into_any(),
            Self::Access => view! { <AccessPage /> }.into_any(),
            Self::Profile => view! { <ProfilePage /> }.into_any(),
            Self::SignIn => view! { <SignInPage /> }.into_any(),
            Self::Setup => view! { <SetupPage /> }.into_any(),
            Self::Nothing => view! { <NotFoundPage /> }.into_any(),
        }
    }
}

/// Addresses that stand for another: a datastore's without a page shows its backups.
fn redirect(path: &str) -> Option<String> {
    match path.strip_prefix("/datastores")?.trim_matches('/') {
        "" => Some("/".to_owned()),
        "new" => None,
        id if id.contains('/') => None,
        id => Some(format!("/datastores/{id}/backups")),
    }
}

#[component]
pub fn App() -> impl IntoView {
    let router = Router::start(redirect);
    let session = Session::start(router);
    provide_context(router);
    provide_context(session);
    provide_context(Clock::start());
    provide_context(Live::start(session));
    provide_context(Toasts::new());
    let place = Memo::new(move |_| router.path.with(|path| Place::at(path)));
    let public = Memo::new(move |_| router.path.with(|path| is_public(path)));
    let known = Memo::new(move |_| session.me.with(Option::is_some));
    Effect::new(move |_| {
        if !public.get() && !known.get() {
            session.read();
        }
    });
    view! {
        <a class="skip" href="#main">"Skip to content"</a>
        <TopBar known=known.into() />
        <OfflineBanner />
        <Warnings />
        <main class="page" id="main" tabindex="-1">
            <Show when=move || session.asked.get() && (known.get() || public.get()) fallback=Unknown>{move || place.get().view()}</Show>
        </main>
        <Show when=move || known.get()><JobPanel /></Show>
        <ToastList />
    }
}

/// As long as it is not known who is there: mostly a moment.
#[component]
fn Unknown() -> impl IntoView {
    let session = crate::state::session::session();
    move || {
        let failure = session.failure.get()?;
        Some(view! { <Problem failure retry=Callback::new(move |()| session.read()) /> })
    }
}
