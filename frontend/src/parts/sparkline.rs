//! The sizes of the newest backups as a small line, with the same in words for those who don't see it. A line needs two of them.

use domain::format;
use leptos::prelude::*;

const WIDTH: f64 = 104.0;
const HEIGHT: f64 = 28.0;

/// Points from left to right; a quarter of the height is kept free so that small changes look small.
fn points(sizes: &[i64]) -> Vec<(f64, f64)> {
    let highest = sizes.iter().copied().max().unwrap_or(0).max(1) as f64;
    let lowest = sizes.iter().copied().min().unwrap_or(0) as f64;
    let base = lowest - (highest - lowest).max(highest * 0.25);
    let step = WIDTH / (sizes.len().max(2) - 1) as f64;
    let height = |size: i64| HEIGHT - 3.0 - (size as f64 - base) / (highest - base) * (HEIGHT - 6.0);
    sizes.iter().enumerate().map(|(at, size)| (at as f64 * step, height(*size))).collect()
}

#[component]
pub fn Sparkline(sizes: Vec<i64>) -> impl IntoView {
    let size = |at: Option<&i64>| format::bytes(u64::try_from(at.copied().unwrap_or(0)).unwrap_or(0));
    let (first, last) = (size(sizes.first()), size(sizes.last()));
    let words = format!("Size of the last {} backups: from {first} to {last}", sizes.len());
    let points = points(&sizes);
    let line: String = points
        .iter()
        .enumerate()
        .map(|(at, (x, y))| format!("{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" }))
        .collect();
    let area = format!("{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z");
    let (x, y) = points.last().copied().unwrap_or((0.0, HEIGHT / 2.0));
    view! {
        <svg class="spark" viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=words.clone()>
            <title>{words.clone()}</title>
            <path class="area" d=area />
            <path d=line />
            <circle cx=format!("{x:.1}") cy=format!("{y:.1}") r="2.5" />
        </svg>
    }
}
