//! `/storages`: where backups live.

use domain::{EventKind, Storage, StorageConfig};
use leptos::prelude::*;

use super::PageHead;
use crate::parts::problem::Problem;
use crate::parts::show::Show;
use crate::parts::skeleton::SkeletonRows;
use crate::parts::time::Time;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::service::service;

#[component]
pub fn StoragesPage() -> impl IntoView {
    let live = live();
    let list = Fetch::new(
        move || {
            live.follow(&[EventKind::Storage]);
            Some(())
        },
        |()| async { service().storage_list().await },
    );
    view! {
        <PageHead title="Storages" text="Where backups live: plain files in standard formats, each backup with a manifest that says how to restore it by hand." />
        {move || list.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| list.reload()) /> })}
        <Show when=move || list.slow.get() && list.data.with(Option::is_none)>
            <SkeletonRows rows=2 />
        </Show>
        {move || list.data.get().map(|list| view! {
            <div class="table-frame">
                <div class="table-scroll">
                    <table role="table" class="cards" aria-label="Storages">
                        <caption>"Storages"</caption>
                        <thead role="rowgroup">
                            <tr role="row">
                                <th role="columnheader" scope="col">"Name"</th>
                                <th role="columnheader" scope="col">"Kind"</th>
                                <th role="columnheader" scope="col">"Place"</th>
                                <th role="columnheader" scope="col">"Created"</th>
                            </tr>
                        </thead>
                        <tbody role="rowgroup">{list.items.into_iter().map(row).collect_view()}</tbody>
                    </table>
                </div>
            </div>
        })}
    }
}

fn row(storage: Storage) -> impl IntoView {
    let (kind, place) = match storage.config {
        StorageConfig::Local { path } => ("Local directory", path),
        StorageConfig::S3 { bucket, endpoint, prefix, .. } => {
            let place = [endpoint, Some(bucket), prefix].into_iter().flatten().collect::<Vec<_>>().join("/");
            ("S3", place)
        }
    };
    view! {
        <tr role="row" class="main">
            <td role="cell" data-label="Name" class="strong">{storage.name}</td>
            <td role="cell" data-label="Kind">{kind}</td>
            <td role="cell" data-label="Place" class="wide mono place">{place}</td>
            <td role="cell" data-label="Created"><Time at=storage.created_at /></td>
        </tr>
    }
}
