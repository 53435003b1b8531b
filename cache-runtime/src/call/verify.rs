//! The check of a sample of hits: their bodies run, too, and what they load is compared with what the cache has answered.
//!
//! A difference is a value that nobody has invalidated: a mutation without `#[invalidates]`, another program that writes to the
//! database, an argument that is missing in the key. Or it is a race: a mutation commits before it invalidates, and a body that runs in
//! between loads what is new while the old value is still what callers are to be given. So a difference counts only if the stamps that
//! the hit was found under are current some time after the body has ended.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{answer::Answer, loading::Loaded, lookup::Lookup, terms::LoadTerms};
use crate::{
    cache::Cache,
    entry::{Exact, Split, Ticket},
};

/// How long a mutation may take from its commit to the acknowledgement of its invalidation without being taken for none.
const SETTLING: Duration = Duration::from_secs(1);

/// As much of what was returned as serde tells apart.
#[derive(PartialEq, Eq)]
enum Form {
    Value(Box<[u8]>),
    Absent(u8),
}

impl Form {
    /// `None` of an error, and of what serde cannot write.
    fn of<R, S: Split<R>>(returned: &R) -> Option<Self>
    where
        S::Value: serde::Serialize,
    {
        match S::with_value(returned, |value| Exact::sorted(value).ok()) {
            Some(exact) => exact.map(|exact| Self::Value(exact.bytes().into())),
            None => S::absence(returned).map(Self::Absent),
        }
    }
}

impl Lookup {
    /// The answer; a hit is verified if there is a ticket for that.
    pub(super) fn with_verification<R>(&mut self, answer: Answer<R>, ticket: Option<Ticket>) -> Answer<R> {
        match (answer, ticket) {
            (Answer::Hit(hit, outcome), Some(ticket)) => {
                self.verifying = true;
                Answer::Verify(hit, outcome, ticket)
            }
            (answer, _) => answer,
        }
    }

    /// What a call returns whose hit was loaded anew: what was loaded; if the load has failed, what was found.
    pub(super) fn verified<R, T: LoadTerms<R>>(&self, hit: R, ticket: Ticket, loaded: Loaded<R>) -> R {
        let Loaded::Returned(loaded) = loaded else { return hit };
        self.compare::<R, T>((&hit, ticket), &loaded);
        loaded
    }

    /// Compares what was found on this ticket with what was loaded, and is returned in its place.
    pub(super) fn compare<R, T: LoadTerms<R>>(&self, (hit, ticket): (&R, Ticket), loaded: &R) {
        if let Some(record) = &self.record {
            record.has_replaced();
        }
        let forms = Form::of::<R, T::Split>(hit).zip(Form::of::<R, T::Split>(loaded));
        if forms.is_some_and(|(hit, loaded)| hit != loaded) {
            self.suspect(ticket);
        }
    }

    /// What was found is not what is loaded: that counts if nobody invalidates it within a while. Not looked at if as many others
    /// are.
    fn suspect(&self, ticket: Ticket) {
        let (cache, site) = (self.call.cache.clone(), self.call.site);
        let engine = &cache.engine;
        let runtime = engine.upstream.runtime().ok();
        let Some(place) = runtime.and_then(|runtime| engine.suspicions.place(runtime)) else {
            return;
        };
        place.spawn(async move {
            sleep(SETTLING).await;
            if is_current(&cache, &ticket).await {
                site.figures(&cache.engine).stale_detected.add(1);
                site.warn_of_stale(ticket.address().entry());
            }
        });
    }
}

/// Whether what was loaded on a ticket would be valid yet, whatever its tags.
async fn is_current(cache: &Cache, ticket: &Ticket) -> bool {
    let address = ticket.address();
    let stamps = address.stamps().iter().cloned().chain(address.epochs());
    let current = cache.engine.read_stamps(&Arc::new(address.of_stamps(stamps))).await;
    let of_ticket = ticket.stamps().iter().chain(ticket.epochs()).copied().map(Some);
    current.is_some_and(|current| of_ticket.eq(current))
}
