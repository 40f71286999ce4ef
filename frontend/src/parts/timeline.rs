//! What can be recovered, as a picture: a track for each line of history, the stretches that the log covers, its gaps, and
//! the backups. A click on a stretch chooses the instant there. The same in words for those who don't see it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::recovery::{Axis, Branch};
use domain::{Backup, BackupType, RecoveryWindow};
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::icon::Icon;
use super::segmented::Segmented;
use super::show::Show;
use crate::state::clock::{Clock, clock};
use crate::state::instant::offset_at;

/// How wide the picture is: its name and hours, none for everything.
const ZOOMS: [(&str, i64); 6] = [("1 h", 1), ("6 h", 6), ("24 h", 24), ("7 d", 168), ("30 d", 720), ("All", 0)];
/// The height of a track, in pixels: its name, its bar, and room.
const TRACK: f64 = 50.0;
/// The height of the line of time, in pixels.
const SCALE: f64 = 40.0;
/// How many times are written on it at most.
const MARKS: i64 = 5;
/// How many gaps are told below it.
const GAPS: usize = 8;

/// A backup on a track.
#[derive(Debug, Clone, PartialEq)]
struct Mark {
    at: DateTime<Utc>,
    branch: String,
    number: i64,
    backup_type: BackupType,
}

/// A track and its name.
#[derive(Debug, Clone, PartialEq)]
struct Track {
    branch: String,
    name: String,
}

/// The branch that a backup without a log was made on.
fn branch_at(branches: &[Branch], at: DateTime<Utc>) -> Option<&Branch> {
    branches.iter().filter(|one| one.from <= at && one.to.is_none_or(|to| to >= at)).max_by_key(|one| one.from)
}

fn marks(window: &RecoveryWindow, backups: &[Backup]) -> Vec<Mark> {
    let mut marks: Vec<Mark> = backups
        .iter()
        .filter_map(|backup| {
            let at = backup.ended_at?;
            let reach = window.reach(backup.id, at).map(|reach| reach.branch);
            let branch = reach.or_else(|| Some(branch_at(&window.branches, at)?.branch.clone()))?;
            Some(Mark { at, branch, number: backup.number, backup_type: backup.backup_type })
        })
        .collect();
    marks.sort_by_key(|mark| mark.at);
    marks
}

/// The current line first, then those that were left, the newest first.
fn tracks(window: &RecoveryWindow, clock: Clock) -> Vec<Track> {
    let mut branches: Vec<&Branch> = window.branches.iter().collect();
    branches.sort_by_key(|one| (!one.is_current, std::cmp::Reverse(one.from)));
    let is_used = |branch: &str| {
        window.windows.iter().any(|one| one.branch == branch) || window.gaps.iter().any(|one| one.branch == branch)
    };
    let used = branches.into_iter().filter(|one| one.is_current || is_used(&one.branch));
    used.map(|one| {
        let name = match one.to {
            _ if one.is_current => "Now".to_owned(),
            Some(to) => format!("Until the restore of {}", clock.write(to)),
            None => "Earlier".to_owned(),
        };
        Track { branch: one.branch.clone(), name }
    })
    .collect()
}

/// A backup: a square for a full one, else a diamond; pointing at it tells which.
fn shape(mark: &Mark, ended: &str, x: f64, y: f64, number: usize, is_picked: bool) -> String {
    let class = if is_picked { "mark picked" } else { "mark" };
    let path = match mark.backup_type {
        BackupType::Full => "M-6 -6h12v12h-12z",
        _ => "M0 -7l7 7l-7 7l-7 -7z",
    };
    let (word, backup) = (mark.backup_type.as_str(), mark.number);
    format!(
        "<svg x=\"{x:.3}%\" y=\"{y}\" overflow=\"visible\"><path class=\"{class}\" data-mark=\"{number}\" d=\"{path}\"><title>Backup {backup}, {word}, ended {ended}</title></path></svg>"
    )
}

