//! What is wrong with the service as a whole, over every page as long as it is: it is away, anybody may do anything, or
//! others can listen.

use leptos::prelude::*;

use super::icon::Icon;
use super::show::Show;
use crate::state::live::live;
use crate::state::session::session;
use domain::access::AuthWarning;

#[component]
pub fn OfflineBanner() -> impl IntoView {
    let live = live();
    view! {
        <div role="status">
            <Show when=move || !live.connected.get()>
                <div class="banner">
                    <Icon name="power" />
                    <span>"Holdfast is not answering. What you see may be old; this page reconnects by itself."</span>
                </div>
            </Show>
        </div>
    }
}

/// What the service warns of.
#[component]
pub fn Warnings() -> impl IntoView {
    let session = session();
    let warnings = Memo::new(move |_| {
        session.options.with(|options| options.as_ref().map(|options| options.warnings.clone())).unwrap_or_default()
    });
    move || {
        let banner = |warning| {
            let (icon, text) = match warning {
                AuthWarning::Unclaimed => (
                    "lock",
                    "Nobody has set the administrator's password yet: everyone on this machine can do everything. Open the link that the service printed when it started.",
                ),
                AuthWarning::Unencrypted => (
                    "warning",
                    "This connection is not encrypted: others can read passwords on the way. Give the service a certificate, or declare the proxy that has one.",
                ),
            };
            view! { <div class="banner"><Icon name=icon /><span>{text}</span></div> }.into_any()
        };
        let warnings: Vec<_> = warnings.get().into_iter().map(banner).collect();
        (!warnings.is_empty()).then(|| view! { <section aria-label="Warnings">{warnings}</section> })
    }
}
