//! "Restore a backup": what it is, where it stops, what would happen, and the typed name without which nothing happens.

use std::time::Duration;

use chrono::{DateTime, Utc};
use client::PlanQuery;
use domain::{Backup, Datastore, RecoveryStop, RestoreCreate, RestorePlan, RestoreTargetDraft, StopPosition, format};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::backup_row::size_or_dash;
use super::dialog::Dialog;
use super::icon::Icon;
use super::problem::Problem;
use super::restore_plan::PlanView;
use super::restore_stop::{Choice, Opening, StopChoice, StopDraft};
use super::show::Show;
use super::skeleton::SkeletonLines;
use super::time::Time;
use crate::router::router;
use crate::state::address::use_open_job;
use crate::state::clock::{clock, write_local, write_utc, zone_name};
use crate::state::failure::Failure;
use crate::state::fetch::Fetch;
use crate::state::instant::with_fraction;
use crate::state::service::service;
use crate::state::toasts::toasts;

/// The plan follows what is typed once nothing was typed for so long.
const PAUSE: Duration = Duration::from_millis(400);

/// A stop in the words of requests.
fn position_of(stop: &RecoveryStop) -> Option<&StopPosition> {
    match stop {
        RecoveryStop::Position { position } => Some(position),
        _ => None,
    }
}

fn query_of(choice: &Choice) -> Option<PlanQuery> {
    match choice {
        Choice::Exactly => Some(PlanQuery::default()),
        Choice::Unclear => None,
        Choice::To(stop) => Some(PlanQuery {
            pitr_stop_time: stop.time_text(),
            pitr_stop_position: position_of(stop).and_then(|position| serde_json::to_string(position).ok()),
        }),
    }
}

#[component]
pub fn RestoreDialog(
    backup: Backup,
    datastore: Datastore,
    #[prop(default = Opening::Exactly)] opening: Opening,
    #[prop(into)] on_close: Callback<()>,
) -> impl IntoView {
    let open_job = use_open_job();
    let (router, toasts) = (router(), toasts());
    let guarded = datastore.restore_guard;
    let id = backup.id;
    let taken = backup.started_at.unwrap_or(backup.created_at);
    let draft = StopDraft::new(&backup, &datastore, opening);
    let choice = Memo::new(move |_| draft.choice());
    let wanted = Memo::new(move |_| choice.with(query_of));
    let asked = RwSignal::new(wanted.get_untracked());
    Effect::new(move |_| {
        let query = wanted.get();
        set_timeout(
            move || {
                // Left meanwhile, or typed on.
                if wanted.try_get_untracked().is_some_and(|now| now == query) {
                    asked.set(query);
                }
            },
            PAUSE,
        );
    });
    let plan = Fetch::new(
        move || asked.get(),
        move |query| async move {
            let plan = service().backup_restore_plan(id, &query).await?;
            Ok((query, plan))
        },
    );
    // What is shown may be the plan of what was chosen before.
    let is_current = Memo::new(move |_| {
        plan.data
            .with(|plan| wanted.with(|wanted| plan.as_ref().is_some_and(|(query, _)| Some(query) == wanted.as_ref())))
    });
    let typed = RwSignal::new(String::new());
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let name = StoredValue::new(datastore.name.clone());
    let matches = Memo::new(move |_| typed.with(|typed| name.with_value(|name| typed == name)));
    let possible = Memo::new(move |_| {
        let is_free = |(_, plan): &(PlanQuery, RestorePlan)| plan.obstacles.is_empty();
        is_current.get()
            && plan.failure.with(Option::is_none)
            && plan.data.with(|plan| plan.as_ref().is_some_and(is_free))
    });
    let ready = move || matches.get() && possible.get() && !sending.get();

    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !untrack(ready) {
            return;
        }
        let stop = match choice.get_untracked() {
            Choice::To(stop) => Some(stop),
            _ => None,
        };
        sending.set(true);
        failure.set(None);
        let body = RestoreCreate {
            target: RestoreTargetDraft::InPlace,
            pitr_stop_time: stop.as_ref().and_then(RecoveryStop::time_text),
            pitr_stop_position: stop
                .as_ref()
                .and_then(position_of)
                .and_then(|position| serde_json::to_value(position).ok()),
            confirm: Some(typed.get_untracked()),
            restore_configuration: false,
        };
        spawn_local(async move {
            match service().backup_restore(id, &body).await {
                Ok(restore) => {
                    on_close.run(());
                    if restore.approval.is_some() {
                        toasts.tell("Asked for approval. It begins once a second administrator approves it.");
                        router.go(&format!("/datastores/{}/restores", restore.datastore_id));
                    } else {
                        open_job(restore.job_id);
                    }
                }
                Err(error) => {
                    let _ = failure.try_set(Some(error.into()));
                    let _ = sending.try_set(false);
                }
            }
        });
    };
    let none = move || wanted.with(Option::is_none);
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
                    {draft.is_offered.then(|| view! {
                        <section>
                            <h3>"Restore settings"</h3>
                            <StopChoice draft backup=backup.clone() />
                        </section>
                    })}
                    <section aria-busy=move || (!is_current.get() && !none()).to_string()>
                        <h3>"Plan"</h3>
                        <Show when=none>
                            <p class="muted">"Shown once it is clear where the restore stops."</p>
                        </Show>
                        <div class:stale=move || !is_current.get() hidden=none>
                            {move || plan.failure.get().is_none().then(|| plan.data.get()).flatten().map(|(_, plan)| view! { <PlanView plan /> })}
                            {move || plan.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| plan.reload()) /> })}
                            <Show when=move || plan.slow.get() && plan.data.with(Option::is_none)>
                                <SkeletonLines lines=5 />
                            </Show>
                        </div>
                    </section>
                </div>
                <footer class="dialog-foot">
                    {guarded.then(|| view! {
                        <div class="note info">
                            <Icon name="lock" />
                            <p class="grow">"This datastore is guarded: the restore begins once another administrator approves it, within 24 hours."</p>
                        </div>
                    })}
                    <Warning name=datastore.name.clone() number=backup.number taken draft choice />
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
                        <button type="submit" class="button primary" disabled=move || !ready()>{if guarded { "Ask for approval" } else { "Restore" }}</button>
                    </div>
                </footer>
            </form>
        </Dialog>
    }
}

