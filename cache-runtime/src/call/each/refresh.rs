//! The last stage of a call of several ids: old values that were returned are loaded again in the background, all of them by one run
//! of the body.

use tracing::Instrument;

use super::{
    Ids, Missing, SplitEach,
    call::{Begun, IdAnswer, Member},
    ids::Asked,
    load::{EachLoad, OldValue, Pending},
    returns::EachTerms,
    work::{OwnedWork, Work},
};
use crate::{
    call::{
        lookup::Lookup,
        refresh::{Pass, RefreshPass},
        terms::{LoadTerms, ValueOf},
    },
    entry::Ticket,
    near::tier::Tier,
    task::DetachedPlace,
};

/// A call that nobody waits for.
type BackgroundLoad<R, S, C, T, N, F, G, B> = EachLoad<R, S, C, T, N, F, Work<G, B>>;

/// What is loaded, each with the right to.
type Passes = Vec<(Pending, RefreshPass)>;

/// What a call loads again in the background.
#[derive(Default)]
pub(super) struct Refreshes {
    /// One for all of it.
    place: Option<DetachedPlace>,
    due: Vec<Refresh>,
}

/// A member that is loaded again.
struct Refresh {
    member: usize,
    ticket: Option<Ticket>,
    pass: RefreshPass,
}

impl Refreshes {
    /// Has a member loaded again, unless somebody else does that.
    pub(super) fn add(&mut self, member: usize, lookup: &Lookup, ticket: Option<Ticket>) {
        if let Pass::Due(pass) = lookup.pass_beside(ticket.as_ref(), &mut self.place) {
            self.due.push(Refresh { member, ticket, pass });
        }
    }

    /// As [`add`](Self::add), of a member with an old value. Returns whether that may be returned meanwhile: one that was
    /// invalidated softly only if it is replaced.
    pub(super) fn add_stale<V>(
        &mut self,
        member: usize,
        lookup: &Lookup,
        stale: &OldValue<V>,
        ticket: Option<&Ticket>,
    ) -> bool {
        if !stale.may_revalidate {
            return false;
        }
        match lookup.pass_beside(ticket, &mut self.place) {
            Pass::Due(pass) => {
                let ticket = ticket.cloned();
                self.due.push(Refresh { member, ticket, pass });
                true
            }
            Pass::UnderWay => true,
            Pass::Impossible => !stale.is_invalidated,
        }
    }
}

impl<R, S, C, N, P, G, T, B, F> EachLoad<R, S, C, T, N, F, OwnedWork<P, G, B>>
where
    R: Send + 'static,
    C: Ids<Id: Send> + ?Sized + 'static,
    S: SplitEach<R, C::Id, Value: Send> + 'static,
    P: FnOnce() -> (G, B),
    G: Fn(EachTerms<R, S, C>) -> T + Send + 'static,
    T: LoadTerms<Option<S::Value>> + 'static,
    N: Tier<ValueOf<Option<S::Value>, T>, Held: Send> + 'static,
    B: FnMut(Missing<C>) -> F + Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    /// Loads in the background what is to be loaded there.
    pub(super) fn refresh(&mut self) {
        let Refreshes { place, due } = std::mem::take(&mut self.refreshes);
        let (Some(place), false) = (place, due.is_empty()) else {
            return;
        };
        let Some(work) = self.work.take() else { return };
        let load = self.background(&due, work);
        let refreshes = due.into_iter().enumerate();
        let refreshes = refreshes.map(|(member, Refresh { ticket, pass, .. })| (Pending::new(member, ticket), pass));
        let refreshes = refreshes.collect();
        let span = tracing::info_span!("refresh", resource = self.site.resource());
        span.follows_from(tracing::Span::current());
        place.spawn(run(load, refreshes).instrument(span));
    }

    /// A call of those that are loaded again alone.
    fn background(&mut self, due: &[Refresh], work: Work<G, B>) -> BackgroundLoad<R, S, C, T, N, F, G, B> {
        let mut ids = Vec::with_capacity(due.len());
        let mut members = Vec::with_capacity(due.len());
        for (place, refresh) in due.iter().enumerate() {
            let Member { place: asked, lookup } = &mut self.members[refresh.member];
            ids.push(self.asked.ids[*asked].clone());
            members.push(Member {
                place,
                lookup: lookup.take(),
            });
        }
        let begun = Begun {
            site: self.site,
            cache: self.cache.clone(),
            mode: None,
            answers: ids.iter().map(|_| IdAnswer::Open).collect(),
            members,
        };
        EachLoad::new(Asked::once(ids), begun, work)
    }
}

async fn run<R, S, C, N, G, T, B, F>(mut load: BackgroundLoad<R, S, C, T, N, F, G, B>, refreshes: Passes)
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    G: Fn(EachTerms<R, S, C>) -> T,
    T: LoadTerms<Option<S::Value>>,
    N: Tier<ValueOf<Option<S::Value>, T>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    let (missing, passes): (Vec<Pending>, Vec<RefreshPass>) = refreshes.into_iter().unzip();
    let has_succeeded = load.load(missing).await.is_ok();
    if let (false, Some(engine)) = (has_succeeded, load.engine()) {
        engine.counters.failed_refreshes.add(passes.len() as u64);
        let resource = load.site.resource();
        tracing::debug!(resource, "a load in the background has failed: the old values stay");
    }
    for pass in passes {
        pass.end(has_succeeded);
    }
}
