//! A dialog that asks for something and does it: what it says, one button, and what went wrong. One for all that pages of
//! access ask, so that it is compiled once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use client::ClientError;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::dialog::Dialog;
use super::field::{FieldErrors, focus_field};
use super::problem::Problem;
use crate::pages::new_datastore::focus_first_problem;
use crate::state::failure::Failure;

/// What the button does; the dialog goes when it went well.
pub type Act = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), ClientError>>>> + Send + Sync>;

/// The type of an action without that of its future.
pub fn act<Done>(action: impl Fn() -> Done + Send + Sync + 'static) -> Act
where
    Done: Future<Output = Result<(), ClientError>> + 'static,
{
    Arc::new(move || Box::pin(action()))
}

#[component]
pub fn Ask(
    #[prop(into)] title: String,
    /// What stands between title and button.
    body: AnyView,
    /// The word on the button.
    verb: &'static str,
    #[prop(optional)] danger: bool,
    /// Whether enough is filled in.
    #[prop(optional, into)]
    ready: MaybeProp<bool>,
    /// The fields that the service may speak of.
    #[prop(default = FieldErrors::new())]
    errors: FieldErrors,
    /// The pointer of the field that has the focus first.
    #[prop(optional)]
    first: &'static str,
    act: Act,
    #[prop(into)] on_close: Callback<()>,
) -> impl IntoView {
    let failure = RwSignal::new(None::<Failure>);
    let sending = RwSignal::new(false);
    let off = move || sending.get() || ready.get() == Some(false);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if untrack(off) {
            return;
        }
        sending.set(true);
        failure.set(None);
        let answer = act();
        spawn_local(async move {
            match answer.await {
                Ok(()) => on_close.run(()),
                Err(error) => {
                    let error = Failure::from(error);
                    let _ = errors.0.try_set(error.errors.clone());
                    let _ = failure.try_set(Some(error));
                    let _ = sending.try_set(false);
                    focus_first_problem();
                }
            }
        });
    };
    if !first.is_empty() {
        focus_field(first);
    }
    view! {
        <Dialog title on_close>
            <form novalidate on:submit=submit>
                <div class="dialog-body">{body} {move || failure.get().map(|failure| view! { <Problem failure /> })}</div>
                <div class="dialog-foot">
                    <div class="dialog-actions">
                        <button type="button" class="button" on:click=move |_| on_close.run(())>"Cancel"</button>
                        <button type="submit" class="button" class:primary=!danger class:danger=danger disabled=off>{verb}</button>
                    </div>
                </div>
            </form>
        </Dialog>
    }
}
