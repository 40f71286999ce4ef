//! Where a restore stops: exactly at the backup, or with archived logs at an instant, at their end, or just before a
//! transaction that was found in them.

use chrono::{DateTime, Utc};
use domain::log_archive::{LogArchivingStatus, LogEntry};
use domain::recovery::{Window, has_log, precision_seconds};
use domain::{Backup, BackupKind, BackupType, Datastore, EventKind, RecoveryStop, RecoveryWindow};
use leptos::prelude::*;

use super::instant_field::InstantField;
use super::segmented::Segmented;
use super::show::Show;
use super::time::Time;
use super::timeline::Timeline;
use crate::state::clock::clock;
use crate::state::fetch::Fetch;
use crate::state::instant::{Reading, Stretch, Typed};
use crate::state::live::live;
use crate::state::service::service;

const TIME: &str = "Point in time";
const LATEST: &str = "Latest";
const POSITION: &str = "Position";

/// How the dialog opens.
#[derive(Debug, Clone, PartialEq)]
pub enum Opening {
    Exactly,
    At(DateTime<Utc>),
    Before(LogEntry),
}

/// What is chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    Exactly,
    /// Something is missing or wrong.
    Unclear,
    To(RecoveryStop),
}

/// What is chosen so far.
#[derive(Clone, Copy)]
pub struct StopDraft {
    /// Whether the engine has a log at all.
    pub is_offered: bool,
    on: RwSignal<bool>,
    mode: RwSignal<&'static str>,
    typed: Typed,
    reading: Memo<Reading>,
    window: Fetch<RecoveryWindow>,
    /// What this backup's log reaches.
    pub reach: Memo<Option<Window>>,
    /// The transaction before which the restore may stop.
    pub entry: StoredValue<Option<LogEntry>>,
    reason: Memo<Option<String>>,
    /// Whether the log carries whole seconds.
    pub whole: bool,
}

impl StopDraft {
    pub fn new(backup: &Backup, datastore: &Datastore, opening: Opening) -> Self {
        let (clock, live) = (clock(), live());
        let is_offered = has_log(datastore.engine);
        let whole = precision_seconds(datastore.engine) >= 1.0;
        let capabilities = datastore.capabilities.clone();
        let id = datastore.id;
        let window = Fetch::new(
            move || {
                live.follow(&[EventKind::Datastore, EventKind::Backup]);
                // The log grows.
                clock.now.track();
                is_offered.then_some(())
            },
            move |()| async move { service().recovery_window(id).await },
        );
        let makes_log_backups = capabilities.makes(BackupType::Log);
        let (backup_id, ended_at) = (backup.id, backup.ended_at.unwrap_or(backup.created_at));
        let kind = capabilities.methods.iter().find(|one| one.method == backup.method).map(|one| one.kind);
        let is_logical = kind == Some(BackupKind::Logical);
        let reach = Memo::new(move |_| {
            window.data.with(|window| window.as_ref()?.reach(backup_id, ended_at)).filter(|_| !is_logical)
        });
        let typed = Typed::new();
        let reading = Memo::new(move |_| typed.read(clock, &stretch(reach), whole));
        let reason = Memo::new(move |_| {
            if reach.with(Option::is_some) {
                return None;
            }
            if is_logical {
                return Some(
                    "Logs can only be replayed on a copy of the server\u{2019}s files, not on a dump.".to_owned(),
                );
            }
            if let Some(reason) = &capabilities.point_in_time_recovery_reason
                && !capabilities.point_in_time_recovery
            {
                return Some(reason.clone());
            }
            if let Some(failure) = window.failure.get() {
                return Some(format!("{}: {}", failure.title, failure.detail));
            }
            window.data.with(|window| match window {
                Some(window) if window.windows.is_empty() && makes_log_backups => {
                    Some("There is no log backup to replay. Add a schedule for log backups.".to_owned())
                }
                None => Some("Looking for archived logs\u{2026}".to_owned()),
                Some(window) if window.windows.is_empty() && window.log_archiving.status == LogArchivingStatus::Off => {
                    Some(
                        "This datastore has no archived logs to replay. Switch log archiving on in its settings."
                            .to_owned(),
                    )
                }
                Some(_) => Some(
                    "No archived log goes on from this backup. The tab Recovery shows which instants can be restored."
                        .to_owned(),
                ),
            })
        });
        let (on, mode) = match &opening {
            Opening::Exactly => (false, TIME),
            Opening::At(at) => {
                typed.set(*at, &[], whole, clock.utc.get_untracked());
                (true, TIME)
            }
            Opening::Before(_) => (true, POSITION),
        };
        let entry = match opening {
            Opening::Before(entry) => Some(entry),
            _ => None,
        };
        let (on, mode) = (RwSignal::new(on), RwSignal::new(mode));
        // The newest instant stands there first.
        Effect::new(move |_| {
            let end = reach.with(|reach| reach.as_ref().map(|reach| reach.to)).filter(|_| on.get());
            if let Some(end) = end.filter(|_| typed.local.with_untracked(String::is_empty)) {
                typed.set(end, &untrack(|| stretch(reach)), whole, clock.utc.get_untracked());
            }
        });
        Self { is_offered, on, mode, typed, reading, window, reach, entry: StoredValue::new(entry), reason, whole }
    }

