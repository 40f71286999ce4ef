//! What the server says to an S3 service: one object put, or got, in a request signed with the credential's key (AWS Signature Version
//! 4), always over TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sha2::{Digest, Sha256};

const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no object, with the operating system's error that the server then tells ("SQL Server back up to URL for S3-compatible
/// object storage best practices and troubleshooting").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// No such bucket.
    NotSupported,
    AccessDenied,
    NotFound,
    /// The certificate is of nobody that the machine trusts.
    Untrusted,
    /// WinHTTP's word for a host that does not answer.
    Unreachable,
}

impl Refused {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotSupported => "50(The request is not supported.)",
            Self::AccessDenied => "5(Access is denied.)",
            Self::NotFound => "2(The system cannot find the file specified.)",
            Self::Untrusted => "12175(failed to retrieve text for this error. Reason: 15105)",
            Self::Unreachable => "12029(failed to retrieve text for this error. Reason: 15105)",
        }
    }
}

/// A service as a server reaches it.
pub(super) struct ObjectStorage {
    pub trusted: Arc<ClientConfig>,
    pub key_id: String,
    pub secret: String,
    pub region: String,
}

impl ObjectStorage {
    pub(super) fn put(&self, url: &str, content: &[u8]) -> Result<(), Refused> {
        self.request("PUT", url, content).map(drop)
    }

    pub(super) fn get(&self, url: &str) -> Result<Vec<u8>, Refused> {
        self.request("GET", url, &[])
    }

    fn request(&self, method: &str, url: &str, body: &[u8]) -> Result<Vec<u8>, Refused> {
        let (authority, path) =
            url.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).ok_or(Refused::NotSupported)?;
        let now = Utc::now().format("%Y%m%dT%H%M%SZ").to_string();
        let digest = hex::encode(Sha256::digest(body));
        let headers = format!("host:{authority}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n");
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!("{method}\n/{path}\n\n{headers}\n{signed}\n{digest}");
        let scope = format!("{}/{}/s3/aws4_request", &now[..8], self.region);
        let text = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let first = hmac(format!("AWS4{}", self.secret).as_bytes(), &now[..8]);
        let key = [self.region.as_str(), "s3", "aws4_request"].iter().fold(first, |key, part| hmac(&key, part));
        let signature = hex::encode(hmac(&key, &text));
        let head = format!(
            "{method} /{path} HTTP/1.1\r\nhost: {authority}\r\nx-amz-content-sha256: {digest}\r\nx-amz-date: {now}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.key_id,
            body.len()
        );
        self.send(authority, &head, body)
    }

    fn send(&self, authority: &str, head: &str, body: &[u8]) -> Result<Vec<u8>, Refused> {
        let (host, _) = authority.rsplit_once(':').ok_or(Refused::NotSupported)?;
        let stream = TcpStream::connect(authority).map_err(|_| Refused::Unreachable)?;
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Refused::NotSupported)?;
        let connection = ClientConnection::new(Arc::clone(&self.trusted), name).map_err(|_| Refused::Untrusted)?;
        let mut stream = StreamOwned::new(connection, stream);
        let broken = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::InvalidData => Refused::Untrusted,
            _ => Refused::Unreachable,
        };
        stream.write_all(head.as_bytes()).map_err(broken)?;
        stream.write_all(body).map_err(broken)?;
        stream.flush().map_err(broken)?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // Some close without a word.
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => return Err(broken(error)),
            _ => {}
        }
        read_answer(&answer)
    }
}

fn read_answer(answer: &[u8]) -> Result<Vec<u8>, Refused> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or(Refused::Unreachable)?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_vec()),
        Some("403") => Err(Refused::AccessDenied),
        Some("404") if String::from_utf8_lossy(body).contains("NoSuchKey") => Err(Refused::NotFound),
        Some("404") => Err(Refused::NotSupported),
        _ => Err(Refused::Unreachable),
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("any key will do"));
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
