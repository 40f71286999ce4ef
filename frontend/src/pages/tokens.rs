//! `/access/tokens`: the credentials of programs.

use domain::access::{Grant, Permission, Project, Token, TokenCreate, TokenKind};
use leptos::prelude::*;

use crate::parts::ask::{Ask, act};
use crate::parts::empty::Empty;
use crate::parts::field::{FieldErrors, TextField};
use crate::parts::grant_fields::{LEAST, grant_choice, grant_text, projects};
use crate::parts::icon::Icon;
use crate::parts::loading::loading;
use crate::parts::once::{Once, Secret};
use crate::parts::segmented::Segmented;
use crate::parts::show::Show;
use crate::parts::table::{cell, row, table};
use crate::parts::time::{Ago, Time};
use crate::state::clock::clock;
use crate::state::fetch::Fetch;
use crate::state::service::service;
use crate::state::session::session;
use crate::state::toasts::toasts;

const PROGRAM: &str = "A program";
const WORKER: &str = "A worker";

#[component]
pub fn TokensPage() -> impl IntoView {
    let list = Fetch::new(
        || Some(()),
        |()| async {
            let query = client::ListQuery { limit: Some(200), ..Default::default() };
            Ok(service().token_list(&query).await?.items)
        },
    );
    let projects = projects();
    let adding = RwSignal::new(false);
    let revoking = RwSignal::new(None::<Token>);
    let secret = RwSignal::new(None::<Secret>);
    view! {
        <div class="toolbar">
            <button type="button" class="button primary" on:click=move |_| adding.set(true)><Icon name="plus" />"Create token"</button>
        </div>
        {loading(list)}
        {move || list.data.get().map(|tokens| {
            if tokens.is_empty() {
                return view! { <Empty icon="key" title="No token" text="A token lets a program use the API in your name, with a role that you choose. Workers on other machines need one of their own kind." /> }.into_any();
            }
            let known = projects.data.get().unwrap_or_default();
            let rows = tokens.into_iter().map(|token| token_row(token, &known, revoking)).collect();
            table("Tokens", &["Name", "May", "Created", "Last used", "Expires", ".Action"], rows)
        })}
        {move || adding.get().then(|| add(list, projects, secret, adding))}
        {move || revoking.get().map(|token| revoke(token, list, revoking))}
        <Once secret />
    }
}

fn token_row(token: Token, projects: &[Project], revoking: RwSignal<Option<Token>>) -> AnyView {
    let clock = clock();
    let may = match (token.kind, token.role) {
        (TokenKind::Worker, _) => "Take and report jobs".to_owned(),
        (_, Some(role)) => grant_text(role, token.project_id, projects),
        (_, None) => "–".to_owned(),
    };
    let expires = match token.expires_at {
        None => view! { <span class="muted">"Never"</span> }.into_any(),
        Some(at) => view! {
            <span class:bad=move || at < clock.now.get()><Time at /></span>
            {move || (at < clock.now.get()).then(|| view! { <span class="cell-sub"><span class="state bad"><Icon name="warning" />"Expired"</span></span> })}
        }
        .into_any(),
    };
    let label = format!("Revoke {}", token.name);
    let by = view! { <span class="cell-sub">"by " {token.created_by.clone()}</span> };
    let created = token.created_at;
    row(vec![
        cell("Name", "lead strong", token.name.clone()),
        cell("May", "", may),
        cell("Created", "", view! { <Time at=created /> {by} }),
        cell(
            "Last used",
            "",
            match token.last_used_at {
                Some(at) => view! { <Ago at /> }.into_any(),
                None => view! { <span class="muted">"Never"</span> }.into_any(),
            },
        ),
        cell("Expires", "", expires),
        cell(
            "",
            "actions foot wide",
            view! {
                <button type="button" class="button small danger" aria-label=label on:click=move |_| revoking.set(Some(token.clone()))>"Revoke"</button>
            },
        ),
    ])
}

fn add(
    list: Fetch<Vec<Token>>,
    projects: Fetch<Vec<Project>>,
    secret: RwSignal<Option<Secret>>,
    adding: RwSignal<bool>,
) -> AnyView {
    let session = session();
    let errors = FieldErrors::new();
    let name = RwSignal::new(String::new());
    let kind = RwSignal::new(PROGRAM);
    let grant = RwSignal::new(LEAST);
    let days = RwSignal::new("90".to_owned());
    let act = act(move || async move {
        let is_worker = kind.get_untracked() == WORKER;
        let Grant { role, project_id } = grant.get_untracked();
        let body = TokenCreate {
            name: name.get_untracked().trim().to_owned(),
            kind: if is_worker { TokenKind::Worker } else { TokenKind::Api },
            role: (!is_worker).then_some(role),
            project_id: project_id.filter(|_| !is_worker),
            expires_in_days: days.get_untracked().parse().ok(),
        };
        let made = service().token_create(&body).await?;
        list.reload();
        secret.set(Some(Secret {
            title: format!("Token {}", made.token.name),
            text: if is_worker {
                "Write it to a file that only the worker's user can read, and name the file with --token-file."
                    .to_owned()
            } else {
                "The program sends it with each request, in the header Authorization: Bearer.".to_owned()
            },
            value: made.secret.expose().to_owned(),
            label: "token",
        }));
        Ok(())
    });
    let may_make_workers = session.lacks(Permission::UserList, None).is_none();
    let spans = [("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "Never")];
    let spans = spans.map(|(value, text)| {
        view! { <option value=value selected=move || days.with(|days| days == value)>{text}</option> }
    });
    let choice = move || grant_choice(0, grant.into(), Callback::new(move |changed| grant.set(changed)), projects);
    let body = view! {
        {may_make_workers.then(|| view! {
            <fieldset class="field">
                <legend>"It is for"</legend>
                <Segmented name="token-kind" options=vec![PROGRAM, WORKER] chosen=kind on_choose=move |chosen| kind.set(chosen) />
            </fieldset>
        })}
        <TextField label="Name" pointer="/name" value=name errors hint="What or where the program is." />
        <Show when=move || kind.get() == PROGRAM fallback=|| view! { <p class="muted">"It may take jobs and report on them, and nothing else."</p> }>
            <div class="fields">{choice()}</div>
        </Show>
        <div class="field">
            <label for="token-expiry">"Expires"</label>
            <select id="token-expiry" on:change=move |event| days.set(event_target_value(&event))>{spans.into_iter().collect_view()}</select>
        </div>
    }
    .into_any();
    let ready = Signal::derive(move || !name.with(|name| name.trim().is_empty()));
    let on_close = move |()| {
        let _ = adding.try_set(false);
    };
    view! { <Ask title="Create token" body verb="Create token" ready errors first="/name" act on_close /> }.into_any()
}

fn revoke(token: Token, list: Fetch<Vec<Token>>, revoking: RwSignal<Option<Token>>) -> AnyView {
    let toasts = toasts();
    let (id, name) = (token.id, token.name);
    let told = StoredValue::new(format!("{name} was revoked."));
    let act = act(move || async move {
        service().token_delete(id).await?;
        toasts.tell(told.get_value());
        list.reload();
        Ok(())
    });
    let body =
        view! { <p>"What uses it is refused from now on. This can't be taken back; a new token can be made."</p> }
            .into_any();
    let on_close = move |()| {
        let _ = revoking.try_set(None);
    };
    view! { <Ask title=format!("Revoke {name}") body verb="Revoke" danger=true act on_close /> }.into_any()
}
