//! The project of a datastore.

use domain::access::Project;
use leptos::prelude::*;
use uuid::Uuid;

use crate::state::fetch::Fetch;

/// Chooses one of the projects, or none. Where only some may be chosen, none is not offered either.
#[component]
pub fn ProjectChoice(
    projects: Fetch<Vec<Project>>,
    #[prop(into)] chosen: Signal<Option<Uuid>>,
    #[prop(optional)] only: Vec<Uuid>,
    #[prop(into, optional)] off: Signal<bool>,
    on_choose: Callback<Option<Uuid>>,
) -> impl IntoView {
    let none = only.is_empty().then(|| {
        view! { <option value="" selected=move || chosen.get().is_none()>"None: only roles for everything count"</option> }
    });
    let options = move || {
        let known = projects.data.get().unwrap_or_default().into_iter();
        known
            .filter(|one| only.is_empty() || only.contains(&one.id))
            .map(|one| {
                let id = one.id;
                view! { <option value=id.to_string() selected=move || chosen.get() == Some(id)>{one.name}</option> }
            })
            .collect_view()
    };
    view! {
        <div class="field">
            <label for="field-project">"Project"</label>
            <select
                id="field-project"
                aria-describedby="field-project-hint"
                disabled=off
                on:change=move |event| on_choose.run(event_target_value(&event).parse().ok())
            >
                {none}
                {options}
            </select>
            <p class="hint" id="field-project-hint">"Roles that are given for a project count for its datastores."</p>
        </div>
    }
}
