//! `/audit`: what was done and what was refused, narrowed down by what the address says.

use client::AuditQuery;
use domain::{Actor, ActorKind, AuditEvent, AuditOutcome, Datastore, Subject};
use leptos::prelude::*;

use crate::parts::empty::Empty;
use crate::parts::icon::Icon;
use crate::parts::job_state::state;
use crate::parts::loading::loading;
use crate::parts::more::More;
use crate::parts::table::{cell, row, table};
use crate::parts::time::Time;
use crate::state::address::{use_query, use_set_query};
use crate::state::clock::clock;
use crate::state::fetch::Fetch;
use crate::state::instant::{field_value, instants};
use crate::state::job_watch::phase_title;
use crate::state::pages_of::pages_of;
use crate::state::service::service;

#[component]
pub fn AuditPage() -> impl IntoView {
    let pages = RwSignal::new(1u32);
    let filters = FILTERS.map(use_query);
    let query = Memo::new(move |_| {
        let [actor, action, datastore, outcome, from, to] = filters.map(|filter| filter.get());
        // What the address says and no filter knows narrows nothing down.
        AuditQuery {
            actor,
            action,
            datastore_id: datastore.and_then(|id| id.parse().ok()),
            outcome: outcome.and_then(|outcome| outcome.parse().ok()),
            from: from.and_then(|at| at.parse().ok()),
            to: to.and_then(|at| at.parse().ok()),
            ..AuditQuery::default()
        }
    });
    let list = Fetch::new(
        move || Some((pages.get(), query.get())),
        |(pages, query)| {
            pages_of(pages, move |cursor| {
                let query = AuditQuery { cursor, ..query.clone() };
                async move { service().audit_event_list(&query).await }
            })
        },
    );
    let datastores = Fetch::new(
        || Some(()),
        |()| async {
            let query = client::ListQuery { limit: Some(200), ..Default::default() };
            Ok(service().datastore_list(&query).await?.items)
        },
    );
    view! {
        <Filters datastores=datastores.data />
        {loading(list)}
        <div class:stale=move || list.slow.get()>
            {move || list.data.get().map(|listed| {
                if listed.items.is_empty() {
                    return view! { <Empty icon="log" title="Nothing like that" text="No event fits the filters. The log begins with the first start of the service." /> }.into_any();
                }
                let known = datastores.data.get().unwrap_or_default();
                let shown = listed.items.len();
                let rows = listed.items.into_iter().map(|event| event_row(event, &known)).collect();
                view! {
                    {table("Audit log", &["Time", "Who", "What", "On", "From", "Outcome"], rows)}
                    <More shown total=listed.total more=listed.more what="events" pages />
                }.into_any()
            })}
        </div>
    }
}

/// The parameters of the address, which are those of the API.
const FILTERS: [&str; 6] = ["actor", "action", "datastore_id", "outcome", "from", "to"];

