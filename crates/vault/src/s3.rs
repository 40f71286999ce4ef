//! Buckets of S3-compatible services.

use std::time::Duration;

use domain::Secret;
use domain::storage::StorageConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use crate::error::VaultError;

/// A part of 8 MiB must pass in this time: 70 kB/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Services without regions ignore it, and signing needs one.
const DEFAULT_REGION: &str = "us-east-1";

/// A client for the bucket. Sends nothing yet.
pub(crate) fn open(config: &StorageConfig, secret: Option<&Secret>) -> Result<AmazonS3, VaultError> {
    let StorageConfig::S3 { bucket, region, endpoint, access_key_id, .. } = config else {
        return Err(VaultError::Settings { source: "not a bucket".into() });
    };
    // The client takes the process's provider of cryptography and panics without one; another's choice stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let secret = secret.ok_or_else(|| VaultError::Settings { source: "the secret access key is missing".into() })?;
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
        .with_client_options(
            ClientOptions::new()
                .with_allow_http(plain_http)
                .with_timeout(REQUEST_TIMEOUT)
                .with_connect_timeout(CONNECT_TIMEOUT),
        );
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    builder.build().map_err(|error| VaultError::Settings { source: error.into() })
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
