//! `/datastores/{id}/recovery`: what can be restored, to which instant, and where in the log the mistake is.

use chrono::{DateTime, Utc};
use domain::log_archive::LogArchivingStatus;
use domain::recovery::{has_log, precision_seconds};
use domain::{Backup, BackupType, Datastore, EventKind, JobStatus, RecoveryWindow};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::datastore::CurrentDatastore;
use crate::parts::empty::Empty;
use crate::parts::icon::Icon;
use crate::parts::instant_field::InstantField;
use crate::parts::log_scan::FindMistake;
use crate::parts::log_state::LogState;
use crate::parts::problem::Problem;
use crate::parts::restore_dialog::RestoreDialog;
use crate::parts::restore_stop::Opening;
use crate::parts::show::Show;
use crate::parts::skeleton::SkeletonLines;
use crate::parts::timeline::Timeline;
use crate::state::clock::clock;
use crate::state::fetch::Fetch;
use crate::state::instant::{Stretch, Typed};
use crate::state::live::live;
use crate::state::service::service;
use crate::state::toasts::toasts;

#[component]
pub fn RecoveryPage() -> impl IntoView {
    let current = expect_context::<CurrentDatastore>();
    let id = Memo::new(move |_| current.datastore.with(|datastore| datastore.as_ref().map(|datastore| datastore.id)));
    move || {
        id.track();
        current.datastore.get_untracked().map(|datastore| view! { <Recovery datastore current /> })
    }
}

/// Why there is nothing to choose, and what to do.
fn nothing(datastore: &Datastore) -> AnyView {
    let settings = format!("/datastores/{}/settings", datastore.id);
    let reason = datastore.capabilities.point_in_time_recovery_reason.clone();
    if datastore.capabilities.makes(BackupType::Log) {
        let schedules = format!("/datastores/{}/schedules", datastore.id);
        let text = "Add a schedule for log backups: then any instant that they reach can be restored, to seconds before a mistake.";
        return view! {
            <Empty icon="restore" title="No log backup yet" text=text.to_owned()>
                <a class="button primary" href=schedules>"Schedule log backups"</a>
            </Empty>
        }
        .into_any();
    }
    let (title, text, link) = match (has_log(datastore.engine), datastore.capabilities.point_in_time_recovery) {
        (false, _) => {
            let engine = datastore.engine.title();
            let text = format!("{engine} keeps no log of changes that could be archived. Each of its backups can be restored as it is; schedule them more often to lose less.");
            ("No point-in-time recovery", reason.unwrap_or(text), None)
        }
        (true, false) => (
            "No point-in-time recovery yet",
            reason.unwrap_or_else(|| "Test the datastore's connection first.".to_owned()),
            Some("See what to do"),
        ),
        (true, true) => (
            "Log archiving is off",
            "Switch it on, and the server's log is stored as it is written: then any instant between backups can be restored, to seconds before a mistake.".to_owned(),
            Some("Switch on log archiving"),
        ),
    };
    view! {
        <Empty icon="restore" title text>
            {link.map(|link| view! { <a class="button primary" href=settings>{link}</a> })}
        </Empty>
    }
    .into_any()
}

#[component]
fn Recovery(datastore: Datastore, current: CurrentDatastore) -> impl IntoView {
    let (live, id, engine) = (live(), datastore.id, datastore.engine);
    let clock = clock();
    let window = Fetch::new(
        move || {
            live.follow(&[EventKind::Datastore, EventKind::Backup, EventKind::Restore]);
            // The log grows.
            clock.now.track();
            has_log(engine).then_some(())
        },
        move |()| async move { service().recovery_window(id).await },
    );
    let is_empty = move |window: &RecoveryWindow| {
        window.windows.is_empty() && window.gaps.is_empty() && window.log_archiving.status == LogArchivingStatus::Off
    };
    let there = Memo::new(move |_| window.data.with(|window| window.as_ref().is_some_and(|window| !is_empty(window))));
    let empty =
        Memo::new(move |_| !has_log(engine) || window.data.with(|window| window.as_ref().is_some_and(is_empty)));
    view! {
        {move || window.failure.get().map(|failure| view! { <Problem failure retry=Callback::new(move |()| window.reload()) /> })}
        <Show when=move || window.slow.get() && window.data.with(Option::is_none)>
            <div class="panel section"><SkeletonLines lines=6 /></div>
        </Show>
        <Show when=move || empty.get()>
            {move || current.datastore.with(|datastore| datastore.as_ref().map(nothing))}
        </Show>
        <Show when=move || there.get()>
            <Chosen window=window.data current whole=Signal::stored(precision_seconds(engine) >= 1.0) />
        </Show>
    }
}

