//! The invalidation guard: from the return of an invalidation on, this process reads nothing that is older.

use shuttle::{
    future::{self, JoinHandle},
    thread,
};

use crate::{
    in_many_schedules, joining,
    key::StampKey,
    loads::{FlightKey, Flights, Landing, Role, Waits},
    near_marks::{Freshness, Marks, StampTable},
    pending::{Journal, Position},
    stamp,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// A store with one stamp and one entry.
#[derive(Debug, Default, Clone, Copy)]
struct Store {
    stamp: u64,
    entry: Option<Entry>,
    /// The number of the connection.
    generation: u64,
}

/// A version of the database, with the stamp that it was loaded under.
#[derive(Debug, Clone, Copy)]
struct Entry {
    stamp: u64,
    version: u64,
}

/// What flights are found by: the stamp, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key(Option<u64>);

impl FlightKey for Key {
    type Value = u64;

    fn is_stamped(&self) -> bool {
        self.0.is_some()
    }

    fn depends_on(&self, stamps: &[StampKey]) -> bool {
        stamps == stamp()
    }
}

/// One process, its store and its database.
#[derive(Debug, Default)]
struct Process {
    database: AtomicU64,
    store: Mutex<Store>,
    /// No stamp is used twice, also after a failover.
    last_stamp: AtomicU64,
    journal: Journal,
    marks: StampTable,
    /// The value in the near cache.
    kept: Mutex<Option<(Marks, u64)>>,
    flights: Arc<Flights<Key>>,
    /// The connection over which everything has been replayed.
    replayed: AtomicU64,
    admission: Admission,
    /// The newest version whose invalidation has returned.
    invalidated: AtomicU64,
}

/// When a read makes sure that its connection has been replayed over.
#[derive(Debug, Default, Clone, Copy)]
enum Admission {
    #[default]
    BeforeTheRead,
    AfterTheRead,
}

/// In which order an invalidation is written down. The first is that of `Inner::enqueue`.
#[derive(Clone, Copy)]
enum Enqueue {
    JournalFirst,
    JournalLast,
}

/// How an invalidation returns.
#[derive(Clone, Copy)]
enum Sent {
    /// Acknowledged by the store, and struck out at the position that it was written at.
    Acknowledged,
    /// As before, but struck out whatever was written since.
    AcknowledgedAtAnyPosition,
    /// The store did not answer.
    Pending,
}

/// When the keeper takes from the journal what it sends.
#[derive(Clone, Copy)]
enum Batching {
    BeforeTheSend,
    AfterTheSend,
}

impl Process {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock()
    }

    fn kept(&self) -> MutexGuard<'_, Option<(Marks, u64)>> {
        self.kept.lock()
    }

    fn remove_stamp(&self) {
        let new = self.last_stamp.fetch_add(1, Ordering::SeqCst) + 1;
        self.store().stamp = new;
    }

    /// Another process, which knows nothing of this one's journal, reads, loads and fills.
    fn fill_from_elsewhere(&self) {
        let stamp = self.store().stamp;
        let version = self.database.load(Ordering::SeqCst);
        self.store().entry = Some(Entry { stamp, version });
    }

    /// A mutation and its invalidation.
    fn mutate(&self, enqueue: Enqueue, sent: Sent) {
        let version = self.database.fetch_add(1, Ordering::SeqCst) + 1;
        let position = self.enqueue(enqueue);
        if !matches!(sent, Sent::Pending) {
            self.remove_stamp();
            let position = match sent {
                Sent::AcknowledgedAtAnyPosition => self.journal.write(&[]),
                Sent::Acknowledged | Sent::Pending => position,
            };
            self.journal.acknowledge(&stamp(), position);
        }
        self.invalidated.fetch_max(version, Ordering::SeqCst);
    }

    fn enqueue(&self, order: Enqueue) -> Position {
        let stamps = stamp();
        let void = || stamps.iter().for_each(|stamp| self.marks.changed(stamp));
        match order {
            Enqueue::JournalFirst => {
                let position = self.journal.write(&stamps);
                void();
                self.flights.detach(&stamps);
                position
            }
            Enqueue::JournalLast => {
                void();
                self.flights.detach(&stamps);
                self.journal.write(&stamps)
            }
        }
    }

    /// The keeper sends what is pending.
    fn send_pending(&self, batching: Batching) {
        let batch = self.journal.batch();
        if batch.len() > 0 {
            self.remove_stamp();
        }
        let acknowledged = match batching {
            Batching::BeforeTheSend => batch,
            Batching::AfterTheSend => self.journal.batch(),
        };
        self.journal.acknowledge_batch(&acknowledged);
    }

    /// The keeper has found a new connection.
    fn reconnected(&self, generation: u64, replay: Replay) {
        if !matches!(replay, Replay::Never) {
            self.journal.replay();
        }
        if let Replay::Everything = replay {
            self.journal.write_everything();
        }
        self.send_pending(Batching::BeforeTheSend);
        self.replayed.store(generation, Ordering::SeqCst);
    }

    /// Calls once; the result must not be older than what had been invalidated when it began.
    async fn call(&self) {
        let oldest = self.invalidated.load(Ordering::SeqCst);
        let given = self.read().await;
        assert!(given >= oldest, "given version {given}, invalidated for {oldest}");
    }

    /// What a `#[cached]` function with `near = "tracked"` does.
    async fn read(&self) -> u64 {
        let began = self.flights.now();
        let kept = self.kept().clone();
        if let Some((taken, version)) = kept
            && self.marks.known(&taken) == Freshness::Unchanged
        {
            return version;
        }
        let taken = self.marks.take(&stamp());
        let ticket = match self.ask() {
            Some(Store {
                stamp,
                entry: Some(entry),
                ..
            }) if entry.stamp == stamp => {
                self.keep(taken, entry.version);
                return entry.version;
            }
            asked => asked.map(|store| store.stamp),
        };
        let leader = match self.flights.join(Key(ticket), joining(began, &Waits::default())).await {
            Role::Leader(leader) => leader,
            Role::Waiter(Landing::Value(version)) => return version,
            Role::Waiter(landed) => panic!("waited for {landed:?}"),
            Role::Circle => panic!("nobody is inside of a load"),
        };
        let version = self.database.load(Ordering::SeqCst);
        leader.land(Landing::Value(version));
        if let Some(stamp) = ticket
            && !leader.is_detached()
        {
            self.store().entry = Some(Entry { stamp, version });
            self.keep(taken, version);
        }
        version
    }

    /// Asks the store, unless something is pending or not replayed.
    fn ask(&self) -> Option<Store> {
        if self.journal.blocks(&stamp()) {
            return None;
        }
        let replayed = self.replayed.load(Ordering::SeqCst);
        let store = *self.store();
        let replayed = match self.admission {
            Admission::BeforeTheRead => replayed,
            Admission::AfterTheRead => self.replayed.load(Ordering::SeqCst),
        };
        (replayed == store.generation).then_some(store)
    }

    fn keep(&self, taken: Marks, version: u64) {
        if self.marks.known(&taken) != Freshness::Changed {
            *self.kept() = Some((taken, version));
        }
    }

    /// When all is over, nothing may be left behind.
    async fn assert_settled(&self) {
        self.send_pending(Batching::BeforeTheSend);
        assert!(self.journal.is_empty(), "lines are left in the journal");
        self.call().await;
        assert_eq!(self.flights.len(), 0, "flights are left in the table");
    }
}

