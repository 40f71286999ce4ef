//! `/setup#TOKEN`: sets a password by a one-time link, and signs in.

use domain::Secret;
use domain::access::Setup;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::parts::empty::Empty;
use crate::parts::field::{FieldErrors, focus_field};
use crate::parts::new_password::NewPassword;
use crate::parts::problem::Problem;
use crate::router::router;
use crate::state::failure::Failure;
use crate::state::service::service;
use crate::state::session::session;
use crate::state::title::use_title;
use crate::state::toasts::toasts;

use super::new_datastore::focus_first_problem;

#[component]
pub fn SetupPage() -> impl IntoView {
    use_title(|| "Set your password".to_owned());
    match router().take_fragment() {
        Some(token) => view! { <Form token /> }.into_any(),
        None => view! {
            <h1 class="hidden-text">"Set your password"</h1>
            <Empty icon="key" title="This link is not complete" text="Open the whole link that you were given, up to its end. A link works once; an administrator can make a new one.">
                <a class="button" href="/">"Sign in"</a>
            </Empty>
        }
        .into_any(),
    }
}

#[component]
fn Form(token: String) -> impl IntoView {
    let session = session();
    let toasts = toasts();
    let errors = FieldErrors::new();
    let password = NewPassword::new("/password", errors);
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
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
        let body = Setup { token: Secret::new(token.clone()), password: Secret::new(password.value.get_untracked()) };
        spawn_local(async move {
            match service().auth_setup(&body).await {
                Ok(me) => {
                    toasts.tell("Your password is set, and you are signed in.");
                    session.entered(me);
                }
                Err(error) => {
                    let error = Failure::from(error);
                    let _ = errors.0.try_set(error.errors.clone());
                    let _ = failure.try_set(Some(error));
                    let _ = sending.try_set(false);
                    focus_first_problem();
                }
            }
        });
    };
    focus_field("/password");
    view! {
        <form class="panel section sign-in" novalidate on:submit=submit aria-labelledby="setup">
            <header>
                <h1 id="setup">"Set your password"</h1>
                <p>"The link works once. From then on you sign in with your user name and this password."</p>
            </header>
            {password.fields()}
            {move || failure.get().map(|failure| view! { <Problem failure /> })}
            <button type="submit" class="button primary" disabled=sending>"Set password and sign in"</button>
        </form>
    }
}
