//! One load for all processes: who has the lease of a cold key loads, the others wait for its fill.
//!
//! The lease is of the entry *and* the stamps, so nobody waits for a load that an invalidation has overtaken. It lasts for
//! as long as it is extended, so the next one takes over soon after its holder has died.
//!
//! A holder in another process is waited for. One in this process is [known](HOLDERS), through whatever cache: if it
//! [stalls](crate::loads::Load), its lease is that of the next one who waits; if it waits for the one that would wait, that one
//! loads without.

mod neighbour;

use std::{pin::pin, slice, sync::Arc, time::Duration};

use futures_util::future::{Either, join_all, select};
use tokio::{runtime::Handle, time::Instant};

use self::neighbour::{Neighbour, Standing};
use super::entry_ref::{EntryRef, StoreAnswer};
use crate::{
    cache::{Engine, Without, within},
    entry::{Envelope, Ticket},
    loads::{HOLDERS, Load},
    store::{Store, StoreError},
    task::{Backoff, backoff},
};

/// How long a process that waits looks away, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// So many leases are asked for, or given back, at once: each such piece has a deadline of its own.
const TOGETHER: usize = 256;

const WITHOUT_LEASES: Without = Without {
    right: Some(
        "leases lack a right, to SET, GET and UNLINK `~cachelease:*` (after the namespace, if there is one): each process loads for itself",
    ),
    support: "the store has no leases: each process loads for itself",
};

/// What waiting for the lease came to.
pub(super) enum LeaseOutcome {
    /// The caller loads, for all processes, and fills with this ticket.
    Lease(Lease, Ticket),
    /// Another process has filled the entry meanwhile.
    Filled(Envelope),
    /// An invalidation has come meanwhile: the caller begins again with this ticket.
    Overtaken(Ticket),
    /// There is nobody to keep order: the caller loads, and fills if it still has a ticket.
    Nothing(Option<Ticket>),
}

/// Waits until this load may go on, or need not.
pub(super) async fn acquire(
    engine: &Engine,
    entry: &EntryRef,
    mut ticket: Ticket,
    lasting: Duration,
    load: &Arc<Load>,
) -> LeaseOutcome {
    let Some(mut candidate) = Candidate::new(engine, &ticket, lasting, load, Instant::now()) else {
        return LeaseOutcome::Nothing(None);
    };
    let mut pauses = Pauses::new();
    loop {
        let mut attempts = attempt(engine, slice::from_mut(&mut candidate)).await;
        let Some(attempt) = attempts.pop().flatten() else {
            return LeaseOutcome::Nothing(Some(ticket));
        };
        // With the lease, too: who had it may have filled after the caller's read, and given it back.
        let found = entry.read(engine).await;
        let (outcome, unused) = candidate.conclude(engine, attempt, found, &mut ticket);
        give_back(unused).await;
        if let Some(outcome) = outcome {
            return outcome;
        }
        pauses.pause(slice::from_ref(&candidate)).await;
    }
}

/// A load that is to have the lease of an entry, until it has it or need not.
pub(super) struct Candidate {
    claim: Claim,
    /// What the store knows it as.
    token: u64,
    neighbour: Neighbour,
    since: Instant,
}

/// What an attempt to get a lease has come to.
pub(super) enum Attempt {
    Lease(Lease),
    /// Somebody else has it.
    Taken,
    /// Who has it waits for the one that would wait.
    Circle,
}

impl Candidate {
    /// A load that has wanted the lease of the ticket's entry since then. `None` if there is nobody to ask for it.
    pub(super) fn new(
        engine: &Engine,
        ticket: &Ticket,
        lasting: Duration,
        load: &Arc<Load>,
        since: Instant,
    ) -> Option<Self> {
        let (Some(store), Ok(runtime)) = (engine.store(), Handle::try_current()) else {
            return None;
        };
        let claim = Claim {
            store: Arc::clone(store),
            runtime,
            key: ticket.lease_key().into(),
            lasting,
            deadline: engine.settings.read_timeout,
            load: Arc::clone(load),
        };
        Some(Self {
            neighbour: Neighbour::new(&claim.key),
            claim,
            token: fastrand::u64(..),
            since,
        })
    }

