//! The encrypted connection, with a certificate that the double makes itself, as a real server without one does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned, version::TLS12};

use super::wire;

/// Both directions of a connection.
pub(super) trait Channel: Read + Write + Send {}
impl<T: Read + Write + Send> Channel for T {}

/// A certificate and what encrypts with it.
pub(super) fn config() -> anyhow::Result<Arc<ServerConfig>> {
    let made = rcgen::generate_simple_self_signed(vec!["SSL_Self_Signed_Fallback".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS12])?.with_no_client_auth();
    Ok(Arc::new(builder.with_single_cert(vec![made.cert.der().clone()], key)?))
}

/// Shakes hands in messages; what follows is not in messages any more.
pub(super) fn accept(mut stream: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<Box<dyn Channel>> {
    let mut connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    while connection.is_handshaking() {
        let Some((wire::PRELOGIN, content)) = wire::read_message(&mut stream)? else {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        };
        let mut content = content.as_slice();
        while !content.is_empty() {
            connection.read_tls(&mut content)?;
            connection.process_new_packets().map_err(std::io::Error::other)?;
        }
        let mut flight = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut flight)?;
        }
        if !flight.is_empty() {
            wire::write_packets(&mut stream, wire::PRELOGIN, &flight)?;
        }
    }
    Ok(Box::new(StreamOwned::new(connection, stream)))
}
