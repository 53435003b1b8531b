//! What one call of a `#[cached]` function does with the near cache.

use std::{any::Any, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Kept, Known, Near, OVERHEAD, Taken};
use crate::{
    call::{Arguments, Keyed},
    key::Address,
    stamp::Stamp,
};

/// How the values of a function are known to be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coherence {
    /// The store reports changes of stamps: `near = "tracked"`.
    Tracked,
    /// The stamps are asked from the store on every call: `near = "checked"`.
    Checked,
}

/// Where a value comes from that is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The store.
    Read,
    /// The call itself.
    Loaded,
}

/// What a value is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NearKey {
    /// The type name of the function's body, which tells generics and `Self` apart.
    function: &'static str,
    version: u32,
    resource: &'static str,
    arguments: Arguments,
}

/// One call and the value that is kept for it, if one is.
#[derive(Debug)]
pub(crate) struct NearCall<'a> {
    near: &'a Near,
    coherence: Coherence,
    key: NearKey,
    began: Instant,
    found: Option<Arc<Kept>>,
    marks: Taken,
}

impl<'a> NearCall<'a> {
    /// Looks for a value. `None` if the function keeps none in the process.
    pub(crate) fn begin(keyed: &'a Keyed, function: &'static str) -> Option<Self> {
        let coherence = keyed.site.coherence()?;
        let inner = &keyed.cache.inner;
        if coherence == Coherence::Tracked {
            inner.watching.ensure(inner);
        }
        let key = NearKey {
            function,
            version: keyed.site.version(),
            resource: keyed.site.resource(),
            arguments: keyed.arguments.clone(),
        };
        let near = &*inner.near;
        let began = Instant::now();
        Some(Self {
            near,
            coherence,
            began,
            found: near.get(&key, began),
            key,
            marks: Taken::default(),
        })
    }

    /// The value, if it may be used without asking the store.
    pub(crate) fn tracked(&mut self) -> Option<&(dyn Any + Send + Sync)> {
        let kept = self.found.as_ref().filter(|_| self.coherence == Coherence::Tracked)?;
        match self.near.known(kept, self.began) {
            Known::Unchanged => {}
            Known::Unsure => return None,
            Known::Changed => {
                self.forget();
                return None;
            }
        }
        self.found.as_ref().map(|kept| &*kept.value)
    }

    /// To be called before the store is asked: what is read from here on can be kept.
    pub(crate) fn mark(&mut self, address: &Address) {
        if self.coherence == Coherence::Tracked {
            self.marks = self.near.marks(address.stamps());
        }
    }

    /// Whether a value is there that may be used if the store still has its stamps.
    pub(crate) fn has_unchecked(&self) -> bool {
        self.found.is_some()
    }

    /// The value, if these are its stamps. It is kept on as one that was just read.
    pub(crate) fn checked(&mut self, current: &[Option<Stamp>]) -> Option<&(dyn Any + Send + Sync)> {
        let kept = self.found.as_ref()?;
        if !kept.stamps.iter().copied().map(Some).eq(current.iter().copied()) {
            self.forget();
            return None;
        }
        if self.coherence == Coherence::Tracked && self.near.stamps.known(&self.marks) == Known::Unchanged {
            let marked = Kept {
                marks: self.marks.clone(),
                ..Kept::clone(kept)
            };
            self.near.keep(self.key.clone(), marked);
        }
        self.found.as_ref().map(|kept| &*kept.value)
    }

    /// Keeps a value that was read or loaded under these stamps, after [`mark`](Self::mark). `encoded` is the length of its
    /// encoded form, from which the bytes that it takes are estimated.
    pub(crate) fn keep(
        &self,
        origin: Origin,
        value: Arc<dyn Any + Send + Sync>,
        stamps: impl Iterator<Item = Stamp>,
        ttl: Duration,
        encoded: usize,
    ) {
        let marks = match (origin, self.near.stamps.known(&self.marks)) {
            // The change is likely to be the creation of these very stamps: the value is checked once before it is used.
            (Origin::Loaded, Known::Changed) => Taken::default(),
            _ => self.marks.clone(),
        };
        // `None` is a time beyond what the clock can express.
        let Some(expires_at) = Instant::now().checked_add(ttl) else {
            return;
        };
        let Arguments { tenant, scopes, json } = &self.key.arguments;
        let scopes: usize = scopes.iter().map(|(_, value)| value.len() + 40).sum();
        let weight = encoded + tenant.len() + scopes + json.len() + OVERHEAD;
        let kept = Kept {
            value,
            stamps: stamps.collect(),
            marks,
            expires_at,
            weight: weight as u64,
        };
        self.near.keep(self.key.clone(), kept);
    }

    fn forget(&mut self) {
        if let Some(kept) = self.found.take() {
            self.near.forget(&self.key, &kept);
        }
    }
}
