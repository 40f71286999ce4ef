//! One backup in the table: its line, its menu, and below it, when opened, the details.

use domain::access::Permission;
use domain::{Backup, JobStatus, VerificationStatus, format};
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;
use wasm_bindgen::JsCast;

use super::backup_details::BackupDetails;
use super::icon::Icon;
use super::job_state::job_state;
use super::menu::{Menu, MenuItem};
use super::running_job::RunningJob;
use super::show::Show;
use super::time::{Ago, time_or_dash};
use crate::pages::datastore::CurrentDatastore;
use crate::state::address::use_open_job;
use crate::state::chain::{find, listed, relatives};
use crate::state::clock::clock;
use crate::state::pages_of::Listed;
use crate::state::service::service;
use crate::state::toasts::toasts;

/// The backups whose dialogs are open.
#[derive(Clone, Copy)]
pub struct BackupDialogs {
    pub restore: RwSignal<Option<Backup>>,
    pub delete: RwSignal<Option<Backup>>,
    /// Held or released.
    pub hold: RwSignal<Option<Backup>>,
}

/// The backups that are loaded.
pub type BackupList = RwSignal<Option<Listed<Backup>>>;

/// What stands beside the state: a running job's progress, the newest verification.
fn status_cell(backup: &Backup) -> AnyView {
    let verified = match (backup.verification.status, backup.verification.at) {
        (VerificationStatus::Never, _) => None,
        (VerificationStatus::Passed, at) => {
            Some(view! { <span class="cell-sub">"Verified " {at.map(|at| view! { <Ago at /> })}</span> }.into_any())
        }
        (VerificationStatus::Failed, at) => Some(
            view! {
                <span class="cell-sub">
                    <span class="state bad"><Icon name="warning" />"Verification failed"</span>
                    " "
                    {at.map(|at| view! { <Ago at /> })}
                </span>
            }
            .into_any(),
        ),
    };
    let (deleting, unfinished) = (backup.deleting, !backup.status.is_final());
    view! {
        {if deleting {
            view! { <span class="state idle"><Icon name="trash" />"Deleting"</span> }.into_any()
        } else if unfinished {
            view! { <RunningJob id=backup.job_id /> }.into_any()
        } else {
            job_state(backup.status)
        }}
        {backup.error.as_ref().map(|error| view! { <span class="cell-sub" title=error.detail.clone()>{error.code.title()}</span> })}
        {verified}
        {backup.held.as_ref().map(|reason| view! {
            <span class="cell-sub" title=reason.clone()><span class="state idle"><Icon name="lock" />"Held"</span></span>
        })}
    }
    .into_any()
}

/// The id of the button that opens a backup's row.
fn expander_id(number: i64) -> String {
    format!("backup-{number}")
}

/// What an increment builds on, as a way to its row.
fn parent_link(parent: Option<i64>) -> AnyView {
    let Some(number) = parent else {
        return view! { <span class="cell-sub">"on an older backup"</span> }.into_any();
    };
    let go = move |_| {
        let row = document().get_element_by_id(&expander_id(number));
        if let Some(button) = row.and_then(|row| row.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = button.focus();
        }
    };
    view! {
        <span class="cell-sub">
            <button type="button" class="link" on:click=go>{format!("on backup {number}")}</button>
        </span>
    }
    .into_any()
}

/// How long it took, or takes so far.
fn duration_cell(backup: &Backup) -> AnyView {
    let clock = clock();
    match (backup.duration_seconds, backup.started_at) {
        (Some(seconds), _) => format::duration(seconds).into_any(),
        (None, Some(started)) if !backup.status.is_final() => {
            (move || format::duration((clock.second.get() - started).num_seconds().max(0) as f64)).into_any()
        }
        _ => "–".into_any(),
    }
}

/// A stored size, or a dash.
pub fn size_or_dash(bytes: Option<i64>) -> String {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).map_or_else(|| "–".to_owned(), format::bytes)
}

