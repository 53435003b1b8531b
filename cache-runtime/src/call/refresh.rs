//! Loads that nobody waits for, because there is a value to return meanwhile.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::timeout;
use tracing::Instrument;

use super::{
    answer::{Fallback, StaleValue},
    loading::{Loaded, Loading},
    lookup::Lookup,
    plan::Plan,
    terms::{LoadTerms, ValueOf},
};
use crate::{
    cache::{Outcome, ResourceFigures},
    entry::{LoadTime, Ticket},
    key::recent::KnownCall,
    near::tier::Tier,
    task::DetachedPlace,
};

/// For how long after a load has failed old values are returned without another one.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The right to load in the background, of one at a time for each call and the stamps that it has read: a load from before an
/// invalidation is no reason not to load after it. When it is dropped and the load has not succeeded, nobody has it for a while.
pub(super) struct RefreshPass {
    known: Arc<KnownCall>,
    ground: u64,
    succeeded: bool,
}

impl RefreshPass {
    /// `None` if another one has it, or a load has just failed.
    fn enter(known: &Arc<KnownCall>, ground: u64) -> Option<Self> {
        known.refreshes.enter(ground).then(|| Self {
            known: Arc::clone(known),
            ground,
            succeeded: false,
        })
    }

    fn end(mut self, succeeded: bool) {
        self.succeeded = succeeded;
    }
}

impl Drop for RefreshPass {
    fn drop(&mut self) {
        if self.succeeded {
            self.known.refreshes.leave(self.ground);
        } else {
            self.known.refreshes.shut(self.ground, RETRY_AFTER);
        }
    }
}

/// Whether an old value is being replaced.
pub(super) enum Replacement {
    /// Not yet: with this it can be.
    Due(RefreshPass),
    /// It is, or that has just been tried in vain.
    UnderWay,
    /// There are as many loads in the background as may be, or what is loaded could not be stored.
    Impossible,
}

/// Runs a load in the background, in a span of its own.
pub(super) fn spawn(place: DetachedPlace, resource: &'static str, load: impl Future<Output = ()> + Send + 'static) {
    let span = tracing::info_span!("cache.refresh", resource);
    span.follows_from(tracing::Span::current());
    place.spawn(load.instrument(span));
}

/// A load in the background is over, of the calls that had these passes.
pub(super) fn end(
    figures: &ResourceFigures,
    resource: &str,
    passes: impl IntoIterator<Item = RefreshPass>,
    succeeded: bool,
) {
    for pass in passes {
        pass.end(succeeded);
        if !succeeded {
            figures.failed_refreshes.add(1);
        }
    }
    if !succeeded {
        tracing::debug!(resource, "a load in the background has failed: what is old stays");
    }
}

/// Loads in the background, if that is due, in the place of an entry that is returned meanwhile.
pub(super) fn refresh<R, T, N, F>(
    lookup: Box<Lookup>,
    replacement: Replacement,
    place: Option<DetachedPlace>,
    ticket: Option<Ticket>,
    prepare: impl FnOnce() -> (T, F),
) where
    R: Send + 'static,
    T: LoadTerms<R> + Send + 'static,
    N: Tier<ValueOf<R, T>, Held: Send> + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let (Replacement::Due(pass), Some(place)) = (replacement, place) else {
        return;
    };
    let resource = lookup.call.site.resource();
    let (terms, body) = prepare();
    let loading = Loading::<R, T, N, _>::new(lookup, (terms, Box::pin(body)), ticket, None, Fallback::OldValue);
    spawn(place, resource, load_in_background(loading, pass));
}

async fn load_in_background<R, T, N, B>(mut loading: Loading<R, T, N, B>, pass: RefreshPass)
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
    B: Future<Output = R> + Unpin,
{
    let loaded = (&mut loading).await;
    loading.lookup().end_refresh(pass, &loaded);
}

