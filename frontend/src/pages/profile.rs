//! `/profile`: one's own password, second factor and sessions.

use domain::Page;
use domain::access::{Me, MeKind, PasswordChange, Session, TwoFactor, User, UserSource};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::PageHead;
use super::new_datastore::focus_first_problem;
use crate::parts::ask::{Ask, act};
use crate::parts::code_box::CodeBox;
use crate::parts::empty::Empty;
use crate::parts::field::{FieldErrors, TextField};
use crate::parts::grant_fields::role_title;
use crate::parts::icon::Icon;
use crate::parts::job_state::state;
use crate::parts::loading::loading;
use crate::parts::new_password::NewPassword;
use crate::parts::once::{Once, Secret};
use crate::parts::problem::Problem;
use crate::parts::qr_code::QrCodeImage;
use crate::parts::table::{cell, row, table};
use crate::parts::time::{Ago, Time};
use crate::state::failure::Failure;
use crate::state::fetch::Fetch;
use crate::state::service::service;
use crate::state::session::session;
use crate::state::toasts::toasts;

#[component]
pub fn ProfilePage() -> impl IntoView {
    let session = session();
    let user = Memo::new(move |_| session.me.with(|me| me.as_ref().and_then(user_of)));
    view! {
        <PageHead title="Profile" text="How you sign in, and where you are signed in." />
        {move || match user.get() {
            Some(user) => view! { <Profile user /> }.into_any(),
            None => view! {
                <Empty icon="user" title="Nobody is signed in" text="Set the administrator's password first: the service printed a link for it when it started." />
            }.into_any(),
        }}
    }
}

fn user_of(me: &Me) -> Option<User> {
    me.user.clone().filter(|_| me.kind == MeKind::User)
}

#[component]
fn Profile(user: User) -> impl IntoView {
    let own = user.source == UserSource::Password;
    let highest = user.grants.iter().map(|grant| grant.role).max().map(role_title);
    view! {
        <div class="form profile">
            <section class="panel section" aria-labelledby="profile-you">
                <h2 id="profile-you">"You"</h2>
                <dl class="facts">
                    <dt>"User name"</dt> <dd class="strong">{user.username}</dd>
                    <dt>"Role"</dt> <dd>{highest.unwrap_or("None")}</dd>
                    <dt>"Last sign-in"</dt> <dd>{user.last_sign_in_at.map(|at| view! { <Time at /> })}</dd>
                </dl>
                {(!own).then(|| view! { <p class="muted">"You sign in with your organisation's account: password and second factor are kept there."</p> })}
            </section>
            {own.then(|| view! { <PasswordForm /> <SecondFactor on=user.two_factor /> })}
            <Sessions />
        </div>
    }
}

#[component]
fn PasswordForm() -> impl IntoView {
    let toasts = toasts();
    let errors = FieldErrors::new();
    let current = RwSignal::new(String::new());
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let password = NewPassword::new("/new_password", errors);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if sending.get_untracked() {
            return;
        }
        if !password.judge() {
            return focus_first_problem();
        }
        sending.set(true);
        failure.set(None);
        let body = PasswordChange {
            current_password: domain::Secret::new(current.get_untracked()),
            new_password: domain::Secret::new(password.value.get_untracked()),
        };
        spawn_local(async move {
            match service().auth_password(&body).await {
                Ok(()) => {
                    toasts.tell("Your password is changed. All your other sessions have ended.");
                    let _ = current.try_set(String::new());
                    password.clear();
                }
                Err(error) => {
                    let error = Failure::from(error);
                    let _ = errors.0.try_set(error.errors.clone());
                    let _ = failure.try_set(Some(error));
                    focus_first_problem();
                }
            }
            let _ = sending.try_set(false);
        });
    };
    view! {
        <form class="panel section" novalidate on:submit=submit aria-labelledby="profile-password">
            <header>
                <h2 id="profile-password">"Password"</h2>
                <p>"Changing it ends all your other sessions."</p>
            </header>
            <div class="fields">
                <TextField label="Current password" pointer="/current_password" value=current errors kind="password" autocomplete="current-password" />
                {password.fields()}
            </div>
            {move || failure.get().map(|failure| view! { <Problem failure /> })}
            <div>
                <button type="submit" class="button primary" disabled=move || sending.get() || current.with(String::is_empty)>"Change password"</button>
            </div>
        </form>
    }
}

