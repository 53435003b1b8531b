//! The first stage of a call: the near cache and the store are asked.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::{cacheable::CacheableCall, entry_ref::EntryRef, mode::Mode, results::Results, value::Value};
use crate::{
    cache::{CallRecord, Engine, Freshness, Outcome, ResourceFigures, report},
    entry::{Function, Identity, LoadTime, Stamp, Ticket},
    key::recent::KnownCall,
    loads::Moment,
    near::NearLookup,
    protocol::Reading,
    resource::Policies,
};

/// One call while it is looked up, loaded and filled.
pub(super) struct Lookup {
    pub(super) call: CacheableCall,
    pub(super) known: Arc<KnownCall>,
    pub(super) near: Option<Box<NearLookup>>,
    pub(super) function: Function,
    /// What is known of what the function returns.
    pub(super) results: &'static Results,
    /// `None` as long as nobody needs to know which it is: with the store out of reach, for a near hit.
    pub(super) entry: Option<EntryRef>,
    /// When the call began, in the order of flights.
    pub(super) began: Moment,
    /// When the store was asked.
    pub(super) started: Instant,
    /// For who observes it.
    pub(super) record: Option<CallRecord>,
    /// Whether it has an answer, and loads to compare.
    pub(super) verifying: bool,
    /// Whether an old entry is there, which a load may find to be none any more.
    pub(super) has_old: bool,
    /// How many lookups it stands for where they are measured; 0 if it is not.
    pub(super) weight: u8,
    /// The time that the load took of what was found, in microseconds.
    spared: AtomicU32,
    /// Whether it has come to load, and does not wait for another call that does.
    pub(super) leads: AtomicBool,
    /// What a hit is verified on, if it is.
    pub(super) verification: Option<Ticket>,
}

/// What a look into the tiers has come to.
pub(super) enum Found {
    /// The store is not to be asked.
    Unasked,
    /// The stamps of now, of a value in the near cache that was to be checked.
    Stamps(Vec<Option<Stamp>>),
    /// What a call may fill on that loads whatever is there.
    Ticket(Option<Ticket>),
    /// What the store has said; `None` without an answer.
    Reading(Option<Reading>),
}

/// What the lookups of one call have in common: there is one for each id.
#[derive(Clone)]
pub(super) struct LookupStart {
    pub(super) call: CacheableCall,
    function: Function,
    results: &'static Results,
    began: Moment,
    started: Instant,
}

impl LookupStart {
    /// Gives the call back if values of the function are not stored any more.
    pub(super) fn of<V: Value>(call: CacheableCall, function: Function) -> Result<Self, CacheableCall> {
        let results = call.site.results.get::<V>(function, call.site.version());
        if results.is_given_up() {
            return Err(call);
        }
        Ok(Self {
            began: call.cache.engine.flights.now(),
            call,
            function,
            results,
            started: Instant::now(),
        })
    }

    pub(super) fn lookup(self, known: Arc<KnownCall>, near: Option<Box<NearLookup>>) -> Lookup {
        let Self {
            call,
            function,
            results,
            began,
            started,
        } = self;
        Lookup {
            record: CallRecord::begin(call.site.resource()),
            weight: call.site.figures(&call.cache.engine).next_weight(),
            spared: AtomicU32::new(0),
            call,
            known,
            near,
            function,
            results,
            entry: None,
            began,
            started,
            verifying: false,
            has_old: false,
            leads: AtomicBool::new(false),
            verification: None,
        }
    }
}

impl Lookup {
    pub(super) fn engine(&self) -> &Engine {
        &self.call.cache.engine
    }