    /// What the fields say.
    pub fn choice(self) -> Choice {
        if !self.on.get() {
            return Choice::Exactly;
        }
        if self.reach.with(Option::is_none) {
            return Choice::Unclear;
        }
        let stop = match self.mode.get() {
            LATEST => Some(RecoveryStop::Latest),
            TIME => self.reading.with(|reading| reading.at).map(|at| RecoveryStop::Time { at }),
            _ => self.entry.with_value(|entry| {
                entry.as_ref().map(|entry| RecoveryStop::Position { position: entry.stop_before.clone() })
            }),
        };
        stop.map_or(Choice::Unclear, Choice::To)
    }
}

fn stretch(reach: Memo<Option<Window>>) -> Vec<Stretch> {
    reach.with(|reach| reach.iter().map(|reach| (reach.from, reach.to)).collect())
}

/// The switch of point-in-time recovery, off with its reason where this backup can't do it, and what it asks.
#[component]
pub fn StopChoice(draft: StopDraft, backup: Backup) -> impl IntoView {
    let StopDraft { on, mode, typed, reading, window, reach, entry, reason, whole, .. } = draft;
    let clock = clock();
    let mut modes = vec![TIME, LATEST];
    if entry.with_value(Option::is_some) {
        modes.push(POSITION);
    }
    // Only what this backup reaches.
    let shown = Signal::derive(move || {
        let reach = reach.get()?;
        let mut window = window.data.get()?;
        window.gaps.clear();
        window.branches.retain(|branch| branch.branch == reach.branch);
        window.windows = vec![reach];
        Some(window)
    });
    let backups = Signal::stored(vec![backup]);
    let allowed = Signal::derive(move || stretch(reach));
    let at = Signal::derive(move || (mode.get() == TIME).then(|| reading.with(|reading| reading.at)).flatten());
    let branch = Signal::derive(move || {
        reach.with(|reach| reach.as_ref().map(|reach| reach.branch.clone()).unwrap_or_default())
    });
    let choose = Callback::new(move |(at, _): (DateTime<Utc>, String)| {
        mode.set(TIME);
        typed.set(at, &allowed.get_untracked(), whole, clock.utc.get_untracked());
    });
    let modes = StoredValue::new(modes);
    view! {
        <div class="switch">
            <label for="restore-pitr">"Use point in time recovery"</label>
            <input
                id="restore-pitr"
                type="checkbox"
                role="switch"
                aria-describedby="restore-pitr-reason"
                disabled=move || reason.with(Option::is_some) && !on.get()
                prop:checked=on
                on:change=move |event| on.set(event_target_checked(&event))
            />
        </div>
        <p id="restore-pitr-reason" class="small muted">{reason}</p>
        <Show when=move || on.get() && reach.with(Option::is_some)>
            <div class="stack stop">
                <div role="group" aria-label="Where it stops">
                    <Segmented name="restore-stop" options=modes.get_value() chosen=mode on_choose=move |chosen| mode.set(chosen) />
                </div>
                <Show when=move || mode.get() == TIME>
                    <InstantField name="restore-stop" typed reading allowed whole=Signal::stored(whole) />
                </Show>
                <Show when=move || mode.get() == LATEST>
                    <p>
                        "To the end of the archived log"
                        {move || reach.get().map(|reach| view! { ", now " <Time at=reach.to /> })}
                        "."
                    </p>
                </Show>
                <Show when=move || mode.get() == POSITION>
                    {entry.get_value().map(|entry| view! {
                        <p>
                            "To just before transaction " <code>{entry.transaction}</code> ", committed " <Time at=entry.committed_at /> ": "
                            <code class="place">{entry.summary}</code>
                        </p>
                    })}
                </Show>
                <Timeline name="restore-zoom" window=shown backups chosen=at branch on_choose=choose />
            </div>
        </Show>
    }
}
