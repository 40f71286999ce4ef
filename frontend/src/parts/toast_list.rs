//! The short messages at the bottom of the window.

use leptos::prelude::*;

use super::icon::Icon;
use crate::state::toasts::{Toast, toasts};

fn message(toast: Toast) -> impl IntoView {
    let toasts = toasts();
    let (id, bad) = (toast.id, toast.bad);
    let icon = if bad { "failed" } else { "done" };
    view! {
        <div class="toast" class:bad=bad>
            <Icon name=icon />
            <div class="grow">
                <p class="strong">{toast.text}</p>
                {toast.detail.map(|detail| view! { <p>{detail}</p> })}
                {toast
                    .request_id
                    .map(|id| {
                        view! {
                            <details>
                                <summary class="small">"Details"</summary>
                                <p class="small">"Request id " <code>{id}</code></p>
                            </details>
                        }
                    })}
            </div>
            <button type="button" class="icon-button" aria-label="Close message" on:click=move |_| toasts.close(id)>
                <Icon name="close" />
            </button>
        </div>
    }
}

#[component]
pub fn ToastList() -> impl IntoView {
    let toasts = toasts();
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || toasts.shown.get() key=|toast| toast.id children=message />
        </div>
    }
}
