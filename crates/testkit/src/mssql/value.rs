//! Values and the types that they have on the wire.

use chrono::{DateTime, FixedOffset, NaiveDateTime};
use uuid::Uuid;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// `tinyint`, `smallint`, `int`, `bigint` by their width in bytes.
    Int(u8),
    Bit,
    /// `numeric(n, 0)`.
    Numeric(u8),
    Guid,
    DateTime,
    DateTimeOffset,
}

/// A value of one of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null(Kind),
    Text(String),
    Int(i64, u8),
    Bit(bool),
    Numeric(u128, u8),
    Guid(Uuid),
    DateTime(NaiveDateTime),
    DateTimeOffset(DateTime<FixedOffset>),
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn int(number: impl Into<i64>) -> Self {
        Self::Int(number.into(), 4)
    }

    pub(super) fn or_null(value: Option<Self>, kind: Kind) -> Self {
        value.unwrap_or(Self::Null(kind))
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Null(kind) => *kind,
            Self::Text(_) => Kind::Text,
            Self::Int(_, width) => Kind::Int(*width),
            Self::Bit(_) => Kind::Bit,
            Self::Numeric(_, digits) => Kind::Numeric(*digits),
            Self::Guid(_) => Kind::Guid,
            Self::DateTime(_) => Kind::DateTime,
            Self::DateTimeOffset(_) => Kind::DateTimeOffset,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null(_))
    }

    /// As `CONVERT(nvarchar, …)` writes it; times as with style 126.
    pub(super) fn shown(&self) -> Option<String> {
        Some(match self {
            Self::Null(_) => return None,
            Self::Text(text) => text.clone(),
            Self::Int(number, _) => number.to_string(),
            Self::Bit(bit) => i32::from(*bit).to_string(),
            Self::Numeric(number, _) => number.to_string(),
            Self::Guid(guid) => guid.to_string().to_uppercase(),
            Self::DateTime(time) => time.format("%Y-%m-%dT%H:%M:%S%.3f").to_string(),
            Self::DateTimeOffset(time) => time.format("%Y-%m-%dT%H:%M:%S%.7f%:z").to_string(),
        })
    }

    /// What the comparison `=` goes by: numbers by value, texts without their case, as the usual collation has it.
    pub(super) fn compared(&self) -> Option<String> {
        self.shown().map(|text| text.to_lowercase())
    }

    pub(super) fn number(&self) -> Option<i128> {
        match self {
            Self::Int(number, _) => Some(i128::from(*number)),
            Self::Bit(bit) => Some(i128::from(*bit)),
            Self::Numeric(number, _) => i128::try_from(*number).ok(),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// Columns with their names, and rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Table {
    pub columns: Vec<(String, Kind)>,
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    pub(super) fn new(columns: &[(&str, Kind)]) -> Self {
        let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        Self { columns, rows: Vec::new() }
    }

    /// A row out of values in the columns' order.
    pub(super) fn push(&mut self, row: Vec<Value>) {
        assert_eq!(row.len(), self.columns.len(), "a row of {:?}", self.columns);
        self.rows.push(row);
    }
}
