//! `/`: every datastore with its last good backup, and above them whether one may sleep.

use domain::access::Permission;
use domain::{Datastore, EventKind, format};
use leptos::prelude::*;

use super::PageHead;
use crate::parts::datastore_row::{DatastoreRow, archives_logs};
use crate::parts::empty::Empty;
use crate::parts::icon::Icon;
use crate::parts::more::More;
use crate::parts::problem::Problem;
use crate::parts::rows::Rows;
use crate::parts::show::Show;
use crate::parts::skeleton::SkeletonRows;
use crate::parts::sort_header::{SortHeader, use_sort};
use crate::state::address::{use_query, use_set_query};
use crate::state::clock::clock;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::pages_of::{Listed, pages_of};
use crate::state::service::service;
use crate::state::session::session;

/// Whether a datastore is among those searched for: by name, engine or address.
fn fits(datastore: &Datastore, search: &str) -> bool {
    let text = format!("{} {} {}:{}", datastore.name, datastore.engine.title(), datastore.host, datastore.port);
    let text = text.to_lowercase();
    search.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// Up to when a datastore can be recovered.
fn reached(datastore: &Datastore) -> Option<chrono::DateTime<chrono::Utc>> {
    datastore.overview.recoverable_until.max(datastore.overview.last_good_backup_at)
}

/// Sorts by a column that the address names; unknown ones mean the name.
fn sort(datastores: &mut [Datastore], column: &str, down: bool) {
    datastores.sort_by(|a, b| {
        let order = match column {
            "state" => a.status.cmp(&b.status),
            "backup" => reached(a).cmp(&reached(b)),
            "size" => a.overview.recent_sizes_bytes.last().cmp(&b.overview.recent_sizes_bytes.last()),
            // Without one comes last.
            "next" => {
                let next =
                    |one: &Datastore| one.overview.next_run_at.unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC);
                next(a).cmp(&next(b))
            }
            _ => std::cmp::Ordering::Equal,
        };
        let order = order.then_with(|| a.name.to_lowercase().cmp(&b.name.to_lowercase()));
        if down { order.reverse() } else { order }
    });
}

#[component]
pub fn DatastoresPage() -> impl IntoView {
    let live = live();
    let clock = clock();
    let pages = RwSignal::new(1u32);
    let archives = RwSignal::new(false);
    let session = session();
    let may_add = Memo::new(move |_| session.lacks(Permission::DatastoreCreate, None).is_none());
    let list = Fetch::new(
        move || {
            live.follow(&[EventKind::Datastore, EventKind::Backup, EventKind::Restore, EventKind::Schedule]);
            // Logs grow.
            if archives.get() {
                clock.now.track();
            }
            Some(pages.get())
        },
        |pages| {
            pages_of(pages, |cursor| async move {
                service().datastore_list(&client::ListQuery { limit: Some(200), cursor, ..Default::default() }).await
            })
        },
    );
    Effect::new(move |_| {
        archives.set(list.data.with(|list| list.as_ref().is_some_and(|list| list.items.iter().any(archives_logs))));
    });
    let empty = Memo::new(move |_| list.data.with(|list| list.as_ref().is_some_and(|list| list.items.is_empty())));
    let filled = Memo::new(move |_| list.data.with(|list| list.as_ref().is_some_and(|list| !list.items.is_empty())));
    view! {
        <PageHead title="Datastores" text="Every database server that Holdfast backs up.">
            {move || may_add.get().then(|| view! {
                <a class="button primary" href="/datastores/new">
                    <Icon name="plus" />
                    "Add datastore"
                </a>
            })}
        </PageHead>
        {move || list.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| list.reload()) /> })}
        <Show when=move || list.slow.get() && list.data.with(Option::is_none)>
            <SkeletonRows />
        </Show>
        <Show when=move || empty.get()>
            <Empty
                icon="databases"
                title="No datastore yet"
                text="A datastore is a database server that Holdfast backs up and restores: PostgreSQL, MySQL, MariaDB, Redis or Valkey. Add one, test the connection, and take the first backup."
            >
                {move || may_add.get().then(|| view! { <a class="button primary" href="/datastores/new">"Add your first datastore"</a> })}
            </Empty>
        </Show>
        <Show when=move || filled.get()>
            <div class:stale=move || list.slow.get()>
                <Figures list=list.data />
                <List list=list.data pages />
            </div>
        </Show>
    }
}

