//! How much anybody may ask for: requests a second of one address, and the time until an answer begins. Workers that sent
//! a valid token are never slowed down. // F-92

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::Data;
use domain::ErrorCode;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::connection::Connection;
use crate::edge;
use crate::edge_settings::EdgeSettings;
use crate::extract::WORKER_LIMIT;
use crate::problem::ApiProblem;

/// How many seconds' worth of requests may come at once: a page with all its files, many times over.
const BURST_SECONDS: u32 = 10;
const WORKER_PROTOCOL: &str = "/api/v1/worker/";

/// Counts the requests of each address.
pub(crate) struct RequestRates(Option<DefaultKeyedRateLimiter<IpAddr>>);

impl RequestRates {
    /// None are counted when `per_second` is 0.
    pub(crate) fn new(per_second: u32) -> Self {
        let burst = NonZeroU32::new(per_second.saturating_mul(BURST_SECONDS));
        let quota =
            NonZeroU32::new(per_second).zip(burst).map(|(rate, burst)| Quota::per_second(rate).allow_burst(burst));
        Self(quota.map(RateLimiter::keyed))
    }

    /// Counts a request.
    fn count(&self, client: IpAddr) -> Result<(), ApiProblem> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check_key(&household(client)).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            let detail = "This address sends too many requests. Wait as long as Retry-After says.";
            ApiProblem::too_many_requests(detail, wait.as_secs().saturating_add(1))
        })
    }

    /// Forgets addresses that were quiet.
    pub(crate) fn forget_quiet(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// Whoever has one IPv6 address has the 2⁶⁴ of its network.
pub(crate) fn household(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// The middleware.
pub(crate) async fn keep(
    rates: Data<RequestRates>,
    settings: Data<EdgeSettings>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let client = Connection::of_service(&request).client;
    let is_worker =
        request.path().starts_with(WORKER_PROTOCOL) && request.headers().contains_key(header::AUTHORIZATION);
    if !is_worker && let Err(problem) = rates.count(client) {
        return Ok(edge::refuse(request, &problem));
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > WORKER_LIMIT as u64) {
        return Ok(edge::refuse(
            request,
            &ApiProblem::new(ErrorCode::PayloadTooLarge, "No body here may be so large."),
        ));
    }
    let Ok(answered) = tokio::time::timeout(settings.limits.answer, next.call(request)).await else {
        return Err(ApiProblem::new(ErrorCode::RequestTimeout, "The answer took too long and was given up.").into());
    };
    // Who only claims to be a worker is counted after all.
    let is_refused = match &answered {
        Ok(response) => response.status() == StatusCode::UNAUTHORIZED,
        Err(error) => error.as_response_error().status_code() == StatusCode::UNAUTHORIZED,
    };
    if is_worker && is_refused {
        rates.count(client)?;
    }
    Ok(answered?.map_into_boxed_body())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f92_each_address_has_its_own_share_and_a_network_one_of_its_own() {
        let rates = RequestRates::new(1);
        let spend = |address: &str| (0..100).filter(|_| rates.count(address.parse().unwrap()).is_ok()).count();
        assert!((10..=11).contains(&spend("192.0.2.1")));
        assert!((10..=11).contains(&spend("192.0.2.2")));
        assert!((10..=11).contains(&spend("2001:db8::1")));
        assert!(spend("2001:db8::2:0:0:1") <= 1, "the same network");
        assert!((10..=11).contains(&spend("2001:db8:0:1::1")));
        let anything = RequestRates::new(0);
        assert!((0..1000).all(|_| anything.count("192.0.2.1".parse().unwrap()).is_ok()));
    }
}