/// The yellow box: worded as people know it, with the instant in UTC and in their zone.
#[component]
fn Warning(name: String, number: i64, taken: DateTime<Utc>, draft: StopDraft, choice: Memo<Choice>) -> impl IntoView {
    let clock = clock();
    let created = taken.format("%d/%m/%Y %H:%M UTC").to_string();
    // What is restored, the instant from which on everything is lost, and how to speak of it.
    let since = if draft.whole { "from that second on" } else { "after that instant" };
    let told = move || {
        let (at, how, lost) = match choice.get() {
            Choice::Exactly | Choice::Unclear => return (None, String::new(), ""),
            Choice::To(RecoveryStop::Time { at }) => (Some(at), "replay the log up to ".to_owned(), since),
            Choice::To(RecoveryStop::Latest) => {
                let end = draft.reach.with(|reach| reach.as_ref().map(|reach| reach.to));
                (end, "replay all of the archived log, which reaches to ".to_owned(), "after its end")
            }
            Choice::To(RecoveryStop::Position { .. }) => {
                let entry = draft.entry.get_value();
                let transaction = entry.as_ref().map(|entry| entry.transaction.clone()).unwrap_or_default();
                let how = format!("replay the log to just before transaction {transaction}, committed at ");
                (entry.map(|entry| entry.committed_at), how, "from that place on")
            }
        };
        (at, how, lost)
    };
    let ago = move |at: DateTime<Utc>| {
        let seconds = (clock.second.get() - at).num_milliseconds() as f64 / 1000.0;
        format!("{} ago", format::duration(seconds.max(0.0)))
    };
    let kept = StoredValue::new(name);
    view! {
        <div class="going" role="group" aria-labelledby="restore-going">
            <Icon name="warning" />
            <div>
                <h3 id="restore-going">"You are going to restore a backup"</h3>
                {move || match (told(), choice.with(|choice| *choice == Choice::Unclear)) {
                    (_, true) => view! { <p>"Choose where the restore stops: an instant that the archived log holds, or the latest."</p> }.into_any(),
                    ((Some(at), how, lost), _) => {
                        let utc = with_fraction(write_utc(at), at);
                        let local = with_fraction(write_local(at), at);
                        view! {
                            <p>
                                "You are about to restore backup " {number} " and " {how} <b class="nowrap">{utc} " UTC"</b> ", "
                                <span class="nowrap">{move || ago(at)}</span>
                                ". This process will completely overwrite your current data, and everything committed " {lost} " will be lost."
                            </p>
                            <p class="small">
                                "In your zone: " <span class="nowrap">{local} " " {zone_name(at)}</span>
                                ". The log after it stays archived: a later restore can go there as long as retention keeps it. The replaced data of "
                                <b>{kept.get_value()}</b> " is kept for " {domain::restore::UNDO_HOURS} " hours, so that it can be put back."
                            </p>
                        }.into_any()
                    }
                    _ => view! {
                        <p>
                            "You are about to restore a backup created on " <b class="nowrap">{created.clone()}</b>
                            ". This process will completely overwrite your current data and all changes since your last backup will be lost."
                        </p>
                        <p class="small">
                            "In your zone: " <span class="nowrap">{write_local(taken)} " " {zone_name(taken)}</span> ". The replaced data of "
                            <b>{kept.get_value()}</b> " is kept for " {domain::restore::UNDO_HOURS} " hours, so that it can be put back."
                        </p>
                    }.into_any(),
                }}
            </div>
        </div>
    }
}
