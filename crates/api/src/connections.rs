//! The open connections: how many there are, and since when nobody asked anything on each. The framework bounds the time of
//! a connection's first request head only; here connections end on which a later one never becomes complete. // F-92

use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::edge_settings::EdgeSettings;

/// How often idle connections are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// All open connections. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Connections(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    sockets: Vec<Weak<Watched>>,
    per_address: HashMap<IpAddr, usize>,
}

/// One connection, as requests know it.
#[derive(Clone)]
pub(crate) struct Socket(Arc<Watched>);

struct Watched {
    /// Of the same socket; only ever used to shut it down.
    stream: TcpStream,
    peer: IpAddr,
    local: IpAddr,
    asked: Mutex<Asked>,
    all: Connections,
}

struct Asked {
    in_flight: usize,
    since: Instant,
    /// Whether nothing more is wanted of it once its answer was sent.
    is_unwanted: bool,
}

impl Connections {
    /// What the server calls for each new connection. // F-92
    pub(crate) fn opened(&self, io: &dyn Any, extensions: &mut Extensions, settings: &EdgeSettings) {
        let stream = io
            .downcast_ref::<tokio::net::TcpStream>()
            .or_else(|| io.downcast_ref::<TlsStream<tokio::net::TcpStream>>().map(|tls| tls.get_ref().0));
        let Some(stream) = stream else { return };
        let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else { return };
        let Ok(stream) = stream.as_fd().try_clone_to_owned() else { return };
        let (peer, local) = (peer.ip().to_canonical(), local.ip().to_canonical());
        let asked = Mutex::new(Asked { in_flight: 0, since: Instant::now(), is_unwanted: false });
        let watched = Arc::new(Watched { stream: stream.into(), peer, local, asked, all: self.clone() });
        let of_this_address = {
            let mut open = self.open();
            open.sockets.push(Arc::downgrade(&watched));
            let count = open.per_address.entry(peer).or_default();
            *count += 1;
            *count
        };
        if of_this_address > settings.limits.connections_per_address && !settings.is_trusted(peer) {
            watched.end();
        }
        extensions.insert(Socket(watched));
    }

    /// Ends connections on which nothing was asked for as long as they may be kept, until the service stops.
    pub(crate) async fn watch(self, settings: EdgeSettings, stop: CancellationToken) {
        // The framework itself ends those that are merely quiet.
        let patience = settings.limits.keep_alive + settings.limits.head;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let mut sockets: Vec<Arc<Watched>> = Vec::new();
            self.open().sockets.retain(|socket| match socket.upgrade() {
                Some(socket) => {
                    sockets.push(socket);
                    true
                }
                None => false,
            });
            for socket in sockets {
                let asked = socket.asked();
                // The answer gets time to arrive.
                let patience = if asked.is_unwanted { LOOK } else { patience };
                if asked.in_flight == 0 && asked.since.elapsed() > patience {
                    socket.end();
                }
            }
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        // Fails only when the other side was faster.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut open = self.all.open();
        if let Some(count) = open.per_address.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.per_address.remove(&self.peer);
            }
        }
    }
}

impl Socket {
    /// The address of this machine that was dialled.
    pub(crate) fn local(&self) -> IpAddr {
        self.0.local
    }

    /// Ends the connection soon after its answer: what is still to come of the request is not waited for.
    pub(crate) fn end_after_answer(&self) {
        self.0.asked().is_unwanted = true;
    }

    /// Notes that a request is being answered until the value is dropped.
    pub(crate) fn ask(&self) -> Asking {
        self.0.asked().in_flight += 1;
        Asking(self.clone())
    }
}

/// A request that is being answered.
pub(crate) struct Asking(Socket);

impl Drop for Asking {
    fn drop(&mut self) {
        let mut asked = self.0.0.asked();
        asked.in_flight -= 1;
        asked.since = Instant::now();
    }
}
