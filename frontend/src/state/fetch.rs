//! Loading: old data stays while new data comes, a failed refresh does not take away what was there, and an answer that
//! was overtaken by a later one is dropped.

use std::future::Future;
use std::pin::Pin;
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
    course: Course,
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
        let course = Course::new();
        let data = RwSignal::new(None::<T>);
        let mut before = None;
        course.follow(Box::new(move || {
            let key = key();
            let other = before != key;
            before.clone_from(&key);
            let answer = key.map(|key| {
                let answer = load(key);
                let delivered = async move {
                    let value = answer.await?;
                    let deliver: Deliver = Box::new(move || {
                        if data.with_untracked(|old| old.as_ref() != Some(&value)) {
                            data.set(Some(value));
                        }
                    });
                    Ok(deliver)
                };
                Box::pin(delivered) as Pin<Box<dyn Future<Output = _>>>
            });
            Next { other, answer }
        }));
        Self { data, failure: course.failure, slow: course.slow, course }
    }

    /// Loads again.
    pub fn reload(self) {
        let _ = self.course.again.try_update(|again| *again += 1);
    }
}

/// Puts what was loaded where it is shown.
type Deliver = Box<dyn FnOnce()>;

/// An answer on its way.
type Loading = Pin<Box<dyn Future<Output = Result<Deliver, ClientError>>>>;

/// What is to be loaded next.
struct Next {
    /// Whether it is something else than before.
    other: bool,
    answer: Option<Loading>,
}

/// The course of loading, whatever is loaded: kept apart from the type of the data, so that it is compiled once.
#[derive(Clone, Copy)]
struct Course {
    failure: RwSignal<Option<Failure>>,
    slow: RwSignal<bool>,
    again: RwSignal<u64>,
    sent: StoredValue<u64>,
    answered: StoredValue<u64>,
    oldest_wanted: StoredValue<u64>,
}

impl Course {
    fn new() -> Self {
        Self {
            failure: RwSignal::new(None),
            slow: RwSignal::new(false),
            again: RwSignal::new(0),
            sent: StoredValue::new(0),
            answered: StoredValue::new(0),
            oldest_wanted: StoredValue::new(0),
        }
    }

    /// Loads now and whenever what `next` reads changes.
    fn follow(self, mut next: Box<dyn FnMut() -> Next>) {
        Effect::new(move |_| {
            self.again.track();
            let Next { other, answer } = next();
            let number = self.sent.get_value() + 1;
            self.sent.set_value(number);
            if other {
                self.oldest_wanted.set_value(number);
            }
            if let Some(answer) = answer {
                self.run(number, answer);
            }
        });
    }

    fn run(self, number: u64, answer: Pin<Box<dyn Future<Output = Result<Deliver, ClientError>>>>) {
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
                Ok(deliver) => {
                    self.failure.set(None);
                    deliver();
                }
                Err(error) => self.failure.set(Some(error.into())),
            }
        });
    }
}
