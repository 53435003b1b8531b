//! `load_timeout(soft = …)`: for how long a call waits that has old values to return.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
};

use futures_util::future::{Either, select};
use tokio::time::timeout;

use super::{
    Ids, Missing, SplitEach,
    load::{EachLoad, Failure, Pending},
    refresh::has_succeeded,
    returns::{EachTerms, IdReturn},
    work::OwnedWork,
};
use crate::{
    call::{
        lookup::Lookup,
        refresh,
        terms::{LoadTerms, ValueOf},
    },
    near::tier::Tier,
};

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
    /// Loads these. After the soft timeout not for longer than there is an id without any value: then the others are given their old
    /// ones, and what this call loads it loads in the background.
    ///
    /// # Errors
    ///
    /// As of [`load`](Self::load).
    pub(super) async fn load_within_soft_timeout(&mut self, missing: Vec<Pending>) -> Result<(), Failure<R>> {
        let soft = self.batch.site.policy().soft_timeout();
        let Some(soft) = soft.filter(|_| self.batch.has_old()) else {
            return self.load(missing).await;
        };
        let mut shared = self.shared(Arc::clone(&self.batch));
        let mut loading = Box::pin(async move { shared.load(missing).await });
        if let Ok(loaded) = timeout(soft, &mut loading).await {
            return loaded;
        }
        while !self.batch.is_old() {
            match select(&mut loading, pin!(self.batch.answered.notified())).await {
                Either::Left((loaded, _)) => return loaded,
                Either::Right(_) => {}
            }
        }
        let led = self.led();
        if let [(lookup, _), ..] = &led[..] {
            let Some(place) = lookup.place_in_background() else {
                // There is nobody who would go on with it.
                return loading.await;
            };
            let passes: Vec<_> = led.iter().filter_map(|(lookup, ground)| lookup.pass(*ground)).collect();
            let batch = Arc::clone(&self.batch);
            refresh::spawn(place, self.batch.site.resource(), async move {
                let loaded = loading.await;
                let resource = batch.site.resource();
                batch.count(|figures| refresh::end(figures, resource, passes, has_succeeded(&loaded)));
            });
        }
        self.batch.answer_stale();
        Ok(())
    }

    /// The old values that this call is loading anew, of which others wait for it: what another call loads is left to that one.
    fn led(&self) -> Vec<(&Lookup, u64)> {
        let lookup = |member: usize| {
            let lookup = self.batch.members[member].lookup.as_ref()?;
            let leads = lookup.leads.load(Ordering::Relaxed);
            leads.then_some((lookup, self.batch.ground_of_old(member)?))
        };
        self.batch.open().into_iter().filter_map(lookup).collect()
    }
}
