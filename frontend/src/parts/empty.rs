//! Nothing there yet: what this is, and one thing to do.

use leptos::prelude::*;

use super::icon::Icon;

#[component]
pub fn Empty(icon: &'static str, title: &'static str, #[prop(into)] text: String, children: Children) -> impl IntoView {
    view! {
        <div class="panel empty">
            <span class="glyph"><Icon name=icon /></span>
            <h2>{title}</h2>
            <p>{text}</p>
            <div class="row">{children()}</div>
        </div>
    }
}
