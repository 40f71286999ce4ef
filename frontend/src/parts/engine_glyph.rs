//! The mark of an engine: a simple glyph of our own.

use domain::Engine;
use leptos::prelude::*;

#[component]
pub fn EngineGlyph(engine: Engine, #[prop(optional)] large: bool) -> impl IntoView {
    view! {
        <span class="glyph" class:large=large title=engine.title()>
            <svg class="icon" aria-hidden="true">
                <use_ href=format!("#e-{engine}") />
            </svg>
        </span>
    }
}
