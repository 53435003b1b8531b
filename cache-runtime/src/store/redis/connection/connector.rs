//! The maker of a lane's connections, which knows the server that a new one leads to.

use redis::{ConnectionAddr, cmd};

use super::{
    super::config::{Deployment, RedisConfig},
    pool::{Pool, PooledConnection},
    query::query_once,
};
use crate::{
    store::{StoreError, StoreErrorKind},
    sync::Mutex,
};

/// Makes the connections of the lanes to one server.
pub(in super::super) enum Connector {
    /// To this one.
    Fixed(Pool),
    /// To the one that the sentinels name when the connection is made.
    Sentinel(Box<Sentinels>),
}

impl Connector {
    /// To the server of the URL, or to the primary that its sentinels name.
    pub(in super::super) fn new(config: &RedisConfig) -> Self {
        match config.deployment() {
            Deployment::Sentinel { sentinels, service } => Self::Sentinel(Box::new(Sentinels {
                config: config.clone(),
                addresses: sentinels.clone(),
                service: service.clone(),
                primary: Mutex::default(),
            })),
            Deployment::Server | Deployment::Cluster { .. } => Self::to(config, config.address().clone()),
        }
    }

    pub(in super::super) fn to(config: &RedisConfig, address: ConnectionAddr) -> Self {
        Self::Fixed(Pool::new(config, address))
    }

    /// Where a connection that is made now leads to.
    pub(in super::super) async fn address(&self) -> Result<ConnectionAddr, StoreError> {
        match self {
            Self::Fixed(pool) => Ok(pool.address().clone()),
            Self::Sentinel(sentinels) => sentinels.primary().await,
        }
    }

    /// The address of the server that connections were last made to, for the log.
    pub(in super::super) fn known_address(&self) -> Option<String> {
        match self {
            Self::Fixed(pool) => Some(pool.address().to_string()),
            Self::Sentinel(sentinels) => {
                let primary = sentinels.primary.lock();
                primary.as_ref().map(|pool| pool.address().to_string())
            }
        }
    }

    pub(in super::super) async fn connect(&self) -> Result<PooledConnection, StoreError> {
        match self {
            Self::Fixed(pool) => pool.open().await,
            Self::Sentinel(sentinels) => {
                let primary = sentinels.primary().await?;
                sentinels.pool(primary).open().await
            }
        }
    }
}

/// The sentinels, and what they said last.
pub(in super::super) struct Sentinels {
    config: RedisConfig,
    addresses: Vec<ConnectionAddr>,
    service: String,
    /// Of the primary that connections were last made to.
    primary: Mutex<Option<Pool>>,
}

impl Sentinels {
    /// Asks one sentinel after the other, in random order, until one names the primary.
    async fn primary(&self) -> Result<ConnectionAddr, StoreError> {
        let mut sentinels: Vec<&ConnectionAddr> = self.addresses.iter().collect();
        fastrand::shuffle(&mut sentinels);
        let mut last = None;
        for sentinel in sentinels {
            match self.primary_known_to(sentinel).await {
                Ok(Some((host, port))) => return Ok(self.config.address_of(host, port)),
                Ok(None) => {
                    last = Some(StoreError::new(
                        StoreErrorKind::Unavailable,
                        format!("the sentinel {sentinel} knows no primary named `{}`", self.service),
                    ));
                }
                Err(cause) => {
                    last = Some(cause.with_message(format!(
                        "the sentinel {sentinel} did not say where the primary is: {cause}"
                    )));
                }
            }
        }
        Err(last.unwrap_or_else(|| StoreError::new(StoreErrorKind::Unavailable, "there are no sentinels to ask")))
    }

    async fn primary_known_to(&self, sentinel: &ConnectionAddr) -> Result<Option<(String, u16)>, StoreError> {
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        let client = self.config.sentinel_client(sentinel.clone());
        let deadline = self.config.discovery_deadline();
        query_once(client, deadline, async |mut connection| {
            question.query_async(&mut connection).await
        })
        .await
    }

    /// The pool of this primary: the one before, unless that was another server's.
    fn pool(&self, primary: ConnectionAddr) -> Pool {
        let mut known = self.primary.lock();
        match &*known {
            Some(pool) if *pool.address() == primary => pool.clone(),
            _ => known.insert(Pool::new(&self.config, primary)).clone(),
        }
    }
}
