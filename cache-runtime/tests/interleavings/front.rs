//! What a thread keeps by itself of the near cache: it answers no call that began after a change was reported, or after the value was
//! replaced.

use std::time::Duration;

use shuttle::thread;

use crate::{
    STAMP,
    coarse::CoarseInstant,
    in_every_schedule, in_many_schedules,
    key::CallForm,
    near_front::{Front, Offer},
    near_marks::{Freshness, Marks, StampTable},
    stamp,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// So much is kept, and so much is a value.
const ROOM: u64 = 1000;
const WEIGHT: u64 = 100;

/// A store, what has been heard of it, and the table that all threads share.
#[derive(Debug, Default)]
struct Tracked {
    stamps: StampTable,
    stored: AtomicU64,
    /// No call that begins from here on is given an older version.
    oldest: AtomicU64,
    shared: Mutex<Option<Arc<Version>>>,
}

#[derive(Debug)]
struct Version {
    number: u64,
    marks: Marks,
    is_gone: AtomicBool,
}

/// What a thread looks at before it answers by itself.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    MarksAndPlace,
    MarksAlone,
    PlaceAlone,
}

impl Tracked {
    fn is_unchanged(&self, version: &Version) -> bool {
        self.stamps.known(&version.marks) == Freshness::Unchanged
    }

    fn load(&self) -> Arc<Version> {
        let marks = self.stamps.take(&stamp());
        Arc::new(Version {
            number: self.stored.load(Ordering::SeqCst),
            marks,
            is_gone: AtomicBool::new(false),
        })
    }

    /// Puts a version into the shared table.
    fn replace(&self, version: &Arc<Version>) {
        let before = self.shared.lock().replace(Arc::clone(version));
        if let Some(before) = before {
            before.is_gone.store(true, Ordering::SeqCst);
        }
    }

    /// One call, of a thread that keeps this by itself.
    fn call(&self, front: &mut Front<Version>, looks: Look) {
        let oldest = self.oldest.load(Ordering::SeqCst);
        let number = self.answer(front, looks);
        assert!(number >= oldest, "version {number} answers, {oldest} was there before");
    }

    fn answer(&self, front: &mut Front<Version>, looks: Look) -> u64 {
        let form = CallForm::new(b"call");
        let at_hand = front.find(0, form, |version| {
            (looks == Look::MarksAlone || !version.is_gone.load(Ordering::SeqCst))
                && (looks == Look::PlaceAlone || self.is_unchanged(version))
        });
        if let Some(version) = at_hand {
            return version.number;
        }
        let shared = self.shared.lock().clone();
        let version = shared.filter(|version| self.is_unchanged(version)).unwrap_or_else(|| {
            let version = self.load();
            if self.is_unchanged(&version) {
                self.replace(&version);
            }
            version
        });
        front.offer(&Offer {
            near: 0,
            form,
            entry: &version,
            weight: WEIGHT,
            until: CoarseInstant::now().after(Duration::from_hours(1)),
            room: ROOM,
        });
        version.number
    }

    fn calls(&self, front: &mut Front<Version>, looks: Look, calls: usize) {
        for _ in 0..calls {
            self.call(front, looks);
        }
    }

    fn report_a_change(&self) {
        self.stored.store(1, Ordering::SeqCst);
        self.stamps.changed(STAMP);
        self.oldest.store(1, Ordering::SeqCst);
    }

    /// As a refresh does: under the same stamps.
    fn replace_by_a_new_one(&self) {
        self.stored.store(1, Ordering::SeqCst);
        self.replace(&self.load());
        self.oldest.store(1, Ordering::SeqCst);
    }
}

/// A thread that keeps a value by itself calls while another one takes it back.
fn a_call_while(looks: Look, value_is_taken_back: fn(&Tracked)) {
    let tracked = Arc::new(Tracked::default());
    let mut front = Front::new();
    tracked.calls(&mut front, looks, 3);
    let other = {
        let tracked = Arc::clone(&tracked);
        thread::spawn(move || value_is_taken_back(&tracked))
    };
    tracked.calls(&mut front, looks, 1);
    other.join().expect("it ends");
    tracked.calls(&mut front, looks, 1);
}

/// The same of several threads, which come to keep it meanwhile.
fn calls_while(looks: Look, value_is_taken_back: fn(&Tracked)) {
    let tracked = Arc::new(Tracked::default());
    tracked.replace(&tracked.load());
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let tracked = Arc::clone(&tracked);
            thread::spawn(move || tracked.calls(&mut Front::new(), looks, 4))
        })
        .collect();
    value_is_taken_back(&tracked);
    for caller in callers {
        caller.join().expect("calls end");
    }
}

#[test]
fn a_thread_answers_nothing_by_itself_that_was_changed_before_the_call() {
    in_every_schedule(|| a_call_while(Look::MarksAndPlace, Tracked::report_a_change));
    in_many_schedules(4_000, || calls_while(Look::MarksAndPlace, Tracked::report_a_change));
}

#[test]
#[should_panic(expected = "answers, 1 was there before")]
fn a_thread_that_does_not_look_at_the_marks_is_caught() {
    in_every_schedule(|| a_call_while(Look::PlaceAlone, Tracked::report_a_change));
}

#[test]
fn a_thread_answers_nothing_by_itself_that_was_replaced_before_the_call() {
    in_every_schedule(|| a_call_while(Look::MarksAndPlace, Tracked::replace_by_a_new_one));
    in_many_schedules(4_000, || {
        calls_while(Look::MarksAndPlace, Tracked::replace_by_a_new_one);
    });
}

#[test]
#[should_panic(expected = "answers, 1 was there before")]
fn a_thread_that_does_not_look_whether_a_value_was_replaced_is_caught() {
    in_every_schedule(|| a_call_while(Look::MarksAlone, Tracked::replace_by_a_new_one));
}
