//! Reads of several entries at once.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use futures_util::future::try_join_all;

use super::{Reading, reading, replaceable, unstamped};
use crate::{
    entry::{Identity, Sealing, Stamp, Ticket},
    key::{Address, StampKey},
    store::{Snapshot, Store, StoreError},
};

/// Reads several addresses, each as [`read`](super::read) does, in as many round trips as one of them takes: a stamp that several
/// of them miss is created once.
///
/// `identities` are those of the entries, in their order.
pub(crate) async fn read_many_sealed(
    store: &dyn Store,
    addresses: &[Arc<Address>],
    identities: &[Identity],
    sealing: &Sealing,
) -> Result<Vec<Reading>, StoreError> {
    let snapshots = store.read_many(addresses).await?;
    let created = create_missing(store, addresses, &snapshots).await?;
    let read = addresses.iter().zip(identities).zip(snapshots);
    let mut readings: Vec<Reading> = read
        .map(|((address, identity), Snapshot { stamps, entry })| {
            if stamps.contains(&None) {
                let ticket = completed(address, &stamps, created.as_ref());
                return unstamped(address, &stamps, entry, ticket, identity, sealing);
            }
            reading(
                address,
                stamps.into_iter().flatten().collect(),
                entry,
                identity,
                sealing,
            )
        })
        .collect();
    drop_held(store, addresses, &mut readings).await?;
    Ok(readings.into_iter().map(replaceable).collect())
}

type Created<'a> = HashMap<&'a StampKey, Option<Stamp>, RandomState>;

/// Creates each stamp that is missing. `None` if the store has no memory for them.
async fn create_missing<'a>(
    store: &dyn Store,
    addresses: &'a [Arc<Address>],
    snapshots: &[Snapshot],
) -> Result<Option<Created<'a>>, StoreError> {
    let mut created = Created::default();
    for (address, snapshot) in addresses.iter().zip(snapshots) {
        let stamps = address.stamps().iter().zip(&snapshot.stamps);
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
async fn drop_held(store: &dyn Store, addresses: &[Arc<Address>], readings: &mut [Reading]) -> Result<(), StoreError> {
    let looked_at: Vec<usize> = (0..readings.len())
        .filter(|&i| addresses[i].has_holds() && ticket(&mut readings[i]).is_some_and(|ticket| ticket.is_some()))
        .collect();
    let mut stamps: Vec<StampKey> = looked_at.iter().flat_map(|&i| addresses[i].stamps()).cloned().collect();
    stamps.sort_unstable();
    stamps.dedup();
    // Usually nobody writes: then one question is enough for all.
    if stamps.is_empty() || !store.is_held(&stamps).await? {
        return Ok(());
    }
    let held = try_join_all(looked_at.iter().map(|&i| store.is_held(addresses[i].stamps()))).await?;
    for (i, held) in looked_at.into_iter().zip(held) {
        if held && let Some(ticket) = ticket(&mut readings[i]) {
            *ticket = None;
        }
    }
    Ok(())
}

/// The ticket of what is to be loaded.
fn ticket(reading: &mut Reading) -> Option<&mut Option<Ticket>> {
    match reading {
        Reading::Miss { ticket, .. } | Reading::Stale { ticket, .. } => Some(ticket),
        Reading::Hit { .. } => None,
    }
}
