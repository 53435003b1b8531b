//! A query to a server over a connection of its own, which is closed afterwards.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection};
use tokio::time::timeout;

use super::super::error;
use crate::store::StoreError;

pub(in super::super) async fn query_once<T>(
    client: RedisResult<Client>,
    deadline: Duration,
    query: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
) -> Result<T, StoreError> {
    let answer = async {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connection = client?.get_multiplexed_async_connection_with_config(&config).await?;
        query(connection).await
    };
    match timeout(deadline, answer).await {
        Ok(answer) => answer.map_err(|error| error::from_redis(&error)),
        Err(_) => Err(StoreError::timeout("an answer", deadline)),
    }
}