/// How many are protected, what failed, what is stored.
#[component]
fn Figures(list: RwSignal<Option<Listed<Datastore>>>) -> impl IntoView {
    let sums = Memo::new(move |_| {
        list.with(|list| {
            let items = list.as_ref().map(|list| list.items.as_slice()).unwrap_or_default();
            let protected = items.iter().filter(|one| one.overview.last_good_backup_at.is_some()).count();
            let failures: i64 = items.iter().map(|one| one.overview.failures_24h).sum();
            let stored: i64 = items.iter().map(|one| one.overview.stored_bytes).sum();
            (protected, items.len(), failures, u64::try_from(stored).unwrap_or(0))
        })
    });
    view! {
        <dl class="panel figures">
            <div class="figure">
                <dt>"Protected"</dt>
                <dd>{move || sums.get().0} <small>{move || format!("of {} have a good backup", sums.get().1)}</small></dd>
            </div>
            <div class="figure">
                <dt>"Failures in 24 h"</dt>
                <dd class:bad=move || { sums.get().2 > 0 }>
                    {move || (sums.get().2 > 0).then(|| view! { <Icon name="failed" /> })} {move || sums.get().2}
                </dd>
            </div>
            <div class="figure">
                <dt>"Stored"</dt>
                <dd>{move || format::bytes(sums.get().3)}</dd>
            </div>
        </dl>
    }
}

#[component]
fn List(list: RwSignal<Option<Listed<Datastore>>>, pages: RwSignal<u32>) -> impl IntoView {
    let set_query = use_set_query();
    let search = use_query("q");
    let sorted = use_sort("name");
    let shown = Memo::new(move |_| {
        let mut items = list.with(|list| list.as_ref().map(|list| list.items.clone()).unwrap_or_default());
        let search = search.get().unwrap_or_default();
        items.retain(|datastore| fits(datastore, &search));
        sorted.with(|(column, down)| sort(&mut items, column, *down));
        items
    });
    let ids = Memo::new(move |_| shown.with(|shown| shown.iter().map(|datastore| datastore.id).collect::<Vec<_>>()));
    view! {
        <div class="toolbar">
            <div class="search">
                <Icon name="search" />
                <input
                    type="search"
                    aria-label="Search datastores"
                    placeholder="Search by name, engine or address"
                    prop:value=move || search.get().unwrap_or_default()
                    on:input=move |event| set_query("q", Some(event_target_value(&event)), true)
                />
            </div>
        </div>
        <div class="table-frame">
            <div class="table-scroll">
                <table role="table" class="cards" aria-label="Datastores">
                    <caption>"Datastores"</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            <SortHeader column="name" name="Datastore" sort=sorted />
                            <SortHeader column="state" name="State" sort=sorted />
                            <SortHeader column="backup" name="Recoverable to" sort=sorted />
                            <SortHeader column="size" name="Size" sort=sorted />
                            <SortHeader column="next" name="Next run" sort=sorted />
                            <th role="columnheader" scope="col"><span class="hidden-text">"Action"</span></th>
                        </tr>
                    </thead>
                    <Rows
                        ids
                        row=Callback::new(move |id| {
                        let datastore = Memo::new(move |_| {
                            shown.with(|shown| shown.iter().find(|datastore| datastore.id == id).cloned())
                        });
                        view! { <DatastoreRow datastore /> }.into_any()
                        })
                    />
                </table>
            </div>
        </div>
        <Show when=move || ids.with(Vec::is_empty)>
            <p class="footnote">
                "No datastore fits the search."
                <button type="button" class="button small" on:click=move |_| set_query("q", None, true)>"Clear search"</button>
            </p>
        </Show>
        {move || list.with(|list| list.as_ref().map(|list| {
            view! { <More shown=list.items.len() total=list.total more=list.more what="datastores" pages /> }
        }))}
    }
}
