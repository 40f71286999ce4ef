//! `/datastores/{id}/settings`: how backups are made and kept; the connection, its test, and the end of the datastore.

use domain::access::Permission;
use domain::{Datastore, FindingSeverity};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::datastore::CurrentDatastore;
use super::new_datastore::{TestResult, Tested, focus_first_problem};
use crate::parts::backup_settings::BackupSettingsForm;
use crate::parts::connection_fields::ConnectionFields;
use crate::parts::delete_datastore::DeleteDatastore;
use crate::parts::field::FieldErrors;
use crate::parts::findings::{Findings, summary};
use crate::parts::grants::Grants;
use crate::parts::guard::Guard;
use crate::parts::icon::Icon;
use crate::parts::problem::Problem;
use crate::parts::show::Show;
use crate::parts::time::Time;
use crate::state::connection_draft::ConnectionDraft;
use crate::state::failure::Failure;
use crate::state::service::service;
use crate::state::toasts::toasts;

#[component]
pub fn SettingsPage() -> impl IntoView {
    let current = expect_context::<CurrentDatastore>();
    // The form starts from what was known when it was opened; later changes from elsewhere don't overwrite typing.
    let id = Memo::new(move |_| current.datastore.with(|datastore| datastore.as_ref().map(|datastore| datastore.id)));
    move || {
        id.track();
        current.datastore.get_untracked().map(|datastore| {
            let id = datastore.id;
            let is_broken = datastore.findings.iter().any(|finding| finding.severity == FindingSeverity::Error);
            let capabilities = Memo::new(move |_| {
                current
                    .datastore
                    .with(|known| known.as_ref().map(|known| known.capabilities.clone()))
                    .unwrap_or_default()
            });
            let backups = view! {
                <h2 class="part">"Backup settings"</h2>
                <BackupSettingsForm id capabilities lacks=current.lacking(Permission::BackupSettingsPut) />
            };
            let connection = view! {
                <h2 class="part">"Connection"</h2>
                <Connection datastore current />
            };
            // What keeps backups from working comes first.
            if is_broken {
                (connection.into_any(), backups.into_any())
            } else {
                (backups.into_any(), connection.into_any())
            }
        })
    }
}

#[component]
fn Connection(datastore: Datastore, current: CurrentDatastore) -> impl IntoView {
    let toasts = toasts();
    let draft = ConnectionDraft::of(&datastore);
    let kept = datastore.clone();
    let (lacks, no_test, no_delete) = (
        current.lacking(Permission::DatastorePatch),
        current.lacking(Permission::DatastoreTest),
        current.lacking(Permission::DatastoreDelete),
    );
    let errors = FieldErrors::new();
    let failure = RwSignal::new(None::<Failure>);
    let saving = RwSignal::new(false);
    let tested = RwSignal::new(None::<Tested>);
    let deleting = RwSignal::new(false);
    let saved = RwSignal::new(datastore.clone());
    let (id, has_password, engine) = (datastore.id, datastore.has_password, datastore.engine);
    let changed = Memo::new(move |_| match draft.to_patch(&saved.get()) {
        Ok(patch) => patch != domain::DatastorePatch::default(),
        Err(_) => true,
    });
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let patch = match saved.with_untracked(|saved| draft.to_patch(saved)) {
            Ok(patch) => patch,
            Err(found) => {
                errors.0.set(found);
                focus_first_problem();
                return;
            }
        };
        saving.set(true);
        failure.set(None);
        spawn_local(async move {
            match service().datastore_patch(id, &patch).await {
                Ok(datastore) => {
                    toasts.tell("Saved.");
                    let _ = draft.password.try_set(String::new());
                    let _ = saved.try_set(datastore);
                    current.fetch.reload();
                }
                Err(error) => {
                    let error = Failure::from(error);
                    let _ = errors.0.try_set(error.errors.clone());
                    let _ = failure.try_set(Some(error));
                    focus_first_problem();
                }
            }
            let _ = saving.try_set(false);
        });
    };
    let test = move |_| {
        tested.set(Some(Tested::Running));
        spawn_local(async move {
            let result = match service().datastore_test(id).await {
                Ok(inspection) => Tested::Found(inspection),
                Err(error) => Tested::Failed(error.into()),
            };
            let _ = tested.try_set(Some(result));
            current.fetch.reload();
        });
    };
    view! {
        <div class="form-page">
            <div class="form">
                <Guard datastore=kept current />
                <form class="form" novalidate on:submit=submit>
                    <ConnectionFields draft errors has_password />
                    {move || failure.get().map(|failure| view! { <Problem failure /> })}
                    <div class="form-foot">
                        <button type="submit" class="button primary" title=lacks disabled=move || saving.get() || !changed.get() || lacks.with(Option::is_some)>"Save connection"</button>
                        <button type="button" class="button" title=no_test disabled=move || matches!(tested.get(), Some(Tested::Running)) || no_test.with(Option::is_some) on:click=test>
                            <Icon name="plug" />
                            "Test connection"
                        </button>
                        <Show when=move || changed.get()>
                            <span class="muted small">"Not saved yet. The test uses what is saved."</span>
                        </Show>
                    </div>
                </form>
                <section class="panel section danger-zone" aria-labelledby="section-delete">
                    <header>
                        <h2 id="section-delete">"Delete datastore"</h2>
                        <p>"Holdfast forgets this server. The server and its data are not touched."</p>
                    </header>
                    <div>
                        <button type="button" class="button danger" title=no_delete disabled=move || no_delete.with(Option::is_some) on:click=move |_| deleting.set(true)>
                            <Icon name="trash" />
                            "Delete datastore"
                        </button>
                    </div>
                </section>
            </div>
            <div class="stack beside">
                <TestResult tested />
                <Known current tested />
                <Grants engine=Signal::derive(move || engine) />
            </div>
        </div>
        {move || deleting.get().then(|| current.datastore.get_untracked()).flatten().map(|datastore| {
            view! { <DeleteDatastore datastore on_close=Callback::new(move |()| { let _ = deleting.try_set(false); }) /> }
        })}
    }
}

/// What the newest test found, until another is run from here.
#[component]
fn Known(current: CurrentDatastore, tested: RwSignal<Option<Tested>>) -> impl IntoView {
    let known = Memo::new(move |_| {
        current
            .datastore
            .with(|datastore| datastore.as_ref().map(|datastore| (datastore.inspected_at, datastore.findings.clone())))
    });
    move || {
        let (at, findings) = known.get().filter(|_| tested.with(Option::is_none))?;
        let at = at?;
        Some(view! {
            <section class="panel section" aria-labelledby="section-known">
                <header>
                    <h2 id="section-known">"Last test"</h2>
                    <p><Time at /></p>
                </header>
                <p class="strong">{summary(&findings)}</p>
                <Findings findings />
            </section>
        })
    }
}
