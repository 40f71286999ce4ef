//! "Restore a backup": what it is, what would happen, and the typed name without which nothing happens.

use chrono::{DateTime, Utc};
use domain::{Backup, Datastore, RestoreCreate, RestoreTarget};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::backup_row::size_or_dash;
use super::dialog::Dialog;
use super::icon::Icon;
use super::problem::Problem;
use super::restore_plan::PlanView;
use super::show::Show;
use super::skeleton::SkeletonLines;
use super::time::Time;
use crate::state::address::use_open_job;
use crate::state::clock::{write_local, zone_name};
use crate::state::failure::Failure;
use crate::state::fetch::Fetch;
use crate::state::service::service;

#[component]
pub fn RestoreDialog(backup: Backup, datastore: Datastore, #[prop(into)] on_close: Callback<()>) -> impl IntoView {
    let open_job = use_open_job();
    let id = backup.id;
    let taken = backup.started_at.unwrap_or(backup.created_at);
    let plan = Fetch::new(
        move || Some(id),
        |id| async move { service().backup_restore_plan(id, &client::PlanQuery::default()).await },
    );
    let typed = RwSignal::new(String::new());
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let name = StoredValue::new(datastore.name.clone());
    let matches = Memo::new(move |_| typed.with(|typed| name.with_value(|name| typed == name)));
    let possible =
        Memo::new(move |_| plan.data.with(|plan| plan.as_ref().is_some_and(|plan| plan.obstacles.is_empty())));
    let ready = move || matches.get() && possible.get() && !sending.get();

    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !ready() {
            return;
        }
        sending.set(true);
        failure.set(None);
        let body = RestoreCreate {
            target: RestoreTarget::InPlace,
            pitr_stop_time: None,
            pitr_stop_position: None,
            confirm: Some(typed.get_untracked()),
            restore_configuration: false,
        };
        spawn_local(async move {
            match service().backup_restore(id, &body).await {
                Ok(restore) => {
                    on_close.run(());
                    open_job(restore.job_id);
                }
                Err(error) => {
                    let _ = failure.try_set(Some(error.into()));
                    let _ = sending.try_set(false);
                }
            }
        });
    };
    view! {
        <Dialog title="Restore a backup" on_close>
            <form novalidate on:submit=submit>
                <div class="dialog-body" tabindex="0" role="group" aria-label="Backup, settings and plan">
                    <section>
                        <h3>"Backup info"</h3>
                        <dl class="info-line">
                            <div><dt>"Backup ID"</dt> <dd>{backup.number}</dd></div>
                            <div><dt>"Type"</dt> <dd>{backup.backup_type.as_str()}</dd></div>
                            <div><dt>"Size"</dt> <dd>{size_or_dash(backup.size_bytes)}</dd></div>
                            <div><dt>"Method"</dt> <dd>{backup.method.as_str()}</dd></div>
                            <div><dt>"Taken"</dt> <dd><Time at=taken /></dd></div>
                        </dl>
                    </section>
                    <section>
                        <h3>"Restore settings"</h3>
                        <PointInTime datastore=datastore.clone() />
                    </section>
                    <section>
                        <h3>"Plan"</h3>
                        {move || plan.data.get().map(|plan| view! { <PlanView plan /> })}
                        {move || plan.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| plan.reload()) /> })}
                        <Show when=move || plan.slow.get() && plan.data.with(Option::is_none)>
                            <SkeletonLines lines=5 />
                        </Show>
                    </section>
                </div>
                <footer class="dialog-foot">
                    <Warning name=datastore.name.clone() taken />
                    {move || failure.get().map(|failure| view! { <Problem failure /> })}
                    <div class="field">
                        <label for="restore-confirm">"Type " <b>{datastore.name.clone()}</b> " to confirm"</label>
                        <input
                            id="restore-confirm"
                            type="text"
                            autocomplete="off"
                            autocapitalize="off"
                            spellcheck="false"
                            prop:value=typed
                            on:input=move |event| typed.set(event_target_value(&event))
                        />
                    </div>
                    <div class="dialog-actions">
                        <button type="button" class="button" on:click=move |_| on_close.run(())>"Cancel"</button>
                        <button type="submit" class="button primary" disabled=move || !ready()>"Restore"</button>
                    </div>
                </footer>
            </form>
        </Dialog>
    }
}

/// The switch of point-in-time recovery, off with its reason where the datastore can't do it.
#[component]
fn PointInTime(datastore: Datastore) -> impl IntoView {
    let capabilities = datastore.capabilities;
    let reason = capabilities
        .point_in_time_recovery_reason
        .unwrap_or_else(|| "This datastore has no archived logs to replay.".to_owned());
    view! {
        <div class="switch">
            <label for="restore-pitr">"Use point in time recovery"</label>
            <input id="restore-pitr" type="checkbox" role="switch" disabled=true aria-describedby="restore-pitr-reason" />
        </div>
        <p id="restore-pitr-reason" class="small muted">{reason}</p>
    }
}

/// The yellow box: worded as people know it, with the instant in UTC and in their zone.
#[component]
fn Warning(name: String, taken: DateTime<Utc>) -> impl IntoView {
    let utc = taken.format("%d/%m/%Y %H:%M UTC").to_string();
    view! {
        <div class="going" role="group" aria-labelledby="restore-going">
            <Icon name="warning" />
            <div>
                <h3 id="restore-going">"You are going to restore a backup"</h3>
                <p>
                    "You are about to restore a backup created on " <b class="nowrap">{utc}</b>
                    ". This process will completely overwrite your current data and all changes since your last backup will be lost."
                </p>
                <p class="small">
                    "In your zone: " <span class="nowrap">{write_local(taken)} " " {zone_name(taken)}</span> ". The replaced data of "
                    <b>{name}</b> " is kept for " {domain::restore::UNDO_HOURS} " hours, so that it can be put back."
                </p>
            </div>
        </div>
    }
}
