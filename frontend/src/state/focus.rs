//! Where the keyboard was: what opens over the page gives the focus back when it goes.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// Remembers what has the focus now, and gives it back when the calling component is taken away. The browser does so only
/// for dialogs that are closed before they are taken out of the page.
pub fn give_focus_back() {
    let opener = document().active_element().and_then(|element| element.dyn_into::<HtmlElement>().ok());
    let opener = StoredValue::new_local(opener);
    on_cleanup(move || {
        if let Some(opener) = opener.try_update_value(Option::take).flatten() {
            request_animation_frame(move || {
                let _ = opener.focus();
            });
        }
    });
}
