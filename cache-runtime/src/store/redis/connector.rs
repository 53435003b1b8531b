//! To which server a new connection leads.

use std::time::Duration;

use deadpool_redis::{Connection, Pool};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisResult, cmd};
use tokio::time::timeout;

use super::{RedisConfig, config::Shape, error};
use crate::{
    store::{StoreError, StoreErrorKind},
    sync::Mutex,
};

/// Makes the connections of the lanes to one server.
pub(super) enum Connector {
    /// To this one.
    Fixed { address: ConnectionAddr, pool: Pool },
    /// To the one that the sentinels name when the connection is made.
    Sentinel(Box<Sentinels>),
}

impl Connector {
    /// To the server of the URL, or to the primary that its sentinels name.
    pub(super) fn new(config: &RedisConfig) -> Self {
        match config.shape() {
            Shape::Sentinel { sentinels, service } => Self::Sentinel(Box::new(Sentinels {
                config: config.clone(),
                addresses: sentinels.clone(),
                service: service.clone(),
                primary: Mutex::default(),
            })),
            Shape::Server | Shape::Cluster { .. } => Self::to(config, config.address().clone()),
        }
    }

    pub(super) fn to(config: &RedisConfig, address: ConnectionAddr) -> Self {
        let pool = config.pool(address.clone());
        Self::Fixed { address, pool }
    }

    /// Where a connection that is made now leads to.
    pub(super) async fn address(&self) -> Result<ConnectionAddr, StoreError> {
        match self {
            Self::Fixed { address, .. } => Ok(address.clone()),
            Self::Sentinel(sentinels) => sentinels.primary().await,
        }
    }

    /// The address of the server that connections were last made to, for the log.
    pub(super) fn known_address(&self) -> Option<String> {
        match self {
            Self::Fixed { address, .. } => Some(address.to_string()),
            Self::Sentinel(sentinels) => {
                let primary = sentinels.primary.lock();
                primary.as_ref().map(|(address, _)| address.to_string())
            }
        }
    }

    pub(super) async fn connect(&self) -> Result<Connection, StoreError> {
        let (address, pool) = match self {
            Self::Fixed { address, pool } => (address.clone(), pool.clone()),
            Self::Sentinel(sentinels) => {
                let primary = sentinels.primary().await?;
                (primary.clone(), sentinels.pool(primary))
            }
        };
        let connection = pool.get().await;
        connection.map_err(|error| error::at(address, &error::from_pool(&error)))
    }
}

/// The sentinels, and what they said last.
pub(super) struct Sentinels {
    config: RedisConfig,
    addresses: Vec<ConnectionAddr>,
    service: String,
    /// Of the primary that connections were last made to.
    primary: Mutex<Option<(ConnectionAddr, Pool)>>,
}

impl Sentinels {
    /// Asks one sentinel after the other, in random order, until one names the primary.
    async fn primary(&self) -> Result<ConnectionAddr, StoreError> {
        let mut sentinels: Vec<&ConnectionAddr> = self.addresses.iter().collect();
        fastrand::shuffle(&mut sentinels);
        let mut last = None;
        for sentinel in sentinels {
            match self.ask(sentinel).await {
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

    async fn ask(&self, sentinel: &ConnectionAddr) -> Result<Option<(String, u16)>, StoreError> {
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        let client = self.config.sentinel_client(sentinel.clone());
        let deadline = self.config.discovery_deadline();
        ask(client, deadline, async |mut connection| {
            question.query_async(&mut connection).await
        })
        .await
    }

    fn pool(&self, primary: ConnectionAddr) -> Pool {
        let mut known = self.primary.lock();
        match &*known {
            Some((address, pool)) if *address == primary => pool.clone(),
            _ => {
                let pool = self.config.pool(primary.clone());
                *known = Some((primary, pool.clone()));
                pool
            }
        }
    }
}

/// Asks a server something over a connection that is closed afterwards.
pub(super) async fn ask<T>(
    client: RedisResult<Client>,
    deadline: Duration,
    question: impl AsyncFnOnce(redis::aio::MultiplexedConnection) -> RedisResult<T>,
) -> Result<T, StoreError> {
    let asking = async {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connection = client?.get_multiplexed_async_connection_with_config(&config).await?;
        question(connection).await
    };
    match timeout(deadline, asking).await {
        Ok(answer) => answer.map_err(|error| error::from_redis(&error)),
        Err(_) => Err(StoreError::timeout("an answer", deadline)),
    }
}
