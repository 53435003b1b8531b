//! Exact amounts of money.
use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Neg, Sub},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use sqlx::{
    Any, Database, Decode, Encode, Type,
    any::{AnyTypeInfo, AnyValueRef},
    encode::IsNull,
    error::BoxDynError,
};

/// An amount in minor units (cents). In JSON it is a decimal number: `1250.5` is 125,050 cents.
///
/// Amounts are read from requests with [`Money::parse`], from the digits themselves. Answers and cached entries write
/// them as a double, which is exact here: a decimal of at most 15 significant digits survives the way to a double and
/// back, and [`Money::serialize`] refuses anything longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// The largest amount that a request may name: 999,999,999.99.
    pub const MAX_INPUT: Self = Self(99_999_999_999);
    /// The largest amount that a double writes exactly: 9,999,999,999,999.99.
    const MAX_EXACT: i64 = 999_999_999_999_999;

    /// From minor units.
    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// In minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// Reads a plain decimal number with at most two decimals, such as `1250`, `-3.5` or `0.01`.
    ///
    /// Returns `None` for everything else: exponents, a third decimal, a bare point, more than fifteen digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (units, cents) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(units) || !all_digits(cents) || units.len() > 13 || cents.len() > 2 {
            return None;
        }
        let cents = cents.parse::<i64>().ok()? * if cents.len() == 1 { 10 } else { 1 };
        Some(Self(sign * (units.parse::<i64>().ok()? * 100 + cents)))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let minor = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", minor / 100, minor % 100)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.abs() > Self::MAX_EXACT {
            return Err(S::Error::custom(format!(
                "the amount {self} has more digits than a JSON number keeps"
            )));
        }
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53, which MAX_EXACT is")]
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let minor = (f64::deserialize(deserializer)? * 100.0).round();
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53, which MAX_EXACT is")]
        if minor.abs() > Self::MAX_EXACT as f64 {
            return Err(D::Error::custom("an amount beyond fifteen digits"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "rounded, and below 2^53")]
        Ok(Self(minor as i64))
    }
}

impl Type<Any> for Money {
    fn type_info() -> AnyTypeInfo {
        <i64 as Type<Any>>::type_info()
    }

    fn compatible(column: &AnyTypeInfo) -> bool {
        <i64 as Type<Any>>::compatible(column)
    }
}

impl Encode<'_, Any> for Money {
    fn encode_by_ref(&self, buffer: &mut <Any as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'_, Any>>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Any> for Money {
    fn decode(column: AnyValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<'r, Any>>::decode(column).map(Self)
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Money {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_exactly() {
        for (text, minor) in [
            ("0.1", 10),
            ("0.29", 29),
            ("1250", 125_000),
            ("-3.5", -350),
            ("9999999999999.99", 999_999_999_999_999),
        ] {
            assert_eq!(Money::parse(text), Some(Money(minor)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_plain_amount_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "1.005",
            "1e3",
            "+1",
            "1,5",
            "\"1\"",
            "NaN",
            "10000000000000",
        ] {
            assert_eq!(Money::parse(text), None, "{text}");
        }
    }

    #[test]
    fn json_keeps_every_cent() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..10_000 {
            let money = Money(rng.i64(-Money::MAX_EXACT..=Money::MAX_EXACT));
            let json = serde_json::to_string(&money).unwrap();
            assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money, "{json}");
            let digits = json.strip_suffix(".0").unwrap_or(&json);
            assert_eq!(Money::parse(digits), Some(money), "{json}");
        }
    }

    #[test]
    fn an_amount_that_json_would_round_is_an_error() {
        assert!(serde_json::to_string(&Money(Money::MAX_EXACT + 1)).is_err());
    }
}
