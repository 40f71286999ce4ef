//! `/access`: the users, their roles, and the links by which they set a password.

use chrono::{DateTime, Utc};
use domain::access::{Grant, Project, User, UserCreate, UserPatch, UserSource, UserStatus};
use leptos::prelude::*;

use crate::parts::ask::{Act, Ask, act};
use crate::parts::empty::Empty;
use crate::parts::field::{FieldErrors, TextField};
use crate::parts::grant_fields::{GrantFields, LEAST, grant_text, projects};
use crate::parts::icon::Icon;
use crate::parts::job_state::state;
use crate::parts::loading::loading;
use crate::parts::menu::{Menu, MenuItem};
use crate::parts::once::{Once, Secret};
use crate::parts::table::{cell, row, table};
use crate::parts::time::time_or_dash;
use crate::state::clock::write_local;
use crate::state::fetch::Fetch;
use crate::state::service::service;
use crate::state::session::{SETUP, session};
use crate::state::toasts::toasts;

/// What is asked about a user.
#[derive(Clone)]
enum Question {
    Add,
    Grants(User),
    Link(User),
    ResetFactor(User),
    Disable(User),
    Delete(User),
}

/// What the dialogs change.
#[derive(Clone, Copy)]
struct Page {
    list: Fetch<Vec<User>>,
    projects: Fetch<Vec<Project>>,
    asked: RwSignal<Option<Question>>,
    secret: RwSignal<Option<Secret>>,
}

#[component]
pub fn UsersPage() -> impl IntoView {
    let list = Fetch::new(
        || Some(()),
        |()| async {
            let query = client::ListQuery { limit: Some(200), ..Default::default() };
            Ok(service().user_list(&query).await?.items)
        },
    );
    let page = Page { list, projects: projects(), asked: RwSignal::new(None), secret: RwSignal::new(None) };
    let add = move |_| page.asked.set(Some(Question::Add));
    view! {
        <div class="toolbar">
            <button type="button" class="button primary" on:click=add><Icon name="plus" />"Add user"</button>
        </div>
        {loading(list)}
        {move || list.data.get().map(|users| {
            if users.is_empty() {
                return view! { <Empty icon="user" title="No user yet" text="Open the link that the service printed when it started: it sets the administrator's password." /> }.into_any();
            }
            let known = page.projects.data.get().unwrap_or_default();
            let rows = users.into_iter().map(|user| user_row(user, &known, page.asked)).collect();
            table("Users", &["User name", "State", "Roles", "Second factor", "Last sign-in", ".Actions"], rows)
        })}
        {move || page.asked.get().map(|question| ask(page, question))}
        <Once secret=page.secret />
    }
}

fn user_row(user: User, projects: &[Project], asked: RwSignal<Option<Question>>) -> AnyView {
    let myself = session().user_id() == Some(user.id);
    let roles = user.grants.iter().map(|grant| {
        let text = grant_text(grant.role, grant.project_id, projects);
        view! { <span class="listed">{text}</span> }
    });
    let by = match user.source {
        UserSource::Password => None,
        UserSource::Oidc => Some(view! { <span class="cell-sub">"Signs in with the organisation"</span> }),
    };
    let factor = match (user.source, user.two_factor) {
        (UserSource::Oidc, _) => view! { <span class="muted">"–"</span> }.into_any(),
        (_, true) => state("ok", "done", "On"),
        (_, false) => state("idle", "cancelled", "Off"),
    };
    row(vec![
        cell(
            "User name",
            "lead",
            view! {
                <span class="strong">{user.username.clone()}</span>
                {myself.then(|| view! { " " <span class="tag">"you"</span> })}
                {by}
            },
        ),
        cell("State", "", user_state(user.status)),
        cell("Roles", "", roles.collect_view()),
        cell("Second factor", "", factor),
        cell("Last sign-in", "", time_or_dash(user.last_sign_in_at)),
        cell("", "actions corner", actions(user, myself, asked)),
    ])
}

fn user_state(status: UserStatus) -> AnyView {
    match status {
        UserStatus::Invited => state("idle", "waiting", "Invited"),
        UserStatus::Active => state("ok", "done", "Active"),
        UserStatus::Disabled => state("bad", "cancelled", "Disabled"),
    }
}

fn actions(user: User, myself: bool, asked: RwSignal<Option<Question>>) -> AnyView {
    let kept = StoredValue::new(user.clone());
    let ask =
        move |question: fn(User) -> Question| Callback::new(move |()| asked.set(Some(question(kept.get_value()))));
    let own = myself.then(|| "This is you.".to_owned());
    let by_password = user.source == UserSource::Password;
    let no_link = (!by_password).then(|| "Signs in with the organisation.".to_owned());
    let no_factor = (!user.two_factor).then(|| "There is none.".to_owned());
    let disabled = user.status == UserStatus::Disabled;
    view! {
        <Menu name=format!("Actions for {}", user.username)>
            <MenuItem icon="edit" name="Change roles" on_choose=ask(Question::Grants) />
            <MenuItem icon="key" name="New link" on_choose=ask(Question::Link) reason=no_link.clone() />
            <MenuItem icon="lock" name="Reset second factor" on_choose=ask(Question::ResetFactor) reason=no_factor.clone() />
            <hr role="separator" />
            <MenuItem icon=if disabled { "resume" } else { "pause" } name=if disabled { "Enable" } else { "Disable" } on_choose=ask(Question::Disable) reason=own.clone() />
            <MenuItem icon="trash" name="Delete" on_choose=ask(Question::Delete) danger=true reason=own.clone() />
        </Menu>
    }
    .into_any()
}

