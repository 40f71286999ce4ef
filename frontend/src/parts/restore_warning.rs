//! What is said before a restore begins: the warning, worded as people know it.

use chrono::{DateTime, Utc};
use domain::{RecoveryStop, format};
use leptos::prelude::*;

use super::icon::Icon;
use super::restore_stop::{Choice, StopDraft};
use crate::state::clock::{clock, write_local, write_utc, zone_name};
use crate::state::instant::with_fraction;

/// Where the replay stops, as a phrase that goes on from the backup.
pub fn until(draft: StopDraft, choice: Memo<Choice>) -> Signal<String> {
    Signal::derive(move || match choice.get() {
        Choice::Exactly | Choice::Unclear => String::new(),
        Choice::To(RecoveryStop::Time { at }) => {
            format!(" with the log up to {} UTC", with_fraction(write_utc(at), at))
        }
        Choice::To(RecoveryStop::Latest) => " with all of the archived log".to_owned(),
        Choice::To(RecoveryStop::Position { .. }) => {
            let entry = draft.entry.get_value();
            let transaction = entry.map(|entry| entry.transaction).unwrap_or_default();
            format!(" with the log up to just before transaction {transaction}")
        }
    })
}

/// What stands in the warning's place where nothing is overwritten.
pub fn harmless(title: &'static str, text: AnyView) -> AnyView {
    view! {
        <div class="note info" role="group" aria-labelledby="restore-going">
            <Icon name="info" />
            <div class="grow">
                <h3 id="restore-going" class="strong">{title}</h3>
                <p>{text}</p>
            </div>
        </div>
    }
    .into_any()
}

/// The yellow box: worded as people know it, with the instant in UTC and in their zone.
#[component]
pub fn Warning(
    name: String,
    number: i64,
    taken: DateTime<Utc>,
    draft: StopDraft,
    choice: Memo<Choice>,
) -> impl IntoView {
    let clock = clock();
    let created = taken.format("%d/%m/%Y %H:%M UTC").to_string();
    // What is restored, the instant from which on everything is lost, and how to speak of it.
    let since = if draft.whole { "from that second on" } else { "after that instant" };
    let told = move || {
        let (at, how, lost) = match choice.get() {
            Choice::Exactly | Choice::Unclear => return (None, String::new(), ""),
            Choice::To(RecoveryStop::Time { at }) => (Some(at), "replay the log up to ".to_owned(), since),
            Choice::To(RecoveryStop::Latest) => {
                let end = draft.reach.with(|reach| reach.as_ref().map(|reach| reach.to));
                (end, "replay all of the archived log, which reaches to ".to_owned(), "after its end")
            }
            Choice::To(RecoveryStop::Position { .. }) => {
                let entry = draft.entry.get_value();
                let transaction = entry.as_ref().map(|entry| entry.transaction.clone()).unwrap_or_default();
                let how = format!("replay the log to just before transaction {transaction}, committed at ");
                (entry.map(|entry| entry.committed_at), how, "from that place on")
            }
        };
        (at, how, lost)
    };
    let ago = move |at: DateTime<Utc>| {
        let seconds = (clock.second.get() - at).num_milliseconds() as f64 / 1000.0;
        format!("{} ago", format::duration(seconds.max(0.0)))
    };
    let kept = StoredValue::new(name);
    view! {
        <div class="going" role="group" aria-labelledby="restore-going">
            <Icon name="warning" />
            <div>
                <h3 id="restore-going">"You are going to restore a backup"</h3>
                {move || match (told(), choice.with(|choice| *choice == Choice::Unclear)) {
                    (_, true) => view! { <p>"Choose where the restore stops: an instant that the archived log holds, or the latest."</p> }.into_any(),
                    ((Some(at), how, lost), _) => {
                        let utc = with_fraction(write_utc(at), at);
                        let local = with_fraction(write_local(at), at);
                        view! {
                            <p>
                                "You are about to restore backup " {number} " and " {how} <b class="nowrap">{utc} " UTC"</b> ", "
                                <span class="nowrap">{move || ago(at)}</span>
                                ". This process will completely overwrite your current data, and everything committed " {lost} " will be lost."
                            </p>
                            <p class="small">
                                "In your zone: " <span class="nowrap">{local} " " {zone_name(at)}</span>
                                ". The log after it stays archived: a later restore can go there as long as retention keeps it. The replaced data of "
                                <b>{kept.get_value()}</b> " is kept for " {domain::restore::UNDO_HOURS} " hours, so that it can be put back."
                            </p>
                        }.into_any()
                    }
                    _ => view! {
                        <p>
                            "You are about to restore a backup created on " <b class="nowrap">{created.clone()}</b>
                            ". This process will completely overwrite your current data and all changes since your last backup will be lost."
                        </p>
                        <p class="small">
                            "In your zone: " <span class="nowrap">{write_local(taken)} " " {zone_name(taken)}</span> ". The replaced data of "
                            <b>{kept.get_value()}</b> " is kept for " {domain::restore::UNDO_HOURS} " hours, so that it can be put back."
                        </p>
                    }.into_any(),
                }}
            </div>
        </div>
    }
}
