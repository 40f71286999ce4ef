//! Says that the service is away, as long as it is.

use leptos::prelude::*;

use super::icon::Icon;
use super::show::Show;
use crate::state::live::live;

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
