//! What makes a read valid: stamps, tickets, and the envelope's checks. [How and why](crate::manual::protocol).

mod many;
mod tags;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

pub(crate) use self::{
    many::{EntryQuery, read_many_sealed},
    tags::{stamps_of_tags, with_tags},
};
pub use crate::entry::{Envelope, Identity, Rejection};
use crate::{
    entry::{EncodedValue, Meta, Sealing, Stamp, Ticket},
    key::{Address, StampKey},
    store::{Snapshot, Store, StoreError, StoreErrorKind},
};

/// What a read came to.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "there is a valid entry, an old one or none")]
pub enum Reading {
    /// A valid entry. The ticket is for the case that its payload does not decode.
    Hit {
        /// The entry.
        envelope: Envelope,
        /// The right to replace it.
        ticket: Ticket,
    },
    /// An entry whose strict stamps are all current, and that is old: its time-to-live is over, or one of its soft stamps is not
    /// current. Of use within its stale windows.
    Stale {
        /// The entry.
        envelope: Envelope,
        /// The right to replace it; `None` as for a miss.
        ticket: Option<Ticket>,
        /// Whether it was invalidated softly: then there is a ticket, and the entry is of use only if it is replaced.
        is_invalidated: bool,
    },
    /// No valid entry.
    Miss {
        /// The right to fill; `None` if a stamp could not be had, or if a writer is in a hold: then load without filling.
        ticket: Option<Ticket>,
        /// Why an entry that was there was refused; `None` if there was none, or if it had been invalidated.
        rejected: Option<Rejection>,
    },
}

impl Reading {
    /// The right to fill, if what was read is to be loaded.
    fn ticket_to_fill(&mut self) -> Option<&mut Option<Ticket>> {
        match self {
            Self::Miss { ticket, .. } | Self::Stale { ticket, .. } => Some(ticket),
            Self::Hit { .. } => None,
        }
    }
}

/// Reads an address: one round trip for a hit or a miss, a second one to create missing stamps after an invalidation or an
/// eviction; for a miss of a `crash_safe` resource one more, to look at the holds.
///
/// # Errors
///
/// What the store's `read`, `create_stamps` or `is_held` returned.
pub async fn read(store: &dyn Store, address: &Arc<Address>, identity: &Identity) -> Result<Reading, StoreError> {
    read_sealed(store, address, None, identity, &Sealing::default()).await
}

/// As [`read`], of a cache that takes from entries what `sealing` says. `tagged` is the address with the tags that the entry is
/// likely to have, if that is known.
pub(crate) async fn read_sealed(
    store: &dyn Store,
    address: &Arc<Address>,
    tagged: Option<&Arc<Address>>,
    identity: &Identity,
    sealing: &Sealing,
) -> Result<Reading, StoreError> {
    if address.has_holds() || !address.kinds().is_empty() {
        // Boxed, as what follows: most functions have neither, and all have room for it.
        return Box::pin(read_guarded(store, address, tagged, identity, sealing)).await;
    }
    let snapshot = store.read(address).await?;
    let incomplete = match stamped(address, snapshot, identity, sealing) {
        Ok(reading) => return Ok(replaceable(reading)),
        Err(incomplete) => incomplete,
    };
    let completed = Box::pin(complete_entry(store, address, incomplete, identity, sealing));
    Ok(replaceable(completed.await?))
}

/// As [`read_sealed`], of a resource with holds or of a function with tags.
async fn read_guarded(
    store: &dyn Store,
    address: &Arc<Address>,
    tagged: Option<&Arc<Address>>,
    identity: &Identity,
    sealing: &Sealing,
) -> Result<Reading, StoreError> {
    let mut reading = if address.kinds().is_empty() {
        let snapshot = store.read(address).await?;
        read_entry(store, address, snapshot, identity, sealing).await?
    } else {
        tags::read_entry(store, address, tagged, identity, sealing).await?
    };
    // After the stamps were read or created, never before. A writer enters the hold first and removes the stamps second: so
    // it either removes those of this ticket yet, or is seen here.
    if let Some(ticket) = reading.ticket_to_fill()
        && ticket.is_some()
        && is_held(store, address).await?
    {
        *ticket = None;
    }
    Ok(replaceable(reading))
}

