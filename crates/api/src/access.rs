//! Who asks, and whether he may: the credentials of a request are resolved once, before its handler ([`identify`]); what the
//! handler does is named in its signature ([`Allowed`]), so that none exists without a decision. Denied by default: an address
//! that nobody declared public is answered to nobody without credentials.

mod allowed;
mod caller;
mod identify;
pub(crate) mod operation;
pub(crate) mod password;
pub(crate) mod session_cookie;
pub(crate) mod throttle;
mod worker;

pub(crate) use allowed::{Allowed, Person, SignedIn};
pub(crate) use caller::{Caller, CallerKind, Credential};
pub(crate) use identify::{Gate, identify, resolve};
pub(crate) use worker::WorkerOnly;
