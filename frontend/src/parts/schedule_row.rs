//! One schedule in the table: its line, its menu, and below it, when opened, its runs.

use client::ClientError;
use domain::access::Permission;
use domain::{EventKind, Schedule, ScheduleStatus};
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;

use super::icon::Icon;
use super::job_state::{run_state, schedule_state};
use super::menu::{Menu, MenuItem};
use super::schedule_runs::{ScheduleRuns, backup_of_run};
use super::show::Show;
use super::time::{Ago, Time};
use crate::pages::datastore::CurrentDatastore;
use crate::state::address::use_open_job;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::toasts::toasts;

/// What a row changes on the page: the schedules that are shown, and which dialogs are open.
#[derive(Clone, Copy)]
pub struct ScheduleList {
    pub shown: RwSignal<Option<Vec<Schedule>>>,
    pub edit: RwSignal<Option<Schedule>>,
    pub delete: RwSignal<Option<Schedule>>,
}

impl ScheduleList {
    /// Shows a schedule as it is now, at once.
    pub fn show(&self, schedule: Schedule) {
        self.shown.update(|shown| {
            let shown = shown.get_or_insert_default();
            match shown.iter_mut().find(|one| one.id == schedule.id) {
                Some(one) => *one = schedule,
                None => shown.insert(0, schedule),
            }
        });
    }
}

/// The expression, which breaks between its fields only, and what it means.
fn recurrence(schedule: &Schedule) -> AnyView {
    let fields = schedule.recurrence.split_inclusive(' ').map(|field| {
        let field = field.to_owned();
        view! { <span class="nowrap">{field}</span> <wbr /> }
    });
    view! {
        <code>{fields.collect_view()}</code>
        <span class="cell-sub">{schedule.description.clone()}</span>
    }
    .into_any()
}

fn next_run(schedule: &Schedule) -> AnyView {
    match schedule.next_run_at {
        Some(at) => view! { <Time at /> <span class="cell-sub"><Ago at /></span> }.into_any(),
        None => view! { <span class="muted">"–"</span> }.into_any(),
    }
}

fn last_run(schedule: &Schedule) -> AnyView {
    let Some(run) = &schedule.last_run else { return view! { <span class="muted">"–"</span> }.into_any() };
    let (at, number, backup) = (run.at, run.backup_number, run.backup_id);
    view! {
        <div>{run_state(run.status)}</div>
        <div>{backup_of_run(number, backup)}</div>
        <span class="cell-sub"><Time at /></span>
    }
    .into_any()
}

#[component]
pub fn ScheduleRow(
    id: Uuid,
    schedule: Memo<Option<Schedule>>,
    open: RwSignal<Vec<Uuid>>,
    list: ScheduleList,
) -> impl IntoView {
    let name =
        schedule.with_untracked(|schedule| schedule.as_ref().map_or("", |schedule| schedule.backup_type.as_str()));
    let is_open = Memo::new(move |_| open.with(|open| open.contains(&id)));
    let toggle = move |_| {
        open.update(|open| {
            let before = open.len();
            open.retain(|other| *other != id);
            if open.len() == before {
                open.push(id);
            }
        });
    };
    let of = move |read: fn(&Schedule) -> AnyView| move || schedule.with(|schedule| schedule.as_ref().map(read));
    view! {
        <tr role="row" class="main" class:open=is_open>
            <td role="cell" class="expander">
                <button
                    type="button"
                    class="icon-button chevron"
                    aria-label=format!("Runs of the {name} schedule")
                    aria-expanded=move || is_open.get().to_string()
                    aria-controls=format!("runs-{id}")
                    on:click=toggle
                >
                    <Icon name="chevron" />
                </button>
            </td>
            <td role="cell" data-label="Method" class="lead">{of(|schedule| schedule.method.as_str().into_any())}</td>
            <td role="cell" data-label="Type">{of(|schedule| schedule.backup_type.as_str().into_any())}</td>
            <td role="cell" data-label="Status">{of(|schedule| schedule_state(schedule.status))}</td>
            <td role="cell" data-label="Created">{of(|schedule| view! { <Time at=schedule.created_at /> }.into_any())}</td>
            <td role="cell" data-label="Recurrence" class="wide recurrence">{of(recurrence)}</td>
            <td role="cell" data-label="Next run">{of(next_run)}</td>
            <td role="cell" data-label="Last run">{of(last_run)}</td>
            <td role="cell" class="actions corner"><Actions schedule name list /></td>
        </tr>
        <Show when=move || is_open.get()>
            <tr role="row" class="details" id=format!("runs-{id}")>
                <td role="cell" colspan="9"><ScheduleRuns id schedule /></td>
            </tr>
        </Show>
    }
}

#[component]
fn Actions(schedule: Memo<Option<Schedule>>, name: &'static str, list: ScheduleList) -> impl IntoView {
    let open_job = use_open_job();
    let toasts = toasts();
    let live = live();
    let current = expect_context::<CurrentDatastore>();
    let now = move || schedule.get_untracked();
    let changed = move |answer: Result<Schedule, ClientError>, word: &'static str| match answer {
        Ok(schedule) => {
            list.show(schedule);
            live.changed(&[EventKind::Schedule]);
            toasts.tell(format!("The {name} schedule was {word}."));
        }
        Err(error) => toasts.fail(&error.into()),
    };
    let pause = Callback::new(move |()| {
        let Some(schedule) = now() else { return };
        spawn_local(async move { changed(service().schedule_pause(schedule.id).await, "paused") });
    });
    let resume = Callback::new(move |()| {
        let Some(schedule) = now() else { return };
        spawn_local(async move { changed(service().schedule_resume(schedule.id).await, "resumed") });
    });
    let run = Callback::new(move |()| {
        let Some(schedule) = now() else { return };
        spawn_local(async move {
            match service().schedule_run(schedule.id).await {
                Ok(backup) => {
                    live.changed(&[EventKind::Schedule, EventKind::Backup, EventKind::Datastore]);
                    open_job(backup.job_id);
                }
                Err(error) => toasts.fail(&error.into()),
            }
        });
    });
    let edit = Callback::new(move |()| list.edit.set(now()));
    let delete = Callback::new(move |()| list.delete.set(now()));
    let paused = Memo::new(move |_| {
        schedule.with(|schedule| schedule.as_ref().is_some_and(|schedule| schedule.status == ScheduleStatus::Paused))
    });
    view! {
        <Menu name=format!("Actions for the {name} schedule")>
            {move || {
                let lacks = current.lacks(Permission::SchedulePatch);
                let (icon, name, on_choose) = if paused.get() { ("resume", "Resume", resume) } else { ("pause", "Pause", pause) };
                view! {
                    <MenuItem icon name on_choose reason=lacks.clone() />
                    <MenuItem icon="edit" name="Edit" on_choose=edit reason=lacks.clone() />
                    <MenuItem icon="backup" name="Run now" on_choose=run reason=lacks.clone() />
                    <hr role="separator" />
                    <MenuItem icon="trash" name="Delete" on_choose=delete danger=true reason=lacks />
                }
            }}
        </Menu>
    }
}
