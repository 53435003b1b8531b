//! One load for all processes: who has the lease of a cold key loads, the others wait for its fill.
//!
//! The lease is of the entry *and* the stamps, so nobody waits for a load that an invalidation has overtaken. It lasts for
//! as long as it is extended, so the next one takes over soon after its holder has died.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::{runtime::Handle, time::Instant};

use crate::{
    cache::Inner,
    call::Located,
    engine::within,
    envelope::Envelope,
    protocol::Reading,
    stamp::Ticket,
    store::{Store, StoreError},
};

/// How long a process that waits looks away, at first and at most; in between longer each time.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What waiting for the lease came to.
pub(crate) enum Acquired {
    /// The caller loads, for all processes.
    Lease(Lease),
    /// Another process has filled the entry meanwhile.
    Filled(Envelope),
    /// An invalidation has come meanwhile: the caller begins again with this ticket.
    Overtaken(Ticket),
    /// There is nobody to keep order: the caller loads, and fills if it still has a ticket.
    Nothing(Option<Ticket>),
}

/// Waits until the caller may load, or need not.
pub(crate) async fn acquire(inner: &Arc<Inner>, located: &Located, ticket: &Ticket, lasting: Duration) -> Acquired {
    let Some(store) = inner.store() else {
        return Acquired::Nothing(None);
    };
    let mut lease = Lease {
        store: Arc::clone(store),
        key: ticket.lease_key(),
        holder: fastrand::u64(..),
        lasting,
        deadline: inner.settings.read_timeout,
        held: false,
    };
    let mut pause = FIRST_PAUSE;
    let began = Instant::now();
    loop {
        let acquired = lease.acquire().await;
        inner.lease_right.learn(
            &acquired,
            "leases lack a right, to SET, GET and UNLINK `~cachelease:*` (after the namespace, if there is one): each process loads for itself",
        );
        if acquired.is_err() {
            return Acquired::Nothing(Some(ticket.clone()));
        }
        // With the lease, too: who had it may have filled after the caller's read, and given it back.
        let outcome = match inner.read(&located.address, &located.identity).await {
            Some(Reading::Miss {
                ticket: Some(current), ..
            }) if current == *ticket => {
                if lease.held {
                    return Acquired::Lease(lease);
                }
                None
            }
            Some(Reading::Hit { envelope, .. }) => Some(Acquired::Filled(envelope)),
            Some(Reading::Miss {
                ticket: Some(current), ..
            }) => Some(Acquired::Overtaken(current)),
            Some(Reading::Miss { ticket: None, .. }) => Some(Acquired::Nothing(None)),
            // One answer that did not come, or an invalidation that this process is about to send.
            None if inner.may_read() => None,
            None => Some(Acquired::Nothing(Some(ticket.clone()))),
        };
        // Who has it may be waiting for this very call.
        let overdue = began.elapsed() >= inner.settings.load_backstop;
        let outcome = outcome.or_else(|| overdue.then(|| Acquired::Nothing(Some(ticket.clone()))));
        let Some(outcome) = outcome else {
            // Jitter: those who wait do not ask together.
            tokio::time::sleep(pause.mul_f32(0.5 + 0.5 * fastrand::f32())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            continue;
        };
        lease.end().await;
        return outcome;
    }
}

/// The right to load for all processes. Dropped without [`end`](Self::end), because its caller went away, it is given back
/// in the background.
pub(crate) struct Lease {
    store: Arc<dyn Store>,
    key: String,
    holder: u64,
    lasting: Duration,
    deadline: Duration,
    /// Whether the lease is to be given back.
    held: bool,
}

impl Lease {
    async fn acquire(&mut self) -> Result<(), StoreError> {
        let acquiring = self.store.acquire_lease(&self.key, self.holder, self.lasting);
        self.held = within(self.deadline, "a lease", acquiring).await?;
        Ok(())
    }

    /// Runs a future and keeps the lease meanwhile.
    pub(crate) async fn during<T>(&self, future: impl Future<Output = T>) -> T {
        let extending = pin!(self.extend());
        match select(pin!(future), extending).await {
            Either::Left((output, _)) => output,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn extend(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(self.lasting / 3).await;
            let extending = self.store.extend_lease(&self.key, self.holder, self.lasting);
            // Without an answer another process may load, too: that costs a load.
            drop(within(self.deadline, "a lease", extending).await);
        }
    }

    /// Gives the lease back: after the fill, so that the next one finds the entry.
    pub(crate) async fn end(mut self) {
        if self.held {
            drop(within(self.deadline, "a lease", self.store.drop_lease(&self.key)).await);
            self.held = false;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.held, Handle::try_current()) {
            let (store, key) = (Arc::clone(&self.store), std::mem::take(&mut self.key));
            // Without an answer the next one takes over when the lease has run out.
            runtime.spawn(async move { drop(store.drop_lease(&key).await) });
        }
    }
}
