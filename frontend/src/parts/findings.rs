//! What a test of a server found, each with the command that mends it.

use domain::{Finding, FindingSeverity};
use leptos::prelude::*;

use super::code_box::CodeBox;
use super::icon::Icon;

fn finding(finding: Finding) -> impl IntoView {
    let (class, icon, word) = match finding.severity {
        FindingSeverity::Ok => ("finding ok", "done", "Fine: "),
        FindingSeverity::Warning => ("finding warn", "warning", "Drawback: "),
        FindingSeverity::Error => ("finding bad", "failed", "Problem: "),
    };
    view! {
        <li class=class>
            <Icon name=icon />
            <div class="grow">
                <p><span class="hidden-text">{word}</span>{finding.detail}</p>
                {finding.remedy.map(|remedy| view! { <CodeBox text=remedy label="remedy" /> })}
            </div>
        </li>
    }
}

/// Problems first, then drawbacks, then what is fine.
#[component]
pub fn Findings(findings: Vec<Finding>) -> impl IntoView {
    let worst_first = [FindingSeverity::Error, FindingSeverity::Warning, FindingSeverity::Ok];
    let of = |severity| findings.iter().filter(move |finding| finding.severity == severity).cloned();
    let findings: Vec<_> = worst_first.into_iter().flat_map(of).map(finding).collect();
    view! { <ul class="findings" aria-label="Findings">{findings}</ul> }
}

/// How many problems and drawbacks there are, as one sentence.
pub fn summary(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let many = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    match (count(FindingSeverity::Error), count(FindingSeverity::Warning)) {
        (0, 0) => "Everything is as it should be.".to_owned(),
        (0, warnings) => format!("It works, with {}.", many(warnings, "drawback")),
        (errors, _) => format!("{} to mend.", many(errors, "problem")),
    }
}
