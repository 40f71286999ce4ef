//! The fields that say how long backups are kept, and below them what that means in words.

use domain::BackupSettings;
use leptos::prelude::*;

use super::field::{FieldErrors, number_field};
use super::icon::Icon;
use super::show::Show;
use crate::state::backup_draft::BackupDraft;

const NO_RULE: &str = "no rule";

/// The counts of the calendar: name, where the service speaks of it, what it keeps one of.
const CALENDAR: [(&str, &str, &str); 5] = [
    ("Hourly", "/retention/keep_hourly", "hours"),
    ("Daily", "/retention/keep_daily", "days"),
    ("Weekly", "/retention/keep_weekly", "weeks, from Monday"),
    ("Monthly", "/retention/keep_monthly", "months"),
    ("Yearly", "/retention/keep_yearly", "years"),
];

#[component]
pub fn RetentionFields(
    draft: BackupDraft,
    errors: FieldErrors,
    typed: Memo<BackupSettings>,
    /// Whether the datastore can archive logs.
    offers_logs: Signal<bool>,
    /// Whether its log is in backups.
    log_backups: Signal<bool>,
) -> impl IntoView {
    // Without logs there are no moments between backups; what was set before stays in sight.
    let had_window = draft.window.with_untracked(|window| !window.is_empty());
    let invalid = Memo::new(move |_| typed.with(|typed| !typed.retention.validate().is_empty()));
    let meaning = move || {
        typed.with(|typed| match typed.log_archiving || log_backups.get() {
            true => typed.retention.description(),
            false => typed.retention.description_of_backups(),
        })
    };
    view! {
        <section class="panel section" aria-labelledby="section-retention">
            <header>
                <h2 id="section-retention">"Retention"</h2>
                <p>"A backup stays as long as any rule keeps it. A field that is empty is no rule."</p>
            </header>
            <div class="fields">
                {number_field("Keep days", "/retention/keep_days", draft.days, errors, "third", NO_RULE, "Every backup, for so long.")}
                {number_field("Keep last", "/retention/keep_last", draft.last, errors, "third", NO_RULE, "The newest full backups, with their increments.")}
                {number_field("Minimum good backups", "/retention/minimum_good_backups", draft.minimum, errors, "third", "", "Full ones that stay, however old.")}
                <Show when=move || had_window || offers_logs.get()>
                    {number_field("Point-in-time window, days", "/retention/point_in_time_window_days", draft.window, errors, "third", NO_RULE, "Any moment of so many days can be restored.")}
                </Show>
            </div>
            <Calendar draft errors />
            <div class="note info" role="status" class:unseen=move || invalid.get()>
                <Icon name="info" />
                <p class="grow">{meaning}</p>
            </div>
        </section>
    }
}

/// Copies that get rarer as they get older: open where any is set or wrong.
#[component]
fn Calendar(draft: BackupDraft, errors: FieldErrors) -> impl IntoView {
    let values = [draft.hourly, draft.daily, draft.weekly, draft.monthly, draft.yearly];
    let used = values.iter().any(|value| value.with_untracked(|value| !value.is_empty()));
    let open = Memo::new(move |_| used || CALENDAR.iter().any(|(_, pointer, _)| errors.of(pointer).is_some()));
    view! {
        <details open=move || open.get()>
            <summary>"By calendar"</summary>
            <p class="hint">"The newest full backup of each of the newest so many periods that have one, in UTC."</p>
            <div class="fields">
                {CALENDAR
                    .into_iter()
                    .zip(values)
                    .map(|((label, pointer, hint), value)| {
                        number_field(label, pointer, value, errors, "third", NO_RULE, hint)
                    })
                    .collect_view()}
            </div>
        </details>
    }
}
