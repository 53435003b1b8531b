//! What a recorder of the `metrics` facade is told, if the program has one: which metrics there are, and durations as they come.
//! Without the feature `metrics` nothing of it is left, not even a look at the clock.

#[cfg(feature = "metrics")]
mod catalogue;
#[cfg(feature = "metrics")]
mod current;
mod durations;

#[cfg(feature = "metrics")]
pub use self::durations::DURATION_BUCKETS;
pub(crate) use self::durations::{Durations, Timed, Timer};
#[cfg(feature = "metrics")]
pub(crate) use self::{
    catalogue::{Metric, names},
    current::{RecorderId, Registration, has_recorder, with_recorder},
};