/// The reading, unless it is of an old value that could not be replaced.
fn replaceable(reading: Reading) -> Reading {
    match reading {
        Reading::Stale {
            ticket: None,
            is_invalidated: true,
            ..
        } => Reading::Miss {
            ticket: None,
            rejected: None,
        },
        reading => reading,
    }
}

/// The right to replace whatever stands at an address, which is not looked at: one round trip, and the further ones of a
/// [`read`] that is a miss. `None` as for that.
pub(crate) async fn ticket(store: &dyn Store, address: &Arc<Address>) -> Result<Option<Ticket>, StoreError> {
    let found = store.read_stamps(address).await?;
    let stamps = complete(store, address.stamps(), &found).await?;
    let ticket = stamps.map(|stamps| Ticket::new(Arc::clone(address), stamps));
    let ticket = if address.kinds().is_empty() {
        ticket
    } else {
        tags::with_epochs(store, ticket).await?
    };
    // After the stamps, as for a miss.
    let usable = ticket.is_some() && !is_held(store, address).await?;
    Ok(ticket.filter(|_| usable))
}

async fn is_held(store: &dyn Store, address: &Address) -> Result<bool, StoreError> {
    Ok(address.has_holds() && store.is_held(address.stamps()).await?)
}

async fn read_entry(
    store: &dyn Store,
    address: &Arc<Address>,
    snapshot: Snapshot,
    identity: &Identity,
    sealing: &Sealing,
) -> Result<Reading, StoreError> {
    match stamped(address, snapshot, identity, sealing) {
        Ok(reading) => Ok(reading),
        Err(snapshot) => complete_entry(store, address, snapshot, identity, sealing).await,
    }
}

/// What an entry is worth that was read together with all of its stamps.
///
/// # Errors
///
/// What was read, if one of the stamps is missing.
fn stamped(
    address: &Arc<Address>,
    snapshot: Snapshot,
    identity: &Identity,
    sealing: &Sealing,
) -> Result<Reading, Snapshot> {
    if snapshot.stamps.contains(&None) {
        return Err(snapshot);
    }
    let Snapshot { stamps, entry } = snapshot;
    Ok(reading(
        address,
        stamps.into_iter().map_while(|stamp| stamp).collect(),
        entry,
        identity,
        sealing,
    ))
}

/// Creates the stamps that are missing. What an entry is worth that was read without them.
async fn complete_entry(
    store: &dyn Store,
    address: &Arc<Address>,
    Snapshot { stamps, entry }: Snapshot,
    identity: &Identity,
    sealing: &Sealing,
) -> Result<Reading, StoreError> {
    let ticket = complete(store, address.stamps(), &stamps).await?;
    let ticket = ticket.map(|stamps| Ticket::new(Arc::clone(address), stamps));
    Ok(unstamped(address, &stamps, entry, ticket, identity, sealing))
}

/// What an entry is worth that was read with these stamps, of which some are missing: a miss if one of them is strict, whatever the
/// entry says.
fn unstamped(
    address: &Address,
    stamps: &[Option<Stamp>],
    entry: Option<Bytes>,
    ticket: Option<Ticket>,
    identity: &Identity,
    sealing: &Sealing,
) -> Reading {
    match entry.and_then(|bytes| old(bytes, address, identity, sealing, stamps)) {
        Some(envelope) => Reading::Stale {
            envelope,
            ticket,
            is_invalidated: true,
        },
        None => Reading::Miss { ticket, rejected: None },
    }
}

/// What an entry is worth that was read with these stamps, none of which is missing.
fn reading(
    address: &Arc<Address>,
    stamps: Vec<Stamp>,
    entry: Option<Bytes>,
    identity: &Identity,
    sealing: &Sealing,
) -> Reading {
    let ticket = Ticket::new(Arc::clone(address), stamps);
    match entry.map(|bytes| sealing.open(bytes, address.entry(), identity)) {
        Some(Ok(envelope)) if envelope.stamps().eq(ticket.stamps().iter().copied()) => match envelope.past_ttl() {
            None => Reading::Hit { envelope, ticket },
            Some(_) => Reading::Stale {
                envelope,
                ticket: Some(ticket),
                is_invalidated: false,
            },
        },
        Some(Ok(envelope)) if is_old(&envelope, address, ticket.stamps().iter().copied().map(Some)) => Reading::Stale {
            envelope,
            ticket: Some(ticket),
            is_invalidated: true,
        },
        Some(Err(cause)) => Reading::Miss {
            ticket: Some(ticket),
            rejected: Some(cause),
        },
        Some(Ok(_)) | None => Reading::Miss {
            ticket: Some(ticket),
            rejected: None,
        },
    }
}

