//! Free loopback ports.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::{LazyLock, Mutex, PoisonError};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt};

/// Below the kernel's range for outgoing connections (32768 and up on Linux), so that none of those takes a port
/// between our asking and the server's binding.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static GIVEN_OUT: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port on 127.0.0.1 on which nobody listens and that this process has not given out before.
///
/// Panics when there is none left.
pub fn free_port() -> u16 {
    let mut given_out = GIVEN_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    // A start of its own keeps a test process apart from others that run at the same time.
    let start = (std::process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|port| !given_out.contains(port) && is_free(*port) && given_out.insert(*port))
        .expect("a free port on 127.0.0.1")
}

/// Binds without listening. A listener would do, were it not for children that are started at this moment: they hold a
/// copy of it until they have become another program, and the server that asked would find its port taken.
fn is_free(port: u16) -> bool {
    let try_bind = || -> nix::Result<()> {
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        bind(socket.as_raw_fd(), &SockaddrIn::from(address))
    };
    try_bind().is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn ports_are_free_and_never_given_out_twice() {
        let ports: Vec<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 50);
        for port in ports {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            assert!(!is_free(port), "{port} is taken");
            drop(listener.expect("bind a free port"));
        }
    }
}
