//! One datastore in the list: what it is, how it is, its last good backup, and the button that makes the next.

use domain::access::Permission;
use domain::log_archive::LogArchivingStatus;
use domain::{BackupCreate, BackupType, Datastore, Method, format};
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;

use super::engine_glyph::EngineGlyph;
use super::icon::Icon;
use super::job_state::datastore_state;
use super::menu::{Menu, MenuItem};
use super::running_job::RunningJob;
use super::show::Show;
use super::sparkline::Sparkline;
use super::time::{Ago, Time};
use crate::state::address::use_open_job;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::session::session;
use crate::state::toasts::toasts;

/// A kind of backup that a person may choose.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupChoice {
    method: Method,
    backup_type: BackupType,
    title: String,
    /// Why it can't be made of this server.
    reason: Option<String>,
}

/// Starts a backup of the datastore's first method and opens its job's panel. Where there is something to choose from, a menu
/// beside the button offers it.
#[component]
pub fn BackUpNow(
    id: Uuid,
    /// Why it can't start now.
    #[prop(into)]
    obstacle: Signal<Option<String>>,
    /// What can be made, and what can't.
    #[prop(into)]
    choices: Signal<Vec<BackupChoice>>,
    #[prop(optional)] primary: bool,
) -> impl IntoView {
    let choices = Memo::new(move |_| choices.get());
    let has_choice = move || choices.with(|all| all.iter().filter(|one| one.reason.is_none()).count() > 1);
    let open_job = use_open_job();
    let toasts = toasts();
    let live = live();
    let sending = RwSignal::new(false);
    // Not `disabled`: that would take the focus away, and nobody could read the reason.
    let off = Signal::derive(move || sending.get() || obstacle.with(Option::is_some));
    let start = move |asked: BackupCreate| {
        if off.get_untracked() {
            return;
        }
        sending.set(true);
        spawn_local(async move {
            match service().backup_create(id, &asked).await {
                Ok(backup) => {
                    live.changed(&[domain::EventKind::Backup, domain::EventKind::Datastore]);
                    open_job(backup.job_id);
                }
                Err(error) => toasts.fail(&error.into()),
            }
            let _ = sending.try_set(false);
        });
    };
    view! {
        <div class="split">
            <button
                type="button"
                class="button"
                class:primary=primary
                class:small=!primary
                aria-disabled=move || off.get().to_string()
                title=move || obstacle.get()
                on:click=move |_| start(BackupCreate::default())
            >
                <Icon name="backup" />
                "Back up now"
            </button>
            <Show when=has_choice>
                <Menu name="Types of backup" icon="down">
                    {move || choices.get().into_iter().map(|choice| {
                        let BackupChoice { method, backup_type, title, reason } = choice;
                        let asked = BackupCreate { method: Some(method), backup_type: Some(backup_type) };
                        view! {
                            <MenuItem
                                icon="backup"
                                name=title
                                on_choose=move |()| start(asked.clone())
                                reason=obstacle.get().or(reason)
                            />
                        }
                    }).collect_view()}
                </Menu>
            </Show>
        </div>
    }
}

const fn title_of(backup_type: BackupType) -> &'static str {
    match backup_type {
        BackupType::Full => "Full backup",
        BackupType::Incremental => "Incremental backup",
        BackupType::Differential => "Differential backup",
        BackupType::Log => "Log backup",
    }
}

/// The kinds of backup that can be made of a datastore; those that can't come last, with their reason.
pub fn backup_choices(datastore: &Datastore) -> Vec<BackupChoice> {
    let capabilities = &datastore.capabilities;
    let first = capabilities.methods.first().map(|known| known.method);
    let title = |method: Method, backup_type| match first {
        Some(first) if first != method => format!("{} by {method}", title_of(backup_type)),
        _ => title_of(backup_type).to_owned(),
    };
    let known = capabilities.methods.iter().flat_map(|known| known.types.iter().map(|one| (known.method, *one)));
    let known = known.map(|(method, backup_type)| BackupChoice {
        method,
        backup_type,
        title: title(method, backup_type),
        reason: None,
    });
    let others = capabilities.unavailable_methods.iter().map(|other| BackupChoice {
        method: other.method,
        backup_type: BackupType::Full,
        title: title(other.method, BackupType::Full),
        reason: Some(other.reason.clone()),
    });
    known.chain(others).collect()
}

/// Why no backup can start now, in words.
pub fn backup_obstacle(datastore: &Datastore) -> Option<String> {
    if let Some(reason) = session().lacks(Permission::BackupCreate, datastore.project_id) {
        return Some(reason);
    }
    let job = datastore.overview.active_job.as_ref()?;
    (job.kind.is_exclusive()).then(|| format!("{} is not finished.", crate::state::job_watch::job_title(job)))
}

/// `127.0.0.1:5432`
pub fn address_of(datastore: &Datastore) -> String {
    format!("{}:{}", datastore.host, datastore.port)
}

/// `PostgreSQL 15.18`
pub fn engine_of(datastore: &Datastore) -> String {
    match &datastore.engine_version {
        Some(version) => format!("{} {}", datastore.engine.title(), short_version(version)),
        None => datastore.engine.title().to_owned(),
    }
}

/// The version without what packagers append to it.
fn short_version(version: &str) -> &str {
    version.split([' ', '-']).next().unwrap_or(version)
}