/// A restore whose dialog is open.
type Opened = Option<(Backup, Opening)>;

#[component]
fn Chosen(window: RwSignal<Option<RecoveryWindow>>, current: CurrentDatastore, whole: Signal<bool>) -> impl IntoView {
    let (clock, live, toasts) = (clock(), live(), toasts());
    let id = current.datastore.with_untracked(|datastore| datastore.as_ref().map(|one| one.id)).unwrap_or_default();
    let in_backups = current
        .datastore
        .with_untracked(|datastore| datastore.as_ref().is_some_and(|one| one.capabilities.makes(BackupType::Log)));
    let list = Fetch::new(
        move || {
            live.follow(&[EventKind::Backup]);
            Some(())
        },
        move |()| async move {
            let query =
                client::ListQuery { limit: Some(200), status: Some(JobStatus::Completed), ..Default::default() };
            service().backup_list(id, &query).await
        },
    );
    let backups =
        Signal::derive(move || list.data.with(|list| list.as_ref().map(|list| list.items.clone()).unwrap_or_default()));
    // The line of history that was chosen, else the server's.
    let picked = RwSignal::new(None::<String>);
    let branch = Memo::new(move |_| {
        picked
            .get()
            .or_else(|| {
                let current = window
                    .with(|window| Some(window.as_ref()?.branches.iter().find(|one| one.is_current)?.branch.clone()));
                current.or_else(|| window.with(|window| Some(window.as_ref()?.windows.last()?.branch.clone())))
            })
            .unwrap_or_default()
    });
    let allowed = Signal::derive(move || -> Vec<Stretch> {
        let branch = branch.get();
        window.with(|window| {
            let windows = window.iter().flat_map(|window| &window.windows);
            windows.filter(|one| one.branch == branch).map(|one| (one.from, one.to)).collect()
        })
    });
    let typed = Typed::new();
    let reading = Memo::new(move |_| allowed.with(|allowed| typed.read(clock, allowed, whole.get())));
    let set = move |at| {
        allowed.with_untracked(|allowed| typed.set(at, allowed, whole.get_untracked(), clock.utc.get_untracked()))
    };
    // The newest instant stands there first.
    Effect::new(move |_| {
        let end = allowed.with(|allowed| allowed.last().map(|one| one.1));
        if let Some(end) = end.filter(|_| typed.local.with_untracked(String::is_empty)) {
            set(end);
        }
    });
    let choose = Callback::new(move |(at, branch): (DateTime<Utc>, String)| {
        picked.set(Some(branch));
        set(at);
    });
    let at = Signal::derive(move || reading.with(|reading| reading.at));
    let opened = RwSignal::new(None::<(Backup, Opening)>);
    let lacks = current.lacking(domain::access::Permission::RestoreInPlace);
    let open = move |at: DateTime<Utc>, opening: Opening| {
        let backups = backups.get_untracked();
        let ends: Vec<_> = backups.iter().filter_map(|one| Some((one.id, one.ended_at?))).collect();
        // A dump can't be continued with logs.
        let kinds = current
            .datastore
            .with_untracked(|one| one.as_ref().map(|one| one.capabilities.methods.clone()))
            .unwrap_or_default();
        let is_copy = |id| {
            let method = backups.iter().find(|one: &&Backup| one.id == id).map(|one| one.method);
            kinds.iter().all(|one| Some(one.method) != method || one.kind == domain::BackupKind::Physical)
        };
        let ends: Vec<_> = ends.into_iter().filter(|(id, _)| is_copy(*id)).collect();
        let branch = branch.get_untracked();
        let Some(best) = window.with_untracked(|window| window.as_ref()?.backup_for(&ends, at, &branch)) else {
            return toasts.tell("No backup leads to this place any more.".to_owned());
        };
        if let Some(backup) = backups.into_iter().find(|one| one.id == best) {
            return opened.set(Some((backup, opening)));
        }
        // Older than those that are listed.
        spawn_local(async move {
            match service().backup_get(best).await {
                Ok(backup) => drop(opened.try_set(Some((backup, opening)))),
                Err(error) => toasts.fail(&error.into()),
            }
        });
    };
    let restore = move |_| {
        if let Some(at) = at.get_untracked() {
            open(at, Opening::At(at));
        }
    };
    let around = Signal::derive(move || at.get().or_else(|| allowed.with(|allowed| allowed.last().map(|one| one.1))));
    view! {
        <div class="stack recovery">
            <LogState window in_backups />
            <section class="panel section" aria-labelledby="recovery-instant">
                <header><h2 id="recovery-instant">"What can be restored"</h2></header>
                <Timeline name="recovery" window=Signal::derive(move || window.get()) backups chosen=at branch=branch.into() on_choose=choose to_now=true />
                <BranchField window branch picked />
                <Show when=move || allowed.with(Vec::is_empty)>
                    <div class="note warn">
                        <Icon name="warning" />
                        <p class="grow">"No backup leads into the archived log here yet. Make a full backup: from its end on any instant can be restored."</p>
                    </div>
                </Show>
                <Show when=move || !allowed.with(Vec::is_empty)>
                    <InstantField name="recovery" typed reading allowed whole />
                </Show>
                <div hidden=move || allowed.with(Vec::is_empty)>
                    <button type="button" class="button primary" title=lacks disabled=move || at.get().is_none() || lacks.with(Option::is_some) on:click=restore>
                        <Icon name="restore" />
                        "Restore to this instant"
                    </button>
                </div>
            </section>
            {(!in_backups).then(|| view! {
                <FindMistake id around whole on_restore=Callback::new(move |entry: domain::log_archive::LogEntry| open(entry.committed_at, Opening::Before(entry))) />
            })}
        </div>
        <Dialogs opened current />
    }
}

