//! How the answers of the control database that are not results look to callers.

use domain::ErrorCode;
use store::StoreError;

use crate::problem::{ApiProblem, Chain};

impl From<StoreError> for ApiProblem {
    fn from(error: StoreError) -> Self {
        let code = error.code();
        let detail = match &error {
            StoreError::NotFound { what } => return Self::not_found(what),
            StoreError::Busy { job } => return Self::busy(job),
            StoreError::InvalidCursor => {
                return Self::invalid_field("/cursor", "must be the next_cursor of a page of this list");
            }
            StoreError::NameTaken { name } => {
                return Self::new(code, format!("The name {name:?} is taken. Choose another.")).at("/name");
            }
            StoreError::NotShareable => {
                return Self::invalid_field("/shared_storage_id", "must be a storage of kind s3");
            }
            StoreError::UnexpectedResult { .. } => {
                return Self::invalid_field("/outcome/result/kind", error.to_string());
            }
            StoreError::Illegal(cause) => sentence(&cause.to_string()),
            StoreError::HasBackups { count } => {
                format!(
                    "The datastore has {count} backups. Delete them first, or forget them with forget_backups=true; the stored files then stay."
                )
            }
            StoreError::HasDependents { numbers } => {
                let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                format!("These backups need it: {}. Delete them first.", numbers.join(", "))
            }
            StoreError::Unavailable { .. } => {
                tracing::warn!(error = %Chain(&error), "the control database can't be reached");
                "The control database can't be reached. Try again in a moment.".to_owned()
            }
            StoreError::Full => {
                tracing::error!(error = %Chain(&error), "the control database can't be written");
                "The disk of the control database is full. Free space; reading still works.".to_owned()
            }
            other if code == ErrorCode::Internal => return Self::internal(other),
            other => sentence(&other.to_string()),
        };
        Self::new(code, detail)
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
