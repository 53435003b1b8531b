//! A call of several ids, each of which is recognised as a call of its own.

use super::ids::{Asked, Ids};
use crate::{
    cache::{Cache, Outcome, note_absent, report_unasked},
    call::{
        arguments::KeyWriter,
        cached::near_return,
        lookup::{Lookup, LookupStart},
        mode::Mode,
        recognition::Recognition,
        site::Site,
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
        let near = |recognition: &Recognition| match recognition {
            Recognition::Near(entry) => near_return::<Option<V>, T::Split, N>(&call, entry),
            Recognition::Uncacheable | Recognition::Known(..) => None,
        };
        let near = |recognition| near(recognition).map_or(IdAnswer::Open, IdAnswer::Known);
        let answers: Vec<IdAnswer<V>> = recognitions.iter().map(near).collect();
        let open = recognitions
            .into_iter()
            .enumerate()
            .filter(|(place, _)| matches!(answers[*place], IdAnswer::Open));
        let (cacheable, _) = call.into_cacheable();
        let (cache, mode, start) = match cacheable {
            Ok(call) => match LookupStart::of::<ValueOf<Option<V>, T>>(call, function) {
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
            report_unasked(engine, resource, Outcome::Bypass);
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
