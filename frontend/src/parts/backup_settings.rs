//! The form of a datastore's backup settings: where and how new backups are made, how long all are kept, and beside it what
//! that would delete. Nothing is deleted before somebody has read how many and said yes.

use domain::log_archive::LogArchivingStatus;
use domain::retention::RetentionTotals;
use domain::{BackupSettings, BackupType, Capabilities, EventKind, Page, Storage, format};
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;

use super::field::{FieldErrors, FieldProblem, number_field};
use super::job_state::archiving_state;
use super::problem::Problem;
use super::retention_fields::RetentionFields;
use super::retention_preview::{RetentionPreview, backups};
use super::save_and_delete::SaveAndDelete;
use super::show::Show;
use super::skeleton::SkeletonLines;
use super::time::Ago;
use crate::state::backup_draft::BackupDraft;
use crate::state::clock::clock;
use crate::state::failure::Failure;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::toasts::toasts;

/// Loads the settings. The form starts from what was saved when it was opened; later changes don't overwrite typing.
#[component]
pub fn BackupSettingsForm(
    id: Uuid,
    #[prop(into)] capabilities: Signal<Capabilities>,
    /// Why they can't be saved by whoever looks.
    lacks: Signal<Option<String>>,
) -> impl IntoView {
    let settings = Fetch::new(|| Some(()), move |()| async move { service().backup_settings_get(id).await });
    let storages = Fetch::new(|| Some(()), |()| async { service().storage_list().await });
    let there = Memo::new(move |_| settings.data.with(Option::is_some));
    view! {
        {move || settings.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| settings.reload()) /> })}
        <Show when=move || settings.slow.get() && !there.get()>
            <div class="panel section"><SkeletonLines lines=8 /></div>
        </Show>
        {move || there.get().then(|| settings.data.get_untracked()).flatten().map(|settings| {
            view! { <Form id settings storages capabilities lacks /> }
        })}
    }
}

#[component]
fn Form(
    id: Uuid,
    settings: BackupSettings,
    storages: Fetch<Page<Storage>>,
    capabilities: Signal<Capabilities>,
    lacks: Signal<Option<String>>,
) -> impl IntoView {
    let toasts = toasts();
    let draft = BackupDraft::of(&settings);
    let saved = RwSignal::new(settings);
    let typed = Memo::new(move |_| draft.settings());
    let judge = move |settings: &BackupSettings| capabilities.with(|capabilities| settings.validate(capabilities));
    let wrong = Memo::new(move |_| !judge(&typed.get()).is_empty());
    let changed = Memo::new(move |_| typed.get() != saved.get());
    let errors = FieldErrors::new();
    // From the fields themselves: what was cleared by typing comes back though it means the same.
    Effect::new(move |_| errors.0.set(judge(&draft.settings())));
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    // What saving would delete, while that is asked.
    let asking = RwSignal::new(None::<RetentionTotals>);
    let ready = move || changed.get() && !wrong.get() && !sending.get() && lacks.with(Option::is_none);
    let save = move |deleted_count: u64| async move {
        match service().backup_settings_put(id, &typed.get_untracked()).await {
            Ok(settings) => {
                toasts.tell(match deleted_count {
                    0 => "Saved.".to_owned(),
                    count => format!("Saved. {} will be deleted, one after another.", backups(count)),
                });
                let _ = saved.try_set(settings);
            }
            Err(error) => {
                let error = Failure::from(error);
                let _ = errors.0.try_set(error.errors.clone());
                let _ = failure.try_set(Some(error));
            }
        }
        let _ = sending.try_set(false);
    };
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !untrack(ready) {
            return;
        }
        sending.set(true);
        failure.set(None);
        // Asked anew: what is beside the form may be older than the newest backup.
        spawn_local(async move {
            match service().retention_preview(id, &typed.get_untracked().retention).await {
                Ok(plan) if plan.totals.deleted_count > 0 => {
                    let _ = asking.try_set(Some(plan.totals));
                    let _ = sending.try_set(false);
                }
                Ok(_) => save(0).await,
                Err(error) => {
                    let _ = failure.try_set(Some(error.into()));
                    let _ = sending.try_set(false);
                }
            }
        });
    };
    let confirm = move |totals: RetentionTotals| {
        asking.set(None);
        sending.set(true);
        spawn_local(save(totals.deleted_count));
    };
    view! {
        <form class="form-page" novalidate on:submit=submit>
            <div class="form">
                <NewBackups draft errors storages capabilities />
                <Archiving id draft errors capabilities />
                <RetentionFields draft errors typed offers_logs=Signal::derive(move || capabilities.with(|known| known.point_in_time_recovery)) log_backups=Signal::derive(move || capabilities.with(|known| known.makes(BackupType::Log))) />
            </div>
            <RetentionPreview id typed changed />
            <div class="stack">
                {move || failure.get().map(|failure| view! { <Problem failure /> })}
                <div class="form-foot">
                    <button type="submit" class="button primary" disabled=move || !ready()>"Save backup settings"</button>
                    <span class="muted small" role="status">
                        {move || lacks.get().unwrap_or_else(|| match (wrong.get(), changed.get()) {
                            (true, _) => "Can't be saved: see what is said at the fields.",
                            (_, true) => "Not saved yet.",
                            _ => "",
                        }.to_owned())}
                    </span>
                </div>
            </div>
        </form>
        {move || asking.get().map(|totals| view! {
            <SaveAndDelete
                totals
                on_confirm=Callback::new(move |()| confirm(totals))
                on_close=Callback::new(move |()| { let _ = asking.try_set(None); })
            />
        })}
    }
}

