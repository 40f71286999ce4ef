//! The place through which a server that writes its backups itself hands them to the worker: a directory or a bucket.

use domain::StorageConfig;
use leptos::prelude::*;
use uuid::Uuid;

use super::field::{FieldErrors, FieldProblem, TextField, described_by};
use super::problem::Problem;
use super::segmented::Segmented;
use super::show::Show;
use crate::state::connection_draft::{ConnectionDraft, SharedKind};
use crate::state::fetch::Fetch;
use crate::state::service::service;

const DIRECTORY: &str = "A shared directory";
const STORAGE: &str = "An S3 storage";

const fn word(kind: SharedKind) -> &'static str {
    match kind {
        SharedKind::Directory => DIRECTORY,
        SharedKind::Storage => STORAGE,
    }
}

#[component]
pub fn SharedPlaceFields(draft: ConnectionDraft, errors: FieldErrors) -> impl IntoView {
    let kind = draft.shared_kind;
    let choose = move |chosen| {
        kind.set(if chosen == STORAGE { SharedKind::Storage } else { SharedKind::Directory });
    };
    view! {
        <section class="panel section" aria-labelledby="section-shared-place">
            <header>
                <h2 id="section-shared-place">"Shared place"</h2>
                <p>"The server writes each backup into it, the worker stores it and removes it. A restore goes the other way."</p>
            </header>
            <div class="fields">
                <div class="field" role="group" aria-label="Through">
                    <Segmented name="shared-place" options=vec![DIRECTORY, STORAGE] chosen=Signal::derive(move || word(kind.get())) on_choose=choose />
                </div>
                <Show when=move || kind.get() == SharedKind::Directory>
                    <TextField label="As the server sees it" pointer="/shared_directory/server_path" value=draft.server_path errors placeholder="/var/opt/mssql/holdfast" hint="An absolute path of the server's own system, such as D:\\holdfast or \\\\host\\share. The server's account may write there." />
                    <TextField label="As the worker sees it" pointer="/shared_directory/worker_path" value=draft.worker_path errors placeholder="/srv/holdfast" hint="The same directory, mounted where the worker runs. It needs room for the largest database's backup." />
                </Show>
                <Show when=move || kind.get() == SharedKind::Storage>
                    <StorageField chosen=draft.shared_storage errors />
                </Show>
            </div>
        </section>
    }
}

#[component]
fn StorageField(chosen: RwSignal<Option<Uuid>>, errors: FieldErrors) -> impl IntoView {
    let storages = Fetch::new(|| Some(()), |()| async { service().storage_list().await });
    let options = move || {
        let buckets = storages.data.get()?.items.into_iter();
        let buckets = buckets.filter(|storage| matches!(storage.config, StorageConfig::S3 { .. })).map(|storage| {
            let id = storage.id;
            view! { <option value=id.to_string() selected=move || chosen.get() == Some(id)>{storage.name}</option> }
        });
        Some(buckets.collect_view())
    };
    let choose = move |event| {
        chosen.set(event_target_value(&event).parse().ok());
        errors.clear("/shared_storage_id");
    };
    view! {
        <div class="field">
            <label for="field-shared_storage_id">"Shared storage"</label>
            <select id="field-shared_storage_id" aria-describedby=described_by("/shared_storage_id", errors) on:change=choose>
                <option value="" selected=move || chosen.get().is_none()>"Choose a storage of kind S3"</option>
                {options}
            </select>
            <FieldProblem pointer="/shared_storage_id" errors />
            <p class="hint" id="field-shared_storage_id-hint">
                "Reached by both over HTTPS. The server needs a credential for it: the test shows the statement."
            </p>
        </div>
        {move || storages.failure.get().map(|failure| {
            view! { <div class="field"><Problem failure retry=Callback::new(move |()| storages.reload()) /></div> }
        })}
    }
}
