use std::time::Duration;

use anyhow::Result;
use cache_testkit::redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, aio::MultiplexedConnection};
use tokio::sync::Mutex;

/// As for the framework, which these protocols are compared with.
const ANSWER: Duration = Duration::from_millis(50);
const CONNECT: Duration = Duration::from_secs(1);

/// A plain connection to Redis, as one would use it without a framework.
pub(crate) struct Redis {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Redis {
    pub(crate) fn at(url: &str) -> Result<Self> {
        Ok(Self {
            client: Client::open(url)?,
            connection: Mutex::default(),
        })
    }

    /// The answer to a command; `None` if there was none, or an error.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let mut connection = self.connection().await?;
        let answer = command.query_async(&mut connection).await;
        if answer
            .as_ref()
            .is_err_and(cache_testkit::redis::RedisError::is_unrecoverable_error)
        {
            *self.connection.lock().await = None;
        }
        answer.ok()
    }

    async fn connection(&self) -> Option<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if connection.is_none() {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                .set_response_timeout(Some(ANSWER));
            *connection = self
                .client
                .get_multiplexed_async_connection_with_config(&config)
                .await
                .ok();
        }
        connection.clone()
    }
}
