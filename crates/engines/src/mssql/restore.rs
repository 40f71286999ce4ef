//! Restores through the server: beside the databases in use, under other names; then names change, and going back is a change of
//! names, too.

mod check;
mod discarding;
mod files;
mod plan;
mod staging;
mod stop;
mod switching;

use async_trait::async_trait;

use crate::served::{ServedPlace, ServedPlan, ServedRequest, ServedRestore, ServedState, Staged};
use crate::{EngineError, Probe};

/// Restores of the method `mssql-backup`.
pub(super) struct Restore;

#[async_trait]
impl ServedRestore for Restore {
    async fn check(&self, request: &ServedRequest) -> ServedPlan {
        check::check(request).await
    }

    async fn stage(&self, request: &ServedRequest) -> Result<Staged, EngineError> {
        staging::stage(request).await
    }

    async fn switch(&self, request: &ServedRequest, state: &ServedState) -> Result<Probe, EngineError> {
        switching::switch(request, state).await
    }

    async fn take_back(&self, place: &ServedPlace, state: &ServedState) -> Result<Probe, EngineError> {
        switching::take_back(place, state).await
    }

    async fn discard(&self, place: &ServedPlace, state: Option<&ServedState>) -> Result<(), EngineError> {
        discarding::discard(place, state).await
    }
}