/// Everything that is drawn, as SVG. Nothing in it was written by people.
fn draw(drawn: &Drawn, clock: Clock) -> String {
    let Drawn { name, window, tracks, marks, axis, chosen, branch, picked } = drawn;
    let height = TRACK * tracks.len() as f64;
    let mut svg = format!(
        "<defs><pattern id=\"{name}-hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"hatch-ground\" width=\"6\" height=\"6\"/><rect class=\"hatch\" width=\"2.5\" height=\"6\"/></pattern></defs>"
    );
    let utc = clock.utc.get();
    let (times, step) = axis.marks(MARKS, if utc { 0 } else { offset_at(axis.to) });
    let mut day = String::new();
    for at in times {
        let x = axis.percent(at);
        let written = clock.write(at);
        let (date, time) = (written.get(5..10).unwrap_or_default(), written.get(11..).unwrap_or_default());
        let anchor = if x < 6.0 {
            "start"
        } else if x > 94.0 {
            "end"
        } else {
            "middle"
        };
        let (line, below) = (height + 18.0, height + 34.0);
        let first = match step {
            86_400.. => date,
            60.. => time.get(..5).unwrap_or(time),
            _ => time,
        };
        svg.push_str(&format!("<line class=\"tick\" x1=\"{x:.3}%\" x2=\"{x:.3}%\" y1=\"0\" y2=\"{height}\"/><text x=\"{x:.3}%\" y=\"{line}\" text-anchor=\"{anchor}\">{first}</text>"));
        if step < 86_400 && day != date {
            svg.push_str(&format!("<text x=\"{x:.3}%\" y=\"{below}\" text-anchor=\"{anchor}\">{date}</text>"));
            day = date.to_owned();
        }
    }
    for (number, track) in tracks.iter().enumerate() {
        let top = TRACK * number as f64;
        let (text, bar, middle) = (top + 14.0, top + 22.0, top + 32.0);
        svg.push_str(&format!("<text class=\"name\" x=\"0\" y=\"{text}\">{}</text><rect class=\"ground\" x=\"0\" y=\"{bar}\" width=\"100%\" height=\"20\" rx=\"4\"/>", track.name));
        let mut stretch = |class: &str, part: Option<(f64, f64)>, fill: &str| {
            if let Some((x, width)) = part {
                svg.push_str(&format!(
                    "<rect class=\"{class}\" x=\"{x:.3}%\" y=\"{bar}\" width=\"{width:.3}%\" height=\"20\" {fill}/>"
                ));
            }
        };
        for one in window.windows.iter().filter(|one| one.branch == track.branch) {
            stretch("covered", axis.part(one.from, one.to), "");
        }
        for one in window.gaps.iter().filter(|one| one.branch == track.branch) {
            stretch("gap", axis.part(one.from, one.to), &format!("fill=\"url(#{name}-hatch)\""));
        }
        for (index, mark) in marks.iter().enumerate().filter(|(_, mark)| mark.branch == track.branch) {
            let x = axis.percent(mark.at);
            if (0.0..=100.0).contains(&x) {
                svg.push_str(&shape(mark, &clock.write(mark.at), x, middle, index, *picked == Some(index)));
            }
        }
        if let Some(x) =
            chosen.map(|at| axis.percent(at)).filter(|x| (0.0..=100.0).contains(x) && *branch == track.branch)
        {
            let end = bar + 24.0;
            svg.push_str(&format!("<line class=\"chosen\" x1=\"{x:.3}%\" x2=\"{x:.3}%\" y1=\"{text}\" y2=\"{end}\"/><circle class=\"chosen\" cx=\"{x:.3}%\" cy=\"{text}\" r=\"5\"/>"));
        }
    }
    svg
}

/// What a picture is drawn from.
#[derive(Clone, PartialEq)]
struct Drawn {
    name: &'static str,
    window: RecoveryWindow,
    tracks: Vec<Track>,
    marks: Vec<Mark>,
    axis: Axis,
    chosen: Option<DateTime<Utc>>,
    branch: String,
    picked: Option<usize>,
}

/// Everything that there is, with a little room at both ends.
fn whole(window: &RecoveryWindow, marks: &[Mark], until: Option<DateTime<Utc>>) -> Axis {
    let stretches = window.windows.iter().map(|one| (one.from, one.to));
    let stretches = stretches.chain(window.gaps.iter().map(|one| (one.from, one.to)));
    let all: Vec<_> = stretches.chain(marks.iter().map(|mark| (mark.at, mark.at))).collect();
    let to = all.iter().map(|one| one.1).chain(until).max().unwrap_or_default();
    let from = all.iter().map(|one| one.0).min().unwrap_or(to);
    let room = ((to - from) / 40).max(TimeDelta::seconds(1));
    Axis { from: from - room, to: to + room }
}

