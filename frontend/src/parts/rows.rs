//! The rows of a table that are known by an id: a row stays when others come and go. Compiled once for all tables.

use leptos::prelude::*;
use uuid::Uuid;

#[component]
pub fn Rows(
    ids: Memo<Vec<Uuid>>,
    /// Draws the row of an id.
    row: Callback<Uuid, AnyView>,
) -> impl IntoView {
    view! {
        <tbody role="rowgroup">
            <For each=move || ids.get() key=|id| *id children=move |id| row.run(id) />
        </tbody>
    }
}