/// Where and how new backups are made.
#[component]
fn NewBackups(
    draft: BackupDraft,
    errors: FieldErrors,
    storages: Fetch<Page<Storage>>,
    capabilities: Signal<Capabilities>,
) -> impl IntoView {
    let increments = Memo::new(move |_| capabilities.with(|known| known.makes(BackupType::Incremental)));
    view! {
        <section class="panel section" aria-labelledby="section-new-backups">
            <header>
                <h2 id="section-new-backups">"New backups"</h2>
                <p>"Where they go and how they are made."</p>
            </header>
            <div class="fields">
                <StorageField draft errors storages />
                {number_field("Compression level", "/compression_level", draft.compression, errors, "half", "", "zstd, 1 to 19: higher is smaller and slower.")}
                <Show when=move || increments.get()>
                    {number_field("Maximum chain length", "/maximum_chain_length", draft.chain, errors, "half", "", "Backups in a row that need each other, the full one included. Then an incremental backup becomes a full one.")}
                </Show>
            </div>
        </section>
    }
}

#[component]
fn StorageField(draft: BackupDraft, errors: FieldErrors, storages: Fetch<Page<Storage>>) -> impl IntoView {
    let options = move || {
        let storages = storages.data.get()?.items.into_iter().map(|storage| {
            let id = storage.id;
            view! { <option value=id.to_string() selected=move || draft.storage.get() == id>{storage.name}</option> }
        });
        Some(storages.collect_view())
    };
    view! {
        <div class="field half">
            <label for="field-storage_id">"Storage"</label>
            <select
                id="field-storage_id"
                aria-describedby="field-storage_id-problem field-storage_id-hint"
                on:change=move |event| if let Ok(id) = event_target_value(&event).parse() {
                    draft.storage.set(id);
                }
            >
                {options}
            </select>
            <FieldProblem pointer="/storage_id" errors />
            <p class="hint" id="field-storage_id-hint">"For new backups. Those that exist stay where they are."</p>
        </div>
        {move || storages.failure.get().map(|failure| {
            view! { <div class="field"><Problem failure retry=Callback::new(move |()| storages.reload()) /></div> }
        })}
    }
}

/// The switch of log archiving, off with its reason where the datastore can't do it.
#[component]
fn Archiving(id: Uuid, draft: BackupDraft, errors: FieldErrors, capabilities: Signal<Capabilities>) -> impl IntoView {
    let live = live();
    let clock = clock();
    let window = Fetch::new(
        move || {
            live.follow(&[EventKind::Datastore]);
            if draft.archiving.get() {
                clock.now.track();
            }
            Some(())
        },
        move |()| async move { service().recovery_window(id).await },
    );
    let status = Memo::new(move |_| {
        window
            .data
            .with(|window| window.as_ref().map(|window| (window.log_archiving.clone(), window.latest_restorable_time)))
    });
    let obstacle = Memo::new(move |_| {
        capabilities.with(|known| {
            if known.makes(BackupType::Log) {
                let text = "The log of this engine is kept by log backups: add a schedule for them, and any moment that they reach can be restored.";
                return Some(text.to_owned());
            }
            let reason = known.point_in_time_recovery_reason.clone();
            (!known.point_in_time_recovery)
                .then(|| reason.unwrap_or_else(|| "Test the datastore's connection first.".to_owned()))
        })
    });
    view! {
      <section class="panel section" aria-labelledby="section-archiving">
        <header>
            <h2 id="section-archiving">"Log archiving"</h2>
            <p>"The server's log, stored as it is written: any moment between backups can be restored."</p>
        </header>
        <div class="field">
            <div class="switch">
                <label for="field-log_archiving">"Archive logs continuously"</label>
                <input
                    id="field-log_archiving"
                    type="checkbox"
                    role="switch"
                    aria-describedby="field-log_archiving-hint"
                    // What is on can always be turned off.
                    disabled=move || obstacle.with(Option::is_some) && !draft.archiving.get()
                    prop:checked=draft.archiving
                    on:change=move |event| draft.archiving.set(event_target_checked(&event))
                />
            </div>
            <FieldProblem pointer="/log_archiving" errors />
            <p class="hint" id="field-log_archiving-hint">
                {move || obstacle.get().unwrap_or_else(|| "A worker follows the log and stores what is new every 5 s: that much is lost at most when the server is lost. PostgreSQL holds back by a replication slot what is not archived yet, which takes room on its disk while the worker or the storage is away; MariaDB keeps its binary log as long as its own settings say. Instants can be chosen from the next full backup on.".to_owned())}
            </p>
        </div>
        {move || status.get().filter(|(archiving, _)| archiving.status != LogArchivingStatus::Off).map(|(archiving, until)| view! {
            <div class="head-line">
                {archiving_state(archiving.status)}
                {until.map(|at| view! { <span>"Recoverable to " <Ago at /></span> })}
                {archiving.lag_bytes.filter(|lag| *lag > 0).map(|lag| view! { <span>{format::bytes(lag)} " not archived yet"</span> })}
            </div>
            {archiving.detail.clone().map(|detail| view! { <p class="small">{detail}</p> })}
        })}
      </section>
    }
}
