//! The title of the window.

use leptos::prelude::*;

/// Names the window after what is shown: `Activity · Holdfast`.
pub fn use_title(title: impl Fn() -> String + 'static) {
    Effect::new(move |_| document().set_title(&format!("{} · Holdfast", title())));
}
