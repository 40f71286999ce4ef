//! The fields that say how often a schedule runs.

use domain::recurrence::Rule;
use domain::{BackupType, Capabilities, Recurrence};
use leptos::prelude::*;

use super::field::{FieldErrors, FieldProblem, field_id};
use super::segmented::Segmented;
use super::zone_field::ZoneField;
use crate::state::schedule_form::{Rhythm, ScheduleForm};

/// An input inside a sentence.
#[component]
fn Blank(
    form: RwSignal<ScheduleForm>,
    errors: FieldErrors,
    /// The words before it, which are its name.
    label: &'static str,
    pointer: &'static str,
    #[prop(optional)] class: &'static str,
    #[prop(optional)] placeholder: Option<&'static str>,
    place: fn(&mut ScheduleForm) -> &mut String,
) -> impl IntoView {
    let id = field_id(pointer);
    view! {
        <label for=id.clone()>{label}</label>
        <input
            id=id.clone()
            class=class
            type="text"
            placeholder=placeholder
            autocomplete="off"
            autocapitalize="off"
            spellcheck="false"
            aria-invalid=move || errors.of(pointer).is_some().to_string()
            aria-describedby=format!("{id}-problem")
            prop:value=move || place(&mut form.get()).clone()
            on:input=move |event| form.update(|form| *place(form) = event_target_value(&event))
        />
    }
}

/// The line that belongs to a rhythm.
fn sentence(rhythm: Rhythm, form: RwSignal<ScheduleForm>, errors: FieldErrors) -> AnyView {
    let unit = move |count: fn(&ScheduleForm) -> &String, one: &'static str, many: &'static str| {
        move || if form.with(|form| count(form).trim() == "1") { one } else { many }
    };
    match rhythm {
        Rhythm::Hourly => view! {
            <div class="sentence">
                <Blank form errors label="Every" pointer="/frequency/every" place=|form| &mut form.hours />
                <span>{unit(|form| &form.hours, "hour,", "hours,")}</span>
                <Blank form errors label="at minute" pointer="/frequency/minute" place=|form| &mut form.minute />
            </div>
        }
        .into_any(),
        Rhythm::Daily => view! {
            <div class="sentence">
                <Blank form errors label="Every" pointer="/frequency/every" place=|form| &mut form.days />
                <span>{unit(|form| &form.days, "day,", "days,")}</span>
                <Blank form errors label="at" pointer="/frequency/at" placeholder="05:00" place=|form| &mut form.at />
            </div>
        }
        .into_any(),
        Rhythm::Minutes => view! {
            <fieldset class="sentence">
                <legend class="hidden-text">"Minutes between backups"</legend>
                <span>"Every"</span>
                <Segmented
                    name="minutes"
                    options=vec!["15", "30", "60"]
                    chosen=Signal::derive(move || form.with(|form| form.minutes))
                    on_choose=move |minutes| form.update(|form| form.minutes = minutes)
                />
                <span>"minutes"</span>
            </fieldset>
        }
        .into_any(),
        Rhythm::Advanced => view! {
            <div class="sentence">
                <Blank form errors label="Cron expression" pointer="/recurrence" class="mono" place=|form| &mut form.expression />
            </div>
            <p class="hint">"Five fields: minute, hour, day of month, month, day of week."</p>
        }
        .into_any(),
    }
}

/// How often, on which clocks, and counted from when. `judged` is what it means now, when it means something.
#[component]
pub fn ScheduleFields(
    form: RwSignal<ScheduleForm>,
    errors: FieldErrors,
    #[prop(into)] judged: Signal<Option<Recurrence>>,
) -> impl IntoView {
    let backup_type = Memo::new(move |_| form.with(|form| form.backup_type));
    let rhythm = Memo::new(move |_| form.with(|form| form.rhythm));
    let choose = move |word: &'static str| {
        let Some(rhythm) = Rhythm::of(backup_type.get_untracked()).iter().find(|rhythm| rhythm.word() == word) else {
            return;
        };
        let text = judged.with_untracked(|judged| judged.as_ref().map(ToString::to_string));
        form.update(|form| {
            // Who goes on to an expression begins with what was chosen so far.
            if *rhythm == Rhythm::Advanced
                && let Some((_, expression)) = text.as_deref().and_then(|text| text.split_once(' '))
            {
                form.expression = expression.to_owned();
            }
            form.rhythm = *rhythm;
        });
    };
    view! {
        <fieldset class="field">
            <legend>{move || format!("Start the {} backup every", backup_type.get())}</legend>
            {move || {
                let options = Rhythm::of(backup_type.get()).iter().map(|rhythm| rhythm.word()).collect();
                view! { <Segmented name="rhythm" options chosen=Signal::derive(move || rhythm.get().word()) on_choose=choose /> }
            }}
            {move || sentence(rhythm.get(), form, errors)}
            <FieldProblem pointer="/frequency/every" errors />
            <FieldProblem pointer="/frequency/minute" errors />
            <FieldProblem pointer="/frequency/at" errors />
            <FieldProblem pointer="/frequency/from" errors />
            <FieldProblem pointer="/frequency" errors />
            <FieldProblem pointer="/recurrence" errors />
            <Anchor form judged />
        </fieldset>
        <ZoneField form errors />
    }
}

