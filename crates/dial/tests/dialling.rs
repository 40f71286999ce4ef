//! Connections that are made and those that are not, over real sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dial::{DialError, Dialer, Limits, Lookup, Policy, Resolution};
use reqwest::{Method, Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIMITS: Limits = Limits { connect: Duration::from_secs(5), whole: Duration::from_secs(10) };

/// A server that answers everything with `answer` and counts who came.
struct Server {
    address: SocketAddr,
    visits: Arc<AtomicUsize>,
}

impl Server {
    async fn start(ip: &str, answer: String) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let (address, visits) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&visits);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4096];
                let _ = connection.read(&mut head).await;
                let _ = connection.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, visits }
    }

    async fn fine(ip: &str) -> Self {
        Self::start(ip, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()).await
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

/// Answers each question with the next address, and the last one from then on.
struct Changing(Mutex<Vec<Vec<SocketAddr>>>);

impl Lookup for Changing {
    fn lookup(&self, _: String) -> Resolution {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { Ok(answer) })
    }
}

fn dialer(policy: Policy, answers: &[&[SocketAddr]]) -> Dialer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answers = answers.iter().map(|addresses| addresses.to_vec()).collect();
    Dialer::with_lookup(policy, LIMITS, Arc::new(Changing(Mutex::new(answers)))).unwrap()
}

fn get(url: &str) -> Request {
    Request::new(Method::GET, url.parse().unwrap())
}

#[track_caller]
fn refused(outcome: Result<reqwest::Response, DialError>) -> IpAddr {
    match outcome {
        Err(DialError::Refused(refused)) => refused.address,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn f85_a_name_that_moves_inside_is_not_followed() {
    let (outer, inner) = (Server::fine("127.0.0.2").await, Server::fine("127.0.0.1").await);
    // 127.0.0.2 plays the public internet; both servers would answer.
    let policy = Policy::allowing(["127.0.0.2/32".parse().unwrap()]);
    let dialer = dialer(policy, &[&[outer.address], &[inner.address]]);
    assert_eq!(dialer.execute(get("http://rebinding.example/")).await.unwrap().status(), StatusCode::OK);
    assert_eq!((outer.visits(), inner.visits()), (1, 0), "what was judged was dialled, without asking again");
    assert_eq!(refused(dialer.execute(get("http://rebinding.example/")).await), IpAddr::from([127, 0, 0, 1]));
    assert_eq!((outer.visits(), inner.visits()), (1, 0));
}

#[tokio::test]
async fn f85_a_name_that_is_half_inside_is_refused() {
    let (outer, inner) = (Server::fine("127.0.0.2").await, Server::fine("127.0.0.1").await);
    let policy = Policy::allowing(["127.0.0.2/32".parse().unwrap()]);
    let dialer = dialer(policy, &[&[outer.address, inner.address]]);
    refused(dialer.execute(get("http://half.example/")).await);
    assert_eq!((outer.visits(), inner.visits()), (0, 0));
}

#[tokio::test]
async fn f85_addresses_in_urls_are_judged_however_they_are_written() {
    let inner = Server::fine("127.0.0.1").await;
    let (port, dialer) = (inner.address.port(), dialer(Policy::default(), &[&[]]));
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0"] {
        refused(dialer.execute(get(&format!("http://{host}:{port}/"))).await);
    }
    assert_eq!(
        refused(dialer.execute(get("http://169.254.169.254/latest/")).await),
        IpAddr::from([169, 254, 169, 254])
    );
    assert_eq!(inner.visits(), 0);
}

#[tokio::test]
async fn f85_redirects_are_not_followed() {
    let inner = Server::fine("127.0.0.1").await;
    for target in ["http://169.254.169.254/latest/meta-data/".to_owned(), format!("http://{}/", inner.address)] {
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let outer = Server::start("127.0.0.2", answer).await;
        let dialer = dialer(Policy::default().and_loopback(), &[&[outer.address]]);
        let answer = dialer.execute(get("http://bucket.example/")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FOUND);
        assert_eq!((outer.visits(), inner.visits()), (1, 0));
    }
}