    /// What is to be made of it that somebody else has the lease.
    async fn look(&mut self) -> Attempt {
        match self.neighbour.look(&self.claim.load) {
            Standing::Healthy => Attempt::Taken,
            Standing::Stalled(holder) => match self.claim.inherit(&holder).await {
                Some(lease) => Attempt::Lease(lease),
                None => Attempt::Taken,
            },
            Standing::Circle => Attempt::Circle,
        }
    }

    /// What an attempt has come to with what the store had of the entry after it, and a lease that is of no use. `None`: there is to be
    /// another attempt, after a [pause](Pauses).
    pub(super) fn conclude(
        &self,
        engine: &Engine,
        attempt: Attempt,
        found: StoreAnswer,
        ticket: &mut Ticket,
    ) -> (Option<LeaseOutcome>, Option<Lease>) {
        // Who has it may be waiting for this very call, seen or unseen.
        let goes_without = matches!(attempt, Attempt::Circle) || self.since.elapsed() >= engine.settings.load_backstop;
        let lease = match attempt {
            Attempt::Lease(lease) => Some(lease),
            Attempt::Taken | Attempt::Circle => None,
        };
        match (Verdict::of(found, ticket), lease) {
            (Verdict::Valid, Some(lease)) => (Some(LeaseOutcome::Lease(lease, ticket.clone())), None),
            (Verdict::Over(outcome), lease) => (Some(outcome), lease),
            // One answer that did not come, or an invalidation that this process is about to send.
            (Verdict::Unknown, lease) if !goes_without && engine.may_read() => (None, lease),
            (Verdict::Valid, None) if !goes_without => (None, None),
            (Verdict::Valid | Verdict::Unknown, lease) => (Some(LeaseOutcome::Nothing(Some(ticket.clone()))), lease),
        }
    }
}

/// Tries to get the leases of all of these, which are of one load; `None` of those that the store has not, or has not answered for.
/// Waits for nobody: a load that has got one of them is to wait for none before it has given that back. Else others could wait for
/// it who have what it waits for.
pub(super) async fn attempt(engine: &Engine, candidates: &mut [Candidate]) -> Vec<Option<Attempt>> {
    let mut staked = Vec::with_capacity(candidates.len());
    for candidates in candidates.chunks(TOGETHER) {
        let asking = candidates
            .iter()
            .map(|candidate| candidate.claim.stake(candidate.token));
        staked.extend(join_all(asking).await);
    }
    let has_got_one = staked.iter().any(|staked| matches!(staked, Ok(Some(_))));
    let attempts = candidates.iter_mut().zip(staked).map(async |(candidate, staked)| {
        engine.leases.learn(&staked, WITHOUT_LEASES);
        match staked.ok()? {
            Some(lease) => Some(Attempt::Lease(lease)),
            None if has_got_one => Some(Attempt::Taken),
            None => Some(candidate.look().await),
        }
    });
    join_all(attempts).await
}

/// The pauses between attempts.
pub(super) struct Pauses(Backoff);

impl Pauses {
    pub(super) fn new() -> Self {
        Self(backoff(FIRST_PAUSE, LONGEST_PAUSE))
    }

    /// Waits until all of these are to be attempted again.
    pub(super) async fn pause(&mut self, candidates: &[Candidate]) {
        let looks = candidates
            .iter()
            .filter_map(|candidate| candidate.neighbour.next_look());
        let pause = looks.fold(self.0.pause(), Duration::min);
        tokio::time::sleep(pause).await;
    }
}

/// What a look at the store says to a load that is about to begin on a ticket.
enum Verdict {
    /// The stamps are those of the ticket.
    Valid,
    /// It need not begin, or not so.
    Over(LeaseOutcome),
    /// Nothing.
    Unknown,
}

impl Verdict {
    /// Of the ticket the stamps alone count: epochs of tags move with what may have nothing to do with the load. It is given those of
    /// now, before which the load does not begin.
    fn of(found: StoreAnswer, ticket: &mut Ticket) -> Self {
        match (found.envelope, found.ticket) {
            (Some(envelope), _) => Self::Over(LeaseOutcome::Filled(envelope)),
            (None, Some(current)) if current.stamps() == ticket.stamps() => {
                *ticket = current;
                Self::Valid
            }
            (None, Some(current)) => Self::Over(LeaseOutcome::Overtaken(current)),
            (None, None) if found.is_known => Self::Over(LeaseOutcome::Nothing(None)),
            (None, None) => Self::Unknown,
        }
    }
}

