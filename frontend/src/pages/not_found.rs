//! An address that shows nothing.

use leptos::prelude::*;

use crate::parts::empty::Empty;
use crate::state::title::use_title;

#[component]
pub fn NotFoundPage() -> impl IntoView {
    use_title(|| "Not found".to_owned());
    view! {
        <h1 class="hidden-text">"Not found"</h1>
        <Empty icon="search" title="There is nothing at this address" text="It may have been deleted, or the link is not complete.">
            <a class="button primary" href="/">"All datastores"</a>
        </Empty>
    }
}
