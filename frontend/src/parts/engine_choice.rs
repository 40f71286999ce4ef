//! The choice of engine: a tile each.

use domain::Engine;
use leptos::prelude::*;

use super::engine_glyph::EngineGlyph;

#[component]
pub fn EngineChoice(engine: RwSignal<Engine>) -> impl IntoView {
    view! {
        <fieldset class="field">
            <legend class="hidden-text">"Engine"</legend>
            <div class="engines">
                {Engine::ALL
                    .iter()
                    .copied()
                    .map(|choice| {
                        view! {
                            <label class="engine">
                                <input
                                    type="radio"
                                    name="engine"
                                    value=choice.as_str()
                                    prop:checked=move || engine.get() == choice
                                    on:change=move |_| engine.set(choice)
                                />
                                <EngineGlyph engine=choice />
                                <span>
                                    <span class="strong">{choice.title()}</span>
                                    <span class="cell-sub">{choice.default_method().as_str()}</span>
                                </span>
                            </label>
                        }
                    })
                    .collect_view()}
            </div>
        </fieldset>
    }
}
