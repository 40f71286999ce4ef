//! What is there only under a condition. As that of Leptos, which is compiled anew for every place where it stands: this one
//! is compiled once.

use leptos::prelude::*;

#[component]
pub fn Show(
    #[prop(into)] when: Signal<bool>,
    children: ChildrenFn,
    /// What is there otherwise.
    #[prop(optional, into)]
    fallback: ViewFn,
) -> impl IntoView {
    // What is shown stays as it is until the answer is another one.
    let when = Memo::new(move |_| when.get());
    move || if when.get() { children() } else { fallback.run() }
}
