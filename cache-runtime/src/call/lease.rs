//! One load for all processes: who has the lease of a cold key loads, the others wait for its fill.
//!
//! The lease is of the entry *and* the stamps, so nobody waits for a load that an invalidation has overtaken. It lasts for
//! as long as it is extended, so the next one takes over soon after its holder has died.
//!
//! A holder in another process is waited for. One in this process is [known](HOLDERS), through whatever cache: if it
//! [stalls](crate::loads::Load), its lease is that of the next one who waits; if it waits for the one that would wait, that one
//! loads without.

mod neighbour;

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::{runtime::Handle, time::Instant};

use self::neighbour::{Neighbour, Standing};
use super::entry_ref::{EntryRef, StoreAnswer};
use crate::{
    cache::{Engine, Without, within},
    entry::{Envelope, Ticket},
    loads::{HOLDERS, Load},
    store::{Store, StoreError},
    task::backoff,
};

/// How long a process that waits looks away, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

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
    let (Some(store), Ok(runtime)) = (engine.store(), Handle::try_current()) else {
        return LeaseOutcome::Nothing(None);
    };
    let claim = Claim {
        store: Arc::clone(store),
        runtime,
        key: ticket.lease_key().into(),
        lasting,
        deadline: engine.settings.read_timeout,
        load: Arc::clone(load),
    };
    let token = fastrand::u64(..);
    let mut neighbour = Neighbour::new(&claim.key);
    let mut pauses = backoff(FIRST_PAUSE, LONGEST_PAUSE);
    let began = Instant::now();
    loop {
        let claimed = claim.stake(token).await;
        engine.leases.learn(&claimed, WITHOUT_LEASES);
        let Ok(mut lease) = claimed else {
            return LeaseOutcome::Nothing(Some(ticket));
        };
        let mut in_circle = false;
        if lease.is_none() {
            match neighbour.look(load) {
                Standing::Healthy => {}
                Standing::Stalled(holder) => lease = claim.inherit(&holder).await,
                Standing::Circle => in_circle = true,
            }
        }
        // Who has it may be waiting for this very call, seen or unseen.
        let goes_without = in_circle || began.elapsed() >= engine.settings.load_backstop;
        // With the lease, too: who had it may have filled after the caller's read, and given it back.
        let found = entry.read(engine).await;
        let acquired = match (Verdict::of(found, &mut ticket), lease) {
            (Verdict::Valid, Some(lease)) => Some(LeaseOutcome::Lease(lease, ticket.clone())),
            (Verdict::Over(acquired), lease) => {
                give_back(lease).await;
                Some(acquired)
            }
            // One answer that did not come, or an invalidation that this process is about to send.
            (Verdict::Unknown, lease) if !goes_without && engine.may_read() => {
                give_back(lease).await;
                None
            }
            (Verdict::Valid, None) if !goes_without => None,
            (Verdict::Valid | Verdict::Unknown, lease) => {
                give_back(lease).await;
                Some(LeaseOutcome::Nothing(Some(ticket.clone())))
            }
        };
        if let Some(acquired) = acquired {
            return acquired;
        }
        let pause = pauses.pause();
        tokio::time::sleep(neighbour.next_look().map_or(pause, |look| look.min(pause))).await;
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

async fn give_back(lease: Option<Lease>) {
    if let Some(lease) = lease {
        lease.end().await;
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

/// The right to load for all processes. Dropped without [`end`](Self::end), because its caller went away, it is given back
/// in the background. A load that has stalled may have lost it to another one of this process.
pub(super) struct Lease {
    claim: Claim,
    /// What the store knows the holder as.
    token: u64,
}

impl Lease {
    /// Runs a future and keeps the lease meanwhile.
    pub(super) async fn during<T>(&self, future: impl Future<Output = T>) -> T {
        match select(pin!(future), pin!(self.extend())).await {
            Either::Left((output, _)) => output,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn extend(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(self.claim.lasting / 3).await;
            if self.is_held() {
                self.extend_once().await;
            }
        }
    }

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

    /// Gives the lease back: after the fill, so that the next one finds the entry.
    pub(super) async fn end(self) {
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
