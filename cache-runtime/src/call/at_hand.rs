//! What a thread answers by what it has at hand, before anything of a call is put together.
//!
//! All of it is done where it lies, and what is handed on fits into registers: most of what a near hit took was spent on
//! copies of what had just been written.

use std::sync::Arc;

use super::{
    admission::Admission,
    arguments::{self, KeyWriter},
    recognition::note_use,
    site::Site,
    start::{Call, note_near_hit},
};
use crate::{
    cache::{Cache, Engine, LentInstalled},
    entry::{Function, Split},
    near::{Held, NearEntry, tier::Tier},
    task::{carries_anything, look},
};

impl Call {
    /// What the thread has at hand, of a function with `near = "tracked"`; else the call, recognised. Instead of
    /// [`begin`](Self::begin) and [`key`](Self::key).
    ///
    /// # Errors
    ///
    /// With the call, if there is no answer.
    #[inline]
    pub fn answer_or_begin<R, S, N, P>(
        site: &'static Site,
        cache: Option<&Cache>,
        _split: S,
        _tier: N,
        parts: &P,
    ) -> Result<R, Self>
    where
        S: Split<R>,
        N: Tier<S::Value>,
        P: Fn(&mut KeyWriter<'_>),
    {
        let function = Function::of::<P>(site.item());
        let mut answer = None;
        let was_asked = ask_thread(site, cache, &function, parts, &mut |entry| {
            answer = Held::of::<N>(entry).and_then(Held::into_return::<R, S>);
        });
        answer.ok_or_else(|| begin(site, cache, &function, parts, was_asked))
    }
}

/// The call, recognised. `is_not_at_hand` if the thread was asked for it.
#[cold]
#[inline(never)]
fn begin(
    site: &'static Site,
    cache: Option<&Cache>,
    function: &Function,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    is_not_at_hand: bool,
) -> Call {
    let mut call = Call::begin(site, cache);
    call.recognise_asked(*function, parts, is_not_at_hand);
    call
}

/// Answers a call that nothing makes a special one by what is at hand. It is counted: the form says whose it is, so it is the answer.
/// Returns whether the thread was asked for the call.
#[inline(never)]
fn ask_thread(
    site: &'static Site,
    cache: Option<&Cache>,
    function: &Function,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    answer: &mut dyn FnMut(&NearEntry),
) -> bool {
    if cache.is_some() || carries_anything() {
        return ask_in_context(site, cache, function, parts, answer);
    }
    ask_installed(site, function, parts, answer)
}

/// As [`ask_thread`], where the call may have a cache of its own, or be none that is to be answered.
#[inline(never)]
fn ask_in_context(
    site: &'static Site,
    cache: Option<&Cache>,
    function: &Function,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    answer: &mut dyn FnMut(&NearEntry),
) -> bool {
    let mut own = None;
    let is_usual = look(|context| {
        own = context.get::<Cache>().cloned();
        Some(Admission::is_usual(site.resource(), context))
    });
    if is_usual == Some(false) {
        return false;
    }
    if let Some(cache) = cache.or(own.as_ref()) {
        return ask(&cache.engine, site, function, parts, answer);
    }
    ask_installed(site, function, parts, answer)
}

#[inline]
fn ask_installed(
    site: &'static Site,
    function: &Function,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    answer: &mut dyn FnMut(&NearEntry),
) -> bool {
    let installed = LentInstalled::take();
    installed
        .engine()
        .is_some_and(|engine| ask(engine, site, function, parts, answer))
}

#[inline]
fn ask(
    engine: &Arc<Engine>,
    site: &'static Site,
    function: &Function,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    answer: &mut dyn FnMut(&NearEntry),
) -> bool {
    if engine.store().is_none() {
        return false;
    }
    let mut is_written = false;
    let write = |room: &mut [u8]| {
        let len = arguments::write_compact(room, site, function, &engine.settings, parts).ok()?;
        is_written = true;
        if engine.hot_keys.is_due() {
            note_use(engine, site, parts, &room[..len]);
        }
        Some(len)
    };
    engine.near.write_and_find_at_hand(write, |entry| {
        note_near_hit(engine, site, entry);
        answer(entry);
    });
    is_written
}
