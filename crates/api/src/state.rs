//! What all requests share.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::web;
use domain::ScheduleSettings;
pub(crate) use store::now;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::access::password::Passwords;
use crate::access::throttle::Throttle;
use crate::changes::Changes;
use crate::metrics::Metrics;
use crate::problem::ApiProblem;
use crate::request_context;
use crate::token::TokenDigest;

/// The shared state, as handlers take it.
pub(crate) type State = web::Data<AppState>;

pub(crate) struct AppState {
    store: Store,
    pub(crate) changes: Changes,
    pub(crate) metrics: Metrics,
    pub(crate) worker_token: TokenDigest,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    /// Whether the service is known to be claimed, which it stays.
    claimed: AtomicBool,
    pub(crate) version: &'static str,
    pub(crate) schedule_settings: ScheduleSettings,
    /// Ends what waits: event streams and long polls.
    pub(crate) stop: CancellationToken,
}

impl AppState {
    pub(crate) fn new(
        store: Store,
        worker_token: TokenDigest,
        version: &'static str,
        schedule_settings: ScheduleSettings,
        latest_event: i64,
    ) -> Self {
        Self {
            store,
            changes: Changes::new(latest_event),
            metrics: Metrics::default(),
            worker_token,
            passwords: Passwords::new(),
            throttle: Throttle::new(),
            claimed: AtomicBool::new(false),
            version,
            schedule_settings,
            stop: CancellationToken::new(),
        }
    }

    /// The control database, for work outside of requests.
    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    /// Whether the service has credentials. Until it has, another process may make the first at any time.
    pub(crate) async fn is_claimed(&self) -> Result<bool, ApiProblem> {
        if self.claimed.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let claimed = self.read(Store::is_claimed).await?;
        self.claimed.fetch_or(claimed, Ordering::Relaxed);
        Ok(claimed)
    }

    /// Asks the control database, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiProblem> {
        on_its_thread(self.store.clone(), call).await
    }

    /// Changes the control database, and wakes whoever waits for changes. The first change of a request leaves its row in
    /// the audit log, in the same transaction.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiProblem> {
        let result = on_its_thread(request_context::acting(&self.store), call).await;
        self.changes.note();
        result
    }

    /// Changes something on the way to what the request asks for, such as a job that looks at a server first. It leaves no
    /// row in the audit log: that is for the change itself.
    pub(crate) async fn change_aside<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiProblem> {
        let result = self.read(call).await;
        self.changes.note();
        result
    }

    /// Leaves the request's row in the audit log although it changes nothing that is kept.
    pub(crate) async fn leave_trace(&self) -> Result<(), ApiProblem> {
        on_its_thread(request_context::acting(&self.store), |store| store.audit_acted(now())).await
    }
}

/// Calls the store on a thread that may block.
async fn on_its_thread<T: Send + 'static>(
    store: Store,
    call: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiProblem> {
    match web::block(move || call(&store)).await {
        Ok(result) => result.map_err(ApiProblem::from),
        Err(broken) => Err(ApiProblem::internal(&broken)),
    }
}
