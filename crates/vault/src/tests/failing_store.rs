//! A storage whose N-th operation fails.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// Counts operations and fails one of them, before or after it was done.
#[derive(Debug)]
pub(super) struct Failing {
    done: AtomicUsize,
    fails: usize,
    /// Whether the operation is done and only its answer lost. // F-23
    answer_lost: bool,
}

impl Failing {
    pub(super) fn nth(fails: usize, answer_lost: bool) -> Arc<Self> {
        Arc::new(Self { done: AtomicUsize::new(0), fails, answer_lost })
    }

    /// Whether the failure has come.
    pub(super) fn has_failed(&self) -> bool {
        self.done.load(Ordering::SeqCst) >= self.fails
    }

    pub(super) fn wrap(self: &Arc<Self>, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(FailingStore { store, failing: Arc::clone(self) })
    }

    /// Does the operation unless it is the one that fails.
    async fn count<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        if self.done.fetch_add(1, Ordering::SeqCst) + 1 != self.fails {
            return operation.await;
        }
        if self.answer_lost {
            let _ = operation.await;
        }
        Err(injected())
    }
}

fn injected() -> Error {
    Error::Generic { store: "test", source: "injected".into() }
}

#[derive(Debug)]
struct FailingStore {
    store: Arc<dyn ObjectStore>,
    failing: Arc<Failing>,
}

impl fmt::Display for FailingStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "failing {}", self.store)
    }
}

#[async_trait]
impl ObjectStore for FailingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.failing.count(self.store.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.failing.count(self.store.put_multipart_opts(location, options)).await?;
        Ok(Box::new(FailingUpload { upload, failing: Arc::clone(&self.failing) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.failing.count(self.store.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.failing.count(self.store.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (store, failing) = (Arc::clone(&self.store), Arc::clone(&self.failing));
        locations
            .then(move |location| {
                let (store, failing) = (Arc::clone(&store), Arc::clone(&failing));
                async move {
                    let location = location?;
                    let deleting = async {
                        let one = futures::stream::iter([Ok(location)]).boxed();
                        store.delete_stream(one).next().await.unwrap_or_else(|| Err(injected()))
                    };
                    failing.count(deleting).await
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let failing = Arc::clone(&self.failing);
        let listing = self.store.list(prefix);
        futures::stream::once(async move {
            match failing.count(async { Ok(()) }).await {
                Ok(()) => listing,
                Err(error) => futures::stream::iter([Err(error)]).boxed(),
            }
        })
        .flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.failing.count(self.store.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.failing.count(self.store.copy_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FailingUpload {
    upload: Box<dyn MultipartUpload>,
    failing: Arc<Failing>,
}

#[async_trait]
impl MultipartUpload for FailingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.upload.put_part(data);
        let failing = Arc::clone(&self.failing);
        Box::pin(async move { failing.count(part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.failing.count(self.upload.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.failing.count(self.upload.abort()).await
    }
}
