//! What a call of several ids runs if it has to load.

use super::{Ids, Missing, SplitEach, returns::EachTerms};
use crate::call::terms::LoadTerms;

/// The body, and what the attribute says of the values that it returns.
//
// `T` and `F` are parameters and no associated types: the compiler would have to find them for every lifetime in `R`, to see that the
// future of a call is `Send`.
pub(super) trait EachWork<R, S, C: Ids + ?Sized, T, F> {
    /// Whether it may go on when its caller is gone.
    const OUTLIVES: bool;

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
    T: LoadTerms<Option<S::Value>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    const OUTLIVES: bool = false;

    fn terms(&mut self) -> T {
        (self.terms)(EachTerms::new())
    }

    fn begin(&mut self, ids: Missing<C>) -> F {
        (self.body)(ids)
    }
}

/// Work that owns what it needs of its call, and is made when there is some to do.
pub(super) enum OwnedWork<P, G, B> {
    ToBeMade(P),
    Made(Work<G, B>),
    /// It goes on without the call.
    Gone,
}

impl<P: FnOnce() -> (G, B), G, B> OwnedWork<P, G, B> {
    fn made(&mut self) -> &mut Work<G, B> {
        if let Self::Made(work) = self {
            return work;
        }
        let Self::ToBeMade(prepare) = std::mem::replace(self, Self::Gone) else {
            unreachable!("a call that has let its work go begins none")
        };
        let (terms, body) = prepare();
        *self = Self::Made(Work { terms, body });
        match self {
            Self::Made(work) => work,
            Self::ToBeMade(_) | Self::Gone => unreachable!("it was made just now"),
        }
    }

    /// Lets the work go on without the call.
    pub(super) fn take(&mut self) -> Option<Work<G, B>> {
        match std::mem::replace(self, Self::Gone) {
            Self::ToBeMade(prepare) => {
                let (terms, body) = prepare();
                Some(Work { terms, body })
            }
            Self::Made(work) => Some(work),
            Self::Gone => None,
        }
    }
}

impl<R, S, C, P, G, T, B, F> EachWork<R, S, C, T, F> for OwnedWork<P, G, B>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    P: FnOnce() -> (G, B),
    G: Fn(EachTerms<R, S, C>) -> T,
    T: LoadTerms<Option<S::Value>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    const OUTLIVES: bool = true;

    fn terms(&mut self) -> T {
        (self.made().terms)(EachTerms::new())
    }

    fn begin(&mut self, ids: Missing<C>) -> F {
        (self.made().body)(ids)
    }
}
