//! The oracle: what it takes for stale, what not, and that it catches protocols which are known to be wrong.

use std::time::Duration;

use cache_runtime::Invalidated;
use cache_testkit::oracle::{Event, Moment, Reach, Recorder, Verdict, What, check};

/// Milliseconds of a history made by hand.
fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

fn read(node: u64, began: u64, ended: u64, version: u64) -> Event<&'static str> {
    Event {
        node,
        key: "a",
        began: at(began),
        ended: at(ended),
        what: What::Read { version },
    }
}

fn invalidated(node: u64, began: u64, ended: u64, version: u64, reach: Reach) -> Event<&'static str> {
    let what = What::Invalidation { version, reach };
    Event {
        what,
        ..read(node, began, ended, 0)
    }
}

fn acknowledged(began: u64, ended: u64, version: u64) -> Event<&'static str> {
    invalidated(1, began, ended, version, Reach::EveryNode)
}

fn stale(history: &[Event<&'static str>]) -> usize {
    check(history).stale.len()
}

#[test]
fn a_read_that_begins_after_an_acknowledged_invalidation_returns_its_version_or_a_newer_one() {
    let history = |version| [acknowledged(0, 10, 7), read(2, 11, 12, version)];
    assert_eq!([6, 7, 8].map(|version| stale(&history(version))), [1, 0, 0]);
}

#[test]
fn a_read_that_overlaps_the_invalidation_may_return_either_version() {
    for began in [0, 5, 10] {
        assert_eq!(stale(&[acknowledged(0, 10, 7), read(2, began, 30, 6)]), 0, "{began}");
    }
}

#[test]
fn an_unacknowledged_invalidation_obliges_the_node_that_made_it_and_no_other() {
    let history = |reader| {
        [
            invalidated(1, 0, 10, 7, Reach::from(Invalidated::Pending)),
            read(reader, 11, 12, 6),
        ]
    };
    assert_eq!((stale(&history(1)), stale(&history(2))), (1, 0));
}

#[test]
fn an_invalidation_of_another_key_obliges_to_nothing() {
    let other = Event {
        key: "b",
        ..acknowledged(0, 10, 7)
    };
    assert_eq!(stale(&[other, read(2, 11, 12, 6)]), 0);
}

#[test]
fn the_order_of_the_events_does_not_matter() {
    let mut history = vec![
        read(2, 11, 12, 6),
        acknowledged(0, 10, 7),
        read(2, 21, 22, 7),
        acknowledged(13, 20, 8),
    ];
    let versions = |history: &[Event<_>]| {
        let mut versions: Vec<_> = check(history).stale.iter().map(|read| read.version).collect();
        versions.sort_unstable();
        versions
    };
    assert_eq!(versions(&history), [6, 7]);
    history.reverse();
    assert_eq!(versions(&history), [6, 7]);
}

#[test]
fn invalidations_that_end_out_of_order_oblige_to_the_newest() {
    let history = [acknowledged(0, 10, 8), acknowledged(0, 20, 7), read(2, 21, 22, 7)];
    let verdict = check(&history);
    assert_eq!(verdict.stale[0].newest, 8);
    assert_eq!(verdict.stale[0].age, Duration::from_millis(11));
}

#[test]
fn the_age_counts_from_the_first_invalidation_that_forbade_the_version() {
    let history = [acknowledged(0, 10, 7), acknowledged(20, 30, 8), read(2, 50, 51, 6)];
    let verdict = check(&history);
    assert_eq!(verdict.max_stale(), Duration::from_millis(40));
    assert_eq!(verdict.stale[0].newest, 8);
    let longer_than = |millis| verdict.stale_for_longer_than(Duration::from_millis(millis)).count();
    assert_eq!((longer_than(39), longer_than(40)), (1, 0));
}

#[test]
fn the_summary_counts_what_was_judged_and_rounds_up() {
    let history = [
        acknowledged(0, 10, 7),
        invalidated(1, 0, 10, 7, Reach::OwnNode),
        Event {
            began: Moment::from_nanos(10_000_001),
            ..read(2, 0, 12, 6)
        },
    ];
    assert_eq!(
        check(&history).to_string(),
        "reads=1 invalidations=2 stale=1 max_stale_ms=1"
    );
}

#[test]
fn events_survive_the_way_from_one_process_to_another() {
    let event = Event {
        key: "a".to_owned(),
        node: 3,
        began: Moment::now(),
        ended: Moment::now(),
        what: What::Invalidation {
            version: u64::MAX,
            reach: Reach::OwnNode,
        },
    };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<Event<String>>(&text).unwrap(), event);
}

