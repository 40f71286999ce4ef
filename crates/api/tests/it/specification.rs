//! The generated files of `api-spec/`: what is committed is what the code says. `UPDATE_API_SPEC=1 cargo test -p api`
//! writes them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn document() -> Value {
    serde_json::to_value(api::openapi()).unwrap()
}

fn check(name: &str, generated: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api-spec").join(name);
    let text = serde_json::to_string_pretty(generated).unwrap() + "\n";
    if std::env::var_os("UPDATE_API_SPEC").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "api-spec/{name} is not what the code says: run UPDATE_API_SPEC=1 cargo test -p api");
}

#[test]
fn the_committed_document_is_the_generated_one() {
    check("openapi.json", &document());
}

#[test]
fn the_committed_error_codes_are_the_registry() {
    check("errors.json", &serde_json::to_value(domain::error_code::registry()).unwrap());
}

#[test]
fn the_document_is_complete() {
    let document = document();
    assert_eq!(document["info"]["license"]["name"], "Apache-2.0");
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}: the id is used twice");
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{name} has no summary");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("default"), "{name}");
            assert!(responses.keys().any(|status| status.starts_with(['2', '3'])), "{name} has no success");
            for (status, response) in responses {
                assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{name} {status}");
            }
            let declared: Vec<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let in_path: Vec<&str> =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(declared, in_path, "{name}");
        }
    }
}

#[test]
fn enumerations_list_the_words_of_the_wire() {
    let document = document();
    let words = |name: &str| document["components"]["schemas"][name]["enum"].clone();
    assert_eq!(words("JobKind"), serde_json::to_value(domain::JobKind::ALL).unwrap());
    assert_eq!(words("ErrorCode"), serde_json::to_value(domain::ErrorCode::ALL).unwrap());
    assert_eq!(words("Method"), serde_json::to_value(domain::Method::ALL).unwrap());
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let values = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for value in values {
            assert_eq!(value, value.to_lowercase(), "{name}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                references.insert(reference.clone());
            }
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
