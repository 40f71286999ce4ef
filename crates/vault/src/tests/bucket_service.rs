//! Storages in a bucket of a service of the test's own.

use dial::Policy;
use domain::storage::StorageConfig;
use domain::{Secret, StorageAccess};
use testkit::{BUCKET_KEY_ID, BucketService};
use uuid::Uuid;

use crate::Vault;

pub(super) use testkit::{BUCKET, BUCKET_SECRET as SECRET};

fn access(service: &BucketService, host: &str, bucket: &str, prefix: Option<&str>, secret: &str) -> StorageAccess {
    let config = StorageConfig::S3 {
        bucket: bucket.to_owned(),
        region: None,
        endpoint: Some(service.endpoint().replace("127.0.0.1", host)),
        prefix: prefix.map(str::to_owned),
        access_key_id: BUCKET_KEY_ID.to_owned(),
    };
    StorageAccess { id: Uuid::nil(), config, secret_access_key: Some(Secret::new(secret)) }
}

/// The bucket as a worker sees it that was not told that it may dial this machine.
pub(super) fn open_from_outside(service: &BucketService, host: &str) -> Vault {
    Vault::open(&access(service, host, BUCKET, None, SECRET)).unwrap()
}

pub(super) fn open(service: &BucketService, bucket: &str, prefix: Option<&str>, secret: &str) -> Vault {
    open_trusting(service, Policy::default(), bucket, prefix, secret)
}

pub(super) fn open_trusting(
    service: &BucketService,
    policy: Policy,
    bucket: &str,
    prefix: Option<&str>,
    secret: &str,
) -> Vault {
    Vault::open_under(&access(service, "127.0.0.1", bucket, prefix, secret), policy.and_loopback()).unwrap()
}
