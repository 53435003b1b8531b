use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cache_runtime::{
    protocol::{self, Identity, Reading},
    store::{Address, Snapshot, Stamp, Store, StoreError, StoreErrorKind, Ticket},
};

use super::{Capability, Subject};

/// Long enough never to pass during a test.
pub(super) const LONG: Duration = Duration::from_hours(1);

/// What the rules expect of the entries that they store themselves.
pub(super) const IDENTITY: Identity = Identity {
    fingerprint: [0x5a; 16],
    shape: 7,
};

/// A rule is broken: what was seen.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        let way_out = match error.kind() {
            StoreErrorKind::Unsupported => " (what a store does without is said by `Subject::without`)",
            _ => "",
        };
        Self(format!("an operation failed: {error}{way_out}"))
    }
}

/// Returns [`Broken`] from a rule unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(Broken(format!($($message)+)));
        }
    };
}
pub(super) use ensure;

/// Asks until it is so.
macro_rules! until {
    ($what:literal, $is_so:expr) => {{
        let deadline = tokio::time::Instant::now() + $crate::PATIENCE;
        while !$is_so {
            ensure!(
                tokio::time::Instant::now() < deadline,
                "waited {:?} for this: {}",
                $crate::PATIENCE,
                $what
            );
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }};
}
pub(super) use until;

/// A store, and keys in it that nobody else uses.
pub(super) struct Bench {
    pub(super) store: Arc<dyn Store>,
    /// What it is said to do without.
    pub(super) without: Vec<Capability>,
    tenant: String,
}

impl Bench {
    pub(super) fn new(subject: &Subject) -> Result<Self, Broken> {
        Ok(Self {
            store: Arc::clone(&subject.store),
            without: subject.without.clone(),
            tenant: format!("contract-{}", random_stamp()?),
        })
    }

    pub(super) fn address(&self, resource: &str, hash: &str) -> Arc<Address> {
        self.scoped(resource, &[], hash)
    }

    pub(super) fn scoped(&self, resource: &str, scopes: &[(&'static str, &str)], hash: &str) -> Arc<Address> {
        Arc::new(Address::new(&self.tenant, resource, scopes, hash))
    }

    /// A sweep pattern for what this rule has stored: `rest` follows the tenant.
    pub(super) fn pattern(&self, rest: &str) -> String {
        format!("cache:{}:{rest}", self.tenant)
    }

    pub(super) fn lease(&self, name: &str) -> String {
        format!("cachelease:{}:{name}", self.tenant)
    }

    pub(super) async fn snapshot(&self, address: &Arc<Address>) -> Result<Snapshot, Broken> {
        Ok(self.store.read(address).await?)
    }

    pub(super) async fn entry(&self, address: &Arc<Address>) -> Result<Option<Bytes>, Broken> {
        Ok(self.snapshot(address).await?.entry)
    }

    /// The right to fill. Creates the stamps that are missing.
    pub(super) async fn ticket(&self, address: &Arc<Address>) -> Result<Ticket, Broken> {
        match protocol::read(&*self.store, address, &IDENTITY).await? {
            Reading::Hit { ticket, .. }
            | Reading::Stale {
                ticket: Some(ticket), ..
            }
            | Reading::Miss {
                ticket: Some(ticket), ..
            } => Ok(ticket),
            Reading::Stale { ticket: None, .. } | Reading::Miss { ticket: None, .. } => {
                Err(Broken("no stamps could be created".to_owned()))
            }
        }
    }

    /// Stores an entry as the cache does.
    pub(super) async fn fill(&self, address: &Arc<Address>, payload: &[u8]) -> Result<Ticket, Broken> {
        let ticket = self.ticket(address).await?;
        self.store.fill(&ticket, sealed(&ticket, payload)?, LONG).await?;
        Ok(ticket)
    }

    /// The payload of a valid entry.
    pub(super) async fn hit(&self, address: &Arc<Address>) -> Result<Option<Bytes>, Broken> {
        Ok(match protocol::read(&*self.store, address, &IDENTITY).await? {
            Reading::Hit { envelope, .. } => Some(envelope.payload()),
            Reading::Stale { .. } | Reading::Miss { .. } => None,
        })
    }
}

pub(super) fn sealed(ticket: &Ticket, payload: &[u8]) -> Result<Bytes, Broken> {
    protocol::seal(ticket, &IDENTITY, LONG, Duration::ZERO, payload)
        .ok_or_else(|| Broken("the entry is too large for an envelope".to_owned()))
}

pub(super) fn random_stamp() -> Result<Stamp, Broken> {
    Stamp::random().map_err(|error| Broken(format!("no random numbers: {error}")))
}
