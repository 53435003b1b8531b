//! The entry that a call is about, and what the store has of it.

use std::sync::Arc;

use crate::{
    cache::Engine,
    entry::{Envelope, Identity, Rejection, Ticket},
    key::Address,
    protocol::Reading,
};

/// Where an entry stands, and what it must prove.
#[derive(Debug)]
pub(super) struct EntryRef {
    pub(super) address: Arc<Address>,
    pub(super) identity: Identity,
}

/// What the store has of an entry.
pub(super) struct StoreAnswer {
    /// The entry, if it is valid.
    pub(super) envelope: Option<Envelope>,
    /// The right to fill.
    pub(super) ticket: Option<Ticket>,
    /// Why an entry that was there was refused.
    pub(super) rejected: Option<Rejection>,
    /// `false` if the store was not to be asked, or has not answered in time.
    pub(super) is_known: bool,
}

impl EntryRef {
    /// Asks the store for the entry.
    pub(super) async fn read(&self, engine: &Engine) -> StoreAnswer {
        self.answer(engine.read(&self.address, &self.identity).await)
    }

    /// What the store has, as it has answered. Of a hit's way [`read`](Self::read) would be one future more.
    #[inline]
    pub(super) fn answer(&self, reading: Option<Reading>) -> StoreAnswer {
        let is_known = reading.is_some();
        let (envelope, ticket, rejected) = match reading {
            // A hit has not looked at the holds.
            Some(Reading::Hit { envelope, ticket }) => {
                (Some(envelope), Some(ticket).filter(|_| !self.address.has_holds()), None)
            }
            Some(Reading::Miss { ticket, rejected }) => (None, ticket, rejected),
            None => (None, None, None),
        };
        StoreAnswer {
            envelope,
            ticket,
            rejected,
            is_known,
        }
    }
}
