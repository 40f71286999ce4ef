//! `/access` and `/audit`: the tabs that users, tokens, projects and the audit log share.

use domain::access::Permission;
use leptos::prelude::*;

use super::audit::AuditPage;
use super::projects::ProjectsPage;
use super::tokens::TokensPage;
use super::users::UsersPage;
use crate::parts::icon::Icon;
use crate::parts::no_permission::NoPermission;
use crate::router::router;
use crate::state::session::session;
use crate::state::title::use_title;

const TABS: [(&str, &str, &str); 4] = [
    ("/access", "user", "Users"),
    ("/access/tokens", "key", "Tokens"),
    ("/access/projects", "folder", "Projects"),
    ("/audit", "log", "Audit log"),
];

#[component]
pub fn AccessPage() -> impl IntoView {
    let session = session();
    let path = router().path;
    let here = Memo::new(move |_| {
        path.with(|path| TABS.iter().find(|(address, _, _)| address == path).copied())
            .unwrap_or(("/access", "user", "Users"))
    });
    use_title(move || here.get().2.to_owned());
    let tabs = TABS.map(|(address, icon, name)| {
        let current = move || (here.get().0 == address).then_some("page");
        view! { <a href=address aria-current=current><Icon name=icon />{name}</a> }.into_any()
    });
    let lacks = Memo::new(move |_| session.lacks(Permission::UserList, None));
    let page = move || match (here.get().0, lacks.get()) {
        // Everybody has tokens of their own.
        ("/access/tokens", _) => view! { <TokensPage /> }.into_any(),
        (_, Some(reason)) => view! { <NoPermission reason /> }.into_any(),
        ("/access/projects", _) => view! { <ProjectsPage /> }.into_any(),
        ("/audit", _) => view! { <AuditPage /> }.into_any(),
        _ => view! { <UsersPage /> }.into_any(),
    };
    view! {
        <div class="page-head">
            <div class="grow">
                <h1>{move || here.get().2}</h1>
                <p>{move || text(here.get().0)}</p>
            </div>
        </div>
        <nav class="tabs" aria-label="Access">{tabs.into_iter().collect_view()}</nav>
        {page}
    }
}

fn text(address: &str) -> &'static str {
    match address {
        "/access/tokens" => "Credentials of programs: the command line, scripts, workers on other machines.",
        "/access/projects" => "Datastores that belong together, so that roles can be given for them alone.",
        "/audit" => {
            "What people and programs did and what was refused. Nothing here can be changed; holdfast audit verify proves it."
        }
        _ => "Who may sign in, and what they may do.",
    }
}
