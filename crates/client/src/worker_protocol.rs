//! The calls that a worker makes. They need the worker's token.

use domain::LogSegment;
use domain::assignment::{ClaimRequest, ClaimResponse, Heartbeat, HeartbeatResponse, ResultReport};
use domain::log_archive::{ArchiverClaim, ArchiverClaims, ArchiverReport, ArchivingSuspended, SuspendArchiving};
use reqwest::{Method, RequestBuilder};
use uuid::Uuid;

use crate::{Client, ClientError};

impl Client {
    /// Asks for a job, waiting up to `wait_seconds` for one. A claim whose answer is lost ends with its lease.
    pub async fn worker_claim(&self, body: &ClaimRequest) -> Result<ClaimResponse, ClientError> {
        let request = self.request(Method::POST, "/worker/jobs/claim").json(body);
        self.read(limited(request, body.wait_seconds)).await
    }

    /// Renews the lease. The problem `lease_lost` means: stop and clean up. // F-11
    pub async fn worker_heartbeat(&self, job: Uuid, body: &Heartbeat) -> Result<HeartbeatResponse, ClientError> {
        let request = self.request(Method::POST, &format!("/worker/jobs/{job}/heartbeat")).json(body);
        self.read(limited(request, 0)).await
    }

    /// Asks that nobody archives the logs of a job's datastore until the job ends; to be asked again until that is so.
    pub async fn worker_suspend_archiving(
        &self,
        job: Uuid,
        body: &SuspendArchiving,
    ) -> Result<ArchivingSuspended, ClientError> {
        let request = self.request(Method::POST, &format!("/worker/jobs/{job}/suspend-archiving")).json(body);
        self.read(limited(request, 0)).await
    }

    /// Asks for datastores whose logs to archive, and keeps those that are held.
    pub async fn worker_log_archivers(&self, body: &ArchiverClaim) -> Result<ArchiverClaims, ClientError> {
        self.read(limited(self.request(Method::POST, "/worker/log-archivers/claim").json(body), 0)).await
    }

    /// The archived segments of a datastore's log that should be in its storage.
    pub async fn worker_log_segments(&self, datastore: Uuid) -> Result<Vec<LogSegment>, ClientError> {
        let request = self.request(Method::GET, &format!("/worker/log-archivers/{datastore}/segments"));
        self.read(limited(request, 0)).await
    }

    /// Tells what was archived and how it goes. The problem `lease_lost` means: stop. // F-11
    pub async fn worker_log_report(&self, datastore: Uuid, body: &ArchiverReport) -> Result<(), ClientError> {
        let request = self.request(Method::POST, &format!("/worker/log-archivers/{datastore}/report")).json(body);
        self.send_without_answer(limited(request, 0)).await
    }

    /// Reports the end of an attempt. Safe to repeat: the same report for an attempt that ended so is accepted. // F-23
    pub async fn worker_result(&self, job: Uuid, body: &ResultReport) -> Result<(), ClientError> {
        let request = self.request(Method::POST, &format!("/worker/jobs/{job}/result")).json(body);
        self.send_without_answer(limited(request, 0)).await
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn limited(request: RequestBuilder, wait_seconds: u64) -> RequestBuilder {
    request.timeout(std::time::Duration::from_secs(wait_seconds) + crate::PROTOCOL_TIMEOUT)
}

#[cfg(target_arch = "wasm32")]
fn limited(request: RequestBuilder, _wait_seconds: u64) -> RequestBuilder {
    request
}