    pub(super) fn policies(&self) -> &'static Policies {
        self.call.site.policy()
    }

    /// What is counted of the resource.
    pub(super) fn figures(&self) -> &ResourceFigures {
        self.call.site.figures(self.engine())
    }

    /// Tells what became of the call.
    pub(super) fn report(&self, outcome: Outcome) {
        let spared = LoadTime::from_micros(self.spared.load(Ordering::Relaxed));
        self.figures().count(outcome, spared);
        let (resource, tenant) = (self.call.site.resource(), &self.known.tenant);
        let (started, record) = (Some(self.started), self.record.as_ref());
        report(resource, Some(tenant), outcome, started, record);
    }

    /// What was found took so long to load.
    pub(super) fn note_spared(&self, load_time: LoadTime) {
        self.spared.store(load_time.micros(), Ordering::Relaxed);
    }

    /// What the near cache had was checked, and is returned.
    pub(super) fn note_checked(&self) {
        if let Some(record) = &self.record
            && let Some((remaining, revision)) = self.near.as_ref().and_then(|near| near.found())
        {
            record.has_found(Freshness::Fresh(remaining), revision);
        }
    }

    /// The store has been asked.
    pub(super) fn note_asked(&self) {
        if self.weight > 0 {
            self.figures().looked_up(self.started.elapsed(), self.weight);
        }
    }

    /// Asks the near cache and the store. When what was found in the near cache turns out to be none, to be called again.
    pub(super) async fn find(&mut self) -> Found {
        if !self.engine().may_read() {
            return Found::Unasked;
        }
        self.locate();
        if tracing::enabled!(tracing::Level::DEBUG) {
            let span = lookup_span(self.call.site.resource());
            // Boxed: where nobody listens it has no room.
            Box::pin(self.ask().instrument(span)).await
        } else {
            self.ask().await
        }
    }

    async fn ask(&mut self) -> Found {
        if self.is_anew() {
            // Boxed, as what follows: hardly any call does, and all have room for it.
            return Box::pin(self.ask_for_ticket()).await;
        }
        if self.call.verifies && self.verification.is_none() {
            // Before the hit is found: if its stamps are current later, they were when it was found.
            self.verification = Box::pin(self.engine().ticket(&self.known.address)).await.flatten();
        }
        let (Some(entry), engine) = (&self.entry, &self.call.cache.engine) else {
            return Found::Unasked;
        };
        if let Some(near) = &mut self.near {
            near.mark(entry.asked());
            if near.has_unchecked() {
                let stamps = engine.read_stamps(entry.asked()).await;
                return stamps.map_or(Found::Reading(None), Found::Stamps);
            }
        }
        let reading = engine.read(&entry.address, entry.tagged.as_ref(), &entry.identity);
        Found::Reading(reading.await)
    }

    /// Asks what the call may fill on, whatever is there.
    pub(super) async fn ask_for_ticket(&mut self) -> Found {
        let address = &self.known.address;
        if let Some(near) = &mut self.near {
            near.mark(address);
        }
        let ticket = self.call.cache.engine.ticket(address).await;
        ticket.map_or(Found::Reading(None), Found::Ticket)
    }

    /// To be called before the store is asked: where the entry of the call stands, and what it must prove.
    pub(super) fn locate(&mut self) {
        let known = &self.known;
        self.entry.get_or_insert_with(|| EntryRef {
            address: Arc::clone(&known.address),
            tagged: known.tagged(),
            identity: Identity {
                fingerprint: known.fingerprint,
                shape: self.results.shape,
            },
            replaced: None,
        });
    }

    /// Whether the call loads anew, whatever is there, and shares no load that began before it.
    pub(super) fn is_anew(&self) -> bool {
        self.call.mode.as_ref().is_some_and(Mode::is_refresh) || self.verifying
    }

    /// The entry that was stored at that time counts as none from here on.
    pub(super) fn replace(&mut self, stored_at: u64) {
        if let Some(entry) = &mut self.entry {
            entry.replaced = Some(stored_at);
        }
    }

    /// What a call that was answered may fill on: of a hit nobody has looked at holds and epochs.
    pub(super) async fn ticket_of_hit(&self, ticket: Option<Ticket>) -> Option<Ticket> {
        match ticket {
            Some(ticket) => Some(ticket),
            None => self.engine().ticket(&self.known.address).await.flatten(),
        }
    }
}

/// The span in which the store is asked.
pub(super) fn lookup_span(resource: &'static str) -> Span {
    tracing::debug_span!("cache.lookup", resource)
}
