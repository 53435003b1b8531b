//! What one call of a `#[cached]` function does with the near cache.

use std::{any::Any, borrow::Borrow, cell::Cell, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Kept, Known, Near, OVERHEAD, Taken, tier::Nearness};
use crate::{
    arguments::{Arguments, Key, write_compact},
    cache::Inner,
    compact,
    key::Address,
    site::Site,
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

/// What a value is found by: the function, and the arguments in their [compact form](crate::compact) or, where there is none,
/// in the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NearKey(Arc<[u8]>);

/// So that a key is looked up by bytes that are not in an allocation of their own.
impl Borrow<[u8]> for NearKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl NearKey {
    /// The bytes that it takes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a look into the near cache came to.
pub(crate) enum Looked {
    /// A value that may be used without asking the store.
    Kept(Arc<Kept>),
    /// None: this is how the call goes on.
    Call(NearCall),
    /// The function keeps none in the process.
    Nothing,
}

/// One call and the value that is kept for it, if one is.
#[derive(Debug)]
pub(crate) struct NearCall {
    near: Arc<Near>,
    coherence: Coherence,
    key: NearKey,
    /// May be used if the store still has its stamps.
    unchecked: Option<Arc<Kept>>,
    marks: Taken,
}

impl NearCall {
    /// Looks for a value. `function` is a type name that tells generics and `Self` apart.
    pub(crate) fn look<N: Nearness>(
        inner: &Arc<Inner>,
        site: &'static Site,
        function: &'static str,
        parts: &impl Fn(&mut Key<'_, N>),
    ) -> Looked {
        let Some(coherence) = site.coherence() else {
            return Looked::Nothing;
        };
        if coherence == Coherence::Tracked {
            inner.watching.ensure(inner);
        }
        with_buffer(|buffer| {
            compact::write_function(buffer, site, function);
            let function = buffer.len();
            if write_compact(buffer, site, &inner.settings, parts).is_err() {
                buffer.truncate(function);
                match Arguments::of(site, &inner.settings, parts) {
                    Some(arguments) => write_canonical(buffer, &arguments),
                    None => return Looked::Nothing,
                }
            }
            inner.near.look(coherence, buffer)
        })
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

    /// The value, if these are its stamps. It is kept on as one that was just read.
    pub(crate) fn checked(&mut self, current: &[Option<Stamp>]) -> Option<&(dyn Any + Send + Sync)> {
        let kept = self.unchecked.as_ref()?;
        if !kept.stamps.iter().copied().map(Some).eq(current.iter().copied()) {
            if let Some(kept) = self.unchecked.take() {
                self.near.forget(&self.key.0, &kept);
            }
            return None;
        }
        if self.coherence == Coherence::Tracked && self.near.stamps.known(&self.marks) == Known::Unchanged {
            let marked = Kept {
                marks: self.marks.clone(),
                ..Kept::clone(kept)
            };
            self.near.keep(self.key.clone(), marked);
        }
        self.unchecked.as_ref().map(|kept| &*kept.value)
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
        let weight = encoded + self.key.len() + OVERHEAD;
        let kept = Kept {
            value,
            stamps: stamps.collect(),
            marks,
            expires_at,
            weight: weight as u64,
        };
        self.near.keep(self.key.clone(), kept);
    }
}

impl Near {
    fn look(self: &Arc<Self>, coherence: Coherence, key: &[u8]) -> Looked {
        let now = Instant::now();
        let mut unchecked = self.get(key, now);
        if let Some(kept) = unchecked.take_if(|_| coherence == Coherence::Tracked) {
            match self.known(&kept, now) {
                Known::Unchanged => return Looked::Kept(kept),
                Known::Unsure => unchecked = Some(kept),
                Known::Changed => self.forget(key, &kept),
            }
        }
        Looked::Call(NearCall {
            near: Arc::clone(self),
            coherence,
            key: NearKey(key.into()),
            unchecked,
            marks: Taken::default(),
        })
    }
}

/// Beside what [`write_compact`] writes, so that neither is taken for the other.
fn write_canonical(out: &mut Vec<u8>, Arguments { tenant, scopes, json }: &Arguments) {
    out.extend_from_slice(b"canonical");
    for part in [tenant].into_iter().chain(scopes.iter().map(|(_, value)| value)) {
        // No escaped text has a NUL.
        out.extend_from_slice(part.as_bytes());
        out.push(0);
    }
    out.extend_from_slice(json);
}

thread_local! {
    /// Where keys are written: a hit allocates nothing.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A longer buffer is not kept for the next call.
const LONGEST_KEPT: usize = 16 * 1024;

fn with_buffer<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    // Taken out, so that a `Serialize` which calls a cached function finds another one.
    let mut buffer = BUFFER.take();
    buffer.clear();
    let written = write(&mut buffer);
    if buffer.capacity() <= LONGEST_KEPT {
        BUFFER.set(buffer);
    }
    written
}