fn calls(process: &Arc<Process>, times: usize) -> JoinHandle<()> {
    let process = Arc::clone(process);
    future::spawn(async move {
        for _ in 0..times {
            process.call().await;
        }
    })
}

fn in_a_thread(process: &Arc<Process>, work: impl FnOnce(&Process) + Send + 'static) -> thread::JoinHandle<()> {
    let process = Arc::clone(process);
    thread::spawn(move || work(&process))
}

/// Two mutations, of which the second one is not acknowledged, and calls; in the end the keeper sends.
fn two_mutations(enqueue: Enqueue, first: Sent) {
    future::block_on(async move {
        let process = Arc::new(Process::default());
        let caller = calls(&process, 3);
        let elsewhere = in_a_thread(&process, Process::fill_from_elsewhere);
        let mutations =
            [first, Sent::Pending].map(|sent| in_a_thread(&process, move |process| process.mutate(enqueue, sent)));
        for thread in mutations.into_iter().chain([elsewhere]) {
            thread.join().expect("a mutation or a fill ends");
        }
        caller.await.expect("a call ends");
        process.call().await;
        process.assert_settled().await;
    });
}

#[test]
fn no_call_is_given_what_was_invalidated_before_it_began() {
    in_many_schedules(8_000, || two_mutations(Enqueue::JournalFirst, Sent::Acknowledged));
}

