//! Reading JSON: with serde_json natively, with the browser's own parser in the web app, which then has no other to load.

use serde::de::DeserializeOwned;

/// What a body holds; `None` when it is not what was to be read.
#[cfg(not(target_arch = "wasm32"))]
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// What a body holds; `None` when it is not what was to be read. Fields that the type does not know are passed over even
/// where it would refuse them.
#[cfg(target_arch = "wasm32")]
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let value = js_sys::JSON::parse(std::str::from_utf8(body).ok()?).ok()?;
    serde_wasm_bindgen::from_value(value).ok()
}
