//! The ids of one call, and what is known of each.

use std::sync::Arc;

use super::{SplitEach, ids::Asked, returns::IdReturn};
use crate::{
    cache::{Cache, Engine, Outcome, ResourceFigures},
    call::{answer::StaleValue, loading::Loaded, lookup::Lookup, mode::Mode, site::Site},
    entry::Ticket,
    sync::{Mutex, Notify},
};

/// The ids of a call of several, as all who load for it share them: a load may go on when its caller has been answered.
pub(super) struct Batch<I, V, E> {
    pub(super) site: &'static Site,
    pub(super) cache: Option<Cache>,
    pub(super) mode: Option<Mode>,
    /// Those that the near cache has not answered.
    pub(super) members: Vec<Member>,
    progress: Mutex<Progress<I, V, E>>,
    /// Notified of each answer.
    pub(super) answered: Notify,
}

/// An id of a call.
pub(super) struct Member {
    /// Which one it is.
    pub(super) place: usize,
    /// `None` if the cache has nothing to do with it.
    pub(super) lookup: Option<Lookup>,
    /// Whether it is loaded, too, if it is a hit.
    pub(super) is_verified: bool,
}

/// How far a call has come.
pub(super) struct Progress<I, V, E> {
    asked: Asked<I>,
    /// Of each id; of none once the call has returned.
    answers: Vec<IdAnswer<V, E>>,
    /// Whether one of them is an error.
    has_failed: bool,
}

/// What a call knows of one id.
pub(super) enum IdAnswer<V, E> {
    Open,
    /// Nothing yet but an old value.
    Old(OldValue<V, E>),
    /// A hit that is compared with what is loaded, and returned if that fails. And what it was found under.
    Hit(IdReturn<V, E>, Ticket),
    Known(IdReturn<V, E>),
}

/// The old value of an id.
pub(super) type OldValue<V, E> = StaleValue<IdReturn<V, E>>;

impl<I, V, E> Batch<I, V, E> {
    /// A call of these ids; of each, in their order, there is an answer or a member.
    pub(super) fn new(
        (site, cache, mode): (&'static Site, Option<Cache>, Option<Mode>),
        asked: Asked<I>,
        members: Vec<Member>,
        answers: Vec<IdAnswer<V, E>>,
    ) -> Self {
        let progress = Progress {
            asked,
            answers,
            has_failed: false,
        };
        Self {
            site,
            cache,
            mode,
            members,
            progress: Mutex::new(progress),
            answered: Notify::new(),
        }
    }

    /// How far it has come, as long as nobody shares it.
    pub(super) fn progress(&mut self) -> &mut Progress<I, V, E> {
        self.progress.get_mut()
    }

    /// The engine, to be held over a wait.
    pub(super) fn engine(&self) -> Option<Arc<Engine>> {
        self.cache.as_ref().map(|cache| Arc::clone(&cache.engine))
    }

    /// Counts something of the resource, if there is a cache.
    pub(super) fn count(&self, count: impl FnOnce(&ResourceFigures)) {
        if let Some(cache) = &self.cache {
            count(self.site.figures(&cache.engine));
        }
    }

    /// A member is answered.
    pub(super) fn answer(&self, member: usize, result: IdReturn<V, E>) {
        let Member { place, lookup, .. } = &self.members[member];
        let before = self.progress.lock().answer(*place, result);
        if let (IdAnswer::Old(_), Some(lookup)) = (before, lookup) {
            lookup.report(Outcome::Miss);
        }
        self.answered.notify_one();
    }

    /// A member is answered with its old value, if that may be returned in the place of an error, or by the cache as it has been.
    /// Returns whether it is.
    pub(super) fn answer_old(&self, member: usize) -> bool {
        if let Some((hit, _)) = self.take_hit(member) {
            self.answer(member, hit);
            return true;
        }
        let Member { place, lookup, .. } = &self.members[member];
        let hiding = self.progress.lock().take_old_if(*place, |old| old.may_hide_error);
        let Some((old, lookup)) = hiding.zip(lookup.as_ref()) else {
            return false;
        };
        self.answer(member, lookup.settle(Loaded::OtherFailed, old));
        true
    }

    /// All members that have no answer are given their old values, which are being replaced.
    pub(super) fn answer_stale(&self) {
        for (member, Member { place, lookup, .. }) in self.members.iter().enumerate() {
            let old = self.progress.lock().take_old_if(*place, |_| true);
            if let Some((old, lookup)) = old.zip(lookup.as_ref()) {
                lookup.report(Outcome::StaleHit);
                self.answer(member, old.value);
            }
        }
    }

    /// Takes the hit of a member that is compared with what is loaded.
    pub(super) fn take_hit(&self, member: usize) -> Option<(IdReturn<V, E>, Ticket)> {
        self.progress.lock().take_hit(self.members[member].place)
    }

    /// Whether there is a value for each of these that may be returned in the place of an error, and there are any.
    pub(super) fn may_hide_error(&self, members: &[usize]) -> bool {
        let progress = self.progress.lock();
        let may_hide = |member: &usize| progress.may_hide_error(self.members[*member].place);
        !members.is_empty() && members.iter().all(may_hide)
    }

    /// Whether there is an old value.
    pub(super) fn has_old(&self) -> bool {
        let is_old = |answer: &IdAnswer<V, E>| matches!(answer, IdAnswer::Old(_));
        self.progress.lock().answers.iter().any(is_old)
    }

    /// Whether there is an old value or a hit, if not an answer, for each id.
    pub(super) fn is_old(&self) -> bool {
        let is_open = |answer: &IdAnswer<V, E>| matches!(answer, IdAnswer::Open);
        !self.progress.lock().answers.iter().any(is_open)
    }

    /// The members that have no answer.
    pub(super) fn open(&self) -> Vec<usize> {
        let progress = self.progress.lock();
        let is_open = |member: &usize| progress.is_open(self.members[*member].place);
        (0..self.members.len()).filter(is_open).collect()
    }

    pub(super) fn is_open(&self, member: usize) -> bool {
        self.progress.lock().is_open(self.members[member].place)
    }

    /// What tells loads that may replace the old value of a member from others; `None` if it has none.
    pub(super) fn ground_of_old(&self, member: usize) -> Option<u64> {
        let progress = self.progress.lock();
        Some(progress.old(self.members[member].place)?.ground)
    }

    /// Whether an error is the answer of one of the ids, and so that of the call.
    pub(super) fn has_failed(&self) -> bool {
        self.progress.lock().has_failed
    }
}

impl<I: Clone, V, E> Batch<I, V, E> {
    pub(super) fn id(&self, place: usize) -> I {
        self.progress.lock().asked.ids[place].clone()
    }

