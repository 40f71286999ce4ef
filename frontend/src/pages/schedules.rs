//! `/datastores/{id}/schedules`: says what is not there yet, and what works instead.

use leptos::prelude::*;

use super::datastore::BackupTabs;
use crate::parts::empty::Empty;

#[component]
pub fn SchedulesPage() -> impl IntoView {
    view! {
        <BackupTabs />
        <Empty
            icon="calendar"
            title="Schedules come with a later version"
            text="This version does not run backups by itself. “Back up now” works today, and so does a call of the API from your own cron: POST /api/v1/datastores/{id}/backups."
        />
    }
}
