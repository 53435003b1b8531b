//! What makes a read and a fill valid where the load finds out what the entry depends on.
//!
//! A tag's stamp that is read after the load says nothing of the time before. That time is covered by the epoch of the tag's bucket:
//! it is read before the load, and every invalidation of a tag in the bucket removes it *before* it removes the tag's stamp. So the
//! tag's stamp is read first after the load, and then the epoch again: whoever has a stamp from after its removal finds that the
//! epoch has moved.

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::{EntryQuery, Reading, complete};
use crate::{
    entry::{Identity, Sealing, Stamp, Ticket},
    key::{Address, StampKey},
    protocol::Envelope,
    store::{Store, StoreError},
};

/// As `read_entry`, of a function whose loads find tags: a hit has current stamps of all tags that the entry names, and with the right
/// to fill come the epochs.
pub(super) async fn read_entry(
    store: &dyn Store,
    address: &Arc<Address>,
    tagged: Option<&Arc<Address>>,
    identity: &Identity,
    sealing: &Sealing,
) -> Result<Reading, StoreError> {
    let mut snapshot = store.read(tagged.unwrap_or(address)).await?;
    let asked = snapshot.stamps.split_off(address.stamps().len());
    let reading = super::read_entry(store, address, snapshot, identity, sealing).await?;
    let mut reading = check(store, address, tagged, &asked, reading).await?;
    if let Some(ticket) = reading.ticket_to_fill() {
        *ticket = with_epochs(store, ticket.take()).await?;
    }
    Ok(reading)
}

/// As [`read_entry`], of entries that were read together: the epochs that they share are read once. `asked` are the stamps of the tags
/// that were asked for with each.
pub(super) async fn check_many(
    store: &dyn Store,
    entries: &[EntryQuery<'_>],
    asked: &[Vec<Option<Stamp>>],
    readings: Vec<Reading>,
) -> Result<Vec<Reading>, StoreError> {
    let checked = entries.iter().zip(asked).zip(readings);
    let checked = checked.map(|((entry, asked), reading)| check(store, entry.address, entry.tagged, asked, reading));
    let mut readings = try_join_all(checked).await?;
    // Of these kinds, usually those of all: there are others in another tenant.
    let mut known: Vec<(&[StampKey], Option<Vec<Stamp>>)> = Vec::new();
    for (entry, reading) in entries.iter().zip(&mut readings) {
        let kinds = entry.address.kinds();
        let Some(ticket) = reading.ticket_to_fill().filter(|_| !kinds.is_empty()) else {
            continue;
        };
        if !known.iter().any(|(known, _)| *known == kinds) {
            known.push((kinds, epochs(store, entry.address).await?));
        }
        let epochs = known.iter().find(|(known, _)| *known == kinds);
        let epochs = epochs.and_then(|(_, epochs)| epochs.clone());
        *ticket = ticket
            .take()
            .zip(epochs)
            .map(|(ticket, epochs)| ticket.with_epochs(epochs));
    }
    Ok(readings)
}

/// The reading, if the stamps of all tags of its entry are current: else there is none.
async fn check(
    store: &dyn Store,
    address: &Address,
    tagged: Option<&Arc<Address>>,
    asked: &[Option<Stamp>],
    reading: Reading,
) -> Result<Reading, StoreError> {
    let asked = Asked {
        keys: tagged.map(|tagged| tagged.tags()).unwrap_or_default(),
        stamps: asked,
    };
    let envelope = match &reading {
        Reading::Hit { envelope, .. } | Reading::Stale { envelope, .. } => envelope,
        Reading::Miss { .. } => return Ok(reading),
    };
    if has_current_tags(store, address, envelope, &asked).await? {
        return Ok(reading);
    }
    Ok(Reading::Miss {
        ticket: match reading {
            Reading::Hit { ticket, .. } => Some(ticket),
            Reading::Stale { ticket, .. } | Reading::Miss { ticket, .. } => ticket,
        },
        rejected: None,
    })
}

/// Tags that were asked for together with the entry.
struct Asked<'a> {
    keys: &'a [StampKey],
    stamps: &'a [Option<Stamp>],
}

