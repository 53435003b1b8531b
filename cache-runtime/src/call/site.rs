//! The constants of one `#[cached]` function.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use super::results::ResultsBySite;
use crate::{
    cache::{Engine, FigureSlot, ResourceFigures},
    entry::{Codec, Item},
    loads::Takeover,
    near::Coherence,
    resource::{Policies, Resource},
};

/// How often a function meets entries of another one under its keys before it has keys of its own. Once may be a damaged entry, or one
/// from before a function was given another name.
const OWN_KEYS_AFTER: u32 = 3;

/// The constants of one `#[cached]` function.
#[derive(Debug)]
pub struct Site {
    resource: &'static Resource,
    version: u32,
    item: Item,
    coherence: Option<Coherence>,
    lease: Option<Duration>,
    codec: Option<Codec>,
    /// Those of the function over those of its resource.
    policies: Policies,
    /// The kinds of the tags that loads find.
    tags: &'static [&'static str],
    /// Where what is counted of the resource is, in each cache.
    figures: FigureSlot,
    pub(super) results: ResultsBySite,
    warned: AtomicBool,
    warned_of_codec: AtomicBool,
    /// How often an entry of another function of the resource stood under a key of this one.
    met_others: AtomicU32,
    warned_of_stall: AtomicBool,
    warned_of_circle: AtomicBool,
    warned_of_backstop: AtomicBool,
    warned_of_tags: AtomicBool,
    warned_of_stale: AtomicBool,
    warned_of_count: AtomicBool,
}

impl Site {
    /// The resource's name.
    pub(crate) const fn resource(&self) -> &'static str {
        self.resource.name()
    }

    pub(crate) const fn declared(&self) -> &'static Resource {
        self.resource
    }

    /// What is counted of the resource in this cache.
    #[inline]
    pub(crate) fn figures<'e>(&self, engine: &'e Engine) -> &'e ResourceFigures {
        engine.figures.of(&self.figures)
    }

    /// The function, as its identity is told.
    pub(crate) const fn item(&self) -> &Item {
        &self.item
    }

    /// The function's path, for the log.
    pub(crate) fn path(&self) -> impl fmt::Display {
        fmt::from_fn(|f| write!(f, "{}::{}", self.item.module(), self.item.name()))
    }

    /// Whether the function has keys of its own, which no other function of its resource has.
    pub(crate) fn has_own_keys(&self) -> bool {
        self.met_others.load(Ordering::Relaxed) >= OWN_KEYS_AFTER
    }

    pub(crate) const fn version(&self) -> u32 {
        self.version
    }

    /// The kinds of the tags that loads find.
    pub(crate) const fn kinds(&self) -> &'static [&'static str] {
        self.tags
    }

    /// How values kept in the process are known to be valid; `None` if none are.
    pub(crate) const fn coherence(&self) -> Option<Coherence> {
        self.coherence
    }

    /// For how long a process that loads for all of them is waited for if it falls silent.
    pub(crate) const fn lease_lasts(&self) -> Option<Duration> {
        self.lease
    }

    /// What results are stored in; `None` if that is the cache's own choice.
    pub(crate) const fn codec_of_its_own(&self) -> Option<Codec> {
        self.codec
    }

    pub(crate) const fn policy(&self) -> &Policies {
        &self.policies
    }

    /// `version` is the attribute's, 0 without.
    pub const fn new(resource: &'static Resource, version: u32, item: Item) -> Self {
        Self {
            resource,
            version,
            item,
            coherence: None,
            lease: None,
            codec: None,
            policies: resource.policies(),
            tags: &[],
            figures: FigureSlot::new(resource.name()),
            results: ResultsBySite::new(),
            warned: AtomicBool::new(false),
            warned_of_codec: AtomicBool::new(false),
            met_others: AtomicU32::new(0),
            warned_of_stall: AtomicBool::new(false),
            warned_of_circle: AtomicBool::new(false),
            warned_of_backstop: AtomicBool::new(false),
            warned_of_tags: AtomicBool::new(false),
            warned_of_stale: AtomicBool::new(false),
            warned_of_count: AtomicBool::new(false),
        }
    }

    /// The attribute's `near`.
    #[must_use]
    pub const fn near(mut self, coherence: Coherence) -> Self {
        self.coherence = Some(coherence);
        self
    }

    /// The attribute's `lease`, given as an expression, checked where the function is compiled.
    ///
    /// # Panics
    ///
    /// If it is shorter than a millisecond.
    #[track_caller]
    pub const fn checked_lease(lasting: Duration) -> Duration {
        assert!(
            lasting.as_millis() > 0,
            "a lease is at least one millisecond\nhelp: write `lease` alone for 2 seconds"
        );
        lasting
    }

    /// The attribute's `lease`.
    #[must_use]
    pub const fn lease(mut self, lasting: Duration) -> Self {
        self.lease = Some(lasting);
        self
    }

    /// The kinds of the attribute's `tags`.
    #[must_use]
    pub const fn tags(mut self, kinds: &'static [&'static str]) -> Self {
        self.tags = kinds;
        self
    }

    /// The attribute's policies, over the declared ones.
    #[must_use]
    pub const fn policies(mut self, own: Policies) -> Self {
        self.policies = own.over(self.resource.policies());
        self
    }

    /// The attribute's `codec`.
    #[must_use]
    pub const fn codec(mut self, codec: Codec) -> Self {
        self.codec = Some(codec);
        self
    }
}

