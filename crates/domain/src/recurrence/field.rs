//! One field of a cron expression: what may stand in it, as crontab(5) has it, and the set of values that it means.
//!
//! Lists, ranges, steps and names are read here rather than by the `cron` crate, whose dialect differs: its weekdays are 1
//! for Sunday to 7 for Saturday, it takes `5/10` and `?`, and its messages don't say which field is wrong.

use std::fmt;

use super::RecurrenceError;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The fields, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CronField {
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
}

impl CronField {
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::DayOfMonth, Self::Month, Self::DayOfWeek];

    /// The smallest and the largest value. Sunday is 0, and 7 where it is written.
    pub const fn bounds(self) -> (u32, u32) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, 6),
        }
    }

    /// Which values are allowed, for people.
    const fn allowed(self) -> &'static str {
        match self {
            Self::Minute => "0 to 59",
            Self::Hour => "0 to 23",
            Self::DayOfMonth => "1 to 31",
            Self::Month => "1 to 12 or JAN to DEC",
            Self::DayOfWeek => "0 to 7 (0 and 7 are Sunday) or SUN to SAT",
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
            _ => &[],
        }
    }

    /// The number that a word means; 7 for Sunday stays 7.
    fn value(self, word: &str) -> Result<u32, String> {
        let (low, high) = self.bounds();
        let high = if self == Self::DayOfWeek { 7 } else { high };
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            return plain_number(word)
                .filter(|value| (low..=high).contains(value))
                .ok_or_else(|| format!("{word} is out of range; allowed are {}", self.allowed()));
        }
        let position = self.names().iter().position(|name| name.eq_ignore_ascii_case(word));
        position.and_then(|position| u32::try_from(position).ok()).map(|position| position + low).ok_or_else(|| {
            let word = if word.is_empty() { "an empty item".to_owned() } else { format!("{word:?}") };
            format!(
                "{word} is not understood; allowed are {}, *, lists such as 1,5, ranges such as 1-5 and steps such as */2",
                self.allowed()
            )
        })
    }
}

impl fmt::Display for CronField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        })
    }
}

/// The values that a field stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSet {
    field: CronField,
    /// Bit n stands for the value n.
    bits: u64,
    has_star: bool,
}

impl FieldSet {
    pub(super) fn parse(field: CronField, text: &str) -> Result<Self, RecurrenceError> {
        let mut bits = 0;
        for item in text.split(',') {
            bits |= item_bits(field, item).map_err(|problem| RecurrenceError::Field {
                field,
                text: text.to_owned(),
                problem,
            })?;
        }
        if field == CronField::DayOfWeek && bits & (1 << 7) != 0 {
            bits = bits & !(1 << 7) | 1;
        }
        Ok(Self { field, bits, has_star: text.contains('*') })
    }

    pub const fn contains(self, value: u32) -> bool {
        value < u64::BITS && self.bits & (1 << value) != 0
    }

    /// The values, growing.
    pub fn values(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |&value| self.contains(value))
    }

    pub const fn count(self) -> u32 {
        self.bits.count_ones()
    }

    /// Whether the text holds a `*`: what crontab(5) calls not restricted, `*/2` included.
    pub const fn has_star(self) -> bool {
        self.has_star
    }

    /// Whether every value of the field is in it.
    pub fn is_full(self) -> bool {
        let (low, high) = self.field.bounds();
        self.count() == high - low + 1
    }

    /// The value, when it is the only one.
    pub const fn single(self) -> Option<u32> {
        if self.count() == 1 { Some(self.bits.trailing_zeros()) } else { None }
    }

    /// The distance n, when the values are 0, n, 2n, … with the same distance from the last one round to the first.
    /// That holds for minutes and hours; a step of days begins anew with each month and has no such distance.
    pub fn even_step(self) -> Option<u32> {
        let (low, high) = self.field.bounds();
        let step = (high + 1).checked_div(self.count()).filter(|step| step * self.count() == high + 1)?;
        (low == 0 && self.count() > 1 && self.values().all(|value| value % step == 0)).then_some(step)
    }
}

/// A number in plain digits: `parse` alone takes a plus sign too.
pub(super) fn plain_number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The bits of one item of a list: `*`, `5`, `1-5`, `*/2`, `8-18/2`.
fn item_bits(field: CronField, item: &str) -> Result<u64, String> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let (low, high) = field.bounds();
    let (first, last) = match range.split_once('-') {
        _ if range == "*" => (low, high),
        Some((first, last)) => {
            let sunday_last = field == CronField::DayOfWeek && last.eq_ignore_ascii_case("sun");
            let (first, last) = (field.value(first)?, if sunday_last { 7 } else { field.value(last)? });
            // SUN-SUN, and SUN as the end of a week that begins on another day.
            if sunday_last && first == 0 { (0, 0) } else { (first, last) }
        }
        None => {
            let value = field.value(range)?;
            if step.is_some() {
                return Err(format!("a step needs * or a range before the slash, such as {value}-{high}/2 or */2"));
            }
            (value, value)
        }
    };
    if first > last {
        return Err(format!("the range {range} runs backwards; write two items, separated by a comma"));
    }
    let count = high - low + 1;
    let step = match step {
        None => 1,
        Some(text) => plain_number(text)
            .filter(|step| (1..=count).contains(step))
            .ok_or_else(|| format!("the step {text:?} must be a number from 1 to {count}"))?,
    };
    Ok((first..=last).filter(|value| (value - first) % step == 0).fold(0, |bits, value| bits | 1 << value))
}