/// Which line of history, where there are several that can be restored.
#[component]
fn BranchField(
    window: RwSignal<Option<RecoveryWindow>>,
    branch: Memo<String>,
    picked: RwSignal<Option<String>>,
) -> impl IntoView {
    let clock = clock();
    let lines = Memo::new(move |_| {
        window.with(|window| {
            let window = window.as_ref();
            let branches = window.iter().flat_map(|window| window.branches.iter().rev());
            let windows =
                |branch: &str| window.is_some_and(|window| window.windows.iter().any(|one| one.branch == branch));
            let lines = branches.filter(|one| one.is_current || windows(&one.branch));
            lines.map(|one| (one.branch.clone(), one.to.filter(|_| !one.is_current))).collect::<Vec<_>>()
        })
    });
    move || {
        let lines = lines.get();
        (lines.len() > 1).then(|| {
            let options = lines.into_iter().map(|(id, to)| {
                let name = match to {
                    None => "What the server holds now".to_owned(),
                    Some(to) => format!("What it held until the restore of {}", clock.write(to)),
                };
                let value = id.clone();
                view! { <option value=value selected=move || branch.get() == id>{name}</option> }
            });
            view! {
                <div class="field branch">
                    <label for="recovery-branch">"Line of history"</label>
                    <select id="recovery-branch" on:change=move |event| picked.set(Some(event_target_value(&event)))>
                        {options.collect_view()}
                    </select>
                </div>
            }
        })
    }
}

#[component]
fn Dialogs(opened: RwSignal<Opened>, current: CurrentDatastore) -> impl IntoView {
    move || {
        opened.get().and_then(|(backup, opening)| {
            let datastore = current.datastore.get_untracked()?;
            Some(
                view! { <RestoreDialog backup datastore opening on_close=Callback::new(move |()| opened.set(None)) /> },
            )
        })
    }
}
