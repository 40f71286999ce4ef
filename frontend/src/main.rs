//! The web app of Holdfast: Leptos, rendered in the browser, speaking to the service through the crate `client`.
//!
//! `state` holds what several parts share (live changes, the clock, loading), `parts` the pieces that pages are made of,
//! `pages` one module per address. The app keeps nothing of its own but the choice of time zone: what it shows is read from
//! the service, and read again when the event stream says that it changed.

mod app;
mod pages;
mod parts;
mod router;
mod state;

fn main() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(app::App);
}
