//! How the archiving of a datastore's logs goes: up to when it can be recovered, what is behind, and what is wrong.

use domain::log_archive::{LogArchiving, LogArchivingStatus};
use domain::{RecoveryWindow, format};
use leptos::prelude::*;

use super::icon::Icon;
use super::job_state::archiving_state;
use super::time::{Ago, Time, time_or_dash};

/// What is wrong, or worth knowing.
fn notes(archiving: &LogArchiving) -> AnyView {
    let is_bad = archiving.status == LogArchivingStatus::Stopped;
    let (class, icon) = if is_bad { ("note bad", "failed") } else { ("note warn", "warning") };
    let title = archiving.code.map(|code| view! { <h3>{code.title()}</h3> });
    let help = archiving.code.map(|code| view! { <p class="muted">{code.help()}</p> });
    let detail = archiving.detail.clone();
    view! {
        {(title.is_some() || detail.is_some()).then(|| view! {
            <div class=class><Icon name=icon /><div class="grow">{title}<p>{detail}</p>{help}</div></div>
        })}
        {archiving.warnings.iter().map(|warning| view! {
            <div class="note warn"><Icon name="warning" /><p class="grow">{warning.clone()}</p></div>
        }).collect_view()}
    }
    .into_any()
}

/// How its archiving goes, and what it has brought.
fn archived(archiving: &LogArchiving, below: String) -> AnyView {
    view! {
        <div class="figure">
            <dt>"Log archiving"</dt>
            <dd>{archiving_state(archiving.status)} <small>{below}</small></dd>
        </div>
        <div class="figure">
            <dt>"Last commit in the log"</dt>
            <dd>
                {archiving.last_commit_at.map(|at| view! { <Ago at /> " " })}
                <small>{time_or_dash(archiving.last_commit_at)}</small>
            </dd>
        </div>
    }
    .into_any()
}

fn state(window: &RecoveryWindow, in_backups: bool) -> AnyView {
    let archiving = &window.log_archiving;
    let lag = archiving.lag_bytes.filter(|lag| *lag > 0).map(|lag| format!("{} not archived yet", format::bytes(lag)));
    let worker = archiving.worker.clone().map(|worker| format!("by worker {worker}"));
    let below = [lag, worker].into_iter().flatten().collect::<Vec<_>>().join(", ");
    view! {
        <dl class="panel figures log-state">
            <div class="figure">
                <dt>"Recoverable to"</dt>
                <dd>
                    {match window.latest_restorable_time {
                        Some(at) => view! { <Ago at /> <small><Time at /></small> }.into_any(),
                        None => view! { <span class="state warn"><Icon name="warning" />"Nothing yet"</span> <small>"A full backup must come first."</small> }.into_any(),
                    }}
                </dd>
            </div>
            {if in_backups {
                view! {
                    <div class="figure">
                        <dt>"The log is kept"</dt>
                        <dd>"By log backups" <small>"Each one reaches up to its own start."</small></dd>
                    </div>
                }
                .into_any()
            } else {
                archived(archiving, below)
            }}
        </dl>
        {notes(archiving)}
    }
    .into_any()
}

#[component]
pub fn LogState(
    window: RwSignal<Option<RecoveryWindow>>,
    /// Whether the log is kept by backups of it, not archived as it is written.
    in_backups: bool,
) -> impl IntoView {
    // Drawn anew only when something of it changed.
    let known = Memo::new(move |_| window.get());
    move || known.with(|window| window.as_ref().map(|window| state(window, in_backups)))
}
