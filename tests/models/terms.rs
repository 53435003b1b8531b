//! What all models speak of.

/// A version of the database. Each commit makes the next one; 0 is what was there before.
pub(crate) type Version = u8;

/// A stamp, as far as a model tells them apart.
pub(crate) type Stamp = u8;

/// A stamp that nobody holds.
///
/// Random stamps are never used again. A number that is in no state, ticket, entry or message any more cannot be told from one
/// that never was, so using it again loses no behaviour and keeps the state space finite.
pub(crate) fn fresh(used: impl Iterator<Item = Stamp>) -> Stamp {
    let used = used.fold(0_u64, |set, stamp| set | 1 << stamp);
    Stamp::try_from(used.trailing_ones()).expect("the bounds leave fewer stamps than bits")
}

/// Adds to a collection in which only the contents count: states that differ in the order alone are one state.
pub(crate) fn insert_sorted<T: Ord>(items: &mut Vec<T>, item: T) {
    let position = items.partition_point(|present| *present < item);
    items.insert(position, item);
}

/// Takes the `index`th out and hands it over.
pub(crate) fn take<T: Copy>(items: &[T], index: usize) -> (T, Vec<T>) {
    let mut rest = items.to_vec();
    let item = rest.remove(index);
    (item, rest)
}
