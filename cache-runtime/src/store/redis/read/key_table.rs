//! The keys of several addresses, each once.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

use crate::key::{Address, StampKey};

/// A key of one of several addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct KeyPlace {
    /// Which of the addresses.
    address: usize,
    /// Which of its keys: its stamps come first, its entry last.
    key: usize,
}

impl KeyPlace {
    /// The key, of these addresses.
    pub(in super::super) fn key(self, addresses: &[Arc<Address>]) -> &str {
        let address = &addresses[self.address];
        address.stamps().get(self.key).map_or(address.entry(), StampKey::as_str)
    }
}

/// Which keys several addresses have together. What some of them share, as the stamp of their resource, stands once.
pub(in super::super) struct KeyTable {
    /// Each key once.
    distinct: Vec<KeyPlace>,
    /// For each key of each address, which of the distinct ones it is.
    places: Vec<usize>,
}

impl KeyTable {
    pub(in super::super) fn of(addresses: &[Arc<Address>]) -> Self {
        let mut table = Self {
            distinct: Vec::with_capacity(addresses.len() + 4),
            places: Vec::with_capacity(addresses.len() * 3),
        };
        let mut known = HashMap::with_hasher(RandomState::default());
        // Where the keys of the address before begin.
        let mut before = 0;
        for (i, address) in addresses.iter().enumerate() {
            let begin = table.places.len();
            for (key, stamp) in address.stamps().iter().enumerate() {
                // Most addresses share most stamps with the one before: those need not be hashed.
                let same = i
                    .checked_sub(1)
                    .and_then(|previous| addresses[previous].stamps().get(key));
                let place = if same == Some(stamp) {
                    table.places[before + key]
                } else {
                    *known.entry(stamp).or_insert_with(|| add(&mut table.distinct, i, key))
                };
                table.places.push(place);
            }
            // Not looked for: whoever asks for an entry twice is answered twice.
            let entry = add(&mut table.distinct, i, address.stamps().len());
            table.places.push(entry);
            before = begin;
        }
        table
    }

    /// Each key once.
    pub(in super::super) fn distinct(&self) -> &[KeyPlace] {
        &self.distinct
    }

    /// For each key of each address, in their order, which of the distinct ones it is.
    pub(in super::super) fn places(&self) -> &[usize] {
        &self.places
    }
}

fn add(distinct: &mut Vec<KeyPlace>, address: usize, key: usize) -> usize {
    distinct.push(KeyPlace { address, key });
    distinct.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(scopes: &[&str]) -> Vec<Arc<Address>> {
        let address = |(i, scope): (usize, &&str)| Arc::new(Address::new("t", "r", &[("a", scope)], &i.to_string()));
        scopes.iter().enumerate().map(address).collect()
    }

    #[test]
    fn every_stamp_stands_once_and_every_address_finds_its_own_keys() {
        let addresses = addresses(&["x", "x", "y", "x"]);
        let table = KeyTable::of(&addresses);
        let distinct: Vec<_> = table.distinct().iter().map(|place| place.key(&addresses)).collect();
        let mut once = distinct.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), distinct.len(), "{distinct:?}");
        assert_eq!(distinct.len(), 3 + 4, "the resource, two scope values, four entries");
        let own = addresses.iter().flat_map(|address| {
            let stamps = address.stamps().iter().map(StampKey::as_str);
            stamps.chain([address.entry()])
        });
        let found = table.places().iter().map(|place| distinct[*place]);
        assert!(found.eq(own));
    }
}
