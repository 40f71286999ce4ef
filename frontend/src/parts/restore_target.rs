//! Where a restore puts the data: over the datastore that the backup is of, beside its databases, or into a new one.

use client::PlanQuery;
use domain::{Backup, Datastore, ErrorCode, FieldError, Method, RestorePlan, RestoreTargetDraft, format};
use leptos::prelude::*;

use super::field::{FieldErrors, TextField};
use super::restore_databases::{CopiesDraft, CopiesFields};
use super::restore_plan::sources;
use super::restore_warning::harmless;
use super::segmented::Segmented;
use super::service_fields::ServiceFields;
use super::show::Show;
use crate::state::connection_draft::ConnectionDraft;
use crate::state::failure::Failure;

const THIS: &str = "Into this datastore";
const COPIES: &str = "Into new databases";
const NEW: &str = "Into a new datastore";
const NOT_STARTED: &str = "The data is put into the directory and checked; no server is started on it.";

/// Where it is to go, as far as that was said.
#[derive(Clone, Copy)]
pub struct TargetDraft {
    chosen: RwSignal<&'static str>,
    connection: ConnectionDraft,
    pub copies: CopiesDraft,
    worker: RwSignal<String>,
    pub errors: FieldErrors,
    source: StoredValue<Datastore>,
    method: Method,
}

impl TargetDraft {
    pub fn new(backup: &Backup, source: &Datastore) -> Self {
        Self {
            chosen: RwSignal::new(THIS),
            connection: ConnectionDraft::beside(source),
            copies: CopiesDraft::new(backup),
            worker: RwSignal::new(String::new()),
            errors: FieldErrors::new(),
            source: StoredValue::new(source.clone()),
            method: backup.method,
        }
    }

    /// Whether the data of this datastore is to be overwritten.
    pub fn is_in_place(self) -> bool {
        self.chosen.get() == THIS
    }

    /// Whether a datastore is to be made.
    pub fn is_new(self) -> bool {
        self.chosen.get() == NEW
    }

    /// Whether databases are to be made.
    pub fn is_copies(self) -> bool {
        self.chosen.get() == COPIES
    }

    /// What to ask for a plan; none while it is not clear which databases are to be restored.
    pub fn plan_query(self, query: PlanQuery) -> Option<PlanQuery> {
        // The plan of a restore in place tells what there is to choose from.
        if !self.is_copies() || !self.copies.is_offered() {
            return Some(query);
        }
        let new_databases = serde_json::to_string(&self.copies.complete()?).ok();
        Some(PlanQuery { new_databases, ..query })
    }

    /// The target of a request.
    ///
    /// # Errors
    /// The fields that the shared rules refuse.
    pub fn target(self) -> Result<RestoreTargetDraft, Vec<FieldError>> {
        match self.chosen.get_untracked() {
            THIS => return Ok(RestoreTargetDraft::InPlace),
            COPIES => return Ok(RestoreTargetDraft::NewDatabases { databases: untrack(|| self.copies.copies()) }),
            _ => {}
        }
        let worker = self.worker.get_untracked();
        let new = self.source.with_value(|source| self.connection.to_restored(source, self.method, &worker))?;
        Ok(RestoreTargetDraft::NewDatastore(Box::new(new)))
    }

    /// Shows at its field what the service says against the target.
    pub fn refuse(self, failure: &Failure) {
        let of_field = |error: &FieldError| {
            let pointer = error.pointer.strip_prefix("/target")?;
            Some(FieldError::new(pointer, error.detail.clone()))
        };
        let mut errors: Vec<FieldError> = failure.errors.iter().filter_map(of_field).collect();
        if failure.code == Some(ErrorCode::NameTaken) {
            errors.push(FieldError::new("/name", failure.detail.clone()));
        }
        let _ = self.errors.0.try_set(errors);
    }
}

/// The choice, and what is asked for where nothing is overwritten.
#[component]
pub fn TargetChoice(draft: TargetDraft) -> impl IntoView {
    let chosen = draft.chosen;
    let mut options = vec![THIS, NEW];
    if draft.method.restores_into_new_databases() {
        options.insert(1, COPIES);
    }
    view! {
        <div class="target-choice" role="group" aria-label="Where the data goes">
            <Segmented name="restore-target" options chosen on_choose=move |choice| chosen.set(choice) />
        </div>
        <Show when=move || draft.is_new()>
            <NewFields draft />
        </Show>
        <Show when=move || draft.is_copies()>
            <CopiesFields draft=draft.copies />
        </Show>
    }
}