#[component]
pub fn Timeline(
    /// Tells the parts of this picture from those of another one on the page.
    name: &'static str,
    window: Signal<Option<RecoveryWindow>>,
    /// The completed ones.
    backups: Signal<Vec<Backup>>,
    chosen: Signal<Option<DateTime<Utc>>>,
    /// The line of history that the chosen instant is on.
    branch: Signal<String>,
    on_choose: Callback<(DateTime<Utc>, String)>,
    /// Whether it ends now, not where the log does.
    #[prop(optional)]
    to_now: bool,
) -> impl IntoView {
    let clock = clock();
    let zoom = RwSignal::new("All");
    let middle = RwSignal::new(None::<DateTime<Utc>>);
    let picked = RwSignal::new(None::<usize>);
    let found = Memo::new(move |_| {
        window.with(|window| {
            backups.with(|backups| window.as_ref().map(|window| marks(window, backups)).unwrap_or_default())
        })
    });
    let drawn = Memo::new(move |_| {
        let window = window.get()?;
        let marks = found.get();
        let all = whole(&window, &marks, to_now.then(|| clock.now.get()));
        let hours = ZOOMS.iter().find(|(name, _)| *name == zoom.get()).map_or(0, |(_, hours)| *hours);
        let axis = if hours == 0 {
            all
        } else {
            let half = TimeDelta::minutes(hours * 30);
            let at = middle.get().unwrap_or(all.to);
            let to = (at + half).min(all.to);
            Axis { from: to - half * 2, to }
        };
        let tracks = tracks(&window, clock);
        Some(Drawn {
            name,
            tracks,
            marks,
            axis,
            chosen: chosen.get(),
            branch: branch.get(),
            picked: picked.get(),
            window,
        })
    });
    let svg =
        Memo::new(move |_| drawn.with(|drawn| drawn.as_ref().map(|drawn| draw(drawn, clock)).unwrap_or_default()));
    let height =
        move || drawn.with(|drawn| drawn.as_ref().map_or(0.0, |drawn| TRACK * drawn.tracks.len() as f64 + SCALE));
    let span = Memo::new(move |_| {
        drawn.with(|drawn| {
            drawn.as_ref().map(|drawn| format!("{} to {}", clock.write(drawn.axis.from), clock.write(drawn.axis.to)))
        })
    });
    let pick = move |index: usize| {
        picked.set(Some(index));
        if let Some(mark) = found.with_untracked(|marks| marks.get(index).cloned()) {
            middle.set(Some(mark.at));
        }
    };
    let clicked = move |event: web_sys::MouseEvent| {
        let Some(svg) = event.current_target().and_then(|target| target.dyn_into::<web_sys::Element>().ok()) else {
            return;
        };
        let Some(Drawn { window, tracks, marks, axis, .. }) = drawn.get_untracked() else { return };
        let hit = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let hit = hit.and_then(|hit| hit.get_attribute("data-mark")).and_then(|index| index.parse::<usize>().ok());
        if let Some((index, mark)) = hit.and_then(|index| Some((index, marks.get(index)?))) {
            picked.set(Some(index));
            if window.window_at(mark.at, &mark.branch).is_some() {
                on_choose.run((mark.at, mark.branch.clone()));
            }
            return;
        }
        let bounds = svg.get_bounding_client_rect();
        let at = axis.at((f64::from(event.client_x()) - bounds.left()) / bounds.width().max(1.0) * 100.0);
        let row = (f64::from(event.client_y()) - bounds.top()) / TRACK;
        // Above the first track is on it.
        let track = tracks.get(row.max(0.0) as usize);
        if let Some(track) = track.filter(|track| window.window_at(at, &track.branch).is_some()) {
            on_choose.run((at, track.branch.clone()));
        }
    };
    let zoom_to = move |name| {
        middle.set(chosen.get_untracked());
        zoom.set(name);
    };
    let shift = move |by: i32| {
        if let Some(axis) = drawn.with_untracked(|drawn| drawn.as_ref().map(|drawn| drawn.axis)) {
            let half = (axis.to - axis.from) / 2;
            middle.set(Some(axis.from + half + half * by));
        }
    };
    let step = move |by: isize| {
        let count = found.with_untracked(Vec::len);
        let next = match picked.get_untracked() {
            Some(index) => index.saturating_add_signed(by),
            None => count.saturating_sub(1),
        };
        if count > 0 {
            pick(next.min(count - 1));
        }
    };
    let readout = move || {
        let marks = found.get();
        let mark = marks.get(picked.get().unwrap_or(usize::MAX));
        match mark {
            Some(mark) => {
                format!("Backup {}, {}, ended {}", mark.number, mark.backup_type.as_str(), clock.write(mark.at))
            }
            None => match marks.len() {
                1 => "1 backup".to_owned(),
                count => format!("{count} backups"),
            },
        }
    };
    view! {
        <figure class="timeline" aria-label="Timeline">
            <div class="timeline-head">
                <div role="group" aria-label="Zoom">
                    <Segmented
                        name
                        options=ZOOMS.iter().map(|(name, _)| *name).collect()
                        chosen=zoom
                        on_choose=zoom_to
                    />
                </div>
                <Show when=move || zoom.get() != "All">
                    <div class="row">
                        <button type="button" class="icon-button framed back" aria-label="Earlier" title="Earlier" on:click=move |_| shift(-1)><Icon name="chevron" /></button>
                        <button type="button" class="icon-button framed" aria-label="Later" title="Later" on:click=move |_| shift(1)><Icon name="chevron" /></button>
                    </div>
                </Show>
                <span class="small muted number">{span}</span>
            </div>
            <svg
                class="picture"
                role="img"
                aria-label=move || format!("What can be restored, {}", span.get().unwrap_or_default())
                aria-describedby=format!("{name}-words")
                height=height
                on:click=clicked
                inner_html=svg
            ></svg>
            <div class="hidden-text" id=format!("{name}-words")>
                <ul>
                    {move || window.with(|window| window.as_ref().map(|window| words(window, clock)))}
                </ul>
            </div>
            <div class="legend small">
                <span><i class="covered"></i>"Any instant can be restored"</span>
                <span><i class="gap"></i>"Log is missing"</span>
                <span><i class="full"></i>"Full backup"</span>
                <span><i class="incremental"></i>"Built on others"</span>
                <span class="backups-read">
                    <button type="button" class="icon-button back" aria-label="Earlier backup" title="Earlier backup" on:click=move |_| step(-1)><Icon name="chevron" /></button>
                    <span role="status" class="number">{readout}</span>
                    <button type="button" class="icon-button" aria-label="Later backup" title="Later backup" on:click=move |_| step(1)><Icon name="chevron" /></button>
                </span>
            </div>
            {move || window.with(|window| window.as_ref().map(|window| gaps(window, clock)))}
        </figure>
    }
}