impl Site {
    /// Says once that calls cannot be cached because of an argument's value.
    pub(crate) fn warn_of(&self, argument: &str, cause: &dyn fmt::Display) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let function = self.path();
            tracing::warn!(
                %cause,
                "the argument `{argument}` of {function} cannot be part of a key: such calls are not cached"
            );
        }
    }

    /// Takes note that an entry under a key of this function is another function's. Once that has happened some times, the function
    /// has keys of its own.
    pub(crate) fn note_shared_key(&self, key: &str) {
        if self.met_others.fetch_add(1, Ordering::Relaxed) + 1 == OWN_KEYS_AFTER {
            let function = self.path();
            tracing::warn!(
                key,
                "{function} has a key that another function of the resource `{}` has, too: from here on its keys are \
                 its own, and are not those that Python computes; give each function a resource, or tell their keys apart with \
                 `key(...)`",
                self.resource()
            );
        }
    }

    /// Says once, for each reason, that a call has loaded beside another one of the same arguments.
    pub(crate) fn warn_of_takeover(&self, takeover: &Takeover, backstop: Duration) {
        let function = self.path();
        match takeover {
            Takeover::Stalled(_) if !self.warned_of_stall.swap(true, Ordering::Relaxed) => tracing::warn!(
                "a load of {function} could go on and its future is not polled: a call that waited for it has loaded \
                 beside it; is the future kept after a timeout, or in a `select!`? Further ones are only counted"
            ),
            Takeover::Overdue if !self.warned_of_backstop.swap(true, Ordering::Relaxed) => tracing::warn!(
                "a load of {function} has not ended within {backstop:?}: a call that waited for it has loaded beside \
                 it; does its body wait for a task that calls it again? Further ones are only counted"
            ),
            Takeover::Circle if !self.warned_of_circle.swap(true, Ordering::Relaxed) => tracing::warn!(
                "a load of {function} waits for others that wait for it: a call that waited for it has loaded beside \
                 it; do functions call each other crosswise? Further ones are only counted"
            ),
            Takeover::Stalled(_) | Takeover::Circle | Takeover::Overdue => {}
        }
    }

    /// Says once that results are not stored because of their tags.
    pub(crate) fn warn_of_tags(&self, cause: &str) {
        if !self.warned_of_tags.swap(true, Ordering::Relaxed) {
            tracing::warn!("a result of {} {cause}: such results are not stored", self.path());
        }
    }

    /// Says once that a hit was not what is loaded.
    pub(crate) fn warn_of_stale(&self, key: &str) {
        if !self.warned_of_stale.swap(true, Ordering::Relaxed) {
            let function = self.path();
            tracing::warn!(
                key,
                "a hit of {function} was not what its body loads, and nobody has invalidated it: does something write without \
                 `#[invalidates]`, is an argument missing in the key, or is the result another one each time? Further ones are \
                 only counted (`stale_detected`)"
            );
        }
    }

    /// Says once that a body has not returned a value or `None` for each of its ids.
    pub(crate) fn warn_of_wrong_count(&self) {
        if !self.warned_of_count.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "{} has returned another number of results than it was given ids, so that nothing tells which is whose: none of \
                 them is used",
                self.path()
            );
        }
    }

    /// Says once that a result was not encoded as it should have been: a warning, if the attribute says how.
    pub(crate) fn note_codec(&self, wanted: Codec, used: Codec) {
        if used == wanted || self.warned_of_codec.swap(true, Ordering::Relaxed) {
            return;
        }
        let path = self.path();
        if self.codec.is_some() {
            tracing::warn!(
                "a result of {path} does not come back the same from {wanted}: such results are stored as {used}"
            );
        } else {
            tracing::info!(
                "a result of {path} does not come back the same from {wanted}: such results are stored as {used} (docs/codecs.md)"
            );
        }
    }
}
