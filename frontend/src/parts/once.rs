//! What is shown once and never again: a link, a token, recovery codes.

use leptos::prelude::*;

use super::code_box::CodeBox;
use super::dialog::Dialog;
use super::icon::Icon;

/// A secret, and what to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    pub title: String,
    /// What it is for, and how long.
    pub text: String,
    pub value: String,
    /// What is copied: `link`.
    pub label: &'static str,
}

/// Shows a secret as long as there is one.
#[component]
pub fn Once(secret: RwSignal<Option<Secret>>) -> impl IntoView {
    let close = move |()| {
        let _ = secret.try_set(None);
    };
    move || {
        secret.get().map(|Secret { title, text, value, label }| {
            view! {
                <Dialog title on_close=close>
                    <div class="dialog-body">
                        <p>{text}</p>
                        <CodeBox text=value label />
                        <div class="note warn">
                            <Icon name="warning" />
                            <p class="grow">"It is shown this once. Copy it now: nobody can read it here again."</p>
                        </div>
                    </div>
                    <div class="dialog-foot">
                        <div class="dialog-actions">
                            <button type="button" class="button primary" on:click=move |_| close(())>"Done"</button>
                        </div>
                    </div>
                </Dialog>
            }
        })
    }
}
