//! `/datastores/new`: registers a database server, on one page.

use domain::Inspection;
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;
use wasm_bindgen::JsCast;

use super::PageHead;
use crate::parts::connection_fields::ConnectionFields;
use crate::parts::engine_choice::EngineChoice;
use crate::parts::field::FieldErrors;
use crate::parts::findings::{Findings, summary};
use crate::parts::grant_fields::projects;
use crate::parts::grants::Grants;
use crate::parts::icon::Icon;
use crate::parts::problem::Problem;
use crate::parts::project_choice::ProjectChoice;
use crate::router::router;
use crate::state::connection_draft::ConnectionDraft;
use crate::state::failure::Failure;
use crate::state::service::service;
use crate::state::session::session;
use crate::state::toasts::toasts;

/// What came of a test.
#[derive(Clone)]
pub enum Tested {
    Running,
    Found(Inspection),
    Failed(Failure),
}

#[component]
pub fn NewDatastorePage() -> impl IntoView {
    let router = router();
    let toasts = toasts();
    let draft = ConnectionDraft::new();
    let errors = FieldErrors::new();
    let failure = RwSignal::new(None::<Failure>);
    let saving = RwSignal::new(false);
    let tested = RwSignal::new(None::<Tested>);

    let test = move |_| {
        // The name does not matter for a test; it may still be empty.
        let named = draft.name.with_untracked(|name| name.trim().is_empty());
        let body = match draft.to_create() {
            Ok(body) => body,
            Err(found) if named => {
                let found: Vec<_> = found.into_iter().filter(|error| error.pointer != "/name").collect();
                if !found.is_empty() {
                    errors.0.set(found);
                    return;
                }
                draft.name.set("untitled".into());
                let body = draft.to_create();
                draft.name.set(String::new());
                let Ok(body) = body else { return };
                body
            }
            Err(found) => {
                errors.0.set(found);
                return;
            }
        };
        tested.set(Some(Tested::Running));
        spawn_local(async move {
            let result = match service().datastore_test_draft(&body).await {
                Ok(inspection) => Tested::Found(inspection),
                Err(error) => {
                    let failure = Failure::from(error);
                    errors.0.set(failure.errors.clone());
                    Tested::Failed(failure)
                }
            };
            let _ = tested.try_set(Some(result));
        });
    };
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let body = match draft.to_create() {
            Ok(body) => body,
            Err(found) => {
                errors.0.set(found);
                focus_first_problem();
                return;
            }
        };
        saving.set(true);
        failure.set(None);
        spawn_local(async move {
            match service().datastore_create(&body).await {
                Ok(datastore) => {
                    toasts.tell(format!("{} was added.", datastore.name));
                    router.go(&format!("/datastores/{}/backups", datastore.id));
                }
                Err(error) => {
                    let error = Failure::from(error);
                    let _ = errors.0.try_set(error.errors.clone());
                    let _ = failure.try_set(Some(error));
                    let _ = saving.try_set(false);
                    focus_first_problem();
                }
            }
        });
    };
    view! {
        <PageHead title="Add datastore" text="A database server that Holdfast shall back up. Nothing on it is changed." />
        <div class="form-page">
            <form class="form" novalidate on:submit=submit>
                <section class="panel section" aria-labelledby="section-engine">
                    <h2 id="section-engine">"Engine"</h2>
                    <EngineChoice engine=draft.engine />
                </section>
                <ConnectionFields draft errors />
                <ProjectField project=draft.project />
                {move || failure.get().map(|failure| view! { <Problem failure /> })}
                <div class="form-foot">
                    <button type="submit" class="button primary" disabled=saving>
                        {move || if saving.get() { "Saving…" } else { "Save" }}
                    </button>
                    <button type="button" class="button" disabled=move || matches!(tested.get(), Some(Tested::Running)) on:click=test>
                        <Icon name="plug" />
                        "Test connection"
                    </button>
                    <a class="button plain" href="/">"Back to all datastores"</a>
                </div>
            </form>
            <div class="stack beside">
                <TestResult tested />
                <Grants engine=Signal::derive(move || draft.engine.get()) />
            </div>
        </div>
    }
}

/// The project, where there are any. Who is administrator of projects alone chooses among those.
#[component]
fn ProjectField(project: RwSignal<Option<Uuid>>) -> impl IntoView {
    let (projects, own) = (projects(), StoredValue::new(session().own_projects()));
    project.set(own.with_value(|own| own.first().copied()));
    let any = Memo::new(move |_| projects.data.with(|known| known.as_ref().is_some_and(|known| !known.is_empty())));
    move || {
        any.get().then(|| {
            let choose = Callback::new(move |chosen| project.set(chosen));
            view! {
                <section class="panel section">
                    <ProjectChoice projects chosen=project only=own.get_value() on_choose=choose />
                </section>
            }
        })
    }
}

/// What a test found, as soon as it has.
#[component]
pub fn TestResult(tested: RwSignal<Option<Tested>>) -> impl IntoView {
    let body = move |tested: Tested| match tested {
        Tested::Running => view! {
            <p class="state busy"><Icon name="running" class="spinner" />"A worker is connecting to the server…"</p>
        }
        .into_any(),
        Tested::Failed(failure) => view! { <Problem failure /> }.into_any(),
        Tested::Found(inspection) => {
            let refusal = inspection.refusal.clone();
            let version = inspection.engine_version.clone();
            view! {
                <p class="strong">{summary(&inspection.findings)}</p>
                {version.map(|version| view! { <p class="small muted">"Version " {version}</p> })}
                {refusal.map(|refusal| view! { <p class="state bad"><Icon name="failed" />{refusal.code.title()}</p> <p>{refusal.detail}</p> })}
                <Findings findings=inspection.findings />
            }
            .into_any()
        }
    };
    view! {
        <div role="status" aria-live="polite">
            {move || tested.get().map(|tested| view! {
                <section class="panel section" aria-label="Test of the connection">
                    <h2>"Test of the connection"</h2>
                    {body(tested)}
                </section>
            })}
        </div>
    }
}

/// Puts the focus on the first field that something is said against.
pub fn focus_first_problem() {
    request_animation_frame(|| {
        if let Ok(Some(field)) = document().query_selector("[aria-invalid=true]")
            && let Some(field) = field.dyn_ref::<web_sys::HtmlElement>()
        {
            let _ = field.focus();
        }
    });
}