/// The one-time link of a token, shown once.
fn link(username: &str, token: &str, until: DateTime<Utc>) -> Secret {
    let origin = window().location().origin().unwrap_or_default();
    Secret {
        title: format!("Link for {username}"),
        text: format!("Send it to {username}: it sets the password, once, until {}.", write_local(until)),
        value: format!("{origin}{SETUP}#{token}"),
        label: "link",
    }
}

/// What a dialog says and does.
struct Dialog {
    title: String,
    body: AnyView,
    verb: &'static str,
    danger: bool,
    ready: Signal<bool>,
    errors: FieldErrors,
    first: &'static str,
    act: Act,
}

impl Dialog {
    fn new(title: String, body: AnyView, verb: &'static str, act: Act) -> Self {
        let ready = Signal::stored(true);
        Self { title, body, verb, danger: false, ready, errors: FieldErrors::new(), first: "", act }
    }
}

fn ask(page: Page, question: Question) -> AnyView {
    let Dialog { title, body, verb, danger, ready, errors, first, act } = match question {
        Question::Add => add(page),
        Question::Grants(user) => change_grants(page, user),
        Question::Link(user) => new_link(page, user),
        Question::ResetFactor(user) => reset_factor(page, user),
        Question::Disable(user) => disable(page, user),
        Question::Delete(user) => delete(page, user),
    };
    let on_close = move |()| {
        let _ = page.asked.try_set(None);
    };
    view! { <Ask title body verb danger ready errors first act on_close /> }.into_any()
}

fn add(page: Page) -> Dialog {
    let errors = FieldErrors::new();
    let username = RwSignal::new(String::new());
    let grants = RwSignal::new(vec![LEAST]);
    let act = act(move || async move {
        let body = UserCreate { username: username.get_untracked().trim().to_owned(), grants: grants.get_untracked() };
        let made = service().user_create(&body).await?;
        page.list.reload();
        page.secret.set(Some(link(&made.user.username, made.setup_link_token.expose(), made.expires_at)));
        Ok(())
    });
    let body = view! {
        <p>"You get a link for them, with which they set their own password."</p>
        <TextField label="User name" pointer="/username" value=username errors />
        <GrantFields grants projects=page.projects />
    }
    .into_any();
    let ready = Signal::derive(move || !username.with(|name| name.trim().is_empty()));
    Dialog { ready, errors, first: "/username", ..Dialog::new("Add user".to_owned(), body, "Add user", act) }
}

fn patch(page: Page, id: uuid::Uuid, told: String, body: impl Fn() -> UserPatch + Send + Sync + Copy + 'static) -> Act {
    let toasts = toasts();
    let session = session();
    let told = StoredValue::new(told);
    act(move || async move {
        service().user_patch(id, &body()).await?;
        toasts.tell(told.get_value());
        page.list.reload();
        // It may be oneself.
        session.read();
        Ok(())
    })
}

fn change_grants(page: Page, user: User) -> Dialog {
    let grants: RwSignal<Vec<Grant>> = RwSignal::new(user.grants.clone());
    let act = patch(page, user.id, format!("The roles of {} are changed.", user.username), move || UserPatch {
        grants: Some(grants.get_untracked()),
        ..UserPatch::default()
    });
    let body = view! { <GrantFields grants projects=page.projects /> }.into_any();
    Dialog::new(format!("Roles of {}", user.username), body, "Save", act)
}

fn new_link(page: Page, user: User) -> Dialog {
    let (id, name) = (user.id, StoredValue::new(user.username.clone()));
    let act = act(move || async move {
        let made = service().user_setup_link(id).await?;
        page.list.reload();
        page.secret.set(Some(name.with_value(|name| link(name, made.setup_link_token.expose(), made.expires_at))));
        Ok(())
    });
    let body = view! {
        <p>"Makes a link with which " <b>{user.username.clone()}</b> " sets a new password. Links made before stop working; the old password works until then."</p>
    }
    .into_any();
    Dialog::new(format!("New link for {}", user.username), body, "Make link", act)
}

fn reset_factor(page: Page, user: User) -> Dialog {
    let act = patch(page, user.id, format!("The second factor of {} is off.", user.username), || UserPatch {
        reset_two_factor: Some(true),
        ..UserPatch::default()
    });
    let body = view! {
        <p>"For somebody who lost phone and recovery codes: the password alone signs in until a new factor is set up. Make sure that it is " <b>{user.username.clone()}</b> " who asks."</p>
    }
    .into_any();
    Dialog { danger: true, ..Dialog::new("Reset second factor".to_owned(), body, "Reset", act) }
}

fn disable(page: Page, user: User) -> Dialog {
    let off = user.status != UserStatus::Disabled;
    let name = user.username.clone();
    let told = if off { format!("{name} can't sign in any more.") } else { format!("{name} can sign in again.") };
    let act = patch(page, user.id, told, move || UserPatch { disabled: Some(off), ..UserPatch::default() });
    let (verb, text) = if off {
        (
            "Disable",
            "All sessions and tokens of the user stop working. What was done under the name stays in the audit log.",
        )
    } else {
        ("Enable", "The user signs in as before.")
    };
    let body = view! { <p>{text}</p> }.into_any();
    Dialog { danger: off, ..Dialog::new(format!("{verb} {name}"), body, verb, act) }
}

fn delete(page: Page, user: User) -> Dialog {
    let toasts = toasts();
    let (id, name) = (user.id, StoredValue::new(user.username.clone()));
    let act = act(move || async move {
        service().user_delete(id).await?;
        toasts.tell(format!("{} was deleted.", name.get_value()));
        page.list.reload();
        Ok(())
    });
    let body = view! {
        <p>"Sessions and tokens of the user end. What was done under the name stays in the audit log. To keep somebody out for a while, disable them instead."</p>
    }
    .into_any();
    Dialog { danger: true, ..Dialog::new(format!("Delete {}", user.username), body, "Delete", act) }
}
