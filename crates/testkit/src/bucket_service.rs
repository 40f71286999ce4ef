//! A real S3 service in this process, on a temporary directory, with a hand on each request.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::authority;

/// The one bucket that there is.
pub const BUCKET: &str = "backups";
pub const BUCKET_KEY_ID: &str = "AKIAEXAMPLE";
/// Letters and digits: SQL Server takes no others.
pub const BUCKET_SECRET: &str = "correctHorse7";

/// What happens to requests.
#[derive(Default)]
pub struct Hand {
    /// Every so many requests one is answered with 503.
    pub refuse_every: AtomicUsize,
    /// Bodies of parts are changed on their way, without a word.
    pub corrupt_parts: AtomicBool,
    pub requests: AtomicUsize,
    /// How many parts came with a SHA-256 of their own, and without.
    pub parts: Mutex<(usize, usize)>,
}

/// The service; it ends when this is dropped.
pub struct BucketService {
    pub hand: Arc<Hand>,
    pub port: u16,
    is_encrypted: bool,
    directory: TempDir,
    runtime: Option<Runtime>,
}

impl BucketService {
    /// Speaks HTTP.
    pub fn start() -> Self {
        Self::serving(None)
    }

    /// Speaks HTTPS, with a certificate of [`crate::authority_pem`].
    pub fn start_encrypted() -> Self {
        Self::serving(Some(authority::acceptor()))
    }

    /// Panics when it can't listen, as a test's set-up may.
    fn serving(acceptor: Option<TlsAcceptor>) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the bucket");
        std::fs::create_dir(directory.path().join(BUCKET)).expect("the bucket");
        let files = s3s_fs::FileSystem::new(directory.path()).unwrap_or_else(|error| panic!("{error:?}"));
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(BUCKET_KEY_ID, BUCKET_SECRET));
        let (service, hand) = (builder.build(), Arc::new(Hand::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
        listener.set_nonblocking(true).expect("not to block");
        let port = listener.local_addr().expect("an address").port();
        let is_encrypted = acceptor.is_some();
        runtime.spawn(serve(listener, service, Arc::clone(&hand), acceptor));
        Self { hand, port, is_encrypted, directory, runtime: Some(runtime) }
    }

    /// Its URL, as a client on this machine dials it.
    pub fn endpoint(&self) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The objects in the bucket, and what is left of uploads beside it.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            // What was there a moment ago may be gone.
            for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let name = path.strip_prefix(self.directory.path()).unwrap_or(&path).display().to_string();
                if name.starts_with(BUCKET) || name.starts_with(".upload") {
                    found.push(name);
                }
            }
        }
        found.sort();
        found
    }

    /// Where an object of the bucket is kept.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(BUCKET).join(name)
    }
}

impl Drop for BucketService {
    fn drop(&mut self) {
        // Without waiting: it may be dropped within a runtime of the test's.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: std::net::TcpListener, service: S3Service, hand: Arc<Hand>, acceptor: Option<TlsAcceptor>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((connection, _)) = listener.accept().await {
        let (service, hand, acceptor) = (service.clone(), Arc::clone(&hand), acceptor.clone());
        tokio::spawn(async move {
            let Some(acceptor) = acceptor else { return converse(connection, service, hand).await };
            // Who does not trust the certificate hangs up.
            if let Ok(connection) = acceptor.accept(connection).await {
                converse(connection, service, hand).await;
            }
        });
    }
}

async fn converse(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S3Service,
    hand: Arc<Hand>,
) {
    let answer = move |request| {
        let (service, hand) = (service.clone(), Arc::clone(&hand));
        async move { Ok::<_, Infallible>(answer(&service, &hand, request).await) }
    };
    let service = hyper::service::service_fn(answer);
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
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
        let mut parts = hand.parts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if request.headers().contains_key("x-amz-checksum-sha256") { parts.0 += 1 } else { parts.1 += 1 }
    }
    if is_part && hand.corrupt_parts.load(Ordering::SeqCst) {
        let (head, mut body) = request.into_parts();
        let mut bytes = body.store_all_limited(64 << 20).await.map(|bytes| bytes.to_vec()).unwrap_or_default();
        if let Some(byte) = bytes.get_mut(100) {
            *byte ^= 1;
        }
        request = Request::from_parts(head, s3s::Body::from(bytes));
    }
    service.call(request).await.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn plain(status: StatusCode) -> Response<s3s::Body> {
    let mut response = Response::new(s3s::Body::empty());
    *response.status_mut() = status;
    response
}
