//! An error as people see it: what happened and why, what to do, a way to try again, and the request id for whoever reads
//! the log.

use leptos::prelude::*;

use super::icon::Icon;
use crate::state::failure::Failure;

/// The details of a failure that only a log's reader wants.
fn details(failure: &Failure) -> Option<AnyView> {
    let (code, request) = (failure.code, failure.request_id.clone());
    (code.is_some() || request.is_some()).then(|| {
        view! {
            <details>
                <summary class="small">"Details"</summary>
                <dl class="facts small">
                    {code.map(|code| view! { <dt>"Code"</dt> <dd><code>{code.as_str()}</code></dd> })}
                    {request.map(|id| view! { <dt>"Request id"</dt> <dd><code>{id}</code></dd> })}
                </dl>
            </details>
        }
        .into_any()
    })
}

#[component]
pub fn Problem(
    failure: Failure,
    /// Tries again; without it there is no button.
    #[prop(optional, into)]
    retry: Option<Callback<()>>,
) -> impl IntoView {
    let details = details(&failure);
    view! {
        <div class="note bad" role="alert">
            <Icon name="failed" />
            <div class="grow">
                <h3>{failure.title}</h3>
                <p>{failure.detail}</p>
                {failure.help.map(|help| view! { <p class="muted">{help}</p> })}
                {details}
            </div>
            {retry
                .map(|retry| {
                    view! { <button type="button" class="button small" on:click=move |_| retry.run(())>"Try again"</button> }
                })}
        </div>
    }
}
