//! `/activity`: every job, those that run first.

use domain::{EventKind, Job, JobKind, JobStatus, format};
use leptos::prelude::*;

use super::PageHead;
use crate::parts::empty::Empty;
use crate::parts::icon::Icon;
use crate::parts::job_state::job_state;
use crate::parts::more::More;
use crate::parts::problem::Problem;
use crate::parts::rows::Rows;
use crate::parts::running_job::RunningJob;
use crate::parts::show::Show;
use crate::parts::skeleton::SkeletonRows;
use crate::parts::time::time_or_dash;
use crate::state::address::{use_open_job, use_query, use_set_query};
use crate::state::fetch::Fetch;
use crate::state::job_watch::job_title;
use crate::state::live::live;
use crate::state::pages_of::pages_of;
use crate::state::service::service;

#[component]
pub fn ActivityPage() -> impl IntoView {
    let live = live();
    let pages = RwSignal::new(1u32);
    let (kind, status) = (use_query("kind"), use_query("status"));
    let wanted = move || {
        let kind = kind.get().and_then(|kind| kind.parse::<JobKind>().ok());
        (kind, status.get().and_then(|status| status.parse::<JobStatus>().ok()))
    };
    let list = Fetch::new(
        move || {
            live.follow(&[EventKind::Job]);
            Some((pages.get(), wanted()))
        },
        |(pages, (kind, status))| {
            pages_of(pages, move |cursor| async move {
                service().job_list(&client::ListQuery { cursor, kind, status, ..Default::default() }).await
            })
        },
    );
    let jobs = Memo::new(move |_| {
        let jobs = list.data.with(|list| list.as_ref().map(|list| list.items.clone()).unwrap_or_default());
        let (mut jobs, ended): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| !job.status.is_final());
        jobs.extend(ended);
        jobs
    });
    let ids = Memo::new(move |_| jobs.with(|jobs| jobs.iter().map(|job| job.id).collect::<Vec<_>>()));
    let empty = Memo::new(move |_| list.data.with(|list| list.as_ref().is_some_and(|list| list.items.is_empty())));
    let filtered = move || kind.with(Option::is_some) || status.with(Option::is_some);
    view! {
        <PageHead title="Activity" text="Everything that workers do and did." />
        <div class="toolbar">
            <Choice name="kind" label="Kind" all="All kinds" options=kinds() />
            <Choice name="status" label="Outcome" all="All outcomes" options=statuses() />
        </div>
        {move || list.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| list.reload()) /> })}
        <Show when=move || list.slow.get() && list.data.with(Option::is_none)>
            <SkeletonRows />
        </Show>
        <Show when=move || empty.get()>
            <Empty icon="activity" title=if filtered() { "No job like that" } else { "No job yet" } text="Backups, verifications, restores and deletions appear here as soon as somebody asks for one.">
                <a class="button" href="/">"All datastores"</a>
            </Empty>
        </Show>
        <Show when=move || !ids.with(Vec::is_empty)>
            <div class:stale=move || list.slow.get()>
                <Table ids jobs />
                {move || list.data.with(|list| list.as_ref().map(|list| {
                    view! { <More shown=list.items.len() total=list.total more=list.more what="jobs" pages /> }
                }))}
            </div>
        </Show>
    }
}

fn kinds() -> Vec<(&'static str, &'static str)> {
    vec![
        ("backup", "Backups"),
        ("restore", "Restores"),
        ("undo", "Undos"),
        ("verify", "Verifications"),
        ("delete", "Deletions"),
    ]
}

fn statuses() -> Vec<(&'static str, &'static str)> {
    vec![
        ("running", "Running"),
        ("pending", "Pending"),
        ("completed", "Completed"),
        ("failed", "Failed"),
        ("cancelled", "Cancelled"),
    ]
}

/// A filter that the address keeps.
#[component]
fn Choice(
    name: &'static str,
    label: &'static str,
    all: &'static str,
    options: Vec<(&'static str, &'static str)>,
) -> impl IntoView {
    let set_query = use_set_query();
    let chosen = use_query(name);
    view! {
        <div class="filter">
            <select aria-label=label on:change=move |event| set_query(name, Some(event_target_value(&event)), true)>
                <option value="" selected=move || chosen.with(Option::is_none)>{all}</option>
                {options
                    .into_iter()
                    .map(|(value, word)| {
                        view! { <option value=value selected=move || chosen.with(|chosen| chosen.as_deref() == Some(value))>{word}</option> }
                    })
                    .collect_view()}
            </select>
        </div>
    }
}

#[component]
fn Table(ids: Memo<Vec<uuid::Uuid>>, jobs: Memo<Vec<Job>>) -> impl IntoView {
    view! {
        <div class="table-frame">
            <div class="table-scroll">
                <table role="table" class="cards" aria-label="Activity">
                    <caption>"Activity"</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            <th role="columnheader" scope="col">"Job"</th>
                            <th role="columnheader" scope="col">"Status"</th>
                            <th role="columnheader" scope="col">"Started"</th>
                            <th role="columnheader" scope="col">"Duration"</th>
                            <th role="columnheader" scope="col">"Worker"</th>
                            <th role="columnheader" scope="col"><span class="hidden-text">"Log"</span></th>
                        </tr>
                    </thead>
                    <Rows
                        ids
                        row=Callback::new(move |id| {
                        let job = Memo::new(move |_| jobs.with(|jobs| jobs.iter().find(|job| job.id == id).cloned()));
                        view! { <Row job /> }.into_any()
                        })
                    />
                </table>
            </div>
        </div>
    }
}

fn status_cell(job: &Job) -> AnyView {
    if job.status.is_final() {
        let error = job.error.clone();
        view! {
            {job_state(job.status)}
            {error.map(|error| view! { <span class="cell-sub" title=error.detail>{error.code.title()}</span> })}
        }
        .into_any()
    } else {
        view! { <RunningJob id=job.id known=Some(job.clone()) /> }.into_any()
    }
}

#[component]
fn Row(job: Memo<Option<Job>>) -> impl IntoView {
    let open_job = use_open_job();
    let known = job.get_untracked();
    let id = known.as_ref().map(|job| job.id).unwrap_or_default();
    let datastore = known.as_ref().and_then(|job| job.datastore_id);
    let title = known.as_ref().map(job_title).unwrap_or_default();
    let of = move |read: fn(&Job) -> AnyView| move || job.with(|job| job.as_ref().map(read));
    view! {
        <tr role="row" class="main">
            <td role="cell" class="wide" data-label="Job">
                {match datastore {
                    Some(datastore) => view! { <a class="strong" href=format!("/datastores/{datastore}/backups")>{title.clone()}</a> }.into_any(),
                    None => view! { <span class="strong">{title.clone()}</span> }.into_any(),
                }}
            </td>
            <td role="cell" data-label="Status">{of(status_cell)}</td>
            <td role="cell" data-label="Started">{of(|job| time_or_dash(job.started_at))}</td>
            <td role="cell" data-label="Duration" class="nowrap">
                {of(|job| job.duration_seconds.map_or("–".to_owned(), format::duration).into_any())}
            </td>
            <td role="cell" data-label="Worker">{of(|job| job.worker.clone().unwrap_or_else(|| "–".into()).into_any())}</td>
            <td role="cell" class="actions corner">
                <button type="button" class="icon-button framed" aria-label=format!("Log of {title}") title="View log" on:click=move |_| open_job(id)>
                    <Icon name="log" />
                </button>
            </td>
        </tr>
    }
}
