//! What a call of several ids runs if it has to load.

use super::{
    Ids, Missing, SplitEach,
    returns::{EachTerms, IdReturn},
};
use crate::{
    call::terms::LoadTerms,
    sync::{Arc, Mutex},
};

/// The body, and what the attribute says of the values that it returns.
//
// `T` and `F` are parameters and no associated types: the compiler would have to find them for every lifetime in `R`, to see that the
// future of a call is `Send`.
pub(super) trait EachWork<R, S, C: Ids + ?Sized, T, F> {
    /// What is to become of the next value.
    fn terms(&mut self) -> T;

    /// Begins a run of the body for these ids.
    fn begin(&mut self, ids: Missing<C>) -> F;
}

/// The work of a call whose body is its caller's, or of one in the background.
pub(super) struct Work<G, B> {
    pub(super) terms: G,
    pub(super) body: B,
}

impl<R, S, C, G, T, B, F> EachWork<R, S, C, T, F> for Work<G, B>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    G: Fn(EachTerms<R, S, C>) -> T,
    T: LoadTerms<IdReturn<S::Value, S::IdError>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    fn terms(&mut self) -> T {
        (self.terms)(EachTerms::new())
    }

    fn begin(&mut self, ids: Missing<C>) -> F {
        (self.body)(ids)
    }
}

/// Work that owns what it needs of its call: others may go on with it when that is over.
pub(super) struct SharedWork<G, B>(Arc<Mutex<Work<G, B>>>);

impl<G, B> Clone for SharedWork<G, B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R, S, C, G, T, B, F> EachWork<R, S, C, T, F> for SharedWork<G, B>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    G: Fn(EachTerms<R, S, C>) -> T,
    T: LoadTerms<IdReturn<S::Value, S::IdError>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    fn terms(&mut self) -> T {
        (self.0.lock().terms)(EachTerms::new())
    }

    fn begin(&mut self, ids: Missing<C>) -> F {
        (self.0.lock().body)(ids)
    }
}

/// The same, made when there is something to load.
pub(super) struct OwnedWork<P, G, B> {
    prepare: Option<P>,
    made: Option<SharedWork<G, B>>,
}

impl<P: FnOnce() -> (G, B), G, B> OwnedWork<P, G, B> {
    pub(super) const fn new(prepare: P) -> Self {
        Self {
            prepare: Some(prepare),
            made: None,
        }
    }

    /// The work, to be shared.
    pub(super) fn share(&mut self) -> SharedWork<G, B> {
        self.made().clone()
    }

    fn made(&mut self) -> &mut SharedWork<G, B> {
        let prepare = &mut self.prepare;
        self.made.get_or_insert_with(|| {
            let prepare = prepare.take().expect("it is made once");
            let (terms, body) = prepare();
            SharedWork(Arc::new(Mutex::new(Work { terms, body })))
        })
    }
}

impl<R, S, C, P, G, T, B, F> EachWork<R, S, C, T, F> for OwnedWork<P, G, B>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    P: FnOnce() -> (G, B),
    G: Fn(EachTerms<R, S, C>) -> T,
    T: LoadTerms<IdReturn<S::Value, S::IdError>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    fn terms(&mut self) -> T {
        (self.made().0.lock().terms)(EachTerms::new())
    }

    fn begin(&mut self, ids: Missing<C>) -> F {
        (self.made().0.lock().body)(ids)
    }
}
