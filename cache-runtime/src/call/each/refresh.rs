//! The last stage of a call of several ids: old values that were returned are loaded again in the background, all of them by one run
//! of the body.

use std::sync::Arc;

use super::{
    Ids, Missing, SplitEach,
    batch::{Batch, IdAnswer, Member, OldValue},
    ids::Asked,
    load::{EachLoad, Failure, Pending},
    returns::{EachTerms, IdReturn},
    work::{OwnedWork, SharedWork},
};
use crate::{
    call::{
        lookup::Lookup,
        refresh::{self, RefreshPass, Replacement},
        terms::{LoadTerms, ValueOf},
    },
    entry::Ticket,
    near::tier::Tier,
    task::DetachedPlace,
};

/// What is loaded, each with the right to.
type Passes = Vec<(Pending, RefreshPass)>;

/// What a call loads again in the background.
#[derive(Default)]
pub(super) struct Refreshes {
    /// One for all of it.
    place: Option<DetachedPlace>,
    due: Vec<Refresh>,
    /// Those that are worth it before their time is over, and what is known of their right to fill.
    early: Vec<(usize, Lookup, Option<Ticket>)>,
}

/// An id that is loaded again.
struct Refresh {
    place: usize,
    lookup: Lookup,
    ticket: Option<Ticket>,
    pass: RefreshPass,
}

impl Refreshes {
    /// How the old value of an id comes to be replaced if it is returned now; `None` if it is not to be returned.
    pub(super) fn replacement_of<V, E>(
        &mut self,
        lookup: &Lookup,
        stale: &OldValue<V, E>,
        ticket: Option<&Ticket>,
    ) -> Option<Replacement> {
        lookup.replacement_of(stale, ticket, &mut self.place)
    }

    /// Has an id loaded again, unless somebody else does that.
    pub(super) fn push(
        &mut self,
        place: usize,
        lookup: Option<Lookup>,
        ticket: Option<Ticket>,
        replacement: Replacement,
    ) {
        if let (Some(lookup), Replacement::Due(pass)) = (lookup, replacement) {
            self.due.push(Refresh {
                place,
                lookup,
                ticket,
                pass,
            });
        }
    }

    /// The same, of one whose time is not over: to be [added](Self::add_early) when all are known.
    pub(super) fn push_early(&mut self, place: usize, lookup: Option<Lookup>, ticket: Option<Ticket>) {
        self.early.extend(lookup.map(|lookup| (place, lookup, ticket)));
    }

    pub(super) async fn add_early(&mut self) {
        for (place, lookup, ticket) in std::mem::take(&mut self.early) {
            let ticket = lookup.ticket_of_hit(ticket).await;
            let replacement = lookup.replacement(ticket.as_ref(), &mut self.place);
            self.push(place, Some(lookup), ticket, replacement);
        }
    }
}

impl<R, S, C, N, P, G, T, B, F> EachLoad<R, S, C, T, N, F, OwnedWork<P, G, B>>
where
    R: Send + 'static,
    C: Ids<Id: Send> + ?Sized + 'static,
    S: SplitEach<R, C::Id, Value: Send, IdError: Send> + 'static,
    P: FnOnce() -> (G, B),
    G: Fn(EachTerms<R, S, C>) -> T + Send + 'static,
    T: LoadTerms<IdReturn<S::Value, S::IdError>> + 'static,
    N: Tier<ValueOf<IdReturn<S::Value, S::IdError>, T>, Held: Send> + 'static,
    B: FnMut(Missing<C>) -> F + Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    /// What loads these ids, without the call if need be.
    pub(super) fn shared(
        &mut self,
        batch: Arc<Batch<C::Id, S::Value, S::IdError>>,
    ) -> EachLoad<R, S, C, T, N, F, SharedWork<G, B>> {
        EachLoad::new(batch, self.late, self.work.share())
    }

    /// Loads in the background what is to be loaded there.
    pub(super) fn refresh(&mut self, refreshes: Refreshes) {
        let Refreshes { place, due, .. } = refreshes;
        let (Some(place), false) = (place, due.is_empty()) else {
            return;
        };
        let ids = due.iter().map(|refresh| self.batch.id(refresh.place)).collect();
        let answers = due.iter().map(|_| IdAnswer::Open).collect();
        let (mut members, mut passes) = (Vec::with_capacity(due.len()), Vec::with_capacity(due.len()));
        for (place, refresh) in due.into_iter().enumerate() {
            let Refresh {
                lookup, ticket, pass, ..
            } = refresh;
            members.push(Member {
                place,
                lookup: Some(lookup),
                is_verified: false,
            });
            passes.push((Pending::new(place, ticket), pass));
        }
        let of = (self.batch.site, self.batch.cache.clone(), None);
        let batch = Batch::new(of, Asked::once(ids), members, answers);
        let load = self.shared(Arc::new(batch));
        refresh::spawn(place, self.batch.site.resource(), run(load, passes));
    }
}

async fn run<R, S, C, N, G, T, B, F>(mut load: EachLoad<R, S, C, T, N, F, SharedWork<G, B>>, refreshes: Passes)
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    G: Fn(EachTerms<R, S, C>) -> T,
    T: LoadTerms<IdReturn<S::Value, S::IdError>>,
    N: Tier<ValueOf<IdReturn<S::Value, S::IdError>, T>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    let (missing, passes): (Vec<Pending>, Vec<RefreshPass>) = refreshes.into_iter().unzip();
    let loaded = load.load(missing).await;
    let resource = load.batch.site.resource();
    load.batch
        .count(|figures| refresh::end(figures, resource, passes, has_succeeded(&loaded)));
}

/// Whether a load has come to something that replaces what is old.
pub(super) fn has_succeeded<R>(loaded: &Result<(), Failure<R>>) -> bool {
    match loaded {
        Ok(()) => true,
        Err(failure) => failure.is_stored,
    }
}
