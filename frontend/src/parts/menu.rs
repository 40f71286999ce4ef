//! The menu of a row or of a button: a popover beside its own button, worked by mouse, arrow keys and Escape.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent};

use super::icon::Icon;

/// A menu behind a "…" button. `name` is the button's accessible name.
#[component]
pub fn Menu(
    #[prop(into)] name: String,
    #[prop(default = "more")] icon: &'static str,
    /// A word beside the icon.
    #[prop(optional, into)]
    label: Option<String>,
    children: ChildrenFn,
) -> impl IntoView {
    let button = NodeRef::<html::Button>::new();
    let popover = NodeRef::<html::Div>::new();
    let open = RwSignal::new(false);
    let class = if label.is_some() { "button plain labelled" } else { "icon-button framed" };
    let id = format!("menu-{}", uuid::Uuid::new_v4().simple());
    let toggled = move |_| {
        let Some(menu) = popover.get_untracked() else { return };
        let shown = menu.matches(":popover-open").unwrap_or(false);
        open.set(shown);
        if shown {
            if let Some(button) = button.get_untracked() {
                place(&button, &menu);
            }
            focus_item(&menu, 0);
        }
    };
    let pressed = move |event: KeyboardEvent| {
        let Some(menu) = popover.get_untracked() else { return };
        let step = match event.key().as_str() {
            "ArrowDown" => 1,
            "ArrowUp" => -1,
            _ => return,
        };
        event.prevent_default();
        let items = items(&menu);
        let focused = document().active_element();
        let at = items.iter().position(|item| focused.as_ref() == Some(item.unchecked_ref())).unwrap_or(0);
        let count = i32::try_from(items.len()).unwrap_or(1).max(1);
        let next = (i32::try_from(at).unwrap_or(0) + step).rem_euclid(count);
        focus_item(&menu, usize::try_from(next).unwrap_or(0));
    };
    // Whatever was chosen, the menu goes and the button has the focus before the entry acts: a dialog that it opens
    // remembers the button and gives the focus back there.
    let chosen = move |_| {
        if let Some(button) = button.get_untracked() {
            let _ = button.focus();
        }
        if let Some(menu) = popover.get_untracked() {
            let _ = menu.hide_popover();
        }
    };
    view! {
        <button
            node_ref=button
            type="button"
            class=class
            aria-label=name.clone()
            aria-haspopup="menu"
            aria-expanded=move || open.get().to_string()
            popovertarget=id.clone()
        >
            <Icon name=icon />
            {label.map(|label| view! { <span>{label}</span> })}
        </button>
        <div node_ref=popover id=id class="menu" role="menu" aria-label=name popover="auto" on:toggle=toggled on:keydown=pressed on:click:capture=chosen>
            {move || children()}
        </div>
    }
}

/// One entry. With a reason it is off and says why.
#[component]
pub fn MenuItem(
    icon: &'static str,
    #[prop(into)] name: String,
    #[prop(into)] on_choose: Callback<()>,
    #[prop(optional)] danger: bool,
    #[prop(optional_no_strip)] reason: Option<String>,
) -> impl IntoView {
    let (off, description, label) = (reason.is_some(), reason.clone(), name.clone());
    view! {
        <button
            type="button"
            role="menuitem"
            tabindex="-1"
            class:danger=danger
            aria-label=label
            aria-description=description
            disabled=off
            on:click=move |_| on_choose.run(())
        >
            <Icon name=icon />
            <span>
                {name}
                {reason.map(|reason| view! { <span class="reason">{reason}</span> })}
            </span>
        </button>
    }
}

fn items(menu: &HtmlElement) -> Vec<HtmlElement> {
    let Ok(found) = menu.query_selector_all("[role=menuitem]:not(:disabled)") else { return Vec::new() };
    (0..found.length()).filter_map(|at| found.get(at)?.dyn_into().ok()).collect()
}

fn focus_item(menu: &HtmlElement, at: usize) {
    if let Some(item) = items(menu).get(at) {
        let _ = item.focus();
    }
}

/// Puts the menu under its button, its right edge at the button's, or above where there is no room.
fn place(button: &HtmlElement, menu: &HtmlElement) {
    let (anchor, own) = (button.get_bounding_client_rect(), menu.get_bounding_client_rect());
    let height = document().document_element().map_or(0.0, |root| f64::from(root.client_height()));
    let below = anchor.bottom() + 6.0;
    let top = if below + own.height() > height { (anchor.top() - own.height() - 6.0).max(8.0) } else { below };
    let left = (anchor.right() - own.width()).max(8.0);
    let style = menu.style();
    let _ = style.set_property("top", &format!("{top}px"));
    let _ = style.set_property("left", &format!("{left}px"));
}
