//! `/datastores/{id}/backups`: all backups of a datastore.

use domain::{Backup, EventKind};
use leptos::prelude::*;
use uuid::Uuid;

use super::datastore::{BackupTabs, CurrentDatastore};
use crate::parts::backup_row::{BackupDialogs, BackupRow};
use crate::parts::delete_backup::DeleteBackup;
use crate::parts::empty::Empty;
use crate::parts::hold_backup::HoldBackup;
use crate::parts::more::More;
use crate::parts::problem::Problem;
use crate::parts::restore_dialog::RestoreDialog;
use crate::parts::rows::Rows;
use crate::parts::show::Show;
use crate::parts::skeleton::SkeletonRows;
use crate::state::address::use_datastore_id;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::pages_of::{Listed, pages_of};
use crate::state::service::service;

#[component]
pub fn BackupsPage() -> impl IntoView {
    let id = use_datastore_id();
    view! {
        <BackupTabs />
        {move || id.get().map(|id| view! { <Backups id /> })}
    }
}

#[component]
fn Backups(id: Uuid) -> impl IntoView {
    let live = live();
    let pages = RwSignal::new(1u32);
    let list = Fetch::new(
        move || {
            live.follow(&[EventKind::Backup]);
            Some(pages.get())
        },
        move |pages| {
            pages_of(pages, move |cursor| async move {
                service().backup_list(id, &client::ListQuery { cursor, ..Default::default() }).await
            })
        },
    );
    let dialogs =
        BackupDialogs { restore: RwSignal::new(None), delete: RwSignal::new(None), hold: RwSignal::new(None) };
    let empty = Memo::new(move |_| list.data.with(|list| list.as_ref().is_some_and(|list| list.items.is_empty())));
    let filled = Memo::new(move |_| list.data.with(|list| list.as_ref().is_some_and(|list| !list.items.is_empty())));
    view! {
        {move || list.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| list.reload()) /> })}
        <Show when=move || list.slow.get() && list.data.with(Option::is_none)>
            <SkeletonRows />
        </Show>
        <Show when=move || empty.get()>
            <Empty
                icon="backup"
                title="No backup yet"
                text="“Back up now” copies the whole server while it runs, compressed and checked, into the storage. From then on it can be restored from here."
            />
        </Show>
        <Show when=move || filled.get()>
            <div class:stale=move || list.slow.get()>
                <Table list=list.data dialogs />
                {move || list.data.with(|list| list.as_ref().map(|list| {
                    view! { <More shown=list.items.len() total=list.total more=list.more what="backups" pages /> }
                }))}
            </div>
        </Show>
        <Dialogs dialogs />
    }
}

#[component]
fn Table(list: RwSignal<Option<Listed<Backup>>>, dialogs: BackupDialogs) -> impl IntoView {
    let open = RwSignal::new(Vec::<Uuid>::new());
    let ids = Memo::new(move |_| {
        list.with(|list| list.as_ref().map(|list| list.items.iter().map(|one| one.id).collect::<Vec<_>>()))
            .unwrap_or_default()
    });
    view! {
        <div class="table-frame">
            <div class="table-scroll">
                <table role="table" class="cards" aria-label="Backups">
                    <caption>"Backups"</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            <th role="columnheader" scope="col" class="expander"><span class="hidden-text">"Details"</span></th>
                            <th role="columnheader" scope="col" class="bare">"Id"</th>
                            <th role="columnheader" scope="col">"Method"</th>
                            <th role="columnheader" scope="col">"Type"</th>
                            <th role="columnheader" scope="col">"Status"</th>
                            <th role="columnheader" scope="col">"Started"</th>
                            <th role="columnheader" scope="col">"Duration"</th>
                            <th role="columnheader" scope="col">"Size"</th>
                            <th role="columnheader" scope="col">"Actions"</th>
                        </tr>
                    </thead>
                    <Rows
                        ids
                        row=Callback::new(move |id| {
                        let backup = Memo::new(move |_| {
                            list.with(|list| list.as_ref()?.items.iter().find(|one| one.id == id).cloned())
                        });
                        view! { <BackupRow backup list open dialogs /> }.into_any()
                        })
                    />
                </table>
            </div>
        </div>
    }
}

/// The dialogs that a row's menu opens.
#[component]
fn Dialogs(dialogs: BackupDialogs) -> impl IntoView {
    let current = expect_context::<CurrentDatastore>();
    view! {
        {move || dialogs.restore.get().and_then(|backup| {
            let datastore = current.datastore.get_untracked()?;
            Some(view! { <RestoreDialog backup datastore on_close=Callback::new(move |()| dialogs.restore.set(None)) /> })
        })}
        {move || dialogs.delete.get().map(|backup| {
            view! { <DeleteBackup backup datastore=current.datastore on_close=Callback::new(move |()| dialogs.delete.set(None)) /> }
        })}
        {move || dialogs.hold.get().map(|backup| {
            view! { <HoldBackup backup on_close=Callback::new(move |()| dialogs.hold.set(None)) /> }
        })}
    }
}
