//! `/datastores/{id}/schedules`: which backups start by themselves, and when.

use domain::access::Permission;
use domain::{EventKind, Schedule};
use leptos::prelude::*;
use uuid::Uuid;

use super::datastore::{BackupTabs, CurrentDatastore};
use crate::parts::delete_schedule::DeleteSchedule;
use crate::parts::empty::Empty;
use crate::parts::icon::Icon;
use crate::parts::problem::Problem;
use crate::parts::rows::Rows;
use crate::parts::schedule_dialog::ScheduleDialog;
use crate::parts::schedule_row::{ScheduleList, ScheduleRow};
use crate::parts::show::Show;
use crate::parts::skeleton::SkeletonRows;
use crate::state::address::use_datastore_id;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::toasts::toasts;

/// More schedules than anybody has for one datastore.
const ALL: Option<u32> = Some(200);

#[component]
pub fn SchedulesPage() -> impl IntoView {
    let id = use_datastore_id();
    let adding = RwSignal::new(false);
    let add = move |_| adding.set(true);
    let lacks = expect_context::<CurrentDatastore>().lacking(Permission::ScheduleCreate);
    view! {
        <BackupTabs>
            <button type="button" class="button" disabled=move || lacks.with(Option::is_some) title=lacks on:click=add><Icon name="plus" />"Add schedule"</button>
        </BackupTabs>
        {move || id.get().map(|id| view! { <Schedules id adding /> })}
    }
}

#[component]
fn Schedules(id: Uuid, adding: RwSignal<bool>) -> impl IntoView {
    let live = live();
    let lacks = expect_context::<CurrentDatastore>().lacking(Permission::ScheduleCreate);
    let page = Fetch::new(
        move || {
            live.follow(&[EventKind::Schedule, EventKind::Backup]);
            Some(())
        },
        move |()| async move {
            let query = client::ListQuery { limit: ALL, ..Default::default() };
            Ok(service().schedule_list(id, &query).await?.items)
        },
    );
    let list = ScheduleList { shown: page.data, edit: RwSignal::new(None), delete: RwSignal::new(None) };
    let empty = Memo::new(move |_| page.data.with(|list| list.as_ref().is_some_and(Vec::is_empty)));
    let filled = Memo::new(move |_| page.data.with(|list| list.as_ref().is_some_and(|list| !list.is_empty())));
    view! {
        {move || page.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| page.reload()) /> })}
        <Show when=move || page.slow.get() && page.data.with(Option::is_none)>
            <SkeletonRows />
        </Show>
        <Show when=move || empty.get()>
            <Empty
                icon="calendar"
                title="No schedule"
                text="A schedule makes backups by itself, such as one every day at 05:00. Without one, this datastore is backed up only when somebody asks for it."
            >
                <button type="button" class="button primary" disabled=move || lacks.with(Option::is_some) title=lacks on:click=move |_| adding.set(true)>"Add a schedule"</button>
            </Empty>
        </Show>
        <Show when=move || filled.get()>
            <div class:stale=move || page.slow.get()><Table list /></div>
        </Show>
        <Dialogs list adding />
    }
}

#[component]
fn Table(list: ScheduleList) -> impl IntoView {
    let open = RwSignal::new(Vec::<Uuid>::new());
    let shown = list.shown;
    let ids =
        Memo::new(move |_| shown.with(|list| list.iter().flatten().map(|schedule| schedule.id).collect::<Vec<_>>()));
    view! {
        <div class="table-frame">
            <div class="table-scroll">
                <table role="table" class="cards" aria-label="Schedules">
                    <caption>"Schedules"</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            <th role="columnheader" scope="col" class="expander"><span class="hidden-text">"Runs"</span></th>
                            <th role="columnheader" scope="col" class="bare">"Method"</th>
                            <th role="columnheader" scope="col">"Type"</th>
                            <th role="columnheader" scope="col">"Status"</th>
                            <th role="columnheader" scope="col">"Created"</th>
                            <th role="columnheader" scope="col">"Recurrence"</th>
                            <th role="columnheader" scope="col">"Next run"</th>
                            <th role="columnheader" scope="col">"Last run"</th>
                            <th role="columnheader" scope="col">"Action"</th>
                        </tr>
                    </thead>
                    <Rows
                        ids
                        row=Callback::new(move |id| {
                            let schedule = Memo::new(move |_| {
                                shown.with(|list| list.iter().flatten().find(|one| one.id == id).cloned())
                            });
                            view! { <ScheduleRow id schedule open list /> }.into_any()
                        })
                    />
                </table>
            </div>
        </div>
    }
}

/// The dialogs that the page's buttons and the rows' menus open.
#[component]
fn Dialogs(list: ScheduleList, adding: RwSignal<bool>) -> impl IntoView {
    let current = expect_context::<CurrentDatastore>();
    let toasts = toasts();
    let live = live();
    let on_saved = Callback::new(move |schedule: Schedule| {
        toasts.tell(format!("Saved. {}.", schedule.description));
        list.show(schedule);
        live.changed(&[EventKind::Schedule]);
    });
    let on_deleted = Callback::new(move |()| {
        toasts.tell("The schedule was deleted.");
        live.changed(&[EventKind::Schedule]);
    });
    let dialog = move |schedule: Option<Schedule>| {
        let datastore = current.datastore.get_untracked()?;
        let on_close = Callback::new(move |()| {
            list.edit.set(None);
            adding.set(false);
        });
        Some(view! { <ScheduleDialog schedule datastore on_saved on_close /> })
    };
    view! {
        {move || adding.get().then(|| dialog(None))}
        {move || list.edit.get().map(|schedule| dialog(Some(schedule)))}
        {move || list.delete.get().map(|schedule| {
            view! { <DeleteSchedule schedule on_deleted on_close=Callback::new(move |()| list.delete.set(None)) /> }
        })}
    }
}
