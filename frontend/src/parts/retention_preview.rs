//! What the retention that is typed would delete now, and why everything else stays: asked of the service while somebody
//! types, carried out only once it is saved.

use std::time::Duration;

use domain::retention::{RetentionDecision, RetentionPlan, RetentionTotals, RetentionVerdict};
use domain::{BackupSettings, EventKind, format};
use leptos::prelude::*;
use uuid::Uuid;

use super::icon::Icon;
use super::job_state::verdict_state;
use super::problem::Problem;
use super::show::Show;
use super::skeleton::SkeletonLines;
use crate::state::fetch::Fetch;
use crate::state::live::live;
use crate::state::service::service;

/// Who types goes on within this time.
const PAUSE: Duration = Duration::from_millis(300);
/// How many verdicts are shown at once.
const PAGE: usize = 50;

/// `1 backup`, `12 backups`.
pub fn backups(count: u64) -> String {
    if count == 1 { "1 backup".to_owned() } else { format!("{count} backups") }
}

/// `Deletes 12 backups, frees 3.40 GiB; keeps 7.`
fn summary(totals: &RetentionTotals) -> String {
    match totals.deleted_count {
        0 if totals.kept_count == 0 => "There is no backup yet.".to_owned(),
        0 => format!("Deletes nothing; keeps {}, {}.", backups(totals.kept_count), format::bytes(totals.kept_bytes)),
        count => {
            format!(
                "Deletes {}, frees {}; keeps {}.",
                backups(count),
                format::bytes(totals.freed_bytes),
                totals.kept_count
            )
        }
    }
}

#[component]
pub fn RetentionPreview(id: Uuid, typed: Memo<BackupSettings>, changed: Memo<bool>) -> impl IntoView {
    let live = live();
    let wanted = Memo::new(move |_| typed.with(|typed| typed.retention.clone()));
    let invalid = Memo::new(move |_| wanted.with(|policy| !policy.validate().is_empty()));
    let asked = RwSignal::new(wanted.get_untracked());
    Effect::new(move |_| {
        let policy = wanted.get();
        let ask = move || {
            let rests = wanted.try_with_untracked(|wanted| *wanted == policy) == Some(true);
            if rests && asked.try_with_untracked(|asked| *asked != policy) == Some(true) {
                asked.set(policy);
            }
        };
        set_timeout(ask, PAUSE);
    });
    let plan = Fetch::new(
        move || {
            live.follow(&[EventKind::Backup]);
            Some(asked.get()).filter(|policy| policy.validate().is_empty())
        },
        move |policy| async move {
            let plan = service().retention_preview(id, &policy).await?;
            Ok((policy, plan))
        },
    );
    let there = Memo::new(move |_| plan.data.with(Option::is_some));
    let old = Memo::new(move |_| {
        wanted.with(|wanted| plan.data.with(|plan| plan.as_ref().is_some_and(|(policy, _)| policy != wanted)))
    });
    let shown = RwSignal::new(PAGE);
    let heading = move || if changed.get() { "What this would delete" } else { "What this deletes" };
    let word = move || match (invalid.get(), changed.get()) {
        (true, _) => "It is shown again once the fields are right.",
        (_, true) => "Nothing is deleted until you save.",
        _ => "By the settings that are saved.",
    };
    view! {
        <section class="panel section preview" aria-labelledby="section-preview" aria-busy=move || (old.get() && !invalid.get()).to_string()>
            <header>
                <h2 id="section-preview">{heading}</h2>
                <p>{word}</p>
            </header>
            {move || plan.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| plan.reload()) /> })}
            <Show when=move || plan.slow.get() && !there.get()>
                <SkeletonLines />
            </Show>
            <div class="stack" class:stale=move || old.get() && !invalid.get() hidden=move || invalid.get()>
                <p class="strong" role="status">
                    {move || plan.data.with(|plan| plan.as_ref().map(|(_, plan)| summary(&plan.totals)))}
                </p>
                {move || plan.data.with(|plan| plan.as_ref().map(|(_, plan)| verdicts(plan, shown)))}
            </div>
        </section>
    }
}

/// Why nothing may go, where that is so, and what becomes of each backup, those first that go.
fn verdicts(plan: &RetentionPlan, shown: RwSignal<usize>) -> AnyView {
    let (keep, delete): (Vec<_>, Vec<_>) = plan.decisions.iter().partition(|decision| decision.verdict.is_keep());
    let decisions: Vec<RetentionDecision> = delete.into_iter().chain(keep).cloned().collect();
    let count = decisions.len();
    let blocked = plan.blocked.clone().map(|reason| {
        view! {
            <div class="note warn">
                <Icon name="warning" />
                <div class="grow"><h3>"Nothing is deleted now"</h3><p>{reason}</p></div>
            </div>
        }
    });
    view! {
        {blocked}
        {(count > 0).then(|| view! {
            <div class="verdicts" tabindex="0" role="group" aria-label="Backups">
                <ul>{move || decisions.iter().take(shown.get()).map(verdict).collect_view()}</ul>
                <Show when=move || { shown.get() < count }>
                    <p class="footnote">
                        {move || format!("{} of {count} backups", shown.get())}
                        <button type="button" class="button small" on:click=move |_| shown.update(|shown| *shown += 4 * PAGE)>
                            "Show more"
                        </button>
                    </p>
                </Show>
            </div>
        })}
    }
    .into_any()
}

fn verdict(decision: &RetentionDecision) -> AnyView {
    let (keep, reasons) = match &decision.verdict {
        RetentionVerdict::Keep { because } => (true, because.iter().map(ToString::to_string).collect()),
        RetentionVerdict::Delete { because } => (false, vec![because.to_string()]),
    };
    view! {
        <li>
            <div class="row">
                {verdict_state(keep)}
                <span class="strong number">{format!("Backup {}", decision.number)}</span>
                <span class="muted number push">{format::bytes(decision.size_bytes)}</span>
            </div>
            {reasons.into_iter().map(|reason| view! { <p class="muted small">{reason}</p> }).collect_view()}
        </li>
    }
    .into_any()
}
