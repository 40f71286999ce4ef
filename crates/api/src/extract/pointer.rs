//! Turns what serde says about a refused value into a JSON pointer (RFC 6901) to the field.

use domain::FieldError;
use serde_path_to_error::{Path, Segment};

/// The field that an error is about. `serde` names a missing or unknown field in its message only.
pub(super) fn field_error(path: &Path, message: &str) -> FieldError {
    let mut keys: Vec<String> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    if let Some(named) = named_field(message)
        && keys.last().map(String::as_str) != Some(named)
    {
        keys.push(named.to_owned());
    }
    let pointer: String = keys.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
    FieldError::new(pointer, message)
}

fn named_field(message: &str) -> Option<&str> {
    let rest = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))?;
    rest.split_once('`').map(|(name, _)| name)
}
