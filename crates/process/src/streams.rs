//! The caller's ends of a child's pipes. They note every byte for the watchdog, and fail instead of ending when the child
//! was stopped by us: half a stream must never look like a whole one (F-02).

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::unix::pipe,
    time::Instant,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Fewer, larger reads and writes of a backup's stream.
const PIPE_BYTES: libc::c_int = 1024 * 1024;

/// When a byte last moved on any stream of one child.
pub(crate) struct Activity {
    start: Instant,
    last_millis: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), last_millis: AtomicU64::new(0) }
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn note(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last_millis.load(Ordering::Relaxed))
    }
}

/// Knows whether a pipe holds bytes that nobody has read, without keeping it open.
pub(crate) struct Gauge<P>(Weak<P>);

impl<P: AsRawFd> Gauge<P> {
    /// `None` when our end is closed.
    pub(crate) fn unread_bytes(&self) -> Option<usize> {
        let pipe = self.0.upgrade()?;
        let mut bytes: libc::c_int = 0;
        // SAFETY: FIONREAD writes one int (ioctl_pipe(2)); the descriptor is open as long as `pipe`.
        let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
        (result == 0).then(|| usize::try_from(bytes).unwrap_or(0))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// Set when the child is stopped by us, for whatever reason.
struct Stopped {
    token: CancellationToken,
    wait: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stopped {
    fn new(token: CancellationToken) -> Self {
        Self { wait: Box::pin(token.clone().cancelled_owned()), token }
    }

    fn check(&self) -> io::Result<()> {
        if self.token.is_cancelled() { Err(io::Error::other("the process was stopped")) } else { Ok(()) }
    }

    /// Ready with an error once stopped.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.wait.as_mut().poll(context));
        Poll::Ready(io::Error::other("the process was stopped"))
    }
}

/// What a child writes. Ends when the child closed its end; fails when the child was cancelled, killed, stalled or timed
/// out. The end alone is no success: [`Child::wait`](crate::Child::wait) tells how the child ended.
pub struct ChildStdout {
    pipe: Arc<pipe::Receiver>,
    activity: Arc<Activity>,
    stopped: Stopped,
}

impl ChildStdout {
    pub(crate) fn new(pipe: OwnedFd, activity: Arc<Activity>, stopped: CancellationToken) -> io::Result<Self> {
        let pipe = Arc::new(pipe::Receiver::from_owned_fd(pipe)?);
        Ok(Self { pipe, activity, stopped: Stopped::new(stopped) })
    }

    pub(crate) fn gauge(&self) -> Gauge<pipe::Receiver> {
        Gauge(Arc::downgrade(&self.pipe))
    }
}

/// Best effort: an unprivileged user's pipes may together not exceed a limit (pipe(7)).
pub(crate) fn enlarge(pipe: RawFd) {
    // SAFETY: takes an int and touches no memory.
    unsafe { libc::fcntl(pipe, libc::F_SETPIPE_SZ, PIPE_BYTES) };
}

impl AsyncRead for ChildStdout {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            this.stopped.check()?;
            match this.pipe.poll_read_ready(context) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return this.stopped.poll(context).map(Err),
            }
            match this.pipe.try_read_buf(buffer) {
                Ok(count) => {
                    if count > 0 {
                        this.activity.note();
                    } else if buffer.remaining() > 0 {
                        this.stopped.check()?;
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// What a child reads. Shutting it down or dropping it is the child's end of file.
pub struct ChildStdin {
    pipe: Option<Arc<pipe::Sender>>,
    activity: Arc<Activity>,
    stopped: Stopped,
}

impl ChildStdin {
    pub(crate) fn new(pipe: OwnedFd, activity: Arc<Activity>, stopped: CancellationToken) -> io::Result<Self> {
        let pipe = Some(Arc::new(pipe::Sender::from_owned_fd(pipe)?));
        Ok(Self { pipe, activity, stopped: Stopped::new(stopped) })
    }

    pub(crate) fn gauge(&self) -> Gauge<pipe::Sender> {
        Gauge(self.pipe.as_ref().map_or_else(Weak::new, Arc::downgrade))
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(pipe) = &this.pipe else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        loop {
            this.stopped.check()?;
            match pipe.poll_write_ready(context) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return this.stopped.poll(context).map(Err),
            }
            match pipe.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) => {
                    this.activity.note();
                    return Poll::Ready(Ok(count));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.pipe = None;
        // From now on it is the child's turn.
        this.activity.note();
        Poll::Ready(Ok(()))
    }
}

impl Drop for ChildStdin {
    fn drop(&mut self) {
        self.activity.note();
    }
}
