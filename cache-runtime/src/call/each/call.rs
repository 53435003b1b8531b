//! A call of several ids, each of which is recognised as a call of its own.

use std::{marker::PhantomData, sync::atomic::AtomicBool};

use tokio::time::Instant;

use super::ids::{Asked, Ids};
use crate::{
    cache::{Cache, CallRecord, Freshness, Outcome, note_absent, report},
    call::{
        arguments::KeyWriter,
        cacheable::CommonCall,
        lookup::Lookup,
        mode::Mode,
        recognition::Recognition,
        results::Results,
        site::Site,
        start::Call,
        terms::{LoadTerms, ValueOf},
    },
    entry::Function,
    loads::Moment,
    near::{Held, tier::Tier},
};

/// One call of a function with `each`.
pub struct EachCall<C: Ids + ?Sized> {
    call: Call,
    function: Function,
    asked: Asked<C::Id>,
    /// Of each id.
    recognitions: Vec<Recognition>,
}

/// The ids of a call that the near cache has not answered, and what it has answered.
pub(super) struct Begun<V> {
    pub(super) site: &'static Site,
    pub(super) cache: Option<Cache>,
    pub(super) mode: Option<Mode>,
    pub(super) members: Vec<Member>,
    /// Of each id.
    pub(super) answers: Vec<IdAnswer<V>>,
}

/// What a call knows of one id.
pub(super) enum IdAnswer<V> {
    Open,
    /// Its value, or that it has none.
    Known(Option<V>),
}

impl<V> IdAnswer<V> {
    /// The value, if there is one.
    pub(super) fn into_value(self) -> Option<V> {
        match self {
            Self::Known(value) => value,
            Self::Open => None,
        }
    }
}

/// An id of a call.
pub(super) struct Member {
    /// Which one it is.
    pub(super) place: usize,
    /// `None` if the cache has nothing to do with it.
    pub(super) lookup: Option<Lookup>,
}

impl<C: Ids + ?Sized> EachCall<C> {
    /// The call of all of these ids: `parts` writes what tells that of one from others of the function.
    pub fn of<P: Fn(&mut KeyWriter<'_>, &C::Id)>(call: Call, ids: &C, parts: P) -> Self {
        let asked = Asked::of(ids.each());
        let function = call.function::<P>();
        let recognise = |id| call.recognise(function, &|key: &mut KeyWriter<'_>| parts(key, id));
        let recognitions = asked.ids.iter().map(recognise).collect();
        Self {
            call,
            function,
            asked,
            recognitions,
        }
    }

    /// Asks the near cache for each id. What became of those that nobody else is asked for is told.
    pub(super) fn begin<V, T, N>(self) -> (Asked<C::Id>, Begun<V>)
    where
        T: LoadTerms<Option<V>>,
        N: Tier<ValueOf<Option<V>, T>>,
    {
        let Self {
            call,
            function,
            asked,
            recognitions,
        } = self;
        let site = call.site();
        let resource = site.resource();
        let near = |recognition: &Recognition| {
            let Recognition::Near(entry) = recognition else {
                return IdAnswer::Open;
            };
            let held = Held::of::<N>(entry);
            let Some(answer) = held.and_then(Held::into_return::<Option<V>, T::Split>) else {
                return IdAnswer::Open;
            };
            let record = CallRecord::begin(resource);
            if let Some((record, engine)) = record.as_ref().zip(call.engine()) {
                record.is_fresh(Freshness::Fresh(entry.remaining(&engine.near)));
            }
            report(call.engine(), resource, None, Outcome::NearHit, None, record.as_ref());
            IdAnswer::Known(answer)
        };
        let answers: Vec<IdAnswer<V>> = recognitions.iter().map(near).collect();
        let open = recognitions
            .into_iter()
            .enumerate()
            .filter(|(place, _)| matches!(answers[*place], IdAnswer::Open));
        let (common, _) = call.into_common();
        let (cache, mode, lookups) = match common {
            Ok(common) => {
                let (cache, mode) = (common.cache.clone(), common.mode.clone());
                (Some(cache), mode, Lookups::<V, T>::of(common, function))
            }
            Err((cache, mode)) => (cache, mode, None),
        };
        let members: Vec<Member> = open
            .map(|(place, recognition)| {
                let lookup = lookups.as_ref().and_then(|lookups| lookups.one(recognition));
                Member { place, lookup }
            })
            .collect();
        if cache.is_none() && !members.is_empty() {
            note_absent();
        }
        let engine = cache.as_ref().map(|cache| &*cache.engine);
        for _ in members.iter().filter(|member| member.lookup.is_none()) {
            let record = CallRecord::begin(resource);
            report(engine, resource, None, Outcome::Bypass, None, record.as_ref());
        }
        let begun = Begun {
            site,
            cache,
            mode,
            members,
            answers,
        };
        (asked, begun)
    }
}

/// Makes the lookups of the ids of a call.
struct Lookups<V, T> {
    common: CommonCall,
    function: Function,
    results: &'static Results,
    began: Moment,
    started: Instant,
    of: PhantomData<fn() -> (V, T)>,
}

impl<V, T: LoadTerms<Option<V>>> Lookups<V, T> {
    /// `None` if values of the function are not stored any more.
    fn of(common: CommonCall, function: Function) -> Option<Self> {
        let site = common.site;
        let results = site.results.get::<ValueOf<Option<V>, T>>(function, site.version());
        (!results.is_given_up()).then(|| Self {
            began: common.cache.engine.flights.now(),
            common,
            function,
            results,
            started: Instant::now(),
            of: PhantomData,
        })
    }

    fn one(&self, recognition: Recognition) -> Option<Lookup> {
        let Recognition::Known(known, near) = recognition else {
            return None;
        };
        let mut call = self.common.clone().into_call(known, near);
        Some(Lookup {
            near: call.near.take(),
            began: self.began,
            call,
            function: self.function,
            results: self.results,
            entry: None,
            started: self.started,
            has_old: false,
            leads: AtomicBool::new(false),
            record: CallRecord::begin(self.common.site.resource()),
            verifying: false,
        })
    }
}
