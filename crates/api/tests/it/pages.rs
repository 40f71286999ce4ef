//! What people's browsers and monitoring ask for outside the API.

use crate::support::{TestService, success};

#[actix_web::test]
async fn the_web_app_answers_its_own_addresses_and_no_others() {
    let service = TestService::start().await;
    let index = service.get("/").await;
    assert_eq!(index.status, 200);
    assert!(index.header("content-type").starts_with("text/html"), "{}", index.header("content-type"));
    assert_eq!(index.header("cache-control"), "no-cache");
    for path in ["/datastores/new", "/datastores/018f0000-0000-7000-8000-000000000000/backups", "/activity"] {
        assert_eq!(service.get(path).await.text, index.text, "{path}");
    }
    for path in ["/favicon.ico", "/app.js", "/assets/missing.wasm", "/../Cargo.toml", "/api/", "/docs/missing.css"] {
        service.get(path).await.problem(404, "not_found");
    }
    let again = service.http.get(service.url("/")).header("if-none-match", index.header("etag"));
    assert_eq!(service.send(again).await.status, 304);
    service.stop().await;
}

#[actix_web::test]
async fn the_documentation_is_served_from_here() {
    let service = TestService::start().await;
    let page = service.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("swagger-ui"));
    assert!(
        !page.text.contains("http://") && !page.text.contains("https://"),
        "it loads from elsewhere: {}",
        page.text
    );
    assert_eq!(service.get("/docs/swagger-ui-bundle.js").await.status, 200);
    let initializer = service.get("/docs/swagger-initializer.js").await.text;
    assert!(initializer.contains("/openapi.json"), "{initializer}");
    let errors = service.get("/docs/errors").await.text;
    for code in domain::ErrorCode::ALL {
        assert!(errors.contains(&format!("id=\"{code}\"")), "{code}");
    }
    let document = service.get("/openapi.json").await.json();
    assert_eq!(document, serde_json::to_value(api::openapi()).unwrap());
    service.stop().await;
}

#[actix_web::test]
async fn the_numbers_are_prometheus_text() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    service.datastore("shop").await;
    let page = service.get("/metrics").await;
    assert!(page.header("content-type").starts_with("text/plain"));
    for line in page.text.lines() {
        let fine = line.starts_with("# HELP ")
            || line.starts_with("# TYPE ")
            || line
                .rsplit_once(' ')
                .is_some_and(|(name, value)| name.starts_with("holdfast_") && value.parse::<f64>().is_ok());
        assert!(fine, "{line:?}");
    }
    for expected in [
        "holdfast_datastores 1\n",
        "holdfast_workers_online 1\n",
        "holdfast_jobs{status=\"completed\"} 0\n",
        "holdfast_build_info{version=\"0.0.0-test\"} 1\n",
        "holdfast_http_requests_total{status=\"2xx\"} ",
    ] {
        assert!(page.text.contains(expected), "{expected}: {}", page.text);
    }
    worker.stop().await;
    service.stop().await;
}
