//! How a call is recognised: its arguments are written in a form that is quick to write, and what the process knows of calls of
//! that form is found. What it does not know is worked out at length, once.

use std::{cell::RefCell, sync::Arc};

use super::{
    arguments::{self, Arguments, KeyWriter, SharedParts},
    compact::NotCompact,
    site::Site,
};
use crate::{
    cache::Engine,
    entry::{Exact, Function},
    invalidation::Changes,
    key::{CallForm, recent::KnownCall},
    near::{Coherence, NearAnswer, NearEntry, NearLookup},
    resource::Tenancy,
};

/// Most forms are shorter than the first of these. They lie on the stack, and are filled with zeros before.
const USUAL_FORM: usize = 256;
const LONG_FORM: usize = 2048;

/// A call whose form would be longer than this is found by its exact form.
const LONGEST_FORM: usize = 16 * 1024;

/// What a call was recognised as.
#[derive(Debug)]
pub(super) enum Recognition {
    /// As nothing: it is not to be cached.
    Uncacheable,
    /// As one that a value in the near cache answers, which may be used as it is. There is no need to know anything more of it.
    Near(Arc<NearEntry>),
    /// As a known one, with its part in the near cache, boxed, so that a call is small where it is moved.
    Known(Arc<KnownCall>, Option<Box<NearLookup>>),
}

/// What a call is recognised by.
pub(super) struct Recogniser<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) site: &'static Site,
    pub(super) function: Function,
    /// Writes what tells the call from others of the function.
    pub(super) parts: &'a dyn Fn(&mut KeyWriter<'_>),
    pub(super) near_use: NearUse,
    /// Whether the thread itself was asked for the call already, and has nothing of it.
    pub(super) is_not_at_hand: bool,
    /// What the calls of other ids have in common with this one, if there are any.
    pub(super) shared: Option<&'a RefCell<SharedParts>>,
}

/// What a value in the near cache is to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NearUse {
    /// Its answer.
    Answer,
    /// Its answer if the store has its stamps, whatever has been reported.
    Check,
    /// Nothing: it is replaced.
    Replace,
}

/// What tells a call from others, at length.
pub(super) struct FullForm {
    arguments: Arguments,
    exact: Exact,
}

