//! How far a job has come: a bar and, in words, bytes, rate and time left.

use domain::Progress;
use domain::format;
use leptos::prelude::*;

/// `1.20 GiB of 4.00 GiB`, `85.00 MiB/s`, `12 s left`, as far as they are known.
pub fn progress_words(progress: &Progress) -> Vec<String> {
    let mut words = Vec::new();
    if progress.bytes_done > 0 || progress.bytes_total.is_some() {
        let done = format::bytes(progress.bytes_done);
        words.push(match progress.bytes_total {
            Some(total) => format!("{done} of {}", format::bytes(total)),
            None => done,
        });
    }
    if let Some(rate) = progress.bytes_per_second {
        words.push(format!("{}/s", format::bytes(rate)));
    }
    if let Some(left) = progress.eta_seconds {
        words.push(format!("{} left", format::duration(left as f64)));
    }
    words
}

/// The share that is done, 0 to 100.
pub fn percent(progress: &Progress) -> Option<f64> {
    progress.percent.filter(|percent| percent.is_finite()).map(|percent| percent.clamp(0.0, 100.0))
}

/// The bar alone; without a known share it only shows that something moves.
#[component]
pub fn ProgressBar(#[prop(into)] percent: Signal<Option<f64>>, label: &'static str) -> impl IntoView {
    let known = Memo::new(move |_| percent.get().is_some());
    move || {
        if known.get() {
            view! { <progress max="100" value=move || format!("{:.1}", percent.get().unwrap_or(0.0)) aria-label=label></progress> }
                .into_any()
        } else {
            view! { <progress aria-label=label></progress> }.into_any()
        }
    }
}
