//! Loads that nobody waits for, because there is a value to return meanwhile.

use std::{
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::timeout;
use tracing::Instrument;

use super::{
    load::{Fallback, Loaded},
    lookup::{Lookup, StaleValue},
    terms::{LoadTerms, ValueOf},
};
use crate::{cache::Outcome, entry::Ticket, key::recent::KnownCall, near::tier::Tier, task::DetachedPlace};

/// For how long after a load has failed old values are returned without another one.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The right to load in the background, of one at a time for each call. When it is dropped and the load has not succeeded, nobody
/// has it for a while.
struct RefreshPass {
    known: Arc<KnownCall>,
    succeeded: bool,
}

impl RefreshPass {
    /// `None` if another one has it, or a load has just failed.
    fn enter(known: &Arc<KnownCall>) -> Option<Self> {
        known.refreshes.enter().then(|| Self {
            known: Arc::clone(known),
            succeeded: false,
        })
    }
}

impl Drop for RefreshPass {
    fn drop(&mut self) {
        if self.succeeded {
            self.known.refreshes.leave();
        } else {
            self.known.refreshes.shut(RETRY_AFTER);
        }
    }
}

impl Lookup {
    /// Loads in the background, in the place of an entry that is returned meanwhile. Not if that is done already, was done in vain
    /// just now, or could not be stored.
    pub(super) fn refresh<R, T, N, F>(self, ticket: Option<Ticket>, prepare: impl FnOnce() -> (T, F))
    where
        R: Send + 'static,
        T: LoadTerms<R> + Send + 'static,
        ValueOf<R, T>: Send,
        N: Tier<ValueOf<R, T>, Held: Send> + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        if ticket.is_none() {
            return;
        }
        let Some((pass, place)) = self.background() else {
            return;
        };
        let (terms, body) = prepare();
        let resource = self.call.site.resource();
        let span = tracing::info_span!("refresh", resource);
        span.follows_from(tracing::Span::current());
        place.spawn(
            async move {
                let body = pin!(body);
                let loaded = self.load::<R, T, N, F>(terms, ticket, Fallback::OldValue, body).await;
                self.end_refresh(pass, &loaded);
            }
            .instrument(span),
        );
    }

    /// What a load in the background needs; `None` if there is one, one has just failed, or there are as many as may be.
    fn background(&self) -> Option<(RefreshPass, DetachedPlace)> {
        let engine = self.engine();
        let place = engine.refreshes.place(engine.upstream.runtime().ok()?)?;
        let pass = RefreshPass::enter(&self.call.known)?;
        engine.counters.refreshes.add(1);
        Some((pass, place))
    }

    fn end_refresh<R>(&self, mut pass: RefreshPass, loaded: &Loaded<R>) {
        pass.succeeded = matches!(loaded, Loaded::Returned(_));
        if !pass.succeeded {
            self.engine().counters.failed_refreshes.add(1);
            let resource = self.call.site.resource();
            tracing::debug!(resource, "a load in the background has failed: the old value stays");
        }
    }

    /// Loads while the caller waits, but not for longer than the soft timeout: then it is given the old value, and the load goes on
    /// in the background.
    pub(super) async fn load_within_soft_timeout<R, T, N, F>(
        self,
        terms: T,
        ticket: Option<Ticket>,
        stale: StaleValue<R>,
        body: F,
    ) -> R
    where
        R: Send + 'static,
        T: LoadTerms<R> + Send + 'static,
        ValueOf<R, T>: Send,
        N: Tier<ValueOf<R, T>, Held: Send> + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        let Some(soft) = self.policies().soft_timeout() else {
            return self.load_or_stale::<R, T, N, F>(terms, ticket, stale, pin!(body)).await;
        };
        let stale = match self.stale_at_once(stale) {
            Ok(value) => return value,
            Err(stale) => stale,
        };
        let lookup = Arc::new(self);
        let loader = Arc::clone(&lookup);
        let fallback = stale.fallback();
        let mut loading = Box::pin(async move {
            let body = pin!(body);
            loader.load::<R, T, N, F>(terms, ticket, fallback, body).await
        });
        if let Ok(loaded) = timeout(soft, &mut loading).await {
            return lookup.settle(loaded, stale);
        }
        // Who waits for another call's load leaves it to that one.
        if lookup.leads.load(Ordering::Relaxed) {
            let Some((pass, place)) = lookup.background() else {
                // There is nobody who would go on with it.
                return lookup.settle(loading.await, stale);
            };
            let lookup = Arc::clone(&lookup);
            place.spawn(async move { lookup.end_refresh(pass, &loading.await) });
        }
        lookup.report(Outcome::StaleHit);
        stale.value
    }

    /// Loads while the caller waits, who is given the old value if the load fails.
    pub(super) async fn load_or_stale<R, T, N, F>(
        self,
        terms: T,
        ticket: Option<Ticket>,
        stale: StaleValue<R>,
        body: Pin<&mut F>,
    ) -> R
    where
        T: LoadTerms<R>,
        N: Tier<ValueOf<R, T>>,
        F: Future<Output = R>,
    {
        let stale = match self.stale_at_once(stale) {
            Ok(value) => return value,
            Err(stale) => stale,
        };
        let fallback = stale.fallback();
        let loaded = self.load::<R, T, N, F>(terms, ticket, fallback, body).await;
        self.settle(loaded, stale)
    }

    /// The old value, if a load has just failed, or one runs in the background.
    fn stale_at_once<R>(&self, stale: StaleValue<R>) -> Result<R, StaleValue<R>> {
        if stale.may_hide_error && self.call.known.refreshes.is_closed() {
            self.report(Outcome::StaleHit);
            Ok(stale.value)
        } else {
            Err(stale)
        }
    }

    /// What a call returns that has loaded and has an old value.
    fn settle<R>(&self, loaded: Loaded<R>, stale: StaleValue<R>) -> R {
        match loaded {
            Loaded::Returned(returned) => {
                self.report(Outcome::Miss);
                returned
            }
            Loaded::Failed(returned) if !stale.may_hide_error => {
                self.report(Outcome::Miss);
                returned
            }
            Loaded::Failed(_) | Loaded::OtherFailed => {
                self.call.known.refreshes.shut(RETRY_AFTER);
                let (resource, key) = (self.call.site.resource(), self.call.known.address.entry());
                tracing::info!(resource, key, "a load has failed: an old value is returned");
                self.report(Outcome::StaleHit);
                stale.value
            }
        }
    }
}
