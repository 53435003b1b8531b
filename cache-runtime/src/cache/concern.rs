//! What keeps a cache from its work: for readiness probes, and for people who look.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use super::{Cache, Engine, RelayNote};

/// A relay that is further behind is a concern.
const BEHIND: Duration = Duration::from_secs(5);

/// Something that keeps a cache from its work, or leaves it behind. Its `Display` is a sentence or two: what is so, and what follows.
///
/// None of them keeps the service from its work: calls run uncached meanwhile, and what was invalidated is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Concern {
    /// It was built without a store, or is [disabled](Cache::disabled).
    Disabled,
    /// It was [closed](Cache::close), which the end of the service begins with.
    Closed,
    /// The store has neither been reached nor found to be out of reach yet.
    Starting,
    /// The store is out of reach, refuses writes, or is too slow: the breaker is open. Or it has come back, and is being told what it may have
    /// missed.
    Unavailable,
    /// Invalidations wait for an acknowledgement.
    #[non_exhaustive]
    PendingInvalidations {
        /// How many lines the journal has that they are written in.
        lines: u64,
        /// Whether one of them is about everything: because that was invalidated, or because there were more lines than it
        /// takes ([`CacheBuilder::journal_limit`](crate::CacheBuilder::journal_limit)).
        everything: bool,
    },
    /// Changes that other programs have made to a database wait: a relay is more than five seconds behind, or something is wrong with it.
    #[non_exhaustive]
    RelayBehind {
        /// What it follows: the kind of the database, and where it is.
        source: String,
        /// How long the oldest change has been waiting that was not invalidated when the relay last looked; zero if none was.
        lag: Duration,
        /// What is wrong, if something is.
        error: Option<String>,
    },
    /// Functions with `near = "tracked"` were called, and the store does not report changes: their values are checked with it, a round trip
    /// for each call.
    NearUnwatched,
}

impl Concern {
    /// It in a word, as probes say it: `disabled`, `closed`, `starting`, `unavailable`, `pending_invalidations`, `relay_behind` or
    /// `near_unwatched`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Closed => "closed",
            Self::Starting => "starting",
            Self::Unavailable => "unavailable",
            Self::PendingInvalidations { .. } => "pending_invalidations",
            Self::RelayBehind { .. } => "relay_behind",
            Self::NearUnwatched => "near_unwatched",
        }
    }

    /// What is so.
    pub(crate) const fn title(&self) -> &'static str {
        match self {
            Self::Disabled => "The cache is disabled",
            Self::Closed => "The cache is closed",
            Self::Starting => "The store has not been reached yet",
            Self::Unavailable => "The store is unavailable",
            Self::PendingInvalidations { .. } => "Invalidations wait for an acknowledgement",
            Self::RelayBehind { .. } => "Changes of the database wait",
            Self::NearUnwatched => "The store does not report changes",
        }
    }

    /// What follows from it, and more of what is known.
    pub(crate) fn consequence(&self) -> String {
        match self {
            Self::Disabled | Self::Closed => "Calls run uncached.".to_owned(),
            Self::Starting => "Calls run uncached until it is.".to_owned(),
            Self::Unavailable => {
                "Calls run uncached, every one of them in the database, until the store answers again. Nothing is served that was \
                 invalidated meanwhile."
                    .to_owned()
            }
            Self::PendingInvalidations { lines, everything } => {
                let plural = if *lines == 1 { "" } else { "s" };
                let about = if *everything { ", one of which is about everything" } else { "" };
                format!(
                    "{lines} line{plural} of the journal{about}; they are sent until they are acknowledged, and this process does not \
                     read what they are about. Other processes may serve it until then."
                )
            }
            Self::RelayBehind { source, lag, error } => {
                let error = error.as_ref().map(|error| format!(" {error}")).unwrap_or_default();
                if lag.is_zero() {
                    return format!("What waits in {source} is not known.{error}");
                }
                let lag = humantime::format_duration(Duration::from_secs(lag.as_secs()));
                format!("The oldest one of {source} has not been invalidated for {lag}.{error}")
            }
            Self::NearUnwatched => {
                "Values that this process keeps are checked with the store, a round trip for each call.".to_owned()
            }
        }
    }

    /// Why calls do not ask the store, if they do not.
    pub(crate) fn of_store(engine: &Engine) -> Option<Self> {
        let upstream = &engine.upstream;
        match upstream.store() {
            None if upstream.store_even_if_closed().is_some() => Some(Self::Closed),
            None => Some(Self::Disabled),
            Some(_) if engine.is_available() => None,
            Some(_) if upstream.health.is_starting() => Some(Self::Starting),
            Some(_) => Some(Self::Unavailable),
        }
    }

    fn of_journal(engine: &Engine) -> Option<Self> {
        let journal = &engine.removals.journal;
        let lines = journal.len() as u64;
        (lines > 0).then(|| Self::PendingInvalidations {
            lines,
            everything: journal.has_everything(),
        })
    }

    fn of_relay(note: RelayNote) -> Option<Self> {
        let RelayNote { source, lag, error, .. } = note;
        (lag > BEHIND || error.is_some()).then_some(Self::RelayBehind { source, lag, error })
    }

    fn of_near(engine: &Engine) -> Option<Self> {
        // While the store is out of reach there is nobody to report, and that is said already.
        let is_wanted = engine.near_watch.is_running() && !engine.upstream.is_closed() && engine.is_available();
        (is_wanted && !engine.near.is_watching()).then_some(Self::NearUnwatched)
    }
}

impl Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.title(), self.consequence())
    }
}

impl Cache {
    /// What keeps the cache from its work now, as far as this process knows; empty if nothing does. Asks nobody and takes a microsecond.
    ///
    /// For a readiness probe there is `http::readiness` (feature `http`).
    ///
    /// ```
    /// use cache_runtime::{Cache, Concern};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// assert_eq!(Cache::disabled().concerns(), [Concern::Disabled]);
    /// assert_eq!(Cache::builder().build().concerns(), []);
    /// # }
    /// ```
    pub fn concerns(&self) -> Vec<Concern> {
        let engine = &self.engine;
        // Has the store looked for where no call does: a service that is not ready is sent none.
        engine.may_read();
        let relays = engine.relay_notes.all().into_iter().filter_map(Concern::of_relay);
        let mut concerns: Vec<Concern> = Concern::of_store(engine).into_iter().collect();
        concerns.extend(Concern::of_journal(engine));
        concerns.extend(relays);
        concerns.extend(Concern::of_near(engine));
        concerns
    }
}
