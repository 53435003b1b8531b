//! Reads of several entries at once.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use futures_util::future::try_join_all;

use super::{Reading, replaceable, stamped, tags::check_many, unstamped};
use crate::{
    entry::{Identity, Sealing, Stamp, Ticket},
    key::{Address, StampKey},
    store::{Snapshot, Store, StoreError},
};

/// An entry that is asked for together with others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryQuery<'a> {
    pub(crate) address: &'a Arc<Address>,
    /// The same with the tags that the entry is likely to have, if that is known.
    pub(crate) tagged: Option<&'a Arc<Address>>,
    pub(crate) identity: Identity,
}

/// Reads several entries, each as [`read`](super::read) does, in as many round trips as one of them takes: a stamp that several
/// of them miss is created once.
pub(crate) async fn read_many_sealed(
    store: &dyn Store,
    entries: &[EntryQuery<'_>],
    sealing: &Sealing,
) -> Result<Vec<Reading>, StoreError> {
    let asked: Vec<_> = entries
        .iter()
        .map(|entry| Arc::clone(entry.tagged.unwrap_or(entry.address)))
        .collect();
    let mut snapshots = store.read_many(&asked).await?;
    let tags = split_tags(entries, &mut snapshots);
    let created = create_missing(store, entries, &snapshots).await?;
    let read = entries.iter().zip(snapshots);
    let mut readings: Vec<Reading> = read
        .map(|(entry, snapshot)| {
            let EntryQuery { address, identity, .. } = entry;
            stamped(address, snapshot, identity, sealing).unwrap_or_else(|Snapshot { stamps, entry }| {
                let ticket = completed(address, &stamps, created.as_ref());
                unstamped(address, &stamps, entry, ticket, identity, sealing)
            })
        })
        .collect();
    if let Some(tags) = tags {
        readings = check_many(store, entries, &tags, readings).await?;
    }
    drop_held(store, entries, &mut readings).await?;
    Ok(readings.into_iter().map(replaceable).collect())
}

/// Takes the stamps of tags out of what was read. `None` if no loads of these entries find any.
fn split_tags(entries: &[EntryQuery<'_>], snapshots: &mut [Snapshot]) -> Option<Vec<Vec<Option<Stamp>>>> {
    if entries.iter().all(|entry| entry.address.kinds().is_empty()) {
        return None;
    }
    let read = entries.iter().zip(snapshots);
    let tags = read.map(|(entry, snapshot)| snapshot.stamps.split_off(entry.address.stamps().len()));
    Some(tags.collect())
}

type Created<'a> = HashMap<&'a StampKey, Option<Stamp>, RandomState>;

/// Creates each stamp that is missing. `None` if the store has no memory for them.
async fn create_missing<'a>(
    store: &dyn Store,
    entries: &[EntryQuery<'a>],
    snapshots: &[Snapshot],
) -> Result<Option<Created<'a>>, StoreError> {
    let mut created = Created::default();
    for (entry, snapshot) in entries.iter().zip(snapshots) {
        let stamps = entry.address.stamps().iter().zip(&snapshot.stamps);
        created.extend(stamps.filter(|(_, stamp)| stamp.is_none()).map(|(key, _)| (key, None)));
    }
    if created.is_empty() {
        return Ok(Some(created));
    }
    let missing: Vec<&StampKey> = created.keys().copied().collect();
    let stamps = super::create(store, missing.iter().copied()).await?;
    Ok(stamps.map(|stamps| missing.into_iter().zip(stamps).collect()))
}

/// The right to fill, of stamps some of which had to be created.
fn completed(address: &Arc<Address>, found: &[Option<Stamp>], created: Option<&Created<'_>>) -> Option<Ticket> {
    let created = created?;
    let complete = |(key, stamp): (&StampKey, &Option<Stamp>)| stamp.or_else(|| created.get(key).copied().flatten());
    let stamps: Option<Vec<Stamp>> = address.stamps().iter().zip(found).map(complete).collect();
    Some(Ticket::new(Arc::clone(address), stamps?))
}

/// Takes the tickets of entries whose stamps a writer holds: after the stamps were read or created, never before.
async fn drop_held(store: &dyn Store, entries: &[EntryQuery<'_>], readings: &mut [Reading]) -> Result<(), StoreError> {
    let mut may_fill = |i: usize| readings[i].ticket_to_fill().is_some_and(|ticket| ticket.is_some());
    let looked_at: Vec<usize> = (0..entries.len())
        .filter(|&i| entries[i].address.has_holds() && may_fill(i))
        .collect();
    let stamps = looked_at.iter().flat_map(|&i| entries[i].address.stamps());
    let mut stamps: Vec<StampKey> = stamps.cloned().collect();
    stamps.sort_unstable();
    stamps.dedup();
    // Usually nobody writes: then one question is enough for all.
    if stamps.is_empty() || !store.is_held(&stamps).await? {
        return Ok(());
    }
    let held = try_join_all(looked_at.iter().map(|&i| store.is_held(entries[i].address.stamps()))).await?;
    for (i, held) in looked_at.into_iter().zip(held) {
        if held && let Some(ticket) = readings[i].ticket_to_fill() {
            *ticket = None;
        }
    }
    Ok(())
}
