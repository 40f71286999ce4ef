//! The OpenAPI document: collected from the handlers, then given what they all have in common. `api-spec/openapi.json` is
//! this, and a test keeps both the same.

mod flatten;

use actix_web::App;
use domain::access::{Permission, Reach};
use utoipa::PartialSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, PathItem};
use utoipa::openapi::{Content, InfoBuilder, License, OpenApi, Ref, RefOr, Response};
use utoipa_actix_web::AppExt;

use crate::access::Gate;
use crate::problem::PROBLEM_JSON;
use crate::same_origin::SESSION_COOKIE;

const WORKER_TOKEN: &str = "worker_token";
const TOKEN: &str = "token";
const SESSION: &str = "session";

const DESCRIPTION: &str = "Backs up and restores databases. Sizes are bytes, durations seconds, times RFC 3339 in UTC. \
    Errors are problem details (RFC 9457) with a stable `code`; `/docs/errors` lists them. Every answer carries \
    `X-Request-Id`. `HEAD` is answered wherever `GET` is.";

/// The whole document.
pub fn openapi() -> OpenApi {
    let (_, mut document) = App::new().into_utoipa_app().configure(crate::configure_documented).split_for_parts();
    document.info = InfoBuilder::new()
        .title("Holdfast")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(License::new(env!("CARGO_PKG_LICENSE"))))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = |text: &str| {
        SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(text)).build())
    };
    components
        .add_security_scheme(WORKER_TOKEN, bearer("A worker's token: `hfw_…`, or that of the file `worker.token`"));
    components.add_security_scheme(TOKEN, bearer("A program's token: `hfa_…`"));
    let cookie =
        ApiKeyValue::with_description(SESSION_COOKIE, "What a sign-in sets; changes then need `X-Holdfast-Request: 1`");
    components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    components.schemas.entry("Problem".to_owned()).or_insert_with(<domain::Problem as PartialSchema>::schema);
    flatten::flatten(components);
    flatten::name_items(components);
    for (path, item) in &mut document.paths.paths {
        let gate = Gate::of(path);
        for operation in operations(item) {
            add_access(operation, gate);
            add_default_response(operation);
        }
    }
    document
}

/// The operations of one address.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// Says which credentials an operation takes, which role it needs, and how it refuses.
fn add_access(operation: &mut Operation, gate: Gate) {
    let schemes: &[&str] = match gate {
        Gate::Public => &[],
        Gate::Worker => &[WORKER_TOKEN],
        Gate::Others => &[TOKEN, SESSION],
    };
    let needs = |scheme: &&str| SecurityRequirement::new(*scheme, Vec::<String>::new());
    operation.security = Some(schemes.iter().map(needs).collect());
    if gate == Gate::Public {
        return;
    }
    let permission: Option<Permission> = operation.operation_id.as_deref().and_then(|id| id.parse().ok());
    let refusal = match permission {
        Some(permission) => {
            let extent = if permission.reach() == Reach::Everything { " for everything" } else { "" };
            format!("`forbidden`: needs the role {}{extent}", permission.least_role())
        }
        None if gate == Gate::Worker => "`forbidden`: only for workers, each under its own name".to_owned(),
        None => "`forbidden`: not for these credentials".to_owned(),
    };
    add_problem(operation, "401", "`unauthenticated`: no valid credentials");
    add_problem(operation, "403", &refusal);
}

fn add_problem(operation: &mut Operation, status: &str, description: &str) {
    let mut response = Response::new(description);
    let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
    response.content.insert(PROBLEM_JSON.to_owned(), RefOr::T(content));
    operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
}

/// Every operation may answer with any problem that concerns all requests.
fn add_default_response(operation: &mut Operation) {
    add_problem(operation, "default", "Any other error, as problem details");
}

/// Which methods an address takes.
pub(crate) struct Addresses(Vec<(Vec<String>, Vec<&'static str>)>);

impl Addresses {
    /// Reads them off the document, so that nothing can be forgotten here.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let methods = |item: &PathItem| {
            [
                ("GET", item.get.is_some()),
                ("HEAD", item.get.is_some()),
                ("POST", item.post.is_some()),
                ("PUT", item.put.is_some()),
                ("PATCH", item.patch.is_some()),
                ("DELETE", item.delete.is_some()),
            ]
            .into_iter()
            .filter_map(|(name, is_there)| is_there.then_some(name))
            .collect()
        };
        let split = |path: &String| path.split('/').map(str::to_owned).collect();
        Self(document.paths.paths.iter().map(|(path, item)| (split(path), methods(item))).collect())
    }

    /// The methods of the address that is spelt exactly like `path`, without an id in it.
    pub(crate) fn allowed_exactly(&self, path: &str) -> Option<String> {
        let (_, methods) = self.0.iter().find(|(pattern, _)| pattern.iter().map(String::as_str).eq(path.split('/')))?;
        Some(methods.join(", "))
    }

    /// The methods that the address at `path` takes, as an `Allow` header has them; `None` when there is no such address.
    pub(crate) fn allowed(&self, path: &str) -> Option<String> {
        if let Some(allowed) = self.allowed_exactly(path) {
            return Some(allowed);
        }
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |pattern: &[String]| {
            pattern.len() == parts.len()
                && pattern
                    .iter()
                    .zip(&parts)
                    .all(|(own, given)| own == given || (own.starts_with('{') && !given.is_empty()))
        };
        let mut allowed: Vec<&str> = self
            .0
            .iter()
            .filter(|(pattern, _)| fits(pattern))
            .flat_map(|(_, methods)| methods.iter().copied())
            .collect();
        allowed.sort_unstable();
        allowed.dedup();
        (!allowed.is_empty()).then(|| allowed.join(", "))
    }
}
