//! The places of one thread for the values that its calls were answered with last: found without a lock, and without a write to
//! anything that other threads look at.
//!
//! A call is answered where the value lies, so that not even a reference is counted. Whether it may answer is looked up each time
//! ([`Front::find`]). What is kept and what is thrown out is decided by the table that all threads share. It is asked again after so
//! many [`USES`], so that it knows what is in use.

use super::coarse::CoarseInstant;
use crate::{
    key::{CallForm, CallKey},
    sync::Arc,
};

/// So many sets of [`WAYS`] places there are: a power of two, and no more than a byte tells apart.
const SETS: usize = 64;
const WAYS: usize = 4;

/// The bytes that a thread keeps at most, whatever has become of them in the shared table.
const MOST_BYTES: u64 = 1 << 20;

/// So often a value answers before the shared table is asked for it again.
const USES: u8 = 64;

/// The places of one thread.
#[derive(Debug)]
pub(crate) struct Front<E: ?Sized> {
    /// None, until there is a value.
    sets: Vec<Set<E>>,
    bytes: u64,
}

/// The places of the calls that have the same last bits of their hash.
#[derive(Debug)]
struct Set<E: ?Sized> {
    /// The hashes of the calls that have last asked for what had no place. A value has one when it is asked for again meanwhile: calls that
    /// are all different do not throw out one another.
    asked: [u64; WAYS],
    next_asked: usize,
    ways: [Option<Box<FrontValue<E>>>; WAYS],
    last_used: usize,
}

/// A value of one of the near caches.
#[derive(Debug)]
pub(crate) struct FrontValue<E: ?Sized> {
    pub(crate) near: u64,
    /// Of the key.
    pub(crate) hash: u64,
    pub(crate) key: CallKey,
    pub(crate) entry: Arc<E>,
    /// The bytes that it takes, roughly.
    pub(crate) weight: u64,
    /// Until when it may be used: no longer than its time-to-live, and than all changes are known to have been reported.
    pub(crate) until: CoarseInstant,
    pub(crate) uses_left: u8,
}

impl<E: ?Sized> Front<E> {
    pub(crate) const fn new() -> Self {
        Self {
            sets: Vec::new(),
            bytes: 0,
        }
    }

    /// The value of this near cache that answers the call of this form, if it is here; `is_valid` says whether it may still be used.
    #[inline]
    pub(crate) fn find(&mut self, near: u64, form: CallForm<'_>, is_valid: impl FnOnce(&E) -> bool) -> Option<&Arc<E>> {
        let set = self.sets.get_mut(place(form.hash()))?;
        let way = set.way_of(near, form)?;
        let value = set.ways[way].as_mut()?;
        if value.uses_left == 0 || CoarseInstant::now() >= value.until {
            return None;
        }
        if !is_valid(&value.entry) {
            self.bytes -= value.weight;
            set.ways[way] = None;
            return None;
        }
        value.uses_left -= 1;
        set.last_used = way;
        Some(&set.ways[way].as_ref()?.entry)
    }

    /// Whether a value of this weight is to be kept, of the call of this form, for which the shared table of the near cache was just asked.
    /// `room` is what that allows.
    pub(crate) fn wants(&mut self, near: u64, form: CallForm<'_>, weight: u64, room: u64) -> bool {
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Set::default);
        }
        let set = &mut self.sets[place(form.hash())];
        let is_asked_again = set.way_of(near, form).is_some() || set.asked.contains(&form.hash());
        if !is_asked_again {
            set.asked[set.next_asked] = form.hash();
            set.next_asked = (set.next_asked + 1) % WAYS;
        }
        is_asked_again && weight <= room.min(MOST_BYTES)
    }

    /// Keeps a value that is [wanted](Self::wants), in the place of what is not so new.
    #[cold]
    pub(crate) fn keep(&mut self, value: FrontValue<E>, room: u64) {
        let (form, weight) = (value.key.form(), value.weight);
        let set = &self.sets[place(value.hash)];
        let free = set.ways.iter().position(Option::is_none);
        let way = set
            .way_of(value.near, form)
            .or(free)
            .unwrap_or((set.last_used + 1) % WAYS);
        let replaced = set.ways[way].as_ref().map_or(0, |value| value.weight);
        self.bytes = self.bytes.saturating_sub(replaced) + weight;
        if self.bytes > room.min(MOST_BYTES) {
            // What is in use comes back at once.
            self.sets.iter_mut().for_each(|set| set.ways = Default::default());
            self.bytes = weight;
        }
        let set = &mut self.sets[place(value.hash)];
        set.last_used = way;
        set.ways[way] = Some(Box::new(FrontValue {
            uses_left: USES,
            ..value
        }));
    }
}

impl<E: ?Sized> Front<E> {
    /// Everything that is here.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Box<FrontValue<E>>> {
        self.sets.drain(..).flat_map(|set| set.ways).flatten()
    }
}

impl<E: ?Sized> Set<E> {
    #[inline]
    fn way_of(&self, near: u64, form: CallForm<'_>) -> Option<usize> {
        let is_it = |value: &FrontValue<E>| value.hash == form.hash() && value.near == near && form.is(&value.key);
        self.ways.iter().position(|value| value.as_deref().is_some_and(is_it))
    }
}

impl<E: ?Sized> Default for Set<E> {
    fn default() -> Self {
        Self {
            asked: [0; WAYS],
            next_asked: 0,
            ways: Default::default(),
            last_used: 0,
        }
    }
}

/// The number of the set.
#[inline]
fn place(hash: u64) -> usize {
    usize::from(hash.to_le_bytes()[0]) % SETS
}
