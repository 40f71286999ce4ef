//! The outermost layer around every request: gives it an id, turns panics and the framework's own errors into problems,
//! counts and logs it. No answer leaves the service without passing here.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError, web};
use domain::ErrorCode;
use futures::FutureExt;
use uuid::Uuid;

use crate::answer_headers;
use crate::connection::Connection;
use crate::connections::{Asking, Socket};
use crate::problem::{ApiProblem, PROBLEM_JSON};
use crate::request_context::{REQUEST, RequestContext};
use crate::state::AppState;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The middleware. `HEAD` is answered like `GET`, without the body (RFC 9110, section 9.3.2).
pub(crate) async fn answer(
    state: web::Data<AppState>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let _in_flight = state.metrics.begin_request();
    let method = request.method().clone();
    let encrypted = Connection::of_service(&request).encrypted;
    let socket = request.conn_data::<Socket>().cloned();
    let asking = socket.as_ref().map(Socket::ask);
    let context = RequestContext::new(Uuid::now_v7().to_string(), request.path().to_owned());
    if method == Method::HEAD {
        request.head_mut().method = Method::GET;
    }

    let outcome = REQUEST.scope(context.clone(), AssertUnwindSafe(next.call(request)).catch_unwind()).await;
    let answered = REQUEST.sync_scope(context.clone(), || match outcome {
        Ok(Ok(response)) => Ok(into_problem(response.map_into_boxed_body())),
        Ok(Err(error)) => Err(Box::new(error.as_response_error().error_response())),
        // F-05
        Err(panic) => Err(Box::new(panicked(panic.as_ref()).error_response())),
    });

    let answered = match answered {
        Ok(mut response) => {
            decorate(response.headers_mut(), &context, encrypted);
            if method == Method::HEAD && response.response().body().size() == BodySize::Stream {
                response = response.map_body(|_, _| BoxBody::new(()));
            }
            Ok(response.map_body(|_, body| BoxBody::new(Held { body, _asking: asking })))
        }
        Err(mut response) => {
            decorate(response.headers_mut(), &context, encrypted);
            Err(response)
        }
    };
    let status = match &answered {
        Ok(response) => response.status(),
        Err(response) => response.status(),
    };
    // F-92
    if let Some(socket) = socket
        && matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE)
    {
        socket.end_after_answer();
    }
    state.metrics.count_request(status, started.elapsed());
    log(&method, &context, status, started);
    answered.map_err(|response| InternalError::from_response("answered at the edge", *response).into())
}

/// The body of an answer; its connection counts as busy until it was sent.
struct Held {
    body: BoxBody,
    _asking: Option<Asking>,
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

fn log(method: &Method, context: &RequestContext, status: StatusCode, started: Instant) {
    let (path, request_id, status) = (&context.instance, &context.id, status.as_u16());
    let milliseconds = started.elapsed().as_millis();
    if status >= 500 {
        tracing::warn!(%method, path, status, milliseconds, request_id, "answered");
    } else {
        tracing::info!(%method, path, status, milliseconds, request_id, "answered");
    }
}

/// Gives an error of the framework the shape of all others.
fn into_problem(response: ServiceResponse) -> ServiceResponse {
    let status = response.status();
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(PROBLEM_JSON.as_bytes()));
    if is_problem || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    response.into_response(ApiProblem::from_status(status).error_response())
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> ApiProblem {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(request_id = crate::request_context::id(), message, "a handler panicked");
    ApiProblem::new(ErrorCode::Internal, "Something broke inside Holdfast. The log tells more under the request's id.")
}

fn decorate(headers: &mut HeaderMap, context: &RequestContext, encrypted: bool) {
    if let Ok(id) = HeaderValue::from_str(&context.id) {
        headers.insert(X_REQUEST_ID, id);
    }
    answer_headers::add(headers, &context.instance, encrypted);
}

/// Ends a request that the framework could not route, with the problem that fits.
pub(crate) fn refuse(request: ServiceRequest, problem: &ApiProblem) -> ServiceResponse<BoxBody> {
    let response: HttpResponse = problem.error_response();
    request.into_response(response)
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::middleware::from_fn;
    use actix_web::{App, test};
    use domain::{Problem, Secret};
    use store::{MasterKey, Store};

    use super::*;
    use crate::token::TokenDigest;

    async fn broken() -> HttpResponse {
        panic!("the wrong turn")
    }

    #[actix_web::test]
    async fn f05_a_panic_is_answered_and_harms_no_other_request() {
        let directory = tempfile::tempdir().unwrap();
        let key = MasterKey::load_or_create(&directory.path().join("key")).unwrap();
        let store = Store::open(directory.path().join("db").to_str().unwrap(), key).unwrap();
        let state = web::Data::new(AppState::new(
            store,
            TokenDigest::of(&Secret::new("t")),
            "test",
            domain::ScheduleSettings::default(),
            0,
        ));
        let app = App::new()
            .app_data(state)
            .route("/broken", web::get().to(broken))
            .route("/fine", web::get().to(HttpResponse::Ok))
            .wrap(from_fn(answer));
        let app = test::init_service(app).await;
        for _ in 0..2 {
            let request = test::TestRequest::get().uri("/broken").to_request();
            let response = test::try_call_service(&app, request).await.unwrap_err().error_response();
            assert_eq!(response.status(), 500);
            let id = response.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
            let body = to_bytes(response.into_body()).await.unwrap();
            let problem: Problem = serde_json::from_slice(&body).unwrap();
            assert_eq!((problem.code, problem.instance.as_str()), (ErrorCode::Internal, "/broken"));
            assert_eq!(problem.request_id, Some(id));
            assert!(!String::from_utf8_lossy(&body).contains("wrong turn"));
            let fine = test::TestRequest::get().uri("/fine").to_request();
            assert_eq!(test::call_service(&app, fine).await.status(), 200);
        }
    }
}