#[test]
fn recorders_of_several_nodes_write_one_history_and_a_call_that_fails_leaves_none() {
    let here = Recorder::new();
    let there = here.node(1);
    here.begin("a").invalidated(7, Reach::EveryNode);
    there.begin("a").read(6);
    drop(there.begin("a"));
    let verdict = here.verdict();
    assert_eq!((verdict.reads, verdict.stale.len(), verdict.stale[0].node), (1, 1, 1));
}

#[test]
#[should_panic(expected = "was given version 6, which had been old for 1ms; every read was to see 7 by then")]
fn the_assertion_shows_the_read_that_was_stale() {
    check(&[acknowledged(0, 10, 7), read(2, 11, 12, 6)]).assert_stale_for_at_most(Duration::ZERO);
}

#[test]
#[should_panic(expected = "proves nothing")]
fn the_assertion_refuses_a_history_without_acknowledged_invalidations() {
    let pending = invalidated(1, 0, 10, 7, Reach::OwnNode);
    check(&[pending, read(2, 11, 12, 6)]).assert_stale_for_at_most(Duration::ZERO);
}

/// The definition, word for word, in quadratic time.
fn by_definition(history: &[Event<&'static str>]) -> usize {
    let is_stale = |read: &Event<_>, version: u64| {
        history.iter().any(|other| match other.what {
            What::Invalidation { version: newer, reach } => {
                newer > version
                    && other.key == read.key
                    && other.ended < read.began
                    && (reach == Reach::EveryNode || other.node == read.node)
            }
            _ => false,
        })
    };
    history
        .iter()
        .filter(|event| matches!(event.what, What::Read { version } if is_stale(event, version)))
        .count()
}

#[test]
fn random_histories_are_judged_as_the_definition_says() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut found = 0;
    for _ in 0..500 {
        let history: Vec<_> = (0..random.usize(0..60))
            .map(|_| {
                let (node, began, version) = (random.u64(0..3), random.u64(0..50), random.u64(0..20));
                let ended = began + random.u64(1..10);
                let key = if random.bool() { "a" } else { "b" };
                let event = match random.u8(0..3) {
                    0 => invalidated(node, began, ended, version, Reach::EveryNode),
                    1 => invalidated(node, began, ended, version, Reach::OwnNode),
                    _ => read(node, began, ended, version),
                };
                Event { key, ..event }
            })
            .collect();
        let Verdict { stale, .. } = check(&history);
        assert_eq!(stale.len(), by_definition(&history), "{history:#?}");
        found += stale.len();
    }
    assert!(found > 1000, "{found}");
}

mod known_bad {
    //! Runs of protocols that others use, step by step, as one would draw them on a whiteboard. Version 1 is in the
    //! database at first.

    use super::{acknowledged, check, read, stale};

    /// Delete only: the entry that a slow reader had loaded before the write is stored after the delete.
    #[test]
    fn delete_only_is_caught_when_a_fill_comes_after_the_delete() {
        let slow_reader = read(2, 0, 30, 1);
        let writer = acknowledged(10, 20, 2);
        let served_what_the_slow_reader_stored = read(3, 40, 41, 1);
        assert_eq!(stale(&[slow_reader, writer, served_what_the_slow_reader_stored]), 1);
    }

    /// Delayed double delete: the second delete comes, and helps, but not those who read between the two; nor after it, if
    /// the load was slower than the delay.
    #[test]
    fn double_delete_is_caught_between_its_deletes_and_after_them() {
        let writer = acknowledged(10, 20, 2);
        let between = read(3, 100, 101, 1);
        let after_the_second = read(3, 600, 601, 2);
        let after_an_even_later_fill = read(3, 900, 901, 1);
        let verdict = check(&[writer, between, after_the_second, after_an_even_later_fill]);
        assert_eq!(
            verdict.stale.iter().map(|read| read.version).collect::<Vec<_>>(),
            [1, 1]
        );
        assert_eq!(verdict.max_stale().as_millis(), 880);
    }

    /// Counters: evicted, the counter begins again, and gives a number that an old entry carries.
    #[test]
    fn a_counter_that_begins_again_is_caught_when_an_old_entry_comes_back() {
        let stored_under_1 = read(2, 0, 5, 1);
        let counts_to_2 = acknowledged(10, 20, 2);
        let evicted_and_counts_to_1 = acknowledged(30, 40, 3);
        let back_from_the_dead = read(2, 50, 51, 1);
        assert_eq!(
            stale(&[stored_under_1, counts_to_2, evicted_and_counts_to_1, back_from_the_dead]),
            1
        );
    }
}
