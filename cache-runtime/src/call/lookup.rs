//! The first stage of a call: the near cache and the store are asked.

use std::sync::Arc;

use super::{
    cacheable::CacheableCall,
    entry_ref::{EntryRef, StoreAnswer},
    results::Results,
    value::Value,
};
use crate::{
    cache::{Engine, Outcome},
    entry::{Envelope, Function, Identity, Rejection, Ticket},
    loads::Moment,
    near::{NearLookup, Origin, tier::Tier},
};

/// One call while it is looked up, loaded and filled.
pub(super) struct Lookup<'a> {
    pub(super) call: &'a CacheableCall,
    pub(super) function: Function,
    /// What is known of what the function returns.
    pub(super) results: &'static Results,
    pub(super) near: Option<Box<NearLookup>>,
    /// `None` as long as nobody needs to know which it is: with the store out of reach, for a near hit.
    pub(super) entry: Option<EntryRef>,
    /// When the call began, in the order of flights.
    pub(super) began: Moment,
    /// Whether it loads anew, whatever is stored, and shares no load that began before it.
    pub(super) anew: bool,
}

/// What a lookup makes of the call.
pub(super) enum Answer<T> {
    Hit(T, Outcome),
    Load(Option<Ticket>, Outcome),
}

impl Lookup<'_> {
    pub(super) fn engine(&self) -> &Engine {
        &self.call.cache.engine
    }

    /// Looks the call up.
    pub(super) async fn answer<T: Value, N: Tier<T>>(&mut self) -> Answer<T> {
        if !self.engine().may_read() {
            return Answer::Load(None, Outcome::Bypass);
        }
        let known = &self.call.known;
        let entry = EntryRef {
            address: Arc::clone(&known.address),
            identity: Identity {
                fingerprint: known.fingerprint,
                shape: self.results.shape,
            },
        };
        let answer = if self.anew {
            self.look_for_ticket(&entry).await
        } else {
            self.look::<T, N>(&entry).await
        };
        self.entry = Some(entry);
        answer
    }

    /// What the call may fill on, whatever is there.
    async fn look_for_ticket<T>(&mut self, entry: &EntryRef) -> Answer<T> {
        if let Some(near) = &mut self.near {
            near.mark(&entry.address);
        }
        match self.engine().ticket(&entry.address).await {
            Some(ticket) => Answer::Load(ticket, Outcome::Refreshed),
            None => Answer::Load(None, Outcome::Bypass),
        }
    }

    async fn look<T: Value, N: Tier<T>>(&mut self, entry: &EntryRef) -> Answer<T> {
        let engine = &self.call.cache.engine;
        if let Some(near) = &mut self.near {
            near.mark(&entry.address);
            if near.has_unchecked() {
                let Some(stamps) = engine.read_stamps(&entry.address).await else {
                    return Answer::Load(None, Outcome::Bypass);
                };
                if let Some(value) = near.checked::<T, N>(&stamps) {
                    return Answer::Hit(value, Outcome::NearHit);
                }
            }
        }
        let StoreAnswer {
            envelope,
            ticket,
            rejected,
            is_known,
        } = entry.answer(engine.read(&entry.address, &entry.identity).await);
        if rejected == Some(Rejection::Function) {
            self.call.site.note_shared_key(entry.address.entry());
        }
        match envelope.map(|envelope| self.decode::<T, N>(entry, &envelope)) {
            Some(Some(value)) => Answer::Hit(value, Outcome::Hit),
            Some(None) => Answer::Load(ticket, Outcome::Rejected),
            None if rejected.is_some() => Answer::Load(ticket, Outcome::Rejected),
            None if is_known => Answer::Load(ticket, Outcome::Miss),
            None => Answer::Load(None, Outcome::Bypass),
        }
    }

    /// The value of an entry; it is kept in the process, if the function wants that.
    pub(super) fn decode<T: Value, N: Tier<T>>(&self, entry: &EntryRef, envelope: &Envelope) -> Option<T> {
        let encoded = envelope.encoded().ok();
        let decoded = encoded.and_then(|encoded| Some((encoded.decode().ok()?, encoded.len())));
        let Some((value, len)) = decoded else {
            self.engine().note_rejection(&entry.address, Rejection::Decode);
            self.results
                .note_unfaithful(self.call.site.path(), "an entry of it could not be decoded");
            return None;
        };
        self.results.note_faithful();
        if let Some((near, held)) = self.near.as_ref().zip(N::hold(&value)) {
            near.keep::<T, N>(Origin::Read, held, envelope.stamps(), envelope.remaining(), len);
        }
        Some(value)
    }
}