/// The windows in words.
fn words(window: &RecoveryWindow, clock: Clock) -> AnyView {
    let named = |branch: &str| {
        tracks(window, clock).into_iter().find(|one| one.branch == branch).map(|one| one.name).unwrap_or_default()
    };
    window
        .windows
        .iter()
        .map(|one| {
            view! { <li>{format!("{}: any instant from {} to {}. ", named(&one.branch), clock.write(one.from), clock.write(one.to))}</li> }
        })
        .collect_view()
        .into_any()
}

/// The gaps and their reasons, for everyone, the newest first.
fn gaps(window: &RecoveryWindow, clock: Clock) -> AnyView {
    let more = window.gaps.len().saturating_sub(GAPS);
    let gaps = window.gaps.iter().rev().take(GAPS).map(|gap| {
        let span = format!("No log from {} to {}. ", clock.write(gap.from), clock.write(gap.to));
        view! { <li><Icon name="warning" /><span>{span} {gap.reason.clone()}</span></li> }
    });
    (!window.gaps.is_empty())
        .then(|| {
            view! {
                <ul class="gaps small" aria-label="Gaps">
                    {gaps.collect_view()} {(more > 0).then(|| view! { <li>{format!("and {more} older ones")}</li> })}
                </ul>
            }
        })
        .into_any()
}
