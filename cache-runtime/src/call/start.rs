//! One call of a `#[cached]` function, until it is known what it is found by: what the expansion writes it with.

use std::{cell::RefCell, sync::Arc, time::Duration};

use super::{
    admission::Admission,
    arguments::{Arguments, KeyWriter, SharedParts},
    cacheable::CacheableCall,
    mode::Mode,
    recognition::{NearUse, Recogniser, Recognition},
    site::Site,
};
use crate::{
    cache::{Cache, CurrentCache, Engine, Freshness, Outcome, is_noticed, report_unasked},
    entry::Function,
    near::NearEntry,
};

/// One call of a `#[cached]` function.
#[derive(Debug)]
pub struct Call {
    site: &'static Site,
    cache: CurrentCache,
    /// Whether the cache may answer: nothing is encoded otherwise.
    admission: Admission,
    mode: Option<Mode>,
    /// Whether a hit is verified.
    verifies: bool,
    ttl: Option<Duration>,
    recognition: Recognition,
}

/// What a call has that is not to be cached.
type CacheAndMode = (Option<Cache>, Option<Mode>);

impl Call {
    /// Starts a call; `cache` is what the attribute's `cache = expr` named.
    pub fn begin(site: &'static Site, cache: Option<&Cache>) -> Self {
        let (cache, admission, mode) = Admission::of_call(cache, site.resource());
        let has_store = cache.engine().is_some_and(|engine| engine.store().is_some());
        Self {
            site,
            cache,
            admission: if has_store { admission } else { Admission::Uncached },
            mode,
            verifies: false,
            ttl: None,
            recognition: Recognition::Uncacheable,
        }
    }