#[component]
fn NewFields(draft: TargetDraft) -> impl IntoView {
    let TargetDraft { connection, worker, errors, source, method, .. } = draft;
    let through_server = method.restores_through_server();
    let needs_shared = source.with_value(|source| source.engine.needs_shared_place());
    let port = source.with_value(|source| source.engine.default_port().to_string());
    let (name, as_known) = source.with_value(|source| {
        let usual =
            source.worker.as_ref().map_or("any".to_owned(), |worker| format!("{worker}, as for {}", source.name));
        (source.name.clone(), usual)
    });
    let about_worker = format!("The name of the worker on that machine. Empty: {as_known}.");
    let about_password = format!("Empty: that of {name}, whose accounts the backup holds.");
    let about_shared = format!("Empty: the shared place of {name}.");
    let about_address =
        if through_server { "Where an empty server runs." } else { "Where the server will be reached." };
    view! {
        <fieldset class="fields target">
            <legend class="hidden-text">"The new datastore"</legend>
            <TextField label="Name" pointer="/name" value=connection.name errors class="half" placeholder=format!("{name}-copy") hint="What people will call it." />
            <TextField label="Worker" pointer="/worker" value=worker errors class="half" optional=true hint=about_worker />
            {(!through_server).then(|| view! {
                <TextField label="Data directory" pointer="/data_directory" value=connection.data_directory errors hint="An empty directory on the worker\u{2019}s machine; owner and mode stay as they are." />
            })}
            <TextField label="Host" pointer="/host" value=connection.host errors class="two-thirds" hint=about_address />
            <TextField label="Port" pointer="/port" value=connection.port errors class="third" kind="number" optional=true placeholder=port />
            <TextField label="User" pointer="/username" value=connection.username errors class="half" optional=true />
            <TextField label="Password" pointer="/password" value=connection.password errors class="half" kind="password" optional=true autocomplete="new-password" hint=about_password />
            {needs_shared.then(|| view! {
                <TextField label="Shared directory, as the server sees it" pointer="/shared_directory/server_path" value=connection.server_path errors class="half" optional=true hint=about_shared.clone() />
                <TextField label="Shared directory, as the worker sees it" pointer="/shared_directory/worker_path" value=connection.worker_path errors class="half" optional=true hint=about_shared />
            })}
            {(!through_server).then(|| view! { <ServiceFields draft=connection errors without=NOT_STARTED /> })}
        </fieldset>
    }
}

/// What is known of a restore into a new datastore before a worker looks at the place.
pub fn new_plan(plan: RestorePlan, method: Method) -> AnyView {
    let checked = if method.restores_through_server() {
        "Before anything is written the worker checks that the server there is empty and takes the backup."
    } else {
        "Before anything is written the worker checks that the directory is empty and has room. The data is started privately and checked before it is put there."
    };
    view! {
        <dl class="plan">
            {sources(&plan)}
            <dt>"Read from the storage"</dt> <dd>{format::bytes(plan.fetch_bytes)}</dd>
            <dt>"Unpacked"</dt> <dd>{format::bytes(plan.unpacked_bytes)}</dd>
        </dl>
        <p class="small muted">{checked}</p>
    }
    .into_any()
}

/// What will happen, in place of the warning: nothing is lost.
#[component]
pub fn NewTargetNote(
    draft: TargetDraft,
    number: i64,
    /// Up to where, as a phrase that goes on from the backup.
    #[prop(into)]
    until: Signal<String>,
) -> impl IntoView {
    let TargetDraft { connection, source, method, .. } = draft;
    let source = source.with_value(|source| source.name.clone());
    let or = |text: String, otherwise: &str| if text.trim().is_empty() { otherwise.to_owned() } else { text };
    let place = move || match method.restores_through_server() {
        true => "the empty server at its address".to_owned(),
        false => or(connection.data_directory.get(), "the directory that you name"),
    };
    let name = move || or(connection.name.get(), "a new datastore");
    let text = view! {
        "Backup " {number} {move || until.get()} " is put into " <b>{place}</b> " and registered as " <b>{name}</b>
        ". Nothing is overwritten: " <b>{source}</b> " runs on and keeps its data."
    };
    harmless("You are going to restore into a new datastore", text.into_any())
}
