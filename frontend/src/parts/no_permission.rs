//! What stands on a page that is not for one's role.

use leptos::prelude::*;

use super::empty::Empty;

/// Says which role it takes; `reason` as the session gives it.
#[component]
pub fn NoPermission(reason: String) -> impl IntoView {
    let text = format!("{reason} Ask an administrator for it.");
    view! { <Empty icon="lock" title="This is not for your role" text /> }
}
