//! A job's log: read on from the last line once a second while the job runs, following the end until the reader scrolls
//! up.

use std::time::Duration;

use domain::{EventKind, LogLevel, LogLine};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use uuid::Uuid;

use super::code_box::CopyButton;
use super::icon::Icon;
use super::problem::Problem;
use super::show::Show;
use super::time::TimeOfDay;
use crate::state::failure::Failure;
use crate::state::live::live;
use crate::state::service::service;

/// Lines asked for at once.
const LINES: u32 = 500;
/// Lines kept on the page; "Copy log" copies these.
const KEPT: usize = 5000;

/// A log that is being read.
#[derive(Clone, Copy)]
struct Reading {
    id: Uuid,
    lines: RwSignal<Vec<LogLine>>,
    failure: RwSignal<Option<Failure>>,
    busy: StoredValue<bool>,
}

impl Reading {
    /// Reads what is new, to the end.
    fn read_on(self) {
        if self.busy.try_get_value().unwrap_or(true) {
            return;
        }
        self.busy.set_value(true);
        spawn_local(async move {
            loop {
                let Some(after) = self.lines.try_with_untracked(|lines| lines.last().map_or(0, |line| line.sequence))
                else {
                    return;
                };
                let page = service().job_log(self.id, after, LINES).await;
                let full = page.as_ref().is_ok_and(|page| page.items.len() == LINES as usize);
                let told = match page {
                    Ok(page) => {
                        let _ = self.failure.try_set(None);
                        page.items.is_empty() || self.lines.try_update(|lines| take(lines, page.items)).is_some()
                    }
                    Err(error) => self.failure.try_set(Some(error.into())).is_none(),
                };
                if !full || !told {
                    break;
                }
            }
            let _ = self.busy.try_update_value(|busy| *busy = false);
        });
    }
}

/// Appends lines that are not there yet and drops the oldest beyond what is kept.
fn take(lines: &mut Vec<LogLine>, new: Vec<LogLine>) {
    let last = lines.last().map_or(0, |line| line.sequence);
    lines.extend(new.into_iter().filter(|line| line.sequence > last));
    let surplus = lines.len().saturating_sub(KEPT);
    lines.drain(..surplus);
}

/// One line, with its time of day in the chosen zone.
pub fn log_line(line: LogLine) -> impl IntoView {
    let class = match line.level {
        LogLevel::Tool => "line tool",
        LogLevel::Info => "line",
        LogLevel::Warning => "line warning",
        LogLevel::Error => "line error",
    };
    view! {
        <div class=class>
            <TimeOfDay at=line.at />
            <span>{line.text}</span>
        </div>
    }
}

#[component]
pub fn JobLog(id: Uuid, #[prop(into)] running: Signal<bool>) -> impl IntoView {
    let live = live();
    let reading =
        Reading { id, lines: RwSignal::new(Vec::new()), failure: RwSignal::new(None), busy: StoredValue::new(false) };
    let frame = NodeRef::<html::Div>::new();
    let following = RwSignal::new(true);

    Effect::new(move |_| {
        live.follow(&[EventKind::Job]);
        reading.read_on();
        if running.get()
            && let Ok(timer) = set_interval_with_handle(move || reading.read_on(), Duration::from_secs(1))
        {
            on_cleanup(move || timer.clear());
        }
    });
    let to_end = move || {
        if let Some(frame) = frame.get_untracked() {
            frame.set_scroll_top(frame.scroll_height());
        }
    };
    Effect::new(move |_| {
        reading.lines.track();
        if following.get() {
            request_animation_frame(to_end);
        }
    });
    let scrolled = move |_| {
        if let Some(frame) = frame.get_untracked() {
            let rest = frame.scroll_height() - frame.scroll_top() - frame.client_height();
            following.set(rest < 24);
        }
    };
    let text = Signal::derive(move || {
        reading.lines.with(|lines| {
            lines
                .iter()
                .map(|line| format!("{} {:7} {}\n", line.at.format("%+"), line.level, line.text))
                .collect::<String>()
        })
    });
    view! {
        <section class="job-log" aria-label="Log of the job">
            <header>
                <h3>"Log"</h3>
                <CopyButton text label="log" />
            </header>
            {move || reading.failure.get().map(|failure| view! { <Problem failure /> })}
            <div class="log-frame">
                <div node_ref=frame class="log" role="log" aria-live="off" aria-label="Log lines" tabindex="0" on:scroll=scrolled>
                    <For each=move || reading.lines.get() key=|line| line.sequence children=log_line />
                    <Show when=move || reading.lines.with(Vec::is_empty)>
                        <span class="muted">{move || if running.get() { "No lines yet." } else { "This job wrote no lines." }}</span>
                    </Show>
                </div>
                <Show when=move || !following.get()>
                    <button type="button" class="button small follow" on:click=move |_| { following.set(true); to_end() }>
                        <Icon name="down" />
                        "Follow"
                    </button>
                </Show>
            </div>
        </section>
    }
}
