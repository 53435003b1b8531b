//! What one call of a `#[cached]` function does with the near cache.

use std::{sync::Arc, time::Duration};

use super::{
    Expiry, Freshness, Marks, Near, NearEntry, OVERHEAD, Validity,
    held::{self, Held},
    nanos,
    tier::Tier,
};
use crate::{
    entry::{LoadTime, Revision, Stamp},
    key::{Address, CallForm, CallKey},
};

/// How the values of a function are known to be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coherence {
    /// The store reports changes of stamps: `near = "tracked"`.
    Tracked,
    /// The stamps are asked from the store on every call: `near = "checked"`.
    Checked,
}

impl Coherence {
    /// As the attribute names it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tracked => "tracked",
            Self::Checked => "checked",
        }
    }
}

/// Where a value comes from that is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The store.
    Read,
    /// The call itself.
    Loaded,
}

/// What is said of a value that is to be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) origin: Origin,
    pub(crate) ttl: Duration,
    /// That of its entry.
    pub(crate) revision: Revision,
    /// How long it took to load.
    pub(crate) load_time: LoadTime,
    /// About how many bytes it takes.
    pub(crate) size: usize,
    /// How many of its stamps, the first ones, have been [marked](NearLookup::mark) for it.
    pub(crate) marked: usize,
}

/// What a look into the near cache came to.
pub(crate) enum NearAnswer {
    /// A value that may be used without asking the store.
    Entry(Arc<NearEntry>),
    /// None: this is how the call goes on.
    Lookup(NearLookup),
}

/// One call and the value that is kept for it, if one is.
#[derive(Debug)]
pub(crate) struct NearLookup {
    near: Arc<Near>,
    coherence: Coherence,
    key: CallKey,
    /// May be used if the store still has its stamps.
    unchecked: Option<Arc<NearEntry>>,
    marks: Marks,
}

impl NearLookup {
    /// Looks for the value of the call that has this form among those that all threads share.
    pub(crate) fn look(near: &Arc<Near>, coherence: Coherence, form: CallForm<'_>) -> NearAnswer {
        let now = near.now();
        let mut unchecked = near.get(form, now);
        if let Some(kept) = unchecked.take_if(|_| coherence == Coherence::Tracked) {
            match near.known(&kept, now) {
                Freshness::Unchanged => {
                    near.offer(form, &kept);
                    return NearAnswer::Entry(kept);
                }
                Freshness::Unsure => unchecked = Some(kept),
                Freshness::Changed => near.forget(form, &kept),
            }
        }
        NearAnswer::Lookup(Self {
            unchecked,
            ..Self::to_replace(near, coherence, form)
        })
    }

    /// For a call that asks the store for the stamps, whatever has been reported of them.
    pub(crate) fn to_check(near: &Arc<Near>, coherence: Coherence, form: CallForm<'_>) -> Self {
        Self {
            unchecked: near.get(form, near.now()),
            ..Self::to_replace(near, coherence, form)
        }
    }

    /// For a call that replaces what is kept.
    pub(crate) fn to_replace(near: &Arc<Near>, coherence: Coherence, form: CallForm<'_>) -> Self {
        Self {
            near: Arc::clone(near),
            coherence,
            key: form.into(),
            unchecked: None,
            marks: Marks::default(),
        }
    }

    /// To be called before the store is asked: what is read from here on can be kept.
    pub(crate) fn mark(&mut self, address: &Address) {
        if self.coherence == Coherence::Tracked {
            self.marks = self.near.marks(address.stamps());
        }
    }

    /// Whether a value is there that may be used if the store still has its stamps.
    pub(crate) fn has_unchecked(&self) -> bool {
        self.unchecked.is_some()
    }

    /// It is of no use, after all.
    pub(crate) fn give_up_unchecked(&mut self) {
        self.unchecked = None;
    }

    /// For how long it is used yet, and which one of the entries of the call it is of.
    pub(crate) fn found(&self) -> Option<(Duration, Revision)> {
        let kept = self.unchecked.as_ref()?;
        Some((kept.remaining(&self.near), kept.revision()))
    }

    /// How long it took to load.
    pub(crate) fn load_time(&self) -> Option<LoadTime> {
        Some(self.unchecked.as_ref()?.load_time())
    }

    /// What is held, if these are its stamps. It is kept on as what was just read.
    pub(crate) fn checked<T, N: Tier<T>>(&mut self, current: &[Option<Stamp>]) -> Option<Held<T>> {
        self.forget_unless(current);
        let kept = self.unchecked.as_ref()?;
        let checked = Held::of::<N>(kept)?;
        if let Some((validity, held)) = self.kept_on(kept).zip(checked.hold::<N>()) {
            self.near.keep(self.key.clone(), held::entry::<T, N>(held, validity));
        }
        Some(checked)
    }

    /// Keeps what was read or loaded under these stamps, after [`mark`](Self::mark). With a stamp that has no mark it is checked
    /// once before it is used.
    pub(crate) fn keep<T, N: Tier<T>>(&self, kept: Kept, held: Held<N::Held>, stamps: &mut dyn Iterator<Item = Stamp>) {
        let validity = self.validity(kept, stamps);
        self.near.keep(self.key.clone(), held::entry::<T, N>(held, validity));
    }
}

// What does not depend on the type of the value, and is not compiled with each.
impl NearLookup {
    /// Lets go of the value unless these are its stamps.
    fn forget_unless(&mut self, current: &[Option<Stamp>]) {
        let has_other_stamps = |kept: &mut Arc<NearEntry>| {
            let stamps = kept.validity.stamps().map(Some);
            !stamps.eq(current.iter().copied())
        };
        if let Some(kept) = self.unchecked.take_if(has_other_stamps) {
            self.near.forget(self.key.form(), &kept);
        }
    }

    /// What makes a value valid that was just checked; `None` if it is to be checked the next time, too.
    fn kept_on(&self, kept: &NearEntry) -> Option<Validity> {
        let is_unchanged =
            self.coherence == Coherence::Tracked && self.near.stamps.known(&self.marks) == Freshness::Unchanged;
        let Validity {
            weight,
            load_time,
            revision,
            ..
        } = kept.validity;
        is_unchanged.then(|| Validity {
            stamps: Validity::marked(&mut kept.validity.stamps(), &self.marks, usize::MAX),
            expires_at: Expiry::at(kept.validity.expires_at.time()),
            weight,
            load_time,
            revision,
        })
    }

    fn validity(&self, kept: Kept, stamps: &mut dyn Iterator<Item = Stamp>) -> Validity {
        let Kept {
            origin,
            ttl,
            revision,
            load_time,
            size,
            marked,
        } = kept;
        let marks = match (origin, self.near.stamps.known(&self.marks)) {
            // The change is likely to be the creation of these very stamps: the value is checked once before it is used.
            (Origin::Loaded, Freshness::Changed) => &Marks::default(),
            _ => &self.marks,
        };
        let weight = size + self.key.len() + OVERHEAD;
        Validity {
            stamps: Validity::marked(stamps, marks, marked),
            expires_at: Expiry::at(self.near.now().saturating_add(nanos(ttl))),
            weight: weight.try_into().unwrap_or(u32::MAX),
            load_time,
            revision,
        }
    }
}
