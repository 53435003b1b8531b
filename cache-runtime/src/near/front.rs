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
struct FrontValue<E: ?Sized> {
    near: u64,
    /// Of the key.
    hash: u64,
    key: CallKey,
    entry: Arc<E>,
    /// The bytes that it takes, roughly.
    weight: u64,
    until: CoarseInstant,
    uses_left: u8,
}

/// What the shared table of a near cache was just asked for, and has.
#[derive(Debug)]
pub(crate) struct Offer<'a, E: ?Sized> {
    pub(crate) near: u64,
    pub(crate) form: CallForm<'a>,
    pub(crate) entry: &'a Arc<E>,
    /// The bytes that it takes, roughly.
    pub(crate) weight: u64,
    /// Until when it may be used: no longer than its time-to-live, and than all changes are known to have been reported.
    pub(crate) until: CoarseInstant,
    /// The bytes that the near cache leaves to a thread.
    pub(crate) room: u64,
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

    /// Keeps what is offered if it is asked for again and again, in the place of what is not so new. What is here is renewed where it
    /// lies, without asking for memory.
    pub(crate) fn offer(&mut self, offer: &Offer<'_, E>) {
        let &Offer {
            near,
            form,
            entry,
            weight,
            until,
            room,
        } = offer;
        let (hash, room) = (form.hash(), room.min(MOST_BYTES));
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Set::default);
        }
        let set = &mut self.sets[place(hash)];
        let here = set.way_of(near, form);
        if (here.is_none() && !set.is_asked_again(hash)) || weight > room {
            return;
        }
        let way = here.unwrap_or_else(|| set.way_to_give());
        let replaced = set.ways[way].as_ref().map_or(0, |value| value.weight);
        self.bytes = self.bytes.saturating_sub(replaced) + weight;
        if self.bytes > room {
            // What is in use comes back at once.
            self.sets.iter_mut().for_each(|set| set.ways = Default::default());
            self.bytes = weight;
        }
        let set = &mut self.sets[place(hash)];
        set.last_used = way;
        match &mut set.ways[way] {
            Some(value) if here.is_some() => {
                value.entry = Arc::clone(entry);
                value.weight = weight;
                value.until = until;
                value.uses_left = USES;
            }
            place => {
                *place = Some(Box::new(FrontValue {
                    near,
                    hash,
                    key: form.into(),
                    entry: Arc::clone(entry),
                    weight,
                    until,
                    uses_left: USES,
                }));
            }
        }
    }
}

impl<E: ?Sized> Front<E> {
    /// Everything that is here.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Arc<E>> {
        let values = self.sets.drain(..).flat_map(|set| set.ways).flatten();
        values.map(|value| value.entry)
    }
}

impl<E: ?Sized> Set<E> {
    #[inline]
    fn way_of(&self, near: u64, form: CallForm<'_>) -> Option<usize> {
        let is_it = |value: &FrontValue<E>| value.hash == form.hash() && value.near == near && form.is(&value.key);
        self.ways.iter().position(|value| value.as_deref().is_some_and(is_it))
    }

    /// Whether a call of this hash has asked before. It has the next time.
    fn is_asked_again(&mut self, hash: u64) -> bool {
        let is_asked_again = self.asked.contains(&hash);
        if !is_asked_again {
            self.asked[self.next_asked] = hash;
            self.next_asked = (self.next_asked + 1) % WAYS;
        }
        is_asked_again
    }

    /// A place that is free, or else the one after that which was used last.
    fn way_to_give(&self) -> usize {
        let free = self.ways.iter().position(Option::is_none);
        free.unwrap_or((self.last_used + 1) % WAYS)
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
