//! The choice of engine: a tile each. Engines that this version can't back up yet are shown, off, and say so.

use domain::{Engine, Method};
use leptos::prelude::*;

use super::engine_glyph::EngineGlyph;

/// How this version backs up an engine; `None` where it can't yet.
pub fn way_of_backup(engine: Engine) -> Option<&'static str> {
    engine.default_method().map(Method::as_str)
}

#[component]
pub fn EngineChoice(engine: RwSignal<Engine>) -> impl IntoView {
    let (mut engines, later): (Vec<_>, Vec<_>) =
        Engine::ALL.iter().partition(|engine| way_of_backup(**engine).is_some());
    engines.extend(later);
    view! {
        <fieldset class="field">
            <legend class="hidden-text">"Engine"</legend>
            <div class="engines">
                {engines
                    .into_iter()
                    .map(|choice| {
                        let way = way_of_backup(choice);
                        view! {
                            <label class="engine">
                                <input
                                    type="radio"
                                    name="engine"
                                    value=choice.as_str()
                                    disabled=way.is_none()
                                    prop:checked=move || engine.get() == choice
                                    on:change=move |_| engine.set(choice)
                                />
                                <EngineGlyph engine=choice />
                                <span>
                                    <span class="strong">{choice.title()}</span>
                                    <span class="cell-sub">{way.unwrap_or("in a later version")}</span>
                                </span>
                            </label>
                        }
                    })
                    .collect_view()}
            </div>
        </fieldset>
    }
}
