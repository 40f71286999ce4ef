//! `/datastores/{id}/restores`: what was restored, how it ended, and the way back.

use domain::{EventKind, Restore};
use leptos::prelude::*;
use uuid::Uuid;

use super::datastore::CurrentDatastore;
use crate::parts::approval::{Decide, decision};
use crate::parts::empty::Empty;
use crate::parts::more::More;
use crate::parts::problem::Problem;
use crate::parts::restore_row::RestoreRow;
use crate::parts::rows::Rows;
use crate::parts::show::Show;
use crate::parts::skeleton::SkeletonRows;
use crate::parts::undo_dialog::UndoDialog;
use crate::state::address::use_datastore_id;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::pages_of::{Listed, pages_of};
use crate::state::service::service;

#[component]
pub fn RestoresPage() -> impl IntoView {
    let id = use_datastore_id();
    move || id.get().map(|id| view! { <Restores id /> })
}

#[component]
fn Restores(id: Uuid) -> impl IntoView {
    let live = live();
    let current = expect_context::<CurrentDatastore>();
    let pages = RwSignal::new(1u32);
    let list = Fetch::new(
        move || {
            live.follow(&[EventKind::Restore]);
            Some(pages.get())
        },
        move |pages| {
            pages_of(pages, move |cursor| async move {
                service().restore_list(id, &client::ListQuery { cursor, ..Default::default() }).await
            })
        },
    );
    let undo = RwSignal::new(None::<Restore>);
    let decide = RwSignal::new(None::<Decide>);
    let empty = Memo::new(move |_| list.data.with(|list| list.as_ref().is_some_and(|list| list.items.is_empty())));
    let filled = Memo::new(move |_| list.data.with(|list| list.as_ref().is_some_and(|list| !list.items.is_empty())));
    view! {
        {move || list.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| list.reload()) /> })}
        <Show when=move || list.slow.get() && list.data.with(Option::is_none)>
            <SkeletonRows />
        </Show>
        <Show when=move || empty.get()>
            <Empty
                icon="restore"
                title="Nothing was restored yet"
                text="To restore, open the menu of a completed backup. The data that a restore replaces is kept for 24 hours, so that it can be undone here."
            >
                <a class="button primary" href=format!("/datastores/{id}/backups")>"Choose a backup"</a>
            </Empty>
        </Show>
        <Show when=move || filled.get()>
            <div class:stale=move || list.slow.get()>
                <Table list=list.data undo decide />
                {move || list.data.with(|list| list.as_ref().map(|list| {
                    view! { <More shown=list.items.len() total=list.total more=list.more what="restores" pages /> }
                }))}
            </div>
        </Show>
        {move || decide.get().map(|asked| decision(asked, decide))}
        {move || undo.get().map(|restore| {
            let name = current.datastore.with_untracked(|datastore| datastore.as_ref().map(|one| one.name.clone())).unwrap_or_default();
            view! { <UndoDialog restore name on_close=Callback::new(move |()| undo.set(None)) /> }
        })}
    }
}

#[component]
fn Table(
    list: RwSignal<Option<Listed<Restore>>>,
    undo: RwSignal<Option<Restore>>,
    decide: RwSignal<Option<Decide>>,
) -> impl IntoView {
    let ids = Memo::new(move |_| {
        list.with(|list| list.as_ref().map(|list| list.items.iter().map(|one| one.id).collect::<Vec<_>>()))
            .unwrap_or_default()
    });
    view! {
        <div class="table-frame">
            <div class="table-scroll">
                <table role="table" class="cards" aria-label="Restores">
                    <caption>"Restores"</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            <th role="columnheader" scope="col">"Backup"</th>
                            <th role="columnheader" scope="col">"Outcome"</th>
                            <th role="columnheader" scope="col">"Phase"</th>
                            <th role="columnheader" scope="col">"Started"</th>
                            <th role="columnheader" scope="col">"Duration"</th>
                            <th role="columnheader" scope="col">"Downtime"</th>
                            <th role="columnheader" scope="col">"Undo"</th>
                            <th role="columnheader" scope="col"><span class="hidden-text">"Log"</span></th>
                        </tr>
                    </thead>
                    <Rows
                        ids
                        row=Callback::new(move |id| {
                        let restore = Memo::new(move |_| {
                            list.with(|list| list.as_ref()?.items.iter().find(|one| one.id == id).cloned())
                        });
                        view! { <RestoreRow restore undo decide /> }.into_any()
                        })
                    />
                </table>
            </div>
        </div>
    }
}
