//! A modal dialog on the browser's own `<dialog>`: focus stays inside, Escape closes, the opener gets the focus back.

use leptos::html;
use leptos::prelude::*;

use super::icon::Icon;
use crate::state::focus::give_focus_back;

/// Shown as long as it is mounted; `on_close` must take it away.
#[component]
pub fn Dialog(#[prop(into)] title: String, #[prop(into)] on_close: Callback<()>, children: Children) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    give_focus_back();
    let title_id = format!("dialog-{}", uuid::Uuid::new_v4().simple());
    Effect::new(move |_| {
        // An element that is not in the page yet can't be shown: the node is set once it is.
        if let Some(dialog) = node.get()
            && !dialog.open()
        {
            let _ = dialog.show_modal();
        }
    });
    let close = move || {
        if let Some(dialog) = node.get_untracked() {
            dialog.close();
        }
    };
    view! {
        <dialog node_ref=node aria-labelledby=title_id.clone() on:close=move |_| on_close.run(())>
            <header class="dialog-head">
                <h2 id=title_id.clone()>{title}</h2>
                <button type="button" class="icon-button" aria-label="Close" on:click=move |_| close()>
                    <Icon name="close" />
                </button>
            </header>
            {children()}
        </dialog>
    }
}