/// Gives leases back: after the fill, so that the next ones find the entries.
pub(super) async fn give_back(leases: impl IntoIterator<Item = Lease>) {
    let mut leases = leases.into_iter().peekable();
    while leases.peek().is_some() {
        join_all(leases.by_ref().take(TOGETHER).map(Lease::end)).await;
    }
}

/// Runs a future and keeps these leases meanwhile, which are of one load.
pub(super) async fn during<T>(leases: &[Lease], future: impl Future<Output = T>) -> T {
    let Some(Lease { claim, .. }) = leases.first() else {
        return future.await;
    };
    match select(pin!(future), pin!(extend(leases, claim.lasting / 3))).await {
        Either::Left((output, _)) => output,
        Either::Right((never, _)) => match never {},
    }
}

async fn extend(leases: &[Lease], interval: Duration) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(interval).await;
        for leases in leases.chunks(TOGETHER) {
            let held = leases.iter().filter(|lease| lease.is_held());
            join_all(held.map(Lease::extend_once)).await;
        }
    }
}

/// What a load asks for a lease with.
#[derive(Clone)]
struct Claim {
    store: Arc<dyn Store>,
    runtime: Handle,
    key: Arc<str>,
    lasting: Duration,
    /// Of one answer.
    deadline: Duration,
    load: Arc<Load>,
}

impl Claim {
    /// Asks for the lease, for a holder of this name. `None` if another one has it.
    async fn stake(&self, token: u64) -> Result<Option<Lease>, StoreError> {
        let claim = self.clone();
        // On a task of its own: it may be given to a caller who has gone meanwhile, or was not willing to wait. The answer
        // finds out, and is dropped with the lease. That is worth waiting for as long as the lease would last.
        let answer = self.runtime.spawn(async move {
            let patience = claim.lasting.max(claim.deadline);
            let acquiring = claim.store.acquire_lease(&claim.key, token, claim.lasting);
            let acquired = within(patience, "a lease", acquiring).await?;
            Ok(acquired.then(|| {
                HOLDERS.note(&claim.key, token, &claim.load);
                Lease { claim, token }
            }))
        });
        let answer = async { answer.await.unwrap_or_else(|_| Err(StoreError::unavailable())) };
        within(self.deadline, "a lease", answer).await
    }

    /// Takes the lease over from a load of this process. `None` if it turns out that it was not that one's any more.
    async fn inherit(&self, from: &Arc<Load>) -> Option<Lease> {
        let token = HOLDERS.pass_on(&self.key, from, &self.load)?;
        let claim = self.clone();
        // Given back if this is dropped.
        let lease = Lease { claim, token };
        // A load that has stalled extends nothing: by now it may have run out, and be another process's.
        let asking = self.store.acquire_lease(&self.key, token, self.lasting);
        if matches!(within(self.deadline, "a lease", asking).await, Ok(false)) {
            HOLDERS.end(&self.key, &self.load);
            return None;
        }
        lease.extend_once().await;
        Some(lease)
    }
}

/// The right to load for all processes. Dropped without [`give_back`], because its caller went away, it is given back
/// in the background. A load that has stalled may have lost it to another one of this process.
pub(super) struct Lease {
    claim: Claim,
    /// What the store knows the holder as.
    token: u64,
}

impl Lease {
    async fn extend_once(&self) {
        let Claim {
            store,
            key,
            lasting,
            deadline,
            ..
        } = &self.claim;
        // Without an answer another process may load, too: that costs a load.
        drop(within(*deadline, "a lease", store.extend_lease(key, self.token, *lasting)).await);
    }

    fn is_held(&self) -> bool {
        HOLDERS.has(&self.claim.key, &self.claim.load)
    }

    async fn end(self) {
        if self.is_held() {
            let Claim {
                store, key, deadline, ..
            } = &self.claim;
            drop(within(*deadline, "a lease", store.drop_lease(key)).await);
            HOLDERS.end(key, &self.claim.load);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Claim {
            store,
            runtime,
            key,
            lasting,
            load,
            ..
        } = &self.claim;
        if HOLDERS.end(key, load) {
            let (store, key, lasting) = (Arc::clone(store), Arc::clone(key), *lasting);
            // Without an answer the next one takes over when the lease has run out.
            runtime.spawn(async move { drop(within(lasting, "a lease", store.drop_lease(&key)).await) });
        }
    }
}
