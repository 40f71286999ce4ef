//! Roles as people give them: which, for what, and what they may do.

use domain::access::{Grant, Project, Role};
use leptos::prelude::*;
use uuid::Uuid;

use super::icon::Icon;
use crate::state::fetch::Fetch;
use crate::state::service::service;

/// What a role may do, in a sentence.
pub const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Sees datastores, backups and logs. Changes nothing.",
        Role::Operator => "Also backs up, verifies, schedules, and restores to a new datastore.",
        Role::Administrator => "Also restores over live data, deletes, changes settings, and approves.",
    }
}

pub const fn role_title(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer",
        Role::Operator => "Operator",
        Role::Administrator => "Administrator",
    }
}

/// The projects that roles can be given for. Who may not see them gives roles for everything alone.
pub fn projects() -> Fetch<Vec<Project>> {
    Fetch::new(
        || Some(()),
        |()| async {
            let query = client::ListQuery { limit: Some(200), ..Default::default() };
            Ok(service().project_list(&query).await?.items)
        },
    )
}

/// `Operator for all datastores`, `Viewer in Shop`.
pub fn grant_text(role: Role, project: Option<Uuid>, projects: &[Project]) -> String {
    let role = role_title(role);
    match project {
        None => format!("{role} of everything"),
        Some(id) => match projects.iter().find(|project| project.id == id) {
            Some(project) => format!("{role} in {}", project.name),
            None => format!("{role} in a project"),
        },
    }
}

/// A role and what it is for, side by side; `number` tells several apart.
pub fn grant_choice(
    number: usize,
    grant: Signal<Grant>,
    on_change: Callback<Grant>,
    projects: Fetch<Vec<Project>>,
) -> AnyView {
    let roles = Role::ALL.iter().map(|&role| {
        view! { <option value=role.as_str() selected=move || grant.get().role == role>{role_title(role)}</option> }
    });
    let scopes = move || {
        let known = projects.data.get().unwrap_or_default();
        let options = known.into_iter().map(|project| {
            let id = project.id;
            view! { <option value=id.to_string() selected=move || grant.get().project_id == Some(id)>{format!("Project {}", project.name)}</option> }
        });
        options.collect_view()
    };
    view! {
        <div class="field half">
            <label for=format!("role-{number}")>"Role"</label>
            <select
                id=format!("role-{number}")
                aria-describedby=format!("role-{number}-hint")
                on:change=move |event| if let Ok(role) = event_target_value(&event).parse() {
                    on_change.run(Grant { role, ..grant.get_untracked() });
                }
            >
                {roles.collect_view()}
            </select>
        </div>
        <div class="field half">
            <label for=format!("scope-{number}")>"For"</label>
            <select
                id=format!("scope-{number}")
                on:change=move |event| on_change.run(Grant { project_id: event_target_value(&event).parse().ok(), ..grant.get_untracked() })
            >
                <option value="" selected=move || grant.get().project_id.is_none()>"Everything"</option>
                {scopes}
            </select>
        </div>
        <p class="field hint" id=format!("role-{number}-hint")>{move || role_text(grant.get().role)}</p>
    }
    .into_any()
}

/// The roles of one user: some, each for everything or for a project.
#[component]
pub fn GrantFields(grants: RwSignal<Vec<Grant>>, projects: Fetch<Vec<Project>>) -> impl IntoView {
    let count = Memo::new(move |_| grants.with(Vec::len));
    let fields = move |at: usize| {
        let grant = Signal::derive(move || grants.with(|grants| grants.get(at).copied()).unwrap_or(LEAST));
        let change = Callback::new(move |grant| {
            grants.update(|grants| {
                if let Some(old) = grants.get_mut(at) {
                    *old = grant;
                }
            });
        });
        let remove = move |_| {
            grants.update(|grants| {
                grants.remove(at);
            });
        };
        view! {
            <fieldset class="grant">
                <legend class="hidden-text">{format!("Role {}", at + 1)}</legend>
                <div class="fields">{grant_choice(at, grant, change, projects)}</div>
                <button type="button" class="icon-button" aria-label=format!("Remove role {}", at + 1) title="Remove" disabled=move || count.get() < 2 on:click=remove>
                    <Icon name="close" />
                </button>
            </fieldset>
        }
        .into_any()
    };
    view! {
        {move || (0..count.get()).map(fields).collect_view()}
        <div>
            <button type="button" class="button small" on:click=move |_| grants.update(|grants| grants.push(LEAST))>
                <Icon name="plus" />
                "Another role"
            </button>
        </div>
    }
}

/// What a new role is until it is chosen.
pub const LEAST: Grant = Grant { role: Role::Viewer, project_id: None };
