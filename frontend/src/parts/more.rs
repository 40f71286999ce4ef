//! The foot of a list: how much of it is shown, and a button for more.

use leptos::prelude::*;

#[component]
pub fn More(
    shown: usize,
    total: i64,
    more: bool,
    /// What is listed: `backups`.
    what: &'static str,
    pages: RwSignal<u32>,
) -> impl IntoView {
    (more || shown > 10).then(|| {
        view! {
            <p class="footnote">
                <span>{format!("{shown} of {total} {what}")}</span>
                {more
                    .then(|| {
                        view! {
                            <button type="button" class="button small" on:click=move |_| pages.update(|pages| *pages += 1)>
                                "Show more"
                            </button>
                        }
                    })}
            </p>
        }
    })
}
