//! The last stage of a call of several ids: old values that were returned are loaded again in the background, all of them by one run
//! of the body.

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
        refresh::{self, RefreshPass, Replacement},
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
        let replacement = lookup.replacement(ticket.as_ref(), &mut self.place);
        self.push(member, ticket, replacement);
    }

    /// As [`add`](Self::add), of a member with an old value. Returns whether that may be returned meanwhile.
    pub(super) fn add_stale<V>(
        &mut self,
        member: usize,
        lookup: &Lookup,
        stale: &OldValue<V>,
        ticket: Option<&Ticket>,
    ) -> bool {
        let replacement = lookup.replacement_of(stale, ticket, &mut self.place);
        let is_returned = replacement.is_some();
        if let Some(replacement) = replacement {
            self.push(member, ticket.cloned(), replacement);
        }
        is_returned
    }

    fn push(&mut self, member: usize, ticket: Option<Ticket>, replacement: Replacement) {
        if let Replacement::Due(pass) = replacement {
            self.due.push(Refresh { member, ticket, pass });
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
        refresh::spawn(place, self.site.resource(), run(load, refreshes));
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
    if let Some(engine) = load.engine() {
        refresh::end(&engine, load.site.resource(), passes, has_succeeded);
    }
}
