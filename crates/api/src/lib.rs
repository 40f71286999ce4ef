//! The HTTP service of Holdfast: the JSON API with its OpenAPI document, the event stream, the protocol of workers, and the
//! web app compiled in.
//!
//! Handlers are thin: what is allowed is decided in `domain`, what is, is kept in `store`. Every error is problem details
//! with a code of the registry; nothing that a client sends is answered with 500. Until people can sign in, the service
//! answers on loopback addresses only, and only to pages of its own.

mod access;
mod answer_headers;
mod audit;
mod audit_export;
mod background;
mod changes;
mod connection;
mod connections;
mod edge;
mod edge_settings;
mod endpoints;
mod extract;
mod forwarded;
mod idempotency;
mod inspection;
mod limits;
mod metrics;
mod oidc;
mod openapi;
mod paging;
mod problem;
mod request_context;
mod restore_refusal;
mod same_origin;
mod scheduler;
mod server;
mod state;
mod store_problem;
mod tls;
mod token;
mod upkeep;
mod waiting;
mod web_app;

pub use edge_settings::{EdgeLimits, EdgeSettings, ProxyHeaders, TlsFiles};
pub use oidc::provider::OidcError;
pub use oidc::{OidcSettings, RoleMapping};
pub use openapi::openapi;
pub use server::{ApiError, Running, ServiceConfig, start};
pub use tls::TlsError;

use utoipa_actix_web::scope::scope;
use utoipa_actix_web::service_config::ServiceConfig as DocumentedConfig;

/// Registers every address that the document names.
fn configure_documented(config: &mut DocumentedConfig<'_>) {
    config
        .service(endpoints::service::healthz)
        .service(endpoints::service::readyz)
        .service(endpoints::service::metrics)
        .service(endpoints::service::openapi_json)
        .service(scope(endpoints::BASE).configure(endpoints::configure));
}
