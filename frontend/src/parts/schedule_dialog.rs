//! Adds or edits a schedule: how often, in words what that means, and when it runs next, before anything is saved.

use domain::{Datastore, Recurrence, Schedule, ScheduleStatus};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::dialog::Dialog;
use super::field::FieldErrors;
use super::icon::Icon;
use super::next_runs::NextRuns;
use super::problem::Problem;
use super::schedule_fields::{MethodFields, ScheduleFields};
use super::show::Show;
use crate::state::clock::clock;
use crate::state::failure::Failure;
use crate::state::fetch::Fetch;
use crate::state::schedule_form::ScheduleForm;
use crate::state::service::service;

#[component]
pub fn ScheduleDialog(
    /// What is edited; nothing for a new one.
    schedule: Option<Schedule>,
    datastore: Datastore,
    on_saved: Callback<Schedule>,
    on_close: Callback<()>,
) -> impl IntoView {
    let clock = clock();
    let settings = Fetch::new(|| Some(()), |()| async { service().schedule_settings().await });
    let (id, capabilities) = (datastore.id, StoredValue::new(datastore.capabilities));
    let new_form = capabilities.with_value(ScheduleForm::new);
    let form = RwSignal::new(schedule.as_ref().map_or(new_form, ScheduleForm::of));
    let title = schedule.as_ref().map_or_else(
        || "Add backup schedule".to_owned(),
        |schedule| format!("Edit {} backup schedule", schedule.backup_type),
    );
    let before = RwSignal::new(schedule);
    // The newest version, where somebody else saved one meanwhile.
    let overtaken = RwSignal::new(None::<Schedule>);
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let judged = Memo::new(move |_| {
        let (now, settings) = (clock.now.get(), settings.data.get().unwrap_or_default());
        let before = before.get();
        capabilities.with_value(|capabilities| form.get().judge(before.as_ref(), capabilities, &settings, now))
    });
    let errors = FieldErrors::new();
    Effect::new(move |_| errors.0.set(judged.get().err().unwrap_or_default()));
    let recurrence = Memo::new(move |_| judged.get().ok());
    let changed = Memo::new(move |_| {
        let recurrence = recurrence.get().map(|recurrence| recurrence.to_string());
        before.with(|before| {
            before.as_ref().is_none_or(|before| {
                Some(&before.recurrence) != recurrence.as_ref() && ScheduleForm::of(before) != form.get()
            })
        })
    });
    let ready = Memo::new(move |_| {
        changed.get() && recurrence.with(Option::is_some) && overtaken.with(Option::is_none) && !sending.get()
    });
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let Some(recurrence) = recurrence.get_untracked().filter(|_| ready.get_untracked()) else { return };
        sending.set(true);
        failure.set(None);
        let (form, before) = (form.get_untracked(), before.get_untracked());
        spawn_local(async move {
            let answer = match &before {
                None => service().schedule_create(id, &form.to_create(&recurrence)).await,
                Some(before) => service().schedule_patch(before.id, &form.to_patch(&recurrence, before.version)).await,
            };
            match answer {
                Ok(schedule) => {
                    on_close.run(());
                    on_saved.run(schedule);
                }
                Err(error) => {
                    let error = Failure::from(error);
                    match newer_than(before.as_ref()).await {
                        Some(newest) => {
                            let _ = overtaken.try_set(Some(newest));
                        }
                        None => {
                            let _ = errors.0.try_set(error.errors.clone());
                            let _ = failure.try_set(Some(error));
                        }
                    }
                }
            }
            let _ = sending.try_set(false);
        });
    };
    let paused =
        move || before.with(|before| before.as_ref().is_some_and(|before| before.status == ScheduleStatus::Paused));
    view! {
        <Dialog title on_close>
            <form novalidate on:submit=submit>
                <div class="dialog-body">
                    {before.with_untracked(Option::is_none).then(|| view! { <MethodFields form errors capabilities /> })}
                    <ScheduleFields form errors judged=recurrence />
                    <Meaning form recurrence />
                    <Show when=paused>
                        <p class="muted">"This schedule is paused. It starts nothing until it is resumed."</p>
                    </Show>
                </div>
                <footer class="dialog-foot">
                    {move || failure.get().map(|failure| view! { <Problem failure /> })}
                    {move || overtaken.get().map(|newest| view! { <Overtaken newest form before overtaken /> })}
                    <div class="dialog-actions">
                        <button type="button" class="button" on:click=move |_| on_close.run(())>"Cancel"</button>
                        <button type="submit" class="button primary" disabled=move || !ready.get()>"Save"</button>
                    </div>
                </footer>
            </form>
        </Dialog>
    }
}

/// The newest version of what was edited, when it is another one.
async fn newer_than(before: Option<&Schedule>) -> Option<Schedule> {
    let before = before?;
    let newest = service().schedule_get(before.id).await.ok()?;
    (newest.version != before.version).then_some(newest)
}

/// The blue line, and the next runs. They keep their place while something is typed that means nothing.
#[component]
fn Meaning(form: RwSignal<ScheduleForm>, recurrence: Memo<Option<Recurrence>>) -> impl IntoView {
    let description =
        move || recurrence.with(|recurrence| recurrence.as_ref().map(Recurrence::description).unwrap_or_default());
    view! {
        <div class="stack" class:unseen=move || recurrence.with(Option::is_none)>
            <div class="note info" role="status">
                <Icon name="info" />
                <p class="grow">
                    {move || format!("Your {} backup will start ", form.with(|form| form.backup_type))} <b>{description}</b>
                </p>
            </div>
            <NextRuns recurrence />
        </div>
    }
}

/// Somebody else saved another version: nothing typed goes without being asked.
#[component]
fn Overtaken(
    newest: Schedule,
    form: RwSignal<ScheduleForm>,
    before: RwSignal<Option<Schedule>>,
    overtaken: RwSignal<Option<Schedule>>,
) -> impl IntoView {
    let now = format!("{} ({})", newest.description, newest.status);
    let go_on = move |with_theirs: bool| {
        let Some(newest) = overtaken.get_untracked() else { return };
        if with_theirs {
            form.set(ScheduleForm::of(&newest));
        }
        before.set(Some(newest));
        overtaken.set(None);
    };
    view! {
        <div class="note warn" role="alert">
            <Icon name="warning" />
            <div class="grow">
                <h3>"Somebody else changed this schedule"</h3>
                <p>"It is now: " <b>{now}</b> ". Nothing of yours was saved, and what you typed is still here."</p>
                <div class="row wrap">
                    <button type="button" class="button small" on:click=move |_| go_on(true)>"Load the newest version"</button>
                    <button type="button" class="button small" on:click=move |_| go_on(false)>"Keep what I typed"</button>
                </div>
            </div>
        </div>
    }
}
