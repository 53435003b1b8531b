//! What an attribute and the declaration of its resource say together about how fresh results are, checked where the function is
//! compiled: the attribute cannot see the declaration.

use std::time::Duration;

use super::{Policies, Resource, message};

/// The beta of `refresh_ahead`, where it is named and nobody says how early.
const BETA: f64 = 1.0;

impl Resource {
    /// Compiles only if `named`, the options in an attribute, has every declared one that needs something of the function: that its loads
    /// can go on when their callers are gone, that its error can be made of a timeout.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __require_named(&'static self, named: &[&str]) {
        let policies = &self.policies;
        let outliving = [
            ("stale_while_revalidate", policies.stale_while_revalidate().is_some()),
            ("refresh_ahead", policies.refresh_ahead().is_some()),
            ("load_timeout", policies.soft_timeout().is_some()),
        ];
        let mut missing = [""; 3];
        let mut count = 0;
        let mut i = 0;
        while i < outliving.len() {
            let (option, is_declared) = outliving[i];
            if is_declared && !message::contains(named, option) {
                missing[count] = option;
                count += 1;
            }
            i += 1;
        }
        if count > 0 {
            message::options_not_named(self.name, missing.split_at(count).0);
        }
        if policies.hard_timeout().is_some() && !message::contains(named, "load_timeout") {
            message::timeout_not_named(self.name);
        }
    }

    /// Compiles only if the window that an attribute names is declared.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __require_stale_while_revalidate(&'static self) {
        if self.policies.stale_while_revalidate().is_none() {
            message::option_without_value(self.name, "stale_while_revalidate", "stale_while_revalidate = \"30s\"");
        }
    }

    /// Compiles only if the timeouts that an attribute names are declared, one of them at least.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __require_load_timeout(&'static self) {
        if self.policies.soft_timeout().is_none() && self.policies.hard_timeout().is_none() {
            let example = "load_timeout(soft = \"200ms\", hard = \"5s\")";
            message::option_without_value(self.name, "load_timeout", example);
        }
    }

    /// Compiles only if something old may be returned when a soft timeout is over: what `stale_while_revalidate` allows is returned at
    /// once. The timeout may be the declared one; an attribute may have switched the window off.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __require_stale_window(&'static self, timeout_is_given: bool, window_is_off: bool) {
        let policies = &self.policies;
        let has_timeout = timeout_is_given || policies.soft_timeout().is_some();
        if has_timeout && (window_is_off || policies.stale_if_error().is_none()) {
            message::nothing_stale(self.name);
        }
    }

    /// Compiles only if errors may be kept.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __require_negative_ttl(&'static self) {
        if self.policies.negative_ttl().is_none() {
            message::errors_not_kept(self.name);
        }
    }

    /// The beta of a function that names `refresh_ahead` and gives none.
    #[doc(hidden)]
    pub const fn __refresh_ahead(&'static self) -> f64 {
        match self.policies.refresh_ahead() {
            Some(beta) => beta,
            None => BETA,
        }
    }

    /// Whether a load may be ended because it takes too long.
    #[doc(hidden)]
    pub const fn __has_hard_timeout(&'static self) -> bool {
        self.policies.hard_timeout().is_some()
    }
}

impl Policies {
    /// A duration that is given as an expression.
    ///
    /// # Panics
    ///
    /// If it is shorter than a millisecond.
    #[track_caller]
    pub const fn duration(given: Duration) -> Duration {
        assert!(
            given.as_millis() > 0,
            "a duration here is at least one millisecond\nhelp: write `\"off\"` to turn the option off"
        );
        given
    }

    /// A soft timeout, if it is over before the hard one.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[track_caller]
    pub const fn sooner(soft: Duration, hard: Duration) -> Duration {
        assert!(
            soft.as_nanos() < hard.as_nanos(),
            "`soft` is not shorter than `hard`: the load would have ended with an error before something old could answer\nhelp: give \
             `hard` more time, or leave one of the two out"
        );
        soft
    }
}
