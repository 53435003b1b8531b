//! The epoch guard: a value whose read overlapped a change is never taken for unchanged afterwards.

use shuttle::thread;

use crate::{
    STAMP, in_every_schedule, in_many_schedules,
    key::StampKey,
    near_marks::{FEWEST_TO_PRUNE, Freshness, StampTable},
    stamp,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What stands in the store, and what this process has heard of it.
#[derive(Debug, Default)]
struct Tracked {
    table: StampTable,
    stored: AtomicU64,
    /// The newest version whose change has been reported.
    reported: AtomicU64,
}

/// When a read takes its marks.
#[derive(Clone, Copy)]
enum Marking {
    BeforeTheRead,
    AfterTheRead,
}

impl Tracked {
    /// Reads and then looks at what is known of the value, as often as `looks` says.
    fn read(&self, stamps: &[StampKey], marking: Marking, looks: usize) {
        let (taken, version) = match marking {
            Marking::BeforeTheRead => {
                let taken = self.table.take(stamps);
                (taken, self.stored.load(Ordering::SeqCst))
            }
            Marking::AfterTheRead => {
                let version = self.stored.load(Ordering::SeqCst);
                (self.table.take(stamps), version)
            }
        };
        for _ in 0..looks {
            let oldest = self.reported.load(Ordering::SeqCst);
            if self.table.known(&taken) == Freshness::Unchanged {
                assert!(
                    version >= oldest,
                    "version {version} passes for unchanged, {oldest} was reported"
                );
            }
        }
    }

    fn change(&self, version: u64, report: impl FnOnce(&StampTable)) {
        self.stored.store(version, Ordering::SeqCst);
        report(&self.table);
        self.reported.store(version, Ordering::SeqCst);
    }
}

fn a_read_and_a_change(marking: Marking) {
    let tracked = Arc::new(Tracked::default());
    let reader = {
        let tracked = Arc::clone(&tracked);
        thread::spawn(move || tracked.read(&stamp(), marking, 1))
    };
    tracked.change(1, |table| table.changed(STAMP));
    reader.join().expect("a read ends");
}

#[test]
fn a_value_that_was_read_during_a_change_is_not_unchanged() {
    in_every_schedule(|| a_read_and_a_change(Marking::BeforeTheRead));
}

#[test]
#[should_panic(expected = "passes for unchanged")]
fn marks_that_are_taken_after_the_read_are_caught() {
    in_every_schedule(|| a_read_and_a_change(Marking::AfterTheRead));
}

/// Two readers share marks; both of their stamps change, one after the other.
fn reads_under_two_stamps(marking: Marking) {
    let tracked = Arc::new(Tracked::default());
    let stamps = [STAMP.to_owned(), format!("{STAMP}:company-1")].map(StampKey::new);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (tracked, stamps) = (Arc::clone(&tracked), stamps.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    tracked.read(&stamps, marking, 2);
                }
            })
        })
        .collect();
    for (version, stamp) in (1..).zip(&stamps) {
        tracked.change(version, |table| table.changed(stamp));
    }
    for reader in readers {
        reader.join().expect("a read ends");
    }
}

#[test]
fn reads_that_share_marks_see_every_change() {
    in_many_schedules(10_000, || reads_under_two_stamps(Marking::BeforeTheRead));
}

#[test]
#[should_panic(expected = "passes for unchanged")]
fn shared_marks_that_are_taken_after_the_read_are_caught() {
    in_many_schedules(10_000, || reads_under_two_stamps(Marking::AfterTheRead));
}

/// Two reports of one change: by the process that makes it, and by the store.
fn a_change_that_is_reported_twice() {
    let tracked = Arc::new(Tracked::default());
    let reader = {
        let tracked = Arc::clone(&tracked);
        thread::spawn(move || tracked.read(&stamp(), Marking::BeforeTheRead, 1))
    };
    let store = {
        let tracked = Arc::clone(&tracked);
        thread::spawn(move || tracked.table.changed(STAMP))
    };
    tracked.change(1, |table| table.changed(STAMP));
    store.join().expect("a report ends");
    reader.join().expect("a read ends");
}

#[test]
fn a_report_has_voided_the_mark_when_it_returns_whoever_else_reports() {
    in_many_schedules(6_000, a_change_that_is_reported_twice);
}

/// When a session begins that follows unreported changes.
#[derive(Clone, Copy)]
enum Session {
    BeginsAfterThem,
    BeginsBeforeThem,
}

fn an_unreported_change(session: Session) {
    let tracked = Arc::new(Tracked::default());
    let reader = {
        let tracked = Arc::clone(&tracked);
        thread::spawn(move || tracked.read(&stamp(), Marking::BeforeTheRead, 1))
    };
    match session {
        Session::BeginsAfterThem => tracked.change(1, StampTable::begin_session),
        Session::BeginsBeforeThem => {
            tracked.table.begin_session();
            tracked.change(1, |_| {});
        }
    }
    reader.join().expect("a read ends");
}

#[test]
fn a_new_session_ends_what_was_known() {
    in_every_schedule(|| an_unreported_change(Session::BeginsAfterThem));
}

#[test]
#[should_panic(expected = "passes for unchanged")]
fn a_session_that_begins_too_early_is_caught() {
    in_every_schedule(|| an_unreported_change(Session::BeginsBeforeThem));
}

/// Another call takes more marks than are kept and drops them.
fn reads_while_marks_are_pruned(marking: Marking) {
    let tracked = Arc::new(Tracked::default());
    let reader = {
        let tracked = Arc::clone(&tracked);
        thread::spawn(move || tracked.read(&stamp(), marking, 2))
    };
    let other = {
        let tracked = Arc::clone(&tracked);
        thread::spawn(move || {
            for round in 0..3 {
                let many: Vec<_> = (0..FEWEST_TO_PRUNE)
                    .map(|n| StampKey::new(format!("cachestamp:t:{round}-{n}")))
                    .collect();
                tracked.table.take(&many);
            }
        })
    };
    tracked.change(1, |table| table.changed(STAMP));
    reader.join().expect("a read ends");
    other.join().expect("a read ends");
    assert!(
        tracked.table.len() <= 2 * FEWEST_TO_PRUNE + 1,
        "stamps that nothing is kept under are left"
    );
}

#[test]
fn marks_in_use_outlast_the_pruning() {
    in_many_schedules(400, || reads_while_marks_are_pruned(Marking::BeforeTheRead));
}

#[test]
#[should_panic(expected = "passes for unchanged")]
fn marks_that_are_taken_after_the_read_are_caught_among_pruned_ones() {
    in_many_schedules(400, || reads_while_marks_are_pruned(Marking::AfterTheRead));
}
