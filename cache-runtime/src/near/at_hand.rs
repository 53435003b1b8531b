//! What the thread keeps by itself of the near caches.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    NearEntry,
    front::{Front, Offer},
};
use crate::{key::CallForm, sync::Arc};

thread_local! {
    static AT_HAND: RefCell<AtHand> = const {
        RefCell::new(AtHand {
            front: Front::new(),
            room: [0; ROOM],
        })
    };
}

/// Longer forms are not written here.
const ROOM: usize = 256;

/// What a thread keeps, and gives back when it ends.
struct AtHand {
    front: Front<NearEntry>,
    /// Where forms are written: on the stack it would be filled with zeros each time.
    room: [u8; ROOM],
}

/// What `answer` makes of the value that answers the call of the form which `write` writes, as long as it says, if the thread has it and
/// it may still be used. Calls inside of these find nothing that the thread keeps.
#[inline]
pub(super) fn write_and_find<R>(
    near: u64,
    write: impl FnOnce(&mut [u8]) -> Option<usize>,
    is_valid: impl FnOnce(&NearEntry) -> bool,
    answer: impl FnOnce(&Arc<NearEntry>) -> R,
) -> Option<R> {
    with(|AtHand { front, room }| {
        let len = write(room)?;
        front.find(near, CallForm::new(&room[..len]), is_valid).map(answer)
    })
}

/// As [`write_and_find`], of a form that is written.
pub(super) fn find<R>(
    near: u64,
    form: CallForm<'_>,
    is_valid: impl FnOnce(&NearEntry) -> bool,
    answer: impl FnOnce(&Arc<NearEntry>) -> R,
) -> Option<R> {
    with(|at_hand| at_hand.front.find(near, form, is_valid).map(answer))
}

/// The shared table of a near cache has this value: the thread keeps it, too, if it is asked for again and again.
#[inline]
pub(super) fn offer(offer: &Offer<'_, NearEntry>) {
    with(|AtHand { front, .. }| {
        front.offer(offer);
        Some(())
    });
}

/// Not where it is borrowed already: what is written, copied or dropped there is somebody else's, and may call.
#[inline]
fn with<R>(with: impl FnOnce(&mut AtHand) -> Option<R>) -> Option<R> {
    let with = |at_hand: &RefCell<AtHand>| with(&mut *at_hand.try_borrow_mut().ok()?);
    AT_HAND.try_with(with).ok().flatten()
}

impl Drop for AtHand {
    fn drop(&mut self) {
        // A value may panic where it is dropped without what its thread had; nobody is left there to catch it.
        for value in self.front.drain() {
            _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
        }
    }
}