#[component]
fn Filters(datastores: RwSignal<Option<Vec<Datastore>>>) -> impl IntoView {
    let clock = clock();
    let set_query = use_set_query();
    let text = move |name: &'static str, label: &'static str, placeholder: &'static str| {
        let value = use_query(name);
        view! {
            <div class="field filter">
                <label for=name>{label}</label>
                <input id=name type="text" placeholder=placeholder prop:value=move || value.get().unwrap_or_default()
                    on:change=move |event| set_query(name, Some(event_target_value(&event).trim().to_owned()), true) />
            </div>
        }
        .into_any()
    };
    let time = move |name: &'static str, label: &'static str| {
        let value = use_query(name);
        let shown = move || {
            let at = value.get()?.parse::<chrono::DateTime<chrono::Utc>>().ok()?;
            Some(field_value(at, clock.utc.get()))
        };
        let change = move |event| {
            let at = instants(&event_target_value(&event), clock.utc.get_untracked());
            let at = at.and_then(|all| all.first().map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)));
            set_query(name, at, true);
        };
        view! {
            <div class="field filter">
                <label for=name>{label}</label>
                <input id=name type="datetime-local" step="1" prop:value=move || shown().unwrap_or_default() on:change=change />
            </div>
        }
        .into_any()
    };
    let choice = move |name: &'static str, label: &'static str, all: &'static str, options: AnyView| {
        let value = use_query(name);
        view! {
            <div class="field filter">
                <label for=name>{label}</label>
                <select id=name prop:value=move || value.get().unwrap_or_default() on:change=move |event| set_query(name, Some(event_target_value(&event)), true)>
                    <option value="" selected=move || value.get().is_none()>{all}</option>
                    {options}
                </select>
            </div>
        }
        .into_any()
    };
    let chosen = use_query("datastore_id");
    let options = move || {
        let known = datastores.get().unwrap_or_default().into_iter().map(|datastore| {
            let id = datastore.id.to_string();
            let value = id.clone();
            view! { <option value=value selected=move || chosen.get().as_ref() == Some(&id)>{datastore.name}</option> }
        });
        known.collect_view()
    };
    let outcome = use_query("outcome");
    let outcomes = AuditOutcome::ALL.iter().map(|&one| {
        let word = one.as_str();
        view! { <option value=word selected=move || outcome.get().as_deref() == Some(word)>{phase_title(word)}</option> }
    });
    let values = FILTERS.map(use_query);
    let export = move |format: &'static str| {
        move || {
            let set = FILTERS.iter().zip(values).filter_map(|(name, value)| Some((*name, value.get()?)));
            let query: String = set.map(|(name, value)| format!("&{name}={}", crate::router::encode(&value))).collect();
            format!("/api/v1/audit-events/export?format={format}{query}")
        }
    };
    view! {
        <div class="toolbar filters">
            {text("actor", "Who", "Name")}
            {text("action", "What", "backup_create")}
            {choice("datastore_id", "Datastore", "All datastores", options.into_any())}
            {choice("outcome", "Outcome", "All outcomes", outcomes.collect_view().into_any())}
            {time("from", "From")}
            {time("to", "To")}
            <div class="row push">
                <a class="button small" href=export("csv") download="audit.csv"><Icon name="backup" />"Export CSV"</a>
                <a class="button small" href=export("ndjson") download="audit.ndjson">"NDJSON"</a>
            </div>
        </div>
    }
}

fn event_row(event: AuditEvent, datastores: &[Datastore]) -> AnyView {
    let datastore = event.datastore_id.map(|id| match datastores.iter().find(|one| one.id == id) {
        Some(one) => {
            view! { <a class="cell-sub" href=format!("/datastores/{id}/backups")>{one.name.clone()}</a> }.into_any()
        }
        None => view! { <span class="cell-sub">"A datastore that is gone"</span> }.into_any(),
    });
    let outcome = match event.outcome {
        AuditOutcome::Succeeded => state("ok", "done", "Succeeded"),
        AuditOutcome::Refused => state("bad", "lock", "Refused"),
        AuditOutcome::Failed => state("bad", "failed", "Failed"),
    };
    let (at, id) = (event.at, event.id);
    let request = event.request_id.map(|id| format!("Request {id}"));
    row(vec![
        cell("Time", "lead number", view! { <Time at /> <span class="cell-sub">"No. " {id}</span> }),
        cell(
            "Who",
            "",
            view! { <span class="strong">{event.actor.name.clone()}</span> <span class="cell-sub">{actor_kind(&event.actor)}</span> },
        ),
        cell("What", "", view! { <span title=event.action.clone()>{phase_title(&event.action)}</span> }),
        cell("On", "", view! { {subject(event.subject)} {datastore} }),
        cell(
            "From",
            "",
            view! { <span class="nowrap" title=request>{event.from_address.unwrap_or_else(|| "–".to_owned())}</span> },
        ),
        cell(
            "Outcome",
            "reasoned",
            view! { {outcome} {event.detail.map(|detail| view! { <span class="cell-sub">{detail}</span> })} },
        ),
    ])
}

fn subject(subject: Subject) -> String {
    let kind = phase_title(subject.kind.as_str());
    match subject.name {
        Some(name) => format!("{kind} {name}"),
        None => kind,
    }
}

const fn actor_kind(actor: &Actor) -> &'static str {
    match actor.kind {
        ActorKind::User => "User",
        ActorKind::Token => "Token",
        ActorKind::Worker => "Worker",
        ActorKind::Schedule => "Schedule",
        ActorKind::CommandLine => "Command line",
        ActorKind::Unclaimed => "Before the first sign-in",
        ActorKind::Anonymous => "Not signed in",
        ActorKind::Service => "By a rule",
    }
}
