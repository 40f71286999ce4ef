//! The way to the service: the one that served this page.

use client::Client;

/// A client of the service that served this page.
pub fn service() -> Client {
    let origin = web_sys::window().and_then(|window| window.location().origin().ok()).unwrap_or_default();
    Client::new(origin).on_unauthenticated(super::session::lost)
}
