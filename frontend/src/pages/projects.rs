//! `/access/projects`: datastores that belong together, so that roles can be given for them alone.

use domain::access::{Project, ProjectDraft};
use domain::{Datastore, EventKind};
use leptos::prelude::*;

use crate::parts::ask::{Ask, act};
use crate::parts::empty::Empty;
use crate::parts::field::{FieldErrors, TextField};
use crate::parts::icon::Icon;
use crate::parts::loading::loading;
use crate::parts::menu::{Menu, MenuItem};
use crate::parts::table::{cell, row, table};
use crate::parts::time::Time;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::toasts::toasts;

type Shown = (Vec<Project>, Vec<Datastore>);

#[component]
pub fn ProjectsPage() -> impl IntoView {
    let live = live();
    let list = Fetch::new(
        move || {
            live.follow(&[EventKind::Datastore]);
            Some(())
        },
        |()| async {
            let query = client::ListQuery { limit: Some(200), ..Default::default() };
            let projects = service().project_list(&query).await?.items;
            Ok((projects, service().datastore_list(&query).await?.items))
        },
    );
    // A project whose name is asked for; none: a new one.
    let named = RwSignal::new(None::<Option<Project>>);
    let deleting = RwSignal::new(None::<Project>);
    view! {
        <div class="toolbar">
            <button type="button" class="button primary" on:click=move |_| named.set(Some(None))><Icon name="plus" />"Create project"</button>
        </div>
        {loading(list)}
        {move || list.data.get().map(|(projects, datastores)| {
            if projects.is_empty() {
                return view! { <Empty icon="folder" title="No project" text="Without projects every role is for all datastores. Create one, choose it in the settings of its datastores, and give roles for it alone." /> }.into_any();
            }
            let rows = projects.into_iter().map(|project| project_row(project, &datastores, named, deleting)).collect();
            table("Projects", &["Name", "Datastores", "Created", ".Actions"], rows)
        })}
        {move || named.get().map(|project| name(project, list, named))}
        {move || deleting.get().map(|project| delete(project, list, deleting))}
    }
}

fn project_row(
    project: Project,
    datastores: &[Datastore],
    named: RwSignal<Option<Option<Project>>>,
    deleting: RwSignal<Option<Project>>,
) -> AnyView {
    let own = datastores.iter().filter(|datastore| datastore.project_id == Some(project.id));
    let links = own.map(|datastore| {
        view! { <a class="listed" href=format!("/datastores/{}/settings", datastore.id)>{datastore.name.clone()}</a> }
    });
    let links = links.collect::<Vec<_>>();
    let datastores =
        if links.is_empty() { view! { <span class="muted">"None"</span> }.into_any() } else { links.into_any() };
    let kept = StoredValue::new(project.clone());
    let rename = Callback::new(move |()| named.set(Some(Some(kept.get_value()))));
    let delete = Callback::new(move |()| deleting.set(Some(kept.get_value())));
    let full = (project.datastores > 0).then(|| "It still has datastores.".to_owned());
    let created = project.created_at;
    row(vec![
        cell("Name", "lead strong", project.name.clone()),
        cell("Datastores", "", datastores),
        cell("Created", "", view! { <Time at=created /> }),
        cell(
            "",
            "actions corner",
            view! {
                <Menu name=format!("Actions for {}", project.name)>
                    <MenuItem icon="edit" name="Rename" on_choose=rename />
                    <MenuItem icon="trash" name="Delete" on_choose=delete danger=true reason=full.clone() />
                </Menu>
            },
        ),
    ])
}

fn name(project: Option<Project>, list: Fetch<Shown>, named: RwSignal<Option<Option<Project>>>) -> AnyView {
    let errors = FieldErrors::new();
    let id = project.as_ref().map(|project| project.id);
    let typed = RwSignal::new(project.map(|project| project.name).unwrap_or_default());
    let act = act(move || async move {
        let body = ProjectDraft { name: typed.get_untracked().trim().to_owned() };
        match id {
            Some(id) => service().project_patch(id, &body).await?,
            None => service().project_create(&body).await?,
        };
        list.reload();
        Ok(())
    });
    let body = view! { <TextField label="Name" pointer="/name" value=typed errors /> }.into_any();
    let ready = Signal::derive(move || !typed.with(|name| name.trim().is_empty()));
    let (title, verb) = if id.is_some() { ("Rename project", "Rename") } else { ("Create project", "Create project") };
    let on_close = move |()| {
        let _ = named.try_set(None);
    };
    view! { <Ask title body verb ready errors first="/name" act on_close /> }.into_any()
}

fn delete(project: Project, list: Fetch<Shown>, deleting: RwSignal<Option<Project>>) -> AnyView {
    let toasts = toasts();
    let (id, name) = (project.id, project.name);
    let told = StoredValue::new(format!("{name} was deleted."));
    let act = act(move || async move {
        service().project_delete(id).await?;
        toasts.tell(told.get_value());
        list.reload();
        Ok(())
    });
    let body = view! { <p>"Roles that were given for it go with it."</p> }.into_any();
    let on_close = move |()| {
        let _ = deleting.try_set(None);
    };
    view! { <Ask title=format!("Delete {name}") body verb="Delete" danger=true act on_close /> }.into_any()
}
