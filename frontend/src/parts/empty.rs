//! Nothing there yet: what this is, and one thing to do, unless the page's head offers it already.

use leptos::prelude::*;

use super::icon::Icon;

#[component]
pub fn Empty(
    icon: &'static str,
    title: &'static str,
    #[prop(into)] text: String,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="panel empty">
            <span class="glyph"><Icon name=icon /></span>
            <h2>{title}</h2>
            <p>{text}</p>
            {children.map(|children| view! { <div class="row">{children()}</div> })}
        </div>
    }
}
