//! Asks before settings are saved that delete backups.

use domain::format;
use domain::retention::RetentionTotals;
use leptos::prelude::*;

use super::dialog::Dialog;
use super::icon::Icon;
use super::retention_preview::backups;

#[component]
pub fn SaveAndDelete(totals: RetentionTotals, on_confirm: Callback<()>, on_close: Callback<()>) -> impl IntoView {
    let action = format!("Save and delete {}", backups(totals.deleted_count));
    view! {
        <Dialog title=format!("Delete {} by retention", backups(totals.deleted_count)) on_close>
            <div class="dialog-body">
                <div class="note warn">
                    <Icon name="warning" />
                    <p class="grow">
                        "Once this is saved, retention deletes " <b>{backups(totals.deleted_count)}</b> ", "
                        {format::bytes(totals.freed_bytes)} ", one after another. They can't be brought back. "
                        {backups(totals.kept_count)} {if totals.kept_count == 1 { " stays." } else { " stay." }}
                    </p>
                </div>
                <p class="muted">"A backup that must stay can be held: “Hold” in its menu."</p>
            </div>
            <div class="dialog-foot">
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=move |_| on_close.run(())>"Cancel"</button>
                    <button type="button" class="button danger" on:click=move |_| on_confirm.run(())>{action}</button>
                </div>
            </div>
        </Dialog>
    }
}
