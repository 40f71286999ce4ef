//! `/sign-in`: user name and password, then the second factor where there is one, or the organisation's own sign-in.

use chrono::{DateTime, TimeDelta, Utc};
use domain::access::Login;
use domain::{ErrorCode, Secret, format};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::parts::field::{FieldErrors, TextField, focus_field};
use crate::parts::icon::Icon;
use crate::parts::problem::Problem;
use crate::parts::show::Show;
use crate::router::{encode, router};
use crate::state::clock::clock;
use crate::state::failure::Failure;
use crate::state::service::service;
use crate::state::session::{RETURN_TO, session};
use crate::state::title::use_title;

#[component]
pub fn SignInPage() -> impl IntoView {
    use_title(|| "Sign in".to_owned());
    let session = session();
    let clock = clock();
    let router = router();
    let (username, password, code) =
        (RwSignal::<String>::default(), RwSignal::<String>::default(), RwSignal::<String>::default());
    let errors = FieldErrors::new();
    let wants_code = RwSignal::new(false);
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let wait_until = RwSignal::new(None::<DateTime<Utc>>);
    let waits = Memo::new(move |_| {
        let left = (wait_until.get()? - clock.second.get()).num_milliseconds();
        (left > 0).then(|| left.div_euclid(1000) + 1)
    });
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if sending.get_untracked() || waits.get_untracked().is_some() {
            return;
        }
        sending.set(true);
        failure.set(None);
        let code = Some(code.get_untracked().trim().to_owned()).filter(|code| !code.is_empty()).map(Secret::new);
        let body = Login { username: username.get_untracked(), password: Secret::new(password.get_untracked()), code };
        spawn_local(async move {
            match service().auth_login(&body).await {
                Ok(me) => return session.entered(me),
                Err(error) => {
                    let error = Failure::from(error);
                    let field = match error.code {
                        Some(ErrorCode::SecondFactorRequired) => "/code",
                        _ if body.code.is_some() => "/code",
                        _ => "/password",
                    };
                    let wait = error.wait_seconds.and_then(|wait| TimeDelta::try_seconds(i64::try_from(wait).ok()?));
                    if error.code == Some(ErrorCode::SecondFactorRequired) {
                        let _ = wants_code.try_set(true);
                    } else if let Some(wait) = wait {
                        let _ = wait_until.try_set(Some(Utc::now() + wait));
                    } else {
                        let _ = failure.try_set(Some(error));
                    }
                    focus_field(field);
                }
            }
            let _ = sending.try_set(false);
        });
    };
    // Named by the way back from the organisation's sign-in; only words of the registry are shown.
    let refused = router.parameter_untracked("error").map(|code| {
        code.parse::<ErrorCode>()
            .map_or(("The sign-in was refused", "Try it again."), |code| (code.title(), code.help()))
    });
    let oidc = Memo::new(move |_| session.options.with(|options| options.as_ref()?.oidc.clone()));
    let start = move || {
        let back = router.parameter(RETURN_TO).unwrap_or_else(|| "/".to_owned());
        format!("/api/v1/auth/oidc/start?{RETURN_TO}={}", encode(&back))
    };
    focus_field("/username");
    view! {
        <form class="panel section sign-in" novalidate on:submit=submit aria-labelledby="sign-in">
            <h1 id="sign-in">"Sign in"</h1>
            {refused.map(|(title, help)| view! {
                <div class="note bad" role="alert">
                    <Icon name="failed" />
                    <div class="grow"><h3>{title}</h3><p>{help}</p></div>
                </div>
            })}
            <TextField label="User name" pointer="/username" value=username errors autocomplete="username" />
            <TextField label="Password" pointer="/password" value=password errors kind="password" autocomplete="current-password" />
            <Show when=move || wants_code.get()>
                <TextField label="Code" pointer="/code" value=code errors autocomplete="one-time-code" hint="The six digits that your authenticator app shows now, or one of your recovery codes." />
            </Show>
            {move || failure.get().map(|failure| view! { <Problem failure /> })}
            <div role="status">
                {move || waits.get().map(|seconds| view! {
                    <div class="note warn">
                        <Icon name="waiting" />
                        <p class="grow">
                            "Too many attempts. Try again in " <span class="number nowrap">{format::duration(seconds as f64)}</span> "."
                        </p>
                    </div>
                })}
            </div>
            <button type="submit" class="button primary" disabled=move || sending.get() || waits.get().is_some()>"Sign in"</button>
            {move || oidc.get().map(|oidc| view! { <a class="button" href=start>"Sign in with " {oidc.name}</a> })}
        </form>
    }
}