    /// The call is over. Tells what became of those whose old values were of no use, and returns how far it has come: who loads for
    /// it yet answers nobody.
    pub(super) fn end(this: Arc<Self>) -> Progress<I, V, E> {
        if this.has_old() {
            for Member { place, lookup, .. } in &this.members {
                let old = this.progress.lock().take_old_if(*place, |_| true);
                if let (Some(_), Some(lookup)) = (old, lookup) {
                    lookup.report(Outcome::Miss);
                }
            }
        }
        match Arc::try_unwrap(this) {
            Ok(batch) => batch.progress.into_inner(),
            Err(shared) => shared.progress.lock().take(),
        }
    }
}

impl<I, V, E> Progress<I, V, E> {
    /// An id is answered. Returns what was known before.
    pub(super) fn answer(&mut self, place: usize, result: IdReturn<V, E>) -> IdAnswer<V, E> {
        self.has_failed |= result.is_err();
        self.set(place, IdAnswer::Known(result))
    }

    /// There is an old value of an id.
    pub(super) fn keep_old(&mut self, place: usize, old: OldValue<V, E>) {
        self.set(place, IdAnswer::Old(old));
    }

    fn set(&mut self, place: usize, answer: IdAnswer<V, E>) -> IdAnswer<V, E> {
        match self.answers.get_mut(place) {
            Some(known) => std::mem::replace(known, answer),
            None => answer,
        }
    }

    fn old(&self, place: usize) -> Option<&OldValue<V, E>> {
        match self.answers.get(place)? {
            IdAnswer::Old(old) => Some(old),
            IdAnswer::Open | IdAnswer::Hit(..) | IdAnswer::Known(_) => None,
        }
    }

    fn may_hide_error(&self, place: usize) -> bool {
        match self.answers.get(place) {
            Some(IdAnswer::Old(old)) => old.may_hide_error,
            Some(IdAnswer::Hit(..)) => true,
            Some(IdAnswer::Open | IdAnswer::Known(_)) | None => false,
        }
    }

    /// There is a hit of an id, which is compared with what is loaded.
    pub(super) fn keep_hit(&mut self, place: usize, hit: IdReturn<V, E>, ticket: Ticket) {
        self.set(place, IdAnswer::Hit(hit, ticket));
    }

    fn take_hit(&mut self, place: usize) -> Option<(IdReturn<V, E>, Ticket)> {
        let answer = self.answers.get_mut(place)?;
        match std::mem::replace(answer, IdAnswer::Open) {
            IdAnswer::Hit(hit, ticket) => Some((hit, ticket)),
            other => {
                *answer = other;
                None
            }
        }
    }

    fn take_old_if(&mut self, place: usize, wanted: impl FnOnce(&OldValue<V, E>) -> bool) -> Option<OldValue<V, E>> {
        if !self.old(place).is_some_and(wanted) {
            return None;
        }
        match self.set(place, IdAnswer::Open) {
            IdAnswer::Old(old) => Some(old),
            IdAnswer::Open | IdAnswer::Hit(..) | IdAnswer::Known(_) => None,
        }
    }

    fn is_open(&self, place: usize) -> bool {
        let answer = self.answers.get(place);
        answer.is_some_and(|answer| !matches!(answer, IdAnswer::Known(_)))
    }
}

impl<I: Clone, V, E> Progress<I, V, E> {
    fn take(&mut self) -> Self {
        Self {
            asked: self.asked.clone(),
            answers: std::mem::take(&mut self.answers),
            has_failed: self.has_failed,
        }
    }

    /// What the call returns when all ids are answered: the first error among the answers, if there is one.
    pub(super) fn into_return<R, S: SplitEach<R, I, Value = V, IdError = E>>(self) -> R {
        let results: Result<Vec<Option<V>>, E> = self.answers.into_iter().map(IdAnswer::into_result).collect();
        match results {
            Ok(values) => S::together(self.asked, values),
            Err(error) => S::fail(error),
        }
    }
}

impl<V, E> IdAnswer<V, E> {
    fn into_result(self) -> IdReturn<V, E> {
        match self {
            Self::Known(result) | Self::Hit(result, _) => result,
            Self::Open | Self::Old(_) => Ok(None),
        }
    }
}
