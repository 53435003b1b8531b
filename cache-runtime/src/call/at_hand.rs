//! What a thread answers by what it has at hand, before anything of a call is put together.
//!
//! All of it is done where it lies, and what is handed on fits into registers: most of what a near hit took was spent on
//! copies of what had just been written.

use std::sync::Arc;

use super::{
    admission::Admission,
    arguments::{self, KeyWriter},
    recognition::{NearUse, Recogniser, USUAL_FORM},
    site::Site,
    start::{Call, note_near_hit},
};
use crate::{
    cache::{Cache, Engine, LentInstalled},
    entry::{Function, Split},
    key::CallForm,
    near::{Held, LentValue, put_back, tier::Tier},
    task::{carries_anything, look},
};

/// The form of a call, once it was looked for at hand.
struct WrittenForm {
    room: [u8; USUAL_FORM],
    /// 0 if it was not looked for.
    len: usize,
}

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
        let mut form = WrittenForm {
            room: [0; USUAL_FORM],
            len: 0,
        };
        if let Some(lent) = lend(site, cache, &function, parts, &mut form) {
            let answer = Held::of::<N>(&lent.0.entry).and_then(Held::into_return::<R, S>);
            put_back(lent);
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        Err(begin(site, cache, &function, parts, &form))
    }
}

/// The call, recognised by its form, if that is written already.
#[cold]
#[inline(never)]
fn begin(
    site: &'static Site,
    cache: Option<&Cache>,
    function: &Function,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    form: &WrittenForm,
) -> Call {
    let mut call = Call::begin(site, cache);
    let written = (form.len > 0).then(|| &form.room[..form.len]);
    call.recognise_written(*function, parts, written);
    call
}

/// What is at hand, of a call that nothing makes a special one. It is counted: the form says whose it is, so it is the answer.
#[inline(never)]
fn lend(
    site: &'static Site,
    cache: Option<&Cache>,
    function: &Function,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    form: &mut WrittenForm,
) -> Option<LentValue> {
    if cache.is_some() || carries_anything() {
        return lend_in_context(site, cache, function, parts, form);
    }
    let installed = LentInstalled::take();
    lend_of(installed.engine()?, site, function, parts, form)
}

/// As [`lend`], where the call may have a cache of its own, or be none that is to be answered.
#[inline(never)]
fn lend_in_context(
    site: &'static Site,
    cache: Option<&Cache>,
    function: &Function,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    form: &mut WrittenForm,
) -> Option<LentValue> {
    let mut own = None;
    let is_usual = look(|context| {
        own = context.get::<Cache>().cloned();
        Some(Admission::is_usual(site.resource(), context))
    });
    if is_usual == Some(false) {
        return None;
    }
    if let Some(cache) = cache.or(own.as_ref()) {
        return lend_of(&cache.engine, site, function, parts, form);
    }
    let installed = LentInstalled::take();
    lend_of(installed.engine()?, site, function, parts, form)
}

#[inline]
fn lend_of(
    engine: &Arc<Engine>,
    site: &'static Site,
    function: &Function,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    form: &mut WrittenForm,
) -> Option<LentValue> {
    engine.store()?;
    form.len = arguments::write_compact(&mut form.room, site, function, &engine.settings, parts).ok()?;
    let written = &form.room[..form.len];
    if engine.hot_keys.is_due() {
        let recogniser = Recogniser {
            engine,
            site,
            function: *function,
            parts,
            near_use: NearUse::Answer,
            shared: None,
        };
        recogniser.note_use(written);
    }
    let lent = engine.near.lend(CallForm::new(written))?;
    note_near_hit(engine, site, &lent.0.entry);
    Some(lent)
}
