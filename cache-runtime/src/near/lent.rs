//! A value that the thread keeps by itself, while a call has it.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::time::Instant;

use super::{
    NearEntry,
    front::{Front, FrontValue},
};
use crate::{key::CallForm, sync::Arc};

thread_local! {
    static FRONT: RefCell<ThreadFront> = const { RefCell::new(ThreadFront(Front::new())) };
}

/// What a thread keeps, and gives back when it ends.
struct ThreadFront(Front<NearEntry>);

/// A value that the thread keeps by itself, and where to [put it back](put_back).
pub(crate) type LentValue = (Box<FrontValue<NearEntry>>, usize);

/// The value that answers the call of this form, if the thread has it and it may still be used.
#[inline]
pub(super) fn take(near: u64, form: CallForm<'_>, is_valid: impl FnOnce(&NearEntry) -> bool) -> Option<LentValue> {
    with_front(|front| front.take(near, form, is_valid))
}

/// The call that it has answered is over.
#[inline]
pub(crate) fn put_back((value, way): LentValue) {
    // Where the thread is at its end the value is dropped instead.
    with_front(|front| {
        front.put_back(value, way);
        Some(())
    });
}

/// A value that the thread keeps by itself, until the call that it answers is over.
#[derive(Debug)]
pub(crate) struct LentEntry(
    /// `Some` until it is put back.
    Option<LentValue>,
);

impl LentEntry {
    pub(super) fn new(value: LentValue) -> Self {
        Self(Some(value))
    }

    #[inline]
    pub(super) fn entry(&self) -> &NearEntry {
        let (value, _) = self.0.as_ref().expect("it is not put back yet");
        &value.entry
    }
}

impl Drop for LentEntry {
    #[inline]
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            put_back(value);
        }
    }
}

/// The shared table of this near cache has this value, which may be used until then: the thread keeps it, too, if it is asked for again
/// and again.
#[inline]
pub(super) fn offer(near: u64, form: CallForm<'_>, entry: &Arc<NearEntry>, until: Instant, room: u64) {
    let weight = entry.validity.weight.into();
    with_front(|front| {
        if front.wants(near, form, weight, room) {
            let value = FrontValue {
                near,
                hash: form.hash(),
                key: form.into(),
                entry: Arc::clone(entry),
                weight,
                until,
                uses_left: 0,
            };
            front.keep(value, room);
        }
        Some(())
    });
}

/// Not where it is borrowed already: what is dropped there is somebody else's, and may call.
#[inline]
fn with_front<R>(with: impl FnOnce(&mut Front<NearEntry>) -> Option<R>) -> Option<R> {
    let with = |front: &RefCell<ThreadFront>| with(&mut front.try_borrow_mut().ok()?.0);
    FRONT.try_with(with).ok().flatten()
}

impl Drop for ThreadFront {
    fn drop(&mut self) {
        // A value may panic where it is dropped without what its thread had; nobody is left there to catch it.
        for value in self.0.drain() {
            _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
        }
    }
}
