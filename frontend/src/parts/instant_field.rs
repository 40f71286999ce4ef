//! Chooses an instant by typing: date and time on the clocks that are shown, the fraction where the log has such, both
//! instants of a time that clocks show twice, and the nearest ones where nothing can be restored.

use leptos::prelude::*;

use super::icon::Icon;
use super::show::Show;
use crate::state::clock::{clock, own_zone, write_local, write_utc, zone_name};
use crate::state::instant::{Reading, Stretch, Typed, field_value, with_fraction};

#[component]
pub fn InstantField(
    /// Tells the fields of the page from those of a dialog over it.
    name: &'static str,
    typed: Typed,
    reading: Memo<Reading>,
    allowed: Signal<Vec<Stretch>>,
    /// Whether the log carries whole seconds.
    whole: Signal<bool>,
) -> impl IntoView {
    let clock = clock();
    let problem_id = format!("{name}-problem");
    let hint_id = format!("{name}-hint");
    let limit = move |last: bool| {
        let limit = allowed
            .with(|allowed| if last { allowed.last().map(|one| one.1) } else { allowed.first().map(|one| one.0) });
        limit.map(|at| field_value(at, clock.utc.get()))
    };
    let zone = Memo::new(move |_| match (clock.utc.get(), own_zone()) {
        (true, _) => "UTC".to_owned(),
        (false, Some(name)) => format!("your zone, {name}"),
        (false, None) => "your zone".to_owned(),
    });
    // Whoever turns the app's clocks means the same instant as before.
    Effect::new(move |before: Option<bool>| {
        let utc = clock.utc.get();
        if before.is_some_and(|before| before != utc) {
            let instants = typed.local.with_untracked(|value| crate::state::instant::instants(value, !utc));
            let later = typed.later.get_untracked();
            if let Some(at) = instants.and_then(|all| if later { all.last().copied() } else { all.first().copied() }) {
                typed.local.set(field_value(at, utc));
            }
        }
        utc
    });
    let twice = Memo::new(move |_| reading.with(|reading| reading.twice.clone()));
    let problem = Memo::new(move |_| reading.with(|reading| reading.problem.clone()));
    let nearest = Memo::new(move |_| reading.with(|reading| reading.nearest.clone()));
    let use_instant = move |at| {
        allowed.with_untracked(|allowed| typed.set(at, allowed, whole.get_untracked(), clock.utc.get_untracked()))
    };
    let described = format!("{problem_id} {hint_id}");
    view! {
        <div class="instant">
            <div class="field">
                <label for=format!("{name}-at")>{move || format!("Instant in {}", zone.get())}</label>
                <input
                    id=format!("{name}-at")
                    type="datetime-local"
                    step="1"
                    min=move || limit(false)
                    max=move || limit(true)
                    aria-invalid=move || problem.with(Option::is_some).to_string()
                    aria-describedby=described
                    prop:value=typed.local
                    on:input=move |event| {
                        typed.local.set(event_target_value(&event));
                        typed.later.set(false);
                    }
                />
            </div>
            <Show when=move || !whole.get()>
                <div class="field fraction">
                    <label for=format!("{name}-fraction")>"Fraction of the second"</label>
                    <input
                        id=format!("{name}-fraction")
                        type="text"
                        inputmode="numeric"
                        maxlength="6"
                        autocomplete="off"
                        placeholder="000000"
                        prop:value=typed.fraction
                        on:input=move |event| typed.fraction.set(event_target_value(&event))
                    />
                </div>
            </Show>
        </div>
        {move || {
            let both = twice.get();
            (both.len() > 1).then(|| view! {
                <fieldset class="stack twice">
                    <legend class="small">"Your clocks showed this time twice. Which one?"</legend>
                    {both.into_iter().enumerate().map(|(number, at)| view! {
                        <label class="choice">
                            <input
                                type="radio"
                                name=format!("{name}-showing")
                                prop:checked=move || typed.later.get() == (number == 1)
                                on:change=move |_| typed.later.set(number == 1)
                            />
                            <span>
                                {if number == 0 { "The first, at " } else { "The second, at " }}
                                {zone_name(at)} ": " <span class="nowrap">{write_utc(at)} " UTC"</span>
                            </span>
                        </label>
                    }).collect_view()}
                </fieldset>
            })
        }}
        <div class="field told" id=problem_id role="status">
            {move || problem.get().map(|problem| view! { <p class="problem"><Icon name="warning" /><span>{problem}</span></p> })}
        </div>
        {move || {
            let near = nearest.get();
            (!near.is_empty()).then(|| view! {
                <div class="sentence small">
                    <span class="muted">"Nearest that can be restored:"</span>
                    {near.into_iter().map(|at| view! {
                        <button type="button" class="button small" on:click=move |_| use_instant(at)>
                            {move || with_fraction(clock.write(at), at)}
                        </button>
                    }).collect_view()}
                </div>
            })
        }}
        <p class="small muted" id=hint_id>
            {move || reading.with(|reading| reading.at).map(|at| if clock.utc.get() {
                format!("In your zone: {} {}. ", with_fraction(write_local(at), at), zone_name(at))
            } else {
                format!("{} UTC, your clocks at {}. ", with_fraction(write_utc(at), at), zone_name(at))
            })}
            {move || whole.get().then_some("MariaDB's log carries whole seconds: everything committed before this second is restored. Choose one of its transactions in Find the mistake for an exact place.")}
        </p>
    }
}
