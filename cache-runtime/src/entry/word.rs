//! Values that are written as words: in the environment, in logs, in metrics.

/// A text is no word for a value of the type. Its sentence says which are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{accepted}")]
pub struct ParseError {
    accepted: &'static str,
}

impl ParseError {
    pub(crate) const fn new(accepted: &'static str) -> Self {
        Self { accepted }
    }
}

/// Gives each value of an enum its word: `as_str`, `Display`, and `FromStr`, which takes upper case for lower. The text says what to
/// write.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $type:ty, $accepted:literal { $($(#[$attribute:meta])* $value:ident = $word:literal,)+ }
    ) => {
        impl $type {
            $(#[$doc])*
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($(#[$attribute])* Self::$value => $word,)+
                }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $crate::entry::ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $(
                    $(#[$attribute])*
                    if text.eq_ignore_ascii_case($word) {
                        return Ok(Self::$value);
                    }
                )+
                Err($crate::entry::ParseError::new($accepted))
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::{Compression, OnFailover, Outcome, protocol::Rejection};

    #[test]
    fn a_word_reads_back() {
        assert_eq!("near_hit".parse(), Ok(Outcome::NearHit));
        assert_eq!(Outcome::NearHit.to_string(), "near_hit");
        assert_eq!("signature".parse(), Ok(Rejection::Signature));
        assert_eq!(Rejection::Signature.to_string(), "signature");
        assert_eq!("Flush".parse(), Ok(OnFailover::Flush));
        assert_eq!(OnFailover::Flush.to_string(), "flush");
        assert_eq!("NONE".parse(), Ok(Compression::None));
    }

    #[test]
    fn what_is_no_word_is_told_which_are() {
        for other in ["", "flush ", "flushed"] {
            let error = other.parse::<OnFailover>().unwrap_err();
            assert_eq!(error.to_string(), "write replay or flush");
        }
        let outcome = "stale".parse::<Outcome>().unwrap_err().to_string();
        assert_eq!(
            outcome,
            "write hit, near_hit, stale_hit, miss, bypass, rejected or refreshed"
        );
    }
}
