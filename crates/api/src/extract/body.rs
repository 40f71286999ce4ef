//! JSON bodies. Not JSON at all is 400, JSON of another shape is 422 and names the field. Size and time are bounded. // F-92

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{BytesMut, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use domain::ErrorCode;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Decided;
use super::pointer::field_error;
use crate::edge_settings::{EdgeLimits, EdgeSettings};
use crate::problem::ApiProblem;

/// The largest body that people's programs may send, in bytes.
const LIMIT: usize = 256 << 10;
/// The largest body that a worker may send, in bytes: it brings log lines.
pub(crate) const WORKER_LIMIT: usize = 4 << 20;

/// A body of the type `T`, at most `MOST` bytes long.
pub(crate) struct Body<T, const MOST: usize = LIMIT> {
    pub(crate) value: T,
    /// SHA-256 of the bytes as they came.
    pub(crate) digest: String,
}

impl<T: DeserializeOwned + 'static, const MOST: usize> FromRequest for Body<T, MOST> {
    type Error = ApiProblem;
    type Future = LocalBoxFuture<'static, Result<Self, ApiProblem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let typed = check_headers(request, MOST);
        let payload = payload.take();
        let settings = request.app_data::<Data<EdgeSettings>>();
        let arrival = settings.map_or(EdgeLimits::default().body, |settings| settings.limits.body);
        let decided = request.extensions().get::<Decided>().cloned();
        Box::pin(async move {
            if let Some(decided) = decided {
                decided.wait().await;
            }
            typed?;
            let bytes = tokio::time::timeout(arrival, collect(payload, MOST)).await.map_err(|_| {
                ApiProblem::new(ErrorCode::RequestTimeout, "The body did not arrive in time. Send it again.")
            })??;
            Ok(Self { value: parse(&bytes)?, digest: hex::encode(Sha256::digest(&bytes)) })
        })
    }
}

fn check_headers(request: &HttpRequest, most: usize) -> Result<(), ApiProblem> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > most) {
        return Err(too_large(most));
    }
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(ApiProblem::new(ErrorCode::MalformedBody, "Send the body with Content-Type: application/json."));
    }
    Ok(())
}

async fn collect(mut payload: Payload, most: usize) -> Result<BytesMut, ApiProblem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk
            .map_err(|error| ApiProblem::new(ErrorCode::MalformedBody, format!("The body broke off: {error}.")))?;
        if bytes.len().saturating_add(chunk.len()) > most {
            return Err(too_large(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large(most: usize) -> ApiProblem {
    ApiProblem::new(ErrorCode::PayloadTooLarge, format!("The body may have at most {most} bytes."))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiProblem> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| ApiProblem::new(ErrorCode::MalformedBody, format!("The body is not JSON: {error}.")))?;
    if !value.is_object() {
        return Err(ApiProblem::new(ErrorCode::MalformedBody, "The body must be a JSON object."));
    }
    if let Some(pointer) = find_nul(&value, String::new()) {
        return Err(ApiProblem::invalid_field(pointer, "must not hold NUL characters"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = field_error(error.path(), &error.inner().to_string());
        ApiProblem::invalid(vec![field])
    })
}

/// Where a text holds U+0000, which neither PostgreSQL nor any argument list can carry.
fn find_nul(value: &Value, pointer: String) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then_some(pointer),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find_nul(item, format!("{pointer}/{index}")))
        }
        Value::Object(fields) => {
            fields.iter().find_map(|(name, field)| find_nul(field, format!("{pointer}/{}", name.replace('\0', ""))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::ResponseError;
    use domain::{BackupCreate, DatastoreCreate, RestoreCreate, StorageCreate};

    fn pointer<T: DeserializeOwned>(body: Value) -> String {
        let refused = parse::<T>(body.to_string().as_bytes()).err().expect("the body is wrong");
        assert_eq!(refused.status_code(), 422);
        refused.pointers().join(" ")
    }

    #[test]
    fn the_field_is_named() {
        use serde_json::json;
        let create = |change: Value| {
            let mut body = json!({"name": "a", "engine": "redis", "host": "localhost"});
            let (body_fields, change) = (body.as_object_mut().unwrap(), change.as_object().unwrap().clone());
            body_fields.extend(change);
            pointer::<DatastoreCreate>(body)
        };
        assert_eq!(create(json!({"engine": "oracle"})), "/engine");
        assert_eq!(create(json!({"port": 99999})), "/port");
        assert_eq!(create(json!({"port": "x"})), "/port");
        assert_eq!(create(json!({"colour": 1})), "/colour");
        assert_eq!(create(json!({"name": "a\0b"})), "/name");
        assert_eq!(create(json!({"storage_id": "x"})), "/storage_id");
        assert!(create(json!({"service": {"kind": "magic"}})).starts_with("/service"));
        assert_eq!(pointer::<DatastoreCreate>(json!({"name": "a"})), "/engine");
        assert_eq!(pointer::<BackupCreate>(json!({"type": "half"})), "/type");
        assert_eq!(pointer::<RestoreCreate>(json!({})), "/target");
        assert_eq!(pointer::<StorageCreate>(json!({"kind": "local"})), "/name");
    }

    #[test]
    fn what_is_not_an_object_is_malformed() {
        for body in ["", "{", "[]", "null", "\"x\"", "{\"a\":1}}"] {
            let refused = parse::<DatastoreCreate>(body.as_bytes()).expect_err(body);
            assert_eq!(refused.status_code(), 400, "{body}");
        }
    }
}
