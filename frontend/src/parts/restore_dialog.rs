//! "Restore a backup": what it is, where it stops, what would happen, and the typed name without which nothing happens.

use std::time::Duration;

use client::PlanQuery;
use domain::restore::RestoreTarget;
use domain::{Backup, Datastore, RecoveryStop, RestoreCreate, RestorePlan, RestoreTargetDraft, StopPosition};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::backup_row::size_or_dash;
use super::dialog::Dialog;
use super::icon::Icon;
use super::problem::Problem;
use super::restore_databases::CopiesNote;
use super::restore_plan::PlanView;
use super::restore_stop::{Choice, Opening, StopChoice, StopDraft};
use super::restore_target::{NewTargetNote, TargetChoice, TargetDraft, new_plan};
use super::restore_warning::{Warning, until};
use super::show::Show;
use super::skeleton::SkeletonLines;
use super::time::Time;
use crate::pages::new_datastore::focus_first_problem;
use crate::router::router;
use crate::state::address::use_open_job;
use crate::state::failure::Failure;
use crate::state::fetch::Fetch;
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
            new_databases: None,
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
    let target = TargetDraft::new(&backup, &datastore);
    let (number, method) = (backup.number, backup.method);
    let choice = Memo::new(move |_| draft.choice());
    let wanted = Memo::new(move |_| target.plan_query(choice.with(query_of)?));
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
    Effect::new(move |_| {
        plan.data.with(|plan| {
            if let Some((_, plan)) = plan.as_ref().filter(|(query, _)| query.new_databases.is_none()) {
                target.copies.offer(plan);
            }
        });
    });
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
    let ready = move || {
        let is_clear = if target.is_new() { wanted.with(Option::is_some) } else { possible.get() };
        !sending.get() && is_clear && (!target.is_in_place() || matches.get())
    };

    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !untrack(ready) {
            return;
        }
        let stop = match choice.get_untracked() {
            Choice::To(stop) => Some(stop),
            _ => None,
        };
        failure.set(None);
        let into = match target.target() {
            Ok(into) => into,
            Err(found) => {
                target.errors.0.set(found);
                focus_first_problem();
                return;
            }
        };
        sending.set(true);
        let confirm = matches!(into, RestoreTargetDraft::InPlace).then(|| typed.get_untracked());
        let body = RestoreCreate {
            target: into,
            pitr_stop_time: stop.as_ref().and_then(RecoveryStop::time_text),
            pitr_stop_position: stop
                .as_ref()
                .and_then(position_of)
                .and_then(|position| serde_json::to_value(position).ok()),
            confirm,
            restore_configuration: false,
        };
        spawn_local(async move {
            match service().backup_restore(id, &body).await {
                Ok(restore) => {
                    on_close.run(());
                    if let RestoreTarget::NewDatastore { name } = &restore.target {
                        toasts.tell(format!("Restoring into {name}."));
                        router.go(&format!("/datastores/{}/restores", restore.datastore_id));
                        open_job(restore.job_id);
                    } else if restore.approval.is_some() {
                        toasts.tell("Asked for approval. It begins once a second administrator approves it.");
                        router.go(&format!("/datastores/{}/restores", restore.datastore_id));
                    } else {
                        open_job(restore.job_id);
                    }
                }
                Err(error) => {
                    let error = Failure::from(error);
                    target.refuse(&error);
                    let _ = failure.try_set(Some(error));
                    let _ = sending.try_set(false);
                    focus_first_problem();
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
                    <section>
                        <h3>"Restore settings"</h3>
                        <TargetChoice draft=target />
                        {draft.is_offered.then(|| view! { <StopChoice draft backup=backup.clone() /> })}
                    </section>
                    <section aria-busy=move || (!is_current.get() && !none()).to_string()>
                        <h3>"Plan"</h3>
                        <Show when=none>
                            <p class="muted">{move || match choice.with(query_of).is_some() {
                                true => "Shown once databases are chosen, and names for their copies.",
                                false => "Shown once it is clear where the restore stops.",
                            }}</p>
                        </Show>
                        <div class:stale=move || !is_current.get() hidden=none>
                            {move || plan.failure.get().is_none().then(|| plan.data.get()).flatten().map(|(_, plan)| match target.is_new() {
                                true => new_plan(plan, method),
                                false => view! { <PlanView plan beside=target.is_copies() /> }.into_any(),
                            })}
                            {move || plan.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| plan.reload()) /> })}
                            <Show when=move || plan.slow.get() && plan.data.with(Option::is_none)>
                                <SkeletonLines lines=5 />
                            </Show>
                        </div>
                    </section>
                </div>
                <footer class="dialog-foot">
                    {move || match (target.is_new(), target.is_copies()) {
                        (true, _) => view! { <NewTargetNote draft=target number until=until(draft, choice) /> }.into_any(),
                        (_, true) => view! {
                            <CopiesNote draft=target.copies name=name.get_value() number until=until(draft, choice) />
                        }.into_any(),
                        _ => view! {
                            {guarded.then(|| view! {
                                <div class="note info">
                                    <Icon name="lock" />
                                    <p class="grow">"This datastore is guarded: the restore begins once another administrator approves it, within 24 hours."</p>
                                </div>
                            })}
                            <Warning name=name.get_value() number taken draft choice />
                        }.into_any(),
                    }}
                    {move || failure.get().map(|failure| view! { <Problem failure /> })}
                    <div class="field" hidden=move || !target.is_in_place()>
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
                        <button type="submit" class="button primary" disabled=move || !ready()>{move || if guarded && target.is_in_place() { "Ask for approval" } else { "Restore" }}</button>
                    </div>
                </footer>
            </form>
        </Dialog>
    }
}
