//! The zone on whose clocks a schedule is read: an IANA name, searched for in the browser's own list of suggestions.

use domain::recurrence::zone_names;
use leptos::prelude::*;

use super::field::{FieldErrors, FieldProblem};
use crate::state::clock::own_zone;
use crate::state::schedule_form::ScheduleForm;

const POINTER: &str = "/frequency/time_zone";

/// The suggestions as HTML, the viewer's zone and UTC first. Names that are written with "_" are found with a space as well.
fn suggestions(own: &str) -> String {
    let mut html = String::new();
    let mut add = |name: &str| html.push_str(&format!("<option value=\"{name}\">{}", name.replace('_', " ")));
    if own != "UTC" {
        add(own);
    }
    add("UTC");
    zone_names().filter(|name| *name != "UTC" && *name != own).for_each(add);
    html
}

#[component]
pub fn ZoneField(form: RwSignal<ScheduleForm>, errors: FieldErrors) -> impl IntoView {
    let own = own_zone().unwrap_or_else(|| "UTC".to_owned());
    let all = suggestions(&own);
    let offered = Memo::new(move |_| form.with(|form| form.zone != own).then(|| own.clone()));
    let choose = move |zone: String| form.update(|form| form.zone = zone);
    view! {
        <div class="field">
            <label for="zone">"Time zone"</label>
            <div class="sentence">
                <input
                    id="zone"
                    class="zone"
                    type="text"
                    list="zones"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    placeholder="Search, such as Berlin"
                    aria-invalid=move || errors.of(POINTER).is_some().to_string()
                    aria-describedby="field-frequency-time_zone-problem"
                    prop:value=move || form.with(|form| form.zone.clone())
                    on:input=move |event| choose(event_target_value(&event))
                />
                {move || offered.get().map(|own| {
                    let name = format!("Use {own}");
                    view! { <button type="button" class="button plain small" on:click=move |_| choose(own.clone())>{name}</button> }
                })}
            </div>
            <FieldProblem pointer=POINTER errors />
            <datalist id="zones" inner_html=all></datalist>
        </div>
    }
}