#[test]
#[should_panic(expected = "invalidated for")]
fn voiding_before_the_journal_is_written_is_caught() {
    in_many_schedules(8_000, || two_mutations(Enqueue::JournalLast, Sent::Acknowledged));
}

#[test]
#[should_panic(expected = "invalidated for")]
fn acknowledging_whatever_was_written_since_is_caught() {
    in_many_schedules(8_000, || {
        two_mutations(Enqueue::JournalFirst, Sent::AcknowledgedAtAnyPosition);
    });
}

/// Two mutations that only the keeper sends, while others make the journal widen.
fn a_keeper_and_a_widening_journal(batching: Batching) {
    future::block_on(async move {
        let process = Arc::new(Process::default());
        let caller = calls(&process, 3);
        let mutations = in_a_thread(&process, |process| {
            for _ in 0..2 {
                process.mutate(Enqueue::JournalFirst, Sent::Pending);
            }
        });
        let others = in_a_thread(&process, |process| {
            for tenant in 1..=crate::LIMIT {
                let stamps = [StampKey::new(format!("cachestamp:t{tenant}:r"))];
                let position = process.journal.write(&stamps);
                process.journal.acknowledge(&stamps, position);
                process.journal.write(&stamps);
            }
        });
        for _ in 0..2 {
            process.send_pending(batching);
        }
        for thread in [mutations, others] {
            thread.join().expect("an invalidation ends");
        }
        caller.await.expect("a call ends");
        process.call().await;
        process.assert_settled().await;
    });
}

#[test]
fn what_is_written_during_a_send_stays_however_wide_the_journal_is() {
    in_many_schedules(8_000, || a_keeper_and_a_widening_journal(Batching::BeforeTheSend));
}

#[test]
#[should_panic(expected = "invalidated for")]
fn striking_out_what_was_not_sent_is_caught() {
    in_many_schedules(8_000, || a_keeper_and_a_widening_journal(Batching::AfterTheSend));
}

/// What a keeper does first over a new connection.
#[derive(Clone, Copy)]
enum Replay {
    Acknowledged,
    /// `on_failover = "flush"`.
    Everything,
    Never,
}

/// A mutation, and a failover that loses what the store has acknowledged.
fn a_failover(replay: Replay, admission: Admission) {
    future::block_on(async move {
        let process = Arc::new(Process {
            admission,
            ..Process::default()
        });
        process.call().await;
        let replica = *process.store();
        let caller = calls(&process, 2);
        let mutation = in_a_thread(&process, |process| {
            process.mutate(Enqueue::JournalFirst, Sent::Acknowledged);
        });
        *process.store() = Store {
            generation: 1,
            ..replica
        };
        process.reconnected(1, replay);
        mutation.join().expect("a mutation ends");
        caller.await.expect("a call ends");
        process.call().await;
        process.assert_settled().await;
    });
}

#[test]
fn what_a_failover_lost_is_invalidated_again() {
    in_many_schedules(8_000, || a_failover(Replay::Acknowledged, Admission::BeforeTheRead));
}

#[test]
fn after_a_failover_everything_can_be_invalidated() {
    in_many_schedules(8_000, || a_failover(Replay::Everything, Admission::BeforeTheRead));
}

#[test]
#[should_panic(expected = "invalidated for")]
fn a_failover_without_a_replay_is_caught() {
    in_many_schedules(8_000, || a_failover(Replay::Never, Admission::BeforeTheRead));
}

#[test]
#[should_panic(expected = "invalidated for")]
fn admitting_a_read_from_before_the_replay_is_caught() {
    in_many_schedules(8_000, || a_failover(Replay::Acknowledged, Admission::AfterTheRead));
}
