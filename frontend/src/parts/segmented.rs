//! One of a few, side by side: the browser's own radio buttons, so that arrow keys choose.

use leptos::prelude::*;

#[component]
pub fn Segmented(
    /// Shared by the radio buttons that belong together.
    name: &'static str,
    options: Vec<&'static str>,
    #[prop(into)] chosen: Signal<&'static str>,
    #[prop(into)] on_choose: Callback<&'static str>,
) -> impl IntoView {
    let options = options.into_iter().map(|option| {
        view! {
            <label>
                <input type="radio" name=name prop:checked=move || chosen.get() == option on:change=move |_| on_choose.run(option) />
                {option}
            </label>
        }
    });
    view! { <div class="segmented">{options.collect_view()}</div> }
}
