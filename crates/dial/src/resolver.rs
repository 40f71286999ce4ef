//! Names become addresses here, and only those that may be dialled come out.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::policy::Policy;

/// The addresses of a name, once they are known.
pub type Resolution = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Who knows the addresses of names.
pub trait Lookup: Send + Sync + 'static {
    /// Asks for all addresses of `host`.
    fn lookup(&self, host: String) -> Resolution;
}

/// The machine's own resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> Resolution {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

/// A resolver that refuses a name when any of its addresses may not be dialled: one that is half inside is no accident.
pub(crate) struct CheckedResolver {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) policy: Arc<Policy>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let (found, policy) = (self.lookup.lookup(host.clone()), Arc::clone(&self.policy));
        Box::pin(async move {
            let addresses = found.await?;
            for address in &addresses {
                policy.check(&host, address.ip())?;
            }
            Ok::<Addrs, _>(Box::new(addresses.into_iter()))
        })
    }
}
