//! `/workers`: who does the work, and whether they are heard of.

use domain::{EventKind, Worker};
use leptos::prelude::*;

use super::PageHead;
use crate::parts::code_box::CodeBox;
use crate::parts::empty::Empty;
use crate::parts::job_state::worker_state;
use crate::parts::problem::Problem;
use crate::parts::running_job::RunningJob;
use crate::parts::show::Show;
use crate::parts::skeleton::SkeletonRows;
use crate::parts::time::{Ago, Time};
use crate::state::fetch::Fetch;
use crate::state::job_watch::job_title;
use crate::state::live::live;
use crate::state::service::service;

const START: &str = "holdfast worker --server http://127.0.0.1:8080 --token-file worker.token";

#[component]
pub fn WorkersPage() -> impl IntoView {
    let live = live();
    let list = Fetch::new(
        move || {
            live.follow(&[EventKind::Worker, EventKind::Job]);
            Some(())
        },
        |()| async { service().worker_list().await },
    );
    let empty = Memo::new(move |_| list.data.with(|list| list.as_ref().is_some_and(|list| list.items.is_empty())));
    view! {
        <PageHead title="Workers" text="Programs that make backups and restores, on the machines of the databases." />
        {move || list.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| list.reload()) /> })}
        <Show when=move || list.slow.get() && list.data.with(Option::is_none)>
            <SkeletonRows />
        </Show>
        <Show when=move || empty.get()>
            <Empty icon="workers" title="No worker was ever heard of" text="Without a worker nothing is backed up. The service runs one itself unless it was started with --no-worker; to start one elsewhere:">
                <CodeBox text=START.to_owned() label="command" />
            </Empty>
        </Show>
        {move || list.data.get().filter(|list| !list.items.is_empty()).map(|list| view! {
            <div class="table-frame">
                <div class="table-scroll">
                    <table role="table" class="cards" aria-label="Workers">
                        <caption>"Workers"</caption>
                        <thead role="rowgroup">
                            <tr role="row">
                                <th role="columnheader" scope="col">"Name"</th>
                                <th role="columnheader" scope="col">"State"</th>
                                <th role="columnheader" scope="col">"Last heard of"</th>
                                <th role="columnheader" scope="col">"Version"</th>
                                <th role="columnheader" scope="col">"Runs now"</th>
                            </tr>
                        </thead>
                        <tbody role="rowgroup">{list.items.into_iter().map(row).collect_view()}</tbody>
                    </table>
                </div>
            </div>
        })}
    }
}

fn row(worker: Worker) -> impl IntoView {
    let labels = worker.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    let idle = worker.running.is_empty();
    view! {
        <tr role="row" class="main">
            <td role="cell" data-label="Name" class="wide">
                <span class="strong">{worker.name}</span>
                <span class="row wrap">{labels.into_iter().map(|label| view! { <span class="tag">{label}</span> }).collect_view()}</span>
            </td>
            <td role="cell" data-label="State">{worker_state(worker.online)}</td>
            <td role="cell" data-label="Last heard of">
                <Time at=worker.last_seen_at />
                <span class="cell-sub"><Ago at=worker.last_seen_at /></span>
            </td>
            <td role="cell" data-label="Version">{worker.version}</td>
            <td role="cell" data-label="Runs now" class="wide">
                {idle.then(|| view! { <span class="muted">"Nothing"</span> })}
                {worker.running.into_iter().map(|job| view! {
                    <span class="cell-sub">{job_title(&job)}</span>
                    <RunningJob id=job.id known=Some(job) />
                }).collect_view()}
            </td>
        </tr>
    }
}
