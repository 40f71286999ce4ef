//! An address that shows nothing.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::parts::empty::Empty;

#[component]
pub fn NotFoundPage() -> impl IntoView {
    view! {
        <Title text="Not found · Holdfast" />
        <h1 class="hidden-text">"Not found"</h1>
        <Empty icon="search" title="There is nothing at this address" text="It may have been deleted, or the link is not complete.">
            <a class="button primary" href="/">"All datastores"</a>
        </Empty>
    }
}
