use std::time::Duration;

use tokio::time::Instant;

use super::{
    Near,
    marks::{FEWEST_TO_PRUNE, Freshness, Marks, StampTable},
};
use crate::{
    key::StampKey,
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
