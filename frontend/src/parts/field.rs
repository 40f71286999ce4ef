//! A labelled input with its hint and, at the field itself, what the service or the shared rules say against it.

use domain::FieldError;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::icon::Icon;

/// What is wrong with the fields of a form, by JSON pointer.
#[derive(Clone, Copy)]
pub struct FieldErrors(pub RwSignal<Vec<FieldError>>);

impl FieldErrors {
    pub fn new() -> Self {
        Self(RwSignal::new(Vec::new()))
    }

    /// What is said against one field.
    pub fn of(&self, pointer: &str) -> Option<String> {
        self.0.with(|errors| errors.iter().find(|error| error.pointer == pointer).map(|error| error.detail.clone()))
    }

    /// Forgets what was said, since the field changed.
    pub fn clear(&self, pointer: &str) {
        if self.0.with_untracked(|errors| errors.iter().any(|error| error.pointer == pointer)) {
            self.0.update(|errors| errors.retain(|error| error.pointer != pointer));
        }
    }
}

/// What is wrong with a field, under it.
#[component]
pub fn FieldProblem(pointer: &'static str, errors: FieldErrors) -> impl IntoView {
    let id = field_id(pointer);
    move || {
        errors.of(pointer).map(|detail| {
            view! {
                <p class="problem" id=format!("{id}-problem")>
                    <Icon name="warning" />
                    <span>{detail}</span>
                </p>
            }
        })
    }
}

/// The id of a field's input.
pub fn field_id(pointer: &str) -> String {
    format!("field{}", pointer.replace('/', "-"))
}

/// Puts the focus on a field, once it is in the page.
pub fn focus_field(pointer: &str) {
    let id = field_id(pointer);
    request_animation_frame(move || {
        let field = document().get_element_by_id(&id).and_then(|field| field.dyn_into::<web_sys::HtmlElement>().ok());
        if let Some(field) = field {
            let _ = field.focus();
        }
    });
}

/// The ids that describe a field: its problem and its hint.
pub fn described_by(pointer: &'static str, errors: FieldErrors) -> impl Fn() -> String + Clone {
    move || {
        let id = field_id(pointer);
        if errors.of(pointer).is_some() { format!("{id}-problem {id}-hint") } else { format!("{id}-hint") }
    }
}

#[component]
pub fn TextField(
    label: &'static str,
    /// Where the service speaks of this field.
    pointer: &'static str,
    value: RwSignal<String>,
    errors: FieldErrors,
    #[prop(optional)] class: &'static str,
    #[prop(default = "text")] kind: &'static str,
    #[prop(optional)] optional: bool,
    #[prop(optional, into)] placeholder: Signal<String>,
    #[prop(optional, into)] hint: Signal<String>,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
) -> impl IntoView {
    let id = field_id(pointer);
    let number = kind == "number";
    view! {
        <div class=format!("field {class}")>
            <label for=id.clone()>
                {label}
                {optional.then(|| view! { <span class="optional">" (optional)"</span> })}
            </label>
            <input
                id=id.clone()
                type=if number { "text" } else { kind }
                inputmode=number.then_some("numeric")
                autocomplete=autocomplete
                autocapitalize="off"
                spellcheck="false"
                placeholder=move || placeholder.get()
                aria-invalid=move || errors.of(pointer).is_some().to_string()
                aria-describedby=described_by(pointer, errors)
                prop:value=value
                on:input=move |event| {
                    value.set(event_target_value(&event));
                    errors.clear(pointer);
                }
            />
            <FieldProblem pointer errors />
            <p class="hint" id=format!("{id}-hint")>{move || hint.get()}</p>
        </div>
    }
}

/// A number among others, of a form that has many: called, not mounted, so that it is compiled once.
pub fn number_field(
    label: &'static str,
    pointer: &'static str,
    value: RwSignal<String>,
    errors: FieldErrors,
    class: &'static str,
    placeholder: &'static str,
    hint: &'static str,
) -> AnyView {
    view! { <TextField label pointer value errors class kind="number" placeholder hint /> }.into_any()
}

/// A field whose lines are the items of an argument list.
#[component]
pub fn ArgumentsField(
    label: &'static str,
    pointer: &'static str,
    value: RwSignal<String>,
    errors: FieldErrors,
    #[prop(optional)] optional: bool,
    placeholder: &'static str,
    hint: &'static str,
) -> impl IntoView {
    let id = field_id(pointer);
    view! {
        <div class="field half">
            <label for=id.clone()>
                {label}
                {optional.then(|| view! { <span class="optional">" (optional)"</span> })}
            </label>
            <textarea
                id=id.clone()
                rows="4"
                spellcheck="false"
                placeholder=placeholder
                aria-invalid=move || errors.of(pointer).is_some().to_string()
                aria-describedby=described_by(pointer, errors)
                prop:value=value
                on:input=move |event| {
                    value.set(event_target_value(&event));
                    errors.clear(pointer);
                }
            ></textarea>
            <FieldProblem pointer errors />
            <p class="hint" id=format!("{id}-hint")>{hint}</p>
        </div>
    }
}
