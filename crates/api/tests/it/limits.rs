//! What is slow, too much, or too often. // F-92

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use api::{EdgeLimits, EdgeSettings};
use serde_json::json;

use crate::support::{TOKEN, TestService, eventually, identity};

/// Long enough to be seen by a test, short enough to wait for.
const SHORT: Duration = Duration::from_millis(400);
/// Nothing here takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(30);

async fn start(limits: EdgeLimits) -> TestService {
    TestService::start_with(EdgeSettings { limits, ..EdgeSettings::default() }).await
}

/// Sends `text`, then nothing more, and gives all that comes until the service hangs up.
async fn until_hung_up(service: &TestService, text: &'static str) -> (String, Duration) {
    let address = service.address;
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let began = Instant::now();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection stays open: {error}"),
        }
        (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[actix_web::test]
async fn f92_a_head_that_never_ends_is_given_up() {
    let service = start(EdgeLimits { head: SHORT, ..EdgeLimits::default() }).await;
    let (answer, took) = until_hung_up(&service, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow:").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(took >= SHORT, "{took:?}");
    service.stop().await;
}

#[actix_web::test]
async fn f92_a_later_head_that_never_ends_is_given_up_too() {
    let service = start(EdgeLimits { head: SHORT, keep_alive: SHORT, ..EdgeLimits::default() }).await;
    let whole = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow:";
    let (answer, _) = until_hung_up(&service, whole).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    service.stop().await;
}

#[actix_web::test]
async fn f92_a_body_that_never_ends_is_given_up() {
    let service = start(EdgeLimits { body: SHORT, ..EdgeLimits::default() }).await;
    for head in [
        "POST /api/v1/storages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        "POST /api/v1/storages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ] {
        let (answer, took) = until_hung_up(&service, head).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"request_timeout\""), "{answer}");
        assert!(took >= SHORT, "{took:?}");
    }
    assert_eq!(service.get("/healthz").await.status, 200);
    service.stop().await;
}

#[actix_web::test]
async fn f92_an_answer_that_takes_too_long_is_given_up() {
    let service = start(EdgeLimits { answer: SHORT, ..EdgeLimits::default() }).await;
    let claim = json!({"worker": identity("patient"), "wait_seconds": 30});
    let answer = service.post_as_worker("/api/v1/worker/jobs/claim", &claim).await;
    answer.problem(408, "request_timeout");
    service.stop().await;
}

#[actix_web::test]
async fn f92_a_stream_of_events_outlives_all_limits() {
    let limits = EdgeLimits { head: SHORT, keep_alive: SHORT, answer: SHORT, ..EdgeLimits::default() };
    let service = start(limits).await;
    let mut stream = service.http.get(service.url("/api/v1/events")).send().await.unwrap();
    // Much longer than any of them: the service says that it is there after 15 s.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let piece = stream.chunk().await.expect("the stream goes on").expect("the stream goes on");
        if piece.starts_with(b": keep-alive") {
            break;
        }
        assert!(Instant::now() < deadline, "no sign of life");
    }
    service.stop().await;
}

#[actix_web::test]
async fn f92_too_many_requests_are_told_when_to_come_back_and_workers_are_not() {
    let service = start(EdgeLimits { requests_per_second: 1, ..EdgeLimits::default() }).await;
    let mut refused = None;
    for _ in 0..100 {
        let answer = service.get("/healthz").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("there is a bound");
    refused.problem(429, "too_many_requests");
    assert!((1..=3).contains(&refused.header("retry-after").parse::<u32>().unwrap()), "{:?}", refused.headers);

    let claim = json!({"worker": identity("busy"), "wait_seconds": 0});
    for _ in 0..50 {
        assert_eq!(service.post_as_worker("/api/v1/worker/jobs/claim", &claim).await.status, 200);
    }
    // Who guesses tokens is no worker.
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let guess =
            service.http.post(service.url("/api/v1/worker/jobs/claim")).bearer_auth(format!("{TOKEN}x")).json(&claim);
        statuses.push(service.send(guess).await.status.as_u16());
    }
    assert!(statuses.contains(&429) && statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    service.stop().await;
}

#[actix_web::test]
async fn f92_a_proxys_clients_are_counted_apart() {
    let limits = EdgeLimits { requests_per_second: 1, ..EdgeLimits::default() };
    let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let service = TestService::start_with(EdgeSettings { limits, trusted_proxies, ..EdgeSettings::default() }).await;
    let ask = |client: &'static str| {
        service.send(service.http.get(service.url("/healthz")).header("x-forwarded-for", client))
    };
    let mut count = 0;
    while ask("192.0.2.1").await.status == 200 {
        count += 1;
        assert!(count < 100);
    }
    assert_eq!(ask("192.0.2.1, 192.0.2.2").await.status, 200);
    // The client can't choose who it is.
    assert_eq!(ask("192.0.2.3, 192.0.2.1").await.status, 429);
    service.stop().await;
}

/// Opens a connection, asks on it, and gives it back when it is answered within `time`.
async fn ask(service: &TestService, time: Duration) -> Option<TcpStream> {
    let address = service.address;
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.set_read_timeout(Some(time)).unwrap();
        let mut answer = [0; 12];
        let answered = stream.read_exact(&mut answer).is_ok_and(|()| &answer == b"HTTP/1.1 200");
        answered.then_some(stream)
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[actix_web::test]
async fn f92_one_address_has_a_bounded_number_of_connections() {
    let service = start(EdgeLimits { connections_per_address: 3, ..EdgeLimits::default() }).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(ask(&service, PATIENCE).await.expect("there is a place"));
    }
    assert!(ask(&service, PATIENCE).await.is_none(), "one more is hung up on");
    kept.pop();
    eventually("a place that was left is given away", || ask(&service, PATIENCE), Option::is_some).await;
    drop(kept);
    service.stop().await;
}

#[actix_web::test]
async fn f92_connections_beyond_the_bound_wait() {
    let service = start(EdgeLimits { connections: 4, ..EdgeLimits::default() }).await;
    let mut kept = Vec::new();
    while let Some(stream) = ask(&service, 5 * SHORT).await {
        kept.push(stream);
        assert!(kept.len() < 20, "there is no bound");
    }
    assert!(kept.len() >= 2, "{}", kept.len());
    drop(kept);
    eventually("there is room again", || ask(&service, PATIENCE), Option::is_some).await;
    service.stop().await;
}
