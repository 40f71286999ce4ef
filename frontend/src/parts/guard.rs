//! A datastore's project and its restore guard: who may do what with it, saved as soon as it is chosen.

use domain::access::Permission;
use domain::{Datastore, DatastorePatch};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::grant_fields::projects;
use super::project_choice::ProjectChoice;
use crate::pages::datastore::CurrentDatastore;
use crate::state::service::service;
use crate::state::toasts::toasts;

#[component]
pub fn Guard(datastore: Datastore, current: CurrentDatastore) -> impl IntoView {
    let toasts = toasts();
    let projects = projects();
    let lacks = current.lacking(Permission::DatastorePatch);
    let (id, project) = (datastore.id, datastore.project_id);
    let sending = RwSignal::new(false);
    let off = move || sending.get() || lacks.with(Option::is_some);
    let guarded = RwSignal::new(datastore.restore_guard);
    let save = move |patch: DatastorePatch| {
        sending.set(true);
        spawn_local(async move {
            match service().datastore_patch(id, &patch).await {
                Ok(datastore) => {
                    toasts.tell("Saved.");
                    let _ = guarded.try_set(datastore.restore_guard);
                }
                Err(error) => {
                    toasts.fail(&error.into());
                    // What is shown is what is saved.
                    let _ = guarded.try_update(|_| ());
                }
            }
            let _ = sending.try_set(false);
            current.fetch.reload();
        });
    };
    let choose = Callback::new(move |project| {
        save(DatastorePatch { project_id: Some(project), ..DatastorePatch::default() });
    });
    let guard = move |event| {
        save(DatastorePatch { restore_guard: Some(event_target_checked(&event)), ..DatastorePatch::default() });
    };
    view! {
        <section class="panel section" aria-labelledby="section-guard">
            <header>
                <h2 id="section-guard">"Who may do what"</h2>
                <p>{move || lacks.get().unwrap_or_else(|| "Saved as soon as it is chosen.".to_owned())}</p>
            </header>
            <ProjectChoice projects chosen=Signal::stored(project) off=Signal::derive(off) on_choose=choose />
            <div class="field">
                <div class="switch">
                    <label for="field-guard">"Restore guard"</label>
                    <input id="field-guard" type="checkbox" role="switch" aria-describedby="field-guard-hint" disabled=off prop:checked=guarded on:change=guard />
                </div>
                <p class="hint" id="field-guard-hint">"A restore over this datastore's data waits until a second administrator approves it. It can't be switched off while a request is open."</p>
            </div>
        </section>
    }
}