/// Whether its log is being archived, so that what can be recovered changes by the second.
pub fn archives_logs(datastore: &Datastore) -> bool {
    datastore.overview.log_archiving != LogArchivingStatus::Off
}

/// Up to when its log can be recovered, and how sure that is; none where no log is archived.
pub fn recoverable(datastore: &Datastore) -> Option<AnyView> {
    let overview = &datastore.overview;
    let word = match overview.log_archiving {
        // Log backups need no archiving.
        LogArchivingStatus::Off => {
            let at = overview.recoverable_until?;
            let shown =
                view! { <span class="state ok"><Icon name="done" /><span>"Recoverable to " <Ago at /></span></span> };
            return Some(shown.into_any());
        }
        LogArchivingStatus::Waiting => "Log archiving waits for a worker",
        LogArchivingStatus::Retrying => "Log archiving is retrying",
        LogArchivingStatus::Stopped => "Log archiving has stopped",
        LogArchivingStatus::Archiving => "No full backup leads into the log yet",
    };
    // A log leads nowhere without a backup to replay it on.
    let until = overview.recoverable_until.filter(|_| overview.last_good_backup_at.is_some());
    let good = until.filter(|_| overview.log_archiving == LogArchivingStatus::Archiving);
    let shown = match (good, until) {
        (Some(at), _) => view! { <span class="state ok"><Icon name="done" /><span>"Recoverable to " <Ago at /></span></span> }.into_any(),
        (None, until) => view! {
            <span class="state warn"><Icon name="warning" /><span>{word}{until.map(|at| view! { ", recoverable to " <Ago at /> })}</span></span>
        }
        .into_any(),
    };
    Some(shown)
}

fn last_good(datastore: &Datastore) -> AnyView {
    if let Some(shown) = recoverable(datastore) {
        let (at, number) = (datastore.overview.last_good_backup_at, datastore.overview.last_good_backup_number);
        return view! {
            {shown}
            <span class="cell-sub">{number.map(|number| format!("Backup {number}, "))} {at.map(|at| view! { <Ago at /> })}</span>
        }
        .into_any();
    }
    match (datastore.overview.last_good_backup_at, datastore.overview.last_good_backup_number) {
        (Some(at), number) => view! {
            <Time at />
            <span class="cell-sub">{number.map(|number| format!("Backup {number}, "))} <Ago at /></span>
        }
        .into_any(),
        _ => view! { <span class="state warn"><Icon name="warning" />"No backup yet"</span> }.into_any(),
    }
}

fn next_run(datastore: &Datastore) -> AnyView {
    match datastore.overview.next_run_at {
        Some(at) => view! { <Time at /> <span class="cell-sub"><Ago at /></span> }.into_any(),
        None => view! { <span class="muted">"No schedule"</span> }.into_any(),
    }
}

fn trend(datastore: &Datastore) -> AnyView {
    let sizes = datastore.overview.recent_sizes_bytes.clone();
    if sizes.is_empty() {
        return view! { <span class="muted">"–"</span> }.into_any();
    }
    let newest = sizes.last().and_then(|size| u64::try_from(*size).ok()).map(format::bytes);
    if sizes.len() == 1 {
        return view! { <span class="nowrap">{newest}</span> }.into_any();
    }
    view! { <Sparkline sizes /> <span class="cell-sub">{newest}</span> }.into_any()
}

#[component]
pub fn DatastoreRow(datastore: Memo<Option<Datastore>>) -> impl IntoView {
    let id = datastore.get_untracked().map(|datastore| datastore.id).unwrap_or_default();
    let of = move |read: fn(&Datastore) -> AnyView| move || datastore.with(|datastore| datastore.as_ref().map(read));
    let name = Memo::new(move |_| {
        datastore.with(|datastore| datastore.as_ref().map(|datastore| (datastore.engine, datastore.name.clone())))
    });
    let active = Memo::new(move |_| {
        datastore.with(|datastore| datastore.as_ref()?.overview.active_job.as_ref().map(|job| (**job).clone()))
    });
    let active_id = Memo::new(move |_| active.with(|job| job.as_ref().map(|job| job.id)));
    let obstacle = Signal::derive(move || datastore.with(|datastore| datastore.as_ref().and_then(backup_obstacle)));
    let choices =
        Signal::derive(move || datastore.with(|datastore| datastore.as_ref().map(backup_choices)).unwrap_or_default());
    view! {
        <tr role="row" class="main">
            <td role="cell" class="wide">
                <div class="named">
                    {move || name.get().map(|(engine, _)| view! { <EngineGlyph engine /> })}
                    <div>
                        <a href=format!("/datastores/{id}/backups")>{move || name.get().map(|(_, name)| name)}</a>
                        <span class="cell-sub">
                            {of(|datastore| view! { {engine_of(datastore)} " · " <span class="nowrap">{address_of(datastore)}</span> }.into_any())}
                        </span>
                    </div>
                </div>
            </td>
            <td role="cell" data-label="State">{of(|datastore| datastore_state(datastore.status))}</td>
            <td role="cell" data-label="Recoverable to">{of(last_good)}</td>
            <td role="cell" data-label="Size">{of(trend)}</td>
            <td role="cell" data-label="Next run">{of(next_run)}</td>
            <td role="cell" class="actions foot wide">
                {move || match active_id.get() {
                    Some(job) => view! { <RunningJob id=job known=active.get_untracked() /> }.into_any(),
                    None => view! { <BackUpNow id obstacle choices /> }.into_any(),
                }}
            </td>
        </tr>
    }
}
