//! The entry that a call is about, and what the store has of it.

use std::sync::Arc;

use crate::{
    cache::Engine,
    entry::{Envelope, Identity, Rejection, Ticket},
    key::Address,
    protocol::{EntryQuery, Reading},
};

/// Where an entry stands, and what it must prove.
#[derive(Debug)]
pub(super) struct EntryRef {
    pub(super) address: Arc<Address>,
    /// The same with the tags that the entry had last, if that is known.
    pub(super) tagged: Option<Arc<Address>>,
    pub(super) identity: Identity,
    /// When the entry was stored that is to be replaced although its time is not over: it is none.
    pub(super) replaced: Option<u64>,
}

/// What the store has of an entry.
pub(super) struct StoreAnswer {
    /// The entry, if it is valid.
    pub(super) envelope: Option<Envelope>,
    /// An entry that is of use only in its stale windows. Boxed: hits have no room for it.
    pub(super) stale: Option<Box<StaleEntry>>,
    /// The right to fill.
    pub(super) ticket: Option<Ticket>,
    /// Why an entry that was there was refused.
    pub(super) rejected: Option<Rejection>,
    /// `false` if the store was not to be asked, or has not answered in time.
    pub(super) is_known: bool,
}

/// An old entry.
pub(super) struct StaleEntry {
    pub(super) envelope: Envelope,
    /// Whether it was invalidated softly: then it is of use only if it is replaced.
    pub(super) is_invalidated: bool,
}

impl EntryRef {
    /// Asks the store for the entry.
    pub(super) async fn read(&self, engine: &Engine) -> StoreAnswer {
        self.answer(engine.read(&self.address, self.tagged.as_ref(), &self.identity).await)
    }

    /// The entry, to be asked for together with others.
    pub(super) fn query(&self) -> EntryQuery<'_> {
        EntryQuery {
            address: &self.address,
            tagged: self.tagged.as_ref(),
            identity: self.identity,
        }
    }

    /// The address to ask for.
    pub(super) fn asked(&self) -> &Arc<Address> {
        self.tagged.as_ref().unwrap_or(&self.address)
    }

    /// What the store has, as it has answered. Of a hit's way [`read`](Self::read) would be one future more.
    #[inline]
    pub(super) fn answer(&self, reading: Option<Reading>) -> StoreAnswer {
        let mut answer = StoreAnswer {
            envelope: None,
            stale: None,
            ticket: None,
            rejected: None,
            is_known: reading.is_some(),
        };
        match reading {
            Some(Reading::Hit { envelope, ticket }) => {
                // A hit has not looked at the holds, nor at epochs.
                let may_fill = !self.address.has_holds() && self.address.kinds().is_empty();
                answer.ticket = Some(ticket).filter(|_| may_fill);
                answer.envelope = Some(envelope).filter(|envelope| !self.is_replaced(envelope));
            }
            Some(Reading::Stale {
                envelope,
                ticket,
                is_invalidated,
            }) => {
                let stale = StaleEntry {
                    envelope,
                    is_invalidated,
                };
                (answer.stale, answer.ticket) = (Some(Box::new(stale)), ticket);
            }
            Some(Reading::Miss { ticket, rejected }) => (answer.ticket, answer.rejected) = (ticket, rejected),
            None => {}
        }
        answer
    }

    fn is_replaced(&self, envelope: &Envelope) -> bool {
        self.replaced.is_some_and(|replaced| replaced == envelope.created_at())
    }
}
