//! One icon of the sprite in `index.html`. It never stands alone: a word or an accessible name is beside it.

use leptos::prelude::*;

#[component]
pub fn Icon(
    /// The symbol's id without `i-`.
    name: &'static str,
    #[prop(optional)] class: &'static str,
) -> impl IntoView {
    view! {
        <svg class=format!("icon {class}") aria-hidden="true">
            <use_ href=format!("#i-{name}") />
        </svg>
    }
}
