//! Asks before a schedule is deleted.

use domain::Schedule;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::dialog::Dialog;
use super::problem::Problem;
use crate::state::failure::Failure;
use crate::state::service::service;

#[component]
pub fn DeleteSchedule(schedule: Schedule, on_deleted: Callback<()>, on_close: Callback<()>) -> impl IntoView {
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let id = schedule.id;
    let delete = move |_| {
        sending.set(true);
        failure.set(None);
        spawn_local(async move {
            match service().schedule_delete(id).await {
                Ok(()) => {
                    on_close.run(());
                    on_deleted.run(());
                }
                Err(error) => {
                    let _ = failure.try_set(Some(error.into()));
                    let _ = sending.try_set(false);
                }
            }
        });
    };
    view! {
        <Dialog title=format!("Delete {} backup schedule", schedule.backup_type) on_close>
            <div class="dialog-body">
                <p>
                    "No more backups start by this schedule: " <b>{schedule.description}</b>
                    ". The list of its runs goes with it. Existing backups stay, and one that is being made goes on."
                </p>
                {move || failure.get().map(|failure| view! { <Problem failure /> })}
            </div>
            <div class="dialog-foot">
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=move |_| on_close.run(())>"Cancel"</button>
                    <button type="button" class="button danger" disabled=sending on:click=delete>"Delete"</button>
                </div>
            </div>
        </Dialog>
    }
}