impl Recogniser<'_> {
    pub(super) fn recognise(&self) -> Recognition {
        let mut usual = [0; USUAL_FORM];
        match self.write_compact(&mut usual) {
            Ok(len) => self.recognise_form(CallForm::new(&usual[..len]), None),
            Err(cause) => self.recognise_longer(cause),
        }
    }

    /// As [`recognise`](Self::recognise), of what has no form of the usual length.
    #[cold]
    #[inline(never)]
    fn recognise_longer(&self, cause: NotCompact) -> Recognition {
        if cause == NotCompact::NoForm {
            return self.recognise_exact();
        }
        let mut long = [0; LONG_FORM];
        if let Ok(len) = self.write_compact(&mut long) {
            return self.recognise_form(CallForm::new(&long[..len]), None);
        }
        let mut longest = vec![0; LONGEST_FORM];
        match self.write_compact(&mut longest) {
            Ok(len) => self.recognise_form(CallForm::new(&longest[..len]), None),
            Err(_) => self.recognise_exact(),
        }
    }

    /// Whether the call depends on what a mutation around it is changing. Such a call is not cached: what is stored is from
    /// before the mutation, and what it loads may be seen by nobody else yet.
    #[cold]
    pub(super) fn is_changing(&self) -> bool {
        let arguments = Arguments::of(self.site, &self.engine.settings, self.parts);
        arguments.is_some_and(|arguments| {
            let address = arguments.address(self.site, &self.engine.namespace, None, &Exact::default());
            Changes::may_touch(&address)
        })
    }

    fn write_compact(&self, form: &mut [u8]) -> Result<usize, NotCompact> {
        let Self {
            site, function, parts, ..
        } = self;
        let settings = &self.engine.settings;
        match self.shared {
            None => arguments::write_compact(form, site, function, settings, parts),
            Some(shared) => {
                arguments::write_compact_sharing(form, site, function, settings, parts, &mut shared.borrow_mut())
            }
        }
    }

    fn recognise_exact(&self) -> Recognition {
        let Some(told) = self.tell() else {
            return Recognition::Uncacheable;
        };
        let form = told.arguments.form(self.function, &told.exact);
        self.recognise_form(CallForm::new(&form), Some(told))
    }

    /// What tells the call from others at length is worked out if it is needed and not known yet.
    fn recognise_form(&self, form: CallForm<'_>, told: Option<FullForm>) -> Recognition {
        if self.is_not_at_hand {
            return self.recognise_shared(form, told);
        }
        if self.engine.hot_keys.is_due() {
            note_use(self.engine, self.site, self.parts, form.bytes());
        }
        if self.near_use == NearUse::Answer
            && self.site.coherence() == Some(Coherence::Tracked)
            && let Some(entry) = self.engine.near.find_at_hand(form)
        {
            return Recognition::Near(entry);
        }
        self.recognise_shared(form, told)
    }

    /// As [`recognise_form`](Self::recognise_form), by what all threads share.
    #[inline(never)]
    fn recognise_shared(&self, form: CallForm<'_>, told: Option<FullForm>) -> Recognition {
        let near = match self.site.coherence().map(|coherence| self.look_near(coherence, form)) {
            Some(NearAnswer::Entry(entry)) => return Recognition::Near(entry),
            Some(NearAnswer::Lookup(lookup)) => Some(Box::new(lookup)),
            None => None,
        };
        let known = self.engine.recent.get(form);
        let known = known.filter(|known| known.has_own_key == self.site.has_own_keys());
        match known.or_else(|| self.work_out(form, told)) {
            Some(known) => Recognition::Known(known, near),
            None => Recognition::Uncacheable,
        }
    }

    fn look_near(&self, coherence: Coherence, form: CallForm<'_>) -> NearAnswer {
        if coherence == Coherence::Tracked {
            self.engine.ensure_watch();
        }
        let near = &self.engine.near;
        match self.near_use {
            NearUse::Answer => NearLookup::look(near, coherence, form),
            NearUse::Check => NearAnswer::Lookup(NearLookup::to_check(near, coherence, form)),
            NearUse::Replace => NearAnswer::Lookup(NearLookup::to_replace(near, coherence, form)),
        }
    }

    /// What the process does not know of the call; `None` if it is not to be cached.
    #[cold]
    #[inline(never)]
    fn work_out(&self, form: CallForm<'_>, told: Option<FullForm>) -> Option<Arc<KnownCall>> {
        let Self {
            engine, site, function, ..
        } = *self;
        let FullForm { arguments, exact } = told.or_else(|| self.tell())?;
        if site.declared().tenancy() == Tenancy::PerTenant {
            match arguments.named_tenant() {
                Some(tenant) => engine.note_tenant(tenant),
                None => engine.note_missing_tenant(site.resource()),
            }
        }
        let known = arguments::known_call(site, &engine.namespace, function, arguments, &exact);
        let known = Arc::new(known);
        engine.recent.insert(form, &known);
        Some(known)
    }

    /// What tells the call from others, at length; `None` if it is not to be cached.
    fn tell(&self) -> Option<FullForm> {
        Some(FullForm {
            arguments: Arguments::of(self.site, &self.engine.settings, self.parts)?,
            exact: arguments::exact(self.parts)?,
        })
    }
}

/// Counts a call of this form among those that may be made at the next start.
#[cold]
pub(super) fn note_use(engine: &Engine, site: &'static Site, parts: &dyn Fn(&mut KeyWriter<'_>), form: &[u8]) {
    let arguments = || {
        let arguments = Arguments::of(site, &engine.settings, parts)?;
        let is_of_tenant = site.declared().tenancy() == Tenancy::PerTenant;
        let tenant = arguments.named_tenant().filter(|_| is_of_tenant).map(str::to_owned);
        Some((tenant, arguments.json))
    };
    engine
        .hot_keys
        .note(site.resource(), site.item().name(), form, arguments);
}
