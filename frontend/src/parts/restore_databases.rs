//! Which databases of a backup are restored beside those in use, and what their copies are called.

use domain::restore::validate_copies;
use domain::{Backup, DatabaseCopy, Method, RestorePlan};
use leptos::prelude::*;

use super::icon::Icon;
use super::restore_warning::harmless;

/// A database that the backup holds.
#[derive(Clone)]
struct Offered {
    name: String,
    chosen: bool,
    new_name: String,
}

/// What was chosen so far.
#[derive(Clone, Copy)]
pub struct CopiesDraft {
    /// Empty until a plan has told which there are.
    offered: RwSignal<Vec<Offered>>,
    method: Method,
}

impl CopiesDraft {
    pub fn new(backup: &Backup) -> Self {
        Self { offered: RwSignal::new(Vec::new()), method: backup.method }
    }

    /// Takes over which databases the backup holds from the plan of a restore in place.
    pub fn offer(self, plan: &RestorePlan) {
        let Some(changes) = plan.databases.as_ref().filter(|_| !untrack(|| self.is_offered())) else { return };
        let mut held: Vec<&String> = changes.replaced.iter().chain(&changes.created).collect();
        held.sort();
        let is_there = |name: &str| changes.replaced.iter().chain(&changes.untouched).any(|there| there == name);
        let new_name = |name: &str| {
            let first = format!("{name}_copy");
            let later = (2..).map(|number| format!("{name}_copy{number}"));
            std::iter::once(first).chain(later).find(|name| !is_there(name)).unwrap_or_default()
        };
        let is_only = held.len() == 1;
        let offered =
            held.into_iter().map(|name| Offered { name: name.clone(), chosen: is_only, new_name: new_name(name) });
        self.offered.set(offered.collect());
    }

    /// Whether it is known what there is to choose from.
    pub fn is_offered(self) -> bool {
        self.offered.with(|offered| !offered.is_empty())
    }

    /// What is to be restored.
    pub fn copies(self) -> Vec<DatabaseCopy> {
        let chosen = self.offered.get().into_iter().filter(|database| database.chosen);
        chosen.map(|database| DatabaseCopy { name: database.name, new_name: database.new_name }).collect()
    }

    /// Something of one of the offered databases.
    fn of<T: Default>(self, index: usize, read: impl Fn(&Offered) -> T) -> T {
        self.offered.with(|offered| offered.get(index).map(read)).unwrap_or_default()
    }

    fn change(self, index: usize, change: impl FnOnce(&mut Offered)) {
        self.offered.update(|offered| {
            if let Some(database) = offered.get_mut(index) {
                change(database);
            }
        });
    }

    /// What is to be restored, once nothing is wrong with it.
    pub fn complete(self) -> Option<Vec<DatabaseCopy>> {
        let copies = self.copies();
        validate_copies(&copies, self.method).is_empty().then_some(copies)
    }

    /// What is wrong with the name that a chosen database gets.
    fn problem(self, name: &str) -> Option<String> {
        let copies = self.copies();
        let index = copies.iter().position(|copy| copy.name == name)?;
        let pointer = format!("/databases/{index}/new_name");
        let errors = validate_copies(&copies, self.method);
        errors.into_iter().find(|error| error.pointer == pointer).map(|error| error.detail)
    }
}

/// Which databases, and what their copies are called.
pub fn in_words(copies: &[DatabaseCopy]) -> String {
    copies.iter().map(|copy| format!("{} as {}", copy.name, copy.new_name)).collect::<Vec<_>>().join(", ")
}

#[component]
pub fn CopiesFields(draft: CopiesDraft) -> impl IntoView {
    let names = Memo::new(move |_| {
        draft.offered.with(|offered| offered.iter().map(|database| database.name.clone()).collect::<Vec<_>>())
    });
    view! {
        <fieldset class="copies">
            <legend class="hidden-text">"The databases to restore"</legend>
            {move || names.get().into_iter().enumerate().map(|(index, name)| copy_row(draft, index, name)).collect_view()}
        </fieldset>
    }
}

fn copy_row(draft: CopiesDraft, index: usize, name: String) -> AnyView {
    let chosen = move || draft.of(index, |database| database.chosen);
    let choose = move |chosen: bool| draft.change(index, |database| database.chosen = chosen);
    let rename = move |new_name: String| draft.change(index, |database| database.new_name = new_name);
    let id = format!("copy-{index}");
    let problem = Memo::new({
        let name = name.clone();
        move |_| draft.problem(&name)
    });
    view! {
        <label class="choice">
            <input type="checkbox" prop:checked=chosen on:change=move |event| choose(event_target_checked(&event)) />
            <span>{name.clone()}</span>
        </label>
        <div class="field">
            <input
                id=id.clone()
                type="text"
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                aria-label=format!("Name of the copy of {name}")
                aria-invalid=move || problem.with(Option::is_some).to_string()
                aria-describedby=format!("{id}-problem")
                disabled=move || !chosen()
                prop:value=move || draft.of(index, |database| database.new_name.clone())
                on:input=move |event| rename(event_target_value(&event))
            />
            <div id=format!("{id}-problem")>
                {move || problem.get().map(|detail| view! { <p class="problem"><Icon name="warning" /><span>{detail}</span></p> })}
            </div>
        </div>
    }
    .into_any()
}

/// What will happen, in place of the warning: nothing is lost.
#[component]
pub fn CopiesNote(
    draft: CopiesDraft,
    /// Of the datastore.
    name: String,
    number: i64,
    /// Up to where, as a phrase that goes on from the backup.
    #[prop(into)]
    until: Signal<String>,
) -> impl IntoView {
    let listed = move || {
        let copies = draft.copies();
        if copies.is_empty() { "The databases that you choose".to_owned() } else { in_words(&copies) }
    };
    let text = view! {
        <b>{listed}</b> ", of backup " {number} {until} ". Nothing is overwritten: people go on using the databases of "
        <b>{name}</b> ". Undo takes the copies away, for " {domain::restore::UNDO_HOURS} " hours."
    };
    harmless("You are going to restore into new databases", text.into_any())
}
