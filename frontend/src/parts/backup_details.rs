//! What a backup's row hides until it is opened: the facts, the error, and the newest lines of its log.

use domain::{Backup, EventKind, LogLine, Trigger, VerificationStatus};
use leptos::prelude::*;
use uuid::Uuid;

use super::backup_row::{BackupList, builds_on_it, size_or_dash};
use super::job_log::log_line;
use super::problem::Problem;
use super::time::{Time, time_or_dash};
use crate::state::address::use_open_job;
use crate::state::chain::{Relatives, listed, relatives};
use crate::state::failure::Failure;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::service::service;

/// Log lines shown; the panel has all.
const NEWEST: i64 = 8;

/// What a restore of it reads besides itself.
fn needs(relatives: &Relatives) -> String {
    match relatives.needs.as_slice() {
        [] | [_] if relatives.is_complete => "nothing else".to_owned(),
        numbers if relatives.is_complete => format!("backups {}", listed(numbers)),
        numbers => format!("older backups and {}", listed(numbers)),
    }
}

fn facts(backup: &Backup, relatives: &Relatives) -> AnyView {
    let compressed = match (backup.size_bytes, backup.original_size_bytes) {
        (Some(stored), Some(original)) if stored > 0 => format!(" ({:.1} : 1)", original as f64 / stored as f64),
        _ => String::new(),
    };
    let verification = backup.verification.clone();
    view! {
        <dl class="facts">
            <dt>"Asked for"</dt>
            <dd>
                <Time at=backup.created_at />
                {match backup.trigger {
                    Trigger::Manual => " by hand",
                    Trigger::Schedule => " by a schedule",
                }}
            </dd>
            <dt>"Ended"</dt> <dd>{time_or_dash(backup.ended_at)}</dd>
            <dt>"Before compression"</dt> <dd>{size_or_dash(backup.original_size_bytes)} {compressed}</dd>
            <dt>"Engine version"</dt> <dd>{backup.engine_version.clone().unwrap_or_else(|| "–".into())}</dd>
            <dt>"Log position"</dt> <dd class="mono">{backup.log_position.clone().unwrap_or_else(|| "–".into())}</dd>
            <dt>"Encrypted"</dt> <dd>{if backup.encrypted { "Yes" } else { "No" }}</dd>
            <dt>"Verification"</dt>
            <dd>
                {match verification.status {
                    VerificationStatus::Never => "Never read again",
                    VerificationStatus::Passed => "Passed ",
                    VerificationStatus::Failed => "Failed ",
                }}
                {verification.at.map(|at| view! { <Time at /> })}
            </dd>
            {backup.held.clone().map(|reason| view! { <dt>"Held"</dt> <dd>{reason}</dd> })}
            <dt>"A restore needs"</dt> <dd>{needs(relatives)}</dd>
            {(!relatives.dependents.is_empty()).then(|| view! { <dt>"In its chain"</dt> <dd>{builds_on_it(&relatives.dependents)}</dd> })}
            <dt>"Backup id"</dt> <dd class="mono">{backup.id.to_string()}</dd>
            {backup.manifest_sha256.clone().map(|digest| view! { <dt>"Manifest"</dt> <dd class="mono">"SHA-256 " {digest}</dd> })}
        </dl>
    }
    .into_any()
}

/// The newest lines of a job's log, oldest first.
async fn newest_lines(job: Uuid) -> Result<Vec<LogLine>, client::ClientError> {
    let count = service().job_log(job, 0, 1).await?.total;
    Ok(service().job_log(job, (count - NEWEST).max(0), 1000).await?.items)
}

#[component]
pub fn BackupDetails(backup: Memo<Option<Backup>>, list: BackupList) -> impl IntoView {
    let live = live();
    let open_job = use_open_job();
    let job = Memo::new(move |_| backup.with(|backup| backup.as_ref().map(|backup| backup.job_id)));
    let lines = Fetch::new(
        move || {
            live.follow(&[EventKind::Job]);
            job.get()
        },
        newest_lines,
    );
    let relatives = Memo::new(move |_| {
        let id = backup.with(|backup| backup.as_ref().map(|backup| backup.id))?;
        list.with(|list| Some(relatives(&list.as_ref()?.items, id)))
    });
    let error = move || backup.with(|backup| backup.as_ref().and_then(|backup| backup.error.clone()));
    view! {
        <div class="details-body">
            <section aria-label="Facts">
                <h3>"Details"</h3>
                {move || backup.with(|backup| backup.as_ref().map(|backup| facts(backup, &relatives.get().unwrap_or_default())))}
            </section>
            <section aria-label="Newest log lines" class="stack">
                {move || error().map(|error| view! { <Problem failure=Failure::from(error) /> })}
                <div>
                    <div class="row">
                        <h3>"Newest log lines"</h3>
                        <button
                            type="button"
                            class="button plain small push"
                            on:click=move |_| if let Some(job) = job.get_untracked() { open_job(job) }
                        >
                            "Open whole log"
                        </button>
                    </div>
                    {move || lines.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| lines.reload()) /> })}
                    {move || lines.data.get().map(|lines| if lines.is_empty() {
                        view! { <p class="muted">"No lines yet."</p> }.into_any()
                    } else {
                        view! { <div class="excerpt mono" tabindex="0" role="group" aria-label="Newest log lines">{lines.into_iter().map(log_line).collect_view()}</div> }.into_any()
                    })}
                </div>
            </section>
        </div>
    }
}
