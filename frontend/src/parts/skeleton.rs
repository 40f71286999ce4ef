//! The outline of what is being loaded, shown only when loading takes long enough to notice.

use leptos::prelude::*;

/// Rows of a table.
#[component]
pub fn SkeletonRows(#[prop(default = 4)] rows: usize) -> impl IntoView {
    view! {
        <div class="panel skeleton" role="status" aria-label="Loading">
            {(0..rows)
                .map(|_| {
                    view! { <div class="skeleton-row"><i></i><i></i><i></i><i></i><i></i><i></i></div> }
                })
                .collect_view()}
        </div>
    }
}

/// Lines of text.
#[component]
pub fn SkeletonLines(#[prop(default = 3)] lines: usize) -> impl IntoView {
    view! {
        <div class="skeleton" role="status" aria-label="Loading">
            {(0..lines).map(|_| view! { <div class="skeleton-line"><i></i></div> }).collect_view()}
        </div>
    }
}
