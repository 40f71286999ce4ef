//! The address of the page: what it says, how it changes without a reload, and which links do so.
//!
//! Own and small, since a page needs little of a router and a general one is a tenth of the app. `app` says which address
//! shows what; pages read the address and change it through `state::address`. Going back and forward restores the place on
//! the page as the browser does by itself.

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlAnchorElement, MouseEvent, UrlSearchParams};

/// Where another address than the one asked for is to be shown.
type Redirect = fn(&str) -> Option<String>;

/// What the address says.
#[derive(Clone, Copy)]
pub struct Router {
    /// Such as `/activity`; without a slash at the end.
    pub path: RwSignal<String>,
    /// Such as `?job=…`, or empty.
    search: RwSignal<String>,
    redirect: Redirect,
}

impl Router {
    /// Reads the address, and listens to the browser's "back" and "forward" and to clicks on links as long as the app
    /// runs.
    pub fn start(redirect: Redirect) -> Self {
        let router = Self { path: RwSignal::default(), search: RwSignal::default(), redirect };
        router.read();
        let _ = window_event_listener(ev::popstate, move |_| router.read());
        let _ = window_event_listener(ev::click, move |event| router.follow(&event));
        router
    }

    /// Shows another address, from its top.
    pub fn go(self, address: &str) {
        self.write(address, false);
        window().scroll_to_with_x_and_y(0.0, 0.0);
    }

    /// Shows another address in place of this one: the browser's "back" does not stop at it.
    pub fn replace(self, address: &str) {
        self.write(address, true);
    }

    /// The address as it is, without the service's own.
    pub fn here(self) -> String {
        let path = self.path.get_untracked();
        self.search.with_untracked(|search| format!("{path}{search}"))
    }

    /// What stands behind the address's `#`, which is taken away: it is a secret that neither history nor bookmarks should
    /// keep.
    pub fn take_fragment(self) -> Option<String> {
        let fragment = window().location().hash().ok()?;
        self.write(&self.here(), true);
        fragment.strip_prefix('#').filter(|fragment| !fragment.is_empty()).map(str::to_owned)
    }

    /// One parameter of the address.
    pub fn parameter(self, name: &str) -> Option<String> {
        self.search.with(|search| parameters(search)?.get(name))
    }

    /// One parameter of the address as it is now.
    pub fn parameter_untracked(self, name: &str) -> Option<String> {
        self.search.with_untracked(|search| parameters(search)?.get(name))
    }

    /// Changes one parameter of the address and keeps the rest; `None` takes it away. With `replace` the browser's "back"
    /// does not stop at the old address.
    pub fn set_parameter(self, name: &str, value: Option<&str>, replace: bool) {
        let Some(parameters) = self.search.with_untracked(|search| parameters(search)) else { return };
        match value {
            Some(value) if !value.is_empty() => parameters.set(name, value),
            _ => parameters.delete(name),
        }
        let search = String::from(parameters.to_string());
        let mark = if search.is_empty() { "" } else { "?" };
        self.write(&format!("{}{mark}{search}", self.path.get_untracked()), replace);
    }

    fn write(self, address: &str, replace: bool) {
        if let Ok(history) = window().history() {
            let address = Some(address);
            // Fails only for addresses of other services.
            let _ = if replace {
                history.replace_state_with_url(&JsValue::NULL, "", address)
            } else {
                history.push_state_with_url(&JsValue::NULL, "", address)
            };
        }
        self.read();
    }

    /// Takes over what the browser's address says.
    fn read(self) {
        let location = window().location();
        let path = location.pathname().unwrap_or_default();
        if let Some(other) = (self.redirect)(&path) {
            return self.write(&other, true);
        }
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        // What stays the same must not seem changed: pages would be drawn anew.
        if self.path.with_untracked(|old| old != path) {
            self.path.set(path.to_owned());
        }
        let search = location.search().unwrap_or_default();
        if self.search.with_untracked(|old| *old != search) {
            self.search.set(search);
        }
    }

    /// Shows what a clicked link leads to, where that is ours to show.
    fn follow(self, event: &MouseEvent) {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let link = target.and_then(|target| target.closest("a[href]").ok().flatten());
        let Some(link) = link.and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok()) else { return };
        if is_plain(event) && is_ours(&link) {
            event.prevent_default();
            self.go(&format!("{}{}", link.pathname(), link.search()));
        }
    }
}

/// The app's router.
pub fn router() -> Router {
    expect_context::<Router>()
}

/// Whether a click asks for the link here and now: not in another tab or window, not for its menu.
fn is_plain(event: &MouseEvent) -> bool {
    let modified = event.meta_key() || event.ctrl_key() || event.shift_key() || event.alt_key();
    event.button() == 0 && !modified && !event.default_prevented()
}

/// Whether a link leads to a page of the app. The browser follows all others, those to a place on this page too.
fn is_ours(link: &HtmlAnchorElement) -> bool {
    let elsewhere = !link.target().is_empty() || link.has_attribute("download") || !link.hash().is_empty();
    // The API answers with something else than pages.
    let elsewhere = elsewhere || link.pathname().starts_with("/api/");
    !elsewhere && window().location().origin().is_ok_and(|origin| origin == link.origin())
}

/// A text as part of an address.
pub fn encode(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}

fn parameters(search: &str) -> Option<UrlSearchParams> {
    UrlSearchParams::new_with_str(search).ok()
}
