//! How long a value took to load, as entries say it.

use std::time::Duration;

/// How long a value took to load: which is what a hit of it spares. In microseconds, of which an hour's are counted, and no more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LoadTime(u32);

impl LoadTime {
    /// Of what was not loaded, or not spared.
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn from_micros(micros: u32) -> Self {
        Self(micros)
    }

    pub(crate) const fn micros(self) -> u32 {
        self.0
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_micros(self.0.into())
    }
}

impl From<Duration> for LoadTime {
    fn from(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX))
    }
}
