//! One module per address.

pub mod access;
pub mod activity;
pub mod audit;
pub mod backups;
pub mod datastore;
pub mod datastores;
pub mod new_datastore;
pub mod not_found;
pub mod profile;
pub mod projects;
pub mod recovery;
pub mod restores;
pub mod schedules;
pub mod settings;
pub mod setup;
pub mod sign_in;
pub mod storages;
pub mod tokens;
pub mod users;
pub mod workers;

use leptos::prelude::*;

use crate::state::title::use_title;

/// The heading of a page, its sentence, and the title of the window.
#[component]
pub fn PageHead(
    title: &'static str,
    text: &'static str,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    use_title(move || title.to_owned());
    view! {
        <div class="page-head">
            <div class="grow">
                <h1>{title}</h1>
                <p>{text}</p>
            </div>
            {children.map(|children| children())}
        </div>
    }
}
