//! What several parts of the app share.

pub mod address;
pub mod backup_draft;
pub mod chain;
pub mod clock;
pub mod connection_draft;
pub mod failure;
pub mod fetch;
pub mod focus;
pub mod instant;
pub mod job_watch;
pub mod live;
pub mod pages_of;
pub mod schedule_form;
pub mod service;
pub mod session;
pub mod title;
pub mod toasts;
