//! A real S3 service in this process, on a temporary directory, with a hand on each request.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dial::Policy;
use domain::storage::StorageConfig;
use domain::{Secret, StorageAccess};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::Vault;

pub(super) const BUCKET: &str = "backups";
const ACCESS_KEY_ID: &str = "AKIAEXAMPLE";
pub(super) const SECRET: &str = "correct-horse";

/// What happens to requests.
#[derive(Default)]
pub(super) struct Hand {
    /// Every so many requests one is answered with 503.
    pub refuse_every: AtomicUsize,
    /// Bodies of parts are changed on their way, without a word.
    pub corrupt_parts: AtomicBool,
    pub requests: AtomicUsize,
    /// How many parts came with a SHA-256 of their own, and without.
    pub parts: Mutex<(usize, usize)>,
}

/// The service; it ends when this is dropped.
pub(super) struct BucketService {
    pub directory: TempDir,
    pub hand: Arc<Hand>,
    port: u16,
    task: JoinHandle<()>,
}

impl BucketService {
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(directory.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET));
        let service = builder.build();
        let hand = Arc::new(Hand::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(serve(listener, service, Arc::clone(&hand)));
        Self { directory, hand, port, task }
    }

    /// The bucket as a worker sees it that was not told that it may dial this machine.
    pub(super) fn open_from_outside(&self, host: &str) -> Vault {
        let config = StorageConfig::S3 {
            bucket: BUCKET.to_owned(),
            region: None,
            endpoint: Some(format!("http://{host}:{}/", self.port)),
            prefix: None,
            access_key_id: ACCESS_KEY_ID.to_owned(),
        };
        Vault::open(&StorageAccess { id: Uuid::nil(), config, secret_access_key: Some(Secret::new(SECRET)) }).unwrap()
    }

    pub(super) fn open(&self, bucket: &str, prefix: Option<&str>, secret: &str) -> Vault {
        let config = StorageConfig::S3 {
            bucket: bucket.to_owned(),
            region: None,
            endpoint: Some(format!("http://127.0.0.1:{}/", self.port)),
            prefix: prefix.map(str::to_owned),
            access_key_id: ACCESS_KEY_ID.to_owned(),
        };
        let access = StorageAccess { id: Uuid::nil(), config, secret_access_key: Some(Secret::new(secret)) };
        Vault::open_under(&access, Policy::default().and_loopback()).unwrap()
    }

    /// The objects in the bucket, and what is left of uploads beside it.
    pub(super) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let name = path.strip_prefix(self.directory.path()).unwrap().to_str().unwrap().to_owned();
                if name.starts_with(BUCKET) || name.starts_with(".upload") {
                    found.push(name);
                }
            }
        }
        found.sort();
        found
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(BUCKET).join(name)
    }
}

impl Drop for BucketService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, service: S3Service, hand: Arc<Hand>) {
    // Dropped with this task, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        let (service, hand) = (service.clone(), Arc::clone(&hand));
        let answer = move |request| {
            let (service, hand) = (service.clone(), Arc::clone(&hand));
            async move { Ok::<_, Infallible>(answer(&service, &hand, request).await) }
        };
        connections.spawn(async move {
            let service = hyper::service::service_fn(answer);
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

async fn answer(service: &S3Service, hand: &Hand, request: Request<Incoming>) -> Response<s3s::Body> {
    let number = hand.requests.fetch_add(1, Ordering::SeqCst) + 1;
    let every = hand.refuse_every.load(Ordering::SeqCst);
    if every > 0 && number.is_multiple_of(every) {
        return plain(StatusCode::SERVICE_UNAVAILABLE);
    }
    let is_part = request.uri().query().is_some_and(|query| query.contains("partNumber="));
    let mut request = request.map(s3s::Body::from);
    if is_part {
        let mut parts = hand.parts.lock().unwrap();
        if request.headers().contains_key("x-amz-checksum-sha256") { parts.0 += 1 } else { parts.1 += 1 }
    }
    if is_part && hand.corrupt_parts.load(Ordering::SeqCst) {
        let (head, mut body) = request.into_parts();
        let mut bytes = body.store_all_limited(64 << 20).await.unwrap().to_vec();
        bytes[100] ^= 1;
        request = Request::from_parts(head, s3s::Body::from(bytes));
    }
    service.call(request).await.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn plain(status: StatusCode) -> Response<s3s::Body> {
    Response::builder().status(status).body(s3s::Body::empty()).unwrap()
}