/// What the days or hours are counted from, and the way to count anew.
#[component]
fn Anchor(form: RwSignal<ScheduleForm>, #[prop(into)] judged: Signal<Option<Recurrence>>) -> impl IntoView {
    let anchor = Memo::new(move |_| {
        judged.with(|judged| match judged.as_ref().map(Recurrence::rule) {
            Some(Rule::Every(interval)) => Some(interval.anchor()),
            _ => None,
        })
    });
    let kept = Memo::new(move |_| form.with(ScheduleForm::keeps_anchor));
    let anew = move |_| {
        form.update(|form| match form.rhythm {
            Rhythm::Daily => form.days_from = None,
            _ => form.hours_from = None,
        });
    };
    move || {
        anchor.get().map(|anchor| {
            view! {
                <div class="sentence hint">
                    <span>"Counted from " <b class="number">{anchor.format("%Y-%m-%d %H:%M").to_string()}</b> "."</span>
                    {kept.get().then(|| view! {
                        <button type="button" class="button plain small" on:click=anew>"Count from the next run instead"</button>
                    })}
                </div>
            }
        })
    }
}

/// What a new schedule makes, where there is a choice.
#[component]
pub fn MethodFields(
    form: RwSignal<ScheduleForm>,
    errors: FieldErrors,
    capabilities: StoredValue<Capabilities>,
) -> impl IntoView {
    let methods = capabilities.with_value(|known| known.methods.iter().map(|known| known.method.as_str()).collect());
    let types = Memo::new(move |_| {
        let method = form.with(|form| form.method);
        capabilities.with_value(|known| {
            let known = known.methods.iter().find(|known| Some(known.method) == method);
            known.map(|known| known.types.clone()).unwrap_or_default()
        })
    });
    let choose_type = move |backup_type: BackupType| {
        form.update(|form| {
            form.backup_type = backup_type;
            if !Rhythm::of(backup_type).contains(&form.rhythm) {
                form.rhythm = Rhythm::Hourly;
            }
        });
    };
    let choose_method = move |method: &'static str| {
        form.update(|form| form.method = method.parse().ok());
        let (types, chosen) = (types.get_untracked(), form.with_untracked(|form| form.backup_type));
        if let Some(first) = types.first().filter(|_| !types.contains(&chosen)) {
            choose_type(*first);
        }
    };
    view! {
        {choice("Method", methods, Signal::derive(move || form.with(|form| form.method.map_or("", |method| method.as_str()))), choose_method)}
        {move || choice(
            "Type",
            types.with(|types| types.iter().map(|one| one.as_str()).collect()),
            Signal::derive(move || form.with(|form| form.backup_type.as_str())),
            move |word: &'static str| if let Ok(backup_type) = word.parse() { choose_type(backup_type) },
        )}
        <FieldProblem pointer="/method" errors />
        <FieldProblem pointer="/type" errors />
    }
}

/// A choice, where there is more than one.
fn choice(
    name: &'static str,
    options: Vec<&'static str>,
    chosen: Signal<&'static str>,
    choose: impl Fn(&'static str) + Copy + Send + Sync + 'static,
) -> AnyView {
    if options.len() < 2 {
        return ().into_any();
    }
    view! {
        <fieldset class="field">
            <legend>{name}</legend>
            <Segmented name options chosen on_choose=choose />
        </fieldset>
    }
    .into_any()
}
