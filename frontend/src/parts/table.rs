//! A plain table that becomes cards on a phone: called, not mounted, so that it is compiled once for all pages.

use leptos::prelude::*;

/// A table of rows that are drawn already; a column whose name begins with `.` shows no name.
pub fn table(name: &'static str, columns: &[&'static str], rows: Vec<AnyView>) -> AnyView {
    let head = columns.iter().map(|column| match column.strip_prefix('.') {
        Some(hidden) => {
            view! { <th role="columnheader" scope="col"><span class="hidden-text">{hidden}</span></th> }.into_any()
        }
        None => view! { <th role="columnheader" scope="col">{*column}</th> }.into_any(),
    });
    view! {
        <div class="table-frame">
            <div class="table-scroll">
                <table role="table" class="cards" aria-label=name>
                    <caption>{name}</caption>
                    <thead role="rowgroup"><tr role="row">{head.collect_view()}</tr></thead>
                    <tbody role="rowgroup">{rows}</tbody>
                </table>
            </div>
        </div>
    }
    .into_any()
}

/// A row of cells.
pub fn row(cells: Vec<AnyView>) -> AnyView {
    view! { <tr role="row" class="main">{cells}</tr> }.into_any()
}

/// A cell; `label` names it where the row is a card.
pub fn cell(label: &'static str, class: &'static str, content: impl IntoAny) -> AnyView {
    let label = (!label.is_empty()).then_some(label);
    let content = content.into_any();
    view! { <td role="cell" data-label=label class=class>{content}</td> }.into_any()
}