#[component]
fn SecondFactor(on: bool) -> impl IntoView {
    let session = session();
    let toasts = toasts();
    let setup = RwSignal::new(None::<TwoFactor>);
    let ending = RwSignal::new(false);
    let codes = RwSignal::new(None::<Secret>);
    let begin = move |_| {
        spawn_local(async move {
            match service().auth_two_factor().await {
                Ok(begun) => drop(setup.try_set(Some(begun))),
                Err(error) => toasts.fail(&error.into()),
            }
        });
    };
    // Only once the codes were read: the page is drawn anew with what is known of the user.
    Effect::new(move |before: Option<bool>| {
        let shown = codes.with(Option::is_some);
        if before == Some(true) && !shown {
            session.read();
        }
        shown
    });
    let confirm = move |begun: TwoFactor| {
        let errors = FieldErrors::new();
        let code = RwSignal::new(String::new());
        let act = act(move || async move {
            let confirmed = service().auth_two_factor_confirm(code.get_untracked().trim()).await?;
            codes.set(Some(Secret {
                title: "Recovery codes".to_owned(),
                text: "The second factor is on. Each of these codes signs you in once without the app: keep them where you find them when the phone is lost.".to_owned(),
                value: confirmed.recovery_codes.iter().map(domain::Secret::expose).collect::<Vec<_>>().join("\n"),
                label: "recovery codes",
            }));
            Ok(())
        });
        let body = view! {
            <p>"Scan this with an authenticator app, or type the secret there. Then enter the code that the app shows."</p>
            <div class="factor">
                <QrCodeImage text=begun.otpauth_uri.expose().to_owned() label="QR code of the secret" />
                <CodeBox text=begun.secret.expose().to_owned() label="secret" />
            </div>
            <TextField label="Code" pointer="/code" value=code errors autocomplete="one-time-code" hint="Six digits." />
        }
        .into_any();
        let ready = Signal::derive(move || !code.with(|code| code.trim().is_empty()));
        let on_close = move |()| {
            let _ = setup.try_set(None);
        };
        view! { <Ask title="Set up a second factor" body verb="Turn on" ready errors first="/code" act on_close /> }
    };
    let end = move || {
        let errors = FieldErrors::new();
        let password = RwSignal::new(String::new());
        let act = act(move || async move {
            service().auth_two_factor_disable(&password.get_untracked()).await?;
            toasts.tell("The second factor is off.");
            session.read();
            Ok(())
        });
        let body = view! {
            <p>"From then on your password alone signs you in. The recovery codes stop working."</p>
            <TextField label="Your password" pointer="/password" value=password errors kind="password" autocomplete="current-password" />
        }
        .into_any();
        let on_close = move |()| {
            let _ = ending.try_set(false);
        };
        view! { <Ask title="Turn off the second factor" body verb="Turn off" danger=true errors first="/password" act on_close /> }
    };
    view! {
        <section class="panel section" aria-labelledby="profile-factor">
            <header>
                <h2 id="profile-factor">"Second factor"</h2>
                <p>"A code from an app on your phone, asked besides the password: a stolen password alone is then worth nothing."</p>
            </header>
            <div class="row wrap">
                {if on { state("ok", "done", "On") } else { state("warn", "warning", "Off") }}
                {if on {
                    view! { <button type="button" class="button" on:click=move |_| ending.set(true)>"Turn off"</button> }.into_any()
                } else {
                    view! { <button type="button" class="button" on:click=begin>"Set up"</button> }.into_any()
                }}
            </div>
        </section>
        {move || setup.get().map(confirm)}
        {move || ending.get().then(end)}
        <Once secret=codes />
    }
}

#[component]
fn Sessions() -> impl IntoView {
    let toasts = toasts();
    let list = Fetch::new(|| Some(()), |()| async { service().auth_session_list().await });
    let end = Callback::new(move |id| {
        spawn_local(async move {
            match service().auth_session_delete(id).await {
                Ok(()) => toasts.tell("The session was ended."),
                Err(error) => toasts.fail(&error.into()),
            }
            list.reload();
        });
    });
    view! {
        <section class="stack" aria-labelledby="profile-sessions">
            <h2 id="profile-sessions">"Sessions"</h2>
            {loading(list)}
            {move || list.data.get().map(|list| sessions(list, end))}
        </section>
    }
}

fn sessions(list: Page<Session>, end: Callback<uuid::Uuid>) -> AnyView {
    let rows = list.items.into_iter().map(|one| {
        let id = one.id;
        let agent = one.user_agent.as_deref().map_or("Unknown program", program);
        let title = one.user_agent.clone();
        let label = format!("End the session of {agent}, last used {}", crate::state::clock::write_utc(one.last_used_at));
        let (used, since) = (one.last_used_at, one.created_at);
        row(vec![
            cell("Program", "lead", view! { <span class="strong" title=title>{agent}</span> }),
            cell("From", "", one.from_address.unwrap_or_else(|| "–".to_owned())),
            cell("Signed in", "", view! { <Time at=since /> }),
            cell("Last used", "", view! { <Ago at=used /> }),
            cell("", "actions foot wide", if one.current {
                view! { <span class="state ok"><Icon name="done" />"This one"</span> }.into_any()
            } else {
                view! { <button type="button" class="button small" aria-label=label on:click=move |_| end.run(id)>"End"</button> }.into_any()
            }),
        ])
    });
    table("Sessions", &["Program", "From", "Signed in", "Last used", ".Action"], rows.collect())
}

/// The browser that a user agent names; what it does not name is told whole.
fn program(agent: &str) -> &str {
    // Those that pretend to be others come first.
    const KNOWN: [(&str, &str); 6] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    KNOWN.iter().find(|(mark, _)| agent.contains(mark)).map_or(agent, |(_, name)| name)
}
