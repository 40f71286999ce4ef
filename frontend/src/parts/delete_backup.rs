//! Asks before a backup is deleted.

use domain::{Backup, Datastore};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::backup_row::size_or_dash;
use super::dialog::Dialog;
use super::icon::Icon;
use super::problem::Problem;
use super::show::Show;
use crate::state::address::use_open_job;
use crate::state::clock::{write_local, write_utc};
use crate::state::failure::Failure;
use crate::state::service::service;

#[component]
pub fn DeleteBackup(
    backup: Backup,
    #[prop(into)] datastore: Signal<Option<Datastore>>,
    #[prop(into)] on_close: Callback<()>,
) -> impl IntoView {
    let open_job = use_open_job();
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let id = backup.id;
    let taken = backup.started_at.unwrap_or(backup.created_at);
    let only = move || {
        datastore.with(|datastore| {
            datastore.as_ref().is_some_and(|datastore| {
                datastore.overview.backup_count == 1
                    && datastore.overview.last_good_backup_number == Some(backup.number)
            })
        })
    };
    let delete = move |_| {
        sending.set(true);
        failure.set(None);
        spawn_local(async move {
            match service().backup_delete(id).await {
                Ok(job) => {
                    on_close.run(());
                    open_job(job.id);
                }
                Err(error) => {
                    let _ = failure.try_set(Some(error.into()));
                    let _ = sending.try_set(false);
                }
            }
        });
    };
    view! {
        <Dialog title=format!("Delete backup {}", backup.number) on_close>
            <div class="dialog-body">
                <p>
                    "Its files in the storage and its entry here will be deleted: " {backup.method.as_str()} " "
                    {backup.backup_type.as_str()} ", " {size_or_dash(backup.size_bytes)} ", taken "
                    <b class="nowrap">{write_local(taken)}</b> " (" {write_utc(taken)} " UTC). It can't be brought back."
                </p>
                <Show when=only>
                    <div class="note warn">
                        <Icon name="warning" />
                        <p class="grow">"This is the only good backup of this datastore. Without it nothing can be restored."</p>
                    </div>
                </Show>
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
