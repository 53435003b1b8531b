//! A call of several ids, each of which is recognised as a call of its own.

use std::cell::RefCell;

use super::{
    batch::{Batch, IdAnswer, Member},
    ids::{Asked, Ids},
    returns::IdReturn,
};
use crate::{
    cache::{Outcome, note_absent, report_unasked},
    call::{
        arguments::KeyWriter,
        cached::near_return,
        lookup::LookupStart,
        recognition::Recognition,
        start::Call,
        terms::{LoadTerms, ValueOf},
    },
    entry::{Function, LoadTime},
    near::tier::Tier,
};

/// One call of a function with `each`, until it is known what its ids are found by.
pub struct UnkeyedEachCall<C: Ids + ?Sized> {
    call: Call,
    asked: Asked<C::Id>,
    /// How many of the hits are verified.
    verified: f64,
}

impl<C: Ids + ?Sized> UnkeyedEachCall<C> {
    /// The attribute's `verify`: each id is chosen at random, so often, and verified if it is a hit.
    #[must_use]
    pub fn verify(self, share: f64) -> Self {
        Self {
            verified: share,
            ..self
        }
    }

    /// What tells the calls of single ids from others of the function: `parts` writes it.
    pub fn key<P: Fn(&mut KeyWriter<'_>, &C::Id)>(self, parts: P) -> EachCall<C> {
        let Self {
            mut call,
            asked,
            verified,
        } = self;
        let function = call.function::<P>();
        let shared = RefCell::default();
        let mut sample = Vec::new();
        let mut recognitions = Vec::with_capacity(asked.ids.len());
        for (place, id) in asked.ids.iter().enumerate() {
            if verified > 0.0 && call.verify(verified) {
                sample.push(place);
            }
            recognitions.push(call.recognise(function, &|key: &mut KeyWriter<'_>| parts(key, id), Some(&shared)));
        }
        EachCall {
            call,
            function,
            asked,
            recognitions,
            sample,
        }
    }
}

/// One call of a function with `each`.
pub struct EachCall<C: Ids + ?Sized> {
    call: Call,
    function: Function,
    asked: Asked<C::Id>,
    /// Of each id.
    recognitions: Vec<Recognition>,
    /// The ids that are verified, in their order.
    sample: Vec<usize>,
}

impl<C: Ids + ?Sized> EachCall<C> {
    /// The call of all of these ids.
    pub fn of(call: Call, ids: &C) -> UnkeyedEachCall<C> {
        UnkeyedEachCall {
            call,
            asked: Asked::of(ids.each()),
            verified: 0.0,
        }
    }

    /// Asks the near cache for each id. What became of those that nobody else is asked for is told.
    pub(super) fn begin<V, E, T, N>(self) -> Batch<C::Id, V, E>
    where
        T: LoadTerms<IdReturn<V, E>>,
        N: Tier<ValueOf<IdReturn<V, E>, T>>,
    {
        let Self {
            call,
            function,
            asked,
            recognitions,
            sample,
        } = self;
        let site = call.site();
        let near = |recognition: &Recognition| match recognition {
            Recognition::Near(entry) => near_return::<IdReturn<V, E>, T::Split, N>(&call, entry),
            Recognition::Uncacheable | Recognition::Known(..) => None,
        };
        let near = |recognition| near(recognition).map_or(IdAnswer::Open, IdAnswer::Known);
        let answers: Vec<IdAnswer<V, E>> = recognitions.iter().map(near).collect();
        let open = recognitions
            .into_iter()
            .enumerate()
            .filter(|(place, _)| matches!(answers[*place], IdAnswer::Open));
        let (cacheable, _) = call.into_cacheable();
        let (cache, mode, start) = match cacheable {
            Ok(call) => match LookupStart::of::<ValueOf<IdReturn<V, E>, T>>(call, function) {
                Ok(start) => (Some(start.call.cache.clone()), start.call.mode.clone(), Some(start)),
                Err(call) => (Some(call.cache), call.mode, None),
            },
            Err((cache, mode)) => (cache, mode, None),
        };
        let lookup = |recognition| match (start.clone(), recognition) {
            (Some(start), Recognition::Known(known, near)) => Some(start.lookup(known, near)),
            _ => None,
        };
        let members: Vec<Member> = open
            .map(|(place, recognition)| Member {
                place,
                lookup: lookup(recognition),
                is_verified: sample.binary_search(&place).is_ok(),
            })
            .collect();
        if cache.is_none() && !members.is_empty() {
            note_absent();
        }
        let figures = cache.as_ref().map(|cache| site.figures(&cache.engine));
        for _ in members.iter().filter(|member| member.lookup.is_none()) {
            report_unasked(figures, site.resource(), Outcome::Bypass, LoadTime::ZERO);
        }
        Batch::new((site, cache, mode), asked, members, answers)
    }
}
