//! The web app: the files of the workspace's `dist` folder, compiled into the binary. Files whose names bear a hash never
//! change and may be kept for ever; `index.html` answers every address that the app itself routes.

use actix_web::http::header::{self, ContentEncoding, HeaderMap};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{EmbeddedFile, RustEmbed};

/// The folder is relative to this crate; `build.rs` makes sure that it exists.
#[derive(RustEmbed)]
#[folder = "../../dist/"]
struct Files;

/// Answers a `GET` outside the API, or gives `None` where there is no such file.
pub(crate) fn serve(request: &HttpRequest) -> Option<HttpResponse> {
    let path = request.path().trim_start_matches('/');
    if !path.is_empty() && Files::get(path).is_some() {
        return file(request.headers(), path);
    }
    let is_file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    if is_file { None } else { file(request.headers(), "index.html") }
}

fn file(headers: &HeaderMap, path: &str) -> Option<HttpResponse> {
    let (content, encoding) = pick(headers, path)?;
    let tag = format!("\"{}\"", hex::encode(content.metadata.sha256_hash()));
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, media_type(path)))
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::VARY, "Accept-Encoding"));
    if is_hashed(path) {
        response.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    } else {
        response.insert_header((header::CACHE_CONTROL, "no-cache"));
    }
    if let Some(encoding) = encoding {
        response.insert_header(encoding);
    }
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Some(response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish());
    }
    Some(response.body(content.data.into_owned()))
}

fn media_type(path: &str) -> String {
    let guessed = mime_guess::from_path(path).first_or_octet_stream();
    if guessed.type_() == "text" { format!("{guessed}; charset=utf-8") } else { guessed.to_string() }
}

/// The file in the best form that the client takes: pre-compressed siblings lie beside it.
fn pick(headers: &HeaderMap, path: &str) -> Option<(EmbeddedFile, Option<ContentEncoding>)> {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for (name, extension, encoding) in [("br", "br", ContentEncoding::Brotli), ("gzip", "gz", ContentEncoding::Gzip)] {
        if accepts(accepted, name)
            && let Some(content) = Files::get(&format!("{path}.{extension}"))
        {
            return Some((content, Some(encoding)));
        }
    }
    Files::get(path).map(|content| (content, None))
}

/// Whether an `Accept-Encoding` header takes the coding: named, and not with the weight 0.
fn accepts(header: &str, coding: &str) -> bool {
    header.split(',').any(|part| {
        let mut pieces = part.split(';').map(str::trim);
        pieces.next().is_some_and(|name| name.eq_ignore_ascii_case(coding))
            && !pieces.any(|piece| matches!(piece, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Whether the name bears a hash: a part of at least eight hexadecimal digits before the extension.
fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(['-', '.', '_']).any(|part| part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        assert!(is_hashed("app-0a1b2c3d4e5f6071.js"));
        assert!(is_hashed("assets/app_bg-0a1b2c3d.wasm"));
        for name in ["index.html", "app.js", "decades-of-cabbage.js", "feed.js"] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn an_encoding_is_used_only_when_named() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("gzip;q=0.5", "gzip"));
        for header in ["", "gzip", "br;q=0", "brotli"] {
            assert!(!accepts(header, "br"), "{header}");
        }
    }
}