    pub(super) fn site(&self) -> &'static Site {
        self.site
    }

    /// For counting; `None` without a cache.
    pub(super) fn engine(&self) -> Option<&Engine> {
        self.cache.engine().map(Arc::as_ref)
    }

    /// The attribute's `ttl`.
    pub fn ttl(&mut self, ttl: Duration) {
        self.ttl = Some(ttl);
    }

    /// The attribute's `when`.
    pub fn when(&mut self, condition: bool) {
        if !condition {
            self.admission = Admission::Uncached;
        }
    }

    /// The attribute's `verify`: one that is chosen at random, so often, is verified if it is a hit. To be called before
    /// [`key`](Self::key). Where the task says what calls do, they do that. Returns whether this one is chosen.
    pub fn verify(&mut self, share: f64) -> bool {
        self.verifies = self.mode.is_none() && fastrand::f64() < share;
        self.verifies
    }

    /// What tells the call from others of the function: `parts` writes it, once in each of the forms that there are, or in the
    /// quick one alone, if the process knows the call.
    pub fn key<P: Fn(&mut KeyWriter<'_>)>(&mut self, parts: P) {
        self.recognition = self.recognise(Function::of::<P>(self.site.item()), &parts, None);
    }

    /// As [`key`](Self::key), of a call for which the thread itself may have been asked already: then it has nothing of it.
    pub(super) fn recognise_asked(
        &mut self,
        function: Function,
        parts: &dyn Fn(&mut KeyWriter<'_>),
        is_not_at_hand: bool,
    ) {
        self.recognition = self.recognise_as(function, parts, is_not_at_hand, None);
    }

    /// What a call of these parts is recognised as. `shared` is what it has in common with the calls of other ids.
    #[inline]
    pub(super) fn recognise(
        &self,
        function: Function,
        parts: &dyn Fn(&mut KeyWriter<'_>),
        shared: Option<&RefCell<SharedParts>>,
    ) -> Recognition {
        self.recognise_as(function, parts, false, shared)
    }

    #[inline]
    fn recognise_as(
        &self,
        function: Function,
        parts: &dyn Fn(&mut KeyWriter<'_>),
        is_not_at_hand: bool,
        shared: Option<&RefCell<SharedParts>>,
    ) -> Recognition {
        let Some(engine) = self.cache.engine() else {
            return Recognition::Uncacheable;
        };
        let recogniser = Recogniser {
            engine,
            site: self.site,
            function,
            parts,
            near_use: self.near_use(),
            is_not_at_hand,
            shared,
        };
        match self.admission {
            Admission::Cached => {}
            // Before the near cache is looked into: it must not answer either.
            Admission::UnlessChanging if !recogniser.is_changing() => {}
            Admission::UnlessChanging | Admission::Uncached => return Recognition::Uncacheable,
        }
        recogniser.recognise()
    }

    /// The function to which the type `B` belongs.
    pub(super) fn function<B: ?Sized>(&self) -> Function {
        Function::of::<B>(self.site.item())
    }

    fn near_use(&self) -> NearUse {
        if self.mode.as_ref().is_some_and(Mode::is_refresh) {
            NearUse::Replace
        } else if self.verifies {
            NearUse::Check
        } else {
            NearUse::Answer
        }
    }

    /// The value in the near cache that answers the call, if there is one.
    pub(super) fn near_entry(&self) -> Option<&NearEntry> {
        match &self.recognition {
            Recognition::Near(entry) => Some(entry),
            Recognition::Uncacheable | Recognition::Known(..) => None,
        }
    }

    /// Counts the call as one that this value of the near cache has answered, and tells who observes or listens.
    pub(super) fn note_near_hit(&self, entry: &NearEntry) {
        if let Some(engine) = self.engine() {
            note_near_hit(engine, self.site, entry);
        }
    }

    /// The key of the entry, if the call has one; for benchmarks and tools outside of this crate.
    pub fn into_entry_key(self) -> Option<String> {
        match self.into_cacheable() {
            (Ok(_), Recognition::Known(known, _)) => Some(known.address.entry().to_owned()),
            _ => None,
        }
    }

    /// The key of an entry, worked out anew whatever the process knows; for benchmarks and tools outside of this crate.
    pub fn entry_key<P: Fn(&mut KeyWriter<'_>)>(site: &'static Site, cache: &Cache, parts: P) -> Option<String> {
        let arguments = Arguments::of(site, &cache.engine.settings, &parts)?;
        Some(arguments.entry_key(site, &cache.engine.namespace))
    }

    /// The call, if the runtime that it is made in can carry the cache; else the cache alone, if it has one, and the mode. And what it
    /// was recognised as.
    pub(super) fn into_cacheable(self) -> (Result<CacheableCall, CacheAndMode>, Recognition) {
        let Self {
            site,
            cache,
            mode,
            verifies,
            ttl,
            recognition,
            ..
        } = self;
        let call = match cache.into_cache() {
            Some(cache) if cache.engine.upstream.is_carried() => Ok(CacheableCall {
                ttl: ttl
                    .or(site.declared().ttl())
                    .unwrap_or(cache.engine.settings.default_ttl),
                cache,
                site,
                mode,
                verifies,
            }),
            cache => Err((cache, mode)),
        };
        (call, recognition)
    }
}

/// Counts a call that this value of the near cache has answered, and tells who observes or listens.
#[inline]
pub(super) fn note_near_hit(engine: &Engine, site: &'static Site, entry: &NearEntry) {
    if is_noticed() {
        report_near_hit(engine, site, entry);
    } else {
        site.figures(engine).count(Outcome::NearHit, entry.load_time());
    }
}

#[cold]
#[inline(never)]
fn report_near_hit(engine: &Engine, site: &'static Site, entry: &NearEntry) {
    let figures = Some(site.figures(engine));
    let record = report_unasked(figures, site.resource(), Outcome::NearHit, entry.load_time());
    // The clock is looked at for who asks.
    if let Some(record) = record {
        record.has_found(Freshness::Fresh(entry.remaining(&engine.near)), entry.revision());
    }
}
