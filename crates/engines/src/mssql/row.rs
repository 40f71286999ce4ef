//! A row of an answer, by the names of its columns. The server's tools answer with types of their own choice, so what is asked for
//! is turned into the type that is wanted where that loses nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, FixedOffset, NaiveDate, NaiveDateTime};
use tiberius::ColumnData;
use uuid::Uuid;

/// A value that is not null.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Text(String),
    Number(i128),
    Guid(Uuid),
    Time(NaiveDateTime),
    TimeWithOffset(DateTime<FixedOffset>),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row(BTreeMap<String, Cell>);

impl Row {
    pub(super) fn of(row: &tiberius::Row) -> Self {
        let cells = row.cells().filter_map(|(column, data)| Some((column.name().to_lowercase(), cell(data)?)));
        Self(cells.collect())
    }

    fn cell(&self, name: &str) -> Option<&Cell> {
        self.0.get(&name.to_lowercase())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.cell(name)? {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<i128> {
        match self.cell(name)? {
            Cell::Number(number) => Some(*number),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn size(&self, name: &str) -> Option<u64> {
        u64::try_from(self.number(name)?).ok()
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.number(name).is_some_and(|number| number != 0)
    }

    pub(super) fn guid(&self, name: &str) -> Option<Uuid> {
        match self.cell(name)? {
            Cell::Guid(guid) => Some(*guid),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn time(&self, name: &str) -> Option<NaiveDateTime> {
        match self.cell(name)? {
            Cell::Time(time) => Some(*time),
            _ => None,
        }
    }

    pub(super) fn time_with_offset(&self, name: &str) -> Option<DateTime<FixedOffset>> {
        match self.cell(name)? {
            Cell::TimeWithOffset(time) => Some(*time),
            _ => None,
        }
    }
}

fn cell(data: &ColumnData<'_>) -> Option<Cell> {
    Some(match data {
        ColumnData::U8(number) => Cell::Number((*number)?.into()),
        ColumnData::I16(number) => Cell::Number((*number)?.into()),
        ColumnData::I32(number) => Cell::Number((*number)?.into()),
        ColumnData::I64(number) => Cell::Number((*number)?.into()),
        ColumnData::Bit(bit) => Cell::Number((*bit)?.into()),
        ColumnData::Numeric(number) => Cell::Number((*number)?.int_part()),
        ColumnData::String(text) => Cell::Text(text.as_ref()?.to_string()),
        ColumnData::Guid(guid) => Cell::Guid((*guid)?),
        ColumnData::DateTime(time) => {
            let time = (*time)?;
            // Days since 1900, and ticks of a 300th of a second.
            let day = NaiveDate::from_ymd_opt(1900, 1, 1)?.checked_add_signed(Duration::days(time.days().into()))?;
            let milliseconds = (i64::from(time.seconds_fragments()) * 10 + 1) / 3;
            Cell::Time(day.and_hms_opt(0, 0, 0)?.checked_add_signed(Duration::milliseconds(milliseconds))?)
        }
        ColumnData::DateTimeOffset(time) => {
            let time = (*time)?;
            let (date, clock) = (time.datetime2().date(), time.datetime2().time());
            let day = NaiveDate::from_ymd_opt(1, 1, 1)?.checked_add_signed(Duration::days(date.days().into()))?;
            let scale = 9_u32.checked_sub(u32::from(clock.scale()))?;
            let nanoseconds = i64::try_from(clock.increments()).ok()?.checked_mul(10_i64.checked_pow(scale)?)?;
            let utc = day.and_hms_opt(0, 0, 0)?.checked_add_signed(Duration::nanoseconds(nanoseconds))?;
            let offset = FixedOffset::east_opt(i32::from(time.offset()) * 60)?;
            Cell::TimeWithOffset(DateTime::from_naive_utc_and_offset(utc, offset))
        }
        _ => return None,
    })
}
