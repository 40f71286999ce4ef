//! Buckets of S3-compatible services.

use std::time::Duration;

use async_trait::async_trait;
use dial::{Dialer, Limits, Policy, Refused};
use domain::Secret;
use domain::storage::StorageConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use reqwest::Url;

use crate::error::VaultError;

/// A part of 8 MiB must pass in this time: 70 kB/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Services without regions ignore it, and signing needs one.
const DEFAULT_REGION: &str = "us-east-1";

/// A client for the bucket, which goes only where `policy` lets it. Sends nothing yet.
pub(crate) fn open(config: &StorageConfig, secret: Option<&Secret>, policy: Policy) -> Result<AmazonS3, VaultError> {
    let StorageConfig::S3 { bucket, region, endpoint, access_key_id, .. } = config else {
        return Err(VaultError::Settings { source: "not a bucket".into() });
    };
    // The client takes the process's provider of cryptography and panics without one; another's choice stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let secret = secret.ok_or_else(|| VaultError::Settings { source: "the secret access key is missing".into() })?;
    let limits = Limits { connect: CONNECT_TIMEOUT, whole: REQUEST_TIMEOUT };
    let dialer = Dialer::new(policy, limits).map_err(|error| VaultError::Settings { source: error.into() })?;
    // Only a service in one's own network is reached without TLS, and then by its URL's own word.
    let plain_http = endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region.as_deref().unwrap_or(DEFAULT_REGION))
        .with_access_key_id(access_key_id)
        .with_secret_access_key(secret.expose())
        .with_virtual_hosted_style_request(false)
        // Each part goes up with its SHA-256, and the service refuses one that arrives changed. // F-32
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(retries())
        .with_http_connector(Careful(dialer))
        .with_client_options(ClientOptions::new().with_allow_http(plain_http));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    builder.build().map_err(|error| VaultError::Settings { source: error.into() })
}

/// Sends the library's requests by way of a [`Dialer`]. // F-85
#[derive(Debug, Clone)]
struct Careful(Dialer);

impl HttpConnector for Careful {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Careful {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // Of a kind that is not repeated: the answer would be the same.
        let stop = |refused: Refused| HttpError::new(HttpErrorKind::Unknown, refused);
        let url =
            Url::parse(&request.uri().to_string()).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let client = self.0.client_for(&url).map_err(stop)?;
        client.call(request).await.map_err(|error| match Refused::behind(&error).cloned() {
            Some(refused) => stop(refused),
            None => error,
        })
    }
}

/// Bounded in number and in time, with jitter. // F-30
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(60),
    }
}
