//! Loading: old data stays while new data comes, a failed refresh does not take away what was there, and an answer that
//! was overtaken by a later one is dropped.

use std::future::Future;
use std::time::Duration;

use client::ClientError;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::failure::Failure;

/// Loading that takes longer shows: a skeleton where nothing was, dimmed data where something was.
const PATIENCE: Duration = Duration::from_millis(200);

/// Something that is loaded and loaded again.
pub struct Fetch<T: Send + Sync + 'static> {
    pub data: RwSignal<Option<T>>,
    /// Why the newest attempt failed.
    pub failure: RwSignal<Option<Failure>>,
    /// Whether loading takes long enough to be shown.
    pub slow: RwSignal<bool>,
    again: RwSignal<u64>,
    sent: StoredValue<u64>,
    answered: StoredValue<u64>,
    oldest_wanted: StoredValue<u64>,
}

impl<T: Send + Sync + 'static> Clone for Fetch<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Fetch<T> {}

impl<T: Clone + PartialEq + Send + Sync + 'static> Fetch<T> {
    /// Loads now, and again whenever what `key` reads changes. A key of another value makes answers to the old one
    /// unwelcome; `None` loads nothing.
    pub fn new<K, F, Answer>(key: impl Fn() -> Option<K> + 'static, load: F) -> Self
    where
        K: Clone + PartialEq + 'static,
        F: Fn(K) -> Answer + 'static,
        Answer: Future<Output = Result<T, ClientError>> + 'static,
    {
        let fetch = Self {
            data: RwSignal::new(None),
            failure: RwSignal::new(None),
            slow: RwSignal::new(false),
            again: RwSignal::new(0),
            sent: StoredValue::new(0),
            answered: StoredValue::new(0),
            oldest_wanted: StoredValue::new(0),
        };
        Effect::new(move |before: Option<Option<K>>| {
            fetch.again.track();
            let key = key();
            let number = fetch.sent.get_value() + 1;
            fetch.sent.set_value(number);
            if before.flatten() != key {
                fetch.oldest_wanted.set_value(number);
            }
            if let Some(key) = key.clone() {
                fetch.run(number, load(key));
            }
            key
        });
        fetch
    }

    fn run(self, number: u64, answer: impl Future<Output = Result<T, ClientError>> + 'static) {
        set_timeout(
            move || {
                let pending = self.answered.try_get_value().is_some_and(|answered| answered < number);
                if pending {
                    let _ = self.slow.try_set(true);
                }
            },
            PATIENCE,
        );
        spawn_local(async move {
            let result = answer.await;
            // The page may have been left meanwhile: then nothing is there to be told.
            let (Some(answered), Some(oldest)) = (self.answered.try_get_value(), self.oldest_wanted.try_get_value())
            else {
                return;
            };
            if number <= answered || number < oldest {
                return;
            }
            self.answered.set_value(number);
            self.slow.set(false);
            match result {
                Ok(value) => {
                    self.failure.set(None);
                    if self.data.with_untracked(|old| old.as_ref() != Some(&value)) {
                        self.data.set(Some(value));
                    }
                }
                Err(error) => self.failure.set(Some(error.into())),
            }
        });
    }

    /// Loads again.
    pub fn reload(self) {
        let _ = self.again.try_update(|again| *again += 1);
    }
}
