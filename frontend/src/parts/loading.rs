//! What stands where something is loaded: the error with a way to try again, or its outline once that takes long.

use leptos::prelude::*;

use super::problem::Problem;
use super::show::Show;
use super::skeleton::SkeletonRows;
use crate::state::fetch::Fetch;

/// The state of loading, apart from what is loaded: compiled once for all.
#[component]
fn State(
    failure: RwSignal<Option<crate::state::failure::Failure>>,
    slow: RwSignal<bool>,
    there: Signal<bool>,
    retry: Callback<()>,
) -> impl IntoView {
    view! {
        {move || failure.get().map(|failure| view! { <Problem failure retry /> })}
        <Show when=move || slow.get() && !there.get()>
            <SkeletonRows />
        </Show>
    }
}

/// How loading goes.
pub fn loading<T: Clone + PartialEq + Send + Sync + 'static>(fetch: Fetch<T>) -> AnyView {
    let there = Signal::derive(move || fetch.data.with(Option::is_some));
    let retry = Callback::new(move |()| fetch.reload());
    view! { <State failure=fetch.failure slow=fetch.slow there retry /> }.into_any()
}
