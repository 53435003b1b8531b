//! What a call that has to load makes of that.

use super::{
    answer::{Answer, Fallback, StaleValue},
    loading::Loaded,
    lookup::Lookup,
    terms::LoadTerms,
};
use crate::{cache::Outcome, entry::Ticket};

/// What a call returns besides what it loads, and what it loads on.
pub(super) enum Plan<R> {
    /// There is nothing else to return.
    Alone(Option<Ticket>),
    /// An old value is returned if the load fails.
    Hide(Box<StaleValue<R>>, Option<Ticket>),
    /// What was found on this ticket is compared with what is loaded, and returned if that fails.
    Verify(Box<R>, Ticket),
}

impl<R> Plan<R> {
    /// What is to be loaded after a lookup.
    ///
    /// # Errors
    ///
    /// What the call returns, if it need not load.
    pub(super) fn of(lookup: &Lookup, answer: Answer<R>) -> Result<Self, R> {
        Ok(match answer {
            Answer::Hit(answer, outcome) => {
                lookup.report(outcome);
                return Err(answer);
            }
            // There is nobody to load it again but the caller, who need not wait.
            Answer::Early(answer, ..) => {
                lookup.report(Outcome::Hit);
                return Err(answer);
            }
            Answer::Stale(stale, ticket) => match lookup.stale_at_once(stale) {
                Ok(answer) => return Err(answer),
                Err(stale) => Self::Hide(Box::new(stale), ticket),
            },
            Answer::Verify(hit, outcome, ticket) => {
                lookup.report(outcome);
                Self::Verify(Box::new(hit), ticket)
            }
            // That has been told already.
            Answer::Load(ticket, _) => Self::Alone(ticket),
        })
    }

    /// What the load begins on. To be taken once.
    pub(super) fn take_ticket(&mut self) -> Option<Ticket> {
        match self {
            Self::Alone(ticket) | Self::Hide(_, ticket) => ticket.take(),
            Self::Verify(_, ticket) => Some(ticket.clone()),
        }
    }

    /// Whether there is something to return if the load fails.
    pub(super) fn fallback(&self) -> Fallback {
        match self {
            Self::Alone(_) => Fallback::None,
            Self::Hide(stale, _) => stale.fallback(),
            Self::Verify(..) => Fallback::OldValue,
        }
    }

    /// What the call returns when it has loaded.
    pub(super) fn end<T: LoadTerms<R>>(self, lookup: &Lookup, loaded: Loaded<R>) -> R {
        match self {
            Self::Alone(_) => match loaded {
                Loaded::Returned(returned) | Loaded::Failed(returned) => returned,
                Loaded::OtherFailed => unreachable!("a call that has nothing to fall back on loads for itself"),
            },
            Self::Hide(stale, _) => lookup.settle(loaded, *stale),
            Self::Verify(hit, ticket) => lookup.verified::<R, T>(*hit, ticket, loaded),
        }
    }
}
