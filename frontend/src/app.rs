//! The frame around every page, and which address shows what.

use leptos::prelude::*;

use crate::pages::activity::ActivityPage;
use crate::pages::datastore::{DatastorePage, Tab};
use crate::pages::datastores::DatastoresPage;
use crate::pages::new_datastore::NewDatastorePage;
use crate::pages::not_found::NotFoundPage;
use crate::pages::storages::StoragesPage;
use crate::pages::workers::WorkersPage;
use crate::parts::banner::OfflineBanner;
use crate::parts::job_panel::JobPanel;
use crate::parts::toast_list::ToastList;
use crate::parts::top_bar::TopBar;
use crate::router::Router;
use crate::state::clock::Clock;
use crate::state::live::Live;
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
    provide_context(router);
    provide_context(Clock::start());
    provide_context(Live::start());
    provide_context(Toasts::new());
    let place = Memo::new(move |_| router.path.with(|path| Place::at(path)));
    view! {
        <a class="skip" href="#main">"Skip to content"</a>
        <TopBar />
        <OfflineBanner />
        <main class="page" id="main" tabindex="-1">{move || place.get().view()}</main>
        <JobPanel />
        <ToastList />
    }
}
