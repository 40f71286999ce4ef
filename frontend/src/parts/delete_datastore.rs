//! Removes a datastore from Holdfast, after its name was typed. The server itself is never touched.

use domain::{Datastore, ErrorCode};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::dialog::Dialog;
use super::problem::Problem;
use super::show::Show;
use crate::router::router;
use crate::state::failure::Failure;
use crate::state::service::service;
use crate::state::toasts::toasts;

#[component]
pub fn DeleteDatastore(datastore: Datastore, #[prop(into)] on_close: Callback<()>) -> impl IntoView {
    let router = router();
    let toasts = toasts();
    let typed = RwSignal::new(String::new());
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let (id, count) = (datastore.id, datastore.overview.backup_count);
    let forget = RwSignal::new(false);
    let name = StoredValue::new(datastore.name.clone());
    let ready = move || typed.with(|typed| name.with_value(|name| typed == name)) && !sending.get();
    let has_backups = move || {
        count > 0
            || failure.with(|failure| {
                failure.as_ref().is_some_and(|failure| failure.code == Some(ErrorCode::DatastoreHasBackups))
            })
    };
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !ready() {
            return;
        }
        sending.set(true);
        failure.set(None);
        let forget = forget.get_untracked();
        spawn_local(async move {
            match service().datastore_delete(id, forget).await {
                Ok(()) => {
                    toasts.tell(format!("{} was deleted.", name.get_value()));
                    on_close.run(());
                    router.go("/");
                }
                Err(error) => {
                    let _ = failure.try_set(Some(error.into()));
                    let _ = sending.try_set(false);
                }
            }
        });
    };
    view! {
        <Dialog title="Delete datastore" on_close>
            <form novalidate on:submit=submit>
                <div class="dialog-body">
                    <p>
                        "Holdfast forgets " <b>{datastore.name.clone()}</b>
                        " and stops backing it up. The server and its data are not touched."
                    </p>
                    <Show when=has_backups>
                        <label class="choice">
                            <input
                                type="checkbox"
                                prop:checked=forget
                                on:change=move |event| forget.set(event_target_checked(&event))
                            />
                            <span>
                                "Forget its backups too. Their files stay in the storage, each with a manifest that says how to restore it by hand."
                            </span>
                        </label>
                    </Show>
                    {move || failure.get().map(|failure| view! { <Problem failure /> })}
                    <div class="field">
                        <label for="delete-confirm">"Type " <b>{datastore.name.clone()}</b> " to confirm"</label>
                        <input
                            id="delete-confirm"
                            type="text"
                            autocomplete="off"
                            autocapitalize="off"
                            spellcheck="false"
                            prop:value=typed
                            on:input=move |event| typed.set(event_target_value(&event))
                        />
                    </div>
                </div>
                <div class="dialog-foot">
                    <div class="dialog-actions">
                        <button type="button" class="button" on:click=move |_| on_close.run(())>"Cancel"</button>
                        <button type="submit" class="button danger" disabled=move || !ready()>"Delete"</button>
                    </div>
                </div>
            </form>
        </Dialog>
    }
}
