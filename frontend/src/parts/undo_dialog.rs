//! Asks before a restore is undone.

use domain::{Restore, RestoreTarget};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::dialog::Dialog;
use super::icon::Icon;
use super::problem::Problem;
use crate::state::address::use_open_job;
use crate::state::clock::{write_local, write_utc};
use crate::state::failure::Failure;
use crate::state::service::service;

#[component]
pub fn UndoDialog(restore: Restore, name: String, #[prop(into)] on_close: Callback<()>) -> impl IntoView {
    let open_job = use_open_job();
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let id = restore.id;
    let switched = restore.ended_at.unwrap_or(restore.created_at);
    let undo = move |_| {
        sending.set(true);
        failure.set(None);
        spawn_local(async move {
            match service().restore_undo(id).await {
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
    let number = restore.backup_number;
    let (what, way) = match &restore.target {
        RestoreTarget::NewDatabases { databases } => {
            let copies = databases.iter().map(|copy| copy.new_name.as_str()).collect::<Vec<_>>().join(", ");
            (format!("Takes {copies} away from {name}, as backup {number} had brought it."), "")
        }
        RestoreTarget::NewDatastore { .. } => {
            (format!("Takes what backup {number} had brought out of {name} again."), "")
        }
        RestoreTarget::InPlace => (
            format!("Puts back the data that {name} had before backup {number} was restored over it."),
            " Where files were replaced the server is stopped for the switch and started again.",
        ),
    };
    view! {
        <Dialog title="Undo a restore" on_close>
            <div class="dialog-body">
                <p>{what}</p>
                <div class="going">
                    <Icon name="warning" />
                    <div>
                        <h3>"Changes since the restore will be lost"</h3>
                        <p>
                            "Everything written since " <b class="nowrap">{write_local(switched)}</b> " ("
                            <span class="nowrap">{write_utc(switched)} " UTC"</span>
                            ") goes." {way}
                        </p>
                    </div>
                </div>
                {move || failure.get().map(|failure| view! { <Problem failure /> })}
            </div>
            <div class="dialog-foot">
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=move |_| on_close.run(())>"Cancel"</button>
                    <button type="button" class="button primary" disabled=sending on:click=undo>"Undo"</button>
                </div>
            </div>
        </Dialog>
    }
}
