//! Holds a backup, so that nobody deletes it, or asks before it is released.

use domain::{Backup, BackupHold, EventKind};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::dialog::Dialog;
use super::field::{FieldErrors, TextField};
use super::problem::Problem;
use crate::state::failure::Failure;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::toasts::toasts;

#[component]
pub fn HoldBackup(backup: Backup, #[prop(into)] on_close: Callback<()>) -> impl IntoView {
    let live = live();
    let toasts = toasts();
    let (id, number, held) = (backup.id, backup.number, backup.held);
    let is_held = held.is_some();
    let reason = RwSignal::new(String::new());
    let typed = Memo::new(move |_| BackupHold { reason: reason.get().trim().to_owned() });
    let errors = FieldErrors::new();
    Effect::new(move |_| {
        // That nothing is typed yet is no mistake.
        let judged = if reason.with(String::is_empty) { Vec::new() } else { typed.get().validate() };
        errors.0.set(judged);
    });
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let ready = move || !sending.get() && (is_held || typed.get().validate().is_empty());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !untrack(ready) {
            return;
        }
        sending.set(true);
        failure.set(None);
        spawn_local(async move {
            let answer = match is_held {
                true => service().backup_release(id).await,
                false => service().backup_hold(id, &typed.get_untracked()).await,
            };
            match answer {
                Ok(_) => {
                    on_close.run(());
                    live.changed(&[EventKind::Backup]);
                    toasts.tell(format!("Backup {number} is {}.", if is_held { "released" } else { "held" }));
                }
                Err(error) => {
                    let _ = failure.try_set(Some(error.into()));
                    let _ = sending.try_set(false);
                }
            }
        });
    };
    let verb = if is_held { "Release" } else { "Hold" };
    let body = match held {
        Some(reason) => view! {
            <p>"It is held: " <b>{reason}</b></p>
            <p>"Once it is released, it can be deleted by hand, and retention deletes it when no rule keeps it."</p>
        }
        .into_any(),
        None => view! {
            <p>"A backup that is held can't be deleted: not by hand, and not by retention, however old it gets."</p>
            <TextField label="Reason" pointer="/reason" value=reason errors hint="For whoever wants to delete it." />
        }
        .into_any(),
    };
    view! {
        <Dialog title=format!("{verb} backup {number}") on_close>
            <form novalidate on:submit=submit>
                <div class="dialog-body">{body} {move || failure.get().map(|failure| view! { <Problem failure /> })}</div>
                <div class="dialog-foot">
                    <div class="dialog-actions">
                        <button type="button" class="button" on:click=move |_| on_close.run(())>"Cancel"</button>
                        <button type="submit" class="button primary" disabled=move || !ready()>{verb}</button>
                    </div>
                </div>
            </form>
        </Dialog>
    }
}
