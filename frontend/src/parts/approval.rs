//! A restore that waits for a second administrator: what is known of the request, and the decision about it.

use domain::access::Permission;
use domain::approval::MAX_NOTE_CHARS;
use domain::{Approval, ApprovalDecision, ApprovalStatus, EventKind, Restore};
use leptos::prelude::*;

use super::ask::{Ask, act};
use super::field::{FieldErrors, TextField};
use super::job_state::state;
use super::time::{Ago, Time};
use crate::pages::datastore::CurrentDatastore;
use crate::state::live::live;
use crate::state::service::service;
use crate::state::session::session;
use crate::state::toasts::toasts;

/// A request and what is to be decided about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decide {
    restore: Restore,
    approve: bool,
}

/// Where a request stands that does not let the restore begin.
pub fn approval_state(approval: Approval) -> AnyView {
    let word = match approval.status {
        ApprovalStatus::Requested => state("warn", "waiting", "Waits for approval"),
        ApprovalStatus::Approved => state("ok", "done", "Approved"),
        ApprovalStatus::Refused => state("bad", "cancelled", "Refused"),
        ApprovalStatus::Expired => state("idle", "cancelled", "Request expired"),
        ApprovalStatus::Withdrawn => state("idle", "cancelled", "Request withdrawn"),
    };
    let (by, at, until) = (approval.requested_by.clone(), approval.requested_at, approval.expires_at);
    let waits = approval.status == ApprovalStatus::Requested;
    view! {
        {word}
        <span class="cell-sub">"Asked by " {by} ", " <Ago at /></span>
        {waits.then(|| view! { <span class="cell-sub">"until " <Time at=until /></span> })}
        {decided(approval)}
    }
    .into_any()
}

/// Who decided, and what they had to say.
pub fn decided(approval: Approval) -> AnyView {
    let word = if approval.status == ApprovalStatus::Approved { "Approved by " } else { "Refused by " };
    view! {
        {approval.decided_by.map(|by| view! { <span class="cell-sub">{word} {by}</span> })}
        {approval.note.map(|note| view! { <span class="cell-sub">"“" {note} "”"</span> })}
    }
    .into_any()
}

/// The buttons of an open request, off with their reason where one may not decide.
pub fn decide_buttons(restore: Memo<Option<Restore>>, by: String, decide: RwSignal<Option<Decide>>) -> AnyView {
    let session = session();
    let lacks = expect_context::<CurrentDatastore>().lacking(Permission::RestoreApprove);
    let reason = Signal::derive(move || {
        let own = session.name().is_none_or(|name| name == by);
        lacks.get().or_else(|| own.then(|| "Another administrator has to decide.".to_owned()))
    });
    let button = move |word: &'static str, approve: bool| {
        view! {
            <button type="button" class="button small" class:primary=approve title=reason disabled=move || reason.with(Option::is_some)
                on:click=move |_| decide.set(restore.get_untracked().map(|restore| Decide { restore, approve }))
            >
                {word}
            </button>
        }
        .into_any()
    };
    view! {
        <div class="row wrap">{button("Approve", true)} {button("Refuse", false)}</div>
        {move || reason.get().map(|reason| view! { <span class="cell-sub">{reason}</span> })}
    }
    .into_any()
}

/// The dialog that decides.
pub fn decision(asked: Decide, decide: RwSignal<Option<Decide>>) -> AnyView {
    let (toasts, live) = (toasts(), live());
    let Decide { restore, approve } = asked;
    let (id, number) = (restore.id, restore.backup_number);
    let by = restore.approval.map(|approval| approval.requested_by).unwrap_or_default();
    let note = RwSignal::new(String::new());
    let errors = FieldErrors::new();
    let act = act(move || async move {
        let body =
            ApprovalDecision { note: Some(note.get_untracked().trim().to_owned()).filter(|note| !note.is_empty()) };
        if approve {
            service().restore_approve(id, &body).await?;
        } else {
            service().restore_refuse(id, &body).await?;
        }
        toasts.tell(if approve { "Approved. The restore begins." } else { "Refused." });
        live.changed(&[EventKind::Restore, EventKind::Datastore]);
        Ok(())
    });
    let text = if approve {
        " asked to restore this datastore over its live data. Once you approve, it begins at once."
    } else {
        " asked to restore this datastore over its live data. Refused, it does not happen; it can be asked for again."
    };
    let body = view! {
        <p><b>{by}</b> {text}</p>
        <TextField label="Note" pointer="/note" value=note errors optional=true hint="For whoever asked." />
    }
    .into_any();
    let ready = Signal::derive(move || note.with(|note| note.chars().count() <= MAX_NOTE_CHARS));
    let (verb, title) = if approve {
        ("Approve", format!("Approve the restore of backup {number}"))
    } else {
        ("Refuse", format!("Refuse the restore of backup {number}"))
    };
    let on_close = move |()| {
        let _ = decide.try_set(None);
    };
    view! { <Ask title body verb danger=!approve ready errors first="/note" act on_close /> }.into_any()
}