#[component]
pub fn BackupRow(
    backup: Memo<Option<Backup>>,
    list: BackupList,
    open: RwSignal<Vec<Uuid>>,
    dialogs: BackupDialogs,
) -> impl IntoView {
    let known = backup.get_untracked();
    let (id, number) = known.map(|backup| (backup.id, backup.number)).unwrap_or_default();
    let is_open = Memo::new(move |_| open.with(|open| open.contains(&id)));
    let toggle = move |_| {
        open.update(|open| {
            let before = open.len();
            open.retain(|other| *other != id);
            if open.len() == before {
                open.push(id);
            }
        });
    };
    // Of an increment, the number of what it builds on, where that is loaded.
    let parent = Memo::new(move |_| {
        let parent = backup.with(|backup| backup.as_ref()?.parent_id)?;
        Some(list.with(|list| Some(find(&list.as_ref()?.items, parent)?.number)))
    });
    let of = move |read: fn(&Backup) -> AnyView| move || backup.with(|backup| backup.as_ref().map(read));
    view! {
        <tr role="row" class="main" class:open=is_open>
            <td role="cell" class="expander">
                <button
                    type="button"
                    class="icon-button chevron"
                    id=expander_id(number)
                    aria-label=format!("Details of backup {number}")
                    aria-expanded=move || is_open.get().to_string()
                    aria-controls=format!("details-{number}")
                    on:click=toggle
                >
                    <Icon name="chevron" />
                </button>
            </td>
            <td role="cell" data-label="Id" class="lead number strong">{number}</td>
            <td role="cell" data-label="Method">{of(|backup| backup.method.as_str().into_any())}</td>
            <td role="cell" data-label="Type">
                {of(|backup| backup.backup_type.as_str().into_any())}
                {move || parent.get().map(parent_link)}
            </td>
            <td role="cell" data-label="Status">{of(status_cell)}</td>
            <td role="cell" data-label="Started">{of(|backup| time_or_dash(backup.started_at))}</td>
            <td role="cell" data-label="Duration" class="nowrap">{of(duration_cell)}</td>
            <td role="cell" data-label="Size" class="nowrap">{of(|backup| size_or_dash(backup.size_bytes).into_any())}</td>
            <td role="cell" class="actions corner"><Actions backup list number dialogs /></td>
        </tr>
        <Show when=move || is_open.get()>
            <tr role="row" class="details" id=format!("details-{number}")>
                <td role="cell" colspan="9"><BackupDetails backup list /></td>
            </tr>
        </Show>
    }
}

/// Why it can't be deleted now.
fn delete_obstacle(backup: &Backup, list: &[Backup]) -> Option<String> {
    if backup.deleting {
        return Some("It is being deleted.".to_owned());
    }
    if !backup.status.is_final() {
        return Some("Cancel it first.".to_owned());
    }
    if let Some(reason) = &backup.held {
        return Some(format!("It is held: {reason}"));
    }
    let dependents = relatives(list, backup.id).dependents;
    (!dependents.is_empty()).then(|| builds_on_it(&dependents))
}

/// `13 and 14 build on it: delete those first.`
pub fn builds_on_it(dependents: &[i64]) -> String {
    let (verb, those) = if dependents.len() == 1 { ("builds", "that one") } else { ("build", "those") };
    format!("{} {verb} on it: delete {those} first.", listed(dependents))
}

/// Why something can't be done with the backup now.
fn obstacle(backup: &Backup) -> Option<&'static str> {
    match backup.status {
        _ if backup.deleting => Some("It is being deleted."),
        JobStatus::Completed => None,
        JobStatus::Failed | JobStatus::Cancelled => Some("It was not completed."),
        JobStatus::Pending | JobStatus::Running => Some("It is not completed yet."),
    }
}

#[component]
fn Actions(backup: Memo<Option<Backup>>, list: BackupList, number: i64, dialogs: BackupDialogs) -> impl IntoView {
    let open_job = use_open_job();
    let toasts = toasts();
    let current = expect_context::<CurrentDatastore>();
    let now = move || backup.get_untracked();
    let verify = Callback::new(move |()| {
        let Some(backup) = now() else { return };
        spawn_local(async move {
            match service().backup_verify(backup.id).await {
                Ok(job) => open_job(job.id),
                Err(error) => toasts.fail(&error.into()),
            }
        });
    });
    let view_log = Callback::new(move |()| {
        if let Some(backup) = now() {
            open_job(backup.job_id);
        }
    });
    let restore = Callback::new(move |()| dialogs.restore.set(now()));
    let delete = Callback::new(move |()| dialogs.delete.set(now()));
    let hold = Callback::new(move |()| dialogs.hold.set(now()));
    let reasons = Memo::new(move |_| {
        backup.with(|backup| {
            let backup = backup.as_ref()?;
            let no_delete = list.with(|list| {
                delete_obstacle(backup, list.as_ref().map(|list| list.items.as_slice()).unwrap_or_default())
            });
            Some((obstacle(backup), no_delete, backup.deleting, backup.held.is_some()))
        })
    });
    view! {
        <Menu name=format!("Actions for backup {number}")>
            {move || {
                let (no_use, no_delete, deleting, held) = reasons.get().unwrap_or_default();
                let no_use = no_use.map(str::to_owned);
                let no_hold = current.lacks(Permission::BackupHold).or_else(|| deleting.then(|| "It is being deleted.".to_owned()));
                let no_restore = current.lacks(Permission::RestoreInPlace).or_else(|| no_use.clone());
                let no_verify = current.lacks(Permission::BackupVerify).or(no_use);
                let no_delete = current.lacks(Permission::BackupDelete).or(no_delete);
                view! {
                    <MenuItem icon="restore" name="Restore" on_choose=restore reason=no_restore />
                    <MenuItem icon="verify" name="Verify" on_choose=verify reason=no_verify />
                    <MenuItem icon="log" name="View log" on_choose=view_log />
                    <hr role="separator" />
                    <MenuItem icon="lock" name=if held { "Release" } else { "Hold" } on_choose=hold reason=no_hold />
                    <MenuItem icon="trash" name="Delete" on_choose=delete danger=true reason=no_delete />
                }
            }}
        </Menu>
    }
}
