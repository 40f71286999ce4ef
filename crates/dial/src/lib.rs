//! The only way to an address that somebody else chose: a bucket's endpoint, an identity provider. A name is resolved first,
//! every address that comes of it is judged, and the connection goes to those very addresses, so that a name that answers
//! differently the next time leads nowhere else. Redirects are not followed, and no proxy dials in our place. // F-85
//!
//! Leaves to others: what is sent. Database servers are dialled by the workers' tools and not from here.

mod address;
mod dialer;
mod policy;
mod resolver;

pub use address::is_public;
pub use dialer::{DialError, Dialer, Limits};
pub use policy::{NoCertificate, Policy, Refused, of_process, set_for_process};
pub use resolver::{Lookup, Resolution, SystemLookup};