/// The entry, if it is one that was invalidated softly.
fn old(
    bytes: Bytes,
    address: &Address,
    identity: &Identity,
    sealing: &Sealing,
    current: &[Option<Stamp>],
) -> Option<Envelope> {
    // Most resources are not soft: what is dead is not opened.
    if address.strict_stamps().len() == address.stamps().len() {
        return None;
    }
    let envelope = sealing.open(bytes, address.entry(), identity).ok()?;
    is_old(&envelope, address, current.iter().copied()).then_some(envelope)
}

/// Whether the strict stamps of the entry are all current, and those that are not are soft.
fn is_old(envelope: &Envelope, address: &Address, current: impl Iterator<Item = Option<Stamp>>) -> bool {
    let strict = address.strict_stamps().len();
    strict < address.stamps().len()
        && envelope.stamps().len() == address.stamps().len()
        && envelope.stamps().map(Some).take(strict).eq(current.take(strict))
}

/// Removes stamps: epochs of tags first, so that a load that reads a tag's stamp after its removal finds the epoch moved.
///
/// # Errors
///
/// What the store's `remove_stamps` returned.
pub(crate) async fn remove(store: &dyn Store, stamps: &[StampKey]) -> Result<(), StoreError> {
    if !stamps.iter().any(StampKey::is_epoch) {
        return store.remove_stamps(stamps).await;
    }
    let (mut epochs, rest): (Vec<_>, Vec<_>) = stamps.iter().cloned().partition(StampKey::is_epoch);
    if store.keeps_order() {
        epochs.extend(rest);
        return store.remove_stamps(&epochs).await;
    }
    store.remove_stamps(&epochs).await?;
    store.remove_stamps(&rest).await
}

/// Puts an unsigned entry of JSON together that a store may [fill](Store::fill) on this ticket: the ticket's stamps are
/// inside.
///
/// `None` if the payload is larger than an envelope can say (4 GiB).
pub fn seal(
    ticket: &Ticket,
    identity: &Identity,
    ttl: Duration,
    load_duration: Duration,
    payload: &[u8],
) -> Option<Bytes> {
    let meta = Meta {
        load_duration,
        ..Meta::new(*identity, ttl)
    };
    let value = EncodedValue::json(Bytes::copy_from_slice(payload));
    Sealing::default().seal(meta, ticket.address().entry(), ticket.stamps(), &value)
}

/// Creates the missing stamps, if any are, before the load that will be stored under them. `None` if one could not be had.
async fn complete(
    store: &dyn Store,
    keys: &[StampKey],
    found: &[Option<Stamp>],
) -> Result<Option<Vec<Stamp>>, StoreError> {
    let current: Option<Vec<Stamp>> = found.iter().copied().collect();
    if current.is_some() {
        return Ok(current);
    }
    let missing = keys.iter().zip(found).filter(|(_, stamp)| stamp.is_none());
    // Boxed: hardly any call has to, and all have room for it.
    let Some(created) = Box::pin(create(store, missing.map(|(key, _)| key))).await? else {
        return Ok(None);
    };
    let mut created = created.into_iter();
    let stamps = found.iter().map(|stamp| stamp.or_else(|| created.next().flatten()));
    Ok(stamps.collect())
}

/// Creates these stamps, unless they are there by now. `None` if the store has no memory for them.
async fn create<'a>(
    store: &dyn Store,
    missing: impl Iterator<Item = &'a StampKey>,
) -> Result<Option<Vec<Option<Stamp>>>, StoreError> {
    let random = || {
        Stamp::random()
            .map_err(|cause| StoreError::new(StoreErrorKind::Other, format!("no random numbers for a stamp: {cause}")))
    };
    let fresh = missing.map(|key| Ok((key, random()?)));
    let fresh: Vec<(&StampKey, Stamp)> = fresh.collect::<Result<_, StoreError>>()?;
    match store.create_stamps(&fresh).await {
        Ok(created) => Ok(Some(created)),
        // Reads and invalidations go on without memory; only fills cannot.
        Err(error) if error.kind() == StoreErrorKind::OutOfMemory => Ok(None),
        Err(error) => Err(error),
    }
}
