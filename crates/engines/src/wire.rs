//! Which engine answers at an address, found out from its first words, before any tool or password is used: a tool of one
//! engine may wait for ever, or send a password, when another engine listens.

use std::time::Duration;

use domain::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// MySQL's and MariaDB's servers speak first, and at once unless they look up the client's name.
const GREETING_LIMIT: Duration = Duration::from_millis(400);
/// How long an answer to a guess may take: PostgreSQL forks first.
const GUESS_LIMIT: Duration = Duration::from_millis(1500);
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// PostgreSQL's `SSLRequest` (manual, "Message Formats"): answered by one byte, `S`, `N` or `E`.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// Redis answers it to everybody, if only with an error.
const PING: &[u8] = b"PING\r\n";

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Speaker {
    Postgresql,
    Mariadb,
    Mysql,
    /// Redis or Valkey: they differ only in what `INFO` says.
    Redis,
    /// Nothing that we know.
    Unknown,
    /// Nobody: why.
    Unreachable(String),
}

impl Speaker {
    /// Whether this can be a server of `engine`.
    pub(crate) fn can_be(&self, engine: Engine) -> bool {
        match self {
            Self::Postgresql => engine == Engine::Postgresql,
            Self::Mariadb => engine == Engine::Mariadb,
            Self::Mysql => engine == Engine::Mysql,
            Self::Redis => matches!(engine, Engine::Redis | Engine::Valkey),
            Self::Unknown | Self::Unreachable(_) => false,
        }
    }

    /// The name for messages.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::Postgresql => "PostgreSQL",
            Self::Mariadb => "MariaDB",
            Self::Mysql => "MySQL",
            Self::Redis => "Redis or Valkey",
            Self::Unknown => "Something that is none of the known engines",
            Self::Unreachable(_) => "Nothing",
        }
    }
}

/// Asks who is there. Sends no credentials. An engine that waits to be spoken to is asked as the one that is expected,
/// at once: only where that is wrong does it cost the time to find out.
pub(crate) async fn who_answers(host: &str, port: u16, expected: Engine) -> Speaker {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let words: Option<&[u8]> = match expected {
        Engine::Postgresql => Some(&SSL_REQUEST),
        Engine::Redis | Engine::Valkey => Some(PING),
        Engine::Mariadb | Engine::Mysql | Engine::Mssql => None,
    };
    if let Some(words) = words {
        match ask(host, port, Duration::ZERO, words, GUESS_LIMIT).await {
            Ok(None | Some(Speaker::Unknown)) => {}
            Ok(Some(speaker)) => return speaker,
            Err(cause) => return Speaker::Unreachable(cause),
        }
    }
    match ask(host, port, GREETING_LIMIT, &SSL_REQUEST, GUESS_LIMIT).await {
        Ok(Some(speaker)) => speaker,
        // Redis waits for the end of what it takes for a line. It needs a fresh connection.
        Ok(None) => match ask(host, port, GREETING_LIMIT, PING, ANSWER_LIMIT).await {
            Ok(speaker) => speaker.unwrap_or(Speaker::Unknown),
            Err(cause) => Speaker::Unreachable(cause),
        },
        Err(cause) => Speaker::Unreachable(cause),
    }
}

/// Connects, listens for as long as `greeting`, and if nothing comes says something. `None` when there was no answer to
/// that either within `limit`.
async fn ask(
    host: &str,
    port: u16,
    greeting: Duration,
    words: &[u8],
    limit: Duration,
) -> Result<Option<Speaker>, String> {
    let mut stream = match timeout(CONNECT_LIMIT, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("no answer within {} s", CONNECT_LIMIT.as_secs())),
    };
    let mut buffer = [0; 512];
    if let Ok(count) = timeout(greeting, stream.read(&mut buffer)).await {
        return Ok(Some(spoke_first(buffer.get(..count.unwrap_or(0)).unwrap_or_default())));
    }
    if stream.write_all(words).await.is_err() {
        return Ok(Some(Speaker::Unknown));
    }
    let answer = timeout(limit, stream.read(&mut buffer)).await.ok();
    Ok(answer.map(|count| answered(buffer.get(..count.unwrap_or(0)).unwrap_or_default())))
}

/// A packet of MySQL's protocol: length (3), number (1), then the protocol's version 10 and the server's version text,
/// or 255 and an error ("Too many connections", "Host is blocked").
fn spoke_first(bytes: &[u8]) -> Speaker {
    match bytes.get(4) {
        Some(10 | 255) if bytes.get(3) == Some(&0) => {
            // Not "mysql": MariaDB's greeting names the plugin mysql_native_password.
            let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
            if text.contains("mariadb") { Speaker::Mariadb } else { Speaker::Mysql }
        }
        // Redis in protected mode refuses at once.
        _ if bytes.starts_with(b"-") => Speaker::Redis,
        _ => Speaker::Unknown,
    }
}

fn answered(bytes: &[u8]) -> Speaker {
    match bytes {
        // One byte is all, unless it begins an error.
        [b'S' | b'N'] | [b'E', ..] => Speaker::Postgresql,
        [b'+', ..] => Speaker::Redis,
        // A greeting that came late, or a refusal.
        _ => spoke_first(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words_tell_the_engine() {
        assert_eq!(
            spoke_first(b"\x5d\0\0\0\x0a5.5.5-10.11.19-MariaDB-0+deb12u1\0...mysql_native_password\0"),
            Speaker::Mariadb
        );
        assert_eq!(spoke_first(b"\x4a\0\0\0\x0a9.7.4\0....caching_sha2_password\0"), Speaker::Mysql);
        assert_eq!(spoke_first(b"-DENIED Redis is running in protected mode"), Speaker::Redis);
        assert_eq!(spoke_first(b"SSH-2.0-OpenSSH_9.2p1"), Speaker::Unknown);
        assert_eq!(spoke_first(b""), Speaker::Unknown);
        assert_eq!(answered(b"N"), Speaker::Postgresql);
        assert_eq!(answered(b"-NOAUTH Authentication required."), Speaker::Redis);
        assert_eq!(answered(b"+PONG"), Speaker::Redis);
        assert_eq!(answered(b"\x4e\0\0\0\x0a11.8.6-MariaDB"), Speaker::Mariadb, "a length like an N");
        assert_eq!(answered(b"HTTP/1.1 400 Bad Request"), Speaker::Unknown);
    }

    #[tokio::test]
    async fn the_expected_engine_is_asked_first() {
        for (expected, words, answer, speaker) in [
            (Engine::Postgresql, SSL_REQUEST.as_slice(), b"N".as_slice(), Speaker::Postgresql),
            (Engine::Redis, PING, b"+PONG\r\n", Speaker::Redis),
            // Somebody else's greeting is heard nevertheless.
            (Engine::Valkey, PING, b"\x5d\0\0\0\x0a10.11.19-MariaDB\0", Speaker::Mariadb),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut heard = vec![0; words.len()];
                stream.read_exact(&mut heard).await.unwrap();
                stream.write_all(answer).await.unwrap();
                heard
            };
            let (found, heard) = tokio::join!(who_answers("127.0.0.1", port, expected), server);
            assert_eq!((found, heard.as_slice()), (speaker, words));
        }
    }
}
