//! The fields of a connection, for a new datastore as for one that is edited.

use domain::Engine;
use leptos::prelude::*;

use super::field::{FieldErrors, TextField};
use super::service_fields::ServiceFields;
use super::shared_place_fields::SharedPlaceFields;
use super::show::Show;
use crate::state::connection_draft::ConnectionDraft;

/// Where Debian's package of an engine keeps the data.
fn usual_directory(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgresql => "/var/lib/postgresql/15/main",
        Engine::Mysql | Engine::Mariadb => "/var/lib/mysql",
        Engine::Mssql => "/var/opt/mssql/data",
        Engine::Redis => "/var/lib/redis",
        Engine::Valkey => "/var/lib/valkey",
    }
}

#[component]
pub fn ConnectionFields(
    draft: ConnectionDraft,
    errors: FieldErrors,
    /// Whether a password is kept already.
    #[prop(optional)]
    has_password: bool,
) -> impl IntoView {
    let port = Signal::derive(move || draft.engine.get().default_port().to_string());
    let needs_shared_place = Memo::new(move |_| draft.engine.get().needs_shared_place());
    let directory = Signal::derive(move || usual_directory(draft.engine.get()).to_owned());
    let password_hint =
        if has_password { "Empty keeps the password that is saved." } else { "Kept encrypted; never shown again." };
    view! {
        <section class="panel section" aria-labelledby="section-address">
            <header>
                <h2 id="section-address">"Address"</h2>
                <p>"As the worker reaches the server."</p>
            </header>
            <div class="fields">
                <TextField label="Name" pointer="/name" value=draft.name errors placeholder="shop" hint="What people call it. Typed to confirm a restore." />
                <TextField label="Host" pointer="/host" value=draft.host errors class="two-thirds" placeholder="127.0.0.1" />
                <TextField label="Port" pointer="/port" value=draft.port errors class="third" kind="number" optional=true placeholder=port />
                <TextField label="User" pointer="/username" value=draft.username errors class="half" optional=true placeholder="holdfast" />
                <TextField label="Password" pointer="/password" value=draft.password errors class="half" kind="password" optional=true autocomplete="new-password" hint=password_hint />
            </div>
        </section>
        <Show when=move || needs_shared_place.get()>
            <SharedPlaceFields draft errors />
        </Show>
        <Show when=move || !needs_shared_place.get()>
            <section class="panel section" aria-labelledby="section-restore">
                <header>
                    <h2 id="section-restore">"For restores in place"</h2>
                    <p>"Where the data is, and how the server is stopped and started."</p>
                </header>
                <div class="fields">
                    <TextField label="Data directory" pointer="/data_directory" value=draft.data_directory errors optional=true placeholder=directory hint="Detected from the server when empty." />
                    <ServiceFields draft errors />
                </div>
            </section>
        </Show>
    }
}
