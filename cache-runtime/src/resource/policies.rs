//! How fresh results are to be, and how much of a wait that is worth: the policies of a resource and of a function.

use std::time::Duration;

/// The policies of a resource or of a function. Each is given or not; zero is "off", given.
///
/// Declared with [`resources!`](crate::resources) and [`#[cached]`](macro@crate::cached); never built by hand.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Policies {
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
    soft_timeout: Option<Duration>,
    hard_timeout: Option<Duration>,
    negative_ttl: Option<Duration>,
    refresh_ahead: Option<f64>,
    jitter: Option<f64>,
    soft: bool,
}

impl Policies {
    /// None.
    pub const fn new() -> Self {
        Self {
            stale_while_revalidate: None,
            stale_if_error: None,
            soft_timeout: None,
            hard_timeout: None,
            negative_ttl: None,
            refresh_ahead: None,
            jitter: None,
            soft: false,
        }
    }

    /// For how long after its TTL an old value is returned while it is loaded again.
    #[must_use]
    pub const fn with_stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = Some(window);
        self
    }

    /// For how long after its TTL an old value is returned if the load fails.
    #[must_use]
    pub const fn with_stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = Some(window);
        self
    }

    /// How long a call waits for a load if there is an old value.
    #[must_use]
    pub const fn with_soft_timeout(mut self, timeout: Duration) -> Self {
        self.soft_timeout = Some(timeout);
        self
    }

    /// How long a call waits for a load at all.
    #[must_use]
    pub const fn with_hard_timeout(mut self, timeout: Duration) -> Self {
        self.hard_timeout = Some(timeout);
        self
    }

    /// For how long it is remembered that there is nothing, and the errors that `cache_err` chooses.
    #[must_use]
    pub const fn with_negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// How early a value is loaded again before its TTL is over, in load times: the beta of `XFetch`.
    #[must_use]
    pub const fn with_refresh_ahead(mut self, beta: f64) -> Self {
        self.refresh_ahead = Some(beta);
        self
    }

    /// By how much of itself a TTL is shortened at most, from 0 to 1.
    #[must_use]
    pub const fn with_jitter(mut self, fraction: f64) -> Self {
        self.jitter = Some(fraction);
        self
    }

    /// Whether the resource can be invalidated softly; of a resource alone.
    #[must_use]
    pub const fn with_soft(mut self) -> Self {
        self.soft = true;
        self
    }

    /// These, and where they say nothing, `declared`.
    #[must_use]
    pub const fn over(self, declared: Self) -> Self {
        Self {
            stale_while_revalidate: or(self.stale_while_revalidate, declared.stale_while_revalidate),
            stale_if_error: or(self.stale_if_error, declared.stale_if_error),
            soft_timeout: or(self.soft_timeout, declared.soft_timeout),
            hard_timeout: or(self.hard_timeout, declared.hard_timeout),
            negative_ttl: or(self.negative_ttl, declared.negative_ttl),
            refresh_ahead: or_number(self.refresh_ahead, declared.refresh_ahead),
            jitter: or_number(self.jitter, declared.jitter),
            soft: declared.soft,
        }
    }

    /// The window of `stale_while_revalidate`; `None` without, or if it is off.
    pub const fn stale_while_revalidate(&self) -> Option<Duration> {
        on(self.stale_while_revalidate)
    }

    /// The window of `stale_if_error`; `None` without, or if it is off.
    pub const fn stale_if_error(&self) -> Option<Duration> {
        on(self.stale_if_error)
    }

    /// How long a call waits for a load if there is an old value; `None` for as long as it takes.
    pub const fn soft_timeout(&self) -> Option<Duration> {
        on(self.soft_timeout)
    }

    /// How long a call waits for a load at all; `None` for as long as it takes.
    pub const fn hard_timeout(&self) -> Option<Duration> {
        on(self.hard_timeout)
    }

    /// For how long it is remembered that there is nothing; `None` for not at all.
    pub const fn negative_ttl(&self) -> Option<Duration> {
        on(self.negative_ttl)
    }

    /// The beta of `refresh_ahead`; `None` without, or if it is off.
    pub const fn refresh_ahead(&self) -> Option<f64> {
        match self.refresh_ahead {
            Some(beta) if beta > 0.0 => Some(beta),
            Some(_) | None => None,
        }
    }

    /// By how much of itself a TTL is shortened at most, 0 for not at all; `None` for what the cache says.
    pub const fn jitter(&self) -> Option<f64> {
        self.jitter
    }

    /// Whether the resource can be invalidated softly.
    pub const fn is_soft(&self) -> bool {
        self.soft
    }
}

const fn or(own: Option<Duration>, declared: Option<Duration>) -> Option<Duration> {
    match own {
        Some(own) => Some(own),
        None => declared,
    }
}

const fn or_number(own: Option<f64>, declared: Option<f64>) -> Option<f64> {
    match own {
        Some(own) => Some(own),
        None => declared,
    }
}

/// Unless it is zero.
const fn on(duration: Option<Duration>) -> Option<Duration> {
    match duration {
        Some(duration) if !duration.is_zero() => Some(duration),
        Some(_) | None => None,
    }
}
