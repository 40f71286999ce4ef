//! Text to be run somewhere else, with a button that copies it.

use std::time::Duration;

use leptos::prelude::*;

use super::icon::Icon;

/// Puts a text on the clipboard. Browsers allow it on https and on loopback addresses.
pub fn copy(text: &str) {
    if let Some(window) = web_sys::window() {
        // The promise only tells that it was written; the button says so at once.
        let _ = window.navigator().clipboard().write_text(text);
    }
}

#[component]
pub fn CopyButton(
    #[prop(into)] text: Signal<String>,
    /// What is copied: `statement`, `log`.
    label: &'static str,
) -> impl IntoView {
    let copied = RwSignal::new(false);
    let on_click = move |_| {
        copy(&text.get_untracked());
        copied.set(true);
        set_timeout(
            move || {
                let _ = copied.try_set(false);
            },
            Duration::from_secs(2),
        );
    };
    view! {
        <button type="button" class="icon-button" class:copied=copied aria-label=format!("Copy {label}") title=format!("Copy {label}") on:click=on_click>
            {move || if copied.get() { view! { <Icon name="check" /> }.into_any() } else { view! { <Icon name="copy" /> }.into_any() }}
        </button>
        <span class="hidden-text" role="status">
            {move || copied.get().then_some("Copied")}
        </span>
    }
}

#[component]
pub fn CodeBox(#[prop(into)] text: Signal<String>, label: &'static str) -> impl IntoView {
    view! {
        <div class="code">
            <pre>{move || text.get()}</pre>
            <CopyButton text label />
        </div>
    }
}
