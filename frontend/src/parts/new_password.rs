//! The two fields of a new password, and what is asked of it.

use domain::FieldError;
use domain::access::password::validate_password;
use leptos::prelude::*;

use super::field::{FieldErrors, TextField};

/// A new password, typed twice.
#[derive(Clone, Copy)]
pub struct NewPassword {
    /// What the service calls the field.
    pointer: &'static str,
    pub value: RwSignal<String>,
    again: RwSignal<String>,
    pub errors: FieldErrors,
}

impl NewPassword {
    pub fn new(pointer: &'static str, errors: FieldErrors) -> Self {
        Self { pointer, value: RwSignal::default(), again: RwSignal::default(), errors }
    }

    /// Whether it may be sent; says at the fields why not.
    pub fn judge(&self) -> bool {
        let found = match self.value.with_untracked(|value| validate_password(value, "")) {
            Err(error) => Some(FieldError::new(self.pointer, error.to_string())),
            Ok(()) if self.value.get_untracked() != self.again.get_untracked() => {
                Some(FieldError::new("/again", "is not the same"))
            }
            Ok(()) => None,
        };
        let good = found.is_none();
        self.errors.0.set(found.into_iter().collect());
        good
    }

    /// Forgets what was typed.
    pub fn clear(&self) {
        let _ = self.value.try_set(String::new());
        let _ = self.again.try_set(String::new());
    }

    pub fn fields(self) -> AnyView {
        let Self { pointer, value, again, errors } = self;
        view! {
            <TextField label="New password" pointer value errors kind="password" autocomplete="new-password" hint="12 characters or more. A few words that belong together only to you are easy to keep." />
            <TextField label="The same again" pointer="/again" value=again errors kind="password" autocomplete="new-password" />
        }
        .into_any()
    }
}
