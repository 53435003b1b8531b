use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Coherence, Kept, Near, NearLookup, Origin,
    coarse::{CoarseInstant, MOST_LAG, tests_may_stop_the_clock},
    front::{Front, Offer},
    held::Held,
    marks::{FEWEST_TO_PRUNE, Freshness, Marks, StampTable},
    tier::NearToo,
};
use crate::{
    entry::{LoadTime, Revision, Stamp},
    key::{Address, CallForm, StampKey},
    store::{Coherent, StampWatcher},
};

fn stamps(names: &[&str]) -> Vec<StampKey> {
    names.iter().map(|name| StampKey::new((*name).to_owned())).collect()
}

#[test]
fn a_change_voids_every_value_that_carries_the_stamp_and_no_other() {
    let table = StampTable::default();
    let (both, one) = (table.take(&stamps(&["a", "b"])), table.take(&stamps(&["b"])));
    table.changed("a");
    assert_eq!(table.known(&both), Freshness::Changed);
    assert_eq!(table.known(&one), Freshness::Unchanged);
    assert_eq!(table.known(&table.take(&stamps(&["a", "b"]))), Freshness::Unchanged);
}

#[test]
fn in_a_new_session_nothing_is_known_of_what_was_kept_before() {
    let table = StampTable::default();
    let before = table.take(&stamps(&["a"]));
    table.begin_session();
    assert_eq!(table.known(&before), Freshness::Unsure);
    assert_eq!(table.known(&table.take(&stamps(&["a"]))), Freshness::Unchanged);
}

#[test]
fn without_marks_nothing_is_known() {
    assert_eq!(StampTable::default().known(&Marks::default()), Freshness::Unsure);
}

#[test]
fn stamps_that_nothing_is_kept_under_are_forgotten() {
    let table = StampTable::default();
    let kept = table.take(&stamps(&["kept"]));
    for n in 0..100_000 {
        table.take(&[StampKey::new(format!("dropped-{n}"))]);
    }
    assert!(table.len() <= 2 * FEWEST_TO_PRUNE, "{} stamps", table.len());
    table.changed("kept");
    assert_eq!(table.known(&kept), Freshness::Changed);
}

#[tokio::test(start_paused = true)]
async fn values_are_used_up_to_the_bound_from_when_the_store_was_asked_and_no_longer() {
    let near = Near::new(1 << 20, Duration::from_secs(1));
    assert!(!near.is_coherent(near.now()));
    let asked = Instant::now();
    tokio::time::advance(Duration::from_millis(400)).await;
    near.coherent(Coherent::AsOf(asked));
    assert!(near.is_coherent(near.now()));
    tokio::time::advance(Duration::from_millis(599)).await;
    assert!(near.is_coherent(near.now()));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!near.is_coherent(near.now()), "however late the answer came");
}