/// Whether the stamps of all tags of an entry are those that it was stored under.
async fn has_current_tags(
    store: &dyn Store,
    address: &Address,
    envelope: &Envelope,
    asked: &Asked<'_>,
) -> Result<bool, StoreError> {
    let Some(keys) = keys(address, envelope) else {
        return Ok(false);
    };
    let stored = || envelope.tags().map(|tag| Some(tag.stamp));
    if keys == asked.keys {
        return Ok(stored().eq(asked.stamps.iter().copied()));
    }
    let of_tags = Arc::new(address.of_stamps(keys));
    let current = store.read_stamps(&of_tags).await?;
    Ok(stored().eq(current))
}

/// The address with the tags that a valid entry names.
pub(crate) fn with_tags(address: &Address, envelope: &Envelope) -> Address {
    address.with_tags(keys(address, envelope).unwrap_or_default())
}

/// The keys of the stamps of an entry's tags; `None` if one is of a kind that the function does not find.
fn keys(address: &Address, envelope: &Envelope) -> Option<Vec<StampKey>> {
    let key = |kind: &str, value: &str| key(address, kind, value);
    envelope.tags().map(|tag| key(tag.kind, tag.value)).collect()
}

fn key(address: &Address, kind: &str, value: &str) -> Option<StampKey> {
    let kind = address.kinds().iter().find(|declared| declared.kind() == kind)?;
    Some(kind.tag(value))
}

/// The ticket with the epochs of the kinds of tags that the load may find, read or created now; `None` if they could not be had.
pub(super) async fn with_epochs(store: &dyn Store, ticket: Option<Ticket>) -> Result<Option<Ticket>, StoreError> {
    let Some(ticket) = ticket else { return Ok(None) };
    let epochs = epochs(store, ticket.address()).await?;
    Ok(epochs.map(|epochs| ticket.with_epochs(epochs)))
}

async fn epochs(store: &dyn Store, address: &Address) -> Result<Option<Vec<Stamp>>, StoreError> {
    let of_epochs = Arc::new(address.of_stamps(address.epochs()));
    let found = store.read_stamps(&of_epochs).await?;
    complete(store, of_epochs.stamps(), &found).await
}

/// The address with these tags (kind and escaped value), and the stamps of these, to store under on this ticket: read or created now,
/// after the load. `None` if one could not be had, or if an epoch of one of the tags has moved since the ticket was handed out: then
/// nothing is to be stored.
///
/// # Errors
///
/// What the store's `create_stamps` or `read_stamps` returned.
pub(crate) async fn stamps_of_tags(
    store: &dyn Store,
    ticket: &Ticket,
    tags: &[(&'static str, String)],
) -> Result<Option<(Arc<Address>, Vec<Stamp>)>, StoreError> {
    let address = ticket.address();
    let Some(keys) = tags
        .iter()
        .map(|(kind, value)| key(address, kind, value))
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(None);
    };
    let before: Option<Vec<(StampKey, Stamp)>> = tags.iter().map(|(kind, value)| epoch(ticket, kind, value)).collect();
    let Some(before) = before else { return Ok(None) };
    // The stamps first, the epochs second: in one round trip where that is kept.
    let mut asked = keys.clone();
    if store.keeps_order() {
        asked.extend(before.iter().map(|(epoch, _)| epoch.clone()));
    }
    let Some(mut stamps) = complete(store, &asked, &vec![None; asked.len()]).await? else {
        return Ok(None);
    };
    let after: Vec<Option<Stamp>> = if store.keeps_order() {
        stamps.split_off(keys.len()).into_iter().map(Some).collect()
    } else {
        let of_epochs = address.of_stamps(before.iter().map(|(epoch, _)| epoch.clone()));
        store.read_stamps(&Arc::new(of_epochs)).await?
    };
    let has_moved = !before.iter().map(|(_, epoch)| Some(*epoch)).eq(after);
    Ok((!has_moved).then(|| (Arc::new(address.with_tags(keys)), stamps)))
}

/// The epoch of the bucket that a tag is in, as the ticket has it; `None` if it has none.
fn epoch(ticket: &Ticket, kind: &str, value: &str) -> Option<(StampKey, Stamp)> {
    let kinds = ticket.address().kinds();
    let position = kinds.iter().position(|declared| declared.kind() == kind)?;
    let epoch = ticket
        .epochs()
        .get(position * StampKey::EPOCHS + StampKey::bucket(value))?;
    Some((kinds[position].epoch_of(value), *epoch))
}
