//! How the server is stopped and started, for a restore in place.

use domain::Engine;
use leptos::prelude::*;

use super::field::{ArgumentsField, FieldErrors, TextField};
use crate::state::connection_draft::{ConnectionDraft, ServiceKind};

const ONE_PER_LINE: &str = "One argument a line, the program first; no shell.";

fn words(kind: ServiceKind) -> (&'static str, &'static str) {
    match kind {
        ServiceKind::Systemd => ("systemd unit", "The worker runs systemctl stop and systemctl start."),
        ServiceKind::Command => ("Commands", "The worker runs your commands as its own user, without a shell."),
        ServiceKind::Process => ("Run by the worker", "The worker itself runs the server, as its own child."),
        ServiceKind::None => ("None", "Backups work. A restore in place is refused until this is set."),
    }
}

/// The unit of Debian's package of an engine.
fn usual_unit(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgresql => "postgresql@15-main.service",
        Engine::Mysql => "mysql.service",
        Engine::Mariadb => "mariadb.service",
        Engine::Mssql => "mssql-server.service",
        Engine::Redis => "redis-server.service",
        Engine::Valkey => "valkey-server.service",
    }
}

#[component]
pub fn ServiceFields(
    draft: ConnectionDraft,
    errors: FieldErrors,
    /// What it means to name no way.
    #[prop(default = words(ServiceKind::None).1)]
    without: &'static str,
) -> impl IntoView {
    let kind = draft.service_kind;
    let unit = Signal::derive(move || usual_unit(draft.engine.get()).to_owned());
    let mut kinds = vec![ServiceKind::Systemd, ServiceKind::Command];
    if kind.get_untracked() == ServiceKind::Process {
        kinds.push(ServiceKind::Process);
    }
    kinds.push(ServiceKind::None);
    view! {
        <fieldset class="field">
            <legend class="hidden-text">"How the server is stopped and started"</legend>
            <div class="choices">
                {kinds
                    .into_iter()
                    .map(|choice| {
                        view! {
                            <label class="choice">
                                <input
                                    type="radio"
                                    name="service"
                                    prop:checked=move || kind.get() == choice
                                    on:change=move |_| kind.set(choice)
                                />
                                {words(choice).0}
                            </label>
                        }
                    })
                    .collect_view()}
            </div>
            <p class="hint">
                {move || match kind.get() {
                    ServiceKind::None => without,
                    kind => words(kind).1,
                }}
            </p>
        </fieldset>
        {move || match kind.get() {
            ServiceKind::Systemd => view! {
                <TextField label="Unit" pointer="/service/unit" value=draft.unit errors class="half" placeholder=unit />
            }.into_any(),
            ServiceKind::Command => view! {
                <ArgumentsField label="Start" pointer="/service/start" value=draft.start errors placeholder="/usr/bin/pg_ctlcluster\n15\nmain\nstart" hint=ONE_PER_LINE />
                <ArgumentsField label="Stop" pointer="/service/stop" value=draft.stop errors placeholder="/usr/bin/pg_ctlcluster\n15\nmain\nstop" hint=ONE_PER_LINE />
                <ArgumentsField label="Status" pointer="/service/status" value=draft.status errors optional=true placeholder="" hint="Exits 0 when the server runs. Without it the worker watches the port." />
            }.into_any(),
            ServiceKind::Process => view! {
                <ArgumentsField label="Start" pointer="/service/start" value=draft.start errors placeholder="" hint=ONE_PER_LINE />
                <TextField label="System user" pointer="/service/user" value=draft.user errors class="half" optional=true hint="Whom the server runs as, where the worker is root." />
                <TextField label="Log file" pointer="/service/log_file" value=draft.log_file errors class="half" optional=true />
            }.into_any(),
            ServiceKind::None => ().into_any(),
        }}
    }
}
