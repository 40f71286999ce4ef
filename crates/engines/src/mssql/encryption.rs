//! The encrypted connection. The client library's own needs a second implementation of TLS, so it is done here, before that one
//! speaks: the first message and its answer, then a handshake that travels in such messages ([MS-TDS], 2.2.6.5 and 3.2.5.2). The client
//! library's own first message is then answered from here.
//!
//! The certificate is not verified: that of a server that was given none is made by itself at each start. So this keeps out those
//! who listen, not those who can put themselves in between; a network that has those needs a tunnel of its own.

mod certificate;
mod greeting;
mod handshake;

use std::io::{Error, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, version::TLS12};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use self::certificate::AnyCertificate;
use self::greeting::Greeted;
use self::handshake::Handshaking;

/// Both directions of a connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A message before the login, and the answer to it.
const PRELOGIN: u8 = 0x12;
const HEADER_BYTES: usize = 8;
/// An answer is some ten bytes; one that is longer is none.
const LONGEST_ANSWER: usize = 4096;

/// What the encryption option says.
const ENCRYPTION: u8 = 1;
const ON: u8 = 1;
const NOT_SUPPORTED: u8 = 2;
const REQUIRED: u8 = 3;
const END: u8 = 0xff;

/// The first message: a version of the client's (of no consequence), that everything is to be encrypted, no instance's name, no
/// thread, one request at a time.
const FIRST_MESSAGE: [u8; 39] = [
    0, 0, 26, 0, 6, 1, 0, 32, 0, 1, 2, 0, 33, 0, 1, 3, 0, 34, 0, 4, 4, 0, 38, 0, 1, END, // options
    0, 0, 0, 0, 0, 0, ON, 0, 0, 0, 0, 0, 0,
];

/// Encrypts a connection. One to this machine may stay open to be read where the server does not encrypt.
///
/// # Errors
/// When what answers is no SQL Server ([`ErrorKind::InvalidData`]), or encrypts nothing and is not this machine
/// ([`ErrorKind::Unsupported`]).
pub(super) async fn secure(stream: TcpStream) -> std::io::Result<Box<dyn Duplex>> {
    let peer = stream.peer_addr()?.ip();
    secure_to(stream, peer).await
}

/// [`secure`] for a connection whose other end is at `peer`.
async fn secure_to(mut stream: TcpStream, peer: IpAddr) -> std::io::Result<Box<dyn Duplex>> {
    stream.write_all(&packet(&FIRST_MESSAGE)?).await?;
    let answer = read_answer(&mut stream).await?;
    if !is_encrypted(&answer, peer)? {
        return Ok(Box::new(Greeted::new(stream, packet(&answer)?)));
    }
    // No name is compared with the certificate's, and none is sent.
    let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
    let mut secured = TlsConnector::from(Arc::new(config()?)).connect(name, Handshaking::new(stream)).await?;
    secured.get_mut().0.finish();
    Ok(Box::new(Greeted::new(secured, packet(&answer)?)))
}

/// Whether the connection goes on encrypted after an answer: else only to this machine.
fn is_encrypted(answer: &[u8], peer: IpAddr) -> std::io::Result<bool> {
    match encryption_of(answer) {
        Some(ON | REQUIRED) => Ok(true),
        Some(NOT_SUPPORTED) if peer.to_canonical().is_loopback() => Ok(false),
        Some(_) => Err(Error::new(ErrorKind::Unsupported, "the server does not encrypt connections")),
        None => Err(not_sql_server()),
    }
}

fn not_sql_server() -> Error {
    Error::new(ErrorKind::InvalidData, "the answer is not a SQL Server's")
}

/// TLS 1.2: later versions say more after the handshake, which this way of carrying it has no place for.
fn config() -> std::io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS12])
        .map_err(Error::other)?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate::new(provider)))
        .with_no_client_auth();
    config.enable_sni = false;
    Ok(config)
}

/// One packet that is a whole message.
fn packet(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(content.len() + HEADER_BYTES).map_err(Error::other)?.to_be_bytes();
    let [high, low] = length;
    let header = [PRELOGIN, 1, high, low, 0, 0, 1, 0];
    Ok([&header, content].concat())
}

/// The answer's content.
async fn read_answer(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    // Answers are of the type of other answers.
    let [4, _, high, low, ..] = header else { return Err(not_sql_server()) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !(HEADER_BYTES..=LONGEST_ANSWER).contains(&length) {
        return Err(not_sql_server());
    }
    let mut content = vec![0; length - HEADER_BYTES];
    stream.read_exact(&mut content).await?;
    Ok(content)
}

/// What an answer says of encryption.
fn encryption_of(answer: &[u8]) -> Option<u8> {
    let mut options = answer;
    while let [option, rest @ ..] = options {
        let ([high, low, _, _, rest @ ..], false) = (rest, *option == END) else { return None };
        if *option == ENCRYPTION {
            return answer.get(usize::from(u16::from_be_bytes([*high, *low]))).copied();
        }
        options = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use testkit::Mssql;

    use super::*;

    const HERE: [&str; 3] = ["127.0.0.1", "::1", "::ffff:127.0.0.1"];
    const ELSEWHERE: [&str; 3] = ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"];

    /// What comes of a connection to the double that is taken for one to another address.
    async fn secured_to(double: &Mssql, peer: &str) -> std::io::Result<Box<dyn Duplex>> {
        let stream = TcpStream::connect(("127.0.0.1", double.port)).await.expect("the double listens");
        secure_to(stream, peer.parse().expect("an address")).await
    }

    #[tokio::test]
    async fn a_server_that_does_not_encrypt_is_refused_unless_it_is_on_this_machine() {
        let open = Mssql::builder().start().expect("the double starts");
        for peer in HERE {
            assert!(secured_to(&open, peer).await.is_ok(), "{peer}");
        }
        for peer in ELSEWHERE {
            let refused = secured_to(&open, peer).await.err().map(|error| error.kind());
            assert_eq!(refused, Some(ErrorKind::Unsupported), "{peer}");
        }
        let encrypting = Mssql::builder().encrypting().start().expect("the double starts");
        for peer in HERE.iter().chain(&ELSEWHERE) {
            assert!(secured_to(&encrypting, peer).await.is_ok(), "{peer}");
        }
    }

    #[test]
    fn a_server_that_could_encrypt_and_does_not_is_refused_everywhere() {
        let answer = |encryption| [ENCRYPTION, 0, 6, 0, 1, END, encryption];
        for peer in HERE.iter().chain(&ELSEWHERE) {
            let peer = peer.parse().expect("an address");
            let off = is_encrypted(&answer(0), peer).map_err(|error| error.kind());
            assert_eq!(off, Err(ErrorKind::Unsupported), "{peer}");
            assert!(
                is_encrypted(&answer(ON), peer).is_ok_and(|is| is)
                    && is_encrypted(&answer(REQUIRED), peer).is_ok_and(|is| is)
            );
        }
    }

    #[test]
    fn the_first_message_asks_for_encryption_in_its_own_words() {
        assert_eq!(encryption_of(&FIRST_MESSAGE), Some(ON));
        assert_eq!(encryption_of(&[0, 0, 26, 0, 6, END]), None);
        assert_eq!(encryption_of(&[ENCRYPTION, 0, 99, 0, 1, END]), None);
        assert_eq!(encryption_of(b"-ERR"), None);
    }
}
