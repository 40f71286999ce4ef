//! A column's head that sorts the table by it; the order is kept in the address.

use leptos::prelude::*;

use super::icon::Icon;
use crate::state::address::{use_query, use_set_query};

/// The order that the address names: the column, and whether it runs downwards.
pub fn use_sort(default: &'static str) -> Memo<(String, bool)> {
    let sort = use_query("sort");
    Memo::new(move |_| {
        let sort = sort.get().unwrap_or_else(|| default.to_owned());
        match sort.strip_prefix('-') {
            Some(column) => (column.to_owned(), true),
            None => (sort, false),
        }
    })
}

#[component]
pub fn SortHeader(column: &'static str, name: &'static str, sort: Memo<(String, bool)>) -> impl IntoView {
    let set_query = use_set_query();
    let direction = move || sort.with(|(current, down)| (current == column).then_some(*down));
    let on_click = move |_| {
        let next = if direction() == Some(false) { format!("-{column}") } else { column.to_owned() };
        set_query("sort", Some(next), true);
    };
    view! {
        <th
            role="columnheader"
            scope="col"
            aria-sort=move || direction().map(|down| if down { "descending" } else { "ascending" })
        >
            <button type="button" class="sort" on:click=on_click>
                {name}
                {move || match direction() {
                    None => view! { <Icon name="sort" /> }.into_any(),
                    Some(false) => view! { <Icon name="up" /> }.into_any(),
                    Some(true) => view! { <Icon name="down" /> }.into_any(),
                }}
            </button>
        </th>
    }
}
