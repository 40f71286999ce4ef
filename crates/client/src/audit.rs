//! The audit log.

use chrono::{DateTime, Utc};
use domain::{AuditEvent, AuditOutcome, Page};
use reqwest::Method;
use serde::Serialize;
use uuid::Uuid;

use crate::{Client, ClientError};

/// What the audit log is narrowed down to; times go to the service as RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AuditQuery {
    /// 1 to 200; 50 when left out. Not for an export.
    pub limit: Option<u32>,
    /// Not for an export.
    pub cursor: Option<String>,
    /// A name or an id.
    pub actor: Option<String>,
    pub action: Option<String>,
    pub datastore_id: Option<Uuid>,
    pub outcome: Option<AuditOutcome>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditExportFormat {
    /// An [`AuditEvent`] a line.
    Ndjson,
    /// A table for spreadsheets.
    Csv,
}

#[derive(Serialize)]
struct ExportQuery<'q> {
    format: AuditExportFormat,
    #[serde(flatten)]
    query: &'q AuditQuery,
}

impl Client {
    /// Rows of the audit log, newest first.
    pub async fn audit_event_list(&self, query: &AuditQuery) -> Result<Page<AuditEvent>, ClientError> {
        self.get("/audit-events", query).await
    }

    /// All rows that the query leaves, oldest first, as a file.
    pub async fn audit_event_export(
        &self,
        format: AuditExportFormat,
        query: &AuditQuery,
    ) -> Result<Vec<u8>, ClientError> {
        let request = self.request(Method::GET, "/audit-events/export").query(&ExportQuery { format, query });
        self.answer(request).await.map(|(_, body)| body)
    }
}
