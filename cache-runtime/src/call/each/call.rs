//! A call of several ids, each of which is recognised as a call of its own.

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
    entry::Function,
    near::tier::Tier,
};

/// One call of a function with `each`.
pub struct EachCall<C: Ids + ?Sized> {
    call: Call,
    function: Function,
    asked: Asked<C::Id>,
    /// Of each id.
    recognitions: Vec<Recognition>,
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
            })
            .collect();
        if cache.is_none() && !members.is_empty() {
            note_absent();
        }
        let engine = cache.as_ref().map(|cache| &*cache.engine);
        for _ in members.iter().filter(|member| member.lookup.is_none()) {
            report_unasked(engine, site.resource(), Outcome::Bypass);
        }
        Batch::new((site, cache, mode), asked, members, answers)
    }
}
