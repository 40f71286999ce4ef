//! The event stream.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{TestService, draft};

/// A client that reads events one by one.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(service: &TestService, after: Option<i64>) -> Self {
        let mut request = service.http.get(service.url("/api/v1/events"));
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { response, text: String::new() };
        assert_eq!(stream.block().await.unwrap(), "retry: 2000");
        stream
    }

    /// The next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await.expect("silence");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    async fn event(&mut self) -> (i64, String, Value) {
        loop {
            let block = self.block().await.expect("the stream ended");
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned).unwrap_or_default()
            };
            if block.starts_with(':') {
                continue;
            }
            let data = serde_json::from_str(&field("data: ")).unwrap();
            return (field("id: ").parse().unwrap(), field("event: "), data);
        }
    }
}

#[actix_web::test]
async fn changes_arrive_and_a_broken_connection_goes_on_where_it_ended() {
    let service = TestService::start().await;
    let mut stream = Stream::open(&service, None).await;
    let saved = service.client().datastore_create(&draft("first")).await.unwrap();
    let (first, kind, data) = stream.event().await;
    assert_eq!((kind.as_str(), data["resource_id"].as_str()), ("datastore", Some(saved.id.to_string().as_str())));
    assert_eq!(data["id"], first);
    drop(stream);

    let missed = service.client().datastore_create(&draft("second")).await.unwrap();
    let mut stream = Stream::open(&service, Some(first)).await;
    let mut last = first;
    loop {
        let (id, _, data) = stream.event().await;
        assert!(id > last, "{id} after {last}");
        last = id;
        if data["resource_id"] == missed.id.to_string() {
            break;
        }
    }
    service.stop().await;
}

#[actix_web::test]
async fn several_clients_see_the_same() {
    let service = TestService::start().await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(Stream::open(&service, None).await);
    }
    service.client().datastore_create(&draft("shop")).await.unwrap();
    let mut seen = Vec::new();
    for stream in &mut streams {
        seen.push(stream.event().await);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
    service.stop().await;
}

#[actix_web::test]
async fn an_id_from_another_life_starts_from_now() {
    let service = TestService::start().await;
    let mut stream = Stream::open(&service, Some(i64::MAX)).await;
    let saved = service.client().datastore_create(&draft("shop")).await.unwrap();
    assert_eq!(stream.event().await.2["resource_id"], saved.id.to_string());
    let bad = service.http.get(service.url("/api/v1/events")).header("Last-Event-ID", "odd");
    let answer = service.send(bad).await;
    answer.problem(422, "validation_failed");
    answer.field("/Last-Event-ID");
    service.stop().await;
}

#[actix_web::test]
async fn a_stop_ends_streams_and_waiting_claims() {
    let service = TestService::start().await;
    let mut stream = Stream::open(&service, None).await;
    let claim = {
        let (http, url) = (service.http.clone(), service.url("/api/v1/worker/jobs/claim"));
        let body = json!({"worker": crate::support::identity("w"), "wait_seconds": 30});
        tokio::spawn(async move { http.post(url).bearer_auth(crate::support::TOKEN).json(&body).send().await })
    };
    stream.event().await; // The worker is known: its claim waits.
    let started = std::time::Instant::now();
    service.stop().await;
    while stream.block().await.is_some() {}
    let answer: Value = claim.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["assignment"], Value::Null);
    assert!(started.elapsed() < Duration::from_secs(15), "the stop waited for the claim");
}
