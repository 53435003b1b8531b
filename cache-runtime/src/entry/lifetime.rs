//! How long an entry is used.

use std::time::Duration;

/// For how long a value is cached, as the value itself says: what the closure of `ttl = |value| …` returns, or is made of the
/// [`Duration`] that it returns.
///
/// ```
/// # use std::time::Duration;
/// use cache_runtime::Lifetime;
/// let token_lifetime = |expires_in: Duration| Lifetime::new(expires_in / 2).stale_if_error(expires_in / 2);
/// assert_eq!(token_lifetime(Duration::from_secs(60)).ttl(), Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Lifetime {
    ttl: Duration,
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
}

impl Lifetime {
    /// A time-to-live, with the stale windows of the function. Zero: the value is not stored.
    pub const fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            stale_while_revalidate: None,
            stale_if_error: None,
        }
    }

    /// For how long after that the value is returned while it is loaded again, in the place of the function's
    /// `stale_while_revalidate`. Of no effect on a function without that option.
    pub const fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = Some(window);
        self
    }

    /// For how long after that the value is returned if the load fails, in the place of the function's `stale_if_error`. Of no
    /// effect on a function without that option.
    pub const fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = Some(window);
        self
    }

    /// The time-to-live.
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The windows; those of the function, where this says nothing, and none that it does not have.
    pub(crate) fn windows(&self, of_function: Windows) -> Windows {
        let window = |own: Option<Duration>, of_function: Duration| match own {
            Some(own) if !of_function.is_zero() => own,
            _ => of_function,
        };
        Windows {
            revalidate: window(self.stale_while_revalidate, of_function.revalidate),
            error: window(self.stale_if_error, of_function.error),
        }
    }
}

impl From<Duration> for Lifetime {
    fn from(ttl: Duration) -> Self {
        Self::new(ttl)
    }
}

/// For how long an entry is used after its time-to-live. Zero for not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Windows {
    /// While it is loaded again.
    pub(crate) revalidate: Duration,
    /// If a load fails.
    pub(crate) error: Duration,
}

impl Windows {
    pub(crate) fn longest(&self) -> Duration {
        self.revalidate.max(self.error)
    }
}
