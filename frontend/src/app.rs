//! The frame around every page, and which address shows what.

use leptos::prelude::*;
use leptos_router::components::{ParentRoute, Redirect, Route, Router, Routes};
use leptos_router::path;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, MouseEvent};

use crate::pages::activity::ActivityPage;
use crate::pages::backups::BackupsPage;
use crate::pages::datastore::DatastorePage;
use crate::pages::datastores::DatastoresPage;
use crate::pages::new_datastore::NewDatastorePage;
use crate::pages::not_found::NotFoundPage;
use crate::pages::restores::RestoresPage;
use crate::pages::schedules::SchedulesPage;
use crate::pages::settings::SettingsPage;
use crate::pages::storages::StoragesPage;
use crate::pages::workers::WorkersPage;
use crate::parts::banner::OfflineBanner;
use crate::parts::job_panel::JobPanel;
use crate::parts::toast_list::ToastList;
use crate::parts::top_bar::TopBar;
use crate::state::address::use_datastore_id;
use crate::state::clock::Clock;
use crate::state::live::Live;
use crate::state::toasts::Toasts;

/// A datastore's address without a page shows its backups.
#[component]
fn ToBackups() -> impl IntoView {
    let id = use_datastore_id();
    move || id.get().map(|id| view! { <Redirect path=format!("/datastores/{id}/backups") /> })
}

/// The router takes clicks on links for itself, and would leave the focus where it is.
fn skip_to_content(event: MouseEvent) {
    event.prevent_default();
    let main = document().get_element_by_id("main").and_then(|main| main.dyn_into::<HtmlElement>().ok());
    if let Some(main) = main {
        let _ = main.focus();
    }
}

#[component]
pub fn App() -> impl IntoView {
    provide_context(Clock::start());
    provide_context(Live::start());
    provide_context(Toasts::new());
    view! {
        <Router>
            <a class="skip" href="#main" on:click=skip_to_content>"Skip to content"</a>
            <TopBar />
            <OfflineBanner />
            <main class="page" id="main" tabindex="-1">
                <Routes fallback=NotFoundPage>
                    <Route path=path!("/") view=DatastoresPage />
                    <Route path=path!("/datastores") view=|| view! { <Redirect path="/" /> } />
                    <Route path=path!("/datastores/new") view=NewDatastorePage />
                    <ParentRoute path=path!("/datastores/:id") view=DatastorePage>
                        <Route path=path!("") view=ToBackups />
                        <Route path=path!("backups") view=BackupsPage />
                        <Route path=path!("schedules") view=SchedulesPage />
                        <Route path=path!("restores") view=RestoresPage />
                        <Route path=path!("settings") view=SettingsPage />
                    </ParentRoute>
                    <Route path=path!("/activity") view=ActivityPage />
                    <Route path=path!("/workers") view=WorkersPage />
                    <Route path=path!("/storages") view=StoragesPage />
                </Routes>
            </main>
            <JobPanel />
            <ToastList />
        </Router>
    }
}