/// Loads while the caller waits, but, with an old value, not for longer than the soft timeout: then it is given that, and the load
/// goes on in the background.
pub(super) async fn load_within_soft_timeout<R, T, N, B>(mut loading: Loading<R, T, N, B>, plan: Plan<R>) -> R
where
    R: Send + 'static,
    T: LoadTerms<R> + Send + 'static,
    N: Tier<ValueOf<R, T>, Held: Send> + 'static,
    B: Future<Output = R> + Send + Unpin + 'static,
{
    let soft = loading.lookup().policies().soft_timeout();
    let (stale, soft) = match (plan, soft) {
        (Plan::Hide(stale, _), Some(soft)) => (stale, soft),
        (plan, _) => {
            let loaded = (&mut loading).await;
            return plan.end::<T>(loading.lookup(), loaded);
        }
    };
    if let Ok(loaded) = timeout(soft, &mut loading).await {
        return loading.lookup().settle(loaded, *stale);
    }
    let lookup = loading.lookup();
    // Who waits for another call's load leaves it to that one.
    if lookup.leads.load(Ordering::Relaxed) {
        let place = lookup.place_in_background();
        let Some((place, pass)) = place.and_then(|place| Some((place, lookup.pass(stale.ground)?))) else {
            // There is nobody who would go on with it.
            let loaded = (&mut loading).await;
            return loading.lookup().settle(loaded, *stale);
        };
        lookup.report(Outcome::StaleHit);
        let resource = lookup.call.site.resource();
        spawn(place, resource, load_in_background(loading, pass));
    } else {
        lookup.report(Outcome::StaleHit);
    }
    stale.value
}

impl Lookup {
    /// How an old value comes to be replaced if it is returned now; `None` if it is not to be: then the caller loads. A value that was
    /// invalidated softly is returned only if it is replaced.
    pub(super) fn replacement_of<R>(
        &self,
        stale: &StaleValue<R>,
        ticket: Option<&Ticket>,
        place: &mut Option<DetachedPlace>,
    ) -> Option<Replacement> {
        let replacement = stale.may_revalidate.then(|| self.replacement(ticket, place))?;
        let is_kept = stale.is_invalidated && matches!(replacement, Replacement::Impossible);
        (!is_kept).then_some(replacement)
    }

    /// How the entry comes to be replaced, by a load in this `place`, which is taken if need be: calls that load together share it.
    pub(super) fn replacement(&self, ticket: Option<&Ticket>, place: &mut Option<DetachedPlace>) -> Replacement {
        let Some(ground) = ticket.map(Ticket::ground) else {
            return Replacement::Impossible;
        };
        // Many come while it is under way: they ask for no place.
        if self.known.refreshes.is_closed(ground) {
            return Replacement::UnderWay;
        }
        if place.is_none() {
            *place = self.place_in_background();
        }
        if place.is_none() {
            return Replacement::Impossible;
        }
        self.pass(ground).map_or(Replacement::UnderWay, Replacement::Due)
    }

    pub(super) fn place_in_background(&self) -> Option<DetachedPlace> {
        let engine = self.engine();
        engine.refreshes.place(engine.upstream.runtime().ok()?)
    }

    pub(super) fn pass(&self, ground: u64) -> Option<RefreshPass> {
        let pass = RefreshPass::enter(&self.known, ground)?;
        self.figures().refreshes.add(1);
        Some(pass)
    }

    fn end_refresh<R>(&self, pass: RefreshPass, loaded: &Loaded<R>) {
        let succeeded = matches!(loaded, Loaded::Returned(_));
        end(self.figures(), self.call.site.resource(), [pass], succeeded);
    }

    /// The old value, if a load has just failed, or one runs in the background.
    pub(super) fn stale_at_once<R>(&self, stale: StaleValue<R>) -> Result<R, StaleValue<R>> {
        if stale.may_hide_error && self.known.refreshes.is_closed(stale.ground) {
            self.report(Outcome::StaleHit);
            Ok(stale.value)
        } else {
            Err(stale)
        }
    }

    /// What a call returns that has loaded and has an old value.
    pub(super) fn settle<R>(&self, loaded: Loaded<R>, stale: StaleValue<R>) -> R {
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
                self.known.refreshes.shut(stale.ground, RETRY_AFTER);
                let (resource, key) = (self.call.site.resource(), self.known.address.entry());
                tracing::info!(resource, key, "a load has failed: an old value is returned");
                self.note_spared(LoadTime::ZERO);
                self.report(Outcome::StaleHit);
                stale.value
            }
        }
    }
}
