//! Calendar days: `YYYY-MM-DD` in requests, answers, keys and tables.
use std::fmt;

use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};
use sqlx::{
    Any, Database, Decode, Encode, Type,
    any::{AnyTypeInfo, AnyValueRef},
    encode::IsNull,
    error::BoxDynError,
};

/// A calendar day. The tables hold it as text, whose order is the order of the days, so that the same SQL runs on
/// every database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(Date);

impl Day {
    /// The day before every invoice.
    pub const FIRST: Self = Self::of(1900, 1, 1);
    /// The day after every invoice.
    pub const LAST: Self = Self::of(9999, 12, 31);

    /// A day known to exist.
    ///
    /// # Panics
    /// When it does not exist.
    pub const fn of(year: i16, month: i8, day: i8) -> Self {
        Self(Date::constant(year, month, day))
    }

    /// Reads exactly `YYYY-MM-DD`, from 1900 on.
    pub fn parse(text: &str) -> Option<Self> {
        let day = Self(text.parse().ok()?);
        (day.to_string() == text && day >= Self::FIRST).then_some(day)
    }

    /// This day and so many days more (or less), within the calendar.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.days()))
    }

    /// The first day of the month that lies so many months after (or before) this day's.
    #[must_use]
    pub fn month_start(self, months: i64) -> Self {
        Self(self.0.first_of_month().saturating_add(months.months()))
    }

    /// `YYYY-MM`.
    pub fn month(self) -> String {
        self.0.strftime("%Y-%m").to_string()
    }

    /// Days from `earlier` to this day; negative when `earlier` is the later one.
    pub fn days_since(self, earlier: Self) -> i64 {
        i64::from((self.0 - earlier.0).get_days())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Type<Any> for Day {
    fn type_info() -> AnyTypeInfo {
        <str as Type<Any>>::type_info()
    }
}

impl Encode<'_, Any> for Day {
    fn encode_by_ref(&self, buffer: &mut <Any as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<'_, Any>>::encode(self.to_string(), buffer)
    }
}

impl<'r> Decode<'r, Any> for Day {
    fn decode(value: AnyValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<'_, Any>>::decode(value)?.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_iso_days_that_exist_are_read() {
        assert_eq!(Day::parse("2024-02-29"), Some(Day::of(2024, 2, 29)));
        for text in [
            "2023-02-29",
            "2024-2-9",
            "20240229",
            "2024-02-29T00:00",
            "0024-01-01",
            "",
            "today",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn months_begin_on_their_first_day() {
        let day = Day::of(2024, 3, 31);
        assert_eq!(day.month_start(-1), Day::of(2024, 2, 1));
        assert_eq!(day.month_start(10).month(), "2025-01");
        assert_eq!(day.days_since(Day::of(2024, 2, 28)), 32);
        assert_eq!(day.plus_days(1), Day::of(2024, 4, 1));
    }
}