#[tokio::test]
async fn nothing_is_known_of_what_was_kept_before_a_watch_began() {
    let near = Near::new(1 << 20, Duration::from_secs(1));
    near.began();
    near.coherent(Coherent::Always);
    let before = near.marks(&stamps(&["a"]));
    assert_eq!(near.stamps.known(&before), Freshness::Unchanged);
    near.began();
    assert_eq!(near.stamps.known(&before), Freshness::Unsure);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_the_table_has_let_go_of_while_it_was_checked_is_kept_on_for_its_time() {
    let near = Arc::new(Near::new(1 << 20, Duration::from_secs(1)));
    near.began();
    near.coherent(Coherent::Always);
    let (form, address, stamp) = (
        CallForm::new(b"call"),
        Address::new("t", "r", &[], "h"),
        Stamp::from_bits(1),
    );
    let kept = Kept {
        origin: Origin::Read,
        ttl: Duration::from_mins(1),
        revision: Revision::of(b"entry"),
        load_time: LoadTime::ZERO,
        size: 4,
        marked: usize::MAX,
    };
    let mut reader = NearLookup::to_replace(&near, Coherence::Tracked, form);
    reader.mark(&address);
    reader.keep::<u32, NearToo>(kept, Held::Value(7), &mut [stamp].into_iter());
    let mut checking = NearLookup::to_check(&near, Coherence::Tracked, form);
    checking.mark(&address);
    near.get(form, near.now())
        .expect("it is kept")
        .validity
        .expires_at
        .let_go();
    assert_eq!(checking.found().map(|(left, _)| left.as_secs()), Some(60));
    assert!(checking.checked::<u32, NearToo>(&[Some(stamp)]).is_some());
    let again = near.get(form, near.now()).expect("it is kept on");
    assert!(!again.validity.expires_at.is_gone());
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(near.get(form, near.now()).is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(near.get(form, near.now()).is_none(), "its time is over");
}

/// What a thread has at hand, and room for ten values.
struct AtHand(Front<u32>);

const ROOM: u64 = 1000;
const WEIGHT: u64 = 100;

impl AtHand {
    fn take(&mut self, number: u32) -> Option<u32> {
        let bytes = number.to_ne_bytes();
        self.0.find(0, CallForm::new(&bytes), |_| true).map(|number| **number)
    }

    /// A call that the shared table answers.
    fn call(&mut self, number: u32) {
        self.call_with(number, CoarseInstant::now().after(Duration::from_hours(1)));
    }

    /// The same, of a value that may be used until then.
    fn call_with(&mut self, number: u32, until: CoarseInstant) {
        self.0.offer(&Offer {
            near: 0,
            form: CallForm::new(&number.to_ne_bytes()),
            entry: &Arc::new(number),
            weight: WEIGHT,
            until,
            room: ROOM,
        });
    }
}

#[test]
fn the_coarse_clock_lags_by_less_than_is_allowed_for() {
    let (coarse, precise) = (CoarseInstant::now(), std::time::Instant::now());
    loop {
        let passed = precise.elapsed();
        assert!(CoarseInstant::now() >= coarse.after(passed), "after {passed:?}");
        if passed > 3 * MOST_LAG {
            break;
        }
    }
}

#[test]
fn a_thread_gives_up_a_value_before_its_time_is_over() {
    for left in [Duration::ZERO, MOST_LAG] {
        let mut at_hand = AtHand(Front::new());
        at_hand.call(1);
        at_hand.call_with(1, CoarseInstant::now().after(left));
        assert_eq!(at_hand.take(1), None, "{left:?} is left");
    }
}

#[test]
fn the_clock_of_these_tests_may_be_stopped() {
    assert!(tests_may_stop_the_clock());
}

#[test]
fn a_thread_keeps_what_is_asked_for_twice_in_a_row_and_no_more_than_there_is_room_for() {
    let mut at_hand = AtHand(Front::new());
    for number in 0..1000 {
        at_hand.call(number);
    }
    assert!((0..1000).all(|number| at_hand.take(number).is_none()));
    for number in 0..1000 {
        at_hand.call(number);
        at_hand.call(number);
        assert_eq!(at_hand.take(number), Some(number));
        let kept = (0..1000).filter(|number| at_hand.take(*number).is_some()).count();
        assert!(kept as u64 <= ROOM / WEIGHT, "{kept} values are kept");
    }
}

#[test]
fn a_thread_keeps_what_is_asked_for_in_turn_as_long_as_there_is_room() {
    // Wherever their hashes put them: some have their places beside one another.
    for first in 0..100 {
        let mut at_hand = AtHand(Front::new());
        let numbers = first * 10..first * 10 + 4;
        for _ in 0..2 {
            numbers.clone().for_each(|number| at_hand.call(number));
        }
        assert!(numbers.clone().all(|number| at_hand.take(number) == Some(number)));
    }
}

#[test]
fn a_thread_asks_the_shared_table_again_after_some_uses_and_at_the_end_of_a_value() {
    let mut at_hand = AtHand(Front::new());
    at_hand.call(1);
    at_hand.call(1);
    let uses = (0..10_000).take_while(|_| at_hand.take(1).is_some()).count();
    assert!((1..1000).contains(&uses), "{uses} uses");
    at_hand.call(1);
    assert_eq!(at_hand.take(1), Some(1));
}
