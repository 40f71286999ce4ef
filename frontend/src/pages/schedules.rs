//! `/datastores/{id}/schedules`: says what is not there yet, and what works instead.

use leptos::prelude::*;

use super::datastore::{BackupTabs, CurrentDatastore};
use crate::parts::datastore_row::{BackUpNow, backup_obstacle};
use crate::parts::empty::Empty;

#[component]
pub fn SchedulesPage() -> impl IntoView {
    let current = expect_context::<CurrentDatastore>();
    let id = Memo::new(move |_| current.datastore.with(|datastore| datastore.as_ref().map(|datastore| datastore.id)));
    let obstacle =
        Signal::derive(move || current.datastore.with(|datastore| datastore.as_ref().and_then(backup_obstacle)));
    view! {
        <BackupTabs />
        <Empty
            icon="calendar"
            title="Schedules come with a later version"
            text="This version does not run backups by itself. “Back up now” works today, and so does a call of the API from your own cron: POST /api/v1/datastores/{id}/backups."
        >
            {move || id.get().map(|id| view! { <BackUpNow id obstacle /> })}
        </Empty>
    }
}
