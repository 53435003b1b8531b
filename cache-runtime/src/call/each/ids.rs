//! The ids of a call of many: what they come in, and what the body is given of them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{BuildHasher, Hash},
};

use foldhash::fast::RandomState;

/// What the ids of a call come in.
#[diagnostic::on_unimplemented(
    message = "`each` takes ids in a slice, a `Vec`, a `HashSet` or a `BTreeSet`, and not in `{Self}`",
    label = "not a collection of ids",
    note = "an id is `Clone + Eq + Hash`"
)]
pub trait Ids {
    /// One of them.
    type Id: Clone + Eq + Hash;

    /// What the body is given.
    type Owned;

    /// All of them, in their order.
    fn each(&self) -> impl ExactSizeIterator<Item = &Self::Id>;

    /// Those that the body is given.
    fn own(ids: Vec<Self::Id>) -> Self::Owned;

    /// The same, borrowed.
    fn lend(owned: &Self::Owned) -> &Self;
}

impl<I: Clone + Eq + Hash> Ids for [I] {
    type Id = I;
    type Owned = Vec<I>;

    fn each(&self) -> impl ExactSizeIterator<Item = &I> {
        self.iter()
    }

    fn own(ids: Vec<I>) -> Vec<I> {
        ids
    }

    fn lend(owned: &Vec<I>) -> &[I] {
        owned
    }
}

impl<I: Clone + Eq + Hash> Ids for Vec<I> {
    type Id = I;
    type Owned = Self;

    fn each(&self) -> impl ExactSizeIterator<Item = &I> {
        self.iter()
    }

    fn own(ids: Self) -> Self {
        ids
    }

    fn lend(owned: &Self) -> &Self {
        owned
    }
}

impl<I: Clone + Eq + Hash, H: BuildHasher + Default> Ids for HashSet<I, H> {
    type Id = I;
    type Owned = Self;

    fn each(&self) -> impl ExactSizeIterator<Item = &I> {
        self.iter()
    }

    fn own(ids: Vec<I>) -> Self {
        ids.into_iter().collect()
    }

    fn lend(owned: &Self) -> &Self {
        owned
    }
}

impl<I: Clone + Ord + Hash> Ids for BTreeSet<I> {
    type Id = I;
    type Owned = Self;

    fn each(&self) -> impl ExactSizeIterator<Item = &I> {
        self.iter()
    }

    fn own(ids: Vec<I>) -> Self {
        ids.into_iter().collect()
    }

    fn lend(owned: &Self) -> &Self {
        owned
    }
}

/// The ids that the body is to load.
pub struct Missing<C: Ids + ?Sized>(C::Owned);

impl<C: Ids + ?Sized> Missing<C> {
    pub(super) fn new(ids: Vec<C::Id>) -> Self {
        Self(C::own(ids))
    }

    /// For an argument that is a reference.
    pub fn lend(&self) -> &C {
        C::lend(&self.0)
    }

    /// For an argument by value.
    pub fn take(self) -> C::Owned {
        self.0
    }
}

/// The ids that a call was asked for.
#[derive(Debug, Clone)]
pub struct Asked<I> {
    /// Each once, in the order in which they came first.
    pub(super) ids: Vec<I>,
    /// Which one stands where, if one came more than once.
    places: Option<Vec<usize>>,
}

impl<I: Clone + Eq + Hash> Asked<I> {
    pub(super) fn of<'a>(all: impl ExactSizeIterator<Item = &'a I>) -> Self
    where
        I: 'a,
    {
        let mut ids: Vec<I> = all.cloned().collect();
        let places = may_repeat(&ids).then(|| dedup(&mut ids));
        Self {
            places: places.filter(|places| places.len() > ids.len()),
            ids,
        }
    }

    /// These, of which none stands there twice.
    pub(super) fn once(ids: Vec<I>) -> Self {
        Self { ids, places: None }
    }

    /// What stands where, given what is of each id.
    pub(super) fn in_order<V: Clone>(&self, values: Vec<V>) -> Vec<V> {
        match &self.places {
            None => values,
            Some(places) => places.iter().map(|place| values[*place].clone()).collect(),
        }
    }
}

/// Whether an id may stand there twice. Usually none does, and nothing more has to be looked at.
fn may_repeat<I: Hash>(ids: &[I]) -> bool {
    let random = RandomState::default();
    let mut hashes: Vec<u64> = ids.iter().map(|id| random.hash_one(id)).collect();
    hashes.sort_unstable();
    hashes.windows(2).any(|pair| pair[0] == pair[1])
}

/// Leaves each id there once. Returns which one stood where.
fn dedup<I: Clone + Eq + Hash>(ids: &mut Vec<I>) -> Vec<usize> {
    let mut known = HashMap::with_capacity_and_hasher(ids.len(), RandomState::default());
    let number = |id: &I| {
        let next = known.len();
        *known.entry(id.clone()).or_insert(next)
    };
    let places: Vec<usize> = ids.iter().map(number).collect();
    let mut kept = 0;
    let mut rest = places.iter();
    ids.retain(|_| {
        let is_first = rest.next() == Some(&kept);
        kept += usize::from(is_first);
        is_first
    });
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(ids: &[&'static str]) -> Asked<&'static str> {
        Asked::of(ids.iter())
    }

    #[test]
    fn each_id_stands_once_where_it_came_first() {
        assert_eq!(asked(&["b", "a", "b", "c", "a"]).ids, ["b", "a", "c"]);
        assert_eq!(asked(&["b", "a"]).ids, ["b", "a"]);
    }

    #[test]
    fn values_come_where_their_ids_stood() {
        assert_eq!(
            asked(&["b", "a", "b", "c", "a"]).in_order(vec![1, 2, 3]),
            [1, 2, 1, 3, 2]
        );
        assert_eq!(asked(&["b", "a"]).in_order(vec![1, 2]), [1, 2]);
    }
}
